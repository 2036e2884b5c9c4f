"""What is tried: a recipe, the estimator that trains by it, and its error on rows that it did not train on."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from layerwise.corruptions import GaussianNoise
from layerwise.data import Table
from layerwise.estimators import DeepAutoencoder
from layerwise.estimators.cross_validation import chosen_value
from layerwise.estimators.split import divide
from layerwise.models import Dropout
from layerwise.optim import FirstOrder
from layerwise.recipes import RecipeFile
from layerwise.training import RATES, EpochEnd, Event, History, PhaseEnd, PhaseStart, StopPhase

__all__ = ["Abandoned", "Wanted", "validation_error"]

Report = Callable[[int, float], bool]
"""Takes how far a trial is and its error so far; says whether to abandon it."""


@final
class Abandoned(Exception):
    """A trial was not worth its end."""


@final
@dataclass(frozen=True)
class Wanted:
    """What all trials of a search share.

    Arguments:
        code: size of the code.
        hidden: widths from the input to the code; None leaves them to the estimator.
        epochs: of each trial; None leaves them to the recipe.
        seed: of everything random; it also says which rows choose and which judge.
        device: "auto", "cpu", "cuda:1", "mps".
        rates: those of the range test.

    >>> Wanted(5, epochs=3).recipe({"lr": 0.01}).arguments
    {'epochs': 3, 'lr': 0.01}
    """

    code: int
    hidden: tuple[int, ...] | None = None
    epochs: int | None = None
    seed: int = 0
    device: str = "auto"
    rates: tuple[float, ...] = RATES

    def recipe(self, arguments: dict[str, Any] | None = None, *, dropout: float | None = None) -> RecipeFile:
        """The default recipe with some arguments."""
        epochs = {} if self.epochs is None else {"epochs": self.epochs}
        return RecipeFile("default", {**epochs, **(arguments or {})}, self.code, self.hidden, dropout)

    def estimator(self, recipe: RecipeFile) -> DeepAutoencoder:
        """What trains by a recipe."""
        return DeepAutoencoder(**recipe.options, device=self.device, random_state=self.seed)

    def usual(self, table: Table) -> dict[str, float]:
        """What the default recipe takes for these rows, under the names of what is searched."""
        _, model, (phase,) = self.estimator(self.recipe()).plan(table)
        optimizer = phase.optimizer
        assert isinstance(optimizer, FirstOrder)
        assert optimizer.weight_decay is not None
        return {
            "lr": optimizer.lr,
            "weight_decay": optimizer.weight_decay,
            "dropout": max((part.probability for part in model.modules() if isinstance(part, Dropout)), default=0.0),
            "noise": phase.corruption.level if isinstance(phase.corruption, GaussianNoise) else 0.0,
        }

    def figures(self, recipe: RecipeFile, table: Table) -> dict[str, Any]:
        """The comparison with PCA on rows that no trial has seen, after a whole fit."""
        return self.estimator(recipe).fit(table).metrics_


def validation_error(recipe: RecipeFile, table: Table, *, wanted: Wanted, report: Report) -> float:
    """The error of a recipe on rows that chose its epochs: by folds where the rows are few, else on a part of them.

    It is the recipe's objective there, a squared error (sum over features, mean over rows, scaled units).

    Raises:
        Abandoned: where the report says so.
        TrainingDiverged: as `fit`.
    """
    estimator = wanted.estimator(recipe)
    _, folds = divide(table, estimator.validation_fraction, test_fraction=estimator.test_fraction, seed=wanted.seed)
    judge = _Judge(report, folds=folds)
    history = History(watch=[judge])
    estimator.fit(table, history=history)
    if history.signal:
        # What ends a program ends it here: half a trial tells nothing.
        signal.raise_signal(history.signal)
    if judge.abandoned or history.signal:
        raise Abandoned
    return chosen_value(judge.curves)


@final
class _Judge:
    """A watcher that keeps the validation curves, and ends what tells nothing more.

    Attributes:
        curves: the objective after each epoch, a curve for each training that has validation rows.
        abandoned: whether the report said so.
    """

    def __init__(self, report: Report, *, folds: int) -> None:
        self.report, self.folds = report, folds
        self.curves: list[list[float]] = []
        self.abandoned = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, PhaseStart):
            if self.folds and len(self.curves) == self.folds:
                # What comes now has no rows to be judged by.
                raise StopPhase("the trial has been judged")
            self.curves.append([])
        elif isinstance(event, EpochEnd):
            self._heed(event)
        elif isinstance(event, PhaseEnd) and len(self.curves) < self.folds and not self.abandoned:
            self.abandoned = self.report(len(self.curves), sum(map(min, self.curves)) / len(self.curves))

    def _heed(self, event: EpochEnd) -> None:
        self.curves[-1].append(sum(event.validation.values()))
        if event.epoch and not self.folds:
            self.abandoned = self.abandoned or self.report(event.epoch, min(self.curves[-1]))
        if self.abandoned:
            raise StopPhase("the trial is abandoned")
