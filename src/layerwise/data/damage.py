"""What a missing or damaged file gets: one clear line, whichever library stumbled over it."""

import contextlib
import difflib
import gzip
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from layerwise.errors import InputError, LayerwiseError, ResourceError

__all__ = ["damage", "not_found", "one_line", "readable"]

STUMBLES = (
    ValueError,
    EOFError,
    OSError,
    SyntaxError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    pa.ArrowException,
)


@contextlib.contextmanager
def damage(path: Path, what: str) -> Iterator[None]:
    """Turn what libraries raise while they read a file into an error that names it.

    Arguments:
        path: the file.
        what: what it must be, with its article.

    Raises:
        InputError: when the content is at fault; an error of the system (it has a number) passes.

    >>> with damage(Path("a.png"), "a picture"):
    ...     raise EOFError("too short")
    Traceback (most recent call last):
    layerwise.errors.InputError: a.png: must be a picture; it is damaged (too short). Fetch or write it again.
    """
    try:
        yield
    except LayerwiseError:
        raise
    except STUMBLES as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        text = f"must be {what}; it is damaged ({one_line(error)}). Fetch or write it again."
        raise InputError(f"{path}: {text}") from error


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system refuses while a file or folder is read into an error that names it.

    Raises:
        ResourceError: without permission or memory, and for a disk that fails.

    >>> with readable(Path("a.png")):
    ...     raise PermissionError(13, "Permission denied")
    Traceback (most recent call last):
    layerwise.errors.ResourceError: a.png: cannot be read: Permission denied.
    """
    try:
        yield
    except ResourceError:
        raise
    except OSError as error:
        raise ResourceError(f"{error.filename or path}: cannot be read: {error.strerror or error}.") from error
    except MemoryError as error:
        raise ResourceError(f"{path}: there is not enough memory to read it. Take fewer rows.") from error


def not_found(path: Path) -> InputError:
    """What a name gets that no file has; the nearest one is asked after.

    >>> str(not_found(Path("nowhere", "a.png")))
    'nowhere/a.png: there is no such file; there is no folder nowhere either.'
    """
    parent = path.parent
    there = os.listdir(parent) if parent.is_dir() else []
    near = difflib.get_close_matches(path.name, there, n=1)
    if near:
        return InputError(f"{path}: there is no such file; did you mean {parent / near[0]}?")
    if not parent.is_dir():
        return InputError(f"{path}: there is no such file; there is no folder {parent} either.")
    return InputError(f"{path}: there is no such file or data set. `layerwise datasets` lists the data sets.")


def one_line(error: BaseException) -> str:
    r"""The first line of what another library says.

    >>> one_line(ValueError("no.\nmore"))
    'no'
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
