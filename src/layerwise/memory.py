"""How much memory is free, for this process."""

from pathlib import Path

__all__ = ["free_memory"]

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
