"""Sparseness by hand, saturation of units that were put there, and the norm of the dense Jacobian."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from layerwise.diagnostics import active_share, hoyer, jacobian_norm, saturation
from layerwise.errors import InputError
from layerwise.models import (
    Autoencoder,
    Dense,
    GaussianUnits,
    Inputs,
    Layer,
    Maxout,
    Normalization,
    Predictor,
    RestrictedBoltzmannMachine,
    TopK,
    relu,
    sigmoid,
    silu,
    tanh,
)
from layerwise.penalties import Contraction
from layerwise.training import TensorRows
from tests.cases import FEATURES, MODELS, normal

X = normal(5, FEATURES, dtype=torch.float64)
ENCODERS: dict[str, Autoencoder] = {
    **{name: make(0) for name, make in MODELS.items()},
    "one layer of tanh": Dense(FEATURES, code=4, code_activation=tanh),
    "one layer of weight norm": Dense(FEATURES, code=4, layer=Layer(normalization=Normalization.WEIGHT)),
    "one layer of top k": Dense(FEATURES, code=4, code_activation=TopK(2)),
    "one layer, tied, over-complete": Dense(FEATURES, code=9, layer=Layer(tied=True), code_activation=sigmoid),
    "linear path": Dense(FEATURES, code=3, linear_path=True),
    "one layer of embeddings": Dense(Inputs(FEATURES, ((1, 4, 2),)), code=4, code_activation=tanh),
    "a block of maxout": Dense(FEATURES, (5,), code=2, layer=Layer(Maxout(3))).block(0),
    "a block of batch norm": Dense(FEATURES, (5,), code=2, layer=Layer(tanh, normalization=Normalization.BATCH)).block(
        0
    ),
    "machine": RestrictedBoltzmannMachine(FEATURES, 4, seed=1),
    "predictor with dropped inputs": Predictor(FEATURES, (5,), outputs=2, layer=Layer(tanh), input_dropout=0.5),
}


def norms(model: Autoencoder, x: Tensor) -> Tensor:
    """From the dense Jacobian of a row after the other."""
    return torch.stack([jacobian(lambda row: model.encode(row[None])[0], row).norm() for row in x])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([0.0, 0.0, 7.0, 0.0], 1.0),
        ([0.0, -1e-200, 0.0, 0.0], 1.0),
        ([0.5, 0.5, -0.5, 0.5], 0.0),
        ([1e300, 1e300, 1e300, 1e300], 0.0),
        ([0.0, 0.0, 0.0, 0.0], 1.0),
        ([3.0, 4.0, 0.0, 0.0], 2 - 7 / 5),
        ([1.0, -2.0, 3.0, 4.0], 2 - 10 / math.sqrt(30)),
    ],
)
def test_sparseness_by_hand(row, expected):
    assert hoyer(np.array([row])) == pytest.approx(expected, abs=1e-12)
    assert hoyer(np.array([row, [1.0, 0.0, 0.0, 0.0]])) == pytest.approx((expected + 1) / 2, abs=1e-12)


def test_active_units_are_counted_either_way_of_zero():
    codes = np.array([[0.0, 0.2, -0.3], [0.1, 0.0, 0.0]], np.float32)
    assert active_share(codes) == pytest.approx(1 / 2)
    assert active_share(codes, 0.15) == pytest.approx(1 / 3)
    assert active_share(codes, 0.3) == pytest.approx(1 / 6)  # In float32 0.3 is above 0.3.
    assert active_share(codes, 1.0) == 0.0


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda: hoyer(np.zeros((3, 1))), "at least 2 units; got 1"),
        (lambda: hoyer(np.array([[0.0, 1.0], [np.nan, 1.0]])), "1 value is not, the first in row 1, column 0"),
        (lambda: active_share(np.full((2, 2), np.inf)), "codes must be finite; 4 values are not"),
        (lambda: active_share(np.zeros((2, 2)), -1.0), "threshold must be at least 0 and finite; got -1.0"),
        (lambda: active_share(np.zeros((0, 2))), "neither of them 0"),
        (lambda: saturation(Dense(3, code=1), TensorRows(torch.zeros(0, 3))), "at least 1 row"),
        (lambda: saturation(Dense(3, code=1), TensorRows(torch.eye(3)), margin=0.5), "between 0 and 0.5; got 0.5"),
        (lambda: jacobian_norm(Dense(3, code=1), TensorRows(torch.zeros(0, 3))), "at least 1 row"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(measure, message):
    with pytest.raises(InputError, match=message) as refused:
        measure()
    assert "\n" not in str(refused.value)


def test_units_at_an_end_are_counted_for_each_layer(monkeypatch):
    monkeypatch.setattr("layerwise.diagnostics.reconstruction.CHUNK", 3)
    model = Dense(1, (2,), code=2, layer=Layer(sigmoid), code_activation=tanh)
    with torch.no_grad():
        model.encoder[0].weight.copy_(torch.tensor([[1.0], [0.0]]))
        model.encoder[1].weight.zero_()
        model.encoder[1].bias.copy_(torch.tensor([-1.5, 1.4]))  # tanh is -0.905 and 0.885.
    x = torch.tensor([[-3.0], [-2.9], [0.0], [2.9], [3.0]])  # The sigmoid of 2.944 is 0.95.
    assert saturation(model, TensorRows(x)) == (pytest.approx(2 / 10), pytest.approx(1 / 2))
    assert saturation(model, TensorRows(x), margin=0.06) == (pytest.approx(4 / 10), pytest.approx(1.0))


def test_only_bounded_units_have_ends():
    rows = TensorRows(normal(20, FEATURES))
    assert saturation(Dense(FEATURES, (5, 4), code=2, layer=Layer(silu)), rows) == (None, None, None)
    assert saturation(Dense(FEATURES, (5,), code=2, layer=Layer(tanh), code_activation=relu), rows)[1] is None
    assert saturation(RestrictedBoltzmannMachine(FEATURES, 3), rows) == (0.0,)
    assert saturation(RestrictedBoltzmannMachine(FEATURES, 3, hidden=GaussianUnits()), rows) == (None,)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_norm_is_that_of_the_dense_jacobian(name, monkeypatch):
    monkeypatch.setattr("layerwise.diagnostics.sparseness.CELLS", 2 * FEATURES * 6)  # Some rows at a time.
    monkeypatch.setattr("layerwise.diagnostics.sparseness.ROWS", 2)
    model = ENCODERS[name].double().train()
    for number, parameter in enumerate(model.parameters()):
        parameter.data += 0.3 * normal(*parameter.shape, seed=number, dtype=torch.float64)
    found = jacobian_norm(model, TensorRows(X))
    each = norms(model, X)
    assert found == pytest.approx(float(each.mean()), rel=1e-12)
    squared = Contraction(probes=1000)(model(X), model)
    assert float(squared.detach()) == pytest.approx(float(each.square().mean()), rel=1e-10)
    assert found**2 <= float(squared.detach()) * (1 + 1e-12)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("model", [Dense(784, code=500, code_activation=sigmoid), Dense(784, (100,), code=30)])
def test_pictures_are_not_too_wide(model):
    x = normal(4, 784)
    found = jacobian_norm(model, TensorRows(x))
    assert found == pytest.approx(float(norms(model, x).mean()), rel=1e-5)
