"""What every optimizer owes: it gets there, it continues exactly from its state, and it obeys its rate."""

import copy
import pickle
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models import Dense, PrincipalComponents
from layerwise.optim import (
    EKFAC,
    KFAC,
    LBFGS,
    AdaptiveDamping,
    Backtracking,
    Cholesky,
    ConjugateGradient,
    Eigenvalues,
    FirstOrder,
    HessianFree,
    Lanczos,
    LevenbergMarquardt,
    Newton,
    NonFinite,
    Optimizer,
    Problem,
    SaddleFreeNewton,
    TorchOptimizer,
    TrustRegionNewton,
    conjugate_gradient,
    optimizer_names,
    optimizer_of,
)
from layerwise.penalties import L1, squared_error
from layerwise.training import Cosine, Objective, Phase, TensorRows, fit
from tests.cases import CPU, FEATURES, MODELS, OPTIMIZERS, normal, rows_with_holes
from tests.surfaces import Height, Surface, problem_on, quadratic, rosenbrock, saddle

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
optimizers = pytest.mark.parametrize("name", OPTIMIZERS)
# Also by name, each choice once.
NAMED = {**OPTIMIZERS, **{n: c for n in optimizer_names() if (c := optimizer_of(n)) not in OPTIMIZERS.values()}}
OBJECTIVE = Objective(penalties={"sparsity": (0.1, L1())})


def plane() -> Tensor:
    """Rows near a plane, with unequal variances."""
    scales = torch.tensor([1.5, 1.2, 0.5, 0.5, 0.4, 0.4])
    return normal(60, FEATURES, seed=1) * scales @ torch.linalg.qr(normal(FEATURES, FEATURES, seed=2))[0] + 0.2


def problems(model: nn.Module, count: int) -> list[Problem]:
    assert isinstance(model, Dense)
    model.train()
    dtype = next(model.parameters()).dtype
    return [Problem(model, OBJECTIVE, rows_with_holes(12, seed=seed, dtype=dtype), noise=seed) for seed in range(count)]


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMED)
def test_it_continues_from_its_state(name, dtype):
    model, choice = MODELS["dropout"](0).to(dtype), NAMED[name]
    stepper = choice.start(model)
    for problem in problems(model, 3):
        stepper.step(problem)
    twin, state = copy.deepcopy(model), stepper.state()
    kept = {key: value.clone() for key, value in state.items()}
    for problem in problems(model, 6)[3:]:
        stepper.step(problem)
    assert all(torch.equal(state[key], value) for key, value in kept.items()), "the state is a copy"

    fresh = choice.start(twin)
    fresh.restore(state)
    for problem in problems(twin, 6)[3:]:
        fresh.step(problem)
    assert equal(weights(twin), weights(model))
    ours, theirs = fresh.state(), stepper.state()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) and value.dtype == theirs[key].dtype for key, value in ours.items())


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


@pytest.mark.parametrize("solver", [Eigenvalues(), Lanczos(), Cholesky()])
def test_newton_ends_a_quadratic_in_one_step(solver):
    surface = quadratic()
    Newton(solver=solver).start(surface).step(problem_on(surface))
    assert problem_on(surface).loss().item() < 1e-12


def test_conjugate_gradients_end_in_as_many_steps_as_there_are_dimensions():
    surface = quadratic(condition=100.0, size=5)
    problem = problem_on(surface)
    gradient = problem.measured()[2]
    for steps, ended in ((4, False), (5, True)):
        step = conjugate_gradient(problem.hessian(), -gradient, iterations=steps, tolerance=0.0)
        assert (problem.value(problem.point() + step) < 1e-12) == ended
    ConjugateGradient(searches=5, curvature=1e-3, evaluations=40).start(surface).step(problem)
    assert problem.loss().item() < 1e-6


# Steps that are enough for each: on Rosenbrock's valley, and on a quadratic of condition 1e6. K-FAC's least
# damping, which is meant for noise, lies far above the least eigenvalue there.
SOLVERS: dict[str, tuple[Optimizer, int]] = {
    "HessianFree": (HessianFree(), 60),
    "LevenbergMarquardt": (LevenbergMarquardt(), 60),
    "Newton": (Newton(), 10),
    "damped Newton": (Newton(AdaptiveDamping(), Backtracking()), 60),
    "TrustRegionNewton": (TrustRegionNewton(), 60),
    "SaddleFreeNewton": (SaddleFreeNewton(), 60),
    "SaddleFreeNewton in a subspace": (SaddleFreeNewton(whole=0), 60),
    "LBFGS": (LBFGS(), 120),
    "ConjugateGradient": (ConjugateGradient(searches=10), 100),
    "KFAC": (KFAC(damping=1e-3, least=0.0), 150),
    "EKFAC": (EKFAC(damping=1e-3, least=0.0), 150),
}


@pytest.mark.parametrize("surface", [rosenbrock, quadratic])
@pytest.mark.parametrize("name", SOLVERS)
def test_it_solves_what_the_gradient_alone_does_not(name, surface):
    optimizer, steps = SOLVERS[name]
    assert reached(optimizer, surface(), steps) < 1e-6
    assert reached(FirstOrder(torch.optim.SGD, lr=1e-3), surface(), steps) > 0.01


def reached(optimizer: Optimizer, surface: Surface, steps: int, height: Height = Height(), low: float = 1e-8) -> float:
    """The height after so many steps, or when it is all but 0."""
    problem, stepper = problem_on(surface, height), optimizer.start(surface)
    for step in range(steps):
        if abs(problem.loss().item()) < low:
            break
        stepper.step(problem.on(problem.batch, noise=step, progress=0.0))
    return problem.loss().item()


# For each of `torch.optim` the rate and the rest for Rosenbrock's valley, and the rate for the quadratic.
DESCENTS: dict[str, tuple[dict[str, Any], float]] = {
    "Adafactor": ({"lr": 0.012}, 0.03),
    "Adadelta": ({"lr": 1.8}, 3.0),
    "Adagrad": ({"lr": 0.3}, 1.0),
    "Adam": ({"lr": 0.01}, 1.0),
    "Adamax": ({"lr": 0.02}, 1.0),
    "AdamW": ({"lr": 0.01, "weight_decay": 0.0}, 1.0),
    "ASGD": ({"lr": 0.006}, 1.5),
    "Muon": ({"lr": 0.01, "weight_decay": 0.0}, 1.0),
    "NAdam": ({"lr": 0.01}, 0.3),
    "Nesterov": ({"lr": 0.001}, 1.0),
    "RAdam": ({"lr": 0.02}, 1.0),
    "RMSprop": ({"lr": 0.001, "momentum": 0.9}, 0.1),
    "Rprop": ({"lr": 0.05}, 0.02),
    "SGD": ({"lr": 0.001, "momentum": 0.9}, 1.0),
}


@pytest.mark.parametrize("name", [name for name in optimizer_names() if name not in SOLVERS])
def test_a_gradient_alone_takes_most_of_the_loss_away(name):
    """A thousandth of the first loss is left: of Rosenbrock's valley, and of a quadratic of condition 1e6.

    Of the latter from where each direction is as far from the minimum. Along an eigenvalue of 1e-6 nothing moves in so
    few steps, which is inherent: descent needs as many as the condition, and with the best momentum its root.
    """
    usual, (valley, rate) = optimizer_of(name), DESCENTS[name]
    assert isinstance(usual, FirstOrder)
    for surface, steps, choice in (
        (rosenbrock(), 3000, replace(usual, clip=1.0, **valley)),
        (quadratic(even=True), 400, replace(usual, **{**valley, "lr": rate})),
    ):
        low = 1e-3 * problem_on(surface).loss().item()
        assert reached(choice, surface, steps, low=low) < low


def test_momentum_near_1_solves_the_whole_quadratic():
    """Where plain descent has hardly begun: its steps go with the root of the condition."""
    choice = FirstOrder(torch.optim.SGD, lr=1.0, momentum=0.998, options={"nesterov": True})
    low = 1e-3 * problem_on(quadratic()).loss().item()
    assert reached(choice, quadratic(), 5000, low=low) < low
    assert reached(FirstOrder(torch.optim.SGD, lr=1.8), quadratic(), 500) > 300 * low


def test_the_saddle():
    """Newton is attracted, gradient descent lingers, the others leave; Gauss-Newton knows of no saddle."""
    start, lowest = [0.5, 1e-4], -0.25
    surface, height = saddle(start)
    assert abs(reached(Newton(), surface, 5, height)) < 1e-12
    assert surface.point.detach().abs().max().item() < 1e-6
    surface, height = saddle(start)
    assert reached(FirstOrder(torch.optim.SGD, lr=0.1), surface, 20, height) > -1e-4
    for optimizer in (SaddleFreeNewton(), SaddleFreeNewton(size=2, whole=0), TrustRegionNewton()):
        surface, height = saddle(start)
        assert reached(optimizer, surface, 20, height) == pytest.approx(lowest, abs=1e-8)


@pytest.mark.parametrize("optimizer", [Newton(search=Backtracking()), Newton(solver=Cholesky(), search=Backtracking())])
def test_an_indefinite_matrix_falls_back_and_says_so(optimizer):
    surface, height = saddle([0.01, 0.3])
    problem, stepper = problem_on(surface, height), optimizer.start(surface)
    before = problem.loss().item()
    stepper.step(problem)
    assert stepper.fall_back
    assert problem.loss().item() < before


def test_negative_curvature_ends_conjugate_gradients_and_is_told():
    surface, height = saddle([0.0, 0.3])
    stepper = HessianFree(damping=0.1, exponent=0.0).start(surface)
    stepper.step(problem_on(surface, height))
    assert stepper.fall_back == "negative curvature ended the conjugate gradients"
    assert surface.point[1].item() > 0.3


@pytest.mark.parametrize("name", SOLVERS)
def test_a_slope_that_is_not_finite_is_an_error_and_moves_nothing(name):
    surface = rosenbrock()
    before = surface.point.detach().clone()
    height = Height(lambda outputs: (outputs - outputs.detach()).square().sum().sqrt() + 1)
    with pytest.raises(NonFinite, match="gradient"):
        SOLVERS[name][0].start(surface).step(problem_on(surface, height))
    assert torch.equal(surface.point, before)


@pytest.mark.parametrize("name", [name for name in SOLVERS if name not in ("LBFGS", "ConjugateGradient")])
def test_a_curvature_that_is_not_finite_is_an_error_and_moves_nothing(name):
    surface = rosenbrock()
    before = surface.point.detach().clone()
    # The second derivative of |z|^1.5 at 0 is infinite.
    height = Height(lambda outputs: outputs.sum() + (outputs - outputs.detach()).abs().pow(1.5).sum())
    with pytest.raises(NonFinite, match="curvature"):
        SOLVERS[name][0].start(surface).step(problem_on(surface, height))
    assert torch.equal(surface.point, before)


def test_a_whole_matrix_is_refused_for_many_parameters():
    surface = rosenbrock()
    with pytest.raises(InputError, match=r"^a whole matrix needs at most 1 parameters; found 2\."):
        Newton(solver=Eigenvalues(largest=1)).start(surface).step(problem_on(surface))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: HessianFree(damping=0.0),
        lambda: HessianFree(iterations=0),
        lambda: HessianFree(decay=1.5),
        lambda: LevenbergMarquardt(factor=1.0),
        lambda: TrustRegionNewton(radius=2.0, largest=1.0),
        lambda: SaddleFreeNewton(size=0),
        lambda: LBFGS(memory=0),
        lambda: LBFGS(curvature=1.0),
        lambda: ConjugateGradient(searches=0),
        lambda: Backtracking(factor=1.0),
    ],
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(InputError):
        wrong()


def test_a_fall_back_is_in_the_history_once():
    model = Dense(FEATURES, code=2, seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.01)
    phase = Phase("leave", Objective(), Newton(search=Backtracking()), epochs=4)
    told = [row for row in fit(model, TensorRows(plane()), [phase], runtime=CPU).rows if row["event"] == "fallback"]
    causes = [row["cause"] for row in told]
    assert causes
    assert len(set(causes)) == len(causes)
    assert {row["phase"] for row in told} == {"leave"}


@pytest.mark.parametrize("name", ["HessianFree", "LBFGS", "Adam"])
def test_any_module_is_trained_in_a_loop_of_its_own(name):
    def made() -> tuple[nn.Module, TorchOptimizer]:
        layers = Dense(FEATURES, code=2, seed=0)
        model = nn.Sequential(layers.encoder[0], nn.Tanh(), layers.decoder[0])
        return model, TorchOptimizer(OPTIMIZERS[name], model, nn.functional.mse_loss)

    model, optimizer = made()
    x, y = normal(20, FEATURES), 0.1 * normal(20, FEATURES, seed=1)
    losses = [float(optimizer.step(x, y)) for _ in range(4)]
    assert losses[-1] < losses[0]
    twin, other = made()
    twin.load_state_dict(model.state_dict())
    other.load_state_dict(optimizer.state_dict())
    for one in (optimizer, other):
        one.step(x, y)
    assert equal(weights(twin), weights(model))


def test_a_loop_of_its_own_takes_autoencoders_and_schedules():
    model = MODELS["dropout"](0)
    optimizer = TorchOptimizer(HessianFree(), model, OBJECTIVE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 if step == 0 else 0.0)
    rows, before = normal(12, FEATURES), weights(model)
    optimizer.step(rows)
    assert not equal(weights(model), before)
    schedule.step()
    before = weights(model)
    optimizer.step(rows)
    assert equal(weights(model), before)


@pytest.mark.parametrize("name", optimizer_names())
def test_optimizers_by_name(name):
    model = MODELS["under-complete"](0)
    stepper, problem = (
        optimizer_of(name, lr=0.01 if isinstance(optimizer_of(name), FirstOrder) else None).start(model),
        problems(model, 1)[0],
    )
    before = problem.loss().item()
    for _ in range(5):
        stepper.step(problem)
    assert problem.loss().item() < before


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match=r"^the optimizer must be one of ConjugateGradient, .*; got 'SGDD'"):
        optimizer_of("SGDD")
