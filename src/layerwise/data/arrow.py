"""Between Arrow's columns and ours; every frame and text file passes here."""

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from layerwise.data.table import Origin, Raw, Table

__all__ = ["FLOAT_DIGITS", "from_arrow", "raw_from_arrow", "to_arrow"]

# A decimal of so many digits comes back from float64 as it was.
FLOAT_DIGITS = 15
SHOWN_BYTES = 1000


def from_arrow(table: pa.Table, *, origin: Origin | None = None, texts: frozenset[str] = frozenset()) -> Table:
    """A table of ours from an Arrow table.

    Arguments:
        table: its columns of text may be dictionaries.
        origin: for messages.
        texts: dictionaries that are a reader's way of holding text, not categories of the source.

    Raises:
        InputError: for names that come twice.

    >>> from_arrow(pa.table({"a": [1, None], "b": ["x", "y"]})).column(0).present()
    array([ True, False])
    """
    origin = origin or Origin()
    # pandas writes its index as a column of this name; it numbers the rows and is no feature.
    raws = tuple(
        raw_from_arrow(name, column, origin)
        for name, column in zip(table.column_names, table.columns, strict=True)
        if not re.fullmatch(r"__index_level_\d+__", name)
    )
    raws = tuple(replace(raw, dtype="string") if raw.name in texts else raw for raw in raws)
    return Table(tuple(raw.name for raw in raws), raws, named=True, origin=origin)


def raw_from_arrow(name: str, column: pa.ChunkedArray | pa.Array, origin: Origin) -> Raw:
    """One column; numbers without missing cells are not copied. Lists, structures and bytes are its flaw."""
    column = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        column = column.cast(kind.storage_type)
        kind = column.type
    if pa.types.is_dictionary(kind) or _is_text(kind):
        return _levels(name, column, origin)
    dtype = _dtype(kind)
    if pa.types.is_null(kind) or (dtype is None and column.null_count == len(column)):
        return Raw(name, np.full(len(column), np.nan), dtype="null", origin=origin)
    if dtype is None:
        return _refused(name, column, origin)
    valid = None if column.null_count == 0 else column.is_valid().to_numpy()
    rounded = None
    if pa.types.is_decimal(kind):
        rounded = _rounded(column)
        column = column.cast(pa.float64())
    elif pa.types.is_date64(kind):
        column = column.cast(pa.date32())
    elif pa.types.is_time(kind):
        column = (
            column.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
            .cast(pa.int64())
            .cast(pa.duration(kind.unit))
        )
    if valid is not None and not (pa.types.is_temporal(column.type)):
        column = pc.fill_null(column, pa.scalar(0).cast(column.type))
    return Raw(name, column.to_numpy(), valid, dtype=dtype, origin=origin, rounded=rounded)


def to_arrow(table: Table) -> pa.Table:
    """The columns in Arrow's types; missing cells are null.

    >>> to_arrow(Table.from_array(np.array([[1.0, np.nan]]))).to_pylist()
    [{'x0': 1.0, 'x1': None}]
    """
    columns = [_to_arrow(table.column(i)) for i in range(len(table.names))]
    return pa.table(columns, names=list(table.names))


def _to_arrow(raw: Raw) -> pa.Array:
    present = raw.present()
    mask = None if present is None else ~present
    if raw.levels is not None:
        codes = pa.array(raw.values.astype(np.int32), mask=mask)
        column = pa.DictionaryArray.from_arrays(codes, raw.levels)
        return column if raw.dtype == "category" else column.cast(raw.levels.type)
    if raw.dtype == "null":
        return pa.nulls(len(raw.values))
    stamp = re.fullmatch(r"timestamp\[(\w+), (.+)\]", raw.dtype)
    column = pa.array(np.ascontiguousarray(raw.values), mask=mask)
    if stamp:
        return column.cast(pa.timestamp(stamp[1], tz=stamp[2]))
    if raw.dtype.startswith("time["):
        unit = raw.dtype[5:-1]
        whole = column.cast(pa.int64())
        return whole.cast(pa.int32()).cast(pa.time32(unit)) if unit in ("s", "ms") else whole.cast(pa.time64(unit))
    decimal = re.fullmatch(r"decimal\((\d+), (-?\d+)\)", raw.dtype)
    if decimal:
        places = int(decimal[2])
        # A reconstruction may need more digits than the column had; 38 are what every library knows.
        most = 10.0 ** (37 - places)
        held = pa.array(np.clip(raw.values, -most, most), mask=mask)
        return pc.round(held, places).cast(pa.decimal128(38, places), safe=False)
    return column


def _refused(name: str, column: pa.ChunkedArray, origin: Origin) -> Raw:
    present = column.is_valid().to_numpy()
    first = column.slice(int(np.argmax(present)), 1)
    # One cell may be a list of all that the file holds.
    found = origin.found(present, first[0].as_py() if first.nbytes < SHOWN_BYTES else f"{first.nbytes:,} bytes")
    flaw = (
        f"column {name!r} must hold numbers, text or times; found {column.type} like {found}. "
        "Flatten it into columns of numbers or text, or drop it (--drop)."
    )
    return Raw(name, np.full(len(column), np.nan), origin=origin, flaw=flaw)


def _rounded(column: pa.ChunkedArray) -> NDArray[np.bool_] | None:
    """The decimals with more digits than float64 holds."""
    if column.type.precision <= FLOAT_DIGITS:
        return None
    digits = pc.replace_substring_regex(column.cast(pa.string()), r"[-+.]|[eE].*", "")
    many: NDArray[np.bool_] = pc.fill_null(
        pc.greater(pc.utf8_length(pc.utf8_trim(digits, "0")), FLOAT_DIGITS), fill_value=False
    ).to_numpy()
    return many if many.any() else None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _levels(name: str, column: pa.ChunkedArray, origin: Origin) -> Raw:
    dtype = "string"
    if pa.types.is_dictionary(column.type):
        dtype = "category"
        column = column.cast(column.type.value_type)
    kind = column.type
    if not (_is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_float64(kind)):
        # Levels are kept as plain values in a JSON file.
        column = column.cast(pa.string())
    elif _is_text(kind):
        column = column.cast(pa.large_string())
    chunks = column.dictionary_encode().unify_dictionaries().chunks
    encoded = pa.concat_arrays(chunks or [pa.array([], column.type).dictionary_encode()])
    codes = pc.fill_null(encoded.indices, -1).to_numpy()
    return Raw(name, codes, None, encoded.dictionary, dtype, origin)


def _dtype(kind: pa.DataType) -> str | None:
    types = pa.types
    if types.is_boolean(kind):
        return "bool"
    if types.is_integer(kind) or types.is_floating(kind):
        return str(np.dtype(kind.to_pandas_dtype()).name)
    if types.is_decimal(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    if types.is_date(kind):
        return "date"
    if types.is_timestamp(kind):
        return f"timestamp[{kind.unit}, {kind.tz}]" if kind.tz else f"timestamp[{kind.unit}]"
    if types.is_time(kind):
        return f"time[{kind.unit}]"
    return f"duration[{kind.unit}]" if types.is_duration(kind) else None
