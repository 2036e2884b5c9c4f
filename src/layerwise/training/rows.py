"""Sources of batches that are made of others."""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from layerwise.data import Batch, Source
from layerwise.errors import InputError

__all__ = ["Targeted", "TensorRows"]


@final
class TensorRows:
    """Rows that are tensors already.

    Arguments:
        x: values, shape (rows, *features).
        observed: True for cells that count; None when all do. The others are 0 in every batch, whatever they hold.

    >>> TensorRows(torch.eye(3)).batch(torch.tensor([1])).x
    tensor([[0., 1., 0.]])
    """

    def __init__(
        self, x: Float[Tensor, "rows *features"], observed: Bool[Tensor, "rows *features"] | None = None
    ) -> None:
        self.x = x if observed is None else torch.where(observed, x, 0.0)
        self.observed = observed

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, index: Tensor) -> Batch:
        """The rows of the given numbers."""
        # Several times as fast as indexing on a processor.
        observed = None if self.observed is None else self.observed.index_select(0, index)
        return Batch(self.x.index_select(0, index), observed)


@final
class Targeted:
    """Rows with something to be predicted for each of them.

    Arguments:
        rows: what is known.
        y: class numbers, shape (rows,), or numbers, shape (rows, outputs).

    Raises:
        InputError: when there are not as many of both.

    >>> Targeted(TensorRows(torch.eye(3)), torch.tensor([0, 1, 0])).batch(torch.tensor([1])).y
    tensor([1])
    """

    def __init__(self, rows: Source, y: Tensor) -> None:
        if len(rows) != len(y):
            raise InputError(f"there must be as many targets as rows; got {len(y)} for {len(rows)}.")
        self.rows, self.y = rows, y

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor) -> Batch:
        """The rows of the given numbers."""
        return self.rows.batch(index)._replace(y=self.y[index])
