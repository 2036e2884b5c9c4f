"""What an estimator refuses, and in which words."""

import numpy as np
import pandas as pd
import pytest
import torch

from layerwise import DeepAutoencoder, InputError
from layerwise.corruptions import Masking
from layerwise.penalties import L1
from layerwise.recipes import Setting, default

X = np.random.default_rng(0).normal(size=(40, 4))

REFUSED = [
    {"n_components": 2.5},
    {"n_components": 0},
    {"n_components": True},
    {"hidden_layer_sizes": 5},
    {"hidden_layer_sizes": "x"},
    {"hidden_layer_sizes": (4, 0)},
    {"layer": "relu"},
    {"linear_path": "q"},
    {"scaling": "robust"},
    {"fidelity": "mse"},
    {"corruption": 0.1},
    {"corruption": "noise"},
    {"penalties": {"sparse": 1}},
    {"penalties": {"sparse": (L1(), 1.0)}},
    {"recipe": "unknown"},
    {"recipe": [1]},
    {"max_epochs": 2.5},
    {"max_epochs": 0},
    {"batch_size": 1.5},
    {"learning_rate": 0},
    {"learning_rate": np.inf},
    {"validation_fraction": 1.2},
    {"test_fraction": -0.1},
    {"device": None},
    {"warm_start": "yes"},
]


@pytest.mark.parametrize("arguments", REFUSED, ids=str)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "plan"])
def test_a_wrong_argument_is_named(arguments, method):
    encoder = DeepAutoencoder(**arguments)
    with pytest.raises(InputError, match=f"^{next(iter(arguments))} must be .*; got "):
        getattr(encoder, method)(X)
    assert not hasattr(encoder, "model_")


@pytest.mark.parametrize("argument", [{"max_epochs": 3}, {"batch_size": 4}, {"corruption": Masking(0.1)}])
def test_an_argument_of_the_default_recipe_beside_another_recipe(argument):
    with pytest.raises(InputError, match=f"^{next(iter(argument))} is an argument of the default recipe"):
        DeepAutoencoder(2, recipe=default, **argument).fit(X)


def test_numpy_numbers_are_numbers():
    encoder = DeepAutoencoder(np.int64(2), hidden_layer_sizes=[np.int32(8)], learning_rate=np.float32(0.01))
    assert encoder.set_params(max_epochs=np.int64(1)).fit(X).transform(X).shape == (40, 2)


def test_infinities_are_named_in_arrays():
    x = X.copy()
    x[4, 1] = np.inf
    for given in (x, x.tolist()):
        with pytest.raises(InputError, match=r"'x1' must be finite; found inf in row 4"):
            DeepAutoencoder(2, max_epochs=1).fit(given)


def test_two_columns_of_one_name():
    with pytest.raises(InputError, match="'a'"):
        DeepAutoencoder(2, max_epochs=1).fit(pd.DataFrame(X, columns=["a", "b", "a", "c"]))


def test_codes_that_are_not_numbers():
    encoder = DeepAutoencoder(2, max_epochs=1, random_state=0).fit(X)
    codes = encoder.transform(X)
    codes[7, 1] = np.nan
    with pytest.raises(InputError, match=r"finite; found .* in row 7"):
        encoder.inverse_transform(codes)


def test_another_code_does_not_go_on():
    encoder = DeepAutoencoder(2, max_epochs=1, warm_start=True).fit(X)
    before = [parameter.clone() for parameter in encoder.model_.parameters()]
    with pytest.raises(InputError, match="warm_start=True the widths must stay"):
        encoder.set_params(n_components=3).fit(X)
    assert all(torch.equal(old, new) for old, new in zip(before, encoder.model_.parameters(), strict=True))


def test_the_default_code_counts_columns_and_not_features():
    words = np.random.default_rng(1).choice(list("abcdefghijklmnopqrstuvwxyz"), 400)
    frame = pd.DataFrame({"word": words, **{f"n{i}": np.random.default_rng(i).normal(size=400) for i in range(8)}})
    assert DeepAutoencoder(max_epochs=1).fit(frame).model_.code == 3


def test_the_default_recipe_knows_pictures():
    table, pictures = (default(Setting(50_000, pictures=kind))[0] for kind in (False, True))
    assert table.corruption is not None
    assert pictures.corruption is None
    assert pictures.epochs == 55
    assert default(Setting(500, pictures=True))[0].corruption is not None
