"""Range tests: what they leave alone, what they choose, and what they refuse."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from layerwise.corruptions import GaussianNoise
from layerwise.errors import InputError
from layerwise.models import Dense, Layer, sigmoid
from layerwise.optim import ConjugateGradient, FirstOrder
from layerwise.penalties import contrastive_divergence
from layerwise.training import Boltzmann, Objective, Phase, TensorRows, range_test

RATES = tuple(float(rate) for rate in np.geomspace(1e-5, 1e3, 9))


@pytest.fixture
def rows() -> TensorRows:
    return TensorRows(torch.randn(48, 5, generator=torch.Generator().manual_seed(0)))


@pytest.fixture
def model() -> Dense:
    return Dense(5, (8,), code=2, layer=Layer(dropout=0.1), seed=0)


SGD = Phase("train", Objective(), FirstOrder(torch.optim.SGD), epochs=50, batch_size=16, corruption=GaussianNoise(0.1))


@pytest.mark.usefixtures("global_random_state_unchanged")
def test_the_model_stays_as_it_is_and_the_same_seed_finds_the_same(rows, model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = [range_test(model, rows, phase=SGD, rates=RATES, batches=10, seed=3) for _ in range(2)]
    assert found[0] == found[1]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_rates_that_diverge_are_infinite_and_the_best_is_between(rows, model):
    found = range_test(model, rows, phase=SGD, rates=RATES, batches=10)
    assert found.losses[-1] == math.inf
    assert RATES[0] < found.rate < RATES[-1]
    assert min(found.losses) < found.start


def test_a_rate_does_not_depend_on_those_before_it(rows, model):
    """Every rate starts from the same weights and sees the same batches."""
    many = range_test(model, rows, phase=SGD, rates=RATES[:5], batches=10)
    few = range_test(model, rows, phase=SGD, rates=(RATES[0], RATES[4]), batches=10)
    assert few.losses == (many.losses[0], many.losses[4])


def test_the_rate_of_the_phase_plays_no_part(rows, model):
    other = replace(SGD, optimizer=FirstOrder(torch.optim.SGD, lr=123.0))
    assert range_test(model, rows, phase=SGD, rates=RATES[:3], batches=4) == range_test(
        model, rows, phase=other, rates=RATES[:3], batches=4
    )


@pytest.mark.parametrize(
    ("changes", "options", "told"),
    [
        ({}, {"rates": ()}, "rates must be positive and rising; got none"),
        ({}, {"rates": (0.1, 0.01)}, "rising; got 0.1, 0.01"),
        ({}, {"rates": (-1.0, 0.01)}, "positive"),
        ({}, {"rates": (float("nan"),)}, "positive"),
        ({}, {"batches": 0}, "batches must be at least 1; got 0"),
        ({"optimizer": ConjugateGradient()}, {}, "phase 'train'.*first order; got ConjugateGradient"),
    ],
)
def test_what_cannot_be_tested_is_refused(rows, model, changes, options, told):
    with pytest.raises(InputError, match=told):
        range_test(model, rows, phase=replace(SGD, **changes), **options)


def test_a_machine_has_no_value_to_compare():
    model = Dense(5, (4,), code=2, layer=Layer(sigmoid), linear_path=False, output=sigmoid, seed=0)
    phase = replace(SGD, view=Boltzmann(0), objective=Objective(contrastive_divergence), corruption=None)
    with pytest.raises(InputError, match="contrastive divergence has no value"):
        range_test(model, TensorRows(torch.ones(8, 5)), phase=phase)


def test_rates_of_which_all_diverge_are_refused(rows, model):
    with pytest.raises(InputError, match="one that does not diverge"):
        range_test(model, TensorRows(rows.x * 1e30), phase=SGD, rates=RATES[-2:], batches=4)
