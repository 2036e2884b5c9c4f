"""Linear nets beside the theory of their learning: curves, what is conserved, and the singular values of products."""

import numpy as np
import pytest
import torch

from layerwise.diagnostics import (
    Modes,
    conserved,
    deep_theory,
    end_to_end,
    is_linear,
    learning_dynamics,
    learning_time,
    mode_strengths,
    modes_of,
    theory,
)
from layerwise.errors import InputError
from layerwise.models import (
    Dense,
    DenseLayer,
    Gaussian,
    Glorot,
    Inputs,
    Layer,
    Normalization,
    Orthogonal,
    Predictor,
    identity,
    tanh,
)
from layerwise.optim import FirstOrder
from layerwise.penalties import prediction_error
from layerwise.training import History, Objective, Phase, StepEnd, Targeted, TensorRows, fit
from tests.cases import CPU, normal, seeded

LINEAR = Layer(identity)
TAU_PER_RATE = 2  # The squared error has no 1/2.


def task(strengths: list[float], outputs: int = 6) -> tuple[torch.Tensor, torch.Tensor, Modes]:
    """White inputs, and a map of them with the given singular values."""
    count = len(strengths)
    x = Orthogonal()(8, count, gain=8**0.5, generator=seeded(1))
    left = Orthogonal()(outputs, count, gain=1.0, generator=seeded(2))
    right = Orthogonal()(count, count, gain=1.0, generator=seeded(3))
    y = x @ right @ torch.diag(torch.tensor(strengths)) @ left.T
    return x, y, modes_of(x, y)


def net(modes: Modes, initial: float, *, ratio: float = 1.0, layers: int = 2) -> Predictor:
    """A linear net whose modes are set apart, each with the given strength; the last layer `ratio` times the others."""
    count = len(modes.strengths)
    model = Predictor(len(modes.inputs), [count] * (layers - 1), outputs=len(modes.outputs), layer=LINEAR)
    size = initial ** (1 / layers)
    rotations = [Orthogonal()(count, count, gain=1.0, generator=seeded(10 + place)) for place in range(layers - 1)]
    left, right = [*rotations, modes.outputs], [modes.inputs, *rotations]
    with torch.no_grad():
        for layer, out, into in zip((*model.encoder, *model.decoder), left, right, strict=True):
            assert isinstance(layer, DenseLayer)
            layer.weight.copy_(size * out @ into.T)
        model.last.weight.mul_(ratio)
    return model


def trained(model: Predictor, x: torch.Tensor, y: torch.Tensor, *, modes: Modes, rate: float, steps: int) -> np.ndarray:
    """The strengths after each step of gradient descent; biases stay 0."""
    curve = [mode_strengths(model, modes)]
    for layer in (*model.encoder, *model.decoder):
        assert isinstance(layer, DenseLayer)
        assert layer.bias is not None
        layer.bias.requires_grad_(False)

    def measure(event: object) -> None:
        if isinstance(event, StepEnd):
            curve.append(mode_strengths(model, modes))

    phase = Phase("train", Objective(prediction_error), FirstOrder(torch.optim.SGD, lr=rate), steps)
    fit(model, Targeted(TensorRows(x), y), [phase], history=History(watch=[measure]), runtime=CPU)
    return torch.stack(curve).numpy()


def test_the_modes_of_a_three_layer_net_follow_equation_12_within_one_percent():
    strengths, rate, steps = [2.0, 1.4, 1.0], 3e-3, 480
    x, y, modes = task(strengths)
    curve = trained(net(modes, 0.05), x, y, modes=modes, rate=rate, steps=steps)
    times = TAU_PER_RATE * rate * np.arange(steps + 1)
    for number, strength in enumerate(strengths):
        expected = theory(times, strength=strength, initial=0.05)
        assert np.abs(curve[:, number] - expected).max() < 0.01 * strength
        # All of the sigmoid was seen.
        assert expected[0] <= 0.05 * strength < 0.9 * strength < expected[-1]


def test_deeper_nets_follow_equation_15_within_one_percent():
    strengths, rate, steps = [2.0, 1.7], 2e-3, 300
    x, y, modes = task(strengths)
    curve = trained(net(modes, 0.1, layers=4), x, y, modes=modes, rate=rate, steps=steps)
    times = TAU_PER_RATE * rate * np.arange(steps + 1)
    for number, strength in enumerate(strengths):
        expected = deep_theory(times, strength=strength, initial=0.1, layers=4)
        assert np.abs(curve[:, number] - expected).max() < 0.01 * strength
        assert expected[-1] > 0.75 * strength


def test_what_is_conserved_changes_in_proportion_to_the_step():
    x, y, modes = task([3.0, 2.0, 1.0])
    drifts = []
    for rate in (8e-3, 4e-3):
        model = net(modes, 0.1, ratio=3.0)
        before = conserved(model)[0]
        trained(model, x, y, modes=modes, rate=rate, steps=round(0.8 / rate))
        drifts.append((conserved(model)[0] - before).norm().item() / before.norm().item())
    assert drifts[1] < 0.05
    assert drifts[0] / drifts[1] == pytest.approx(2, rel=0.1)


def test_products_of_orthogonal_matrices_have_singular_values_of_1():
    model = Dense(100, (100,) * 49, code=100, layer=LINEAR)
    assert (torch.linalg.svdvals(end_to_end(model)) - 1).abs().max().item() < 1e-5


@pytest.mark.parametrize("initializer", [Glorot(), Gaussian(0.1)])
def test_those_of_others_do_not(initializer):
    values = torch.linalg.svdvals(end_to_end(Dense(100, (100,) * 9, code=100, layer=Layer(identity, initializer))))
    assert values.max() / values.median() > 10


def test_the_differential_equation_and_its_solution_agree():
    times = np.linspace(0, 4, 30)
    for strength, variance in ((2.0, 1.0), (3.0, 3.0), (0.7, 0.2)):
        exact = theory(times, strength=strength, initial=1e-4, variance=variance)
        solved = deep_theory(times, strength=strength, initial=1e-4, variance=variance, layers=2)
        np.testing.assert_allclose(solved, exact, rtol=1e-5)


def test_the_equation_as_it_is_printed():
    s, u0, t = 1.3, 0.02, 0.9
    expected = s * np.exp(2 * s * t) / (np.exp(2 * s * t) - 1 + s / u0)
    assert theory(np.array([t]), strength=s, initial=u0)[0] == pytest.approx(expected, rel=1e-12)
    assert learning_time(strength=s, initial=u0, final_strength=expected) == pytest.approx(t, rel=1e-9)
    # It does not overflow.
    assert theory(np.array([1e6]), strength=s, initial=u0)[0] == s


def test_a_linear_autoencoder_learns_its_components_by_their_variances():
    x = normal(64, 3) @ torch.diag(torch.tensor([1.4, 1.2, 1.0]))
    modes = modes_of(x, x)
    torch.testing.assert_close(modes.strengths, modes.variances)
    rate, steps = 3e-3, 400
    model = net(modes, 0.05)
    curve = trained(model, x, x, modes=modes, rate=rate, steps=steps)
    times = TAU_PER_RATE * rate * np.arange(steps + 1)
    for number, strength in enumerate(modes.strengths.tolist()):
        expected = theory(times, strength=strength, initial=0.05, variance=strength)
        assert np.abs(curve[:, number] - expected).max() < 0.01
        assert expected[-1] > 0.75


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Dense(3, (3,), code=2, layer=Layer(tanh)), "layer 1 is not"),
        (Dense(3, (3,), code=2, layer=Layer(identity, normalization=Normalization.BATCH)), "layer 1 is not"),
        (Dense(3, code=2, linear_path=True), "one chain of layers"),
        (Dense(Inputs(4, ((0, 4, 3),)), code=2, layer=LINEAR), "one chain of layers"),
    ],
)
def test_what_is_not_linear_is_refused(model, message):
    with pytest.raises(InputError, match=message):
        end_to_end(model)


@pytest.mark.parametrize("hidden", [(), (6,), (2, 9, 3)])
def test_a_net_that_is_begun_again_follows_the_theory(hidden):
    x = normal(64, 5) @ torch.diag(torch.tensor([2.0, 1.7, 1.4, 0.5, 0.1]))
    model = Dense(5, hidden, code=3, layer=LINEAR)
    before = [parameter.clone() for parameter in model.parameters()]
    found = learning_dynamics(model, x)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    room = min(3, *hidden) if hidden else 3
    assert found.figures["room for modes"] == room
    assert found.figures["largest distance from the theory"] < 0.02
    # All of the sigmoids was seen.
    assert all(curve[0] < 0.04 and curve[-1] > 0.89 for curve in found.curves["measured"])
    assert len(found.curves["measured"]) == len(found.curves["theory"]) == room


def test_what_a_linear_model_has_learned_is_counted():
    x = normal(64, 4) @ torch.diag(torch.tensor([2.0, 1.5, 1.0, 0.5]))
    modes, model = modes_of(x, x), Dense(4, code=2, layer=LINEAR)
    for count, verdict in ((2, "fine"), (1, "look")):
        with torch.no_grad():
            model.encoder[0].weight.copy_(modes.inputs[:, :2].T)
            model.encoder[0].weight[count:] *= 0.1
            model.decoder[0].weight.copy_(modes.inputs[:, :2])
        found = learning_dynamics(model, x)
        assert (found.figures["modes learned"], found.verdict) == (count, verdict)
        assert found.curves["present"] == pytest.approx([1.0, 1.0 if count == 2 else 0.1], abs=1e-5)
    longer = float(modes.strengths[0] / modes.strengths[1])
    assert f"mode 2 takes {longer:.2g} times as long" in found.advice


def test_only_a_chain_of_linear_layers_is_linear():
    assert is_linear(Dense(3, (3,), code=2, layer=LINEAR))
    assert not is_linear(Dense(3, (3,), code=2, layer=Layer(tanh)))
    assert not is_linear(Dense(3, code=2, linear_path=True))
    assert not is_linear(Predictor(3, (2,), outputs=2, layer=LINEAR))


def test_impossible_numbers_are_refused():
    times = np.array([0.0, 1.0])
    with pytest.raises(InputError, match="initial must be above 0"):
        theory(times, strength=1.0, initial=0.0)
    with pytest.raises(InputError, match="below 2; got 2"):
        learning_time(strength=2.0, initial=0.1, final_strength=2.0)
    with pytest.raises(InputError, match="do not fall"):
        deep_theory(times[::-1], strength=1.0, initial=0.1, layers=3)
    with pytest.raises(InputError, match="the model has"):
        mode_strengths(Dense(3, code=2, layer=LINEAR), modes_of(torch.eye(2), torch.eye(2)))
