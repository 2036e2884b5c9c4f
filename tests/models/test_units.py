"""Kinds of units: the integral belongs to the mean, and draws have the mean and spread that they should."""

import pytest
import torch
from torch.func import grad

from layerwise.errors import InputError
from layerwise.models import (
    BernoulliUnits,
    GaussianUnits,
    RectifiedUnits,
    Units,
    identity,
    relu,
    sigmoid,
    tanh,
    units_of,
)
from tests.cases import normal, seeded

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
UNITS = {sigmoid: BernoulliUnits(), identity: GaussianUnits(), relu: RectifiedUnits()}
units = pytest.mark.parametrize(("activation", "kind"), UNITS.items(), ids=lambda value: type(value).__name__)
POINTS = torch.tensor([-30.0, -2.0, -0.3, 0.4, 3.0, 40.0], dtype=torch.float64)
DRAWS = 40_000


@units
def test_the_activation_has_its_units(activation, kind):
    assert units_of(activation) == kind
    torch.testing.assert_close(kind.mean(POINTS), activation(POINTS), rtol=0, atol=0)


def test_other_activations_have_none():
    with pytest.raises(InputError, match="sigmoid, identity or relu"):
        units_of(tanh)


@units
def test_the_integral_has_the_mean_as_its_slope(activation, kind):
    slope = grad(lambda x: kind.log_partition(x).sum())(POINTS)
    torch.testing.assert_close(slope, kind.mean(POINTS), rtol=1e-12, atol=1e-15)


@units
def test_draws_repeat_and_keep_shape_and_dtype(activation, kind: Units):
    for dtype in (torch.float32, torch.float64):
        x = normal(4, 3, dtype=dtype)
        first, again, other = (kind.sample(x, seeded(seed)) for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
        assert first.shape == x.shape
        assert first.dtype == dtype


@units
def test_the_draws_have_the_moments_of_their_distribution(activation, kind):
    x = torch.tensor([-0.7, 0.0, 0.5, 2.5], dtype=torch.float64)
    draws = kind.sample(x.expand(DRAWS, -1), seeded(0))
    if kind == BernoulliUnits():
        mean, variance = x.sigmoid(), x.sigmoid() * (1 - x.sigmoid())
        assert set(draws.unique().tolist()) == {0.0, 1.0}
    elif kind == GaussianUnits():
        mean, variance = x, torch.ones_like(x)
    else:
        # The moments of the positive part of a normal number.
        s = x.sigmoid().sqrt()
        density = torch.exp(-((x / s) ** 2) / 2) / (2 * torch.pi) ** 0.5
        mean = x * torch.special.ndtr(x / s) + s * density
        variance = (x**2 + s**2) * torch.special.ndtr(x / s) + x * s * density - mean**2
        assert draws.min() == 0
    assert ((draws.mean(0) - mean).abs() < 5 * (variance / DRAWS).sqrt()).all()
    torch.testing.assert_close(draws.var(0), variance, rtol=0.05, atol=0)
