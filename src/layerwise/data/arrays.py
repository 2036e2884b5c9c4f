"""NumPy's arrays and files."""

import decimal
import io
import math
import zipfile
from collections import Counter
from pathlib import Path
from typing import IO, Any, final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from layerwise.data.arrow import FLOAT_DIGITS, raw_from_arrow
from layerwise.data.damage import damage
from layerwise.data.limits import check_array, check_size
from layerwise.data.table import NAMED_AT_MOST, Origin, Raw, Table, shown
from layerwise.errors import InputError

__all__ = ["from_numpy", "objects", "read_npy", "read_npz"]

# The most that a header of NumPy's takes, and a list of members of an archive.
HEADER_BYTES = 2**14
MEMBERS_BYTES, MEMBERS = 2**20, 10_000
# Others, which NumPy never writes, unfold without a limit to what is read at once.
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# A kind that no class is called by.
NUMBER = "a number"
NO_OBJECTS = "They are pickles, which can run code; save np.asarray(x, float), or a data frame as parquet."


def from_numpy(array: NDArray[Any], *, origin: Origin | None = None, labels: NDArray[Any] | None = None) -> Table:
    """A table from an array of numbers, or of texts or objects with one type a column.

    Raises:
        InputError: for another number of dimensions, complex numbers, structures.

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

    Numbers of several types, or too long for 64 bits, become float64. A cell of another type than most is a flaw.
    """
    try:
        return raw_from_arrow(name, pa.array(values.tolist(), from_pandas=True), origin)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError):
        kinds = [_kind(value) for value in values.tolist()]
        if {*kinds, None} == {NUMBER, None}:
            return _floats(name, values, origin)
        return Raw(name, np.full(len(values), np.nan), origin=origin, flaw=_flaw(name, values, kinds, origin))


def read_npy(path: Path) -> Table:
    """A table or pictures from a `.npy` file; pickles are refused.

    Raises:
        InputError: for a damaged file, or one of objects.
    """
    with damage(path, "an array saved by NumPy"), path.open("rb") as file:
        size = path.stat().st_size
        check_array(*_header(file, size, path), size, str(path))
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
    with damage(path, "an archive of arrays (np.savez)"), _Sparing(path) as file, zipfile.ZipFile(file) as archive:
        # Names may come twice; the last one counts.
        infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if _is_array(info)}
        if len(infos) > MEMBERS:
            raise InputError(f"{path}: may hold at most {MEMBERS:,} arrays; found {len(infos):,}. Save fewer.")
        headers = {}
        for key, info in infos.items():
            if info.compress_type not in PACKED:
                raise InputError(f"{path}: must be packed by deflate or not at all; {key} is not. Save it again.")
            with archive.open(info) as opened:
                headers[key] = _header(opened, info.file_size, path)
        name = _member({key: shape for key, (shape, _) in headers.items()}, member, str(path))
        array = _loaded(archive, infos[name], headers[name], path)
        labels = None
        if name == "X" and "y" in headers and headers["y"][0] == array.shape[:1]:
            labels = _loaded(archive, infos["y"], headers["y"], path)
    return from_numpy(array, origin=Origin(str(path)), labels=labels)


@final
class _Sparing(io.FileIO):
    """A file that gives little at once. An archive's list of members is read at once, and takes ten times its size."""

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes."""
        if size is not None and size > MEMBERS_BYTES:
            raise ValueError("its list of members is too long")
        return super().read(size) or b""


def _is_array(info: zipfile.ZipInfo) -> bool:
    return info.filename.endswith(".npy")


def _kind(value: Any) -> str | None:
    """The name of a cell's type; one for all real numbers, None where the cell is missing."""
    # pandas' own marks are known by name, since pandas need not be there.
    unknown = type(value).__name__ in ("NAType", "NaTType")
    if value is None or unknown or (isinstance(value, float) and math.isnan(value)):
        return None
    number = isinstance(value, int | float | decimal.Decimal | np.integer | np.floating)
    return NUMBER if number and not isinstance(value, bool) else type(value).__name__


def _floats(name: str, values: NDArray[Any], origin: Origin) -> Raw:
    cells, rounded = np.full(len(values), np.nan), np.zeros(len(values), dtype=np.bool_)
    for i, value in enumerate(values.tolist()):
        if _kind(value) is not None:
            cells[i] = _float(value)
            rounded[i] = math.isfinite(cells[i]) and _is_rounded(value, cells[i])
    given = ", ".join(sorted({type(value).__name__ for value in values.tolist() if _kind(value) is not None}))
    return Raw(name, cells, origin=origin, given=given, rounded=rounded if rounded.any() else None)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _is_rounded(value: Any, cell: float) -> bool:
    if isinstance(value, decimal.Decimal):
        return len(value.normalize().as_tuple().digits) > FLOAT_DIGITS
    return bool(cell != value)


def _flaw(name: str, values: NDArray[Any], kinds: list[str | None], origin: Origin) -> str:
    most = Counter(kind for kind in kinds if kind is not None).most_common(1)[0][0]
    present = np.array([kind is not None for kind in kinds])
    others = np.array([kind not in (None, most) for kind in kinds])
    if not others.any():
        found = origin.found(present, values[np.argmax(present)])
        return (
            f"column {name!r} must hold numbers, text or times; found {most} like {found}. "
            "Convert it to numbers or text, or drop it (--drop)."
        )
    usual, place = values[kinds.index(most)], int(np.argmax(others))
    return (
        f"column {name!r} must hold one type; {shown(usual)} is of type {type(usual).__name__}, but "
        f"{origin.found(others, values[place])} is of type {type(values[place]).__name__}. Convert or drop the column."
    )


def _header(file: IO[bytes] | io.BufferedIOBase, size: int, path: Path) -> tuple[tuple[int, ...], int]:
    """Shape and bytes of a cell that an NPY header states, if the rest of the file has that many bytes."""
    # The header says how long it is, and NumPy believes it.
    start = io.BytesIO(file.read(HEADER_BYTES))
    version = np.lib.format.read_magic(start)
    old = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(start)
    if dtype.hasobject:
        raise InputError(f"{path}: must hold numbers or text; found an array of Python objects. {NO_OBJECTS}")
    check_size(shape, dtype.itemsize, str(path))
    expected = start.tell() + math.prod(shape) * dtype.itemsize
    if size != expected:
        raise InputError(f"{path}: must have {expected:,} bytes for shape {shape}; found {size:,}. Save it again.")
    return tuple(shape), dtype.itemsize


def _member(headers: dict[str, tuple[int, ...]], member: str | None, source: str) -> str:
    sizes = [f"{name} {' x '.join(map(str, shape))}" for name, shape in list(headers.items())[:NAMED_AT_MOST]]
    more = len(headers) - len(sizes)
    there = f"it holds {', '.join(sizes) or 'no arrays'}" + (f" and {more:,} more" if more else "")
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


def _loaded(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, header: tuple[tuple[int, ...], int], path: Path
) -> NDArray[Any]:
    # What the list of members says of the packed size may be as wrong as the rest.
    check_array(*header, min(info.compress_size, path.stat().st_size), str(path))
    with archive.open(info) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array
