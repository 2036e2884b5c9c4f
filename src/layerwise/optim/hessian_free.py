"""A small Hessian-free optimizer: Gauss-Newton products, conjugate gradients, Levenberg-Marquardt damping."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.optim.base import NonFinite, Optimizer, Problem, Stepper, Terms

__all__ = ["HessianFree", "conjugate_gradient"]


@final
@dataclass(frozen=True)
class HessianFree(Optimizer):
    r"""Steps to the minimum of a damped quadratic model: (G + \lambda I) d = -g, found without forming G.

    Arguments:
        damping: the first \lambda; it follows the model's success by the Levenberg-Marquardt rule.
        iterations: at most so many products a step.
        tolerance: the residual, relative to the gradient, at which the inner solver stops.

    Source: Martens 2010, "Deep learning via Hessian-free optimization", sections 3 and 4.1.

    >>> HessianFree(damping=0.1).iterations
    50
    """

    damping: float = 1.0
    iterations: int = 50
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if not (self.damping > 0 and self.iterations >= 1 and self.tolerance > 0):
            raise InputError(f"damping, iterations and tolerance must be positive; got {self}.")

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper."""
        return _HessianFreeStepper(self)


@final
class _HessianFreeStepper(Stepper):
    def __init__(self, choice: HessianFree) -> None:
        self.choice = choice
        self.damping = choice.damping

    @torch.no_grad()
    def step(self, problem: Problem, *, rate: float = 1.0) -> Terms:
        with torch.enable_grad():
            terms, gradients = problem.gradient()
        slope, before = problem.flat(gradients), float(torch.stack(list(terms.values())).sum())
        size = float(slope.norm())
        if not math.isfinite(size):
            if math.isfinite(before):
                raise NonFinite("the gradient")
            return terms
        direction = conjugate_gradient(
            lambda v: problem.gauss_newton_product(v) + self.damping * v,
            -slope,
            iterations=self.choice.iterations,
            tolerance=self.choice.tolerance * size,
        )
        curvature = problem.gauss_newton_product(direction)
        promised = float(slope @ direction + 0.5 * direction @ curvature)
        moved = [p + rate * d for p, d in zip(problem.parameters, problem.split(direction), strict=True)]
        gained = float(problem.loss(moved)) - before
        trust = gained / promised if promised < 0 else 0.0
        if gained < 0:
            for parameter, new in zip(problem.parameters, moved, strict=True):
                parameter.copy_(new)
        self.damping *= 2 / 3 if trust > 0.75 else 3 / 2 if trust < 0.25 else 1
        return terms

    def state(self) -> dict[str, Tensor]:
        return {"damping": torch.tensor(self.damping, dtype=torch.float64)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.damping = float(state["damping"])


def conjugate_gradient(
    product: Callable[[Tensor], Tensor], target: Tensor, *, iterations: int, tolerance: float
) -> Tensor:
    """Solve A x = target for a symmetric positive definite A given by its products, from x = 0.

    Stops after `iterations` products or at a residual norm below `tolerance`.

    >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
    >>> target = torch.tensor([3.0, 4.0])
    >>> conjugate_gradient(lambda v: matrix @ v, target, iterations=2, tolerance=0.0).round(decimals=4)
    tensor([1., 1.])
    """
    solution, residual = torch.zeros_like(target), target.clone()
    direction, size = residual.clone(), residual @ residual
    for _ in range(iterations):
        if size.sqrt() <= tolerance or size == 0:
            break
        image = product(direction)
        length = size / (direction @ image)
        solution, residual = solution + length * direction, residual - length * image
        size, old = residual @ residual, size
        direction = residual + (size / old) * direction
    return solution
