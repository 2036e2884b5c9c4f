"""Jacobians, gradients, units and slices against what is known of them."""

import copy
import re

import pytest
import torch
from torch import nn

from layerwise.data import Batch
from layerwise.diagnostics import (
    dead_units,
    duplicate_units,
    filter_normalized,
    gradient_flow,
    gradient_sizes,
    isometry,
    jacobian_spectra,
    landscape,
    learning_course,
    loss_slice,
    optimizer_path,
    path_plane,
    saturated_units,
    weight_sizes,
)
from layerwise.errors import InputError
from layerwise.models import (
    Convolutional,
    Dense,
    Glorot,
    Layer,
    Orthogonal,
    Predictor,
    Residual,
    RestrictedBoltzmannMachine,
    Variational,
    identity,
    relu,
    sigmoid,
    tanh,
)
from layerwise.optim import LBFGS, FirstOrder, Problem, walk
from layerwise.training import Objective
from tests.cases import normal, seeded


def problem(model: Dense, rows: int = 20) -> Problem:
    return Problem(model, Objective(), Batch(normal(rows, 5), None))


def linear(depth: int) -> Dense:
    return Dense(5, (5,) * (depth - 1), code=5, layer=Layer(identity, initializer=Orthogonal()))


def test_the_jacobian_of_a_linear_net_is_the_product_of_its_weights() -> None:
    model = Dense(5, (4,), code=2, layer=Layer(identity, initializer=Glorot()))
    *layers, whole = jacobian_spectra(model, normal(2, 5))
    weights = [layer.weight for layer in (*model.encoder, *model.decoder)]
    for weight, layer in zip(weights, layers, strict=True):
        assert torch.allclose(layer.values[1], torch.linalg.svdvals(weight), atol=1e-5)
    product = torch.linalg.multi_dot(weights[::-1])
    assert torch.allclose(whole.values[0], torch.linalg.svdvals(product)[:2], atol=1e-5)


@pytest.mark.parametrize("depth", [1, 5, 20])
def test_products_of_orthogonal_layers_keep_all_lengths(depth: int) -> None:
    found = isometry(linear(depth), normal(3, 5))
    assert found.verdict == "fine"
    assert found.figures["least end to end"] == pytest.approx(1, abs=1e-5)
    assert found.figures["largest end to end"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_layers_that_shrink_or_stretch_are_seen(factor: float) -> None:
    model = linear(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(factor)
    found = isometry(model, normal(3, 5))
    assert found.verdict == "look"
    assert ("shrinks" in found.advice) is (factor < 1)


@pytest.mark.parametrize("model", [Convolutional((8, 8), (2, 3)), Dense(64, (4,), code=3)], ids=["pictures", "dense"])
def test_models_of_all_kinds_have_jacobians_and_units(model: nn.Module) -> None:
    x = normal(6, 64)
    assert jacobian_spectra(model, x)[-1].values.shape == (6, model.code)
    for find in (dead_units, saturated_units, duplicate_units):
        assert find(model, x).verdict == "fine"
    assert weight_sizes(model).verdict == "fine"


def test_gradients_are_those_of_a_backward_pass() -> None:
    model = Dense(5, (4,), code=2, layer=Layer(tanh))
    asked = problem(model)
    asked.loss().backward()
    expected = [layer.weight.grad.square().mean().sqrt().item() for layer in (*model.encoder, *model.decoder)]
    assert list(gradient_sizes(asked).values()) == pytest.approx(expected, rel=1e-5)


def test_deep_sigmoid_layers_let_gradients_vanish_and_linear_ones_do_not() -> None:
    deep = Dense(5, (20,) * 6, code=5, layer=Layer(sigmoid, initializer=Glorot()))
    assert gradient_flow(problem(deep)).verdict == "fault"
    assert gradient_flow(problem(linear(6))).verdict == "fine"


def test_silent_layers_beside_a_linear_path_are_no_fault() -> None:
    model = Dense(5, (8, 8), code=2, linear_path=True)
    found = gradient_flow(problem(model))
    assert found.verdict == "look"
    assert "principal components" in found.advice


@pytest.mark.parametrize(("activation", "find"), [(relu, dead_units), (sigmoid, saturated_units)])
def test_the_share_of_units_that_are_off(activation, find) -> None:
    model = Dense(5, (8,), code=2, layer=Layer(activation))
    with torch.no_grad():
        model.encoder[0].bias[:6] = -50.0
    found = find(model, normal(30, 5))
    assert found.verdict == "fault"
    assert found.figures["largest share of a layer"] >= 0.75
    assert "encoder 1" in found.advice


def test_units_that_repeat_another_one() -> None:
    model = Dense(5, (8,), code=2, layer=Layer(tanh))
    with torch.no_grad():
        model.encoder[0].weight[4:] = -model.encoder[0].weight[:4]
    assert duplicate_units(model, normal(30, 5)).figures["largest share of a layer"] == 0.5


def test_a_predictor_has_units_too() -> None:
    model = Predictor(5, (8, 4), outputs=3, layer=Layer(relu))
    assert dead_units(model, normal(30, 5)).figures["rectified layers"] > 0


@pytest.mark.parametrize("place", ["encoder", "decoder"])
@pytest.mark.parametrize(
    "model",
    [
        Convolutional((8, 8), (4, 4), activation=relu),
        Residual((9, 8), (4, 4), code=3, activation=relu),
        Variational(64, (8, 4), code=3, layer=Layer(relu)),
    ],
    ids=["convolutional", "residual", "variational"],
)
def test_dead_units_of_other_models_are_seen(model: nn.Module, place: str) -> None:
    model, x = copy.deepcopy(model), normal(6, 72 if isinstance(model, Residual) else 64)
    assert dead_units(model, x).figures["rectified layers"] >= 4
    assert dead_units(model, x).verdict == "fine"
    with torch.no_grad():
        first = getattr(model, "down" if (isinstance(model, Residual) and place == "encoder") else place)[0]
        (first[0].first if isinstance(first, nn.ModuleList) else first).bias.fill_(-1e3)
    found = dead_units(model, x)
    assert found.verdict == "fault"
    assert f"{place} 1" in found.advice


@pytest.mark.parametrize(
    "model", [Convolutional((8, 8), (4,), activation=tanh), Variational(64, (8,), code=3, layer=Layer(tanh))]
)
def test_saturated_units_of_other_models_are_seen(model: nn.Module) -> None:
    model, x = copy.deepcopy(model), normal(6, 64)
    assert saturated_units(model, x).verdict == "fine"
    with torch.no_grad():
        model.decoder[0].bias.fill_(1e3)
    assert "decoder 1" in saturated_units(model, x).advice


def test_a_channel_that_is_quiet_at_the_border_is_not_dead() -> None:
    model = Convolutional((8, 8), (4,), activation=relu)
    x = torch.zeros(3, 8, 8)
    x[:, 3:5, 3:5] = 9.0
    with torch.no_grad():
        model.encoder[0].weight.fill_(1.0)
        model.encoder[0].bias.fill_(-1.0)
    shares = dict(zip(*dead_units(model, x.flatten(1)).curves.values(), strict=True))
    assert shares["encoder 1"] == 0


@pytest.mark.parametrize("find", [dead_units, saturated_units])
def test_of_units_that_cannot_be_seen_nothing_is_claimed(find) -> None:
    found = find(RestrictedBoltzmannMachine(5, 4), torch.rand(6, 5, generator=seeded(0)))
    assert found.verdict == "look"
    assert "RestrictedBoltzmannMachine" in found.advice
    assert "cannot be seen" in found.advice


@pytest.mark.parametrize(("hidden", "verdict"), [((), "look"), ((4,), "fault")])
def test_weights_of_0_get_no_gradient_and_no_praise(hidden: tuple[int, ...], verdict: str) -> None:
    model = Dense(5, hidden, code=2, layer=Layer(tanh))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    flow, sizes, kept = gradient_flow(problem(model)), weight_sizes(model), isometry(model, normal(3, 5))
    assert (flow.verdict, sizes.verdict, kept.verdict) == (verdict, "look", "look")
    assert flow.figures["first to last"] == sizes.figures["size"] == kept.figures["mean of a layer"] == 0
    assert "No weight matrix gets any gradient" in flow.advice
    assert "All weights are 0" in sizes.advice
    assert "through encoder 1" in kept.advice


def test_a_linear_path_carries_what_silent_layers_do_not() -> None:
    model = Dense(5, (8, 8), code=2, linear_path=True)
    found = isometry(model, normal(3, 5))
    assert found.verdict == "fine"
    assert "linear path" in found.advice
    assert found.figures["least end to end"] == pytest.approx(1, abs=1e-5)
    for hidden in ((), (8, 8)):
        silent = Dense(5, hidden, code=2, linear_path=True)
        with torch.no_grad():
            for parameter in (*silent.encoder.parameters(), *silent.decoder.parameters()):
                parameter.mul_(0.01)
        sizes = weight_sizes(silent)
        assert sizes.verdict == "look"
        assert "beside the linear path" in sizes.advice
    with torch.no_grad():
        model.linear_path.encoder.zero_()
    assert "No small change gets through encoder" in isometry(model, normal(3, 5)).advice


def steps(losses: list[float]) -> list[dict]:
    return [{"event": "step", "phase": "p", "terms": {"a": value / 2, "b": value / 2}} for value in losses]


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (steps([5, 4, 3, 2, 1, 1, 1]), "fine"),
        (steps([1, 9, 20, 8, 9, 9, 9]), "fault"),
        (steps([1, 1, 1, 1.6, 1.7, 1.8, 1.7]), "fault"),
        (steps([5, 5, 5, 5, 5, 5]), "look"),
        ([*steps([5, 4]), {"event": "rollback", "phase": "p"}], "fault"),
        (steps([5, 4]), "fine"),
        ([], "fine"),
        ([{"event": "step", "phase": "earlier", "terms": {"a": 99.0}}, *steps([5, 4, 3, 2, 1])], "fine"),
    ],
)
def test_the_course_of_the_loss(rows: list[dict], verdict: str) -> None:
    assert learning_course(rows).verdict == verdict


def test_a_slice_has_the_losses_of_its_places() -> None:
    asked = problem(Dense(5, (4,), code=2, layer=Layer(tanh)))
    first, second = filter_normalized(asked), filter_normalized(asked, seed=1)
    found = loss_slice(asked, (first, second), reach=((-1, 1), (0, 2)), points=3)
    place = asked.flat(asked.parameters).detach() - first + 2 * second
    assert found.losses[0, 2] == pytest.approx(float(asked.at(place)[0]), rel=1e-6)
    with pytest.raises(InputError, match="at least 2 points"):
        loss_slice(asked, (first, second), points=1)


def test_directions_have_the_length_of_each_units_weights_and_no_biases() -> None:
    model = Dense(5, (4,), code=2)
    asked = problem(model)
    for parameter, piece in zip(asked.parameters, asked.split(filter_normalized(asked)), strict=True):
        if parameter.ndim == 1:
            assert not piece.any()
        else:
            assert torch.allclose(piece.norm(dim=1), parameter.norm(dim=1), rtol=1e-5)


def test_a_flat_path_lies_on_its_plane() -> None:
    basis = torch.linalg.qr(normal(7, 2).double()).Q
    path = normal(10, 2).double() @ basis.T
    found = path_plane(path)
    assert float(found.explained.sum()) == pytest.approx(1)
    assert torch.allclose(found.center + found.places @ found.directions, path, atol=1e-10)
    with pytest.raises(InputError, match="at least 3 points"):
        path_plane(path[:2])


def test_a_slice_on_which_something_is_infinite_is_still_told() -> None:
    model = Dense(5, (4,), code=2, layer=Layer(identity))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e9)
    assert landscape(problem(model), points=5).figures["loss here"] > 0


def test_the_path_of_an_optimizer_is_what_it_goes_through_and_moves_nothing() -> None:
    asked = problem(Dense(5, (4,), code=2, layer=Layer(tanh)))
    before = asked.point().clone()
    path = list(walk(asked, FirstOrder(torch.optim.SGD, lr=0.01), steps=3))
    assert torch.equal(asked.point(), before)
    assert torch.allclose(path[1], before - 0.01 * asked.at(before)[1])
    found = optimizer_path(asked, steps=10, points=9)
    assert torch.equal(asked.point(), before)
    assert found.figures["loss before"] == pytest.approx(asked.value(before))
    assert found.figures["loss after"] == pytest.approx(asked.value(list(walk(asked, LBFGS(), steps=10))[-1]))
    assert len(found.curves["places"]) == 11
    for places, axis in zip(zip(*found.curves["places"], strict=True), ("a", "b"), strict=True):
        assert found.curves[axis][0] < min(places)
        assert max(places) < found.curves[axis][-1]


@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        (LBFGS(), "take .* of the loss off: train longer"),
        (FirstOrder(torch.optim.SGD, lr=1e-7), "take 0.0% of the loss off: training may end"),
        (FirstOrder(torch.optim.SGD, lr=2.0), "raise the loss"),
    ],
)
def test_what_a_path_says_of_the_training(optimizer, said: str) -> None:
    asked = problem(Dense(5, (4,), code=2, layer=Layer(tanh)))
    assert re.search(said, optimizer_path(asked, optimizer, steps=4, points=3).advice)


def test_a_path_that_does_not_move_is_told() -> None:
    model = Dense(5, code=2)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    model.decoder[0].bias.requires_grad_(False)
    found = optimizer_path(problem(model), FirstOrder(torch.optim.SGD), steps=3)
    assert not found.curves
    assert "move no weight" in found.advice
