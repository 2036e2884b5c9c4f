"""From cells to stored features: 8-bit cells and level numbers stay small, all else becomes float32."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerwise.data.columns import (
    Binary,
    ByteColumn,
    Categorical,
    Column,
    Numeric,
    Pixels,
    eight_bits,
)
from layerwise.data.levels import level_codes
from layerwise.data.numbers import LARGEST, check_like, numbers
from layerwise.data.repairs import Repair, Repairs, far, neither
from layerwise.data.rows import Bytes, Codes, Floats, Store
from layerwise.data.table import Raw, Table
from layerwise.errors import Findings

__all__ = ["Cells", "encoded", "encoded_pixels", "refuse_unbounded"]


class Cells(NamedTuple):
    """One column, where its features start, and its cells."""

    column: Column
    start: int
    raw: Raw


def encoded(table: Sequence[Cells], repairs: Repairs) -> list[Store]:
    """The stores that hold all features of a table.

    Arguments:
        table: the columns that have features.
        repairs: gets the cells that are not taken as they are.

    Raises:
        InputError: for infinities, numbers beyond 1e30, text or times where there were numbers in training.
    """
    floats: list[Cells] = []
    small: list[tuple[int, ByteColumn]] = []
    levels: list[Cells] = []
    findings = Findings()
    for cells in table:
        column, start, raw = cells
        with findings.collected():
            check_like(raw, column.dtype)
            bytes_ = column.bytes(raw) if isinstance(column, Numeric | Binary) else None
            if bytes_ is not None:
                small.append((start, bytes_))
                if isinstance(column, Binary):
                    repairs.cells(Repair.MISSING, raw, _lost(raw, bytes_))
            elif isinstance(column, Categorical):
                levels.append(cells)
            else:
                floats.append(cells)
    stores: list[Store] = []
    if floats:
        stores.append(_floats(floats, repairs, findings))
    findings.tell()
    if small:
        stores.append(_bytes(small))
    if levels:
        stores.append(_codes(levels, repairs))
    return stores


def encoded_pixels(pixels: Pixels, flat: NDArray[np.generic]) -> Store:
    """The store that holds flat pictures; 8-bit ones are not copied."""
    features = np.arange(pixels.width)
    if flat.dtype.itemsize == 1 and flat.dtype.kind in "biu":
        values, shift = eight_bits(flat)
        return Bytes(
            features,
            np.ascontiguousarray(values),
            np.array([pixels.low + shift], dtype=np.float32),
            np.array([pixels.high - pixels.low], dtype=np.float32),
            None,
        )
    x = pixels.scaled(flat)
    return Floats(features, x, not np.isnan(np.sum(x)))


def refuse_unbounded(table: Table) -> None:
    """Look at every number once.

    Raises:
        InputError: for infinities and numbers beyond 1e30.
    """
    array = table.array
    if array is not None and array.dtype.kind != "f":
        return
    if array is not None and max(np.fmax.reduce(array, axis=None), -np.fmin.reduce(array, axis=None)) < LARGEST:
        return
    findings = Findings()
    for i in range(len(table.names)):
        with findings.collected():
            numbers(table.column(i))
    findings.tell()


def _floats(table: Sequence[Cells], repairs: Repairs, findings: Findings) -> Floats:
    values = np.empty((len(table[0].raw.values), len(table)), dtype=np.float32)
    complete = True
    for j, (column, _, raw) in enumerate(table):
        assert isinstance(column, Numeric | Binary)
        with findings.collected():
            x = column.scaled(raw)
            # A sum is NaN when any cell is, and needs no mask.
            complete = complete and not np.isnan(np.sum(x))
            values[:, j] = x
            if isinstance(column, Numeric):
                repairs.cells(Repair.FAR, raw, far(column, x))
            else:
                repairs.cells(Repair.BETWEEN, raw, neither(column, x))
    return Floats(np.array([cells.start for cells in table]), values, complete)


def _lost(raw: Raw, cells: ByteColumn) -> NDArray[np.bool_] | None:
    """The cells that are there, but are neither of the two levels."""
    present = raw.present()
    if cells.valid is None:
        return None
    return ~cells.valid if present is None else present & ~cells.valid


def _bytes(columns: Sequence[tuple[int, ByteColumn]]) -> Bytes:
    starts, cells = zip(*columns, strict=True)
    valid = None
    if any(column.valid is not None for column in cells):
        everywhere = np.ones(len(cells[0].values), dtype=np.bool_)
        valid = np.column_stack([everywhere if column.valid is None else column.valid for column in cells])
    return Bytes(
        np.array(starts),
        np.column_stack([column.values for column in cells]),
        np.array([column.center for column in cells], dtype=np.float32),
        np.array([column.scale for column in cells], dtype=np.float32),
        valid,
    )


def _codes(table: Sequence[Cells], repairs: Repairs) -> Codes:
    columns = [cells.column for cells in table]
    widths = np.array([column.width for column in columns])
    kind = np.int8 if widths.max() <= np.iinfo(np.int8).max else np.int16
    values = np.empty((len(table[0].raw.values), len(table)), dtype=kind)
    for j, (column, _, raw) in enumerate(table):
        assert isinstance(column, Categorical)
        values[:, j] = level_codes(raw, column.levels)
        repairs.cells(Repair.ANOTHER, raw, values[:, j] == len(column.levels))
    categorical = [column for column in columns if isinstance(column, Categorical)]
    return Codes(
        np.concatenate([np.arange(cells.start, cells.start + cells.column.width) for cells in table]),
        values,
        np.cumsum(widths) - widths,
        np.concatenate([column.cold for column in categorical]),
        np.concatenate([column.hot for column in categorical]),
        bool((values >= 0).all()),
    )
