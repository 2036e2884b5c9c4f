"""What happened in a run: rows of plain values, written as they come, and the events that watchers read."""

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final, runtime_checkable

from layerwise.optim.base import Problem

__all__ = [
    "EpochEnd",
    "Event",
    "Examined",
    "Examiner",
    "FallBack",
    "Found",
    "History",
    "PhaseEnd",
    "PhaseStart",
    "RollBack",
    "StepEnd",
    "StopPhase",
    "Watcher",
]

INTERRUPTED = "interrupted"


@final
@dataclass(frozen=True)
class PhaseStart:
    """A phase begins: its name and place in the recipe, its epochs, the steps of all of them, and its rows.

    A run that goes on begins its phase again for the watchers, but not for the history.
    """

    phase: str
    epochs: int
    steps: int
    rows: int
    number: int = 0
    event: str = "start"


@final
@dataclass(frozen=True)
class StepEnd:
    """A step was taken; `step` counts from 1 through the phase, `terms` are those before the step."""

    phase: str
    epoch: int
    step: int
    terms: dict[str, float]
    rate: float
    seconds: float
    event: str = "step"


@final
@dataclass(frozen=True)
class EpochEnd:
    """An epoch is done: mean training terms, the validation terms, and whether these are the best so far.

    Epoch 0 is the state before the first step; its training terms are empty.
    """

    phase: str
    epoch: int
    step: int
    terms: dict[str, float]
    validation: dict[str, float]
    best: bool
    seconds: float
    event: str = "epoch"


@final
@dataclass(frozen=True)
class PhaseEnd:
    """A phase is over, and why; `best_epoch` is the one whose weights are kept."""

    phase: str
    reason: str
    epochs: int
    best_epoch: int
    seconds: float
    event: str = "phase"


@final
@dataclass(frozen=True)
class RollBack:
    """Something stopped being finite: the phase goes on from after step `to`, with `factor` of the rate."""

    phase: str
    epoch: int
    step: int
    to: int
    factor: float
    cause: str
    event: str = "rollback"


@final
@dataclass(frozen=True)
class FallBack:
    """The optimizer could not do what its method asks for, and did something else: what, told once in a phase."""

    phase: str
    epoch: int
    step: int
    cause: str
    event: str = "fallback"


@final
@dataclass(frozen=True)
class Examined:
    """What an examiner found at a step, as plain values."""

    phase: str
    epoch: int
    step: int
    findings: list[dict[str, Any]]
    event: str = "findings"


Event = PhaseStart | StepEnd | EpochEnd | PhaseEnd | RollBack | FallBack | Examined
Watcher = Callable[[Event], None]
"""Sees every event of a run; it may raise `StopPhase`, and nothing else."""


@runtime_checkable
class Found(Protocol):
    """Something that was found of a model."""

    def row(self) -> dict[str, Any]:
        """It as plain values."""


@runtime_checkable
class Examiner(Protocol):
    """Looks at the problem of each step after it was taken, such as `layerwise.diagnostics.Rounds`."""

    def examine(self, problem: Problem) -> Sequence[Found]:
        """What is found there, or nothing; the problem and its model stay as they are."""


@final
class StopPhase(Exception):
    """Raised by a watcher to end the phase; its text is the reason in the history."""


@final
class History:
    """The events of a run as plain rows, at most about 1000 step rows a phase.

    Arguments:
        path: a file to which each row is added as one line of JSON when it comes; None keeps them in memory only.
        watch: functions that see every event, and may end the phase by raising `StopPhase`.
        examiners: look at the model after each step; what they find becomes rows.

    Attributes:
        rows: the events that were kept, as plain values.
        signal: the number of the signal that ended the run, or 0.

    >>> history = History()
    >>> history.record(PhaseEnd("train", "epochs done", epochs=3, best_epoch=2, seconds=0.1))
    >>> history.rows[0]["reason"]
    'epochs done'
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        watch: Sequence[Watcher] = (),
        examiners: Sequence[Examiner] = (),
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        self.watch = tuple(watch)
        self.examiners = tuple(examiners)
        self.path = None if path is None else Path(path)
        self.signal = 0
        self._stride = 1

    def record(self, event: Event) -> None:
        """Keep an event, of a long phase's steps only few, and show it to the watchers."""
        if isinstance(event, PhaseStart):
            self._stride = max(1, event.steps // 1000)
        if not isinstance(event, StepEnd) or event.step % self._stride == 0:
            self._keep([dataclasses.asdict(event)])
        for watcher in self.watch:
            watcher(event)

    def examine(self, problem: Problem, *, phase: str, epoch: int, step: int) -> None:
        """Let the examiners look at the problem of a step, and record what they find."""
        for examiner in self.examiners:
            if findings := [found.row() for found in examiner.examine(problem)]:
                self.record(Examined(phase, epoch, step, findings))

    def resume(self, rows: Sequence[dict[str, Any]]) -> None:
        """Take up the rows of an earlier process."""
        self._keep(rows)

    def again(self, start: PhaseStart) -> None:
        """Tell the watchers in which phase a run goes on; the row is there already."""
        self._stride = max(1, start.steps // 1000)
        for watcher in self.watch:
            watcher(start)

    def _keep(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows.extend(rows)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)

    def told(self, fall_back: FallBack) -> bool:
        """Whether the phase has such a fall-back already."""
        same = {"event": fall_back.event, "phase": fall_back.phase, "cause": fall_back.cause}
        return any(all(row.get(name) == value for name, value in same.items()) for row in self.rows)

    def phases(self) -> list[dict[str, Any]]:
        """The rows which say how each phase ended."""
        return [row for row in self.rows if row["event"] == "phase"]

    @property
    def interrupted(self) -> bool:
        """Whether the run was ended by the user."""
        return self.signal != 0 or any(row["reason"] == INTERRUPTED for row in self.phases())
