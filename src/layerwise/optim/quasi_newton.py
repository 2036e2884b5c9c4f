"""Curvature from the gradients of earlier steps."""

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

__all__ = ["LBFGS"]


@final
@dataclass(frozen=True)
class LBFGS(Optimizer):
    """Line searches along the gradient times an inverse Hessian, which is made of the last steps.

    Both gradients of a pair are of one batch, so that batches may change; meant for large ones. A pair whose step saw
    no positive curvature is left out.

    Arguments:
        memory: pairs of steps and changes of the gradient that are kept.
        searches: line searches on each batch.
        curvature: what is left of the slope at the end of a search, at most.
        evaluations: of the loss and its gradient in one search, at most.

    Raises:
        InputError: for a number outside its range.

    Source: Nocedal & Wright 2006, "Numerical Optimization", algorithms 7.4 and 7.5.

    >>> LBFGS(memory=10).searches
    1
    """

    memory: int = 20
    searches: int = 1
    curvature: float = 0.9
    evaluations: int = 20

    def __post_init__(self) -> None:
        if self.memory < 1 or self.searches < 1:
            raise InputError(f"memory and searches must be at least 1; got {self}.")
        StrongWolfe(self.curvature, self.evaluations)

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper."""
        return _LBFGSStepper(self, next(iter(trainable(part).values())).device)


@final
class _LBFGSStepper(Stepper):
    def __init__(self, choice: LBFGS, device: torch.device) -> None:
        self.choice, self.device = choice, device
        self.search = StrongWolfe(choice.curvature, choice.evaluations)
        self.steps: list[Tensor] = []
        self.changes: list[Tensor] = []

    def check(self, problem: Problem) -> None:
        """A gradient is all it needs."""

    @torch.no_grad()
    def step(self, problem: Problem, *, rate: float = 1.0) -> Terms:
        terms, value, gradient = problem.measured()
        self.fall_back = "" if gradient.any() else STILL
        if self.fall_back or not math.isfinite(value):
            return terms
        origin = place = problem.point()
        for _ in range(self.choice.searches):
            direction = self._direction(gradient)
            # A step of norm 1 at most, as long as nothing is known.
            first = 1.0 if self.steps else 1 / max(1.0, float(gradient.norm()))
            start = Point(0.0, value, float(gradient @ direction), gradient)
            end = self.search.point(problem, place, direction, start=start, first=first)
            if end.length == 0:
                self._forget()
                break
            self._remember(end.length * direction, end.gradient - gradient)
            place, value, gradient = place + end.length * direction, end.value, end.gradient
        if torch.equal(place, origin):
            self.fall_back = NOWHERE
        problem.move(origin + rate * (place - origin))
        return terms

    def state(self) -> dict[str, Tensor]:
        if not self.steps:
            return {}
        return {"steps": torch.stack(self.steps), "changes": torch.stack(self.changes)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        # Each in memory of its own: sums over rows of one tensor may be rounded otherwise.
        self.steps, self.changes = (
            [row.to(self.device, copy=True) for row in state.get(name, ())] for name in ("steps", "changes")
        )

    def _direction(self, gradient: Tensor) -> Tensor:
        """The two loops over the pairs, the newest first and then the oldest."""
        direction, shares = -gradient, []
        for step, change in zip(reversed(self.steps), reversed(self.changes), strict=True):
            shares.append((step @ direction) / (step @ change))
            direction = direction - shares[-1] * change
        if self.steps:
            step, change = self.steps[-1], self.changes[-1]
            direction = direction * ((step @ change) / (change @ change))
        for step, change, share in zip(self.steps, self.changes, reversed(shares), strict=True):
            direction = direction + (share - (change @ direction) / (step @ change)) * step
        return direction

    def _remember(self, step: Tensor, change: Tensor) -> None:
        if float(step @ change) <= torch.finfo(step.dtype).eps * float(step.norm() * change.norm()):
            self.fall_back = "a step saw no positive curvature, and its pair was left out"
            return
        self.steps, self.changes = (
            [*old, new][-self.choice.memory :] for old, new in ((self.steps, step), (self.changes, change))
        )

    def _forget(self) -> None:
        """Begin anew with the gradient, where the memory leads nowhere."""
        if self.steps:
            self.fall_back = "the search found nothing lower, and the memory was cleared"
        self.steps, self.changes = [], []
