"""Which kind a column is, and its scale, from the training rows."""

import math
import sys
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from layerwise.data.columns import (
    Binary,
    Categorical,
    Column,
    Constant,
    Numeric,
    Pixels,
    squashed,
)
from layerwise.data.levels import Level
from layerwise.data.numbers import is_number, numbers, origin_of
from layerwise.data.table import Raw, Table
from layerwise.data.texts import check_text
from layerwise.errors import InputError

__all__ = ["SCALINGS", "Scaling", "WantedScaling", "check_scaling", "fit_column", "fit_pixels", "is_picture"]

Scaling = Literal["standard", "minmax", "none"]
WantedScaling = Literal["auto", "standard", "common", "minmax", "none"]
SCALINGS: tuple[str, ...] = get_args(WantedScaling)

# Without outliers, mean and deviation after squashing differ from 0 and 1 by rounding alone.
SAME = 1e-6
# Fewer rows of two numbers say little: they may be any numbers.
BINARY_ROWS = 10
LEAST_DEVIATION = 1e-60
ROBUST_DEVIATIONS = 20.0
IQR_OF_NORMAL = 1.349
MOST_LEVELS = 1000
ONE_HOT_LEVELS = 50
FEW_ROWS = 20
IDENTIFIER_SHARE = 0.95
PICTURE_COLUMNS = 64
PICTURE_REACH = 128


def fit_column(raw: Raw, *, scaling: Scaling = "standard", categorical: bool = False) -> Column:
    """The kind and scale of one column.

    Arguments:
        raw: the training cells.
        scaling: of numbers; "minmax" and "none" also leave levels as 0 and 1.
        categorical: take each distinct value as a category, whatever its type.

    Raises:
        InputError: for infinities, numbers beyond 1e30, text among numbers, identifier-like text.

    >>> fit_column(Raw("x", np.array([1.0, 2.0, 3.0]))).center
    2.0
    """
    if categorical or raw.levels is not None:
        return _fit_levels(raw, scaling, chosen=categorical or raw.dtype == "category")
    origin = origin_of(raw)
    x = numbers(raw, origin)
    x = x[~np.isnan(x)]
    if len(x) == 0:
        return Constant(raw.name, None, raw.dtype)
    low, high = float(x.min()), float(x.max())
    if low == high:
        return Constant(raw.name, _first(raw), raw.dtype)
    timed = raw.values.dtype.kind in "mM"
    enough = len(x) >= BINARY_ROWS or raw.dtype == "bool"
    if scaling != "none" and not timed and enough and bool(((x == low) | (x == high)).all()):
        levels = (_first(raw, low, origin), _first(raw, high, origin))
        return _binary(raw, levels, float(np.mean(x == high)), scaling)
    if scaling == "standard":
        center, scale = _moments(x)
        z = squashed((x - center) / scale)
        shift, spread = float(z.mean()), float(z.std())
        if max(abs(shift), abs(spread - 1)) < SAME:
            shift, spread = 0.0, 1.0
        return Numeric(raw.name, center, scale, raw.dtype, origin, shift, spread)
    center, scale = (low, high - low) if scaling == "minmax" else (0.0, 1.0)
    return Numeric(raw.name, center, scale, raw.dtype, origin, scaling=scaling)


def is_picture(table: Table) -> bool:
    """Whether the columns are pixels: pictures, or a uint8 array that is wide and bright enough."""
    if table.shape is not None:
        return True
    array = table.array
    return (
        array is not None
        and array.dtype == np.uint8
        and array.shape[1] >= PICTURE_COLUMNS
        and int(array.max()) >= PICTURE_REACH
    )


def fit_pixels(table: Table, *, scaling: Scaling | Literal["auto"] = "auto") -> Pixels:
    """The range of the pixels: 0 to 255 for bytes, 0 to 1 for fractions, else what is found.

    Raises:
        InputError: where all pixels are the same.

    >>> fit_pixels(Table.from_array(np.arange(32, dtype=np.uint8).reshape(2, 4, 4))).high
    31.0
    """
    array = table.to_array()
    low, high = float(np.fmin.reduce(array, axis=None)), float(np.fmax.reduce(array, axis=None))
    if not low < high:
        raise table.origin.error(f"pictures must differ somewhere; every pixel is {low:g}. Give others.")
    low = min(low, 0.0)
    if array.dtype == np.uint8 and high >= PICTURE_REACH:
        high = 255.0
    elif array.dtype.kind == "f" and low == 0.0 and high <= 1.0:
        high = 1.0
    if scaling == "none":
        low, high = 0.0, 1.0
    return Pixels(array.shape[1:], low, high, array.dtype.name, table.names if table.named else ())


def _moments(x: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation of x pulled in to the median +- 20 robust deviations."""
    first, median, third = np.quantile(x, [0.25, 0.5, 0.75])
    distance = x - median
    deviation = (third - first) / IQR_OF_NORMAL
    if deviation == 0:
        sizes = np.abs(distance)
        deviation = float(np.median(sizes[sizes > 0]))
    # Cells must come back from units of the deviation: no cell may be further away than a number can tell.
    deviation = max(deviation, LEAST_DEVIATION * float(np.abs(distance).max()))
    reach = ROBUST_DEVIATIONS * deviation
    pulled = np.clip(distance, -reach, reach)
    # Squares of tiny numbers would be 0: the deviation is taken in units of the largest. Of the least numbers of all
    # it would be 0 itself.
    unit = float(np.abs(pulled).max())
    return float(median + pulled.mean()), max(unit * float(np.std(pulled / unit)), sys.float_info.min)


def _first(raw: Raw, number: float | None = None, origin: int = 0) -> Level:
    """The first cell, or the first of that number, exactly; in ticks for times."""
    found = raw.present() if number is None else numbers(raw, origin) == number
    cell = raw.values[0 if found is None else int(np.argmax(found))]
    value: Level = int(cell.astype(np.int64)) if cell.dtype.kind in "mM" else cell.item()
    return value


def _binary(raw: Raw, levels: tuple[Level, Level], share: float, scaling: Scaling) -> Binary:
    if scaling != "standard":
        return Binary(raw.name, levels, dtype=raw.dtype)
    return Binary(raw.name, levels, share, math.sqrt(share * (1 - share)), raw.dtype)


def _fit_levels(raw: Raw, scaling: Scaling, *, chosen: bool) -> Column:
    levels, counts = _counted(raw)
    rows, distinct = int(counts.sum()), len(counts)
    if not chosen:
        check_text(raw)
        _refuse_identifier(raw, rows, distinct)
    if distinct > MOST_LEVELS:
        raise raw.origin.error(
            f"column {raw.name!r} must have at most {MOST_LEVELS:,} categories; found {distinct:,} in {rows:,} cells. "
            "Join rare ones, or drop the column (--drop)."
        )
    kept: dict[Level, int] = dict(sorted(zip(levels.to_pylist(), counts.tolist(), strict=True)))
    if len(kept) < 2:
        return Constant(raw.name, next(iter(kept), None), raw.dtype)
    shares = np.array(list(kept.values())) / rows
    if len(kept) == 2:
        first, second = kept
        return _binary(raw, (first, second), float(shares[1]), scaling)
    embedding = min(50, round(1.6 * len(kept) ** 0.56)) if len(kept) > ONE_HOT_LEVELS else None
    if scaling != "standard":
        return Categorical(raw.name, tuple(kept), (0.0,) * len(kept), 1.0, embedding, raw.dtype)
    scale = math.sqrt(1 - float(np.square(shares).sum()))
    return Categorical(raw.name, tuple(kept), tuple(shares.tolist()), scale, embedding, raw.dtype)


def _counted(raw: Raw) -> tuple[pa.Array, NDArray[np.int64]]:
    """The levels that occur and how often."""
    if raw.levels is None:
        present = raw.present()
        if raw.values.dtype.kind in "mM":
            raise raw.origin.error(f"column {raw.name!r} holds times, which cannot be taken as categories.")
        found, counts = np.unique(raw.values if present is None else raw.values[present], return_counts=True)
        return pa.array(found), counts
    counts = np.bincount(raw.values[raw.values >= 0], minlength=len(raw.levels))
    return raw.levels.filter(pa.array(counts > 0)), counts[counts > 0]


def is_identifier(rows: int, distinct: int) -> bool:
    """Whether so many cells of so many kinds name the rows rather than tell something of them.

    >>> is_identifier(100, 99), is_identifier(100, 90), is_identifier(3, 3), is_identifier(2, 2)
    (True, False, True, False)
    """
    return distinct > IDENTIFIER_SHARE * rows if rows > FEW_ROWS else distinct == rows > 2


def _refuse_identifier(raw: Raw, rows: int, distinct: int) -> None:
    if not is_identifier(rows, distinct) and distinct <= MOST_LEVELS:
        return
    first = np.arange(len(raw.values)) == int(np.argmax(raw.values >= 0))
    hint = " Texts that are numbers are taken as such once they are converted (pandas: to_numeric)."
    raise raw.origin.error(
        f"column {raw.name!r} must hold categories that repeat; found {distinct:,} distinct texts in {rows:,} cells, "
        f"as in an identifier, the first {raw.found(first)}. Drop it (--drop), or use it as the label (--label)."
        + (hint if is_number(raw.levels).all() else "")
    )


def check_scaling(scaling: Any) -> None:
    """Refuse an unknown scaling.

    Raises:
        InputError: names the known ones.
    """
    if scaling not in SCALINGS:
        raise InputError(f"scaling must be one of {', '.join(map(repr, SCALINGS))}; got {scaling!r}.")
