"""How long to train on few rows, by cross-validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import torch

from layerwise.data import Rows
from layerwise.models import Dense
from layerwise.runtime import Runtime
from layerwise.training import (
    EpochEnd,
    Event,
    History,
    Phase,
    PhaseStart,
    Recipe,
    StopPhase,
    Watcher,
    fit,
)

__all__ = ["EndAfter", "Run", "choose_epochs"]

STANDARD_ERRORS = 1.0


@final
@dataclass(frozen=True)
class Run:
    """What one run goes by beside model, rows and recipe.

    Arguments:
        seed: of everything random in training.
        runtime: device and precision.
        watch: functions that see every event.
        history: where the events are kept.
        folds: of the cross-validation which chooses the epochs; 0 for none.
    """

    seed: int = 0
    runtime: Runtime = Runtime()
    watch: tuple[Watcher, ...] = ()
    history: History = field(default_factory=History)
    folds: int = 0


@final
class EndAfter:
    """A watcher that ends each phase after its own number of epochs; 0 leaves the phase's part as it is.

    >>> EndAfter([0]).epochs
    [0]
    """

    def __init__(self, epochs: Sequence[int]) -> None:
        self.epochs = list(epochs)
        self.phase = -1

    def __call__(self, event: Event) -> None:
        """Look at an event."""
        if isinstance(event, PhaseStart):
            self.phase += 1
            if self.epochs[self.phase] == 0:
                raise StopPhase("training did not help in cross-validation")
        elif isinstance(event, EpochEnd) and event.epoch >= self.epochs[self.phase]:
            raise StopPhase("as many epochs as cross-validation chose")


@final
@dataclass(frozen=True)
class Folds:
    """Validation curves: for each phase, the fidelity of each fold (rows) after each epoch (columns)."""

    curves: list[np.ndarray]

    def epochs(self) -> list[int]:
        """For each phase the epoch of the least mean, or 0 where it gains less than a standard error over the start."""
        chosen = []
        for curve in self.curves:
            best = int(curve.mean(0).argmin())
            gain = curve[:, 0] - curve[:, best]
            error = gain.std(ddof=1) / np.sqrt(len(gain))
            chosen.append(best if gain.mean() > STANDARD_ERRORS * error else 0)
        return chosen


def choose_epochs(
    make: Callable[[Rows], Dense], rows: Rows, recipe: Callable[[int], Recipe], run: Run
) -> tuple[list[int], Dense | None]:
    """Train on all rows but one fold, for each fold, and see after how many epochs the left-out rows are best.

    With few rows a single validation split is decided by chance, and keeps rows from training; the folds together
    judge by every row.

    Arguments:
        make: gives a model that is ready for training on the given rows.
        rows: all that there are for training.
        recipe: makes the phases for a number of rows.
        run: seed, device, watchers, history, and the number of folds.

    Returns:
        The number of epochs for each phase; and the model of the fold in which the user ended the run, else None.
    """
    order = torch.arange(len(rows))
    curves: list[list[list[float]]] = []
    for fold in range(run.folds):
        training, validation = (
            rows.take(order[part]) for part in (order % run.folds != fold, order % run.folds == fold)
        )
        model, phases = make(training), _named(recipe(len(training)), f"fold {fold + 1} of {run.folds}")
        before = len(run.history.rows)
        fit(
            model,
            training,
            phases,
            validation=validation,
            seed=run.seed,
            runtime=run.runtime,
            watch=run.watch,
            history=run.history,
        )
        if run.history.interrupted:
            return [0] * len(phases), model
        curves.append([_curve(run.history.rows[before:], phase) for phase in phases])
    return Folds([_rectangle([fold[number] for fold in curves]) for number in range(len(curves[0]))]).epochs(), None


def _named(phases: Recipe, suffix: str) -> list[Phase]:
    return [replace(phase, name=f"{phase.name}, {suffix}") for phase in phases]


def _curve(rows: list[dict[str, Any]], phase: Phase) -> list[float]:
    """The validation fidelity of a phase after each epoch, from epoch 0 on."""
    epochs = [row for row in rows if row["event"] == "epoch" and row["phase"] == phase.name]
    return [row["validation"][phase.objective.fidelity.name] for row in epochs]


def _rectangle(curves: list[list[float]]) -> np.ndarray:
    """Curves of several lengths as one array; one that ended early stays at its last value."""
    longest = max(map(len, curves))
    return np.array([[*curve, *[curve[-1]] * (longest - len(curve))] for curve in curves])
