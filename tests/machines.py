"""Boltzmann machines that are small enough for sums over all their states."""

import itertools

import torch
from torch import Tensor

from layerwise.models import BernoulliUnits, Gaussian, RestrictedBoltzmannMachine, Units
from tests.cases import uniform

BINARY = BernoulliUnits()


def enumerable(
    features: int, code: int, *, size: float = 0.5, visible: Units = BINARY, hidden: Units = BINARY
) -> RestrictedBoltzmannMachine:
    """A machine in float64, its weights of the given size and its biases not zero."""
    made = RestrictedBoltzmannMachine(
        features, code, visible=visible, hidden=hidden, initializer=Gaussian(size), seed=3
    ).double()
    with torch.no_grad():
        made.visible_bias.copy_(uniform(features, seed=1, dtype=torch.float64) - 0.5)
        made.hidden_bias.copy_(uniform(code, seed=2, dtype=torch.float64) - 0.5)
    return made


def states(units: int) -> Tensor:
    """All binary vectors, in order."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=units)), dtype=torch.float64)
