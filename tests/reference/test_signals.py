"""First weights and gains against their formulas, and the size of a signal on its way through many layers."""

import math

import pytest
import torch

from layerwise.errors import InputError
from layerwise.models import (
    DenseLayer,
    Gaussian,
    Glorot,
    He,
    Initializer,
    Layer,
    Maxout,
    Orthogonal,
    TopK,
    gain,
    identity,
)
from tests.cases import ACTIVATIONS, INITIALIZERS, normal, seeded

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
activations = pytest.mark.parametrize("name", ACTIVATIONS)


def draw(initializer: Initializer, outputs: int, inputs: int, *, gain: float, seed: int = 0) -> torch.Tensor:
    return initializer(outputs, inputs, gain=gain, generator=seeded(seed))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_an_initializer_repeats_and_gives_what_is_asked_for(name):
    first, again, other = (draw(INITIALIZERS[name], 5, 3, gain=1.5, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (5, 3)
    assert first.dtype == torch.float32
    assert first.is_contiguous()


@pytest.mark.parametrize("g", [1.0, 1.7])
@pytest.mark.parametrize(("outputs", "inputs"), [(8, 8), (5, 9), (9, 5), (1, 4), (4, 1)])
def test_orthogonal_rows_or_columns(outputs, inputs, g):
    weight = draw(Orthogonal(), outputs, inputs, gain=g)
    product = weight @ weight.T if outputs <= inputs else weight.T @ weight
    torch.testing.assert_close(product, g**2 * torch.eye(min(outputs, inputs)), atol=1e-5, rtol=0)


def test_orthogonal_matrices_are_uniformly_distributed():
    # Without the right sign the diagonal would have a preferred one (Mezzadri 2007, section 4).
    diagonals = torch.stack([draw(Orthogonal(), 3, 3, gain=1.0, seed=seed).diagonal() for seed in range(600)])
    assert diagonals.mean(0).abs().max().item() < 5 / (3 * 600) ** 0.5
    torch.testing.assert_close(diagonals.square().mean(0), torch.full((3,), 1 / 3), atol=0.06, rtol=0)


@pytest.mark.parametrize(("outputs", "inputs"), [(400, 100), (100, 400)])
@pytest.mark.parametrize(
    ("initializer", "variance"),
    [
        (Glorot(), lambda outputs, inputs, g: g**2 * 2 / (inputs + outputs)),
        (He(), lambda outputs, inputs, g: g**2 / inputs),
        (He(0.5), lambda outputs, inputs, g: (0.5 * g) ** 2 / inputs),
        (Orthogonal(), lambda outputs, inputs, g: g**2 / max(inputs, outputs)),
        (Gaussian(0.02), lambda outputs, inputs, g: 0.02**2),
    ],
)
def test_variances(initializer, variance, outputs, inputs):
    weight = draw(initializer, outputs, inputs, gain=1.3)
    expected = variance(outputs, inputs, 1.3)
    assert abs(weight.mean().item()) < 5 * (expected / weight.numel()) ** 0.5
    assert weight.var().item() == pytest.approx(expected, rel=5 * (2 / weight.numel()) ** 0.5)


def test_glorot_is_uniform():
    weight, bound = draw(Glorot(), 200, 300, gain=2.0), 2 * math.sqrt(6 / 500)
    assert weight.abs().max().item() <= bound
    shares = torch.histc(weight, 10, -bound, bound) / weight.numel()
    torch.testing.assert_close(shares, torch.full((10,), 0.1), atol=0.01, rtol=0)


@activations
@pytest.mark.parametrize("units", [4, 30])
def test_the_gain_is_that_of_many_draws(name, units):
    activation = ACTIVATIONS[name]
    pieces = activation.pieces if isinstance(activation, Maxout) else 1
    squares = activation(normal(20_000, units * pieces, dtype=torch.float64)).square().mean(1)
    error = squares.std().item() / len(squares) ** 0.5
    assert gain(activation, units=units) ** -2 == pytest.approx(squares.mean().item(), abs=5 * error)


def test_the_gain_of_the_largest_needs_to_know_of_how_many():
    assert gain(TopK(7), units=7) == pytest.approx(1.0)
    with pytest.raises(InputError, match="give units"):
        gain(TopK(3))


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("identity", 1.0),
        ("relu", math.sqrt(2)),
        ("leaky_relu", math.sqrt(2 / (1 + 0.01**2))),
        ("selu", 1.0),
        ("maxout:2", 1.0),
        ("maxout:3", (1 + math.sqrt(3) / (2 * math.pi)) ** -0.5),
    ],
)
def test_gains_that_are_known(name, exact):
    assert gain(ACTIVATIONS[name]) == pytest.approx(exact, rel=1e-3)


def test_an_activation_that_works_in_place_leaves_the_next_gain_alone():
    before = gain(identity)
    gain(torch.nn.ReLU(inplace=True))
    assert gain(identity) == before


@activations
@pytest.mark.parametrize("initializer", [Orthogonal(), He()])
def test_a_signal_keeps_its_size_through_ten_layers(name, initializer):
    layer = Layer(ACTIVATIONS[name], initializer)
    # What comes before the activations has mean square 1 at the start, as the gain assumes.
    signal = ACTIVATIONS[name](normal(200, 256 * (layer_pieces(layer))))
    start = signal.square().mean().item()
    for place in range(10):
        with torch.no_grad():
            signal = DenseLayer(256, 256, layer=layer, seed=3, place=place)(signal)
    assert 0.4 < signal.square().mean().item() / start < 2.5


def layer_pieces(layer: Layer) -> int:
    return layer.activation.pieces if isinstance(layer.activation, Maxout) else 1


def test_without_the_gain_it_would_not():
    signal = normal(200, 256)
    for place in range(10):
        weight = draw(He(), 256, 256, gain=1.0, seed=place)
        signal = torch.relu(signal @ weight.T)
    assert signal.square().mean().item() < 0.01
