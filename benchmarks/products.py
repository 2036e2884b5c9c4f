"""What does a product with a matrix of curvature cost, in evaluations of the gradient?

    python -m benchmarks.products [--quick]

The deep autoencoder of Hinton & Salakhutdinov 2006 (784-1000-500-250-30, logistic units) on made-up pictures, with the
cross-entropy and with the squared error. The median time of the gradient; of one product at a new point, pass
included; and of a further product at the same point. Times are those of one thread's processor, gradients and
products by turns.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch

from benchmarks.results import keep
from layerwise.data import Batch
from layerwise.models import Dense, Layer, sigmoid
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


def measure(fidelity: Fidelity, *, quick: bool) -> dict[str, float]:
    """The ratios to the gradient's time, and that time in seconds."""
    features, hidden, code = QUICK_NET if quick else NET
    model = Dense(features, hidden, code=code, layer=Layer(sigmoid), output=sigmoid, seed=0)
    random = torch.Generator().manual_seed(0)
    rows = torch.rand(QUICK_ROWS if quick else ROWS, features, generator=random)
    problem = Problem(model, Objective(fidelity), Batch(rows, None))
    vector = torch.randn(problem.point().shape, generator=random)
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
    if not arguments.quick:
        keep("products", {"ratios": figures, "worst": worst, "allowed": MOST})


if __name__ == "__main__":
    main()
