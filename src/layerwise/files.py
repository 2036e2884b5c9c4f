"""Writing that leaves either the old state or the new one, never half of it."""

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from layerwise.errors import ResourceError

__all__ = ["atomic_file", "atomic_folder", "sha256"]


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it is synced and renamed over `path`, else it is removed.

    Raises:
        ResourceError: when the folder cannot be written or the disk is full; an existing file stays as it was.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_file(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    target = Path(path)
    with _disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "there is a folder of that name")
        # The suffix is kept, because writers choose the format by it.
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            _sync(temporary)
            # mkstemp makes files private; a result is as public as any file the user makes.
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
            _sync(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary folder beside `path`; on success it takes the place of `path`, else it is removed.

    Raises:
        ResourceError: when the parent cannot be written or the disk is full; an existing folder stays as it was.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_folder(Path(folder) / "model") as temporary:
    ...         _ = (temporary / "part").write_text("whole")
    ...     sorted(entry.name for entry in Path(folder).iterdir())
    ['model']
    """
    target = Path(path)
    with _disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_dir():
            raise FileExistsError(errno.EEXIST, "there is a file of that name")
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        old = temporary.with_name(temporary.name + "-old")
        try:
            yield temporary
            for entry in [*temporary.rglob("*"), temporary]:
                _sync(entry)
            temporary.chmod(0o777 & ~_umask())
            if target.exists():
                target.replace(old)
            temporary.replace(target)
            _sync(target.parent)
        finally:
            if old.exists() and not target.exists():
                old.replace(target)
            shutil.rmtree(old, ignore_errors=True)
            shutil.rmtree(temporary, ignore_errors=True)


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes in hexadecimal, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except ResourceError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        free = ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = f" ({shutil.disk_usage(target.parent).free:,} bytes free)"
        raise ResourceError(
            f"cannot write {target}: {reason}{free}. Choose another place with -o, or make room there; "
            "what was there before is unchanged."
        ) from error
