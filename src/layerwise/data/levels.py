"""Categories: their levels, and cells as places among them."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from layerwise.data.numbers import storage
from layerwise.data.table import Raw
from layerwise.errors import InputError

__all__ = ["Level", "check_levels", "from_levels", "level_codes", "level_text", "unless_all"]

Level = bool | int | float | str


def level_codes(raw: Raw, levels: tuple[Level, ...]) -> NDArray[np.int64]:
    """The place of each cell in `levels`: -1 where missing, their number where it is none of them.

    A number equals a level that is its text: "1", "2" are read as numbers where no cell is a word.

    >>> level_codes(Raw("size", np.array([2.0, np.nan, 5.0])), ("1", "2"))
    array([ 1, -1,  2])
    """
    if raw.levels is None:
        present = raw.present()
        found, places = np.unique(raw.values, return_inverse=True)
        cells = np.where(present, places, -1) if present is not None else places
        known = found.tolist()
    else:
        known, cells = raw.levels.to_pylist(), raw.values
    exact = {level: i for i, level in enumerate(levels)}
    textual = {level_text(level): i for i, level in enumerate(levels)}
    codes = [exact.get(value, textual.get(level_text(value), len(levels))) for value in known]
    return np.array([*codes, -1], dtype=np.int64)[cells]


def level_text(value: Any) -> str:
    """A level as text; a whole number without a point.

    >>> level_text(2.0), level_text(True)
    ('2', 'True')
    """
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def from_levels(name: str, codes: NDArray[Any], levels: tuple[Level | None, ...], dtype: str) -> Raw:
    """Cells from places in `levels`; -1 is missing.

    >>> from_levels("size", np.array([1, -1]), ("L", "S"), "string").texts()
    array(['S', None], dtype=object)
    """
    valid = unless_all(codes >= 0)
    if dtype in ("string", "category"):
        known = [level for level in levels if level is not None]
        return Raw(name, codes, None, pa.array(known) if known else pa.array([], pa.large_string()), dtype)
    if dtype == "null":
        return Raw(name, np.full(len(codes), np.nan), None, None, dtype)
    cells = np.array([level if level is not None else 0 for level in levels]).astype(storage(dtype))
    return Raw(name, cells[np.maximum(codes, 0)], valid, None, dtype)


def unless_all(mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """The mask, or None where all is True.

    >>> unless_all(np.array([True, True])) is None
    True
    """
    return None if mask.all() else mask


def check_levels(name: str, levels: tuple[Level, ...]) -> None:
    """Refuse fewer than two levels, or equal ones.

    Raises:
        InputError: names the column.
    """
    if len(levels) < 2 or len(set(levels)) < len(levels):
        raise InputError(f"column {name!r} needs two or more distinct levels; got {levels!r}.")
