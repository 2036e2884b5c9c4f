"""Recipes by layers: their phases, in order, on the parts that they should train."""

import copy

import pytest
import torch

from layerwise.errors import InputError
from layerwise.models import Dense, Gaussian, Layer, sigmoid
from layerwise.optim import FirstOrder
from layerwise.penalties import cross_entropy
from layerwise.recipes import (
    Machine,
    Setting,
    Shallow,
    bengio2007,
    hinton2006,
    intermediate_fine_tuning,
    layerwise,
)
from layerwise.training import Block, Boltzmann, Objective, Phase, TensorRows, Upto, Whole, fit
from tests.cases import CPU, FEATURES, uniform

TUNE = Phase("fine-tune", Objective(), FirstOrder(lr=0.01), epochs=1)
QUICK = Shallow(FirstOrder(lr=0.01), epochs=1)
RECIPES = {
    "layerwise": lambda setting: layerwise(setting, trainer=QUICK, fine_tune=TUNE),
    "machines": lambda setting: layerwise(setting, trainer=Machine(epochs=1), fine_tune=None),
    "intermediate fine-tuning": lambda setting: intermediate_fine_tuning(setting, trainer=QUICK, between=TUNE),
    "hinton2006": lambda setting: hinton2006(setting, epochs=1, fine_tune_epochs=1),
    "bengio2007": lambda setting: bengio2007(setting, epochs=1, fine_tune_epochs=1),
}


@pytest.mark.parametrize("name", RECIPES)
def test_it_trains_every_layer_and_prints_the_same_as_its_copy(name):
    recipe = RECIPES[name](Setting(20, widths=(FEATURES, 5, 4, 2)))
    assert repr(copy.deepcopy(recipe)) == repr(recipe)
    assert copy.deepcopy(recipe) == recipe
    model = Dense(FEATURES, (5, 4), code=2, layer=Layer(sigmoid, initializer=Gaussian(0.1)), output=sigmoid)
    before = copy.deepcopy(model.state_dict())
    fit(model, TensorRows(uniform(20, FEATURES)), recipe, runtime=CPU)
    still = {key for key, value in model.state_dict().items() if torch.equal(value, before[key])}
    assert still == {"bounds.low", "bounds.high"}


@pytest.mark.parametrize("name", RECIPES)
def test_without_a_depth_it_is_refused(name):
    with pytest.raises(InputError, match="needs the widths"):
        RECIPES[name](Setting(20))


@pytest.mark.parametrize("name", ["layerwise", "machines", "hinton2006"])
def test_a_recipe_that_is_too_deep_names_its_phase(name):
    model = Dense(FEATURES, (5,), code=2, layer=Layer(sigmoid), output=sigmoid)
    with pytest.raises(InputError, match=r"phase '(layer|machine) 3': layer must be from 0 to 1"):
        fit(
            model,
            TensorRows(uniform(20, FEATURES)),
            RECIPES[name](Setting(20, widths=(FEATURES, 5, 4, 2))),
            runtime=CPU,
        )


def test_the_parts_in_order():
    assert [phase.view for phase in RECIPES["layerwise"](Setting(20, widths=(FEATURES, 4, 2)))] == [
        Block(0),
        Block(1),
        Whole(),
    ]
    assert [
        phase.view for phase in RECIPES["intermediate fine-tuning"](Setting(20, widths=(FEATURES, 5, 4, 3, 2)))
    ] == [
        Block(0),
        Block(1),
        Upto(1),
        Block(2),
        Upto(2),
        Block(3),
        Whole(),
    ]
    views = [phase.view for phase in hinton2006(Setting(20, widths=(FEATURES, 4, 2)))]
    assert [type(view) for view in views] == [Boltzmann, Boltzmann, Whole]


def test_linear_machines_learn_more_slowly():
    rates = [
        phase.optimizer.lr
        for phase in hinton2006(Setting(20, Objective(cross_entropy), widths=(FEATURES, 5, 4, 2)))[:3]
    ]
    assert rates == [0.1, 0.1, 0.001]
    rates = [phase.optimizer.lr for phase in hinton2006(Setting(20, widths=(FEATURES, 5, 4, 2)))[:3]]
    assert rates == [0.001, 0.1, 0.001]
