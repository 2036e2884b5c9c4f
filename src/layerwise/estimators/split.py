"""Which rows train, which choose the best weights, and which judge."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from layerwise.errors import InputError
from layerwise.randomness import generator

__all__ = ["Split", "split_rows"]

LEAST_ROWS = 10
MOST_ROWS = 20_000


@final
@dataclass(frozen=True)
class Split:
    """Row numbers: `train` moves the weights, `validation` chooses among them, `held_out` is seen only at the end."""

    train: Tensor
    validation: Tensor
    held_out: Tensor


def split_rows(rows: int, validation_fraction: float, *, test_fraction: float, seed: int) -> Split:
    """Divide rows at random, the same way for the same seed; with fewer than 10 rows all of them train.

    Neither the validation nor the held-out rows are ever more than 20,000.

    Raises:
        InputError: when a fraction is negative or nothing is left to train on.

    >>> [len(part) for part in vars(split_rows(100, 0.1, test_fraction=0.2, seed=0)).values()]
    [70, 10, 20]
    """
    if not (validation_fraction >= 0 and test_fraction >= 0 and validation_fraction + test_fraction < 1):
        raise InputError(
            "validation_fraction and test_fraction must be at least 0 and together below 1; "
            f"got {validation_fraction} and {test_fraction}."
        )
    order = torch.randperm(rows, generator=generator(seed, -1))
    if rows < LEAST_ROWS:
        return Split(order, order[:0], order[:0])
    # A fraction above 0 asks for at least one row, and 20,000 rows tell enough.
    validation = min(max(round(rows * validation_fraction), int(validation_fraction > 0)), MOST_ROWS)
    held_out = min(max(round(rows * test_fraction), int(test_fraction > 0)), MOST_ROWS)
    first = rows - validation - held_out
    return Split(order[:first].sort().values, order[first : first + validation], order[first + validation :])
