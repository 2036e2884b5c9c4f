"""How far to go along a direction: the strong Wolfe conditions."""

import math
from collections.abc import Callable
from typing import NamedTuple, final

from torch import Tensor

__all__ = ["Point", "strong_wolfe"]


@final
class Point(NamedTuple):
    """A function along a direction: how far, its value and derivative there, and the whole gradient."""

    length: float
    value: float
    slope: float
    gradient: Tensor


def strong_wolfe(
    at: Callable[[float], Point],
    start: Point,
    *,
    length: float,
    decrease: float = 1e-4,
    curvature: float = 0.1,
    evaluations: int = 20,
) -> Point:
    r"""A point that is low enough and flat enough:

    .. math:: f(a) \le f(0) + c_1 a f'(0), \quad |f'(a)| \le c_2 |f'(0)|

    The minimum is bracketed by growing steps and then closed in on by cubic interpolation. A value that is not
    finite counts as too far. When the evaluations are used up, the lowest point found is given; `start` itself,
    if none is lower.

    Arguments:
        at: evaluates the function at a length.
        start: the point of length 0, with a negative slope.
        length: the first one tried.
        decrease: c_1.
        curvature: c_2.
        evaluations: at most so many.

    Source: Nocedal & Wright 2006, "Numerical Optimization", algorithms 3.5 and 3.6.

    >>> import torch
    >>> def parabola(a: float) -> Point:
    ...     return Point(a, (a - 3) ** 2, 2 * (a - 3), torch.tensor([2 * (a - 3)]))
    >>> strong_wolfe(parabola, parabola(0.0), length=1.0).length
    3.0
    """
    # Every point of the bracket is below the line of sufficient decrease or bounds it from the far side.
    low, high, best = start, None, start
    for _ in range(evaluations):
        point = at(length)
        enough = point.value <= start.value + decrease * point.length * start.slope
        best = point if enough and point.value < best.value else best
        if not enough or not math.isfinite(point.slope) or point.value >= low.value:
            high = point
        elif abs(point.slope) <= -curvature * start.slope:
            return point
        elif high is None:
            low, high = (point, None) if point.slope < 0 else (point, low)
        else:
            high = low if point.slope * (high.length - low.length) >= 0 else high
            low = point
        length = _grown(low) if high is None else _between(low, high)
        if high is not None and abs(high.length - low.length) <= 1e-9 * max(high.length, low.length):
            break
    return best


def _grown(low: Point) -> float:
    return low.length * 4


def _between(low: Point, high: Point) -> float:
    """The minimum of the cubic through both ends, at least a tenth of the bracket away from each."""
    width = high.length - low.length
    if not (math.isfinite(high.value) and math.isfinite(high.slope)):
        return low.length + width / 10
    bend = low.slope + high.slope - 3 * (high.value - low.value) / width
    root = bend * bend - low.slope * high.slope
    share = 0.5
    if root >= 0:
        spread = math.copysign(math.sqrt(root), width)
        below = high.slope - low.slope + 2 * spread
        share = 1 - (high.slope + spread - bend) / below if below else 0.5
    return low.length + width * min(max(share, 0.1), 0.9)
