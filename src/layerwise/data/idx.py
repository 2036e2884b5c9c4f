"""IDX files, the format of MNIST."""

import gzip
import io
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data.damage import damage
from layerwise.data.limits import check_array
from layerwise.data.table import Origin, Table
from layerwise.errors import InputError

__all__ = ["read_idx", "read_idx_array", "write_idx"]

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: Path) -> Table:
    """Pictures or a table from an IDX file, packed with gzip or not.

    Raises:
        InputError: for a damaged file, or one with a single number a row (labels).
    """
    array = read_idx_array(path)
    if array.ndim == 1:
        raise InputError(f"{path}: must hold pictures or a table; found one number a row, as in a file of labels.")
    return Table.from_array(array, origin=Origin(str(path)))


def read_idx_array(path: Path) -> NDArray[Any]:
    """The array in an IDX file: the bytes 0, 0, type, dimensions; big-endian 32-bit sizes; the values.

    Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section "File formats".

    Raises:
        InputError: for another format, fewer or more bytes than the header says, or a packed file that unfolds to
            far more than it takes on the disk.
        ResourceError: beyond the memory that is free.
    """
    packed = path.suffix == ".gz"
    with damage(path, "an IDX file"), gzip.open(path, "rb") if packed else path.open("rb") as file:
        zeros, code, dimensions = struct.unpack(">HBB", file.read(4))
        if zeros or code not in TYPES or not 1 <= dimensions <= 4:
            raise InputError(f"{path}: must be an IDX file; its first bytes are not those of one.")
        shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
        dtype = np.dtype(TYPES[code])
        # Known before anything is read: gzip packs at most 1032 bytes into one.
        size = path.stat().st_size
        if math.prod(shape) * dtype.itemsize > size * (1032 if packed else 1):
            raise _wrong_length(path, shape)
        check_array(shape, dtype.itemsize, size, str(path))
        return _filled(file, shape, dtype, path)


def write_idx(path: Path, array: NDArray[Any]) -> None:
    """Write an array; packed with gzip when the name ends in .gz.

    Raises:
        InputError: for a type that the format does not have.
    """
    codes = {np.dtype(name).newbyteorder("="): code for code, name in TYPES.items()}
    if array.dtype not in codes:
        raise InputError(f"IDX holds {', '.join(str(d) for d in codes)}; got {array.dtype}. Write npy or npz instead.")
    header = struct.pack(f">HBB{array.ndim}I", 0, codes[array.dtype], array.ndim, *array.shape)
    with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
        file.write(header)
        file.write(array.astype(array.dtype.newbyteorder(">")).tobytes())


def _filled(file: io.BufferedIOBase, shape: tuple[int, ...], dtype: np.dtype[Any], path: Path) -> NDArray[Any]:
    array = np.empty(math.prod(shape), dtype)
    view = memoryview(array.view(np.uint8))  # type: ignore[arg-type]
    filled = 0
    while filled < len(view):
        count = file.readinto(view[filled:])
        if not count:
            break
        filled += count
    if filled < len(view) or file.read(1):
        raise _wrong_length(path, shape)
    return array.reshape(shape)


def _wrong_length(path: Path, shape: tuple[int, ...]) -> InputError:
    sizes = " x ".join(map(str, shape))
    return InputError(f"{path}: its length does not agree with its shape {sizes}. Fetch or write it again.")
