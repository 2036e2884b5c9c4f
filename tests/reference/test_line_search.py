"""The line search against the conditions that it promises, and conjugate gradients against a quadratic's solution."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from layerwise.data import Batch
from layerwise.models import Dense
from layerwise.optim import ConjugateGradient, Point, Problem, strong_wolfe
from layerwise.training import Objective
from tests.cases import FEATURES, normal

# A value and a derivative; all begin with a negative slope.
FUNCTIONS: dict[str, Callable[[float], tuple[float, float]]] = {
    "parabola": lambda a: ((a - 3) ** 2, 2 * (a - 3)),
    "steep": lambda a: (math.cosh(4 * a - 2), 4 * math.sinh(4 * a - 2)) if a < 100 else (math.inf, math.inf),
    "flat, then steep": lambda a: (a**8 - a, 8 * a**7 - 1),
    "waves": lambda a: (math.cos(3 * a) + 0.1 * a**2 - 0.2 * a, -3 * math.sin(3 * a) + 0.2 * a - 0.2),
    "a wall": lambda a: (-a - math.log(5 - a), -1 + 1 / (5 - a)) if a < 5 else (math.nan, math.nan),
    "infinite beyond 2": lambda a: ((a - 1.9) ** 2, 2 * (a - 1.9)) if a < 2 else (math.inf, math.nan),
    # More and Thuente 1994, function (5.1).
    "bowl": lambda a: (-a / (a**2 + 2), (a**2 - 2) / (a**2 + 2) ** 2),
}


@pytest.mark.parametrize("length", [1e-3, 0.1, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize("curvature", [0.1, 0.9])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_it_finds_is_low_and_flat(name, curvature, length):
    def at(a: float) -> Point:
        value, slope = FUNCTIONS[name](a)
        return Point(a, value, slope, torch.tensor([slope]))

    start = at(0.0)
    found = strong_wolfe(at, start, length=length, curvature=curvature, evaluations=40)
    assert found.length > 0
    assert found.value <= start.value + 1e-4 * found.length * start.slope
    assert abs(found.slope) <= curvature * abs(start.slope)


def test_without_a_lower_point_it_stays():
    def climbing(a: float) -> Point:
        return Point(a, a, -1.0, torch.tensor([-1.0]))

    assert strong_wolfe(climbing, climbing(0.0), length=1.0).length == 0


def test_on_a_quadratic_it_ends_after_as_many_searches_as_dimensions():
    x = normal(40, FEATURES, dtype=torch.float64)
    model = Dense(FEATURES, code=2).double()
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    problem = Problem(model, Objective(), Batch(x, None))
    with torch.no_grad():
        code = np.column_stack([model.encode(x), np.ones(len(x))])
    rest = np.linalg.lstsq(code, x.numpy(), rcond=None)[1].sum() / len(x)
    # Three distinct curvatures: those of the codes and the bias, the same for each column.
    ConjugateGradient(searches=3, curvature=1e-3, evaluations=40).start(model).step(problem)
    assert problem.loss().item() == pytest.approx(rest, rel=1e-3)
    ConjugateGradient(searches=8, curvature=1e-3, evaluations=40).start(model).step(problem)
    assert problem.loss().item() == pytest.approx(rest, rel=1e-9)
