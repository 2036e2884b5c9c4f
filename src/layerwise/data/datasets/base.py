"""What is known of a data set before it is read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from layerwise.data.datasets.known import Pictures
from layerwise.data.table import Table

__all__ = ["DataSet"]


@final
@dataclass(frozen=True)
class DataSet:
    """A data set with a name.

    Attributes:
        name: what `read` takes.
        rows: the number of rows, test rows not counted.
        features: the number of columns, or of pixels.
        licence: as stated by the source.
        origin: who made it, and where it comes from.
        load: reads it, from the given folder if any.
        pictures: its training and its test pictures with their factors, where those are known.
    """

    name: str
    rows: int
    features: int
    licence: str
    origin: str
    load: Callable[[Path | None], Table] = field(repr=False)
    pictures: Callable[[Path | None], tuple[Pictures, Pictures]] | None = field(default=None, repr=False)
