"""The one loop that runs every recipe."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from typing import NoReturn, final

import torch
from torch import Tensor

from layerwise.data import Batch, Source
from layerwise.errors import InputError, TrainingDiverged
from layerwise.models.base import Autoencoder
from layerwise.optim.base import Problem, Terms
from layerwise.randomness import generator, key
from layerwise.runtime import Runtime
from layerwise.training.history import (
    INTERRUPTED,
    EpochEnd,
    Event,
    History,
    PhaseEnd,
    PhaseStart,
    StepEnd,
    StopPhase,
    Watcher,
)
from layerwise.training.interrupt import StopFlag, stop_flag
from layerwise.training.keeper import Keeper
from layerwise.training.phase import Phase, Recipe

__all__ = ["fit"]

logger = logging.getLogger(__name__)

EVALUATION_ROWS = 1024


def fit(
    model: Autoencoder,
    data: Source,
    recipe: Recipe,
    *,
    validation: Source | None = None,
    seed: int = 0,
    runtime: Runtime | None = None,
    watch: Sequence[Watcher] = (),
    history: History | None = None,
) -> History:
    """Train a model by a recipe: phases, their epochs, their steps.

    After each phase its part has the weights that were best on the validation rows (the last ones without such
    rows). Ctrl-C ends the run after the present step with the best weights so far.

    Arguments:
        model: trained in place and moved to the runtime's device.
        data: the training rows.
        recipe: the phases.
        validation: rows by which the best weights are chosen and early stopping decides.
        seed: of shuffling, corruption, dropout; the first weights are the model's.
        runtime: device and precision; "auto" by default.
        watch: functions that see every event, and may end the phase by raising `StopPhase`.
        history: where the events are kept.

    Raises:
        InputError: for no rows, or a phase whose part the model does not have.
        TrainingDiverged: when a term of the loss is not finite; names phase, step and term.

    >>> from layerwise.models import Dense
    >>> from layerwise.optim import FirstOrder
    >>> from layerwise.training import Objective, TensorRows
    >>> rows = TensorRows(torch.rand(20, 3, generator=torch.Generator()))
    >>> phase = Phase("train", Objective(), FirstOrder(lr=0.01), epochs=2)
    >>> fit(Dense(3, code=2), rows, [phase]).phases()[0]["reason"]
    'epochs done'
    """
    history = history or History()
    runtime = runtime or Runtime()
    if len(data) == 0:
        raise InputError("training needs at least one row; got none.")
    model.to(runtime.torch_device)
    for phase in recipe:
        phase.view.part(model)

    def tell(event: Event) -> None:
        history.record(event)
        for watcher in watch:
            watcher(event)

    with stop_flag() as flag:
        for number, phase in enumerate(recipe):
            run = _PhaseRun(model, data, phase, validation=validation, runtime=runtime, tell=tell)
            with runtime.threads(run.multiplications):
                try:
                    run.begin(number)
                    for epoch in range(1, phase.epochs + 1):
                        run.take_steps(seed, number, epoch, flag)
                        run.end_epoch()
                    run.end("epochs done")
                except StopPhase as stop:
                    run.end(str(stop))
            if flag.signal:
                history.signal = flag.signal
                logger.warning("interrupted in phase %r: the best weights so far are kept.", phase.name)
                break
    model.eval()
    return history


@final
class _PhaseRun:
    """What the loop needs at hand during one phase."""

    def __init__(
        self,
        model: Autoencoder,
        data: Source,
        phase: Phase,
        *,
        validation: Source | None,
        runtime: Runtime,
        tell: Watcher,
    ) -> None:
        self.model, self.data, self.phase = model, data, phase
        self.validation, self.runtime, self.tell = validation, runtime, tell
        self.part = phase.view.part(model)
        self.stepper = phase.optimizer.start(self.part)
        self.keeper = Keeper(self.part, phase.average)
        self.steps = _steps(len(data), phase.batch_size)
        self.started = time.perf_counter()
        self.epoch = self.done = self.closed = 0
        self.sums: dict[str, float] = {}
        self.last: Problem | None = None

    @property
    def multiplications(self) -> int:
        """Of one pass over one batch, about: each weight once for each row."""
        weights = sum(parameter.numel() for parameter in self.part.parameters())
        return weights * math.ceil(len(self.data) / self.steps)

    def begin(self, number: int) -> None:
        self.tell(PhaseStart(self.phase.name, self.phase.epochs, self.steps, len(self.data)))
        logger.info("phase %d: %s", number + 1, self.phase)
        if self.validation is not None:
            self._close_epoch()

    def take_steps(self, seed: int, number: int, epoch: int, flag: StopFlag) -> None:
        self.part.train()
        self.epoch, self.sums = epoch, {}
        order = torch.randperm(len(self.data), generator=generator(seed, number, epoch))
        # Evenly split, so that no batch is tiny: a single row has no batch statistics.
        for step, index in enumerate(order.tensor_split(self.steps)):
            progress = self.done / (self.steps * self.phase.epochs)
            problem = self._problem(self._fed(self.data, index), key(seed, number, epoch, step, 0), progress)
            rate = self.phase.schedule(progress)
            terms = self._finite(self.stepper.step(problem, rate=rate))
            self.keeper.after_step()
            self.done += 1
            for name, value in terms.items():
                self.sums[name] = self.sums.get(name, 0.0) + value * len(index) / len(self.data)
            self.tell(StepEnd(self.phase.name, epoch, self.done, terms, rate, self.seconds))
            if flag.signal:
                raise StopPhase(INTERRUPTED)

    def end_epoch(self) -> None:
        self._close_epoch()
        patience = self.phase.stop.patience
        if patience is not None and self.epoch - self.keeper.best_epoch >= patience:
            raise StopPhase("early stopping")

    def end(self, reason: str) -> None:
        if self.done > self.closed:
            self._close_epoch()
        self.keeper.restore()
        best = self.keeper.best_epoch
        self.tell(PhaseEnd(self.phase.name, reason, self.epoch, best, self.seconds))

    def _close_epoch(self) -> None:
        epoch, self.closed = self.epoch, self.done
        self._check_weights()
        validation: dict[str, float] = {}
        with self.keeper.averaged():
            if self.validation is None:
                # Nothing to choose by: the last weights are kept.
                best = self.keeper.consider(-float(self.done), epoch=epoch, improvement=0.0)
            else:
                validation = self._validate(self.validation)
                value = validation[self.phase.objective.fidelity.name]
                best = self.keeper.consider(value, epoch=epoch, improvement=self.phase.stop.improvement)
        self.tell(EpochEnd(self.phase.name, epoch, self.done, self.sums, validation, best, self.seconds))

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def _fed(self, source: Source, index: Tensor) -> Batch:
        batch = source.batch(index)
        device = self.runtime.torch_device
        mask = None if batch.observed is None else batch.observed.to(device)
        return self.phase.view.feed(self.model, Batch(batch.x.to(device), mask))

    def _problem(self, batch: Batch, noise: int, progress: float) -> Problem:
        if self.last is None:
            self.last = Problem(
                self.part,
                self.phase.objective,
                batch,
                corruption=self.phase.corruption,
                noise=noise,
                progress=progress,
                runtime=self.runtime,
            )
        else:
            self.last = self.last.on(batch, noise=noise, progress=progress)
        return self.last

    def _validate(self, rows: Source) -> dict[str, float]:
        self.part.eval()
        means: dict[str, float] = {}
        with torch.no_grad():
            for index in _pieces(len(rows)):
                problem = Problem(self.part, self.phase.objective, self._fed(rows, index), runtime=self.runtime)
                for name, term in problem.terms().items():
                    means[name] = means.get(name, 0.0) + float(term) * len(index) / len(rows)
        return means

    def _check_weights(self) -> None:
        for name, parameter in self.part.named_parameters():
            if not parameter.isfinite().all():
                self._diverge(f"the weights {name!r} are not finite")

    def _finite(self, terms: Terms) -> dict[str, float]:
        values = {name: float(term) for name, term in terms.items()}
        for name, value in values.items():
            if not math.isfinite(value):
                self._diverge(f"step {self.done + 1}: the term {name!r} is {value}")
        return values

    def _diverge(self, what: str) -> NoReturn:
        self.keeper.restore()
        raise TrainingDiverged(
            f"phase {self.phase.name!r}, epoch {self.epoch}, {what}. The weights of epoch {self.keeper.best_epoch} are "
            "kept. Lower the rate or clip gradients."
        )


def _steps(rows: int, batch_size: int) -> int:
    """The batches of an epoch; none of a single row, unless that is what was asked for."""
    steps = math.ceil(rows / batch_size)
    return steps if batch_size == 1 else max(1, min(steps, rows // 2))


def _pieces(rows: int) -> Iterator[Tensor]:
    yield from torch.arange(rows).split(EVALUATION_ROWS)
