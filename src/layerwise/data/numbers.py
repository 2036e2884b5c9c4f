"""From cells of any type to float64 and back, exact for integers beyond 2**53, dates and times."""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from layerwise.data.table import Raw
from layerwise.errors import InputError

__all__ = ["check_dtype", "check_like", "is_number", "numbers", "origin_of", "restored", "storage"]

LARGEST = 1e30
EXACT = 2**53
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
DTYPES = (
    r"u?int(8|16|32|64)|float(16|32|64)|bool|string|category|null|date|decimal\(\d+, -?\d+\)"
    r"|timestamp\[(s|ms|us|ns)(, [^\]]+)?\]|(time|duration)\[(s|ms|us|ns)\]"
)
# In seconds: the years 1 to 9999 less a day at each end, a day, and what Python calls the longest time.
YEARS = (-62_135_510_400, 253_402_214_400)
RANGES = {"timestamp": YEARS, "date": YEARS, "time": (0, 86_399), "duration": (-86_399_999_913_600, 86_399_999_913_600)}
PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def origin_of(raw: Raw) -> int:
    """The whole number from which `numbers` counts: 0, but near the data for dates and integers beyond 2**53.

    >>> origin_of(Raw("big", np.array([2**60 + 3, 2**60 + 1]), dtype="int64")) == 2**60 + 1
    True
    """
    values, present = raw.values, raw.present()
    if raw.levels is not None or values.dtype.kind not in "iuM":
        return 0
    values = values if present is None else values[present]
    if len(values) == 0:
        return 0
    least = values.min()
    if values.dtype.kind == "M":
        return int(least.astype("datetime64[s]").astype(np.int64))
    return int(least) if max(-int(least), int(values.max())) > EXACT else 0


def numbers(raw: Raw, origin: int = 0) -> NDArray[np.float64]:
    """The cells as float64 minus `origin`, NaN where missing; dates and times in seconds.

    Raises:
        InputError: for text, for infinities and for numbers beyond 1e30; names the column and the first row.

    >>> numbers(Raw("when", np.array(["1970-01-03", "NaT"], dtype="datetime64[D]"), dtype="date"), 86400)
    array([86400.,    nan])
    """
    values = raw.values
    if raw.levels is not None:
        x = _from_text(raw)
    elif values.dtype.kind == "M":
        x = (values - np.datetime64(origin, "s")) / np.timedelta64(1, "s")
    elif values.dtype.kind == "m":
        x = values / np.timedelta64(1, "s")
    elif origin:
        x = _difference(values, origin)
    else:
        x = np.ascontiguousarray(values, dtype=np.float64)
    if raw.valid is not None:
        x = np.where(raw.valid, x, np.nan)
    # fmin and fmax pass over NaN: two quick looks instead of a mask for each cell.
    if len(x) and max(np.fmax.reduce(x), -np.fmin.reduce(x)) >= LARGEST:
        raise _unbounded(raw, x)
    return x


def restored(x: NDArray[np.float64], dtype: str, *, origin: int = 0) -> NDArray[Any]:
    """The inverse of `numbers`: values of the given type, whole numbers rounded and kept in the type's range.

    >>> restored(np.array([0.4, 2.6, 300.0]), "uint8")
    array([  0,   3, 255], dtype=uint8)
    """
    kind = storage(dtype)
    if kind.kind in "mM":
        # A wild reconstruction gives a wild time, but one that every library can show.
        low, high = RANGES[re.split(r"\W", dtype)[0]]
        x = np.clip(x, low - origin, high - origin)
    if dtype == "date":
        return np.rint((x + origin) / 86400).astype(kind)
    if kind.kind in "mM":
        unit = np.datetime_data(kind)[0]
        ticks = np.rint(np.clip(x * PER_SECOND[unit], -(2.0**62), 2.0**62)).astype(f"timedelta64[{unit}]")
        return np.datetime64(origin, "s") + ticks if kind.kind == "M" else ticks
    if kind.kind == "b":
        return x > 0.5
    if kind.kind == "f":
        return np.clip(x, np.finfo(kind).min, np.finfo(kind).max).astype(kind)
    if not origin:
        return _clipped(x, np.iinfo(kind).min, np.iinfo(kind).max).astype(kind)
    low, high = np.iinfo(kind).min - origin, np.iinfo(kind).max - origin
    offset = _clipped(x, max(low, -(2**63)), min(high, 2**63 - 1)).astype(np.int64)
    # Modulo 2**64 the sum is exact, also where the origin does not fit int64.
    return (offset.astype(np.uint64) + np.uint64(origin % 2**64)).astype(kind)


def storage(dtype: str) -> np.dtype[Any]:
    """The NumPy type in which cells of a `Raw.dtype` are held.

    >>> storage("timestamp[us, UTC]"), storage("decimal(10, 2)"), storage("int8")
    (dtype('<M8[us]'), dtype('float64'), dtype('int8'))
    """
    unit = re.match(r"(timestamp|time|duration)\[(s|ms|us|ns)", dtype)
    if unit:
        return np.dtype(f"{'datetime64' if unit[1] == 'timestamp' else 'timedelta64'}[{unit[2]}]")
    if dtype == "date":
        return np.dtype("datetime64[D]")
    return np.dtype(dtype if re.fullmatch(r"u?int\d+|float\d+|bool", dtype) else np.float64)


def check_dtype(name: str, dtype: str) -> None:
    """Refuse a `Raw.dtype` that is none.

    Raises:
        InputError: names the column.
    """
    if not re.fullmatch(DTYPES, dtype):
        raise InputError(f"column {name!r} has an unknown dtype {dtype!r}.")


def check_like(raw: Raw, dtype: str) -> None:
    """Refuse cells that are no numbers or times like those of training.

    Raises:
        InputError: names the column, the first row and the count.

    >>> check_like(Raw("when", np.array([5.0]), dtype="float64"), "timestamp[us]")
    Traceback (most recent call last):
    layerwise.errors.InputError: column 'when' must hold timestamp[us], as in training; found 5.0 in row 0. Convert \
the column (pandas: to_datetime, to_timedelta).
    """
    timed = ("m", "M")
    wanted, found = storage(dtype).kind, raw.values.dtype.kind if raw.levels is None else "text"
    if found == wanted or (wanted not in timed and found not in timed):
        return
    present = raw.present()
    cells = np.ones(len(raw.values), dtype=np.bool_) if present is None else present
    if cells.any():
        what = dtype if wanted in timed else "text" if dtype in ("string", "category") else "numbers"
        remedy = "Convert the column (pandas: to_datetime, to_timedelta)."
        if found == "text":
            remedy = "Write times like 2024-01-31 or 2024-01-31 12:00:00, or convert the column (pandas: to_datetime)."
        raise raw.refusal(cells, f"must hold {what}, as in training", remedy=remedy)


def is_number(texts: pa.Array) -> NDArray[np.bool_]:
    """Which texts are decimal numbers.

    >>> is_number(pa.array(["1", "-2.5e3", "3,4", "x"]))
    array([ True,  True, False, False])
    """
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        return np.zeros(len(texts), dtype=np.bool_)
    found: NDArray[np.bool_] = pc.match_substring_regex(texts, NUMBER).to_numpy(zero_copy_only=False)
    return found


def _from_text(raw: Raw) -> NDArray[np.float64]:
    levels = raw.levels
    assert levels is not None
    if pa.types.is_string(levels.type) or pa.types.is_large_string(levels.type):
        bad = ~np.append(is_number(levels), True)[raw.values]
        if bad.any():
            remedy = "Mend the cell, or leave it empty if the value is not known."
            raise raw.refusal(bad, "must hold numbers, as in training", remedy=remedy)
        levels = pc.utf8_trim_whitespace(levels)
    # The place -1 stands for missing: it finds the NaN at the end.
    table: NDArray[np.float64] = np.append(levels.cast(pa.float64()).to_numpy(zero_copy_only=False), np.nan)
    cells: NDArray[np.float64] = table[raw.values]
    return cells


def _difference(values: NDArray[Any], origin: int) -> NDArray[np.float64]:
    if values.dtype.kind not in "iu":
        return values.astype(np.float64) - float(origin)
    # In uint64 the distance is exact on either side of the origin; in float64 both would be rounded first.
    distance = values.astype(np.uint64) - np.uint64(origin % 2**64)
    below = values < origin
    return np.where(below, -(0 - distance).astype(np.float64), distance.astype(np.float64))


def _clipped(x: NDArray[np.float64], low: int, high: int) -> NDArray[np.float64]:
    # float(high) may round up, beyond the type; the next number below does not.
    top = float(high) if int(float(high)) <= high else float(np.nextafter(float(high), 0))
    bottom = float(low) if int(float(low)) >= low else float(np.nextafter(float(low), 0))
    return np.clip(np.rint(x), bottom, top)


def _unbounded(raw: Raw, x: NDArray[np.float64]) -> InputError:
    infinite = np.isinf(x)
    if infinite.any():
        remedy = "Leave the cell empty (NaN) if the value is not known."
        return raw.refusal(infinite, "must be finite", remedy=remedy)
    remedy = "Rescale the column, or leave the cell empty if the value stands for a missing one."
    return raw.refusal(np.abs(x) >= LARGEST, f"must stay below {LARGEST:.0e} in size", remedy=remedy)
