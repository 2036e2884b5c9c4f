"""Data frames of pandas, polars and Arrow, and the files that hold them."""

import contextlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from layerwise.data.arrays import objects
from layerwise.data.arrow import from_arrow, raw_from_arrow
from layerwise.data.damage import damage
from layerwise.data.ipc import check_messages
from layerwise.data.limits import PARQUET_RATIO, check_memory, check_unfolded
from layerwise.data.parquet import read_checked
from layerwise.data.table import Origin, Raw, Table
from layerwise.errors import InputError

__all__ = ["from_frame", "read_feather", "read_parquet"]

PANDAS_TYPES = r"U?Int\d+|Float\d+|boolean|.*\[pyarrow\]|Sparse|period"


def from_frame(frame: Any) -> Table:
    """A table from an eager data frame of any library that narwhals knows.

    Names count when all of them are strings, as in scikit-learn; else the columns are x0, x1, ...

    Raises:
        InputError: for what is no data frame, and for names that come twice.

    >>> from_frame(pa.table({"a": [1.5, None]})).column(0).dtype
    'float64'
    """
    try:
        eager = nw.from_native(frame, eager_only=True)
        names = eager.columns
    except nw.exceptions.DuplicateError as error:
        told = re.search(r"'.*' \d+ times", str(error))
        found = told[0] if told else " ".join(str(error).split())
        raise InputError(f"column names must be distinct; found {found}. Rename all but one.") from error
    except TypeError as error:
        kind = f"{type(frame).__module__.split('.')[0]}.{type(frame).__name__}"
        raise InputError(
            f"data must be a path, a data set's name, an array or a data frame; got {kind}. "
            "Collect a lazy frame, make a list an array, a series a frame, and a sparse matrix dense first."
        ) from error
    named = all(isinstance(name, str) for name in names)
    origin, types = Origin(), _types(eager)
    raws = tuple(
        replace(raw, given=types[i]) if types[i] else raw
        for i, raw in enumerate(_raw(eager, i, name if named else f"x{i}", origin) for i, name in enumerate(names))
    )
    return Table(tuple(raw.name for raw in raws), raws, named=named, origin=origin)


def read_parquet(path: Path) -> Table:
    """A table from a Parquet file.

    Raises:
        InputError: for a damaged file, or one that unfolds to far more than it takes on the disk.
        ResourceError: beyond the memory that is free.
    """
    with damage(path, "a Parquet file"):
        table, texts = read_checked(path)
        _check_texts(table, path)
        return from_arrow(table, origin=Origin(str(path)), texts=texts)


def read_feather(path: Path) -> Table:
    """A table from an Arrow IPC (Feather) file or stream.

    Raises:
        InputError: for a damaged file, or one that unfolds to far more than it takes on the disk.
        ResourceError: beyond the memory that is free.
    """
    with damage(path, "an Arrow or Feather file"), pa.OSFile(str(path)) as file:
        check_messages(path)
        whole = file.read(6) == b"ARROW1"
        file.seek(0)
        table = (pa.ipc.open_file(file) if whole else pa.ipc.open_stream(file)).read_all()
        # Offsets in the file are not trusted before they have been looked at.
        table.validate(full=True)
        _check_texts(table, path)
        return from_arrow(table, origin=Origin(str(path)))


def _check_texts(table: pa.Table, path: Path) -> None:
    """Refuse long texts that repeat more often than any honest text: not everything that follows keeps them folded."""
    size = 0
    for column in table.columns:
        if isinstance(column.type, pa.BaseExtensionType):
            column = column.cast(column.type.storage_type)
        size += sum(_text(chunk) for chunk in column.chunks)
    check_unfolded(size, path.stat().st_size, str(path), PARQUET_RATIO)
    check_memory(size, str(path))


def _text(chunk: pa.Array) -> int:
    """The bytes of a column's texts, each as often as it comes, where they are kept once."""
    if pa.types.is_string_view(chunk.type) and len(chunk):
        # Of 16 bytes each; the first four are the length.
        views = np.frombuffer(chunk.buffers()[1], np.int32).reshape(-1, 4)
        return int(views[chunk.offset : chunk.offset + len(chunk), 0].sum(dtype=np.int64))
    if not pa.types.is_dictionary(chunk.type):
        return 0
    kind = chunk.type.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return 0
    return pc.sum(pc.binary_length(chunk.dictionary).take(chunk.indices)).as_py() or 0


def _types(eager: nw.DataFrame[Any]) -> list[str]:
    """The names of pandas' own types, nullable, backed by Arrow, sparse or periods; else empty."""
    if not eager.implementation.is_pandas():
        return [""] * len(eager.columns)
    types = [str(kind) for kind in eager.to_native().dtypes]
    return [name if re.match(PANDAS_TYPES, name) else "" for name in types]


def _raw(eager: nw.DataFrame[Any], place: int, name: str, origin: Origin) -> Raw:
    series = eager[:, place]
    if series.dtype != nw.Object:
        with contextlib.suppress(pa.ArrowException, TypeError):
            return raw_from_arrow(name, series.to_arrow(), origin)
    # One by one, slowly: it works for Python objects of one type, and else finds the cell that does not fit.
    cells = np.empty(len(series), dtype=object)
    cells[:] = series.to_list()
    return objects(name, cells, origin)
