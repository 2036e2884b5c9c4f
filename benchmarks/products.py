"""What does a product with a matrix of curvature cost, in evaluations of the gradient?

    python -m benchmarks.products [--quick]

The deep autoencoder of Hinton & Salakhutdinov 2006 (784-1000-500-250-30, logistic units) on made-up pictures, with the
cross-entropy and with the squared error. The median time of the gradient; of one product at a new point, pass
included; and of a further product at the same point. Times are those of one thread's processor, gradients and
products by turns. Then, by turns as well, both products against the same compiled by `torch.compile`, at a new point:
the graph that a further product reuses cannot be kept there.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import functional_call, grad, jvp, vjp

from benchmarks.results import keep
from layerwise.data import Batch
from layerwise.models import Dense, Layer, Pass, sigmoid
from layerwise.optim import Problem
from layerwise.penalties import Fidelity, cross_entropy, squared_error
from layerwise.training import Objective

NET, QUICK_NET = (784, (1000, 500, 250), 30), (20, (16, 8), 4)
ROWS, QUICK_ROWS, ROUNDS = 500, 50, 6
MOST = {"hessian": 5.0, "gauss_newton": 4.0, "fisher": 4.0}


def seconds(call: Callable[[], object]) -> float:
    """Of the processor."""
    started = time.process_time()
    call()
    return time.process_time() - started


def made(fidelity: Fidelity, *, quick: bool) -> tuple[Problem, Tensor]:
    """A batch, and a vector to be multiplied with its curvature."""
    features, hidden, code = QUICK_NET if quick else NET
    model = Dense(features, hidden, code=code, layer=Layer(sigmoid), output=sigmoid, seed=0)
    random = torch.Generator().manual_seed(0)
    rows = torch.rand(QUICK_ROWS if quick else ROWS, features, generator=random)
    problem = Problem(model, Objective(fidelity), Batch(rows, None))
    return problem, torch.randn(problem.point().shape, generator=random)


def measure(fidelity: Fidelity, *, quick: bool) -> dict[str, float]:
    """The ratios to the gradient's time, and that time in seconds."""
    problem, vector = made(fidelity, quick=quick)
    fresh = {
        "hessian": problem.hessian_product,
        "gauss_newton": problem.gauss_newton_product,
        "fisher": problem.fisher_product,
    }
    further = {"hessian": problem.hessian(), "gauss_newton": problem.gauss_newton(), "fisher": problem.fisher()}
    times: dict[str, list[float]] = {}
    for _ in range(2 if quick else ROUNDS):
        times.setdefault("gradient", []).append(seconds(problem.gradient))
        for name in fresh:
            times.setdefault(name, []).append(seconds(lambda name=name: fresh[name](vector)))  # type: ignore[misc]
            times.setdefault(f"further {name}", []).append(seconds(lambda name=name: further[name](vector)))  # type: ignore[misc]
    # The first round warms up.
    medians = {name: statistics.median(found[1:]) for name, found in times.items()}
    gradient = medians.pop("gradient")
    return {"seconds of a gradient": gradient, **{name: value / gradient for name, value in medians.items()}}


def pure(problem: Problem, vector: Tensor) -> dict[str, Callable[[], object]]:
    """The products as functions of tensors alone, which can be compiled."""
    names = [name for name, _ in problem.part.named_parameters()]
    at, along = (dict(zip(names, problem.split(flat), strict=True)) for flat in (problem.point(), vector))

    def outputs(parameters: dict[str, Tensor]) -> Pass:
        return functional_call(problem.part, parameters, (problem.input,))  # type: ignore[no-any-return]

    def loss(run: Pass) -> Tensor:
        terms = problem.objective.terms(run, problem.batch, problem.part, progress=0.0)
        return torch.stack(list(terms.values())).sum()

    def hessian() -> object:
        return jvp(grad(lambda parameters: loss(outputs(parameters))), (at,), (along,))[1]

    def gauss_newton() -> object:
        run, pushed = jvp(outputs, (at,), (along,))
        return vjp(outputs, at)[1](jvp(grad(loss), (run,), (pushed,))[1])[0]

    return {"hessian": hessian, "gauss_newton": gauss_newton}


def compiled(fidelity: Fidelity, *, quick: bool) -> dict[str, dict[str, float]]:
    """How many times as long ours take, of a fresh and of a further product; and the seconds of compiling.

    Raises:
        RuntimeError: where nothing can be compiled.
    """
    # Those of an earlier run would make the compiling look cheap.
    torch.compiler.config.force_disable_caches = not quick  # type: ignore[attr-defined]
    problem, vector = made(fidelity, quick=quick)
    fresh = {"hessian": problem.hessian_product, "gauss_newton": problem.gauss_newton_product}
    further = {"hessian": problem.hessian(), "gauss_newton": problem.gauss_newton()}
    figures = {}
    for name, function in pure(problem, vector).items():
        # The quick run is that of the tests, whose checks of types cannot be compiled.
        call = function if quick else torch.compile(function, dynamic=False)
        started = time.perf_counter()
        call()
        figures[name] = {"seconds to compile": time.perf_counter() - started}
        calls = {"fresh": lambda name=name: fresh[name](vector), "further": lambda name=name: further[name](vector)}
        times = [[seconds(each) for each in (call, *calls.values())] for _ in range(2 if quick else ROUNDS)]
        theirs, *ours = (statistics.median(column[1:]) for column in zip(*times, strict=True))
        figures[name] |= {kind: value / theirs for kind, value in zip(calls, ours, strict=True)}
    return figures


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small net, nothing kept")
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    figures = {fidelity.name: measure(fidelity, quick=arguments.quick) for fidelity in (cross_entropy, squared_error)}
    for name, found in figures.items():
        print(f"{name}:", "  ".join(f"{key} {value:.3g}" for key, value in found.items()), flush=True)
    worst = {name: max(found[name] for found in figures.values()) for name in MOST}
    print("worst", worst, "allowed", MOST)
    try:
        gains: object = compiled(cross_entropy, quick=arguments.quick)
    except RuntimeError as error:
        gains = f"nothing, since torch.compile fails here: {error}".splitlines()[0]
    print("eager over compiled", gains)
    if not arguments.quick:
        keep("products", {"ratios": figures, "worst": worst, "allowed": MOST, "eager over compiled": gains})


if __name__ == "__main__":
    main()
