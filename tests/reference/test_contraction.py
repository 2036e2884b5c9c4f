"""Penalties on the encoder's Jacobian against the dense Jacobian of `torch.func`."""

import pytest
import torch
from torch import Tensor
from torch.func import jacrev

from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models import (
    Autoencoder,
    Dense,
    Inputs,
    Layer,
    Maxout,
    Normalization,
    TopK,
    identity,
    relu,
    sigmoid,
    silu,
    tanh,
)
from layerwise.optim import Problem
from layerwise.penalties import Contraction, HigherOrderContraction, Penalty
from layerwise.randomness import generator
from layerwise.runtime import Runtime
from layerwise.training import Objective
from tests.cases import FEATURES, MODELS, normal

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
FLOAT = torch.float64
X = normal(5, FEATURES, dtype=FLOAT)
EXACT = 1000  # More probes than any code has units.
NEAR = 0.5

SHALLOW = {
    "sigmoid": Dense(FEATURES, code=4, code_activation=sigmoid),
    "tanh": Dense(FEATURES, code=9, code_activation=tanh),
    "relu": Dense(FEATURES, code=4, code_activation=relu),
    "identity": Dense(FEATURES, code=4),
    "silu": Dense(FEATURES, code=4, code_activation=silu),
    "top k": Dense(FEATURES, code=4, code_activation=TopK(2)),
    "tied": Dense(FEATURES, code=4, layer=Layer(tied=True), code_activation=tanh),
    "weight norm": Dense(FEATURES, code=4, layer=Layer(normalization=Normalization.WEIGHT), code_activation=tanh),
    "a block with dropout": Dense(FEATURES, (5,), code=2, layer=Layer(tanh, dropout=0.5)).block(0),
}
# One layer, and something beside or in it.
BESIDE = {
    "linear path": Dense(FEATURES, code=3, linear_path=True),
    "embeddings": Dense(Inputs(FEATURES, ((1, 4, 2),)), code=4, code_activation=tanh),
    "a block with layer norm": Dense(
        FEATURES, (5,), code=2, layer=Layer(tanh, normalization=Normalization.LAYER)
    ).block(0),
    "a block of maxout": Dense(FEATURES, (5,), code=2, layer=Layer(Maxout(3))).block(0),
}
DEEP = {name: model(0) for name, model in MODELS.items() if name != "batch norm"}
shallow = pytest.mark.parametrize("name", SHALLOW)


def in_double(model: Autoencoder) -> Autoencoder:
    model = model.double().train()
    for number, parameter in enumerate(model.parameters()):
        parameter.data += 0.1 * normal(*parameter.shape, seed=number, dtype=FLOAT)
    return model


def jacobians(model: Autoencoder, x: Tensor) -> Tensor:
    """Of each row, with the noise of the whole batch: entries between rows must be zero."""
    dense = jacrev(model.encode)(x).detach()
    rows = torch.arange(len(x))
    own = dense[rows, :, rows]
    torch.testing.assert_close(own.square().sum(), dense.square().sum(), rtol=1e-12, atol=0)
    return own


def contraction(model: Autoencoder) -> Tensor:
    return jacobians(model, X).square().sum((1, 2)).mean()


def higher_order(model: Autoencoder, level: float, samples: int) -> Tensor:
    """With the very draws of the penalty, written out once more."""
    noise, here, total = generator(model.noise_key, -4), jacobians(model, X), torch.zeros((), dtype=FLOAT)
    for _ in range(samples):
        there = X + level * torch.randn(X.shape, generator=noise, dtype=FLOAT)
        total += (here - jacobians(model, there)).square().sum((1, 2)).mean() / samples
    return total


def value(penalty: Penalty, model: Autoencoder, noise: int = 0) -> Tensor:
    return Problem(model, Objective(penalties={"it": (1.0, penalty)}), Batch(X, None), noise=noise).terms()["it"]


@shallow
def test_one_layer_is_exact(name):
    model = in_double(SHALLOW[name])
    found = Contraction()(model(X), model)
    torch.testing.assert_close(found, contraction(model), rtol=1e-12, atol=0)
    # Where the formula holds, the unit vectors give the same.
    torch.testing.assert_close(Contraction(EXACT)(model(X), model), found, rtol=1e-12, atol=0)


@shallow
def test_the_higher_order_of_one_layer_is_exact(name):
    model = in_double(SHALLOW[name])
    found = HigherOrderContraction(NEAR, samples=3)(model(X), model)
    torch.testing.assert_close(found, higher_order(model, NEAR, 3), rtol=1e-12, atol=1e-25)
    assert (found > 1e-12) == (name != "identity")


@pytest.mark.parametrize("name", [*DEEP, *BESIDE])
def test_as_many_probes_as_units_are_exact(name):
    model = in_double({**DEEP, **BESIDE}[name])
    run = model(X)
    torch.testing.assert_close(Contraction(EXACT)(run, model), contraction(model), rtol=1e-12, atol=0)
    found = HigherOrderContraction(NEAR, samples=1, probes=EXACT)(run, model)
    torch.testing.assert_close(found, higher_order(model, NEAR, 1), rtol=1e-12, atol=1e-25)


@pytest.mark.parametrize("name", BESIDE)
def test_what_is_more_than_a_layer_is_probed(name):
    model = in_double(BESIDE[name])
    assert value(Contraction(), model, 1) != value(Contraction(), model, 2)


@torch.no_grad()
def draws(penalty: Penalty, model: Autoencoder, number: int, *, copies: int = 1) -> Tensor:
    """For noise keys from 0 on; each of the copies of the rows has its own draws as well."""
    run, values = model(X.repeat(copies, 1)), []
    for noise in range(number):
        model.noise_key = noise
        values.append(penalty(run, model))
    return torch.stack(values)


@pytest.mark.parametrize("probes", [None, 2])
def test_probes_are_right_on_average(probes):
    model = in_double(Dense(FEATURES, (5,), code=4, layer=Layer(tanh)))
    found = draws(Contraction(probes), model, 1000)
    assert found.mean().item() == pytest.approx(contraction(model).item(), rel=0.02)
    assert found.std() > 0


@pytest.mark.parametrize("probes", [None, 2])
def test_higher_order_probes_are_right_on_average(probes):
    model = in_double(Dense(FEATURES, (5,), code=4, layer=Layer(tanh)))
    found, exact = (
        draws(HigherOrderContraction(NEAR, samples=1, probes=k), model, 50, copies=100).mean() for k in (probes, EXACT)
    )
    assert found.item() == pytest.approx(exact.item(), rel=0.02)


def test_more_probes_vary_less():
    model = in_double(Dense(FEATURES, (5,), code=4, layer=Layer(tanh)))
    spread = [draws(Contraction(k), model, 300).std() for k in (1, 3)]
    assert spread[1] < 0.75 * spread[0]


def test_the_limit_of_the_higher_order_is_the_second_derivative():
    model, level = in_double(Dense(FEATURES, code=3, code_activation=tanh)), 1e-3
    hessians = jacrev(jacrev(lambda x: model.encode(x[None])[0]))
    expected = torch.stack([hessians(x).square().sum() for x in X]).mean()
    found = HigherOrderContraction(level, samples=2000)(model(X), model) / level**2
    assert found.item() == pytest.approx(expected.item(), rel=0.05)


@pytest.mark.parametrize("penalty", [Contraction(), Contraction(1), HigherOrderContraction(NEAR, samples=2)])
@pytest.mark.parametrize("model", [SHALLOW["sigmoid"], BESIDE["linear path"], BESIDE["embeddings"], DEEP["dropout"]])
def test_the_gradient_is_that_of_finite_differences(penalty, model):
    problem = Problem(in_double(model), Objective(penalties={"it": (1.0, penalty)}), Batch(X, None), noise=3)
    leaves = [parameter.detach().requires_grad_() for parameter in problem.parameters]
    assert torch.autograd.gradcheck(lambda *moved: problem.loss(moved), leaves)


@pytest.mark.parametrize("name", ["sigmoid", "a block with dropout"])
def test_no_graph_is_needed_and_none_is_made(name):
    model = in_double(SHALLOW[name])
    run = model(X)
    for penalty in (Contraction(), Contraction(2), HigherOrderContraction(NEAR)):
        wanted = penalty(run, model)
        with torch.no_grad():
            found = penalty(model(X), model)
        assert torch.equal(found, wanted)
        assert wanted.requires_grad
        assert not found.requires_grad


@pytest.mark.parametrize("model", [SHALLOW["sigmoid"], DEEP["deep"]])
@pytest.mark.parametrize("penalty", [Contraction(), HigherOrderContraction(NEAR)])
def test_lower_precision_does_not_reach_the_jacobian(model, penalty):
    model = model.float()
    objective = Objective(penalties={"it": (1.0, penalty)})
    exact, rough = (
        Problem(model, objective, Batch(X.float(), None), runtime=Runtime("cpu", precision)).terms()["it"]
        for precision in ("float32", "bf16")
    )
    assert torch.equal(exact, rough)


@pytest.mark.parametrize("penalty", [Contraction(), HigherOrderContraction(NEAR)])
def test_batch_statistics_are_refused_in_training_only(penalty):
    model = MODELS["batch norm"](0).double().train()
    with pytest.raises(InputError, match="batch normalization does not allow in training"):
        value(penalty, model)
    assert value(penalty, model.eval()) > 0


def test_what_makes_no_sense_is_refused():
    for make in (
        lambda: Contraction(0),
        lambda: HigherOrderContraction(0.0),
        lambda: HigherOrderContraction(float("inf")),
        lambda: HigherOrderContraction(0.1, samples=0),
        lambda: HigherOrderContraction(0.1, probes=-1),
    ):
        with pytest.raises(InputError):
            make()
    model = SHALLOW["identity"]
    assert model.code_activation is identity
    with pytest.raises(InputError, match="needs an autoencoder; got Identity"):
        Contraction()(model.double()(X), torch.nn.Identity())
