"""A run that can go on: its state in a folder of numbered, sealed checkpoints."""

import hashlib
import json
import logging
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import filelock
import safetensors.torch
import torch
from torch import Tensor

from layerwise.data import Source
from layerwise.errors import CheckpointError, InputError, ResourceError
from layerwise.files import atomic_file, atomic_folder, check_room
from layerwise.manifest import Kind, read_sealed, seal

__all__ = ["Checkpoint", "Saved", "State", "fingerprint"]

logger = logging.getLogger(__name__)

KEPT = 2
SAMPLE_ROWS = 256
TEXT_BYTES = 64 * 1024 * 1024
NUMBERED = re.compile(r"\d{6,}")
LEFTOVER = re.compile(r"\.\d{6,}-.*|\.owner-.*")
KIND = Kind(
    {"state.safetensors": 2**40, "state.json": TEXT_BYTES, "history.jsonl": TEXT_BYTES},
    format=1,
    error=CheckpointError,
    remedy="Start over with --fresh, or in another folder.",
)


@final
@dataclass(frozen=True)
class State:
    """Where a run stands: numbers as plain values, weights and the like as tensors, and its history until then."""

    values: dict[str, Any]
    tensors: dict[str, Tensor]
    history: list[dict[str, Any]]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of one part: "model", "stepper" or "keeper"."""
        return {key[len(name) + 1 :]: value for key, value in self.tensors.items() if key.startswith(f"{name}.")}


@final
@dataclass(frozen=True)
class Checkpoint:
    """Where the state of a run is kept, and how often.

    Arguments:
        folder: made if it is not there; holds nothing else. The newest two checkpoints are kept.
        every_seconds: of training between two.
        every_steps: steps between two, instead of seconds.
        fresh: forget what the folder holds.
        about: what must be the same when the run goes on, beside recipe, seed, rows and model; plain values.

    Raises:
        InputError: for an interval that is not positive.

    >>> Checkpoint(Path("run")).part("fold 1").folder.name
    'fold 1'
    """

    folder: Path
    every_seconds: float = 60.0
    every_steps: int | None = None
    fresh: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.every_seconds > 0 or (self.every_steps is not None and self.every_steps < 1):
            raise InputError(
                f"checkpoints must be a positive time or at least one step apart; got {self.every_seconds} s and "
                f"{self.every_steps} steps."
            )

    def part(self, name: str) -> "Checkpoint":
        """The same for one of several runs that belong together, in a folder below."""
        return replace(self, folder=self.folder / name, fresh=False)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the folder; a lock whose process has died is nobody's.

        Raises:
            CheckpointError: when another process has it; names the process and its machine.
            InputError: when the folder holds other things.
            ResourceError: when it cannot be written.
        """
        _check_folder(self.folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / "lock", timeout=0)
            lock.acquire()
        except filelock.Timeout as error:
            raise CheckpointError(
                f"{self.folder}: is in use by {_owner(self.folder)}. Wait for it, or end it."
            ) from error
        except OSError as error:
            raise ResourceError(f"cannot write {self.folder}: {error.strerror or error}.") from error
        try:
            with atomic_file(self.folder / "owner.json") as path:
                path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8")
            self._sweep()
            yield
        finally:
            lock.release()

    @contextmanager
    def opened(self, identity: Mapping[str, Any]) -> Iterator["Saved"]:
        """The checkpoints of one run, locked; `identity` is what makes it the same run, as plain values.

        Raises:
            CheckpointError: also when the folder belongs to another run; names what differs.
        """
        with self.locked():
            yield Saved(self, {**self.about, **identity})

    def _sweep(self) -> None:
        for entry in self.folder.iterdir():
            if LEFTOVER.fullmatch(entry.name) or (self.fresh and entry.is_dir()):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@final
class Saved:
    """The checkpoints in an opened folder.

    Attributes:
        state: of the newest one that is whole, when the folder was opened; None where there is none.
    """

    def __init__(self, choice: Checkpoint, identity: Mapping[str, Any]) -> None:
        self.choice = choice
        # As JSON gives it back, so that tuples and lists compare.
        self.identity = json.loads(json.dumps(identity))
        self.number = max(map(int, _numbers(choice.folder)), default=0)
        self.time, self.steps = time.monotonic(), 0
        self.state = self._newest()

    def due(self) -> bool:
        """Whether it is time for another; asked after each step."""
        self.steps += 1
        if self.choice.every_steps is not None:
            return self.steps >= self.choice.every_steps
        return time.monotonic() - self.time >= self.choice.every_seconds

    def save(self, state: State) -> None:
        """Add a checkpoint, and remove all but the newest two; where there is no room, say so and go on."""
        content = {
            "state.safetensors": safetensors.torch.save({k: v.contiguous() for k, v in state.tensors.items()}),
            "state.json": json.dumps({"identity": self.identity, "values": state.values}, indent=1).encode(),
            "history.jsonl": "".join(json.dumps(row) + "\n" for row in state.history).encode(),
        }
        folder = self.choice.folder
        # A number is never used twice: where the disk failed late, its folder may be there.
        self.number += 1
        target = folder / f"{self.number:06d}"
        try:
            check_room(target, sum(map(len, content.values())))
            with atomic_folder(target) as staging:
                for name, data in content.items():
                    (staging / name).write_bytes(data)
                seal(staging, KIND)
        except ResourceError as error:
            logger.warning("no checkpoint: %s", error)
        else:
            for name in _numbers(folder)[:-KEPT]:
                shutil.rmtree(folder / name, ignore_errors=True)
        # From here, so that saving takes no more than its share of the time however long it takes.
        self.time, self.steps = time.monotonic(), 0

    def _newest(self) -> State | None:
        for name in reversed(_numbers(self.choice.folder)):
            try:
                content = read_sealed(self.choice.folder / name, KIND)
            except CheckpointError as error:
                logger.warning("a checkpoint is damaged, and the one before it is taken: %s", error)
                continue
            described = json.loads(content["state.json"])
            self._check(described["identity"])
            return State(
                described["values"],
                safetensors.torch.load(content["state.safetensors"]),
                [json.loads(line) for line in content["history.jsonl"].splitlines()],
            )
        return None

    def _check(self, found: Mapping[str, Any]) -> None:
        differing = list(_differences(found, self.identity))
        if differing:
            more = f", and {len(differing) - 3} more" if len(differing) > 3 else ""
            raise CheckpointError(
                f"{self.choice.folder}: holds another run: {'; '.join(differing[:3])}{more}. Start over with --fresh "
                "(fresh=True), or use another folder."
            )


def fingerprint(rows: Source) -> dict[str, Any]:
    """What tells rows from others: their number, and a hash of at most 256 of them, evenly chosen."""
    index = torch.arange(0, len(rows), max(1, len(rows) // SAMPLE_ROWS))[:SAMPLE_ROWS]
    digest = hashlib.sha256()
    if len(rows):
        batch = rows.batch(index)
        for part in [part for part in batch if part is not None]:
            digest.update(part.contiguous().numpy().tobytes())
    return {"rows": len(rows), "sample": digest.hexdigest()}


def _numbers(folder: Path) -> list[str]:
    """The names of the checkpoints, oldest first."""
    return sorted((entry.name for entry in folder.iterdir() if NUMBERED.fullmatch(entry.name)), key=int)


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: must be a folder for checkpoints; there is a file of that name.")
    known = {"lock", "owner.json"}
    other = [
        entry.name
        for entry in folder.iterdir()
        if entry.name not in known
        and not NUMBERED.fullmatch(entry.name)
        and not LEFTOVER.fullmatch(entry.name)
        and not (entry / "lock").exists()
    ]
    if other:
        raise InputError(
            f"{folder}: must be new, empty, or hold nothing but checkpoints; it holds {min(other)!r}. "
            "Choose another folder."
        )


def _owner(folder: Path) -> str:
    try:
        owner = json.loads((folder / "owner.json").read_text("utf-8"))
        return f"process {int(owner['pid'])} on {owner['host']!s:.80}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _differences(found: Any, wanted: Any, name: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys([*found, *wanted]):
            yield from _differences(found.get(key), wanted.get(key), f"{name}.{key}" if name else str(key))
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for number, pair in enumerate(zip(found, wanted, strict=True)):
            yield from _differences(*pair, f"{name}[{number}]")
    elif found != wanted:
        yield f"{name} was {json.dumps(found)[:60]} and is {json.dumps(wanted)[:60]}"
