"""NumPy's arrays and files."""

import io
import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from layerwise.data.arrow import raw_from_arrow
from layerwise.data.damage import damage, one_line
from layerwise.data.table import Origin, Raw, Table
from layerwise.errors import InputError, ResourceError
from layerwise.memory import free_memory

__all__ = ["check_size", "from_numpy", "objects", "read_npy", "read_npz"]

MOST_CELLS = 2**40
NO_OBJECTS = "They are pickles, which can run code; save np.asarray(x, float), or a data frame as parquet."


def from_numpy(array: NDArray[Any], *, origin: Origin | None = None, labels: NDArray[Any] | None = None) -> Table:
    """A table from an array of numbers, or of texts or objects with one type a column.

    Raises:
        InputError: for another number of dimensions, complex numbers, structures, columns of mixed types.

    >>> from_numpy(np.array([["a", 1], ["b", 2]], dtype=object)).column(1).values
    array([1, 2])
    """
    origin = origin or Origin()
    if isinstance(array, np.ma.MaskedArray):
        array = np.where(np.ma.getmaskarray(array), np.nan, np.asarray(array, dtype=np.float64))
    if array.dtype.kind not in "OUS" or array.ndim != 2:
        return Table.from_array(array, labels=labels, origin=origin)
    names = tuple(f"x{i}" for i in range(array.shape[1]))
    raws = tuple(objects(name, array[:, i], origin) for i, name in enumerate(names))
    return Table(names, raws, labels=labels, origin=origin)


def objects(name: str, values: NDArray[Any], origin: Origin) -> Raw:
    """A column of Python objects, which must be of one type.

    Raises:
        InputError: names the first cell of another type than the first.
    """
    try:
        return raw_from_arrow(name, pa.array(values.tolist(), from_pandas=True), origin)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        present = [(i, value) for i, value in enumerate(values.tolist()) if not _missing(value)]
        number = (int, float, np.number)
        first = present[0][1] if present else None
        kind = number if isinstance(first, number) and not isinstance(first, bool) else type(first)
        others = [(i, value) for i, value in present if not isinstance(value, kind)]
        if not others:
            remedy = "Convert it to numbers or text, or drop it."
            found = f"column {name!r} must hold numbers, text or times"
            raise origin.error(f"{found}; {one_line(error)}. {remedy}") from error
        row, value = others[0]
        also = f" ({len(others):,} such cells)" if len(others) > 1 else ""
        raise origin.error(
            f"column {name!r} must hold one type; {first!r} is of type {type(first).__name__}, but {value!r} "
            f"in {origin.row(row)} is of type {type(value).__name__}{also}. Convert or drop the column."
        ) from error


def read_npy(path: Path) -> Table:
    """A table or pictures from a `.npy` file; pickles are refused.

    Raises:
        InputError: for a damaged file, or one of objects.
    """
    with damage(path, "an array saved by NumPy"), path.open("rb") as file:
        _check_header(file, path.stat().st_size, path)
        file.seek(0)
        array = np.load(file, allow_pickle=False)
    return from_numpy(array, origin=Origin(str(path)))


def read_npz(path: Path, *, member: str | None = None) -> Table:
    """A table or pictures from one array of a `.npz` file.

    Arguments:
        path: the file.
        member: the array; by default `X`, else the only one of two or more dimensions. With `X`, an array
            `y` of the same length gives the labels.

    Raises:
        InputError: for a damaged file, one of objects, an array that is not there or is ambiguous.
    """
    headers = {}
    with damage(path, "an archive of arrays (np.savez)"), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.filename.endswith(".npy"):
                with archive.open(info) as file:
                    name = info.filename.removesuffix(".npy")
                    headers[name] = _check_header(file, info.file_size, path)
    name = _member(headers, member, str(path))
    array = _loaded(path, name)
    labels = _loaded(path, "y") if name == "X" and headers.get("y") == array.shape[:1] else None
    return from_numpy(array, origin=Origin(str(path)), labels=labels)


def check_size(shape: tuple[int, ...], itemsize: int, source: str) -> None:
    """Refuse an array before it is read when no machine, or not this one, can hold it.

    Raises:
        InputError: beyond 2**40 cells.
        ResourceError: beyond the memory that is free.
    """
    cells = math.prod(shape)
    if cells > MOST_CELLS:
        raise InputError(f"{source}: at most 2**40 cells can be read; its header says {' x '.join(map(str, shape))}.")
    free = free_memory()
    if free is not None and cells * itemsize > free:
        needed = f"needs {cells * itemsize / 1e9:,.1f} GB of memory; {free / 1e9:,.1f} GB are free"
        raise ResourceError(f"{source}: {needed}. Take fewer rows.")


def _missing(value: Any) -> bool:
    # pandas' own marks are known by name, since pandas need not be there.
    unknown = type(value).__name__ in ("NAType", "NaTType")
    return value is None or unknown or (isinstance(value, float) and math.isnan(value))


def _check_header(file: IO[bytes] | io.BufferedIOBase, size: int, path: Path) -> tuple[int, ...]:
    """The shape that an NPY header states, if the rest of the file has that many bytes."""
    version = np.lib.format.read_magic(file)
    old = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise InputError(f"{path}: must hold numbers or text; found an array of Python objects. {NO_OBJECTS}")
    check_size(shape, dtype.itemsize, str(path))
    expected = file.tell() + math.prod(shape) * dtype.itemsize
    if size != expected:
        raise InputError(f"{path}: must have {expected:,} bytes for shape {shape}; found {size:,}. Save it again.")
    return tuple(shape)


def _member(headers: dict[str, tuple[int, ...]], member: str | None, source: str) -> str:
    sizes = [f"{name} {' x '.join(map(str, shape))}" for name, shape in headers.items()]
    there = f"it holds {', '.join(sizes) or 'no arrays'}"
    if member is not None:
        if member not in headers:
            raise InputError(f"{source}: there is no array {member!r}; {there}.")
        return member
    if "X" in headers:
        return "X"
    wide = [name for name, shape in headers.items() if len(shape) >= 2]
    if len(wide) != 1:
        raise InputError(f"{source}: {there}. Say which array holds the rows (--member, member=).")
    return wide[0]


def _loaded(path: Path, member: str) -> NDArray[Any]:
    with damage(path, "an archive of arrays (np.savez)"), np.load(path, allow_pickle=False) as arrays:
        array: NDArray[Any] = arrays[member]
        return array
