"""Tables to files, by the ending of their name."""

import os
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from layerwise.data.arrow import to_arrow
from layerwise.data.idx import write_idx
from layerwise.data.pictures import write_pictures
from layerwise.data.table import Table
from layerwise.errors import InputError
from layerwise.files import atomic_file, atomic_folder, check_file, check_folder

__all__ = ["OF_TABLES", "WRITABLE", "check_output", "write"]

# Of these the first hold texts too.
OF_TABLES = (".csv", ".tsv", ".parquet", ".feather", ".arrow", ".ipc")
WRITABLE = (*OF_TABLES, ".npy", ".npz", ".idx", ".idx.gz")


def write(table: Table, path: str | os.PathLike[str]) -> None:
    r"""Write a table: the whole file or, when anything fails, nothing.

    Arguments:
        table: what to write; labels go into `.npz` only, as `y`.
        path: ends in .csv, .tsv, .parquet, .feather, .arrow, .ipc, .npy, .npz, .idx or .idx.gz. For pictures
            a name without an ending is a folder of PNG files.

    Raises:
        InputError: for another ending; for text or times in a format of numbers.
        ResourceError: without permission or space.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Table.from_array(np.array([[1.5, np.nan]])), f"{folder}/t.csv")
    ...     Path(f"{folder}/t.csv").read_text()
    '"x0","x1"\n1.5,\n'
    """
    target = Path(path)
    suffix = _ending(target, pictures=table.shape is not None)
    if not suffix:
        with atomic_folder(target) as folder:
            write_pictures(folder, table.to_array())
        return
    # What cannot be written is refused before the destination is touched.
    ready = table.to_array() if suffix in (".npy", ".npz", ".idx", ".idx.gz") else to_arrow(table)
    with atomic_file(target) as temporary:
        if suffix in (".csv", ".tsv"):
            delimiter = "\t" if suffix == ".tsv" else ","
            options = pyarrow.csv.WriteOptions(delimiter=delimiter)
            pyarrow.csv.write_csv(_plain(ready), temporary, options)
        elif suffix == ".parquet":
            pyarrow.parquet.write_table(ready, temporary)
        elif suffix in (".feather", ".arrow", ".ipc"):
            pyarrow.feather.write_feather(ready, temporary)
        elif suffix == ".npy":
            np.save(temporary, ready)
        elif suffix == ".npz":
            arrays = {"X": ready} if table.labels is None else {"X": ready, "y": table.labels}
            np.savez(temporary, allow_pickle=False, **arrays)
        else:
            write_idx(temporary, ready)


def check_output(path: Path, *, pictures: bool = False) -> None:
    """See, before long work begins, whether `write` could write here.

    Raises:
        InputError: for another ending, and for a place where other things are.
        ResourceError: when the place cannot be written or made.

    >>> check_output(Path("codes.csv"))
    """
    if _ending(path, pictures=pictures):
        check_file(path)
    else:
        check_folder(path)


def _ending(path: Path, *, pictures: bool = False) -> str:
    """The ending by which `write` chooses the format; empty for a folder of pictures."""
    suffix = ".idx.gz" if path.name.endswith(".idx.gz") else path.suffix.lower()
    if suffix in WRITABLE or (pictures and not suffix):
        return suffix
    folder = "; or in nothing, for a folder of PNG files" if pictures else ""
    raise InputError(f"{path}: the name must end in {', '.join(WRITABLE)}{folder}.")


def _plain(table: pyarrow.Table) -> pyarrow.Table:
    """Text instead of dictionaries and durations, which Arrow does not write as text."""
    for i, field in enumerate(table.schema):
        if pyarrow.types.is_dictionary(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(field.type.value_type))
        elif pyarrow.types.is_duration(field.type):
            seconds = table.column(i).cast(pyarrow.duration("ns")).cast(pyarrow.int64()).cast(pyarrow.float64())
            table = table.set_column(i, field.name, pyarrow.compute.divide(seconds, 1e9))
        elif pyarrow.types.is_decimal(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(pyarrow.string()))
    return table
