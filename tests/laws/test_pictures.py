"""What every autoencoder of pictures owes, and what the plain one of the lecture is, exactly."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from layerwise import DeepAutoencoder, Objective
from layerwise.data import Batch, read
from layerwise.errors import InputError
from layerwise.models import Convolutional, Network, PictureAutoencoder, Residual, sigmoid
from layerwise.optim import Problem
from layerwise.penalties import L1, cross_entropy
from layerwise.storage import plain
from tests.cases import PICTURES, normal
from tests.passes import same, weights

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
SHAPES = [(8, 8), (9, 7), (5, 6, 3)]
models = pytest.mark.parametrize("name", PICTURES)
shapes = pytest.mark.parametrize("shape", SHAPES)


def made(name: str, shape: tuple[int, ...] = (8, 8), seed: int = 0) -> PictureAutoencoder:
    return PICTURES[name](shape, seed=seed)


@models
@shapes
def test_shapes(name, shape):
    model = made(name, shape)
    assert isinstance(model, Network)
    x = normal(4, model.features)
    run = model(x)
    assert run.reconstruction.shape == run.natural.shape == x.shape
    assert run.code.shape == (4, model.code)
    assert model.widths == (model.features, *[h.shape[1] for h in run.hidden], model.code)
    torch.testing.assert_close(model.encode(x), run.code)
    torch.testing.assert_close(model.decode(run.code), run.reconstruction)
    torch.testing.assert_close(model(x[:1]).reconstruction, run.reconstruction[:1])


@models
def test_every_parameter_gets_a_gradient(name):
    model = made(name).double()
    heard = {own: False for own, _ in model.named_parameters()}
    problem = Problem(model, Objective(), Batch(normal(9, model.features, dtype=torch.float64), None))
    # A residual block is silent at first; one step gives it a voice.
    for _ in range(2):
        for (own, parameter), gradient in zip(model.named_parameters(), problem.gradient()[1], strict=True):
            heard[own] |= bool(gradient.any())
            parameter.data -= 0.1 * gradient / gradient.norm().clamp(min=1e-9)
    assert [own for own, is_heard in heard.items() if not is_heard] == []


@models
def test_the_seed_decides_the_first_weights(name):
    first, again, other = (weights(made(name, seed=seed)) for seed in (3, 3, 4))
    assert all(torch.equal(value, again[own]) for own, value in first.items())
    assert any(not torch.equal(value, other[own]) for own, value in first.items() if value.any())


@models
def test_the_description_makes_the_same_model(name):
    model = made(name, (9, 7))
    again = type(model).from_config(model.config())
    assert again.config() == model.config()
    again.load_state_dict(model.state_dict())
    x = normal(3, model.features)
    assert same(model(x), again(x))
    assert same(copy.deepcopy(model)(x), model(x))
    assert model.config().least_bytes() <= sum(4 * p.numel() for p in model.parameters())


@models
def test_channels_are_last_in_a_row(name):
    model = made(name, (5, 6, 3))
    picture = normal(2, 5, 6, 3)
    assert torch.equal(model.pictures(picture.flatten(1)), picture.permute(0, 3, 1, 2))


def test_the_net_of_the_lecture():
    model = Convolutional((28, 28), output=sigmoid)
    found, layers = [], [module for module in model.modules() if type(module).__name__ == "Convolution"]
    for layer in layers:
        layer.register_forward_hook(lambda _, given, made: found.append((tuple(given[0].shape), tuple(made.shape))))
    run = model(normal(2, 784))
    assert run.code.shape == (2, 4 * 4 * 8)
    assert found == [
        ((2, 1, 28, 28), (2, 16, 28, 28)),
        ((2, 16, 14, 14), (2, 8, 14, 14)),
        ((2, 8, 7, 7), (2, 8, 7, 7)),
        ((2, 8, 4, 4), (2, 8, 4, 4)),
        ((2, 8, 8, 8), (2, 8, 8, 8)),
        ((2, 8, 16, 16), (2, 16, 14, 14)),
        ((2, 16, 28, 28), (2, 1, 28, 28)),
    ]
    assert sum(p.numel() for p in model.parameters()) == 4385


def test_a_residual_block_is_the_identity_at_first():
    deep, shallow = (Residual((8, 8), (3,), code=2, blocks=blocks) for blocks in (2, 0))
    shallow.load_state_dict({k: v for k, v in deep.state_dict().items() if k in shallow.state_dict()})
    x = normal(3, 64)
    torch.testing.assert_close(deep(x).reconstruction, shallow(x).reconstruction)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Convolutional((6, 8)), r"3 stages need pictures of at least 8 pixels a side.*got the shape \(6, 8\)"),
        (lambda: Convolutional((28, 28), ()), "0 stages need"),
        (lambda: Residual((8, 8), code=0), "the code must have at least 1 unit; got 0"),
    ],
)
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


def digits() -> np.ndarray:
    return (load_digits().data.reshape(-1, 8, 8) * 15.9).astype(np.uint8)[:300]


def test_an_estimator_trains_saves_and_reports_them(tmp_path):
    network = partial(Residual, channels=(4,), code=6, output=sigmoid)
    arguments = {"hidden_layer_sizes": network, "fidelity": cross_entropy, "max_epochs": 2, "random_state": 0}
    encoder = DeepAutoencoder(penalties={"sparsity": (1e-3, L1())}, **arguments).fit(read(digits()))
    assert encoder.metrics_["n_components"] == 6
    assert encoder.transform(digits().reshape(300, -1)).shape == (300, 6)
    encoder.save(tmp_path / "model")
    again = DeepAutoencoder.load(tmp_path / "model")
    assert isinstance(again.model_, Residual)
    assert np.array_equal(again.transform(read(digits())), encoder.transform(read(digits())))
    assert plain(again.metrics_) == plain(encoder.metrics_)
    encoder.report(tmp_path / "page.html")
    flat = DeepAutoencoder(**arguments).fit(digits().reshape(300, -1))
    assert flat.model_.shape == (8, 8, 1)
    _, model, recipe = DeepAutoencoder(**arguments).plan(read(digits()))
    assert model.widths == (64, 64, 6)
    assert recipe[0].name == "train"


def test_an_estimator_refuses_them_for_tables():
    table, flat = np.random.default_rng(0).normal(size=(50, 6)), digits().reshape(300, -1)
    with pytest.raises(InputError, match="is for pictures; these rows are a table"):
        DeepAutoencoder(hidden_layer_sizes=partial(Residual, code=2)).fit(table)
    with pytest.raises(InputError, match="needs the shape of the pictures; found rows of 70 pixels"):
        DeepAutoencoder(hidden_layer_sizes=partial(Residual, code=2)).fit(np.column_stack([flat, flat[:, :6]]))
    with pytest.raises(InputError, match=r"must make a model of 64 pixels from the shape \(8, 8\); got Residual"):
        DeepAutoencoder(hidden_layer_sizes=lambda shape: Residual((16, 16), code=2)).fit(read(digits()))
