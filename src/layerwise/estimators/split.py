"""Which rows train, which choose the best weights, and which judge."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from layerwise.data import Rows, Schema, Table
from layerwise.data.fitting import WantedScaling
from layerwise.data.texts import check_texts
from layerwise.errors import InputError
from layerwise.randomness import generator

__all__ = ["Split", "divide", "parts_of", "schema_of", "split_rows"]

FOLDS = 5
FEW_ROWS = 1000

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


def divide(
    table: Table, validation_fraction: float, *, test_fraction: float, seed: int, folds: bool = True
) -> tuple[Split, int]:
    """The split of a table, and the number of folds of cross-validation: 5 with fewer than 1000 rows, else 0.

    With folds no rows are set aside for validation; with a test split of the table's own, none for judging.

    Arguments:
        table: all rows.
        validation_fraction, test_fraction, seed: as in `split_rows`.
        folds: whether cross-validation is wanted where the rows are few.
    """
    count = FOLDS if folds and FOLDS <= len(table) < FEW_ROWS and validation_fraction > 0 else 0
    test = 0.0 if table.test is not None else test_fraction
    return split_rows(len(table), 0.0 if count else validation_fraction, test_fraction=test, seed=seed), count


def schema_of(table: Table, split: Split, *, scaling: WantedScaling) -> Schema:
    """Kinds, scales and levels of the columns, from the training rows alone.

    Raises:
        InputError: as `Schema.fit`, for any of the rows.
    """
    if len(split.train) == len(table):
        return Schema.fit(table, scaling=scaling)
    try:
        # A word among numbers is found wherever it is: the training rows alone would look like codes.
        check_texts(table)
        return Schema.fit(table.take(split.train.numpy()), scaling=scaling)
    except InputError:
        # What is wrong is told of all rows, with the first of them.
        Schema.fit(table, scaling=scaling)
        raise


def parts_of(schema: Schema, table: Table, split: Split, *, told: set[str]) -> dict[str, Rows]:
    """The encoded "train", "validation" and "held_out" rows, and "test" rows where the table has a test split.

    Arguments:
        schema: of the training rows.
        table: all rows.
        split: which rows are which.
        told: gets the lines that were logged, as in `Schema.encode`.
    """
    rows = schema.encode(table, told=told)
    parts = {name: rows.take(index) for name, index in vars(split).items()}
    return parts if table.test is None else {**parts, "test": schema.encode(table.test, told=told)}
