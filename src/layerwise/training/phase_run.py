"""The one loop: a phase at work."""

import contextlib
import logging
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from layerwise.data import Batch, Source, batches
from layerwise.errors import TrainingDiverged
from layerwise.memory import freed_memory_is_kept
from layerwise.models.base import Autoencoder
from layerwise.optim.base import NonFinite, Problem
from layerwise.randomness import generator, key
from layerwise.runtime import Runtime
from layerwise.training.checkpoint import Saved, State
from layerwise.training.faults import StepNumbers, Weights, first_layer, guilty_rows
from layerwise.training.history import (
    INTERRUPTED,
    EpochEnd,
    FallBack,
    History,
    PhaseEnd,
    PhaseStart,
    RollBack,
    StepEnd,
    StopPhase,
)
from layerwise.training.interrupt import StopFlag
from layerwise.training.keeper import Keeper
from layerwise.training.phase import Phase
from layerwise.training.resources import check_memory, memory_needed, multiplications

__all__ = ["PhaseRun", "Run"]

logger = logging.getLogger(__name__)

EVALUATION_ROWS, EVALUATION_BATCHES = 1024, 4
RETRIES = 3
# Steps between two states to roll back to, at the least; they are taken between epochs.
REMEMBERED = 32


@final
@dataclass(frozen=True)
class Run:
    """What all phases of a run share; `earlier` rows of the history are not of this run.

    After `retries` halvings of the rate a fault ends the run.
    """

    model: Autoencoder
    data: Source
    validation: Source | None
    seed: int
    runtime: Runtime
    history: History
    flag: StopFlag
    saved: Saved | None = None
    earlier: int = 0
    retries: int = RETRIES

    def save(self, values: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Write a checkpoint, where they are wanted: the model with what is given."""
        if self.saved is not None:
            weights = {f"model.{name}": value for name, value in self.model.state_dict().items()}
            self.saved.save(State(values, {**weights, **tensors}, self.history.rows[self.earlier :]))


@final
class _Step(NamedTuple):
    """A step that is done, whose numbers may still be on their way; `number` is that within the phase."""

    number: int
    rows: Tensor
    rate: float
    numbers: StepNumbers


@final
class _Fault(Exception):
    """Something is not finite: what, in which step, and in which rows of the data."""

    def __init__(self, cause: str, step: int, rows: Tensor) -> None:
        super().__init__(cause)
        self.cause, self.step, self.rows = cause, step, rows


@final
class PhaseRun:
    """A phase at work: all that it needs from one step to the next.

    Attributes:
        epoch: the present one, from 1; 0 before the first.
        step: how many of its steps are done.
        done: how many steps of the phase are done.
        failures: how often something was not finite; each halves the rate.
    """

    def __init__(self, run: Run, phase: Phase, number: int) -> None:
        self.run, self.phase, self.number = run, phase, number
        self.part = phase.view.part(run.model)
        self.stepper = phase.optimizer.start(self.part)
        self.keeper = Keeper(self.part, phase.average)
        self.started = time.perf_counter()
        self.epoch = self.step = self.done = self.closed = self.failures = 0
        self.sums: dict[str, float] = {}
        self.pending: deque[_Step] = deque()
        self.problem: Problem | None = None
        self.memory = contextlib.ExitStack()
        # What the part has beside the model's own: the particles of a persistent chain.
        shared = {id(buffer) for buffer in run.model.buffers()}
        self.own = {name: buffer for name, buffer in self.part.named_buffers() if id(buffer) not in shared}
        self.weights = Weights(dict(self.part.named_parameters()))

    @property
    def multiplications(self) -> int:
        """Of one pass over one batch, about."""

        def row() -> Tensor:
            return self._fed(self.run.data, torch.arange(1)).x

        return multiplications(self.part, row) * math.ceil(len(self.run.data) / self.phase.batches(len(self.run.data)))

    @property
    def seconds(self) -> float:
        """Since the phase began, without the time in which the run was ended."""
        return time.perf_counter() - self.started

    def complete(self, state: State | None) -> None:
        """Train to the end of the phase: from its start, or from a state of it."""
        with self.memory:
            reason = self._train(state)
        if self.done > self.closed:
            # A watcher may want to end what has ended.
            with contextlib.suppress(StopPhase):
                self._close_epoch()
        self.keeper.restore()
        self.phase.view.close(self.run.model)
        epochs = self.epoch if self.step else max(0, self.epoch - 1)
        self.run.history.record(PhaseEnd(self.phase.name, reason, epochs, self.keeper.best_epoch, self.seconds))

    def _train(self, state: State | None) -> str:
        """All epochs; why they ended."""
        try:
            self._begin(state if state is not None and "epoch" in state.values else None)
            while self.epoch <= self.phase.epochs:
                self._heed()
                try:
                    self._take_steps()
                    self._close_epoch()
                except _Fault as fault:
                    self._roll_back(fault)
                    continue
                self._next_epoch()
        except StopPhase as stop:
            self._settle()
            return str(stop)
        return "epochs done"

    def _begin(self, state: State | None) -> None:
        rows = len(self.run.data)
        start = PhaseStart(self.phase.name, self.phase.epochs, self.phase.steps(rows), rows, self.number)
        logger.info("phase %d: %s", self.number + 1, self.phase)
        if state is None:
            self.run.history.record(start)
            if self.run.validation is not None:
                self._close_epoch()
            self.epoch = 1
        else:
            self._take_up(state)
            self.run.history.again(start)
        self._remember()

    def _take_steps(self) -> None:
        self.part.train()
        run, phase = self.run, self.phase
        count = phase.batches(len(run.data), self.epoch)
        shuffled = batches(run.data, count, generator=generator(run.seed, self.number, self.epoch))
        for index in shuffled[self.step :]:
            progress = (self.epoch - 1 + self.step / count) / phase.epochs
            problem = self._problem(index, key(run.seed, self.number, self.epoch, self.step, 0), progress)
            rate = phase.schedule(progress) * 0.5**self.failures
            try:
                terms = self.stepper.step(problem, rate=rate)
            except NonFinite as fault:
                raise _Fault(f"{fault} is not finite", self.done, index) from fault
            self.keeper.after_step()
            self.done, self.step = self.done + 1, self.step + 1
            self.pending.append(_Step(self.done, index, rate, StepNumbers(terms, self.weights)))
            self._look(run.runtime.ahead)
            self._tell()
            run.history.examine(problem, phase=phase.name, epoch=self.epoch, step=self.done)
            if run.saved is not None and run.saved.due():
                self._look()
                self._save()
            if run.flag.signal:
                self._look()
            self._heed()
        self._look()

    def _look(self, ahead: int = 0) -> None:
        """Record the steps of which more than `ahead` others have followed, if all their numbers are finite."""
        while len(self.pending) > ahead:
            step = self.pending.popleft()
            if cause := step.numbers.fault():
                raise _Fault(cause, step.number, step.rows)
            terms = step.numbers.terms()
            for name, value in terms.items():
                self.sums[name] = self.sums.get(name, 0.0) + value * len(step.rows) / len(self.run.data)
            self.run.history.record(StepEnd(self.phase.name, self.epoch, step.number, terms, step.rate, self.seconds))

    def _tell(self) -> None:
        """Record what the optimizer did instead of what its method asks for."""
        if cause := self.stepper.fall_back:
            event = FallBack(self.phase.name, self.epoch, self.done, cause)
            if not self.run.history.told(event):
                logger.info("phase %r, step %d: %s.", event.phase, event.step, cause)
                self.run.history.record(event)

    def _settle(self) -> None:
        """Look at the steps that were ahead of the one at which a watcher ended the phase."""
        try:
            while self.pending:
                with contextlib.suppress(StopPhase):
                    self._look()
        except _Fault as fault:
            self._roll_back(fault)

    def _heed(self) -> None:
        """Stop when the user wants it, and keep the state from which to go on."""
        if self.run.flag.signal:
            self._save()
            raise StopPhase(INTERRUPTED)

    def _next_epoch(self) -> None:
        patience = self.phase.stop.patience
        if patience is not None and self.epoch - self.keeper.best_epoch >= patience:
            raise StopPhase("early stopping")
        self.epoch, self.step, self.sums = self.epoch + 1, 0, {}
        if self.done - self.remembered.values["done"] >= REMEMBERED:
            self._remember()

    def _close_epoch(self) -> None:
        self.closed = self.done
        validation: dict[str, float] = {}
        with self.keeper.averaged():
            # With nothing to choose by, the last weights are the best.
            value, improvement = -float(self.done), 0.0
            if self.run.validation is not None:
                validation = self._validate(self.run.validation)
                if self.phase.stop.keep == "best":
                    value = sum(validation.values())
                    improvement = self.phase.stop.improvement
            best = self.keeper.consider(value, epoch=self.epoch, improvement=improvement)
        ended = EpochEnd(self.phase.name, self.epoch, self.done, self.sums, validation, best, self.seconds)
        self.run.history.record(ended)

    def _validate(self, rows: Source) -> dict[str, float]:
        self.part.eval()
        means: dict[str, float] = {}
        # What fits in training fits here, where nothing is kept for gradients.
        for index in torch.arange(len(rows)).split(min(EVALUATION_ROWS, EVALUATION_BATCHES * self.phase.batch_size)):
            # All epochs are judged by one function: the penalties as the phase's schedules leave them.
            problem = Problem(
                self.part, self.phase.objective, self._fed(rows, index), progress=1.0, runtime=self.run.runtime
            )
            for name, term in problem.terms().items():
                means[name] = means.get(name, 0.0) + float(term) * len(index) / len(rows)
        return means

    def _fed(self, source: Source, index: Tensor) -> Batch:
        batch = source.batch(index).to(self.run.runtime.torch_device)
        return self.phase.view.feed(self.run.model, batch)

    def _problem(self, index: Tensor, noise: int, progress: float) -> Problem:
        batch = self._fed(self.run.data, index)
        if self.problem is None:
            self._check_memory(batch)
            self.problem = Problem(
                self.part,
                self.phase.objective,
                batch,
                corruption=self.phase.corruption,
                noise=noise,
                progress=progress,
                runtime=self.run.runtime,
            )
        else:
            self.problem = self.problem.on(batch, noise=noise, progress=progress)
        return self.problem

    def _check_memory(self, batch: Batch) -> None:
        self.part.eval()
        with torch.no_grad(), self.run.runtime.autocast():
            one = self.part(batch.x[:1])
        self.part.train()
        needed = fixed, row = memory_needed(self.run.model, self.part, one)
        rows = len(self.run.data)
        largest = math.ceil(rows / self.phase.batches(rows, self.phase.epochs))
        check_memory(self.phase.name, needed, largest, self.run.runtime.torch_device)
        self.memory.enter_context(freed_memory_is_kept(fixed + row * largest))

    def _state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """All that decides what comes next, beside the model."""
        values = {
            "phase": self.number,
            "epoch": self.epoch,
            "step": self.step,
            "done": self.done,
            "closed": self.closed,
            "failures": self.failures,
            "sums": self.sums,
            "seconds": self.seconds,
            "keeper": self.keeper.numbers(),
        }
        parts = {
            "stepper": self.stepper.state(),
            "keeper": self.keeper.tensors(),
            "part": self.own,
        }
        return values, {f"{part}.{name}": value for part, found in parts.items() for name, value in found.items()}

    def _take_up(self, state: State) -> None:
        values = state.values
        self.run.model.load_state_dict(state.part("model"))
        for name, value in state.part("part").items():
            self.own[name].copy_(value)
        self.stepper.restore(state.part("stepper"))
        self.keeper.take_up(values["keeper"], state.part("keeper"))
        self.epoch, self.step, self.done = values["epoch"], values["step"], values["done"]
        self.closed, self.failures, self.sums = values["closed"], values["failures"], dict(values["sums"])
        self.started = time.perf_counter() - values["seconds"]

    def _save(self) -> None:
        self.run.save(*self._state())

    def _remember(self) -> None:
        values, tensors = self._state()
        weights = {f"model.{name}": value for name, value in self.run.model.state_dict().items()}
        self.remembered = State(values, {name: value.clone() for name, value in {**weights, **tensors}.items()}, [])

    def _roll_back(self, fault: _Fault) -> None:
        """Go back to the last good state and on with half the rate; give up when that has been tried three times.

        Raises:
            TrainingDiverged: names the phase, the epoch, the step, the term or the weights, the layer and the rows.
        """
        phase, epoch, step, failures = self.phase.name, self.epoch, fault.step, self.failures + 1
        self.pending.clear()
        self.part.eval()
        layer = first_layer(self.part, self._fed(self.run.data, fault.rows).x)
        seconds = self.seconds
        self._take_up(self.remembered)
        self.failures, self.started = failures, time.perf_counter() - seconds
        batch = self._fed(self.run.data, fault.rows)
        rows = guilty_rows(Problem(self.part, self.phase.objective, batch, runtime=self.run.runtime), fault.rows)
        cause = fault.cause + (f", first in layer {layer!r}" if layer else "")
        cause += f", with the training rows {', '.join(map(str, rows))}" if rows else ""
        if failures > self.run.retries:
            self.keeper.restore()
            raise TrainingDiverged(
                f"phase {phase!r}, epoch {epoch}, step {step}: {cause}. Half the rate did not help "
                f"{self.run.retries} times. "
                f"The weights of epoch {self.keeper.best_epoch} are kept. Lower the rate, or clip gradients."
            )
        factor = 0.5**failures
        logger.warning("phase %r, step %d: %s; back to step %d, rate x %g.", phase, step, cause, self.done, factor)
        self.run.history.record(RollBack(phase, epoch, step, self.done, factor, cause))
