"""Non-linear conjugate gradients with line searches."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.optim.base import NOWHERE, STILL, Optimizer, Problem, Stepper, Terms, trainable
from layerwise.optim.line_search import Point
from layerwise.optim.search import StrongWolfe

__all__ = ["ConjugateGradient"]


@final
@dataclass(frozen=True)
class ConjugateGradient(Optimizer):
    r"""A few line searches on every batch, each along a direction conjugate to the one before it.

    .. math:: d = -g + \beta^+ d', \quad \beta^+ = \max(0, g^T (g - g') / g'^T g')

    Meant for large batches, on which it starts with the steepest descent; from batch to batch it keeps only how far
    the last search went. Line searches are made in float32 also where the model is trained in bfloat16.

    Arguments:
        searches: line searches on each batch.
        curvature: what is left of the slope at the end of a search, at most.
        evaluations: of the loss and its gradient in one search, at most.

    Source: Polak & Ribière 1969; three searches on each batch of 1000 rows in Hinton & Salakhutdinov 2006,
    supporting material.

    >>> ConjugateGradient().searches
    3
    """

    searches: int = 3
    curvature: float = 0.1
    evaluations: int = 20

    def __post_init__(self) -> None:
        if self.searches < 1:
            raise InputError(f"searches must be at least 1; got {self.searches}.")
        StrongWolfe(self.curvature, self.evaluations)

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper."""
        trainable(part)
        return _ConjugateGradientStepper(self)


@final
class _ConjugateGradientStepper(Stepper):
    def __init__(self, choice: ConjugateGradient) -> None:
        self.choice = choice
        # The decrease that the last search began with: length times slope.
        self.reach = 0.0

    def check(self, problem: Problem) -> None:
        """A gradient is all it needs."""

    def step(self, problem: Problem, *, rate: float = 1.0) -> Terms:
        terms, value, gradient = problem.measured()
        self.fall_back = "" if gradient.any() else STILL
        if math.isfinite(value):
            origin = problem.point()
            place = self._searched(problem, origin, value, gradient)
            if not self.fall_back and torch.equal(place, origin):
                self.fall_back = NOWHERE
            problem.move(origin + rate * (place - origin))
        return terms

    def state(self) -> dict[str, Tensor]:
        return {"reach": torch.tensor(self.reach, dtype=torch.float64)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.reach = float(state["reach"])

    def _searched(self, problem: Problem, place: Tensor, value: float, gradient: Tensor) -> Tensor:
        direction = -gradient
        for _ in range(self.choice.searches):
            slope = float(gradient @ direction)
            if slope >= 0:
                direction = -gradient
                slope = float(gradient @ direction)
            if slope == 0:
                break
            # A step of norm 1 at most, as long as nothing is known.
            first = self.reach / -slope if self.reach else 1 / max(1.0, math.sqrt(-slope))
            search = StrongWolfe(self.choice.curvature, self.choice.evaluations)
            end = search.point(problem, place, direction, start=Point(0.0, value, slope, gradient), first=first)
            if end.length == 0:
                self.reach = 0.0
                break
            self.reach = end.length * -slope
            place, value = place + end.length * direction, end.value
            beta = max(0.0, float(end.gradient @ (end.gradient - gradient) / (gradient @ gradient)))
            gradient = end.gradient
            direction = -gradient + beta * direction
        return place
