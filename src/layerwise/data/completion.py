"""A table whose gaps are filled from another."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from layerwise.data.arrow import from_arrow, to_arrow
from layerwise.data.table import Table
from layerwise.errors import InputError

__all__ = ["completed"]


def completed(table: Table, filled: Table) -> Table:
    """The table with its missing cells taken from another one; what is there stays as it is, to the last bit.

    Arguments:
        table: with gaps.
        filled: the same columns and as many rows.

    Raises:
        InputError: for other columns or another number of rows.

    >>> gaps = Table.from_array(np.array([[1.0, np.nan]]))
    >>> completed(gaps, Table.from_array(np.array([[8.0, 9.5]]))).to_array()
    array([[1. , 9.5]])
    """
    if table.names != filled.names or len(table) != len(filled):
        raise InputError("a table is filled from one with the same columns and rows; these two differ.")
    if table.array is not None:
        array = table.array
        if array.dtype.kind == "f" and np.isnan(array).any():
            missing, found = np.isnan(array), filled.to_array().reshape(array.shape)
            array = np.where(missing, found.astype(array.dtype), array)
        return Table(table.names, array=array, named=table.named, shape=table.shape, origin=table.origin)
    ours, theirs = to_arrow(table), to_arrow(filled)
    columns = [_completed(a, b) for a, b in zip(ours.columns, theirs.columns, strict=True)]
    return from_arrow(pa.table(columns, names=list(table.names)), origin=table.origin)


def _completed(ours: pa.ChunkedArray, theirs: pa.ChunkedArray) -> pa.ChunkedArray:
    if not ours.null_count:
        return ours
    kind = ours.type
    if not pa.types.is_dictionary(kind):
        return pc.coalesce(ours, theirs.cast(kind, safe=False))
    texts = pc.coalesce(ours.cast(kind.value_type), theirs.cast(kind.value_type))
    return texts.dictionary_encode()
