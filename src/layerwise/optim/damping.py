"""How far the quadratic model of a problem is trusted, and how that follows from its success."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from layerwise.errors import InputError

__all__ = ["AdaptiveDamping", "Damping", "FixedDamping", "TrustRegion"]

GOOD, POOR = 0.75, 0.25


class Damping(ABC):
    """A rule for one number, its strength, which changes from step to step."""

    @property
    @abstractmethod
    def start(self) -> float:
        """The first strength."""

    @abstractmethod
    def shift(self, strength: float) -> float:
        """What is added to the diagonal of the curvature."""

    @abstractmethod
    def radius(self, strength: float) -> float:
        """The largest norm of a step."""

    @abstractmethod
    def next(self, strength: float, success: Callable[[], float], *, size: float) -> float:
        r"""The strength of the next step.

        Arguments:
            strength: that of this step.
            success: gives the decrease of the loss over the decrease that the model without damping promised.
            size: the norm of the step.
        """


@final
@dataclass(frozen=True)
class FixedDamping(Damping):
    r"""Always the same \lambda: (B + \lambda I) d = -g.

    >>> FixedDamping(0.1).shift(0.1)
    0.1
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        if not self.value >= 0:
            raise InputError(f"damping must be at least 0; got {self.value}.")

    @property
    def start(self) -> float:
        """The value."""
        return self.value

    def shift(self, strength: float) -> float:
        """The value."""
        return strength

    def radius(self, strength: float) -> float:
        """Any step will do."""
        return float("inf")

    def next(self, strength: float, success: Callable[[], float], *, size: float) -> float:
        """The same."""
        return strength


@final
@dataclass(frozen=True)
class AdaptiveDamping(Damping):
    r"""A \lambda that falls while the model keeps its promise, and grows where it does not (Levenberg-Marquardt).

    Multiplied by `factor` where less than a quarter of the promise is kept, divided by it above three quarters.

    Arguments:
        first: the first one.
        factor: above 1; 3/2 suits batches that change, 10 one problem.
        least: it falls no further.

    Raises:
        InputError: for a number that is not positive, or a factor of at most 1.

    Source: Martens 2010, "Deep learning via Hessian-free optimization", section 4.1; Marquardt 1963.

    >>> AdaptiveDamping(1.0, factor=2.0).next(1.0, lambda: 0.9, size=1.0)
    0.5
    """

    first: float = 1.0
    factor: float = 1.5
    least: float = 1e-12

    def __post_init__(self) -> None:
        if not (self.first > 0 and self.factor > 1 and self.least > 0):
            raise InputError(f"damping must be positive, and its factor above 1; got {self}.")

    @property
    def start(self) -> float:
        """The first one."""
        return self.first

    def shift(self, strength: float) -> float:
        """The strength."""
        return strength

    def radius(self, strength: float) -> float:
        """Any step will do."""
        return float("inf")

    def next(self, strength: float, success: Callable[[], float], *, size: float) -> float:
        """By the success of the step."""
        kept = success()
        return (
            max(self.least, strength / self.factor) if kept > GOOD else strength * (1 if kept >= POOR else self.factor)
        )


@final
@dataclass(frozen=True)
class TrustRegion(Damping):
    """A largest norm of the step, which grows where the model is good up to it and shrinks where it is poor.

    Arguments:
        first: the first radius.
        largest: it grows no further.

    Raises:
        InputError: for a radius that is not positive, or a largest one below the first.

    Source: Nocedal & Wright 2006, "Numerical Optimization", algorithm 4.1.

    >>> TrustRegion(1.0).next(1.0, lambda: 0.9, size=1.0)
    2.0
    """

    first: float = 1.0
    largest: float = 100.0

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.largest:
            raise InputError(f"the radius must be positive and at most the largest; got {self}.")

    @property
    def start(self) -> float:
        """The first radius."""
        return self.first

    def shift(self, strength: float) -> float:
        """Nothing."""
        return 0.0

    def radius(self, strength: float) -> float:
        """The strength."""
        return strength

    def next(self, strength: float, success: Callable[[], float], *, size: float) -> float:
        """By the success of the step, and whether it was as long as allowed."""
        kept = success()
        if kept < POOR:
            return size / 4
        return min(self.largest, 2 * strength) if kept > GOOD and size > 0.999 * strength else strength
