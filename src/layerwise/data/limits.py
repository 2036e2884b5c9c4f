"""What is refused before it is read: more than memory holds, and small files that unfold to gigabytes."""

import math
import zlib
from pathlib import Path

from layerwise.errors import InputError, ResourceError
from layerwise.memory import free_memory

__all__ = [
    "ARRAY_COLUMNS",
    "ARROW_RATIO",
    "PARQUET_RATIO",
    "TABLE_COLUMNS",
    "ZIP_RATIO",
    "check_array",
    "check_columns",
    "check_gzip",
    "check_memory",
    "check_pieces",
    "check_size",
    "check_unfolded",
]

MOST_CELLS = 2**40
# Each column of an array costs a name; each column of a table some kilobytes in Arrow's readers.
ARRAY_COLUMNS = 2**21
TABLE_COLUMNS = 2**16
# What unfolds to less is read, however small its file.
UNFOLDED = 2**28
# How many times more than its file is honest. Tables of counts that are nearly all 0 reach 100; zip and gzip 1032, LZ4
# 242, runs of one value in Parquet any number.
ARROW_RATIO = 200
ZIP_RATIO = 250
PARQUET_RATIO = 1000
# Text that is unpacked is counted in stretches, so that what is honest at first does not hide the rest.
STRETCH = 2**27
CHUNK = 2**14
# Pages, batches or members of a file; beyond so many they must not be tiny.
PIECES = 2**16
PIECE_CELLS = 100


def check_size(shape: tuple[int, ...], itemsize: int, source: str) -> None:
    """Refuse an array before it is read when no machine, or not this one, can hold it.

    Raises:
        InputError: beyond 2**40 cells.
        ResourceError: beyond the memory that is free.
    """
    cells = math.prod(shape)
    if cells > MOST_CELLS:
        raise InputError(f"{source}: at most 2**40 cells can be read; its header says {' x '.join(map(str, shape))}.")
    check_memory(cells * itemsize, source)


def check_array(shape: tuple[int, ...], itemsize: int, packed: int, source: str) -> None:
    """Refuse an array before it is read: too large, too wide, or far larger than the place it takes in its file.

    Raises:
        InputError, ResourceError: as the parts of this check say.
    """
    check_size(shape, itemsize, source)
    check_columns(math.prod(shape[1:]), source, most=ARRAY_COLUMNS)
    check_unfolded(math.prod(shape) * itemsize, packed, source, ZIP_RATIO)


def check_memory(size: int, source: str) -> None:
    """Refuse what takes more memory than is free.

    Raises:
        ResourceError: says how much it takes.
    """
    free = free_memory()
    if free is not None and size > free:
        needed = f"needs {size / 1e9:,.1f} GB of memory; {free / 1e9:,.1f} GB are free"
        raise ResourceError(f"{source}: {needed}. Take fewer rows.")


def check_columns(count: int, source: str, *, most: int = TABLE_COLUMNS) -> None:
    """Refuse more columns than can be handled one by one.

    Raises:
        InputError: says how many there may be.

    >>> check_columns(10**6, "t.csv")
    Traceback (most recent call last):
    layerwise.errors.InputError: t.csv: may have at most 65,536 columns; found 1,000,000. Write numbers as NPY.
    """
    if count > most:
        remedy = "Write numbers as NPY." if most < ARRAY_COLUMNS else "Take fewer, or pictures of fewer pixels."
        raise InputError(f"{source}: may have at most {most:,} columns; found {count:,}. {remedy}")


def check_unfolded(size: int, packed: int, source: str, ratio: int) -> None:
    """Refuse what takes far more memory than place in its file, as only files made for harm do.

    Arguments:
        size: bytes in memory.
        packed: bytes in the file.
        source: for the message.
        ratio: how many times more is honest.

    Raises:
        InputError: beyond 256 MB and the ratio.

    >>> check_unfolded(2**28, 100, "zeros.npz", ZIP_RATIO)
    """
    if size > max(UNFOLDED, ratio * packed):
        raise _unfolding(size, packed, source, ratio)


def check_pieces(pieces: int, cells: int, source: str) -> None:
    """Refuse files cut into very many tiny pieces, each of which takes time.

    Raises:
        InputError: beyond 65,536 pieces of less than 100 cells, or bytes of text.
    """
    if pieces > PIECES and cells < PIECE_CELLS * pieces:
        raise InputError(f"{source}: must not be cut into pieces of a few cells; found {pieces:,}. Write it in larger.")


def check_gzip(path: Path) -> None:
    """Count what a packed text unfolds to, without keeping it, and refuse a small file of gigabytes.

    Raises:
        InputError: where 128 MB of text take less than 0.5 MB, and for very many tiny members.
        ResourceError: beyond the memory that is free.
        zlib.error: for damaged content.
    """
    size = packed = counted = members = 0
    stream = zlib.decompressobj(wbits=31)
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            packed += len(data)
            while data:
                # Without a limit: so little cannot unfold to more than 17 MB.
                size += len(stream.decompress(data))
                data = b""
                if stream.eof:
                    members += 1
                    check_pieces(members, size, str(path))
                    data = stream.unused_data.lstrip(b"\0")
                    stream = zlib.decompressobj(wbits=31)
            if size - counted > STRETCH:
                if size - counted > ZIP_RATIO * packed:
                    raise _unfolding(size - counted, packed, str(path), ZIP_RATIO)
                counted, packed = size, 0
    check_memory(size, str(path))


def _unfolding(size: int, packed: int, source: str, ratio: int) -> InputError:
    return InputError(
        f"{source}: may unfold to {ratio:,} times its size; {packed:,} bytes unfold to {size / 1e9:,.1f} GB or more. "
        "If you trust the file, unpack it, or write it as NPY."
    )
