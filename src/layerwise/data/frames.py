"""Data frames of pandas, polars and Arrow, and the files that hold them."""

from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from layerwise.data.arrays import check_size, objects, one_line
from layerwise.data.arrow import from_arrow, raw_from_arrow
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
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            check_size((file.metadata.num_rows, max(len(schema.names), 1)), 1, str(path))
            # Texts that repeat stay numbers into their levels; a small file can unfold to gigabytes of text.
            texts = [
                field.name
                for field in schema
                if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
            ]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            batches = list(file.iter_batches(BATCH))
            table = pa.Table.from_batches(batches, schema=batches[0].schema if batches else schema)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: must be a Parquet file; it is damaged ({one_line(error)}).") from error
    return from_arrow(table, origin=Origin(str(path)), texts=frozenset(texts))


def read_feather(path: Path) -> Table:
    """A table from an Arrow IPC (Feather) file or stream.

    Raises:
        InputError: for a damaged file.
    """
    try:
        with pa.OSFile(str(path)) as file:
            opened = pa.ipc.open_file(file) if file.read(6) == b"ARROW1" else None
            if opened is None:
                file.seek(0)
                opened = pa.ipc.open_stream(file)
            table = opened.read_all()
        # Offsets in the file are not trusted before they have been looked at.
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path}: must be an Arrow or Feather file; it is damaged ({one_line(error)})."
        ) from error
    return from_arrow(table, origin=Origin(str(path)))


def _raw(eager: nw.DataFrame[Any], place: int, name: str, origin: Origin) -> Raw:
    series = eager[:, place]
    if series.dtype == nw.Object:
        return objects(name, np.asarray(series.to_list(), dtype=object), origin)
    return raw_from_arrow(name, series.to_arrow(), origin)
