"""A restricted Boltzmann machine that is small enough to enumerate, in float64."""

import pytest
import torch
from torch import Tensor

from layerwise.models import RestrictedBoltzmannMachine
from tests.machines import enumerable, states

FEATURES, CODE = 6, 4


@pytest.fixture
def machine() -> RestrictedBoltzmannMachine:
    return enumerable(FEATURES, CODE, size=0.8)


def joint(machine: RestrictedBoltzmannMachine) -> Tensor:
    """The probabilities of all pairs, from the energy written out: shape (64, 16)."""
    v, h = states(FEATURES), states(CODE)
    energy = -(v @ machine.visible_bias)[:, None] - (h @ machine.hidden_bias)[None] - v @ machine.weight.T @ h.T
    return torch.softmax(-energy.flatten(), 0).view(len(v), len(h))


def probability(means: Tensor, chosen: Tensor) -> Tensor:
    """Of each chosen binary vector (columns) given each row of means."""
    return torch.stack([(means * one + (1 - means) * (1 - one)).prod(1) for one in chosen], 1)


def test_free_energy_and_conditionals_are_those_of_the_joint_distribution(machine):
    v, h, p = states(FEATURES), states(CODE), joint(machine)
    torch.testing.assert_close(torch.softmax(-machine.free_energy(v), 0), p.sum(1))
    torch.testing.assert_close(probability(machine.encode(v), h), p / p.sum(1, keepdim=True))
    torch.testing.assert_close(probability(machine.decode(h), v), (p / p.sum(0)).T)


def test_contrastive_divergence_of_infinite_length_is_the_exact_gradient(machine):
    v, h = states(FEATURES), states(CODE)
    x = torch.bernoulli(
        torch.full((10, FEATURES), 0.4, dtype=torch.float64), generator=torch.Generator().manual_seed(1)
    )
    parameters = list(machine.parameters())
    exact = torch.autograd.grad(machine.free_energy(x).mean() + (-machine.free_energy(v)).logsumexp(0), parameters)
    # One step of the chain as a matrix over all states, taken 2^12 times from the data.
    with torch.no_grad():
        step = probability(machine.encode(v), h) @ probability(machine.decode(h), v)
        for _ in range(12):
            step = step @ step
        start = (x[:, None] == v[None]).all(2).double().mean(0)
        end = start @ step
    chain = torch.autograd.grad(machine.free_energy(x).mean() - end @ machine.free_energy(v), parameters)
    for found, wanted in zip(chain, exact, strict=True):
        assert float((found - wanted).abs().max()) < 1e-6


def test_gibbs_sampling_reaches_the_distribution(machine):
    noise = torch.Generator().manual_seed(0)
    start = machine.up(states(FEATURES).repeat(400, 1))
    sample = machine.gibbs(start, 30, noise=noise)
    place = (sample @ (2.0 ** torch.arange(FEATURES - 1, -1, -1, dtype=torch.float64))).long()
    found = torch.bincount(place, minlength=64) / len(place)
    assert float((found - joint(machine).detach().sum(1)).abs().max()) < 0.01
