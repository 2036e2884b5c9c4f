"""Numbers that change over a phase: functions of the share of it that is done."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from layerwise.errors import InputError

__all__ = ["Constant", "Cosine", "OneCycle", "Schedule", "StepDecay", "Switch", "value_at"]


class Schedule(ABC):
    """A function of progress in [0, 1]; as a rate schedule it multiplies the optimizer's rate."""

    @abstractmethod
    def __call__(self, progress: float) -> float:
        """The value when the given share of the phase is done."""


@final
@dataclass(frozen=True)
class Constant(Schedule):
    """Always the same value.

    >>> Constant(0.5)(0.3)
    0.5
    """

    value: float = 1.0

    def __call__(self, progress: float) -> float:
        """The value."""
        return self.value


@final
@dataclass(frozen=True)
class Switch(Schedule):
    """One value until the share `at` of the phase is done, another after it: the momentum of the classical papers.

    Source: Hinton 2010, "A practical guide to training restricted Boltzmann machines", section 9.

    >>> Switch(0.5, 0.9, at=0.2)(0.1), Switch(0.5, 0.9, at=0.2)(0.2)
    (0.5, 0.9)
    """

    before: float
    after: float
    at: float

    def __call__(self, progress: float) -> float:
        """The value when the given share is done."""
        return self.before if progress < self.at else self.after


@final
@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 to `end`, after a linear warm-up over the share `warmup` of the phase.

    Source: Loshchilov & Hutter 2017, "SGDR", eq. 5.

    >>> Cosine()(0.0), round(Cosine()(0.5), 3), round(Cosine()(1.0), 3)
    (1.0, 0.5, 0.0)
    """

    end: float = 0.0
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < 1:
            raise InputError(f"warmup must be at least 0 and below 1; got {self.warmup}.")

    def __call__(self, progress: float) -> float:
        """The value when the given share is done."""
        if progress < self.warmup:
            return progress / self.warmup
        done = (progress - self.warmup) / (1 - self.warmup)
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * done)) / 2


@final
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Half a cosine from `start` up to 1 over the share `peak`, then half a cosine down to `end`.

    Source: Smith & Topin 2018, "Super-convergence"; shape and defaults as in torch's OneCycleLR, without its
    change of momentum.

    >>> OneCycle()(0.0), OneCycle()(0.3), round(OneCycle()(1.0), 6)
    (0.04, 1.0, 4e-06)
    """

    start: float = 0.04
    peak: float = 0.3
    end: float = 4e-6

    def __post_init__(self) -> None:
        if not 0 < self.peak < 1:
            raise InputError(f"peak must be between 0 and 1; got {self.peak}.")

    def __call__(self, progress: float) -> float:
        """The value when the given share is done."""
        if progress <= self.peak:
            low, done = self.start, 1 - progress / self.peak
        else:
            low, done = self.end, (progress - self.peak) / (1 - self.peak)
        return low + (1 - low) * (1 + math.cos(math.pi * done)) / 2


@final
@dataclass(frozen=True)
class StepDecay(Schedule):
    """Multiplied by `factor` at each of the given shares of the phase.

    >>> StepDecay((0.5,), 0.1)(0.4), StepDecay((0.5,), 0.1)(0.6)
    (1.0, 0.1)
    """

    at: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    def __call__(self, progress: float) -> float:
        """The value when the given share is done."""
        return float(self.factor ** sum(progress >= share for share in self.at))


def value_at(number: float | Schedule, progress: float) -> float:
    """A number, or a schedule's value at the given progress.

    >>> value_at(2.0, 0.5), value_at(StepDecay((0.5,), 0.1), 0.5)
    (2.0, 0.1)
    """
    return number(progress) if isinstance(number, Schedule) else number
