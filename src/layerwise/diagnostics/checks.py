"""What every measure asks of codes, labels and factors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.errors import InputError

__all__ = ["check_paired", "check_table"]


def check_table(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """Numbers of shape (rows, columns) in float64.

    Raises:
        InputError: for another shape, no rows or columns, or a number that is not finite.

    >>> check_table("codes", np.array([[1.0, np.nan]]))
    Traceback (most recent call last):
    layerwise.errors.InputError: codes must be finite; 1 value is not, the first in row 0, column 1.
    """
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(f"{name} must have the shape (rows, columns), neither of them 0; got {values.shape}.")
    table = values.astype(np.float64)
    wrong = np.argwhere(~np.isfinite(table))
    if len(wrong):
        count = "1 value is" if len(wrong) == 1 else f"{len(wrong)} values are"
        row, column = wrong[0]
        raise InputError(f"{name} must be finite; {count} not, the first in row {row}, column {column}.")
    return table


def check_paired(name: str, values: NDArray[Any], *, codes: NDArray[Any]) -> None:
    """Make sure that there is something for each code.

    Raises:
        InputError: when there are more or fewer.

    >>> check_paired("labels", np.zeros(2), codes=np.zeros((3, 1)))
    Traceback (most recent call last):
    layerwise.errors.InputError: there must be as many labels as codes; got 2 for 3.
    """
    if len(values) != len(codes):
        raise InputError(f"there must be as many {name} as codes; got {len(values)} for {len(codes)}.")
