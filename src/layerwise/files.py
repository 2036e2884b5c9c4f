"""Writing that leaves either the old state or the new one, never half of it."""

import contextlib
import ctypes
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from layerwise.errors import InputError, ResourceError

__all__ = ["atomic_file", "atomic_folder", "check_file", "check_folder", "check_room", "sha256"]

ELSEWHERE = "Choose another place with -o, or make room there; what was there before is unchanged."


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it is synced and renamed over `path`, else it is removed.

    A symbolic link is followed, and stays.

    Raises:
        InputError: when `path` is a folder or a device.
        ResourceError: when the folder cannot be written or the disk is full; an existing file stays as it was.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_file(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    target = _plain_file(path)
    with _disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        # The suffix is kept, because writers choose the format by it.
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix="".join(target.suffixes), dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            with _full_disk(target, temporary):
                yield temporary
                _sync(temporary)
                # mkstemp makes files private; a result is as public as any file the user makes.
                temporary.chmod(0o666 & ~_umask())
                temporary.replace(target)
                _sync(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str], *, replaces: Collection[str] = ()) -> Iterator[Path]:
    """Give a temporary folder beside `path`; on success it takes the place of `path`, else it is removed.

    A symbolic link is followed, and stays.

    Arguments:
        path: the folder to make.
        replaces: the names of the files that an earlier result consists of. A folder that is not empty is replaced only
            if it holds exactly these: nobody's files are lost.

    Raises:
        InputError: when `path` is a file, or a folder with other things in it; found before anything is made.
        ResourceError: when the parent cannot be written or the disk is full; an existing folder stays as it was.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_folder(Path(folder) / "model") as temporary:
    ...         _ = (temporary / "part").write_text("whole")
    ...     sorted(entry.name for entry in Path(folder).iterdir())
    ['model']
    """
    target = _folder(path, replaces)
    with _disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        old = temporary.with_name(temporary.name + "-old")
        try:
            with _full_disk(target, temporary):
                yield temporary
                for entry in [*temporary.rglob("*"), temporary]:
                    _sync(entry)
                temporary.chmod(0o777 & ~_umask())
                if target.exists() and not _exchange(temporary, target):
                    target.replace(old)
                if not target.exists():
                    temporary.replace(target)
                _sync(target.parent)
        finally:
            if old.exists() and not target.exists():
                old.replace(target)
            # Twice, since what made the work fail may make the removal fail as well.
            for left in (old, temporary, old, temporary):
                shutil.rmtree(left, ignore_errors=True)


def check_file(path: str | os.PathLike[str]) -> None:
    """See, before long work begins, whether `atomic_file` could write a file here.

    Raises:
        InputError: when there is a folder or a device of that name.
        ResourceError: when the folder cannot be written or made.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_file(Path(folder) / "new" / "a.txt")
    """
    _check_parent(_plain_file(path))


def check_folder(path: str | os.PathLike[str]) -> None:
    """See, before long work begins, whether `atomic_folder` could make a folder here that replaces nothing.

    Raises:
        InputError: when there is a file of that name, or a folder with anything in it.
        ResourceError: when the parent cannot be written or made.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_folder(Path(folder) / "new" / "pictures")
    """
    _check_parent(_folder(path, ()))


def check_room(path: str | os.PathLike[str], needed: int) -> None:
    """See whether a file or folder of `needed` bytes fits beside `path`, before any of it is written.

    Raises:
        ResourceError: when fewer bytes are free; names both.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_room(Path(folder) / "a.txt", 1000)
    """
    target = Path(path).resolve()
    nearest = next(parent for parent in target.parents if parent.exists())
    free = shutil.disk_usage(nearest).free
    if free < needed:
        raise ResourceError(
            f"cannot write {target}: {needed:,} bytes are needed and {free:,} bytes are free. {ELSEWHERE}"
        )


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes in hexadecimal, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain_file(path: str | os.PathLike[str]) -> Path:
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        what = "a folder" if target.is_dir() else "no plain file"
        raise InputError(f"{path}: must be a file to write; there is {what} of that name. Choose another name.")
    return target


def _folder(path: str | os.PathLike[str], replaces: Collection[str]) -> Path:
    target = Path(path).resolve()
    with _disk_errors(target):
        if target.exists() and not target.is_dir():
            raise InputError(f"{target}: must be a folder; there is a file of that name. Choose another name.")
        present = {entry.name for entry in target.iterdir()} if target.exists() else set()
    other = sorted(present - set(replaces)) or sorted(present if present != set(replaces) else ())
    if other:
        more = f" and {len(other) - 1} more" if len(other) > 1 else ""
        earlier = ", or an earlier result of the same kind" if replaces else ""
        raise InputError(
            f"{target}: must be new or empty{earlier}; it holds {other[0]!r}{more}. "
            "Choose another place, or move what is there."
        )
    return target


def _check_parent(target: Path) -> None:
    with _disk_errors(target):
        nearest = next(parent for parent in target.parents if parent.exists())
        tempfile.TemporaryFile(dir=nearest).close()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change their places at once, so that at no instant one is missing; False where that cannot be."""
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):
        return False
    done: int = rename(here, os.fsencode(one), here, os.fsencode(other), exchange)
    return done == 0


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def _full_disk(target: Path, temporary: Path) -> Iterator[None]:
    """Tell a full disk, or a quota, from other errors while what it did hold is still there."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        written = sum(entry.stat().st_size for entry in (temporary, *temporary.rglob("*")) if entry.is_file())
        free = shutil.disk_usage(target.parent).free
        raise ResourceError(
            f"cannot write {target}: {error.strerror}; more than the {written:,} bytes written are needed and "
            f"{free:,} bytes are free. {ELSEWHERE}"
        ) from error


@contextlib.contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except ResourceError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ResourceError(f"cannot write {target}: {reason}. {ELSEWHERE}") from error
