"""What training asks of data."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from layerwise.data.rows import Batch

__all__ = ["Grouped", "Source", "batches"]


@runtime_checkable
class Source(Protocol):
    """Where batches come from: `Rows`, or anything with a length and batches by row numbers."""

    def __len__(self) -> int:
        """The number of rows."""

    def batch(self, index: Tensor) -> Batch:
        """The rows of the given numbers, as float32 with the mask of observed cells; tokens as whole numbers."""


@runtime_checkable
class Grouped(Source, Protocol):
    """A source that knows which rows go well together: sentences of one length need no padding."""

    def batches(self, count: int, generator: torch.Generator) -> Sequence[Tensor]:
        """All rows once, by their numbers, in so many batches of nearly the same size, drawn from the generator."""


def batches(rows: Source, count: int, *, generator: torch.Generator) -> Sequence[Tensor]:
    """The numbers of all rows, shuffled, in so many batches; those of a `Grouped` source as it draws them.

    >>> from layerwise.training import TensorRows
    >>> [len(index) for index in batches(TensorRows(torch.zeros(5, 2)), 2, generator=torch.Generator())]
    [3, 2]
    """
    if isinstance(rows, Grouped):
        return rows.batches(count, generator)
    # Evenly split, so that no batch is tiny: a single row has no batch statistics.
    return torch.randperm(len(rows), generator=generator).tensor_split(count)
