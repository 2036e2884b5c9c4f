"""What does an optimizer do near a saddle: is it attracted, does it linger, does it leave?

    python -m experiments.saddle [--quick]

Two planted saddles. The autoencoder of one number, E (x - v w x)^2, has two weights, and a saddle where both are 0: the
ways from beside it are drawn. And a linear autoencoder whose code holds the second and third principal component
instead of the first two, which is a saddle, too, with its weights moved a little: the loss over the steps.

Sources: Dauphin et al. 2014, "Identifying and attacking the saddle point problem in high-dimensional non-convex
optimization", figure 2; Baldi & Hornik 1989, "Neural networks and principal component analysis", for the saddles of a
linear autoencoder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from experiments import study
from experiments.features import Kept, chosen, figures_of, listed
from experiments.study import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, RED, SKY, Row
from layerwise.data import Batch
from layerwise.models import Dense
from layerwise.optim import (
    LBFGS,
    FirstOrder,
    HessianFree,
    Newton,
    Optimizer,
    Problem,
    SaddleFreeNewton,
    TrustRegionNewton,
)
from layerwise.training import Objective

OPTIMIZERS: dict[str, tuple[Optimizer, str]] = {
    "gradient descent": (FirstOrder(torch.optim.SGD, lr=0.02), BLACK),
    "momentum": (FirstOrder(torch.optim.SGD, lr=0.02, momentum=0.9), GREY),
    "Adam": (FirstOrder(torch.optim.Adam, lr=0.01), ORANGE),
    "L-BFGS": (LBFGS(), PINK),
    "Hessian-free": (HessianFree(), SKY),
    "Newton": (Newton(), RED),
    "trust region": (TrustRegionNewton(), GREEN),
    "saddle-free Newton": (SaddleFreeNewton(), BLUE),
}
TASKS = ("one number", "wrong components")
STEPS, QUICK_STEPS = 40, 3
ROWS, FEATURES, CODE = 200, 8, 2
MOVED = 1e-3  # The deviation of what is added to each weight at the saddle.
BESIDE = (0.35, -0.3)
LEFT, AT_REST = 0.5, 1e-6  # Shares of the way down, and of the loss at the saddle by which the gradient is measured.


@final
@dataclass(frozen=True)
class Job:
    """One optimizer at one saddle."""

    task: str
    optimizer: str
    seed: int
    steps: int


def planted(task: str, seed: int) -> tuple[Problem, float, float]:
    """A problem beside its saddle, and the loss at the saddle and at the minimum; in float64."""
    random = torch.Generator().manual_seed(seed)
    features, code = (1, 1) if task == "one number" else (FEATURES, CODE)
    scales = 2.0 ** -torch.arange(features, dtype=torch.float64)
    x = torch.randn(ROWS, features, generator=random, dtype=torch.float64) * scales
    x -= x.mean(0)
    model = Dense(features, code=code, seed=seed).double()
    values, axes = (part.flip(-1) for part in torch.linalg.eigh(x.T @ x / ROWS))
    wrong = axes[:, 1 : code + 1].T if features > 1 else torch.zeros(1, 1, dtype=torch.float64)
    with torch.no_grad():
        for layer, weight in ((model.encoder[0], wrong), (model.decoder[0], wrong.T)):
            assert isinstance(layer.weight, Tensor)
            assert isinstance(layer.bias, Tensor)
            noise = torch.randn(weight.shape, generator=random, dtype=torch.float64)
            layer.weight.copy_(weight + MOVED * noise)
            layer.bias.zero_()
            layer.bias.requires_grad_(False)
        if features == 1:
            model.encoder[0].weight.fill_(BESIDE[0])
            model.decoder[0].weight.fill_(BESIDE[1])
    total = float(values.sum())
    kept = slice(1, code + 1) if features > 1 else slice(0, 0)
    return (
        Problem(model, Objective(), Batch(x, None)),
        total - float(values[kept].sum()),
        total - float(values[:code].sum()),
    )


def run(job: Job) -> Row:
    """Take the steps and look back."""
    problem, saddle, least = planted(job.task, job.seed)
    stepper = OPTIMIZERS[job.optimizer][0].start(problem.part)
    losses, way = [problem.value(problem.point())], [problem.point()]
    for _ in range(job.steps):
        stepper.step(problem)
        losses.append(problem.value(problem.point()))
        way.append(problem.point())
    shares = (np.array(losses) - least) / (saddle - least)
    low = np.flatnonzero(shares < LEFT)
    figures = {
        "share of the way left": float(shares[-1]),
        "gradient": float(problem.measured()[2].norm()) / saddle,
        "steps to half": float(low[0]) if len(low) else float("nan"),
        "negative eigenvalues": negative(problem),
    }
    names = {"saddle": job.task, "optimizer": job.optimizer, "seed": job.seed}
    kept = {"losses": Kept(shares), "way": Kept(torch.stack(way).numpy()[:, :2])}
    return study.merged(names, figures, kept)


def negative(problem: Problem) -> float:
    """The share of negative eigenvalues of the Hessian."""
    product = problem.hessian()
    matrix = torch.stack([product(unit) for unit in torch.eye(len(problem.point()), dtype=torch.float64)])
    values = torch.linalg.eigvalsh((matrix + matrix.T) / 2)
    return float((values < -1e-9 * values.abs().max()).double().mean())


def finding(rows: Sequence[Row]) -> str:
    """What was found, in words made from the figures."""
    said = []
    for task in TASKS:
        some = chosen(rows, saddle=task)
        means = {
            name: {
                column: study.mean_of(some, column, optimizer=name) for column in ("share of the way left", "gradient")
            }
            for name in OPTIMIZERS
        }
        caught = [n for n, m in means.items() if m["gradient"] < AT_REST and m["share of the way left"] > LEFT]
        left = [n for n, m in means.items() if m["share of the way left"] < AT_REST]
        lingering = [n for n in OPTIMIZERS if n not in caught and n not in left]
        said.append(
            f"At the saddle of {task}, came to rest there: {listed(caught)}; were at the minimum in the end: "
            f"{listed(left)}; neither: {listed(lingering)}."
        )
    return (
        "It is said that Newton's method is attracted by saddles, gradient descent lingers at them, and Newton's "
        f"method with the absolute values of the curvature leaves them. {' '.join(said)}"
    )


def picture(rows: Sequence[Row]) -> Figure:
    """The ways from beside the saddle of two weights, and the losses at the other."""
    figure, (ways, losses) = study.axes(2, width=5.2, height=4.2)
    seed = min(row["seed"] for row in rows)
    ways.contour(*valley(), levels=np.linspace(0, 4, 17), colors="#cccccc", linewidths=0.7)
    for name, (_, colour) in OPTIMIZERS.items():
        way = chosen(rows, saddle=TASKS[0], optimizer=name, seed=seed)[0]["way"].values
        ways.plot(way[:, 0], way[:, 1], color=colour, marker=".", markersize=4, linewidth=1, label=name)
        for row in chosen(rows, saddle=TASKS[1], optimizer=name):
            losses.plot(np.maximum(row["losses"].values, 1e-10), color=colour, linewidth=1)
    ways.set(xlim=(-2, 2), ylim=(-2, 2), xlabel="encoder's weight", ylabel="decoder's weight")
    ways.set_title("the ways from beside the saddle of one number", fontsize=9)
    losses.set(yscale="log", xlabel="steps", ylabel="share of the way from saddle to minimum")
    losses.set_title("beside a code of the wrong components, each seed", fontsize=9)
    figure.legend(*ways.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def valley() -> tuple[NDArray[np.float64], ...]:
    """Weights, and (1 - v w)^2."""
    grid: Any = np.meshgrid(np.linspace(-2, 2, 101), np.linspace(-2, 2, 101))
    return (*grid, (1 - grid[0] * grid[1]) ** 2)


def main(words: Sequence[str] | None = None) -> None:
    """Step, print and publish."""
    arguments = study.parse(__doc__, words)
    steps = QUICK_STEPS if arguments.quick else STEPS
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    # Some seconds in all, which is less than other processes would take to start.
    rows = [run(Job(task, name, seed, steps)) for task in TASKS for name in OPTIMIZERS for seed in seeds]
    figure, text = picture(rows), finding(rows)
    print(text)
    if arguments.quick:
        return
    columns = ("share of the way left", "gradient", "steps to half", "negative eigenvalues")
    study.publish(
        "saddle",
        figures_of(rows),
        figure,
        title="What does an optimizer do near a saddle?",
        setting=(
            f"Linear autoencoders without biases on {ROWS} made-up normal rows, in float64, all rows in each step, "
            f"{STEPS} steps. One number: from the weights {BESIDE[0]} and {BESIDE[1]}. Wrong components: {FEATURES} "
            f"features whose deviations halve from one to the next, a code of {CODE}, weights at the second and third "
            f"principal component plus normal numbers of deviation {MOVED:g}. The way is that from the loss at the "
            f"saddle to the least one; half of it is where an optimizer has left. The gradient is its norm over the "
            f"loss at the saddle; at rest is below {AT_REST:g}. Negative eigenvalues: their share in the Hessian at "
            "the end, below -1e-9 of the largest. Gradient descent at 0.02, momentum 0.9, Adam at 0.01, the others "
            "with their defaults. No number of steps to half: it was not reached."
        ),
        finding=text,
        shown=study.table(rows, ("saddle", "optimizer"), columns),
    )


if __name__ == "__main__":
    main()
