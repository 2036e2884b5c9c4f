"""What a damaged file gets: one clear line, whichever library stumbled over it."""

import contextlib
import gzip
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from layerwise.errors import InputError, LayerwiseError

__all__ = ["damage", "one_line"]

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


def one_line(error: BaseException) -> str:
    r"""The first line of what another library says.

    >>> one_line(ValueError("no.\nmore"))
    'no'
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
