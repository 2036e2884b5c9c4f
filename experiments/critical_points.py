"""Do critical points with a larger error have more directions that lead down?

    python -m experiments.critical_points --data-dir DATA [--quick]

An autoencoder of one layer on MNIST at 10 x 10 pixels. From places on the paths of gradient descent, and from around
them, `find_critical_point` goes to a zero of the gradient; at each the index (the share of the Hessian's eigenvalues
that are negative) and the error are taken down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from torch.nn.functional import adaptive_avg_pool2d

from experiments import study
from experiments.study import Row
from layerwise.data import Batch
from layerwise.diagnostics import find_critical_point, saddle_index
from layerwise.models import Dense, Glorot, Layer, tanh
from layerwise.optim import Problem
from layerwise.penalties import WeightDecay, squared_error
from layerwise.randomness import generator
from layerwise.training import Objective

SIDE = 10
# Without it a net of bounded units has its best weights at infinity, and directions without any curvature.
DECAY = 1e-2
OBJECTIVE = Objective(squared_error, {"decay": (DECAY, WeightDecay())})
# Of the gradient's norm; a step along it can then take no more than about 1e-7 of the loss off.
TOLERANCE = 1e-3
WANTED = 0.8
ALIKE = 1e-5


@dataclass(frozen=True)
class Size:
    """How much is done: rows, units, starts, the steps of the longest descent, and the search from each start."""

    rows: int = 300
    code: int = 4
    starts: int = 260
    descent: int = 2000
    iterations: int = 200
    products: int = 50


QUICK = Size(40, 2, 4, 10, 15, 60)


class Job(NamedTuple):
    """One start."""

    number: int
    size: Size
    data_dir: Path | None


def pictures(size: Size, data_dir: Path | None) -> torch.Tensor:
    """The first rows at 10 x 10 pixels, around their mean, without pixels that hardly vary."""
    data = study.load("mnist", data_dir)
    small = adaptive_avg_pool2d(data.train[: size.rows].reshape(-1, 1, 28, 28).double(), SIDE).flatten(1)
    small = small[:, small.std(0) > 0.1]
    return small - small.mean(0)


def descended(problem: Problem, steps: int, *, rate: float = 0.05, momentum: float = 0.9) -> torch.Tensor:
    """The parameters after some steps of gradient descent with momentum, from the present ones."""
    place = problem.flat(problem.parameters).detach().clone()
    speed = torch.zeros_like(place)
    for _ in range(steps):
        speed = momentum * speed - rate * problem.at(place)[1]
        place = place + speed
    return place


def run(job: Job) -> Row:
    """From one start to a critical point."""
    size, noise = job.size, generator(job.number, -21)
    x = pictures(size, job.data_dir)
    layer = Layer(tanh, initializer=Glorot())
    model = Dense(x.shape[1], code=size.code, layer=layer, code_activation=tanh, seed=job.number).double().eval()
    problem = Problem(model, OBJECTIVE, Batch(x, None))
    # From the first steps, where errors are large, to the end: equal shares of the logarithm. Some units are silenced,
    # as descent passes near the saddles at which they are, but seldom through them.
    share, silent, jitter = torch.rand(3, generator=noise).tolist()
    steps = round(size.descent**share) - 1
    silence(model, int(silent * (size.code + 1)))
    start = descended(problem, steps)
    drawn = torch.randn(len(start), generator=noise, dtype=torch.float64)
    start = start + 10 ** (-3 + 2.5 * jitter) * start.norm() / drawn.norm() * drawn
    found = find_critical_point(problem, start, iterations=size.iterations, steps=size.products, tolerance=TOLERANCE)
    with torch.no_grad():
        for parameter, value in zip(problem.parameters, problem.split(found.parameters), strict=True):
            parameter.copy_(value)
    index = saddle_index(problem, exact_up_to=len(start))
    return {
        "start": job.number,
        "steps": steps,
        "found": int(found.found),
        "gradient_norm": found.gradient_norm,
        "iterations": found.iterations,
        "error": float(problem.terms()["squared_error"]),
        "index": index.share,
        "least": index.least,
        "largest": index.largest,
        "parameters": len(start),
    }


def silence(model: Dense, units: int) -> None:
    """Make the weights of the first units of the code a thousandth."""
    with torch.no_grad():
        for weight in (model.encoder[0].weight[:units], model.decoder[0].weight[:, :units]):
            assert isinstance(weight, torch.Tensor)
            weight.mul_(1e-3)


def different(rows: Sequence[Row]) -> list[Row]:
    """Of points with the same index and error one: a net has the same point in many orders and signs of its units."""
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: (row["index"], row["error"])):
        last = kept[-1] if kept else None
        if last is None or row["index"] != last["index"] or row["error"] > last["error"] * (1 + ALIKE):
            kept.append(row)
    return kept


def correlation(rows: Sequence[Row]) -> float:
    """Spearman's, of index and error; 0 where one of them does not vary."""
    index, error = (np.array([row[name] for row in rows]) for name in ("index", "error"))
    if len(rows) < 3 or not (np.ptp(index) and np.ptp(error)):
        return 0.0
    return float(spearmanr(index, error).statistic)


def draw(rows: Sequence[Row]) -> Figure:
    """Error against index, and the ends of the spectrum."""
    figure, (left, right) = study.axes(2)
    index, error = [100 * row["index"] for row in rows], [row["error"] for row in rows]
    left.scatter(index, error, s=12, color=study.BLUE, alpha=0.6)
    left.set_xlabel("index: negative eigenvalues, %")
    left.set_ylabel("squared error")
    right.scatter([row["least"] for row in rows], error, s=12, color=study.ORANGE, alpha=0.6)
    right.set_xlabel("least eigenvalue")
    return figure


def told(rows: Sequence[Row], starts: int) -> str:
    """What was found, in words."""
    apart = different(rows)
    rank, rank_apart = correlation(rows), correlation(apart)
    held = "held" if rank_apart >= WANTED else "held in part" if rank_apart > 0 else "did not hold"
    index, error = ([row[name] for row in rows] for name in ("index", "error"))
    return (
        f"**Claim: the error of a critical point grows with its index (Dauphin et al. 2014).** It {held}: over "
        f"{len(rows)} critical points, found from {starts} starts, the rank correlation of index and error is "
        f"{rank:.2f}; over the {len(apart)} of them that differ in index or error {rank_apart:.2f}. The index goes "
        f"from {min(index):.1%} to {max(index):.1%}, the error from {min(error):.3g} to {max(error):.3g}; "
        f"{index.count(0.0)} are minima."
    )


def bands(rows: Sequence[Row]) -> str:
    """The points by their index, as a table."""
    lines = ["| index, % | points | least error | mean error | largest error |", "|---|---|---|---|---|"]
    edges = [-1.0, *np.quantile([row["index"] for row in rows], [0.25, 0.5, 0.75, 1.0]).tolist()]
    for low, high in pairwise(edges):
        errors = [row["error"] for row in rows if low < row["index"] <= high]
        if errors:
            cells = f"{min(errors):.3g} | {np.mean(errors):.3g} | {max(errors):.3g}"
            lines.append(f"| {100 * max(low, 0.0):.2g} to {100 * high:.2g} | {len(errors)} | {cells} |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> list[Row]:
    """Search, tell and keep."""
    arguments: Any = study.parse(__doc__, words)
    size = QUICK if arguments.quick else Size()
    jobs = [Job(number, size, arguments.data_dir) for number in range(size.starts)]
    rows = study.each(run, jobs, quick=arguments.quick)
    found = [row for row in rows if row["found"]]
    print(f"{len(found)} critical points from {len(rows)} starts; rank correlation {correlation(found):.2f}")
    if arguments.quick:
        return rows
    study.publish(
        "critical_points",
        rows,
        draw(found),
        title="Do critical points with a larger error have more directions that lead down?",
        setting=(
            f"The first {size.rows} training pictures of MNIST at {SIDE} x {SIDE} pixels; an autoencoder of one layer "
            f"of {size.code} tanh units with a linear output ({rows[0]['parameters']} parameters), squared error (sum "
            f"over pixels, mean over rows) and weight decay of {DECAY:g}, in float64. Each start: 0 to {size.descent} "
            "steps of gradient descent from Glorot's weights, of which some units were made silent, and some noise. "
            f"Then damped least squares on the gradient, at most {size.iterations} steps of {size.products} curvature "
            f"products, to a norm of {TOLERANCE:g}, where a step along the gradient can take no more than about 1e-7 "
            "of the loss off; starts from which that was not reached have `found` 0 and are not counted. The whole "
            "Hessian gives the index; what is within rounding of 0 is 0."
        ),
        finding=told(found, len(rows)),
        shown=bands(found),
    )
    return rows


if __name__ == "__main__":
    main()
