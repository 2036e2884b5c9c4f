"""K-FAC and EKFAC against dense matrices: what is drawn, what is seen, and what is solved, in float64."""

import copy
import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import hessian

from layerwise.data import Batch
from layerwise.data.datasets import curves
from layerwise.errors import InputError
from layerwise.models import Autoencoder, Convolutional, Dense, Pass
from layerwise.optim import EKFAC, KFAC, FirstOrder, NonFinite, Optimizer, Problem
from layerwise.optim.blocks import Block, CorrectedBlock, DiagonalBlock, KroneckerBlock
from layerwise.optim.factors import Tape, Use, nearest_product
from layerwise.penalties import Fidelity, SoftmaxCrossEntropy, prediction_error, squared_error
from layerwise.training import Objective
from tests.cases import (
    FEATURES,
    FIDELITIES,
    MODELS,
    OUTPUTS,
    PENALTIES,
    PREDICTORS,
    SUPERVISED,
    normal,
    rows_with_holes,
    targets,
    uniform,
)

FLOAT = torch.float64
LIKELIHOODS = {**FIDELITIES, **SUPERVISED, "weighted": SoftmaxCrossEntropy(smoothing=0.1, weights=(1.0, 2.0, 0.5))}
NATURAL: dict[str, Optimizer] = {"KFAC": KFAC(), "EKFAC": EKFAC()}
both = pytest.mark.parametrize("name", NATURAL)


def vector(matrix: Tensor) -> Tensor:
    """Column by column, as Kronecker products have it."""
    return matrix.T.flatten()


def dense(uses: list[Use], rows: int) -> Tensor:
    """The second moment of the rows' gradients."""
    sums = [sum(torch.outer(use.left[row], use.right[row]) for use in uses) for row in range(rows)]
    gradients = torch.stack([vector(each) for each in sums if isinstance(each, Tensor)])
    return gradients.T @ gradients / rows


def drawn(rows: int = 12, *, seed: int = 0) -> list[Use]:
    """Two uses whose sides depend on each other."""
    first = Use(normal(rows, 3, seed=seed, dtype=FLOAT), normal(rows, 4, seed=seed + 1, dtype=FLOAT).abs())
    return [first, Use(first.left.flip(0) * 0.3 + 1, normal(rows, 4, seed=seed + 2, dtype=FLOAT) * 2)]


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_drawn_slopes_have_the_curvature_of_the_fidelity(name):
    fidelity, copies = LIKELIHOODS[name], 30_000
    width = OUTPUTS if name in SUPERVISED or name == "weighted" else FEATURES
    rows = rows_with_holes(1, seed=3, dtype=FLOAT)
    y = targets("softmax" if name == "weighted" else name, 1, dtype=FLOAT) if width == OUTPUTS else None
    shown = torch.where(torch.arange(FEATURES) < 1, rows.x + 0.5, rows.x)

    def passed(outputs: Tensor, count: int) -> Pass:
        natural, reconstruction = outputs.split(width, 1)
        return Pass(shown.expand(count, -1), natural, reconstruction, (), natural)

    def batch(count: int) -> Batch:
        return Batch(*(None if part is None else part.repeat(count, *[1] * (part.ndim - 1)) for part in (*rows[:2], y)))

    point = torch.cat([normal(1, width, dtype=FLOAT), uniform(1, width, seed=1, dtype=FLOAT)], 1)
    outputs = point.repeat(copies, 1).requires_grad_()
    number = fidelity.sampled(passed(outputs, copies), batch(copies), 5)
    slopes = torch.autograd.grad(number, outputs)[0]
    again = torch.autograd.grad(fidelity.sampled(passed(outputs, copies), batch(copies), 5), outputs)[0]
    exact = hessian(lambda z: fidelity.rows(passed(z.view(1, -1), 1), batch(1)).sum(), point[0])
    assert torch.equal(slopes, again)
    torch.testing.assert_close(slopes.T @ slopes / copies, exact, rtol=0, atol=0.05 * float(exact.abs().max()))
    torch.testing.assert_close(slopes.mean(0), torch.zeros_like(point[0]), rtol=0, atol=0.05)


@pytest.mark.parametrize("name", [*MODELS, *(f"predictor: {name}" for name in PREDICTORS), "pictures"])
def test_what_is_seen_adds_up_to_the_gradient(name):
    if name == "pictures":
        model: Autoencoder = Convolutional((8, 8, 1), (4, 3))
        batch = Batch(uniform(5, 64, dtype=FLOAT), None)
    elif name in MODELS:
        model, batch = MODELS[name](0), rows_with_holes(5, dtype=FLOAT)
    else:
        model, batch = PREDICTORS[name.removeprefix("predictor: ")](0), rows_with_holes(5, dtype=FLOAT)
        batch = batch._replace(y=normal(5, model.outputs, dtype=FLOAT))
    objective = Objective(squared_error if batch.y is None else prediction_error)
    problem = Problem(model.double().train(), objective, batch, noise=3)
    buffers = copy.deepcopy(dict(model.named_buffers()))
    tape = Tape(problem.parameters)
    number = problem.sampled(tape)
    assert all(torch.equal(buffer, buffers[own]) for own, buffer in model.named_buffers())
    whole = torch.autograd.grad(number, problem.parameters, retain_graph=True)
    outputs, _ = tape.draw(number, [])
    places = tape.blocks()
    assert len({own for place in places for own in place}) == sum(map(len, places))
    for place in places:
        summed = sum(use.left.T @ use.right for use in tape.uses(place, outputs))
        expected = torch.cat([whole[own].reshape(len(whole[own]), -1) for own in place], 1)
        torch.testing.assert_close(summed, expected, rtol=1e-9, atol=1e-10)
    seen = {own for place in places for own in place}
    if "weight norm" not in name and "layer norm" not in name:
        names = [own for own, _ in model.named_parameters()]
        assert {names[own] for own in set(range(len(names))) - seen} <= {"linear_path.center"}


@pytest.mark.parametrize("name", MODELS)
def test_the_forms_are_those_of_the_products(name):
    penalties = {"decay": (0.3, PENALTIES["weight decay"]), "kl": (0.1, PENALTIES["kl of the code"])}
    objective = Objective(FIDELITIES["mixed"], penalties)
    problem = Problem(MODELS[name](0).double().train(), objective, rows_with_holes(5, dtype=FLOAT), noise=3)
    vectors = normal(2, sum(p.numel() for p in problem.parameters), dtype=FLOAT)
    products = torch.stack([problem.gauss_newton_product(v) for v in vectors])
    expected = vectors @ products.T
    torch.testing.assert_close(problem.gauss_newton_forms(list(vectors)), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("uses", [1, 2])
def test_a_damped_product_is_solved(uses):
    rows, strength = 12, 0.3
    block = KroneckerBlock({})
    block.learn(drawn(rows)[:uses], rows, keep=0.0)
    block.renew()
    block.damp(strength)
    moments = [(use.left.T @ use.left / rows, use.right.T @ use.right / rows) for use in drawn(rows)[:uses]]
    left, right = nearest_product([pair[0] for pair in moments], [pair[1] for pair in moments])
    balance = math.sqrt(right.diagonal().mean() / left.diagonal().mean())
    damped = torch.kron(
        right + strength * balance * torch.eye(4, dtype=FLOAT), left + strength / balance * torch.eye(3, dtype=FLOAT)
    )
    gradient = normal(3, 4, seed=9, dtype=FLOAT)
    torch.testing.assert_close(vector(block.solve(gradient)), torch.linalg.solve(damped, vector(gradient)))


def corrected(uses: list[Use], rows: int) -> tuple[CorrectedBlock, Tensor]:
    block = CorrectedBlock({})
    block.learn(uses, rows, keep=0.0)
    block.renew()
    return block, torch.kron(block.tensors["right vectors"], block.tensors["left vectors"])


@pytest.mark.parametrize("uses", [1, 2])
def test_the_correction_is_the_nearest_matrix_with_these_vectors(uses):
    rows = 12
    block, vectors = corrected(drawn(rows)[:uses], rows)
    exact, moments = dense(drawn(rows)[:uses], rows), vector(block.tensors["moments"])
    torch.testing.assert_close(moments, (vectors.T @ exact @ vectors).diagonal())
    plain = KroneckerBlock({})
    plain.learn(drawn(rows)[:uses], rows, keep=0.0)
    lefts, rights = ([plain.tensors[f"{side}.{use}"] for use in range(uses)] for side in ("left", "right"))
    left, right = nearest_product(lefts, rights)
    away = (torch.kron(right, left) - exact).norm()
    assert (vectors @ moments.diag() @ vectors.T - exact).norm() < away


def test_the_corrected_block_is_solved():
    block, vectors = corrected(drawn(), 12)
    block.damp(0.3)
    damped = vectors @ (vector(block.tensors["moments"]) + 0.09).diag() @ vectors.T
    gradient = normal(3, 4, seed=9, dtype=FLOAT)
    torch.testing.assert_close(vector(block.solve(gradient)), torch.linalg.solve(damped, vector(gradient)))


def test_new_vectors_keep_what_was_known():
    block, vectors = corrected(drawn(), 12)
    before = vectors @ vector(block.tensors["moments"]).diag() @ vectors.T
    block.learn(drawn(seed=7), 12, keep=0.9)
    known = vectors @ vector(block.tensors["moments"]).diag() @ vectors.T
    torch.testing.assert_close(known.trace(), 0.9 * before.trace() + 0.1 * dense(drawn(seed=7), 12).trace())
    block.renew()
    turned = torch.kron(block.tensors["right vectors"], block.tensors["left vectors"])
    torch.testing.assert_close(vector(block.tensors["moments"]), (turned.T @ known @ turned).diagonal())


def test_eigenvectors_are_found_where_float32_fails():
    # For some of these covariances, of pixels that are seldom on, LAPACK's float32 gives numbers that are not finite.
    places = 0.21 + 0.58 * uniform(47 * 128, 6, dtype=FLOAT).numpy()
    places[:, 0::2].sort(axis=1)
    places[:, 2:4] = 2 * places[:, 2:4] - (places[:, :2] + places[:, 4:]) / 2
    pictures = torch.from_numpy((255 * curves(1).draw(places)).round()).flatten(1) / 255
    block, ones = CorrectedBlock({}), torch.ones(128, 1)
    for step, rows in enumerate(pictures.split(128), 1):
        block.learn([Use(ones, torch.cat([rows, ones], 1))], 128, keep=min(1 - 1 / step, 0.95))
        if 43 <= step <= 47:
            block.renew()
            vectors = block.tensors["right vectors"]
            torch.testing.assert_close(vectors.T @ vectors, torch.eye(785), rtol=0, atol=1e-4)


def test_the_nearest_product_is_that_of_the_singular_value_decomposition():
    factors = [normal(2, size, size, seed=size, dtype=FLOAT) for size in (3, 4)]
    lefts, rights = ([list(m @ m.mT) for m in factors][side] for side in (0, 1))
    left, right = nearest_product(lefts, rights)
    rearranged = sum(torch.outer(r.flatten(), m.flatten()) for m, r in zip(lefts, rights, strict=True))
    assert isinstance(rearranged, Tensor)
    u, s, v = torch.linalg.svd(rearranged)
    torch.testing.assert_close(torch.outer(right.flatten(), left.flatten()), s[0] * torch.outer(u[:, 0], v[0]))
    scaled = nearest_product([lefts[0] * 7, lefts[1]], [rights[0] / 7, rights[1]])
    torch.testing.assert_close(torch.kron(scaled[1], scaled[0]), torch.kron(right, left))


class Balanced(Fidelity):
    """The squared error, with slopes of both signs in turn, whose second moments are exact in four rows."""

    name = "squared_error"
    SIGNS = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=FLOAT)

    def rows(self, run: Pass, target: Batch) -> Tensor:
        return squared_error.rows(run, target)

    def sampled(self, run: Pass, target: Batch, noise: int) -> Tensor:
        return (2**0.5 * self.SIGNS.repeat(len(run.natural) // 4, 1) * run.natural).sum()


def half() -> Dense:
    """A linear layer after a fixed one."""
    model = Dense(4, code=3, seed=1).double()
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    return model


@pytest.mark.parametrize("settings", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "bias": False}], ids=str)
def test_a_convolution_of_torch_is_seen(settings):
    """It hands its settings on by position."""
    layer, x = torch.nn.Conv2d(2, 3, 3, **settings).double(), normal(4, 2, 7, 7, dtype=FLOAT)
    tape = Tape([*layer.parameters()])
    with tape:
        number = layer(x).pow(3).sum()
    (place,) = tape.blocks()
    (use,) = tape.uses(place, tape.draw(number, [])[0])
    whole = torch.autograd.grad(layer(x).pow(3).sum(), [*layer.parameters()])
    expected = torch.cat([gradient.flatten(1) if gradient.ndim > 1 else gradient[:, None] for gradient in whole], 1)
    torch.testing.assert_close(use.left.T @ use.right, expected)


@pytest.mark.parametrize("settings", [{"groups": 2}, {"padding": "same"}], ids=str)
def test_a_convolution_that_is_no_matrix_is_left_to_a_diagonal(settings):
    layer = torch.nn.Conv2d(2, 2, 3, **settings).double()
    tape = Tape([*layer.parameters()])
    with tape:
        layer(normal(4, 2, 7, 7, dtype=FLOAT))
    assert tape.blocks() == []


@both
def test_one_linear_layer_is_solved_at_once(name):
    x = normal(5, 4, dtype=FLOAT).repeat_interleave(4, 0)
    model = half()
    choice = (KFAC if name == "KFAC" else EKFAC)(damping=1e-18)
    stepper = choice.start(model)
    stepper.step(Problem(model, Objective(Balanced()), Batch(x, None)))
    code = torch.cat([model.encode(x), torch.ones(len(x), 1, dtype=FLOAT)], 1)
    solution = torch.linalg.lstsq(code, x).solution
    torch.testing.assert_close(model.last.weight.detach(), solution[:-1].T, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.last.bias.detach(), solution[-1], rtol=1e-6, atol=1e-6)


@both
def test_its_block_is_the_exact_one_of_a_linear_layer(name):
    """Of a linear layer at the output, the block is 2 I for the outputs times the second moment of the inputs."""
    x = normal(5, 4, dtype=FLOAT).repeat_interleave(4, 0)
    model = half()
    problem = Problem(model, Objective(Balanced()), Batch(x, None))
    tape = Tape(problem.parameters)
    outputs, _ = tape.draw(problem.sampled(tape), [])
    (place,) = tape.blocks()
    block: Block = KroneckerBlock({}) if name == "KFAC" else CorrectedBlock({})
    block.learn(tape.uses(place, outputs), len(x), keep=0.0)
    block.renew()
    block.damp(1e-7)
    direction = normal(len(problem.flat(problem.parameters)), dtype=FLOAT)
    image = problem.split(problem.gauss_newton_product(direction))
    solved = block.solve(torch.cat([image[0], image[1].unsqueeze(1)], 1))
    torch.testing.assert_close(problem.flat(solved.split([3, 1], 1)), direction, rtol=1e-5, atol=1e-5)


def test_a_diagonal_is_that_of_the_matrix():
    """On average over the draws."""
    model = Dense(FEATURES, code=2, seed=1).double()
    problem = Problem(model, Objective(), Batch(normal(6, FEATURES, dtype=FLOAT), None))
    block, count = DiagonalBlock({}), 300
    for noise in range(count):
        tape = Tape(problem.parameters)
        number = problem.on(problem.batch, noise=noise, progress=0.0).sampled(tape)
        gradient = tape.draw(number, [0])[1][0]
        block.learn([Use(gradient, gradient)], 6, keep=noise / (noise + 1))
    basis = torch.eye(gradient.numel(), len(problem.flat(problem.parameters)), dtype=FLOAT)
    exact = torch.stack([problem.gauss_newton_product(b) @ b for b in basis]).view_as(gradient)
    torch.testing.assert_close(block.tensors["moments"], exact, rtol=0.5, atol=0.05)


@both
@pytest.mark.parametrize("model", MODELS)
def test_every_model_goes_down(model, name):
    network = MODELS[model](0).double().train()
    problem = Problem(network, Objective(), rows_with_holes(40, dtype=FLOAT), noise=3)
    slope = problem.flat(problem.gradient()[1])
    before, value = problem.flat([p.detach().clone() for p in problem.parameters]), problem.loss().item()
    NATURAL[name].start(network).step(problem)
    assert slope @ (problem.flat([p.detach() for p in problem.parameters]) - before) < 0
    assert problem.loss().item() < value


@both
def test_an_ill_conditioned_regression_is_solved_in_a_few_steps(name):
    scales = torch.logspace(0, -3, FEATURES, dtype=FLOAT)
    codes = normal(200, FEATURES, dtype=FLOAT) * scales
    y = codes / scales @ normal(FEATURES, OUTPUTS, seed=1, dtype=FLOAT)
    batch = Batch(codes, None, y)
    errors = {}
    for key, choice, steps in (
        ("natural", type(NATURAL[name])(damping=1e-9), 10),  # type: ignore[call-arg]
        ("descent", FirstOrder(torch.optim.SGD, lr=0.2), 200),
    ):
        model = PREDICTORS["shallow"](0).double()
        model.encoder[0] = torch.nn.Identity()
        model.decoder[0].weight = torch.nn.Parameter(torch.zeros(OUTPUTS, FEATURES, dtype=FLOAT))
        stepper = choice.start(model)
        for step in range(steps):
            stepper.step(Problem(model, Objective(prediction_error), batch, noise=step))
        errors[key] = Problem(model, Objective(prediction_error), batch).loss().item() / float(y.var(0).sum())
    assert errors["natural"] < 1e-4
    assert errors["descent"] > 0.3


@both
def test_a_stepper_that_was_put_back_can_halve_its_next_step(name):
    networks = [MODELS["deep"](0).double().train() for _ in range(2)]
    steppers = [type(NATURAL[name])(damping=1e-6, least=0.0).start(network) for network in networks]
    usual = rows_with_holes(40, dtype=FLOAT)
    for step in range(5):
        steppers[0].step(Problem(networks[0], Objective(), usual, noise=step))
    networks[1].load_state_dict(networks[0].state_dict())
    steppers[1].restore(steppers[0].state())
    far = Batch(100 * usual.x.flip(0).exp(), usual.observed)
    for network, stepper in zip(networks, steppers, strict=True):
        before = stepper.damping
        stepper.step(Problem(network, Objective(), far, noise=9))
        assert stepper.damping > before
    for ours, theirs in zip(*(network.parameters() for network in networks), strict=True):
        assert torch.equal(ours, theirs)


@both
@pytest.mark.parametrize("model", MODELS)
def test_no_step_makes_its_own_batch_worse(model, name):
    network = MODELS[model](0).double().train()
    stepper = type(NATURAL[name])(damping=1e-6).start(network)  # type: ignore[call-arg]
    problem, values = Problem(network, Objective(), rows_with_holes(40, dtype=FLOAT), noise=3), list[float]()
    for _ in range(8):
        values.append(problem.loss().item())
        stepper.step(problem)
    assert all(after <= before * (1 + 1e-12) for before, after in pairwise(values))


@both
@pytest.mark.parametrize(("first", "least", "reached"), [(1.0, 1e-2, 1e-2), (1.0, 0.0, 0.9**60), (1e-3, 1e-2, 1e-3)])
def test_the_damping_falls_to_the_least_while_the_model_is_right(first, least, reached, name):
    model = half()
    stepper = type(NATURAL[name])(damping=first, least=least, interval=5).start(model)  # type: ignore[call-arg]
    batch = Batch(normal(30, 4, dtype=FLOAT), None)
    for step in range(60):
        with torch.no_grad():
            model.last.weight.zero_()
        stepper.step(Problem(model, Objective(), batch, noise=step))
    assert stepper.state()["numbers"][1] == pytest.approx(reached)


class Bent(Fidelity):
    """Near the squared error, whose targets it draws."""

    name = "squared_error"

    def sampled(self, run: Pass, target: Batch, noise: int) -> Tensor:
        return squared_error.sampled(run, target, noise)


class Ascending(Bent):
    """The squared error, with its slope the wrong way round."""

    def rows(self, run: Pass, target: Batch) -> Tensor:
        value = squared_error.rows(run, target)
        return 2 * value.detach() - value


@both
def test_where_no_step_lowers_the_loss_none_is_taken_and_it_is_told(name):
    model = half()
    before = model.last.weight.detach().clone()
    stepper = NATURAL[name].start(model)
    stepper.step(Problem(model, Objective(Ascending()), Batch(normal(5, 4, dtype=FLOAT), None)))
    assert torch.equal(model.last.weight, before)
    assert stepper.fall_back == "no step lowered the loss of its batch, and none was taken"
    stepper.step(Problem(model, Objective(), Batch(normal(5, 4, dtype=FLOAT), None)))
    assert not torch.equal(model.last.weight, before)
    assert stepper.fall_back == ""


class Edged(Bent):
    """The squared error, with a slope that is not finite anywhere."""

    def rows(self, run: Pass, target: Batch) -> Tensor:
        return squared_error.rows(run, target) + (0 * run.natural).abs().sqrt().sum(1)


@both
def test_what_is_not_finite_is_told(name):
    model = half()
    before = model.last.weight.detach().clone()
    problem = Problem(model, Objective(Edged()), Batch(normal(5, 4, dtype=FLOAT), None))
    with pytest.raises(NonFinite, match="the gradient"):
        NATURAL[name].start(model).step(problem)
    assert torch.equal(model.last.weight, before)


def test_rounding_that_makes_a_factor_indefinite_is_damped_away():
    block = KroneckerBlock({})
    wide = torch.ones(8, 3) * torch.tensor([1e4, 1e4, 1e-4])
    block.learn([Use(wide, wide)], 8, keep=0.0)
    block.renew()
    block.damp(1e-12)
    assert block.solve(torch.ones(3, 3)).isfinite().all()


@pytest.mark.parametrize("wrong", [{"damping": 0.0}, {"damping": -1.0}, {"interval": 0}, {"factor_rows": 0}])
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(InputError, match="must be positive"):
        KFAC(**wrong)


def test_a_negative_least_damping_is_refused():
    with pytest.raises(InputError, match="least must not be negative"):
        KFAC(least=-1.0)
