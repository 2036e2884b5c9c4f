"""A tensor as a source of batches."""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from layerwise.data import Batch

__all__ = ["TensorRows"]


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
        return Batch(self.x[index], None if self.observed is None else self.observed[index])
