"""The first weights of every estimator, by an initializer or its name."""

import numpy as np
import pytest
import torch

from layerwise import (
    AutoencoderDetector,
    AutoencoderImputer,
    DeepAutoencoder,
    StackedClassifier,
    VariationalAutoencoder,
)
from layerwise.errors import InputError
from layerwise.estimators.arguments import layer_of
from layerwise.models import Glorot, Layer, LayerSequentialUnitVariance, PrincipalDirections, Sparse, sigmoid

X = np.random.default_rng(0).normal(size=(60, 6)) @ np.random.default_rng(1).normal(size=(6, 6)) + 2
Y = (X[:, 0] > 2).astype(int)


@pytest.mark.parametrize("name", ["sparse:3", "lsuv", "pca"])
@pytest.mark.parametrize(
    "make",
    [
        lambda layer: DeepAutoencoder(2, hidden_layer_sizes=(5,), layer=layer, max_epochs=1, random_state=0),
        lambda layer: VariationalAutoencoder(2, hidden_layer_sizes=(5,), layer=layer, max_epochs=1, random_state=0),
        lambda layer: AutoencoderDetector(2, hidden_layer_sizes=(5,), layer=layer, n_members=1, random_state=0),
        lambda layer: AutoencoderImputer(hidden_layer_sizes=(5,), layer=layer, random_state=0),
        lambda layer: StackedClassifier((5,), layer=layer, max_epochs=1, random_state=0),
    ],
    ids=["autoencoder", "variational", "detector", "imputer", "classifier"],
)
def test_every_estimator_starts_from_the_weights_of_a_name(make, name):
    rows = np.where(np.random.default_rng(2).random(X.shape) < 0.1, np.nan, X)
    estimator = make(name).fit(rows, Y)
    assert estimator.history_.phases()
    assert all(torch.isfinite(weight).all() for weight in estimator.model_.parameters())


def test_rows_decide_where_a_model_starts():
    _, model, _ = DeepAutoencoder(2, hidden_layer_sizes=(5,), layer="lsuv", random_state=0).plan(X)
    assert isinstance(model.layer.initializer, LayerSequentialUnitVariance)
    # As it was without an initializer.
    assert model.layer.dropout == Layer(dropout=0.3).dropout
    _, model, _ = DeepAutoencoder(2, layer=PrincipalDirections(), recipe="vincent2010", random_state=0).plan(X)
    assert (model.layer.activation, model.layer.initializer) == (sigmoid, PrincipalDirections())


def test_a_layer_an_initializer_or_a_name():
    usual = Layer(sigmoid, dropout=0.1)
    assert layer_of(None, usual) is usual
    assert layer_of(Layer(), usual) == Layer()
    assert layer_of(Glorot(), usual) == Layer(sigmoid, Glorot(), dropout=0.1)
    assert layer_of("sparse:4", usual) == Layer(sigmoid, Sparse(4), dropout=0.1)


REFUSED = [
    ("xavier", "an initializer of layerwise.models, or one of glorot, .*sparse:15; got 'xavier'"),
    (3, "layer must be None or a Layer"),
]


@pytest.mark.parametrize(("layer", "message"), REFUSED)
def test_what_is_no_layer_is_refused(layer, message):
    with pytest.raises(InputError, match=message):
        DeepAutoencoder(2, layer=layer).fit(X)
