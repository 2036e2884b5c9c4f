"""What does not fit is refused with the phase's name, before the first phase has moved a weight."""

import copy
from dataclasses import replace

import pytest
import torch

from layerwise.errors import InputError
from layerwise.models import (
    Dense,
    Layer,
    LayerSequentialUnitVariance,
    Normalization,
    RestrictedBoltzmannMachine,
    TopK,
    activation_name,
    identity,
    relu,
    sigmoid,
    start_from_rows,
    tanh,
)
from layerwise.optim import FirstOrder
from layerwise.penalties import (
    Contraction,
    Emphasized,
    HigherOrderContraction,
    KLSparsity,
    Penalty,
    Revival,
    contrastive_divergence,
    cross_entropy,
    squared_error,
)
from layerwise.training import Block, Boltzmann, History, Objective, Phase, TensorRows, Upto, Whole, fit, range_test
from tests.cases import CPU, FEATURES, OPTIMIZERS, uniform

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
ROWS = TensorRows(uniform(20, FEATURES))
SIGMOID = Layer(sigmoid)


def phase(name, objective, view=Whole()):
    return Phase(name, objective, FirstOrder(lr=0.01), epochs=1, view=view)


def assert_refused(model, second, words, rows=ROWS):
    """As the second phase, after one that would do."""
    before, history = copy.deepcopy(model.state_dict()), History()
    machine = isinstance(model, RestrictedBoltzmannMachine)
    first = phase("first", Objective(contrastive_divergence if machine else squared_error))
    with pytest.raises(InputError, match=f"^phase 'second': {words}") as told:
        fit(model, rows, [first, second], runtime=CPU, history=history)
    assert "\n" not in str(told.value)
    assert history.rows == []
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("view", [Block(0), Block(1), Upto(1), Boltzmann(0)], ids=str)
def test_layers_with_a_linear_path_beside_them(view):
    fidelity = contrastive_divergence if isinstance(view, Boltzmann) else squared_error
    wanted = phase("second", Objective(fidelity), view)
    model = Dense(FEATURES, (4,), code=2, layer=SIGMOID, linear_path=True)
    assert_refused(model, wanted, r"a model that is trained by layers .* Use linear_path=False\.")
    fit(Dense(FEATURES, (4,), code=2, layer=SIGMOID), ROWS, [wanted], runtime=CPU)


@pytest.mark.parametrize("fidelity", [cross_entropy, Emphasized(cross_entropy)], ids=["plain", "emphasized"])
def test_the_cross_entropy_of_outputs_that_are_no_probabilities(fidelity):
    words = r"the cross-entropy needs outputs in \[0, 1\]; .* Use sigmoid layers and outputs, or squared_error"
    second = phase("second", Objective(fidelity), Block(1))
    assert_refused(Dense(FEATURES, (4,), code=2, layer=Layer(relu), output=sigmoid), second, words)
    assert_refused(Dense(FEATURES, (4,), code=2, layer=SIGMOID), phase("second", Objective(fidelity)), words)
    fit(Dense(FEATURES, (4,), code=2, layer=SIGMOID, output=sigmoid), ROWS, [second], runtime=CPU)


def test_the_cross_entropy_of_targets_that_are_no_probabilities():
    x = uniform(20, FEATURES)
    x[13, 2] = 1.5
    model = Dense(FEATURES, (4,), code=2, layer=SIGMOID, output=sigmoid)
    words = r"the cross-entropy needs targets in \[0, 1\]; found 1.5 in feature 2 of row 13\. Scale the data"
    assert_refused(model, phase("second", Objective(cross_entropy)), words, TensorRows(x))


@pytest.mark.parametrize("penalty", [Contraction(), HigherOrderContraction(0.1), Revival()], ids=str)
def test_batch_statistics_under_a_penalty_that_asks_twice(penalty: Penalty):
    activation = TopK(2) if penalty == Revival() else tanh
    layer = Layer(activation, normalization=Normalization.BATCH)
    second = phase("second", Objective(penalties={"asked": (0.1, penalty)}), Block(0))
    assert_refused(Dense(FEATURES, (4,), code=2, layer=layer), second, f"{type(penalty).__name__} asks the encoder")


@pytest.mark.parametrize("activation", [tanh, relu, identity, TopK(3)], ids=activation_name)
def test_sparsity_of_units_that_are_no_probabilities(activation):
    second = phase("second", Objective(penalties={"sparse": (0.1, KLSparsity())}), Block(0))
    words = r"KLSparsity needs units in \[0, 1\]; those of layer 1 can leave it\. Use sigmoid units, or L1\."
    assert_refused(Dense(FEATURES, (4,), code=2, layer=Layer(activation)), second, words)
    for bounded in (Layer(sigmoid, dropout=0.9), Layer(torch.nn.functional.hardsigmoid)):
        fit(Dense(FEATURES, (4,), code=2, layer=bounded), ROWS, [second], runtime=CPU)


def test_a_machine_on_what_it_does_not_make():
    words = "a Boltzmann machine makes no reconstruction in training, .*; got squared_error. Use contrastive_divergence"
    assert_refused(Dense(FEATURES, (4,), code=2, layer=SIGMOID), phase("second", Objective(), Boltzmann(0)), words)
    assert_refused(RestrictedBoltzmannMachine(FEATURES, 4), phase("second", Objective()), words)


@pytest.mark.parametrize("name", [name for name, choice in OPTIMIZERS.items() if not isinstance(choice, FirstOrder)])
def test_a_divergence_without_a_value_for_what_looks_at_values(name):
    words = f"contrastive divergence has a gradient and no value .*; got {type(OPTIMIZERS[name]).__name__}"
    second = replace(phase("second", Objective(contrastive_divergence)), optimizer=OPTIMIZERS[name])
    assert_refused(RestrictedBoltzmannMachine(FEATURES, 4), second, words)
    assert_refused(Dense(FEATURES, (4,), code=2, layer=SIGMOID), replace(second, view=Boltzmann(0)), words)


def test_batch_normalization_of_one_row():
    model = Dense(FEATURES, (4,), code=2, layer=Layer(normalization=Normalization.BATCH))
    words = "batch normalization needs batches of at least two rows; got one"
    one = Phase("second", Objective(), FirstOrder(lr=0.01), epochs=1, batch_size=1)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match=f"^phase 'second': {words}"):
        fit(model, ROWS, [phase("first", Objective()), one], runtime=CPU)
    with pytest.raises(InputError, match=f"^phase 'first': {words}"):
        fit(model, TensorRows(uniform(1, FEATURES)), [phase("first", Objective())], runtime=CPU)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    fit(model, TensorRows(uniform(3, FEATURES)), [replace(one, batch_size=2)], runtime=CPU)


def test_no_rows():
    none = TensorRows(uniform(1, FEATURES)[:0])
    model = Dense(FEATURES, code=2, layer=Layer(tanh, LayerSequentialUnitVariance()))
    for training in (
        lambda: fit(model, none, [phase("first", Objective())], runtime=CPU),
        lambda: range_test(model, none, phase=phase("first", Objective()), runtime=CPU),
        lambda: start_from_rows(model, none),
    ):
        with pytest.raises(InputError, match=r"needs? at least one row|need at least one; got none"):
            training()
