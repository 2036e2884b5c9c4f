"""How far to go along the direction of a step."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from torch import Tensor

from layerwise.errors import InputError
from layerwise.optim.base import Problem
from layerwise.optim.line_search import Point, strong_wolfe

__all__ = ["Backtracking", "FullStep", "Search", "StrongWolfe"]


class Search(ABC):
    """A choice of the length of a step along a direction."""

    @abstractmethod
    def length(self, problem: Problem, origin: Tensor, direction: Tensor, *, start: Point) -> float:
        """The length; 0 where none is found that lowers the loss.

        Arguments:
            problem: the loss.
            origin: where the step begins; flat.
            direction: the step of length 1; flat.
            start: the point of length 0.
        """


@final
@dataclass(frozen=True)
class FullStep(Search):
    """Length 1, whatever becomes of the loss.

    >>> FullStep()
    FullStep()
    """

    def length(self, problem: Problem, origin: Tensor, direction: Tensor, *, start: Point) -> float:
        """1."""
        return 1.0


@final
@dataclass(frozen=True)
class Backtracking(Search):
    r"""The first length of 1, \beta, \beta^2, ... at which the loss is low enough (Armijo's rule).

    .. math:: f(a) \le f(0) + c_1 a f'(0)

    Arguments:
        decrease: c_1.
        factor: \beta.
        evaluations: at most so many; 1 takes the whole step or none.

    Raises:
        InputError: for a number outside its range.

    Source: Nocedal & Wright 2006, "Numerical Optimization", algorithm 3.1; values of Martens 2010.

    >>> Backtracking().evaluations
    60
    """

    decrease: float = 1e-2
    factor: float = 0.8
    evaluations: int = 60

    def __post_init__(self) -> None:
        if not (0 <= self.decrease < 1 and 0 < self.factor < 1 and self.evaluations >= 1):
            raise InputError(f"decrease and factor must be shares, evaluations at least 1; got {self}.")

    def length(self, problem: Problem, origin: Tensor, direction: Tensor, *, start: Point) -> float:
        """The first that is good enough."""
        length = 1.0
        for _ in range(self.evaluations):
            value = problem.value(origin + length * direction)
            if value < start.value and value <= start.value + self.decrease * length * start.slope:
                return length
            length *= self.factor
        return 0.0


@final
@dataclass(frozen=True)
class StrongWolfe(Search):
    """A length that is low and flat enough; see `strong_wolfe`.

    Arguments:
        curvature: what is left of the slope, at most.
        evaluations: of the loss and its gradient, at most.

    Raises:
        InputError: for a curvature outside (0.0001, 1), or fewer than 2 evaluations.

    >>> StrongWolfe().curvature
    0.9
    """

    curvature: float = 0.9
    evaluations: int = 20

    def __post_init__(self) -> None:
        if self.evaluations < 2 or not 1e-4 < self.curvature < 1:
            raise InputError(f"evaluations must be at least 2, curvature between 0.0001 and 1; got {self}.")

    def length(self, problem: Problem, origin: Tensor, direction: Tensor, *, start: Point) -> float:
        """The length of the point found."""
        return self.point(problem, origin, direction, start=start).length

    def point(self, problem: Problem, origin: Tensor, direction: Tensor, *, start: Point, first: float = 1.0) -> Point:
        """The point found; `start` itself where none is lower. `first` is the length tried first."""
        if not start.slope < 0:
            return start

        def at(length: float) -> Point:
            value, gradient = problem.at(origin + length * direction)
            return Point(length, float(value), float(gradient @ direction), gradient)

        first = first if math.isfinite(first) else 1.0
        return strong_wolfe(at, start, length=first, curvature=self.curvature, evaluations=self.evaluations)
