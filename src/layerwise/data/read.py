"""One door for rows from anywhere."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from layerwise.data.arrays import from_numpy, read_npy, read_npz
from layerwise.data.damage import not_found, readable
from layerwise.data.datasets import find
from layerwise.data.delimited import read_delimited
from layerwise.data.frames import from_frame, read_feather, read_parquet
from layerwise.data.idx import read_idx
from layerwise.data.limits import check_memory
from layerwise.data.pictures import OTHER_PICTURES, read_pictures
from layerwise.data.table import Origin, Raw, Table
from layerwise.errors import InputError

__all__ = ["READABLE", "read", "read_lines"]

READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".txt": read_delimited,
    ".data": read_delimited,
    ".csv.gz": read_delimited,
    ".tsv.gz": read_delimited,
    ".parquet": read_parquet,
    ".feather": read_feather,
    ".arrow": read_feather,
    ".ipc": read_feather,
    ".npy": read_npy,
    ".npz": read_npz,
    ".idx": read_idx,
    ".idx.gz": read_idx,
}
READABLE = tuple(READERS)
INSTEAD = {
    ".xlsx": "Export it as CSV.",
    ".xls": "Export it as CSV.",
    ".json": "Write it as CSV or Parquet.",
    ".pkl": "Pickles can run code and are never read; write Parquet or NPZ.",
    ".pickle": "Pickles can run code and are never read; write Parquet or NPZ.",
    ".png": "Give the folder that holds the pictures.",
    ".jpg": "Give the folder that holds the pictures.",
    ".jpeg": "Give the folder that holds the pictures.",
}


def read(
    source: Any,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    label: str | None = None,
    member: str | None = None,
    drop: Sequence[str] = (),
) -> Table:
    """Rows from a file, a folder of pictures, a named data set, an array or a data frame.

    Arguments:
        source: a path to .csv, .tsv (also .gz), .txt, .data, .parquet, .feather, .arrow, .ipc, .npy, .npz,
            .idx or *-ubyte (also .gz), or to a folder of PNG and JPEG files; a name that `datasets()` lists;
            a NumPy array (2-D, or pictures in 3-D and 4-D); a data frame of pandas, polars or Arrow.
        data_dir: where the files of a named data set are, if not downloaded.
        label: a column that is taken out of the features and kept as `labels`.
        member: which array of a .npz file holds the rows.
        drop: columns to leave out.

    Raises:
        InputError: for what cannot be read; the message says where and what to do.
        ResourceError: without permission, memory or, for a download, network.

    >>> read("sklearn:iris").names[:2]
    ('sepal length (cm)', 'sepal width (cm)')
    >>> len(read(np.zeros((5, 2))))
    5
    """
    table = _read(source, data_dir, member)
    if drop:
        table = table.drop(drop)
    return table if label is None else table.with_label(label)


def read_lines(path: str | os.PathLike[str]) -> Table:
    r"""The lines of a text, without their ends, as a table of one column, which needs no quotes so.

    Raises:
        InputError: for a file that is not there, is empty, or is not in UTF-8.
        ResourceError: without permission or memory.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_text('Go.\nHe said: "Stop!"\n')
    ...     read_lines(Path(folder, "a.txt")).column(0).texts().tolist()
    ['Go.', 'He said: "Stop!"']
    """
    path = Path(path)
    if not path.is_file():
        raise not_found(path)
    try:
        with readable(path):
            check_memory(path.stat().st_size, str(path))
            text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: must be text in UTF-8; byte {error.start} is not. Save the file as UTF-8."
        ) from error
    if not text:
        raise InputError(f"{path}: must hold sentences; it is empty.")
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    cells = pa.array(lines, pa.large_string()).dictionary_encode()
    raw = Raw("line", cells.indices.to_numpy(), None, cells.dictionary, "string")
    return Table((raw.name,), (raw,), origin=Origin(str(path), line=lambda row: row + 1))


def _read(source: Any, data_dir: str | os.PathLike[str] | None, member: str | None) -> Table:
    if isinstance(source, Table):
        return source
    if isinstance(source, np.ndarray):
        return from_numpy(source)
    if not isinstance(source, str | os.PathLike):
        return from_frame(source)
    if isinstance(source, str) and (data_set := find(source)) is not None:
        return data_set.load(None if data_dir is None else Path(data_dir))
    path = Path(source)
    with readable(path):
        if path.is_dir():
            return read_pictures(path)
        if not path.exists():
            raise not_found(path)
        reader = _reader(path)
        if path.stat().st_size == 0:
            raise InputError(f"{path}: must hold rows; it is empty.")
        return read_npz(path, member=member) if reader is read_npz else reader(path)


def _reader(path: Path) -> Callable[[Path], Table]:
    name = path.name.lower()
    if name.removesuffix(".gz").endswith("ubyte"):
        return read_idx
    endings = [ending for ending in READERS if name.endswith(ending)]
    if endings:
        return READERS[max(endings, key=len)]
    if path.suffix.lower() in OTHER_PICTURES:
        raise InputError(f"{path}: a picture must be a PNG or a JPEG; found {path.suffix!r}. Save it as PNG.")
    remedy = INSTEAD.get(path.suffix.lower(), "Give it one of these endings, or convert it.")
    raise InputError(f"{path}: the name must end in {', '.join(READERS)} or ubyte. {remedy}")
