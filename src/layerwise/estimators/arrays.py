"""Arrays and lists as scikit-learn takes them, with messages that name the cell."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data.table import Origin
from layerwise.errors import InputError, InputTypeError

__all__ = ["explain", "unmasked"]

REMEDY = "Convert it, leave it empty (NaN), or give a data frame, whose columns may hold categories and times."
NO_COMPLEX = "Complex data not supported"


def unmasked(data: Any) -> Any:
    """The data as scikit-learn may look at them: masked cells are NaN.

    Raises:
        InputError: for a path, and for pictures in more than two dimensions.

    >>> unmasked(np.ma.masked_equal([[1, 2], [3, 4]], 3))
    array([[ 1.,  2.],
           [nan,  4.]])
    """
    if isinstance(data, str | os.PathLike):
        raise InputError(f"rows must be an array, a frame or a table; got {data!r}. Read it: layerwise.data.read(...).")
    if isinstance(data, np.ma.MaskedArray) and data.dtype.kind in "biuf":
        data = np.ma.filled(data.astype(np.float64), np.nan)
    if isinstance(data, np.ndarray) and data.ndim > 2:
        remedy = "Give pictures as layerwise.data.read(array)" if data.ndim < 5 else "Reshape it"
        raise InputError(f"an array must be (rows, columns); found shape {data.shape}. {remedy}.")
    return data


def explain(data: Any) -> None:
    """Say which cells scikit-learn could not take; return where it was for another reason.

    Arguments:
        data: an array or a list of rows, which scikit-learn refused.

    Raises:
        InputError: with a line for each column that holds anything but numbers, or for rows of several lengths.

    >>> explain([[1, 2], [3, "x"]])
    Traceback (most recent call last):
    layerwise.errors.InputError: column 'x1' must hold numbers; found 'x' in row 1. Convert it, leave it empty (NaN), \
or give a data frame, whose columns may hold categories and times.
    """
    cells = _cells(data)
    if cells is None or cells.ndim != 2:
        return
    findings, typed = [], False
    for j, column in enumerate(cells.T):
        errors = [_error(cell) for cell in column]
        bad = np.array([error is not None for error in errors])
        if bad.any():
            first = int(np.argmax(bad))
            typed = typed or isinstance(errors[first], TypeError)
            # What Python says of a text tells nothing more.
            why = "" if isinstance(column[first], str) else f" ({errors[first]})"
            findings.append(
                f"column 'x{j}' must hold numbers; found {Origin().found(bad, column[first])}{why}. {REMEDY}"
            )
    if findings:
        raise (InputTypeError if typed else InputError)(*findings)
    if cells.dtype.kind == "c":
        raise InputError(f"an array must hold real numbers; found {cells.dtype}. {NO_COMPLEX}: give its real part.")


def _cells(data: Any) -> NDArray[Any] | None:
    if isinstance(data, np.ndarray):
        return data if data.dtype.kind in "OUSc" else None
    if not isinstance(data, Sequence) or isinstance(data, str):
        return None
    lengths = np.array(
        [len(row) if isinstance(row, Sequence | np.ndarray) and not isinstance(row, str) else -1 for row in data]
    )
    if len(lengths) and lengths[0] >= 0 and (lengths != lengths[0]).any():
        bad = lengths != lengths[0]
        row = data[int(np.argmax(bad))]
        raise InputError(
            f"every row must have the {lengths[0]} cells of the first; found {Origin().found(bad, row)}. Mend the rows."
        )
    return np.array(data, dtype=object)


def _error(cell: Any) -> Exception | None:
    """What Python says when it makes a number of the cell; None where it can."""
    if isinstance(cell, complex | np.complexfloating):
        return ValueError(NO_COMPLEX) if cell.imag else None
    try:
        float(np.nan if cell is None else cell)
    except (ValueError, TypeError) as error:
        return error
    except OverflowError:
        return None
    return None
