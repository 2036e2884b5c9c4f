"""Conjugate gradients for linear systems that are known by their products."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple, final

import torch
from torch import Tensor

from layerwise.optim.base import FlatProduct, NonFinite

__all__ = ["Iterate", "conjugate_gradient", "iterates"]


@final
class Iterate(NamedTuple):
    r"""Where conjugate gradients are, and how they came there.

    Attributes:
        solution: x.
        residual: b - A x.
        value: \frac12 x^T A x - b^T x.
        direction: along which x was found; where `curvature` is not positive it is x that was left by it.
        curvature: d^T A d for that direction.
    """

    solution: Tensor
    residual: Tensor
    value: float
    direction: Tensor
    curvature: float


def iterates(
    product: FlatProduct,
    target: Tensor,
    *,
    start: Tensor | None = None,
    preconditioned: Callable[[Tensor], Tensor] = torch.clone,
) -> Iterator[Iterate]:
    """The iterates of conjugate gradients on A x = target, without end for a positive definite A.

    They end at an exact solution, and where a direction has no positive curvature: the last iterate then has that
    direction, and the solution before it.

    Arguments:
        product: A times a vector.
        target: the right-hand side.
        start: the first x; None is 0.
        preconditioned: solves a system with a matrix like A.

    Raises:
        NonFinite: for a product that is not finite.

    Source: Nocedal & Wright 2006, "Numerical Optimization", algorithm 5.3.
    """
    solution = torch.zeros_like(target) if start is None else start
    residual = target.clone() if start is None else target - product(start)
    scaled = preconditioned(residual)
    direction, size = scaled, float(residual @ scaled)
    while size > 0 or not math.isfinite(size):
        image = product(direction)
        curvature = float(direction @ image)
        if not (math.isfinite(curvature) and math.isfinite(size)):
            raise NonFinite("a product with the curvature")
        found = curvature > 0
        if found:
            solution = solution + (size / curvature) * direction
            residual = residual - (size / curvature) * image
        value = -0.5 * float(solution @ (residual + target))
        yield Iterate(solution, residual, value, direction, curvature)
        if not found:
            return
        scaled = preconditioned(residual)
        size, old = float(residual @ scaled), size
        direction = scaled + (size / old) * direction


def conjugate_gradient(product: FlatProduct, target: Tensor, *, iterations: int, tolerance: float) -> Tensor:
    """Solve A x = target for a symmetric positive definite A given by its products, from x = 0.

    Stops after `iterations` products or at a residual norm below `tolerance`.

    Raises:
        NonFinite: for a product that is not finite.

    >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
    >>> target = torch.tensor([3.0, 4.0])
    >>> conjugate_gradient(lambda v: matrix @ v, target, iterations=2, tolerance=0.0).round(decimals=4)
    tensor([1., 1.])
    """
    solution = torch.zeros_like(target)
    if float(target.norm()) <= tolerance:
        return solution
    for number, found in enumerate(iterates(product, target), 1):
        solution = found.solution
        if number == iterations or float(found.residual.norm()) <= tolerance:
            break
    return solution
