"""Products with the Hessian and the Gauss-Newton matrix against these matrices themselves, in float64."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from layerwise.corruptions import GaussianNoise
from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models import Autoencoder, Chain, Convolutional, Pass, RestrictedBoltzmannMachine, Stochastic
from layerwise.optim import Problem, Problems, conjugate_gradient
from layerwise.penalties import (
    L1,
    GaussianDivergence,
    WeightDecay,
    contrastive_divergence,
    cross_entropy,
    softmax_cross_entropy,
    squared_error,
)
from layerwise.randomness import key
from layerwise.training import Objective
from tests.cases import (
    ASKING_TWICE,
    CORRUPTIONS,
    FEATURES,
    FIDELITIES,
    FOR_TOP_K,
    MAPS,
    MODELS,
    PAIRS,
    PENALTIES,
    PICTURES,
    PREDICTORS,
    SEQUENCES,
    SUPERVISED,
    VARIATIONAL,
    normal,
    rows_with_holes,
    targets,
    uniform,
)

NOISE = 7
OBJECTIVES = {
    **{name: Objective(fidelity) for name, fidelity in FIDELITIES.items()},
    **{name: Objective(squared_error, {"penalty": (0.3, penalty)}) for name, penalty in PENALTIES.items()},
    "all at once": Objective(
        squared_error,
        {"decay": (0.3, WeightDecay()), "sparsity": (0.2, L1("all")), "kl": (0.1, PENALTIES["kl of the code"])},
    ),
}
needs_hidden = {"l1 of alternate layers", "l1 of numbered layers", "kl of alternate layers"}
top_k = {"topk:3", "sparse code"}
impossible = (
    {("shallow", name) for name in needs_hidden}
    | {("batch norm", name) for name in ASKING_TWICE}
    | {(model, name) for model in MODELS if model not in top_k for name in FOR_TOP_K}
)
cases = [case for model in MODELS for name in OBJECTIVES if (case := (model, name)) not in impossible]
everything = pytest.mark.parametrize(("name", "objective"), cases)


def network(name: str) -> Autoencoder:
    """In training, and away from its start: the silent branches of some are at a special point there."""
    return moved(MODELS[name](0))


def moved(model: Autoencoder) -> Autoencoder:
    model = model.double().train()
    for number, parameter in enumerate(model.parameters()):
        parameter.data += 0.1 * normal(*parameter.shape, seed=number, dtype=torch.float64)
    return model


def problem_of(model: Autoencoder, objective: Objective) -> Problem:
    return Problem(model, objective, rows_with_holes(5, dtype=torch.float64), noise=NOISE)


def drawn(model: Autoencoder) -> None:
    """The noise inside is that of the problem."""
    for module in model.modules():
        if isinstance(module, Stochastic):
            module.noise_key = key(NOISE, 2)


class Function(nn.Module):
    """The outputs of a model and the loss as a function of outputs and weights, without the library's `Problem`."""

    def __init__(self, model: Autoencoder, objective: Objective, batch: Batch, seen: Tensor | None = None) -> None:
        super().__init__()
        self.model, self.objective, self.batch = model, objective, batch
        self.seen = batch.x if seen is None else seen
        # Its max pooling is unknown to torch's vectorization.
        self.vectorize = not isinstance(model, Convolutional)

    def forward(self, outputs: Tensor | None) -> Tensor:
        drawn(self.model)
        if outputs is None:
            run = self.model(self.seen)
            found = [run.code, run.reconstruction, run.natural, *run.posterior, *run.hidden]
            self.shapes, self.moments = [z.shape for z in found], len(run.posterior)
            return torch.cat([z.flatten() for z in found])
        parts = outputs.split([shape.numel() for shape in self.shapes])
        code, reconstruction, natural, *rest = (z.view(s) for z, s in zip(parts, self.shapes, strict=True))
        posterior, hidden = tuple(rest[: self.moments]), tuple(rest[self.moments :])
        run = Pass(self.seen, code, reconstruction, hidden, natural, posterior=posterior)
        return torch.stack(list(self.objective.terms(run, self.batch, self.model, progress=0.0).values())).sum()

    def at(self, theta: Tensor, outputs: Tensor | None = None) -> Tensor:
        """With a flat vector of parameters; the buffers are copies, as a pass in training moves them."""
        swapped = {name: buffer.clone() for name, buffer in self.named_buffers()}
        named = dict(self.named_parameters())
        pieces = theta.split([parameter.numel() for parameter in named.values()])
        swapped.update({name: piece.view_as(named[name]) for name, piece in zip(named, pieces, strict=True)})
        # The fused kernels of attention have no second derivative.
        with sdpa_kernel(SDPBackend.MATH):
            return functional_call(self, swapped, (outputs,))

    def loss(self, theta: Tensor) -> Tensor:
        return self.at(theta, self.at(theta))

    def jacobian(self, theta: Tensor) -> Tensor:
        return torch.autograd.functional.jacobian(self.at, theta, vectorize=self.vectorize)


def hessian(function: Callable[[Tensor], Tensor], at: Tensor, *, vectorize: bool = True) -> Tensor:
    return torch.autograd.functional.hessian(function, at, vectorize=vectorize)


def gauss_newton(function: Function, theta: Tensor) -> Tensor:
    """The matrix of the definition: the map to outputs and weights linear, the loss of these as it is."""
    outputs = function.at(theta).detach()
    jacobian = function.jacobian(theta)
    through = torch.cat([jacobian, torch.eye(len(theta), dtype=theta.dtype)])
    size = len(outputs)
    curvature = hessian(lambda both: function.at(both[size:], both[:size]), torch.cat([outputs, theta]))
    return through.T @ curvature @ through


def empirical_fisher(function: Function, theta: Tensor) -> Tensor:
    """From the Jacobian of the outputs, with each row's slope by itself."""
    outputs = function.at(theta).detach().requires_grad_()
    jacobian = function.jacobian(theta)
    loss = function.at(theta, outputs)
    slope = torch.autograd.grad(loss, outputs, allow_unused=True)[0] if loss.requires_grad else None
    slope = torch.zeros_like(outputs) if slope is None else slope
    rows = len(function.batch.x)
    owner = torch.cat([torch.arange(rows).repeat_interleave(shape[1:].numel()) for shape in function.shapes])
    gradients = torch.stack([rows * torch.where(owner == row, slope, 0.0) @ jacobian for row in range(rows)])
    return gradients.T @ gradients / rows


def difference(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).norm() / expected.norm().clamp_min(1e-12)).item()


@everything
def test_products_are_those_of_the_dense_matrices(name, objective):
    model = network(name)
    check_products(model, OBJECTIVES[objective], problem_of(model, OBJECTIVES[objective]))


@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("name", ["deep", "dropout", "batch norm"])
def test_products_with_corrupted_inputs(name, corruption):
    """The corruption is drawn once, and the targets stay clean."""
    model, rows = network(name), rows_with_holes(5, dtype=torch.float64)
    problem = Problem(model, OBJECTIVES["emphasized"], rows, corruption=CORRUPTIONS[corruption](0.5), noise=NOISE)
    assert not torch.equal(problem.input, rows.x)
    check_products(model, OBJECTIVES["emphasized"], problem)


@pytest.mark.parametrize("steps", [1, 3])
def test_products_of_a_boltzmann_machine(steps):
    """Its samples are held: the loss is a difference of free energies, straight in these."""
    machine = RestrictedBoltzmannMachine(FEATURES, 3, chain=Chain(steps)).double().train()
    for number, parameter in enumerate(machine.parameters()):
        parameter.data += 0.3 * normal(*parameter.shape, seed=number, dtype=torch.float64)
    rows = Batch(uniform(5, FEATURES, dtype=torch.float64).round(), None)
    objective = Objective(contrastive_divergence, {"decay": (0.3, WeightDecay())})
    problem = Problem(machine, objective, rows, noise=NOISE)
    problem.terms()
    names = [name for name, _ in machine.named_parameters()]

    def loss(theta: Tensor) -> Tensor:
        drawn(machine)
        run = functional_call(machine, dict(zip(names, problem.split(theta), strict=True)), (rows.x,))
        data, sample = run.energies
        squares = problem.split(theta)[names.index("weight")].square().sum()
        return data.mean() - sample.mean() + 0.15 * squares

    theta = problem.point()
    vector = normal(len(theta), dtype=torch.float64)
    torch.testing.assert_close(problem.loss(), loss(theta), rtol=1e-13, atol=0)
    assert difference(problem.hessian_product(vector), hessian(loss, theta) @ vector) < 1e-10
    of_weights = [0.3 * p if n == "weight" else 0 * p for n, p in zip(names, problem.split(vector), strict=True)]
    assert difference(problem.gauss_newton_product(vector), problem.flat(of_weights)) < 1e-10


@pytest.mark.parametrize("fidelity", SUPERVISED)
@pytest.mark.parametrize("name", PREDICTORS)
def test_products_of_a_predictor(name, fidelity):
    model = moved(PREDICTORS[name](0))
    y = targets(fidelity, 5, outputs=model.outputs, dtype=torch.float64)
    objective = Objective(SUPERVISED[fidelity], {"decay": (0.3, WeightDecay()), "sparsity": (0.2, L1("all"))})
    rows = Batch(normal(5, FEATURES, dtype=torch.float64), None, y)
    check_products(model, objective, Problem(model, objective, rows, noise=NOISE))


@pytest.mark.parametrize("fidelity", [name for name in SUPERVISED if "softmax" in name])
@pytest.mark.parametrize("name", SEQUENCES)
def test_products_of_a_network_over_tokens(name, fidelity):
    model = moved(SEQUENCES[name](0))
    objective = Objective(SUPERVISED[fidelity], {"decay": (0.3, WeightDecay()), "sparsity": (0.2, L1())})
    check_products(model, objective, Problem(model, objective, PAIRS.batch(torch.tensor([0, 1])), noise=NOISE))


@pytest.mark.parametrize("objective", ["squared error", "cross entropy", "all at once"])
@pytest.mark.parametrize("name", PICTURES)
def test_products_of_an_autoencoder_of_pictures(name, objective):
    model = moved(PICTURES[name]((5, 4)))
    rows = Batch(uniform(2, model.features, dtype=torch.float64), None)
    check_products(model, OBJECTIVES[objective], Problem(model, OBJECTIVES[objective], rows, noise=NOISE))


@pytest.mark.parametrize("fidelity", ["softmax cross entropy", "prediction error"])
@pytest.mark.parametrize("name", MAPS)
def test_products_of_a_network_from_pictures_to_pictures(name, fidelity):
    model = moved(MAPS[name]())
    x = uniform(2, model.channels, 5, 4, dtype=torch.float64)
    y = normal(2, model.outputs, 5, 4, seed=1, dtype=torch.float64)
    objective = Objective(SUPERVISED[fidelity], {"decay": (0.3, WeightDecay())})
    rows = Batch(x, None, y.argmax(1) if "softmax" in fidelity else y)
    check_products(model, objective, Problem(model, objective, rows, noise=NOISE))


@pytest.mark.parametrize("fidelity", FIDELITIES)
@pytest.mark.parametrize("name", VARIATIONAL)
def test_products_of_a_variational_autoencoder(name, fidelity):
    model = moved(VARIATIONAL[name]())
    objective = Objective(FIDELITIES[fidelity], {"divergence": (0.5, GaussianDivergence())})
    check_products(model, objective, problem_of(model, objective))


@pytest.mark.parametrize("fidelity", SUPERVISED)
def test_a_predictor_has_no_negative_curvature(fidelity):
    model, y = moved(PREDICTORS["shallow"](0)), targets(fidelity, 5, dtype=torch.float64)
    problem = Problem(model, Objective(SUPERVISED[fidelity]), Batch(normal(5, FEATURES, dtype=torch.float64), None, y))
    check_no_negative_curvature(problem)


def check_products(model: Autoencoder, objective: Objective, problem: Problem) -> None:
    function = Function(model, objective, problem.batch, problem.input)
    theta = problem.flat(problem.parameters).detach()
    vector = normal(len(theta), dtype=torch.float64)
    torch.testing.assert_close(problem.loss(), function.loss(theta), rtol=1e-13, atol=0)
    curvature = hessian(function.loss, theta, vectorize=function.vectorize)
    assert difference(problem.hessian_product(vector), curvature @ vector) < 1e-10
    assert difference(problem.gauss_newton_product(vector), gauss_newton(function, theta) @ vector) < 1e-10
    assert difference(problem.fisher_product(vector), empirical_fisher(function, theta) @ vector) < 1e-10


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_products_are_symmetric(objective):
    problem = problem_of(network("sparse code" if objective in FOR_TOP_K else "deep"), OBJECTIVES[objective])
    size = sum(parameter.numel() for parameter in problem.parameters)
    u, v = normal(size, seed=1, dtype=torch.float64), normal(size, seed=2, dtype=torch.float64)
    for product in (problem.hessian_product, problem.gauss_newton_product, problem.fisher_product):
        torch.testing.assert_close(u @ product(v), v @ product(u), rtol=1e-10, atol=1e-12)


CONVEX = ["squared error", "clipped squared error", "cross entropy", "mixed", "emphasized", "weight decay"]


@pytest.mark.parametrize("objective", CONVEX)
def test_a_convex_loss_has_no_negative_curvature(objective):
    model = network("sigmoid output")
    check_no_negative_curvature(problem_of(model, OBJECTIVES[objective]))


def check_no_negative_curvature(problem: Problem) -> None:
    units = torch.eye(len(problem.flat(problem.parameters)), dtype=torch.float64)
    matrix = torch.stack([problem.gauss_newton_product(unit) for unit in units])
    eigenvalues = torch.linalg.eigvalsh((matrix + matrix.T) / 2)
    assert eigenvalues.min().item() > -1e-12 * eigenvalues.max().item()


def test_a_linear_model_is_its_own_gauss_newton_approximation():
    # One matrix after a constant code: the reconstruction is linear in the decoder, and only that may move.
    model = MODELS["shallow"](0).double()
    model.encoder.requires_grad_(False)
    problem = problem_of(model, OBJECTIVES["squared error"])
    vector = normal(sum(p.numel() for p in problem.parameters), dtype=torch.float64)
    product = problem.gauss_newton_product(vector)
    torch.testing.assert_close(product, problem.hessian_product(vector), rtol=1e-12, atol=0)


def test_the_matrices_are_not_the_same():
    problem = problem_of(network("deep"), OBJECTIVES["squared error"])
    vector = normal(sum(p.numel() for p in problem.parameters), dtype=torch.float64)
    assert difference(problem.gauss_newton_product(vector), problem.hessian_product(vector)) > 0.01


def test_the_corruption_is_drawn_once():
    model = network("dropout")
    batch = rows_with_holes(5, dtype=torch.float64)
    problem = Problem(model, Objective(), batch, corruption=GaussianNoise(0.5), noise=NOISE)
    assert not torch.equal(problem.input, batch.x)
    assert torch.equal(problem.loss(), problem.loss())
    vector = normal(sum(p.numel() for p in problem.parameters), dtype=torch.float64)
    # The gradient's slope along the vector is the Hessian's product only if all three see one function.
    step = 1e-5
    slopes = []
    for sign in (1, -1):
        moved = problem.flat(problem.parameters) + sign * step * vector
        leaves = [p.detach().requires_grad_() for p in problem.split(moved)]
        slopes.append(problem.flat(torch.autograd.grad(problem.loss(leaves), leaves)))
    assert difference((slopes[0] - slopes[1]) / (2 * step), problem.hessian_product(vector)) < 1e-6


@pytest.mark.parametrize("size", [1, 5, 30])
def test_conjugate_gradients_solve_the_system(size):
    root = normal(size, size, seed=size, dtype=torch.float64)
    matrix, target = root @ root.T + torch.eye(size, dtype=torch.float64), normal(size, dtype=torch.float64)
    found = conjugate_gradient(lambda v: matrix @ v, target, iterations=3 * size, tolerance=1e-12)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, target), rtol=1e-8, atol=1e-10)


def test_conjugate_gradients_find_the_best_point_of_their_subspace():
    root = normal(12, 12, dtype=torch.float64)
    matrix, target = root @ root.T + torch.eye(12, dtype=torch.float64), normal(12, seed=1, dtype=torch.float64)
    krylov = torch.stack([torch.linalg.matrix_power(matrix, power) @ target for power in range(4)], 1)
    basis = torch.linalg.qr(krylov)[0]
    best = basis @ torch.linalg.solve(basis.T @ matrix @ basis, basis.T @ target)
    found = conjugate_gradient(lambda v: matrix @ v, target, iterations=4, tolerance=0.0)
    torch.testing.assert_close(found, best, rtol=1e-7, atol=1e-9)


def test_conjugate_gradients_stop_at_their_tolerance():
    matrix, target, calls = torch.diag(torch.arange(1.0, 21.0)), torch.ones(20), []

    def product(v: Tensor) -> Tensor:
        calls.append(v)
        return matrix @ v

    rough = conjugate_gradient(product, target, iterations=100, tolerance=0.5)
    assert (matrix @ rough - target).norm().item() <= 0.5
    used = len(calls)
    conjugate_gradient(product, target, iterations=100, tolerance=1e-4)
    assert used < len(calls) - used


def test_conjugate_gradients_of_nothing_are_nothing():
    found = conjugate_gradient(lambda v: 2 * v, torch.zeros(3), iterations=5, tolerance=0.0)
    assert found.tolist() == [0.0, 0.0, 0.0]


PRODUCTS = ["hessian", "gauss_newton", "fisher"]


def product_of(problem: Problem | Problems, name: str, vector: Tensor) -> Tensor:
    every = {"hessian": problem.hessian_product, "gauss_newton": problem.gauss_newton_product}
    return {**every, "fisher": problem.fisher_product}[name](vector)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_function_of_products_gives_the_same_again_and_again(name, dtype):
    model = MODELS["deep"](0).to(dtype)
    problem = Problem(model, OBJECTIVES["all at once"], rows_with_holes(5, dtype=dtype), noise=NOISE)
    kept = {"hessian": problem.hessian, "gauss_newton": problem.gauss_newton, "fisher": problem.fisher}[name]()
    for seed in range(3):
        vector = normal(len(problem.point()), seed=seed, dtype=dtype)
        assert kept(vector).dtype == dtype
        assert torch.equal(kept(vector), product_of(problem, name, vector))


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_over_many_batches_are_those_of_all_rows(name):
    model, objective = network("deep"), OBJECTIVES["squared error"]
    rows = rows_with_holes(7, dtype=torch.float64)
    parts = [Batch(rows.x[cut], rows.observed[cut]) for cut in (slice(0, 3), slice(3, 7))]
    whole, both = (
        Problem(model, objective, rows),
        Problems([Problem(model, objective, part) for part in parts]),
    )
    vector = normal(len(whole.point()), dtype=torch.float64)
    assert difference(product_of(both, name, vector), product_of(whole, name, vector)) < 1e-12
    assert difference(both.gradient(), whole.measured()[2]) < 1e-12
    assert both.value(whole.point()) == pytest.approx(whole.loss().item(), rel=1e-12)


@pytest.mark.parametrize("wrong", [[], iter([])])
def test_no_problems_are_refused(wrong):
    with pytest.raises(InputError, match=r"^problems must"):
        Problems(wrong).gradient()


def test_squares_of_gradients_are_met_on_average():
    problem = problem_of(network("deep"), OBJECTIVES["squared error"])
    function = Function(problem.part, problem.objective, problem.batch)
    exact = empirical_fisher(function, problem.point()).diagonal()
    assert difference(problem.gradient_squares(2000), exact) < 0.1


# What the other library cannot do: silu's slope has no forward derivative in torch, and it refuses moving statistics.
STRAIGHT = {"under-complete", "silu", "residual", "residual, no blocks"}
MOVING = {"batch norm"}
# Each by our name, with the loss of torch that is its sum over the rows.
LOSSES = {
    "squared error": (squared_error, nn.MSELoss(reduction="sum")),
    "cross entropy": (cross_entropy, nn.BCEWithLogitsLoss(reduction="sum")),
    "softmax cross entropy": (softmax_cross_entropy, nn.CrossEntropyLoss(reduction="sum")),
    "smoothed softmax cross entropy": (
        SUPERVISED["smoothed softmax cross entropy"],
        nn.CrossEntropyLoss(reduction="sum", label_smoothing=0.2),
    ),
}


def compared(family: str, name: str, fidelity: str) -> tuple[Autoencoder, Batch]:
    """A model and rows without gaps, which the other library does not know."""
    if family == "tokens":
        return moved(SEQUENCES[name](0)), PAIRS.batch(torch.tensor([0, 1]))
    if family == "predictor":
        rows, model = normal(5, FEATURES, dtype=torch.float64), moved(PREDICTORS[name](0))
        return model, Batch(rows, None, targets(fidelity, 5, outputs=model.outputs, dtype=torch.float64))
    if family == "pictures":
        pictures = moved(PICTURES[name]((5, 4)))
        return pictures, Batch(uniform(4, pictures.features, dtype=torch.float64), None)
    return network(name), Batch(uniform(4, FEATURES, dtype=torch.float64), None)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("family", "name", "fidelity"),
    [
        (family, name, fidelity)
        for family, models, fidelities in (
            ("rows", MODELS, ("squared error", "cross entropy")),
            ("pictures", PICTURES, ("squared error", "cross entropy")),
            ("predictor", PREDICTORS, ("softmax cross entropy", "smoothed softmax cross entropy")),
            ("tokens", SEQUENCES, ("softmax cross entropy", "smoothed softmax cross entropy")),
        )
        for name in models
        if name not in MOVING
        for fidelity in fidelities
    ],
)
def test_products_are_those_of_curvlinops(family, name, fidelity):
    """Its losses are summed over the rows where ours are averaged, so that its matrices are ours times their number.

    Its empirical Fisher matrix takes each token for a row of its own, and is left out there.
    """
    curvlinops = pytest.importorskip("curvlinops")
    model, batch = compared(family, name, fidelity)
    ours, theirs = LOSSES[fidelity]
    problem = Problem(model, Objective(ours), batch, noise=NOISE)
    vector = normal(len(problem.point()), dtype=torch.float64)

    class Output(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, rows: Tensor) -> Tensor:
            drawn(self.model)
            with sdpa_kernel(SDPBackend.MATH):
                run = self.model(rows)
            return run.reconstruction if ours is squared_error else run.natural

    operators = {"gauss_newton": curvlinops.GGNLinearOperator}
    if name not in STRAIGHT:
        operators["hessian"] = curvlinops.HessianLinearOperator
    if family != "tokens":
        operators["fisher"] = curvlinops.EFLinearOperator
    y = batch.x if batch.y is None else batch.y
    for product, operator in operators.items():
        matrix = operator(Output(), theirs, list(model.parameters()), [(batch.x, y)])
        assert difference(product_of(problem, product, vector), matrix @ vector / len(batch.x)) < 1e-10, product
