"""How much memory is free, for this process, and what it does with what it frees itself."""

import contextlib
import ctypes
import platform
from collections.abc import Iterator
from pathlib import Path

__all__ = ["free_memory", "freed_memory_is_kept"]

# Of glibc's mallopt. Below so many bytes it keeps what is freed by itself.
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
LARGE = 32 << 20
# No memory is mapped for one tensor alone, and none given back; and what its own thresholds grow to.
KEPT = {TRIM_THRESHOLD: 2**31 - 1, MMAP_MAX: 0}
USUAL = {TRIM_THRESHOLD: 2 * LARGE, MMAP_THRESHOLD: LARGE, MMAP_MAX: 65_536}
# What is kept has gaps, and may be so many times what a step needs.
ROOM = 2

CGROUPS = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)


def free_memory(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """The bytes that this process may still take: of the machine or of its control group, whichever has less.

    Memory that only caches files counts as free. None where the system does not tell.

    >>> free_memory(Path("/nowhere"), Path("/nowhere")) is None
    True
    """
    found = [_of_machine(proc), *(_of_group(groups, *names) for names in CGROUPS)]
    return min((size for size in found if size is not None), default=None)


@contextlib.contextmanager
def freed_memory_is_kept(step: int) -> Iterator[None]:
    """What a step of so many bytes frees stays with the process for the next one, until the end.

    To map the pages of large tensors anew takes a third of a step. Only where the C library is glibc, and where twice
    the bytes are free; small steps need no help.

    >>> with freed_memory_is_kept(2**30):
    ...     pass
    """
    free = free_memory()
    if step < LARGE or platform.libc_ver()[0] != "glibc" or (free is not None and ROOM * step > free):
        yield
        return
    library = ctypes.CDLL(None)
    for option, value in KEPT.items():
        library.mallopt(option, value)
    try:
        yield
    finally:
        for option, value in USUAL.items():
            library.mallopt(option, value)
        library.malloc_trim(0)


def _of_machine(proc: Path) -> int | None:
    available = _table(proc / "meminfo").get("MemAvailable:")
    return None if available is None else available * 1024


def _of_group(groups: Path, limit: str, used: str, stat: str) -> int | None:
    try:
        most, taken = int((groups / limit).read_text()), int((groups / used).read_text())
    except (OSError, ValueError):
        # No control group, or one without a limit ("max").
        return None
    return max(0, most - taken + _table(groups / stat).get("inactive_file", 0))


def _table(path: Path) -> dict[str, int]:
    """The first number of each line, by the word before it."""
    try:
        lines = [line.split() for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        return {}
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}
