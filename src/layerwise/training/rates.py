"""Which learning rate suits a phase: a range test."""

import copy
import math
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch

from layerwise.data import Batch, Source
from layerwise.errors import InputError, TrainingDiverged
from layerwise.models.base import Autoencoder
from layerwise.optim import FirstOrder, Problem
from layerwise.penalties import ContrastiveDivergence
from layerwise.randomness import generator, key
from layerwise.runtime import Runtime
from layerwise.training.history import Event, History, StepEnd, StopPhase
from layerwise.training.interrupt import stop_flag
from layerwise.training.phase import Phase
from layerwise.training.phase_run import PhaseRun, Run
from layerwise.training.schedule import Schedule
from layerwise.training.trial import check

__all__ = ["RATES", "RangeTest", "range_test"]

RATES = tuple(float(rate) for rate in np.geomspace(1e-6, 10.0, 100))
BATCHES = 50
JUDGED_ROWS, JUDGING = 1024, -2
# The best rate of so few mini-batches lies at the edge of what trains at all; a whole phase gets furthest below it.
MARGIN = 3.0
# A rate has diverged where a batch costs so many times what the dearest one costs at the smallest rate.
DIVERGED = 4.0


@final
@dataclass(frozen=True)
class RangeTest:
    """What a phase makes of the objective in a few mini-batches, at each of many rates.

    Arguments:
        rates: in rising order.
        losses: the objective on the judging rows after the last mini-batch; infinite where a rate diverged.
        start: the objective before the first one.

    >>> found = RangeTest((0.01, 0.1, 1.0), (2.0, 1.0, math.inf), start=3.0)
    >>> found.best, round(found.rate, 3)
    (0.1, 0.033)
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    start: float

    @property
    def best(self) -> float:
        """The rate with the least objective."""
        return self.rates[int(np.argmin(self.losses))]

    @property
    def rate(self) -> float:
        """The one for a whole phase: a third of the best, which lies at the edge of what trains."""
        return self.best / MARGIN


def range_test(
    model: Autoencoder,
    data: Source,
    *,
    phase: Phase,
    rates: Sequence[float] = RATES,
    batches: int = BATCHES,
    seed: int = 0,
    runtime: Runtime | None = None,
) -> RangeTest:
    """Go through a phase in small, at many rates, and see which one gets furthest.

    Every rate starts from the same weights and sees the same mini-batches with the same noise; the phase's schedule is
    gone through in these. What counts is the objective of up to 1024 rows in the end, with corruption and dropout as in
    training: it is what the phase minimizes, and a start that is good without them, as PCA's, hides nothing. A rate is
    given up as soon as a mini-batch costs four times what any costs at the smallest rate, or a number is not finite.

    Arguments:
        model: where the phase begins; it stays as it is.
        data: the training rows.
        phase: with an optimizer of first order; its own rate plays no part.
        rates: from the smallest to the largest; by default 100 from 1e-6 to 10, equally far apart as logarithms.
        batches: mini-batches for each rate.
        seed: of shuffling, corruption and dropout.
        runtime: device and precision; "auto" by default.

    Raises:
        InputError: for rates that are not positive and rising, an optimizer that has no rate, an objective whose value
            does not say how good a model is, or where all rates diverge; and as `fit`.

    Source: Smith 2017, "Cyclical learning rates for training neural networks", section 3.3, of which this differs in
    that each rate has its own run.

    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective, TensorRows
    >>> rows = TensorRows(torch.rand(20, 3, generator=torch.Generator()))
    >>> phase = Phase("train", Objective(), FirstOrder(), epochs=2)
    >>> range_test(Dense(3, code=2), rows, phase=phase, rates=(1e-6, 0.01), batches=10).best
    0.01
    """
    rates, runtime = tuple(map(float, rates)), runtime or Runtime()
    _check(phase, rates, batches)
    trained = copy.deepcopy(model)
    check(trained, data, recipe=[phase], runtime=runtime)
    start = copy.deepcopy(trained.state_dict())
    judging = torch.randperm(len(data), generator=generator(seed, JUDGING))[:JUDGED_ROWS]
    judged = data.batch(judging).to(runtime.torch_device)
    value = _value(trained, judged, phase, noise=key(seed, JUDGING), runtime=runtime)
    before, losses, limit = value(), [], math.inf
    with stop_flag() as flag:
        for rate in rates:
            trained.load_state_dict(start)
            short = _ShortRun(batches, limit)
            run = Run(trained, data, None, seed, runtime, History(watch=[short]), flag, retries=0)
            losses.append(value() if _is_through(run, _at(phase, rate, batches, len(data)), short) else math.inf)
            if flag.signal:
                break
            if limit == math.inf:
                limit = DIVERGED * max(short.losses, default=math.inf)
    if flag.signal:
        # Half a test tells nothing: what ends a program ends it here.
        signal.raise_signal(flag.signal)
    if min(losses) == math.inf:
        raise InputError(f"rates must hold one that does not diverge; all from {rates[0]:g} to {rates[-1]:g} do.")
    return RangeTest(rates, tuple(losses), before)


@final
@dataclass(frozen=True)
class _Squeezed(Schedule):
    """A schedule that is through when a share of the phase is done."""

    schedule: Schedule
    share: float

    def __call__(self, progress: float) -> float:
        return self.schedule(min(1.0, progress / self.share))


@final
class _ShortRun:
    """A watcher that ends a phase after some steps, or after one that costs more than the limit."""

    def __init__(self, steps: int, limit: float) -> None:
        self.steps, self.limit = steps, limit
        self.losses: list[float] = []

    @property
    def diverged(self) -> bool:
        return max(self.losses, default=0.0) > self.limit

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepEnd):
            self.losses.append(sum(event.terms.values()))
            if self.diverged or len(self.losses) >= self.steps:
                raise StopPhase("the range test has seen enough")


def _check(phase: Phase, rates: Sequence[float], batches: int) -> None:
    if not rates or not all(0 < low < high for low, high in zip(rates, [*rates[1:], math.inf], strict=True)):
        raise InputError(
            f"rates must be positive and rising; got {', '.join(f'{rate:g}' for rate in rates) or 'none'}."
        )
    if batches < 1:
        raise InputError(f"batches must be at least 1; got {batches}.")
    if not isinstance(phase.optimizer, FirstOrder):
        raise InputError(
            f"phase {phase.name!r}: a range test needs an optimizer of first order; got "
            f"{type(phase.optimizer).__name__}, which finds its own steps."
        )
    if isinstance(phase.objective.fidelity, ContrastiveDivergence):
        raise InputError(
            f"phase {phase.name!r}: contrastive divergence has no value by which rates could be compared. Give a rate."
        )


def _value(model: Autoencoder, batch: Batch, phase: Phase, *, noise: int, runtime: Runtime) -> Callable[[], float]:
    """The objective that the phase minimizes, on some rows, as its schedules leave it, at the model's weights."""

    def value() -> float:
        fed, part = phase.view.feed(model, batch), phase.view.part(model)
        part.train()
        problem = Problem(
            part, phase.objective, fed, corruption=phase.corruption, noise=noise, progress=1.0, runtime=runtime
        )
        total = float(sum(problem.terms().values()))
        return total if math.isfinite(total) else math.inf

    return value


def _at(phase: Phase, rate: float, batches: int, rows: int) -> Phase:
    """The phase at another rate, its schedule squeezed into some mini-batches."""
    assert isinstance(phase.optimizer, FirstOrder)
    steps = phase.batches(rows)
    epochs = math.ceil(batches / steps)
    return replace(
        phase,
        optimizer=replace(phase.optimizer, lr=rate),
        epochs=epochs,
        growth=1.0,
        schedule=_Squeezed(phase.schedule, batches / (steps * epochs)),
        average=0.0,
    )


def _is_through(run: Run, phase: Phase, watcher: _ShortRun) -> bool:
    """Train by the phase; whether it came to its end."""
    work = PhaseRun(run, phase, 0)
    try:
        with run.runtime.processor(work.multiplications):
            work.complete(None)
    except TrainingDiverged:
        return False
    return not watcher.diverged
