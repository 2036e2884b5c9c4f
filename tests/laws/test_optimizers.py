"""What every optimizer owes: it gets there, it continues exactly from its state, and it obeys its rate."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from layerwise.data import Batch
from layerwise.models import Dense, PrincipalComponents
from layerwise.optim import FirstOrder, Problem
from layerwise.penalties import L1, squared_error
from layerwise.training import Cosine, Objective, Phase, TensorRows, fit
from tests.cases import CPU, FEATURES, MODELS, OPTIMIZERS, normal, rows_with_holes

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
optimizers = pytest.mark.parametrize("name", OPTIMIZERS)
OBJECTIVE = Objective(penalties={"sparsity": (0.1, L1())})


def plane() -> Tensor:
    """Rows near a plane, with unequal variances."""
    scales = torch.tensor([1.5, 1.2, 0.5, 0.5, 0.4, 0.4])
    return normal(60, FEATURES, seed=1) * scales @ torch.linalg.qr(normal(FEATURES, FEATURES, seed=2))[0] + 0.2


def problems(model: nn.Module, count: int) -> list[Problem]:
    assert isinstance(model, Dense)
    model.train()
    return [Problem(model, OBJECTIVE, rows_with_holes(12, seed=seed), noise=seed) for seed in range(count)]


def weights(model: nn.Module) -> list[Tensor]:
    return [value.clone() for value in model.state_dict().values()]


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@optimizers
def test_a_linear_autoencoder_becomes_pca(name):
    x = plane()
    exact = (PrincipalComponents.fit(TensorRows(x), 2).reconstruct(x) - x).square().sum(1).mean().item()
    model = Dense(FEATURES, code=2)
    if isinstance(OPTIMIZERS[name], FirstOrder):
        phase = Phase("solve", Objective(), OPTIMIZERS[name], epochs=250, schedule=Cosine())
    else:
        phase = Phase("solve", Objective(), OPTIMIZERS[name], epochs=20)
    fit(model, TensorRows(x), [phase], runtime=CPU)
    with torch.no_grad():
        reached = squared_error(model(x), Batch(x, None)).item()
    assert exact * (1 - 1e-5) <= reached <= exact * 1.01


@optimizers
def test_it_continues_from_its_state(name):
    model = MODELS["dropout"](0)
    stepper = OPTIMIZERS[name].start(model)
    for problem in problems(model, 3):
        stepper.step(problem)
    twin, state = copy.deepcopy(model), stepper.state()
    kept = {key: value.clone() for key, value in state.items()}
    for problem in problems(model, 6)[3:]:
        stepper.step(problem)
    assert all(torch.equal(state[key], value) for key, value in kept.items()), "the state is a copy"

    fresh = OPTIMIZERS[name].start(twin)
    fresh.restore(state)
    for problem in problems(twin, 6)[3:]:
        fresh.step(problem)
    assert equal(weights(twin), weights(model))
    assert {key: value.tolist() for key, value in fresh.state().items()} == {
        key: value.tolist() for key, value in stepper.state().items()
    }


@optimizers
def test_its_state_counts(name):
    model = MODELS["dropout"](0)
    stepper = OPTIMIZERS[name].start(model)
    for problem in problems(model, 3):
        stepper.step(problem)
    twin = copy.deepcopy(model)
    stepper.step(problems(model, 4)[3])
    OPTIMIZERS[name].start(twin).step(problems(twin, 4)[3])
    assert equal(weights(twin), weights(model)) == (not stepper.state())
    assert bool(stepper.state()) == (name != "SGD")


@optimizers
def test_it_gives_the_terms_before_the_step(name):
    model = MODELS["under-complete"](0)
    problem = problems(model, 1)[0]
    before = {term: value.item() for term, value in problem.terms().items()}
    terms = OPTIMIZERS[name].start(model).step(problem)
    assert {term: value.item() for term, value in terms.items()} == before
    assert problem.loss().item() < sum(before.values())


@optimizers
def test_rate_zero_moves_nothing(name):
    model = MODELS["under-complete"](0)
    before = weights(model)
    OPTIMIZERS[name].start(model).step(problems(model, 1)[0], rate=0.0)
    assert equal(weights(model), before)


@optimizers
@pytest.mark.parametrize("rate", [0.25, 0.5])
def test_the_rate_scales_the_first_step(name, rate):
    steps = []
    for factor in (1.0, rate):
        model = MODELS["under-complete"](0).double()
        problem = Problem(model, OBJECTIVE, rows_with_holes(12, dtype=torch.float64))
        before = problem.flat(problem.parameters).detach()
        OPTIMIZERS[name].start(model).step(problem, rate=factor)
        steps.append(problem.flat(problem.parameters).detach() - before)
    whole, part = steps
    assert whole.any()
    torch.testing.assert_close(part, rate * whole, rtol=1e-9, atol=1e-12)


@optimizers
def test_frozen_parameters_stay(name):
    model = MODELS["under-complete"](0)
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    stepper = OPTIMIZERS[name].start(model)
    for problem in problems(model, 3):
        stepper.step(problem)
    moved = {own for own, value in model.state_dict().items() if not torch.equal(value, before[own])}
    assert moved == {own for own in before if own.startswith("decoder.")}


@optimizers
def test_gradients_are_cleared(name):
    model = MODELS["under-complete"](0)
    OPTIMIZERS[name].start(model).step(problems(model, 1)[0])
    assert [parameter.grad for parameter in model.parameters() if parameter.grad is not None] == []


@optimizers
def test_the_choice_compares_copies_and_prints(name):
    choice = OPTIMIZERS[name]
    assert copy.deepcopy(choice) == pickle.loads(pickle.dumps(choice)) == choice
    assert repr(copy.deepcopy(choice)) == repr(choice)
    assert choice != FirstOrder(torch.optim.SGD, lr=0.123)
