"""The potential of a shallow autoencoder: its slope is what the model would change."""

import pytest
import torch
from torch.func import grad

from layerwise.diagnostics import energy
from layerwise.errors import InputError
from layerwise.models import Dense, Inputs, Layer, Normalization, identity, relu, sigmoid, tanh
from tests.cases import normal, seeded

TIED = Layer(tied=True)
X = normal(20, 6, dtype=torch.float64)


def moved(model: Dense) -> Dense:
    """With biases and weights that are not those of the start."""
    model = model.double()
    for number, parameter in enumerate(model.parameters()):
        parameter.data += 0.3 * normal(*parameter.shape, seed=number, dtype=torch.float64)
    return model


@pytest.mark.parametrize("activation", [sigmoid, identity, relu])
@pytest.mark.parametrize("layer", [TIED, Layer(tied=True, normalization=Normalization.WEIGHT)])
@pytest.mark.parametrize("code", [3, 8])
def test_its_slope_is_reconstruction_less_input(activation, layer, code):
    model = moved(Dense(6, code=code, layer=layer, code_activation=activation))
    slope = grad(lambda x: energy(model, x).sum())(X)
    torch.testing.assert_close(slope, model(X).reconstruction - X, rtol=1e-10, atol=1e-10)
    assert energy(model, X).shape == (20,)
    torch.testing.assert_close(energy(model, X[:1]), energy(model, X)[:1])


def test_the_first_block_of_a_deep_model_has_one():
    model = moved(Dense(6, (4,), code=2, layer=Layer(sigmoid, tied=True)))
    block = model.block(0)
    slope = grad(lambda x: energy(block, x).sum())(X)
    torch.testing.assert_close(slope, block(X).reconstruction - X, rtol=1e-10, atol=1e-10)
    with pytest.raises(InputError, match="a linear output"):
        energy(model.block(1), block.encode(X))  # Its output is a hidden layer, which is a sigmoid's.


def test_rows_like_those_it_was_made_for_have_the_larger_energy():
    # PCA as an autoencoder: the potential falls with the distance from the plane.
    basis = torch.linalg.qr(normal(6, 2, dtype=torch.float64)).Q.T
    model = Dense(6, code=2, layer=TIED).double()
    model.encoder[0].weight.data = basis
    inside = torch.randn(20, 2, generator=seeded(1), dtype=torch.float64) @ basis
    outside = X - X @ basis.T @ basis
    expected = -outside.square().sum(1) / 2
    torch.testing.assert_close(energy(model, inside + outside), expected)


@pytest.mark.parametrize(
    "model",
    [
        Dense(6, code=3),
        Dense(6, (4,), code=3, layer=TIED),
        Dense(6, code=3, layer=TIED, output=sigmoid),
        Dense(6, code=3, linear_path=True),
        Dense(Inputs(6, ((1, 4, 2),)), code=3, layer=TIED),
        Dense(6, (4,), code=3, layer=Layer(identity, tied=True, dropout=0.5)).block(0),
        Dense(6, (4,), code=3, layer=Layer(identity, tied=True, normalization=Normalization.LAYER)).block(0),
    ],
)
def test_other_models_are_refused_in_one_line(model):
    with pytest.raises(InputError, match="only an autoencoder of one plain layer") as refused:
        energy(model.double(), X)
    assert "\n" not in str(refused.value)


def test_clipped_outputs_and_other_activations_are_refused():
    model = Dense(6, code=3, layer=TIED).double()
    assert energy(model, X).shape == (20,)
    model.bounds.set(torch.full((6,), -1.0), torch.full((6,), torch.inf))
    with pytest.raises(InputError, match="one plain layer"):
        energy(model, X)
    with pytest.raises(InputError, match="sigmoid, identity or relu"):
        energy(Dense(6, code=3, layer=TIED, code_activation=tanh).double(), X)
