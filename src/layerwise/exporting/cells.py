"""Rows to try a graph on, between a table's cells and the tensors that hold them; and how far a graph may be off."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from layerwise.data import Binary, Column, Constant, Numeric, Pixels, Raw, Schema, Table
from layerwise.data.arrow import raw_from_arrow
from layerwise.data.levels import level_text
from layerwise.data.numbers import LARGEST, numbers, restored
from layerwise.data.table import Origin
from layerwise.exporting.columns import multiple_of
from layerwise.exporting.ports import (
    CATEGORIES,
    NUMBERS,
    PICTURES,
    Arrays,
    Expected,
    Port,
    Trial,
    columns_of,
    is_timed,
    texts_of,
)

__all__ = [
    "BATCHES",
    "ROWS",
    "Numbers",
    "allowed_cells",
    "batched",
    "cells_of",
    "feeds_of",
    "relative",
    "row_trials",
    "table_of",
    "ties",
]

BATCHES = (1, 2, 7)
ROWS = sum(BATCHES)
TOLERANCE = 1e-5
# One cell in so many is missing, and one in so many of the last rows lies far away.
STRIDE, FAR_ROWS, FAR = 5, 3, 1e4
UNKNOWN = "a text that training had not"

Numbers = NDArray[np.float64]


def row_trials(schema: Schema, expect: Callable[[Table, Numbers], Expected]) -> Iterator[Trial]:
    """Ten rows in batches of 1, 2 and 7.

    Arguments:
        schema: of the rows.
        expect: what the estimator makes of a table; it is given the largest feature of each row, at least 1: of that
            float32 loses the last digit, wherever the row goes.
    """
    feeds = feeds_of(schema, ROWS)
    table = table_of(schema, feeds)
    sizes = schema.encode(table).batch(slice(None)).x.abs().amax(1).clamp(min=1).double().numpy()
    return batched(feeds, expect(table, sizes))


def feeds_of(schema: Schema, rows: int) -> Arrays:
    """Cells like those that a schema was fitted to, with gaps, unknown texts and numbers far away among them."""
    draw, feeds = np.random.default_rng(0), Arrays()
    for name, places in columns_of(schema).items():
        columns = [schema.columns[place] for place in places]
        if isinstance(columns[0], Pixels):
            feeds[name] = _pictures(columns[0], draw, rows)
            continue
        gaps = (np.arange(rows)[:, None] + np.array(places)) % STRIDE == 0
        if name == CATEGORIES:
            texts = np.stack([_texts(column, draw, rows) for column in columns], 1)
            feeds[name] = np.where(gaps, "", texts)
        else:
            cells = np.stack([_numbers(column, draw, rows) for column in columns], 1)
            kind = np.float32 if name == NUMBERS else np.float64
            feeds[name] = np.where(gaps, np.nan, cells).astype(kind)
    return feeds


def table_of(schema: Schema, feeds: Mapping[str, NDArray[np.generic]]) -> Table:
    """The cells of some tensors as the table that an estimator takes."""
    if schema.pixels is not None:
        pictures = feeds[PICTURES].astype(schema.pixels.dtype)
        return Table.from_array(pictures, names=schema.names if schema.named else None)
    raws: dict[int, Raw] = {}
    for name, places in columns_of(schema).items():
        for cells, place in zip(feeds[name].T, places, strict=True):
            raws[place] = _raw(schema.columns[place], cells)
    return Table(schema.names, tuple(raws[place] for place in sorted(raws)), named=schema.named)


def cells_of(schema: Schema, table: Table, ports: tuple[Port, ...]) -> Arrays:
    """The cells of a table in the tensors of some ports, which are those of the schema."""
    found = Arrays()
    for port, (name, places) in zip(ports, columns_of(schema).items(), strict=True):
        if name == PICTURES:
            found[port.name] = table.to_array()
        elif name == CATEGORIES:
            texts = [["" if text is None else level_text(text) for text in table.column(i).texts()] for i in places]
            found[port.name] = np.array(texts, dtype=object).T
        else:
            found[port.name] = np.stack([_cells(table.column(place)) for place in places], 1)
            if name == NUMBERS:
                most = float(np.finfo(np.float32).max)
                found[port.name] = found[port.name].clip(-most, most)
    return found


def relative(expected: Arrays, sizes: Numbers | None = None, *, unit: Numbers | float = 1.0) -> dict[str, Numbers]:
    """How far numbers may be off: 1e-5 of a unit and of themselves, times the size of their row."""
    allowed = {}
    for name, found in expected.items():
        cells = found.astype(np.float64)
        allowed[name] = _share(cells, np.ones(len(cells)) if sizes is None else sizes) * (unit + np.abs(cells))
    return allowed


def allowed_cells(schema: Schema, expected: Arrays, ports: tuple[Port, ...], *, sizes: Numbers) -> dict[str, Numbers]:
    """By how much each number of a table may differ: 1e-5 of its column's deviation, and what its type rounds away."""
    allowed = {}
    for port, (name, places) in zip(ports, columns_of(schema).items(), strict=True):
        if name == CATEGORIES:
            continue
        cells = expected[port.name].astype(np.float64)
        share, columns = _share(cells, sizes), [schema.columns[place] for place in places]
        kind = np.float32 if name == NUMBERS else np.float64
        with np.errstate(invalid="ignore"):
            digit = np.spacing(np.abs(cells).astype(kind)).astype(np.float64)
        if isinstance(columns[0], Pixels):
            whole = np.dtype(columns[0].dtype).kind in "iu"
            allowed[port.name] = share * (columns[0].high - columns[0].low) + digit + whole
            continue
        unit, middle, multiple = np.array([_units(column) for column in columns]).T
        away = np.where(unit > 0, np.abs(cells - middle), 0.0)
        allowed[port.name] = share * (unit + away) + digit + multiple
    return allowed


def ties(probabilities: Numbers) -> NDArray[np.bool_]:
    """Where the most probable class is so by less than graphs may be off.

    >>> ties(np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]]))
    array([ True, False])
    """
    second, first = np.moveaxis(np.sort(probabilities, axis=-1)[..., -2:], -1, 0)
    found: NDArray[np.bool_] = first - second <= 2 * TOLERANCE
    return found


def batched(feeds: Arrays, expected: Expected) -> Iterator[Trial]:
    """Batches of 1, 2 and 7 of ten rows."""
    start = 0
    for size in BATCHES:
        part = slice(start, start + size)
        yield Trial(_taken(feeds, part), Expected(*(_taken(arrays, part) for arrays in expected)))
        start += size


def _share(cells: Numbers, sizes: Numbers) -> Numbers:
    """The tolerance of each row, beside its cells."""
    return TOLERANCE * sizes.reshape(-1, *(1,) * (cells.ndim - 1))


def _taken(arrays: Mapping[str, NDArray[Any]], part: slice) -> dict[str, NDArray[Any]]:
    return {name: array[part] for name, array in arrays.items()}


def _numbers(column: Column, draw: np.random.Generator, rows: int) -> Numbers:
    if isinstance(column, Constant):
        return np.repeat(numbers(column.decode(np.zeros((1, 0)))), rows)
    if isinstance(column, Binary):
        first, second = (float(level) for level in column.levels)
        return first + (second - first) * draw.choice([0.0, 1.0, 0.3], rows, p=[0.45, 0.45, 0.1])
    assert isinstance(column, Numeric)
    cells = column.origin + column.center + column.scale * draw.normal(0, 1.5, rows)
    if is_timed(column):
        multiple = multiple_of(column)
        return np.rint(cells / multiple) * multiple if multiple else cells
    if column.scaling != "none":
        far = (np.arange(rows) >= rows - FAR_ROWS) & (draw.random(rows) < 1 / STRIDE)
        ends = draw.choice([-LARGEST, column.center + FAR * column.scale, LARGEST], rows)
        cells = np.where(far, ends, cells)
    return np.clip(cells, -0.9 * LARGEST, 0.9 * LARGEST)


def _texts(column: Column, draw: np.random.Generator, rows: int) -> NDArray[np.object_]:
    return draw.choice(np.array([*texts_of(column), UNKNOWN], dtype=object), rows)


def _pictures(pixels: Pixels, draw: np.random.Generator, rows: int) -> NDArray[np.generic]:
    kind, shape = np.dtype(pixels.dtype), (rows, *pixels.shape)
    if kind.kind != "f":
        ends = (0, 1) if kind.kind == "b" else (int(np.iinfo(kind).min), int(np.iinfo(kind).max))
        found = draw.integers(ends[0], ends[1], shape, endpoint=True)
        return found.astype(kind if kind.itemsize == 1 else np.float32)
    pictures = (pixels.low + (pixels.high - pixels.low) * draw.uniform(-0.2, 1.2, shape)).astype(np.float32)
    pictures.reshape(-1)[:: STRIDE**2] = np.nan
    return pictures


def _cells(raw: Raw) -> Numbers:
    """The cells as numbers, times in seconds; NaN where missing."""
    if raw.values.dtype.kind in "mM":
        return numbers(raw)
    # Not `numbers`, which refuses what may come back from rows that are far away.
    present, values = raw.present(), raw.values.astype(np.float64)
    return values if present is None else np.where(present, values, np.nan)


def _raw(column: Column, cells: NDArray[np.generic]) -> Raw:
    if cells.dtype.kind in "OU":
        return raw_from_arrow(column.name, pa.array([text or None for text in cells.tolist()], pa.string()), Origin())
    values = cells.astype(np.float64)
    if not is_timed(column):
        return Raw(column.name, values)
    known = ~np.isnan(values)
    return Raw(column.name, restored(np.where(known, values, 0.0), column.dtype), known, dtype=column.dtype)


def _units(column: Column) -> tuple[float, float, float]:
    """Of a column of numbers its deviation, its middle, and what its cells are multiples of."""
    if not isinstance(column, Numeric):
        return 0.0, 0.0, 0.0
    return column.scale * column.spread, column.origin + column.center, multiple_of(column)
