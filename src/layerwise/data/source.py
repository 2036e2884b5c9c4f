"""What training asks of data."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from layerwise.data.rows import Batch

__all__ = ["Source"]


@runtime_checkable
class Source(Protocol):
    """Where batches come from: `Rows`, or anything with a length and batches by row numbers."""

    def __len__(self) -> int:
        """The number of rows."""

    def batch(self, index: Tensor) -> Batch:
        """The rows of the given numbers, as float32 with the mask of observed cells."""
