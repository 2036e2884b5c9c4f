"""How long to train on few rows, by cross-validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import torch

from layerwise.data import Rows
from layerwise.models import Network
from layerwise.runtime import Runtime
from layerwise.training import (
    Checkpoint,
    EpochEnd,
    Event,
    History,
    Phase,
    PhaseStart,
    Recipe,
    StopPhase,
    fit,
)

__all__ = ["EndAfter", "Run", "choose_epochs", "chosen_value"]

# About the 95 % point of Student's t with 4 degrees of freedom: five folds, one side.
STANDARD_ERRORS = 2.0


@final
@dataclass(frozen=True)
class Run:
    """What one run goes by beside model, rows and recipe.

    Arguments:
        seed: of everything random in training.
        runtime: device and precision.
        history: where the events are kept and who watches them.
        folds: of the cross-validation which chooses the epochs; 0 for none.
        checkpoint: where the state is kept, in a folder for each training of the run; None for nowhere.
    """

    seed: int = 0
    runtime: Runtime = Runtime()
    history: History = field(default_factory=History)
    folds: int = 0
    checkpoint: Checkpoint | None = None

    def part(self, name: str) -> Checkpoint | None:
        """The checkpoints of one training of the run."""
        return None if self.checkpoint is None else self.checkpoint.part(name)


@final
class EndAfter:
    """A watcher that ends each phase after its own number of epochs; 0 leaves the phase's part as it is.

    >>> EndAfter([0]).epochs
    [0]
    """

    def __init__(self, epochs: Sequence[int]) -> None:
        self.epochs = list(epochs)
        self.phase = 0

    def __call__(self, event: Event) -> None:
        """Look at an event."""
        if isinstance(event, PhaseStart):
            self.phase = event.number
            if self.epochs[self.phase] == 0:
                raise StopPhase("training did not help in cross-validation")
        elif isinstance(event, EpochEnd) and event.epoch >= self.epochs[self.phase]:
            raise StopPhase("as many epochs as cross-validation chose")


@final
@dataclass(frozen=True)
class Folds:
    """Validation curves: for each phase, the objective of each fold (rows) after each epoch (columns)."""

    curves: list[np.ndarray]

    def epochs(self) -> list[int]:
        """For each phase the first epoch that is not worse than the best one beyond two standard errors.

        The differences are taken within each fold. 0 where even the best gains too little over the start. Source of the
        rule, with one error: Breiman et al. 1984, "Classification and regression trees", section 3.4.3.
        """
        chosen = []
        for curve in self.curves:
            best = int(curve.mean(0).argmin())
            behind = curve - curve[:, best, None]
            error = STANDARD_ERRORS * behind.std(axis=0, ddof=1) / np.sqrt(len(curve))
            chosen.append(int((behind.mean(0) <= error).argmax()))
        return chosen


def choose_epochs(
    make: Callable[[Rows], Network], rows: Rows, recipe: Callable[[int], Recipe], run: Run
) -> tuple[list[int], Network | None]:
    """Train on all rows but one fold, for each fold, and see after how many epochs the left-out rows are best.

    With few rows a single validation split is decided by chance, and keeps rows from training; the folds together
    judge by every row.

    Arguments:
        make: gives a model that is ready for training on the given rows.
        rows: all that there are for training.
        recipe: makes the phases for a number of rows.
        run: seed, device, watchers, history, and the number of folds.

    Returns:
        The number of epochs for each phase; and, where the user ended the run, the model of the fold that gained most
        on its left-out rows, else None.
    """
    order = torch.arange(len(rows))
    curves: list[list[list[float]]] = []
    best: tuple[float, Network] | None = None
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
            history=run.history,
            checkpoint=run.part(f"fold-{fold + 1}"),
        )
        found = [_curve(run.history.rows[before:], phase) for phase in phases]
        left = _share(found)
        if best is None or left < best[0]:
            best = left, model
        if run.history.interrupted:
            return [0] * len(phases), best[1]
        curves.append(found)
    chosen = Folds([_rectangle([fold[number] for fold in curves]) for number in range(len(curves[0]))]).epochs()
    # Where the value does not say how good a model is, no phase is cut by it.
    pairs = zip(recipe(len(rows)), chosen, strict=True)
    return [phase.epochs if phase.stop.keep == "last" else epochs for phase, epochs in pairs], None


def chosen_value(curves: Sequence[list[float]]) -> float:
    """The validation objective of a training of one phase, after the epochs that it is given.

    Arguments:
        curves: the objective after each epoch, from epoch 0 on: one for each fold, which choose the epochs by
            `choose_epochs`, or a single one, whose best epoch is kept.

    >>> chosen_value([[3.0, 1.0, 2.0]])
    1.0
    >>> chosen_value([[3.0, 1.0], [5.0, 2.0]])
    1.5
    """
    if len(curves) == 1:
        return min(curves[0])
    curve = _rectangle(list(curves))
    return float(curve.mean(0)[Folds([curve]).epochs()[0]])


def _named(phases: Recipe, suffix: str) -> list[Phase]:
    return [replace(phase, name=f"{phase.name}, {suffix}") for phase in phases]


def _curve(rows: list[dict[str, Any]], phase: Phase) -> list[float]:
    """The validation objective of a phase after each epoch, from epoch 0 on."""
    epochs = [row for row in rows if row["event"] == "epoch" and row["phase"] == phase.name]
    return [sum(row["validation"].values()) for row in epochs]


def _share(curves: list[list[float]]) -> float:
    """What the run left of the objective that it began with."""
    values = [value for curve in curves for value in curve]
    return min(values) / values[0] if values and values[0] > 0 else 1.0


def _rectangle(curves: list[list[float]]) -> np.ndarray:
    """Curves of several lengths as one array; one that ended early stays at its last value."""
    longest = max(map(len, curves))
    return np.array([[*curve, *[curve[-1]] * (longest - len(curve))] for curve in curves])
