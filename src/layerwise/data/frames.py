"""Data frames of pandas, polars and Arrow, and the files that hold them."""

import contextlib
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from layerwise.data.arrays import check_size, objects
from layerwise.data.arrow import from_arrow, raw_from_arrow
from layerwise.data.damage import damage
from layerwise.data.table import Origin, Raw, Table
from layerwise.errors import InputError

__all__ = ["from_frame", "read_feather", "read_parquet"]

BATCH = 65_536


def from_frame(frame: Any) -> Table:
    """A table from an eager data frame of any library that narwhals knows.

    Names count when all of them are strings, as in scikit-learn; else the columns are x0, x1, ...

    Raises:
        InputError: for what is no data frame, for columns of mixed types, for names that come twice.

    >>> from_frame(pa.table({"a": [1.5, None]})).column(0).dtype
    'float64'
    """
    try:
        eager = nw.from_native(frame, eager_only=True)
        names = eager.columns
    except nw.exceptions.DuplicateError as error:
        raise InputError(
            f"column names must be distinct; {' '.join(str(error).split())}. Rename all but one."
        ) from error
    except TypeError as error:
        kind = f"{type(frame).__module__.split('.')[0]}.{type(frame).__name__}"
        raise InputError(
            f"data must be a path, a data set's name, an array or a data frame; got {kind}. "
            "Collect a lazy frame, make a list an array, a series a frame, and a sparse matrix dense first."
        ) from error
    named = all(isinstance(name, str) for name in names)
    origin = Origin()
    raws = tuple(_raw(eager, i, name if named else f"x{i}", origin) for i, name in enumerate(names))
    return Table(tuple(raw.name for raw in raws), raws, named=named, origin=origin)


def read_parquet(path: Path) -> Table:
    """A table from a Parquet file, read in batches.

    Raises:
        InputError: for a damaged file.
    """
    with damage(path, "a Parquet file"):
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            check_size((rows, max(len(schema.names), 1)), 1, str(path))
        # Texts that repeat stay places in a dictionary; a small file can unfold to gigabytes of text.
        texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            batches = list(file.iter_batches(BATCH))
        table = pa.Table.from_batches(batches, schema=batches[0].schema if batches else schema)
    return from_arrow(table, origin=Origin(str(path)), texts=frozenset(texts))


def read_feather(path: Path) -> Table:
    """A table from an Arrow IPC (Feather) file or stream.

    Raises:
        InputError: for a damaged file.
    """
    with damage(path, "an Arrow or Feather file"), pa.OSFile(str(path)) as file:
        whole = file.read(6) == b"ARROW1"
        file.seek(0)
        table = (pa.ipc.open_file(file) if whole else pa.ipc.open_stream(file)).read_all()
        # Offsets in the file are not trusted before they have been looked at.
        table.validate(full=True)
    return from_arrow(table, origin=Origin(str(path)))


def _raw(eager: nw.DataFrame[Any], place: int, name: str, origin: Origin) -> Raw:
    series = eager[:, place]
    if series.dtype != nw.Object:
        with contextlib.suppress(pa.ArrowException, TypeError):
            return raw_from_arrow(name, series.to_arrow(), origin)
    # One by one, slowly: it works for Python objects of one type, and else finds the cell that does not fit.
    cells = np.empty(len(series), dtype=object)
    cells[:] = series.to_list()
    return objects(name, cells, origin)
