"""Partition functions and likelihoods against sums over all states."""

import math

import pytest
import torch

from layerwise.diagnostics import (
    annealed_log_partition,
    exact_log_partition,
    log_likelihood,
    pseudo_likelihood,
)
from layerwise.errors import InputError
from layerwise.models import BernoulliUnits, GaussianUnits, RectifiedUnits, RestrictedBoltzmannMachine
from tests.machines import enumerable, states

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")


@pytest.mark.parametrize(("features", "code"), [(4, 9), (9, 4), (6, 6)])
def test_the_exact_sum(features, code):
    made = enumerable(features, code)
    wanted = (-made.free_energy(states(features))).logsumexp(0).item()
    assert exact_log_partition(made) == pytest.approx(wanted, rel=1e-12)
    total = log_likelihood(made, states(features), log_partition=exact_log_partition(made)).exp().sum()
    assert total.item() == pytest.approx(1, rel=1e-12)


def test_gaussian_visible_units_are_integrated():
    made = enumerable(1, 5, visible=GaussianUnits())
    grid = torch.linspace(-20, 20, 40_001, dtype=torch.float64)
    wanted = torch.trapezoid((-made.free_energy(grid[:, None])).exp(), grid).log().item()
    assert exact_log_partition(made) == pytest.approx(wanted, rel=1e-9)


def test_other_hidden_units_over_binary_visible_ones():
    for units in (GaussianUnits(), RectifiedUnits()):
        made = enumerable(7, 30, size=0.1, hidden=units)
        wanted = (-made.free_energy(states(7))).logsumexp(0).item()
        assert exact_log_partition(made) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("visible", [BernoulliUnits(), GaussianUnits()], ids=["binary", "Gaussian"])
@pytest.mark.parametrize("base", [None, -0.5])
def test_annealing_comes_within_half_a_percent(visible, base):
    made = enumerable(20, 12, size=0.6 if visible == BernoulliUnits() else 0.3, visible=visible).float()
    exact = exact_log_partition(made)
    start = None if base is None else torch.full((20,), base)
    found = annealed_log_partition(made, start, chains=200, temperatures=1000, seed=1)
    assert math.exp(found.value - exact) == pytest.approx(1, abs=0.1)
    assert found.value == pytest.approx(exact, rel=0.005)
    assert found.low < exact < found.high


def test_pseudo_likelihood_is_the_sum_of_the_conditionals():
    made, v = enumerable(6, 4), states(6)
    p = torch.softmax(-made.free_energy(v), 0)
    wanted = torch.zeros(64, dtype=torch.float64)
    for unit in range(6):
        partner = (v[:, None] == v[None]).double().sum(2)[:, :] == 5
        other = (partner & (v[:, None, unit] != v[None, :, unit])).double() @ p
        wanted += (p / (p + other)).log()
    torch.testing.assert_close(pseudo_likelihood(made, v), wanted.detach())
    drawn = torch.stack([pseudo_likelihood(made, v, seed=seed) for seed in range(3000)]).mean(0)
    torch.testing.assert_close(drawn, wanted.detach(), rtol=0.05, atol=0.05)


def test_what_cannot_be_done_is_refused():
    with pytest.raises(InputError, match="at most 24 binary hidden or visible units"):
        exact_log_partition(RestrictedBoltzmannMachine(30, 30))
    with pytest.raises(InputError, match="annealing needs binary hidden units"):
        annealed_log_partition(RestrictedBoltzmannMachine(3, 3, hidden=GaussianUnits()))
    with pytest.raises(InputError, match="at least 2 chains"):
        annealed_log_partition(RestrictedBoltzmannMachine(3, 3), chains=1)
    with pytest.raises(InputError, match="3 temperatures are needed; got 100 and 2"):
        annealed_log_partition(RestrictedBoltzmannMachine(3, 3), temperatures=2)
    with pytest.raises(InputError, match="needs binary visible units"):
        pseudo_likelihood(RestrictedBoltzmannMachine(3, 3, visible=GaussianUnits()), torch.zeros(1, 3))
