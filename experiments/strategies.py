"""What should constrain the layers: their width, sparsity, or nothing but the code?

    python -m experiments.strategies --data-dir DATA [--quick] [--seeds 0 1 2]

The recipes `bottleneck` (A), `sparse_bottleneck` (B) and `free_bottleneck` (C) with the same code of 20 units: A with
hidden layers that get narrower, B and C with hidden layers that are wider than the input, on pictures of half the size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.nn import functional

from experiments import study
from experiments.comparison import bars, legend, ranking, won
from experiments.study import Row
from layerwise.diagnostics import active_share, hoyer, passes
from layerwise.models import Dense
from layerwise.penalties import cross_entropy
from layerwise.recipes import Setting, bottleneck, free_bottleneck, sparse_bottleneck
from layerwise.training import Objective, Phase, TensorRows

DATA = "mnist", "big-and-small-digits", "square-and-room", "robot-arm-2d", "robot-arm-3d"
STRATEGIES = "A", "B", "C"
NEARLY = "A, nearly as wide"
COLOURS = {"A": study.BLUE, NEARLY: study.SKY, "B": study.ORANGE, "C": study.GREEN}
RECIPES: dict[str, Callable[..., list[Phase]]] = {
    "A": bottleneck,
    NEARLY: bottleneck,
    "B": sparse_bottleneck,
    "C": free_bottleneck,
}
CODE = 20
ACTIVE = 0.1
COST = "seconds", "parameters"
COLUMNS = (
    "cross_entropy",
    "squared_error",
    "reverse_cross_entropy",
    "seconds",
    "parameters",
    "hoyer_before",
    "hoyer",
    "active_before",
    "active",
)


@dataclass(frozen=True)
class Size:
    """How much is trained; the hidden layers of A, of the wider A, and of B and C."""

    rows: int = 4000
    test_rows: int = 2000
    narrow: tuple[int, ...] = (120, 60)
    nearly: tuple[int, ...] = (190, 180)
    wide: tuple[int, ...] = (400, 400)
    epochs: int = 10
    tuning: int = 40


QUICK = Size(200, 100, epochs=1, tuning=1)


class Job(NamedTuple):
    """One data set, one strategy, one seed."""

    data: str
    strategy: str
    seed: int
    size: Size
    data_dir: Path | None


def halved(pictures: torch.Tensor) -> torch.Tensor:
    """Square pictures at half the size: the mean of each four pixels."""
    side = round(pictures.shape[1] ** 0.5)
    return functional.avg_pool2d(pictures.reshape(-1, 1, side, side), 2).flatten(1)


def sparseness(model: Dense, rows: torch.Tensor) -> tuple[float, float]:
    """Hoyer's measure, and the share of activities above 0.1, of the hidden layers; means over the layers."""
    runs = [run.hidden for _, run in passes(model, TensorRows(rows))]
    layers = [torch.cat(parts).numpy() for parts in zip(*runs, strict=True)]
    return float(np.mean([hoyer(h) for h in layers])), float(np.mean([active_share(h, ACTIVE) for h in layers]))


def run(job: Job) -> Row:
    """Train by a strategy and measure."""
    size = job.size
    data = study.load(job.data, job.data_dir).head(size.rows, size.test_rows)
    rows, test = halved(data.train), halved(data.test)
    hidden = {"A": size.narrow, NEARLY: size.nearly}.get(job.strategy, size.wide)
    model = study.logistic_net(rows.shape[1], hidden, CODE, seed=job.seed)
    setting = Setting(len(rows), Objective(cross_entropy), widths=model.widths)
    *layers, tune = RECIPES[job.strategy](setting, epochs=size.epochs, fine_tune_epochs=size.tuning, lr=3e-3)
    seconds = study.train(model, TensorRows(rows), layers, seed=job.seed)
    hoyer_before, active_before = sparseness(model, test)
    seconds += study.train(model, TensorRows(rows), [tune], seed=job.seed)
    hoyer_after, active = sparseness(model, test)
    return {
        "data": job.data,
        "strategy": job.strategy,
        "seed": job.seed,
        **study.errors(model, TensorRows(test)),
        "seconds": seconds,
        "parameters": study.parameters(model),
        "hoyer_before": hoyer_before,
        "hoyer": hoyer_after,
        "active_before": active_before,
        "active": active,
    }


def conclusion(rows: Sequence[Row]) -> str:
    """Which strategy is best, at what cost, and what is left of sparsity."""
    order = ranking(rows, "cross_entropy", by="strategy", ways=STRATEGIES)
    (sparse, free), (nearly, narrow) = (
        won(rows, "cross_entropy", by="strategy", one=one, other=other) for one, other in (("B", "C"), (NEARLY, "A"))
    )
    cost = {
        way: tuple(
            study.mean_of(rows, column, strategy=way) / study.mean_of(rows, column, strategy="A") for column in COST
        )
        for way in ("B", "C", NEARLY)
    }
    words = ", ".join(f"{way} {seconds:.1f} and {count:.1f}" for way, (seconds, count) in cost.items())
    before, after = (
        ", ".join(f"{way} {study.mean_of(rows, column, strategy=way):.2f}" for way in STRATEGIES)
        for column in ("hoyer_before", "hoyer")
    )
    sets = len({row["data"] for row in rows})
    return (
        f"**Best of the three strategies** by test cross-entropy: {order}. Of {sets} data sets, B was clearly better "
        f"than C on {sparse} and clearly worse on {free}. This alone does not tell constraint from size: training time "
        f"and parameters are, as multiples of A's, {words}; and A with layers nearly as wide as the input was clearly "
        f"better than A on {nearly} and clearly worse on {narrow}. Sparseness of the hidden layers (Hoyer, 1 is "
        f"sparsest), means over the data sets: {before} after the layers were trained one by one, {after} after the "
        "fine-tuning, which asks for no sparsity."
    )


def figure(rows: Sequence[Row]) -> Figure:
    """Error, time and sparseness."""
    drawn, places = study.axes(3, width=4.6, height=3.6)
    shown = [
        ("squared_error", "test squared error, A = 1", "Error", "A"),
        ("seconds", "training (s, one thread)", "Time", None),
        ("hoyer", "Hoyer's sparseness (0 to 1)", "Hidden layers after fine-tuning", None),
    ]
    for axis, (column, label, title, relative) in zip(places, shown, strict=True):
        bars(axis, rows, column, by="strategy", colours=COLOURS, relative=relative)
        axis.set_ylabel(label)
        axis.set_title(title)
    legend(places)
    return drawn


def publish(rows: Sequence[Row], size: Size) -> None:
    """Write the page."""
    widths = {name: "-".join(map(str, hidden)) for name, hidden in vars(size).items() if isinstance(hidden, tuple)}
    setting = (
        f"The first {size.rows} training and {size.test_rows} test rows of each data set at half the size, which is "
        f"196 pixels, and 256 for big-and-small-digits; logistic units, a linear code of {CODE} units; hidden layers: "
        f"A {widths['narrow']}, nearly as wide {widths['nearly']}, B and C {widths['wide']}. The widths are our own: "
        "those of the thesis which named the strategies are not known. Recipes `bottleneck` (A), `sparse_bottleneck` "
        "(B, weight 0.1 on the KL divergence from a mean activity of 0.05, in the layers' own training only) and "
        f"`free_bottleneck` (C): {size.epochs} epochs of Adam a layer and {size.tuning} of fine-tuning, rate 0.003, "
        "batches of 128, cross-entropy. Errors: sums over pixels, means over rows, cross-entropies in nats; seconds of "
        "the processor with one thread; hoyer and active (the share of activities above 0.1) are means over the hidden "
        "layers on test rows, before and after the fine-tuning. Differences are taken seed by seed; clear: more than "
        "two of their standard deviations."
    )
    study.publish(
        "strategies",
        rows,
        figure(rows),
        title="What should constrain the layers: width, sparsity, or the code alone?",
        setting=setting,
        finding=conclusion(rows),
        shown=study.table(rows, ("data", "strategy"), COLUMNS),
    )


def main(words: Sequence[str] | None = None) -> None:
    """Train, measure and write."""
    arguments = study.parse(__doc__, words)
    size = QUICK if arguments.quick else Size()
    jobs = [
        Job(data, strategy, seed, size, arguments.data_dir)
        for data in (DATA[:3:2] if arguments.quick else DATA)
        for strategy in COLOURS
        for seed in (arguments.seeds[:1] if arguments.quick else arguments.seeds)
    ]
    rows = study.each(run, jobs, quick=arguments.quick)
    print(conclusion(rows))
    if not arguments.quick:
        publish(rows, size)


if __name__ == "__main__":
    main()
