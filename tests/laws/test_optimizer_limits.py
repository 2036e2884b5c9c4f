"""What an optimizer cannot do is said before anything is trained, and what it does not do is told."""

import copy

import pytest
import torch
from torch import nn

from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models import Dense, Pass
from layerwise.optim import (
    EKFAC,
    KFAC,
    LBFGS,
    AdaptiveDamping,
    Cholesky,
    ConjugateGradient,
    FirstOrder,
    FullStep,
    GaussNewton,
    HessianFree,
    LevenbergMarquardt,
    Newton,
    Problem,
    RisingMomentum,
    SaddleFreeNewton,
    SecondOrder,
    Steihaug,
    TorchOptimizer,
    TrustRegion,
    TrustRegionNewton,
    optimizer_of,
)
from layerwise.penalties import Fidelity, prediction_error, squared_error
from layerwise.training import Objective, Phase, TensorRows, fit
from tests.cases import CPU, FEATURES, MODELS, OPTIMIZERS, normal, rows_with_holes
from tests.surfaces import problem_on, saddle

# K-FAC and EKFAC take a step that is no worse, within the rounding; see tests/reference/test_natural_gradient.py.
LOOKING = [n for n, choice in OPTIMIZERS.items() if not isinstance(choice, (FirstOrder, KFAC, EKFAC))]
pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")


@pytest.mark.parametrize("name", ["HessianFree", "LBFGS", "KFAC", "EKFAC"])
def test_a_state_is_put_back_on_the_device_of_the_weights(name):
    model = MODELS["dropout"](0)
    stepper = OPTIMIZERS[name].start(model)
    for seed in range(3):
        stepper.step(Problem(model, Objective(), rows_with_holes(12, seed=seed), noise=seed))
    elsewhere = OPTIMIZERS[name].start(copy.deepcopy(model).to("meta"))
    elsewhere.restore(stepper.state())
    moved = {key for key, value in elsewhere.state().items() if value.device.type == "meta"}
    assert moved == set(stepper.state()) - {"numbers", "strength"}


@pytest.mark.parametrize(
    "optimizer",
    [
        HessianFree(),
        LevenbergMarquardt(),
        Newton(),
        TrustRegionNewton(),
        SaddleFreeNewton(),
        SaddleFreeNewton(whole=0),
        LBFGS(),
        ConjugateGradient(),
    ],
)
def test_a_gradient_of_zero_is_told(optimizer):
    surface, height = saddle([0.0, 0.0])
    stepper = optimizer.start(surface)
    stepper.step(problem_on(surface, height))
    assert "the gradient is 0" in stepper.fall_back
    with torch.no_grad():
        surface.point += 0.1
    stepper.step(problem_on(surface, height))
    assert "the gradient is 0" not in stepper.fall_back


class Level(Fidelity):
    """As high everywhere, with the slope of the squared error."""

    name = "squared_error"

    def sampled(self, run: Pass, target: Batch, noise: int) -> torch.Tensor:
        return squared_error.sampled(run, target, noise)

    def rows(self, run: Pass, target: Batch) -> torch.Tensor:
        value = squared_error.rows(run, target)
        return 1 + value - value.detach()


@pytest.mark.parametrize("name", LOOKING)
def test_where_nothing_is_lower_no_step_is_taken_and_it_is_told(name):
    model = MODELS["under-complete"](0)
    before = copy.deepcopy(model.state_dict())
    stepper = OPTIMIZERS[name].start(model)
    for seed in range(2):
        stepper.step(Problem(model, Objective(Level()), rows_with_holes(12, seed=seed)))
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
        assert stepper.fall_back == "no step lowered the loss of its batch, and none was taken"
    stepper.step(Problem(model, Objective(), rows_with_holes(12)))
    assert stepper.fall_back != "no step lowered the loss of its batch, and none was taken"


@pytest.mark.parametrize("optimizer", [KFAC(), EKFAC(), SaddleFreeNewton()])
def test_weights_of_zero_are_told_in_the_history(optimizer):
    model = Dense(FEATURES, code=2)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    x = normal(16, FEATURES).round()
    phase = Phase("still", Objective(), optimizer, epochs=2, batch_size=32)
    history = fit(model, TensorRows(torch.cat([x, -x])), [phase], runtime=CPU)
    told = [row["cause"] for row in history.rows if row["event"] == "fallback"]
    assert told == ["the gradient is 0, at a minimum or a saddle, and no step was taken"]


def test_a_parameter_without_a_matrix_is_told_once():
    model = MODELS["layer norm"](0)
    history = fit(model, TensorRows(normal(24, FEATURES)), [Phase("p", Objective(), KFAC(), epochs=2)], runtime=CPU)
    (cause,) = [row["cause"] for row in history.rows if row["event"] == "fallback"]
    assert cause.startswith("the blocks of the Fisher matrix are diagonal for encoder.0.normalize.weight, ")


@pytest.mark.parametrize(
    ("damping", "solver"), [(TrustRegion(), Cholesky()), (AdaptiveDamping(), Steihaug())], ids=["region", "solver"]
)
def test_a_trust_region_and_its_solver_need_each_other(damping, solver):
    with pytest.raises(InputError, match="need each other; got "):
        SecondOrder(GaussNewton(), solver, damping, FullStep())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_model_without_trainable_parameters_is_refused(name):
    model = MODELS["under-complete"](0).requires_grad_(False)
    with pytest.raises(InputError, match="must have requires_grad"):
        OPTIMIZERS[name].start(model)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (Newton(solver=Cholesky(largest=10)), "a whole matrix needs at most 10 parameters"),
        (LevenbergMarquardt(solver=Cholesky(largest=10)), "a whole matrix needs at most 10 parameters"),
    ],
)
def test_a_later_phase_is_refused_before_the_first_begins(optimizer, message):
    model = Dense(FEATURES, code=2)
    before = copy.deepcopy(model.state_dict())
    recipe = [Phase("first", Objective(), FirstOrder(), epochs=1), Phase("second", Objective(), optimizer, epochs=1)]
    with pytest.raises(InputError, match=f"phase 'second': {message}"):
        fit(model, TensorRows(normal(20, FEATURES)), recipe, runtime=CPU)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_natural_gradient_of_a_function_is_refused_and_of_an_objective_is_not():
    x, y = normal(20, FEATURES), 0.1 * normal(20, 2, seed=1)
    layers = Dense(FEATURES, (4,), code=2, seed=0)
    model = nn.Sequential(layers.encoder[0], layers.encoder[1])
    with pytest.raises(InputError, match=r"give Objective\(prediction_error\)"):
        TorchOptimizer(KFAC(), model, nn.functional.mse_loss).step(x, y)
    optimizer = TorchOptimizer(KFAC(), model, Objective(prediction_error))
    first, *_, last = (float(optimizer.step(x, y)) for _ in range(10))
    assert last < first / 2


def test_a_loop_of_ones_own_sees_what_was_done_instead():
    model = MODELS["under-complete"](0)
    optimizer = TorchOptimizer(LBFGS(), model, nn.functional.mse_loss)
    x = normal(8, FEATURES)
    optimizer.step(x, model(x).reconstruction.detach())
    assert optimizer.fall_back == "the gradient is 0, at a minimum or a saddle, and no step was taken"
    optimizer.step(x, normal(8, FEATURES, seed=1))
    assert optimizer.fall_back == ""


@pytest.mark.parametrize("name", ["HessianFree", "LBFGS", "KFAC"])
def test_a_copy_of_an_optimizer_of_a_loop_goes_on_like_it(name):
    layers = Dense(FEATURES, code=2, seed=0)
    model = nn.Sequential(layers.encoder[0], nn.Tanh(), layers.decoder[0])
    optimizer = TorchOptimizer(OPTIMIZERS[name], model, Objective(prediction_error))
    x = normal(20, FEATURES)
    optimizer.step(x, x)
    twin, other = copy.deepcopy((model, optimizer))
    for one in (optimizer, other):
        one.step(x, x)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("KFAC:damping=150,interval=10", KFAC(damping=150.0, interval=10)),
        ("LBFGS:memory=5", LBFGS(memory=5)),
        ("HessianFree", HessianFree()),
        ("SGD:lr=0.1,momentum=0.9", FirstOrder(torch.optim.SGD, lr=0.1, options={"momentum": 0.9})),
        ("Nesterov", FirstOrder(torch.optim.SGD, momentum=0.9, options={"nesterov": True})),
        (
            "Nesterov:momentum=0.5,lr=0.1",
            FirstOrder(torch.optim.SGD, lr=0.1, momentum=0.5, options={"nesterov": True}),
        ),
        (
            "Nesterov:steps=2000,largest=0.995,last=100",
            FirstOrder(
                torch.optim.SGD, momentum=RisingMomentum(2000, largest=0.995, last=100), options={"nesterov": True}
            ),
        ),
    ],
)
def test_arguments_follow_a_name(name, choice):
    assert optimizer_of(name) == choice


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("KFAC:damping", "must be like KFAC:damping=150,interval=10"),
        ("KFAC:damping=much", "damping of an optimizer must be a number, true or false; got 'much'"),
        (
            "KFAC:damping=true",
            "KFAC takes numbers for damping, .*; got damping=True",
        ),
        ("KFAC:rate=1", "KFAC takes numbers for damping, .*; got rate=1"),
        ("KFAC:interval=1.5", "interval of KFAC must be a whole number; got 1.5"),
        ("KFAC:damping=0", "must be positive"),
        ("SGD:moment=0.9", "SGD does not take these arguments"),
        ("Nesterov:largest=0.9", "needs the steps of the phase, .*; got largest"),
        ("Nesterov:steps=100,momentum=0.9", "needs the steps of the phase, .* and no constant momentum, .*; got steps"),
        ("Nesterov:steps=1.5", "steps of Nesterov must be a whole number; got 1.5"),
        ("Nesterov:steps=0", "steps must be at least 1"),
        ("Nesterov:moment=1", "SGD does not take these arguments"),
        ("Nothing:damping=1", "the optimizer must be one of .*; got 'Nothing'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        optimizer_of(name)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (torch.optim.LBFGS, r"LBFGS of torch.optim needs a closure; take layerwise.optim.LBFGS\."),
        (torch.optim.SparseAdam, r"SparseAdam of torch.optim needs sparse gradients; take torch.optim.Adam\."),
    ],
)
def test_a_method_that_needs_more_than_gradients_is_refused(method, message):
    with pytest.raises(InputError, match=message):
        FirstOrder(method)


def test_muon_moves_matrices_and_adamw_the_rest():
    model = MODELS["under-complete"](0)
    twin, problem = copy.deepcopy(model), Problem(model, Objective(), rows_with_holes(12))
    stepper = FirstOrder(torch.optim.Muon, lr=0.01, weight_decay=0.1).start(model)
    matrices, others = ([p for p in twin.parameters() if (p.ndim == 2) == wanted] for wanted in (True, False))
    ours = torch.optim.Muon(matrices, lr=0.01, weight_decay=0.1), torch.optim.AdamW(others, lr=0.01, weight_decay=0.1)
    for _ in range(3):
        stepper.step(problem)
        Problem(twin, Objective(), rows_with_holes(12)).loss().backward()
        for optimizer in ours:
            optimizer.step()
            optimizer.zero_grad()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_a_rate_for_one_that_finds_its_own_is_refused():
    with pytest.raises(InputError, match=r"^KFAC finds its own steps, .*; got 0\.01\. Leave it out\.$"):
        optimizer_of("KFAC", lr=0.01)


@pytest.mark.parametrize("name", ["Adam", "HessianFree", "KFAC"])
def test_an_empty_batch_is_refused(name):
    optimizer = TorchOptimizer(OPTIMIZERS[name], Dense(FEATURES, code=2), Objective())
    with pytest.raises(InputError, match="a batch must have at least one row; got none"):
        optimizer.step(torch.zeros(0, FEATURES))
