"""How far and how fast does each optimizer train the three deep autoencoders of the field?

    python -m benchmarks.deep_autoencoders --data-dir DATA [--quick] [--full] [--only curves mnist faces relu]

DATA holds `mnist/` and `olivetti/olivettifaces.mat`; curves are drawn here. Logistic units, a linear code, no
pre-training, sparse first weights (15 of each unit, standard normal). The cross-entropy is minimized (faces: the
squared error, with a linear output, of pixels with mean 0 and variance 1 on average); by K-FAC and EKFAC until their
batches hold all rows, and from then on the squared error, since what is left of the cross-entropy by then is mostly
that of background pixels, which are never black enough for it. The figure is the squared error
on the training rows, its sum over pixels and mean over pictures, as in Martens 2010 and Sutskever et al. 2013. Each
optimizer gets the same time, after a sixth of it for each choice of its grid, of which the one with the lowest
training error is taken; at last the best one of the second order (for curves EKFAC) has a longer run, with what is left
of the data set's CPU minutes, for curves also Adam, and for faces the best one of the first order. With --full that
longer run ends when it is below the least published error, and for faces below that of the best first-order method in
its own run by a tenth, and is kept beside the usual one. What is kept: the error against updates, against seconds of
training, and against examples seen; docs/deep-autoencoders.md is made from it. Large tensors come and go:
THP_MEM_ALLOC_ENABLE=1 in the environment, with which torch asks Linux for huge pages, saves 6 % of the time.

`relu` is another network: MNIST with rectified units, first weights of half He's size, batches of 1000, weight decay of
1e-5, 50 epochs; its figure is the test cross-entropy with the penalty, at best 57.37 by the published K-FAC.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.deep_autoencoders_page import FIRST, SECOND, publish
from benchmarks.results import keep
from layerwise.data import read
from layerwise.errors import TrainingDiverged
from layerwise.models import Dense, He, Layer, Sparse, identity, relu, sigmoid
from layerwise.optim import EKFAC, KFAC, ConjugateGradient, FirstOrder, HessianFree, Optimizer, RisingMomentum
from layerwise.penalties import WeightDecay, cross_entropy, squared_error
from layerwise.runtime import Runtime
from layerwise.training import Event, History, Objective, Phase, StepDecay, StopPhase, Switch, TensorRows, fit

# For each optimizer, and for each choice of its grid as a share of that.
SECONDS, TRIAL_SHARE = 30.0, 1 / 6
# CPU minutes for all runs on a data set together: the longer run gets what is left of them. Or its own seconds.
MINUTES, LONG, FULL_LONG = {"curves": 29.4, "mnist": 29.7}, {"faces": 300.0}, 14_400.0
# Of which optimizers the best one has a longer run, and of the first order for how many seconds, if the second order
# has as many. Half a minute does not tell KFAC and EKFAC apart on curves; nine minutes do, 0.22 and 0.16.
LONG_SECOND: dict[str, Sequence[str]] = {"curves": ["EKFAC"], "mnist": SECOND, "faces": SECOND}
LONG_FIRST: dict[str, tuple[Sequence[str], float]] = {"curves": (["Adam"], 75.0), "faces": (FIRST, math.inf)}
# Where the longer run of --full ends; for faces a share of what the best first-order method came to.
BEATEN, BEATEN_SHARE = {"curves": 0.058, "mnist": 0.57}, 0.9
HIDDEN: dict[str, tuple[tuple[int, ...], int]] = {
    "curves": ((400, 200, 100, 50, 25), 6),
    "mnist": ((1000, 500, 250), 30),
    "faces": ((2000, 1000, 500), 30),
    "relu": ((1000, 500, 250), 30),
}
RELU_EPOCHS, RELU_DECAY, AVERAGE = 50, 1e-5, 0.99
MEASURED_ROWS = 10_000
# With less damping the steps follow the curvature further than it is true.
LEAST, LEAST_END = 2e-5, 8e-7
# Steps with all rows, at first whole, later three tenths of what the quadratic model asks for: whole ones go from one
# side of a narrow valley to the other.
WHOLE, SHORT = 75, 0.3
# Weight decay of curves, first beside the cross-entropy and then beside the squared error, as long as steps are whole:
# without it rows are learned by heart, which is slow. It is given up in the end, since it also holds the error up.
DECAY = {"curves": (1e-5, 2e-6)}
UPDATES = 750_000


@dataclass(frozen=True)
class Column:
    """An optimizer, the choices of its constants, its batches, and what minimizes the squared error in the end."""

    grid: dict[str, Optimizer]
    batch: int
    growth: float = 1.0
    end: Optimizer | None = None


def nesterov(lr: float, most: float) -> FirstOrder:
    """Nesterov's momentum, with its schedule over the published number of updates, or fewer: see `planned`."""
    momentum = RisingMomentum(UPDATES, largest=most)
    return FirstOrder(torch.optim.SGD, lr=lr, momentum=momentum, options={"nesterov": True})


def rises(optimizer: Optimizer) -> bool:
    """Whether its momentum follows a plan of the run's updates."""
    return isinstance(optimizer, FirstOrder) and isinstance(optimizer.momentum, RisingMomentum)


def planned(optimizer: Optimizer, updates: int) -> Optimizer:
    """With the momentum's rise and last stretch over so many updates."""
    if isinstance(optimizer, FirstOrder) and isinstance(optimizer.momentum, RisingMomentum):
        return replace(optimizer, momentum=replace(optimizer.momentum, steps=updates))
    return optimizer


def plan(optimizer: Optimizer, last: dict[str, float], seconds: float) -> int:
    """Updates for a run of so many seconds, by the end of another one: somewhat fewer, so that it comes to its end."""
    return max(1, int(0.9 * last["updates"] / last["seconds"] * seconds)) if rises(optimizer) else UPDATES


# One line an optimizer; of each the best of its grid is shown.
COLUMNS: dict[str, Column] = {
    "Adam": Column({f"rate {lr}": FirstOrder(torch.optim.Adam, lr=lr) for lr in (3e-4, 1e-3, 3e-3)}, 200),
    "Nesterov": Column({f"rate {lr}": nesterov(lr, 0.99) for lr in (0.05, 0.01, 0.001)}, 200),
    "ConjugateGradient": Column({"3 searches": ConjugateGradient()}, 1000),
    "HessianFree": Column({f"damping {d}": HessianFree(damping=d) for d in (1.0, 45.0)}, 1000, growth=1.1),
    "KFAC": Column(
        {f"damping {d:g}": KFAC(damping=d, least=LEAST, interval=10) for d in (10.0, 150.0)},
        1000,
        growth=1.1,
        end=KFAC(damping=1e-4, least=LEAST_END, interval=10),
    ),
    "EKFAC": Column(
        {f"damping {d:g}": EKFAC(damping=d, least=LEAST, interval=10) for d in (10.0, 150.0)},
        1000,
        growth=1.1,
        end=EKFAC(damping=1e-4, least=LEAST_END, interval=10),
    ),
}


def rows_of(name: str, folder: Path, *, quick: bool) -> tuple[Tensor, Tensor]:
    """Training and test rows."""
    table = read(NAMES.get(name, name), data_dir=folder / FOLDERS.get(name, ""))
    assert table.test is not None
    x, test = (torch.from_numpy(part.to_array()).flatten(1).float() / 255 for part in (table, table.test))
    if name == "faces":
        mean = x.mean(0)
        scale = (x - mean).square().mean().sqrt()
        x, test = (x - mean) / scale, (test - mean) / scale
    return (x[:400], test[:200]) if quick else (x, test)


NAMES = {"relu": "mnist", "faces": "face-patches"}
FOLDERS = {"mnist": "mnist", "relu": "mnist", "faces": "olivetti"}


def net(name: str, width: int, *, quick: bool) -> Dense:
    """The published shape; a small one to try."""
    hidden, code = ((12,), 3) if quick else HIDDEN[name]
    layer = Layer(relu, initializer=He(0.5)) if name == "relu" else Layer(sigmoid, initializer=Sparse())
    return Dense(width, hidden, code=code, layer=layer, output=identity if name == "faces" else sigmoid)


def objective_of(name: str) -> Objective:
    """What is minimized."""
    decay = {"decay": (RELU_DECAY, WeightDecay())} if name == "relu" else {}
    return Objective(squared_error if name == "faces" else cross_entropy, decay)


@dataclass(frozen=True)
class Limits:
    """When a run is over: its seconds of training, or the CPU clock; an error that is low enough; its planned updates.

    And by which factor the updates grow between two measurements of the error.
    """

    seconds: float = math.inf
    until: float = math.inf
    low: float = 0.0
    updates: int = UPDATES
    every: float = 1.1


@dataclass
class Watch:
    """Notes the error at growing numbers of updates, and ends all phases when the run is over."""

    model: Dense
    x: Tensor
    recipe: dict[str, Phase]
    limits: Limits
    rows: list[dict[str, float]] = field(default_factory=list)
    examples: float = 0.0
    measuring: float = 0.0
    started: float = field(default_factory=time.perf_counter)
    updates: int = 0
    due: int = 1
    over: str = ""

    def __call__(self, event: Event) -> None:
        """After a step; and when another phase begins after the end."""
        if self.over and event.event == "start":
            raise StopPhase(self.over)
        if event.event != "step":
            return
        self.updates += 1
        self.examples += len(self.x) / self.recipe[event.phase].batches(len(self.x), event.epoch)
        spent = self.spent()
        if spent > self.limits.seconds or time.process_time() > self.limits.until:
            self.over = "the time is over"
        if self.updates >= self.due or self.over:
            self.due = int(self.updates * self.limits.every) + 4
            self.note(spent)
        if self.rows[-1]["error"] < self.limits.low:
            self.over = "the error is as low as was asked for"
        if self.over:
            raise StopPhase(self.over)

    def spent(self) -> float:
        """Seconds of training."""
        return time.perf_counter() - self.started - self.measuring

    def note(self, spent: float) -> None:
        """Measure."""
        begun = time.perf_counter()
        training = self.model.training
        error = measured(self.model, self.x[:MEASURED_ROWS])
        self.rows.append({"updates": self.updates, "seconds": spent, "examples": self.examples, "error": error})
        self.model.train(training)
        self.measuring += time.perf_counter() - begun


def measured(model: Dense, x: Tensor) -> float:
    """The squared error of the rows: its sum over pixels, and mean over pictures."""
    model.eval()
    with torch.no_grad():
        parts = [(model(part).reconstruction - part).square().sum() for part in x.split(2000)]
    return float(torch.stack(parts).sum()) / len(x)


def recipe_of(name: str, rows: int, optimizer: Optimizer, *, column: Column, updates: int) -> list[Phase]:
    """One phase, or a second one with all rows in each batch, for the squared error."""
    steps = -(-rows // column.batch)
    epochs = -(-updates // steps)
    optimizer = planned(optimizer, epochs * steps)
    growing = Phase(name, objective_of(name), optimizer, epochs, batch_size=column.batch, growth=column.growth)
    if column.end is None or name == "faces":
        return [growing]
    epochs = math.ceil(math.log(max(2, steps)) / math.log(column.growth))
    first, second = DECAY.get(name, (0.0, 0.0))
    released, shorter = Switch(second, 0.0, at=WHOLE / updates), StepDecay((WHOLE / updates,), SHORT)
    objective = Objective(cross_entropy, {"decay": (first, WeightDecay())})
    last = Objective(squared_error, {"decay": (released, WeightDecay())})
    end = Phase("end", last, column.end, updates, batch_size=rows, schedule=shorter)
    return [replace(growing, epochs=epochs, objective=objective), end]


def trained(name: str, x: Tensor, optimizer: Optimizer, *, column: Column, limits: Limits) -> list[dict[str, float]]:
    """The error over a run; at last infinite where it diverges."""
    model = net(name, x.shape[1], quick=len(x) < 1000)
    recipe = recipe_of(name, len(x), optimizer, column=column, updates=limits.updates)
    watch = Watch(model, x, {phase.name: phase for phase in recipe}, limits)
    try:
        fit(model, TensorRows(x), recipe, runtime=Runtime("cpu", "float32"), history=History(watch=[watch]))
    except TrainingDiverged:
        watch.rows.append({**watch.rows[-1], "error": math.inf})
    else:
        # A run that came to its planned end has not been measured there.
        if watch.updates > watch.rows[-1]["updates"]:
            watch.note(watch.spent())
    return watch.rows


def compared(
    name: str, x: Tensor, only: Sequence[str], *, seconds: float, long: float | None, full: bool
) -> dict[str, Any]:
    """One column an optimizer; the best of the second order once more, for longer, and for faces that of the first."""
    found: dict[str, Any] = {}
    begun = time.process_time()
    for key in only:
        column, trials = COLUMNS[key], dict[str, dict[str, float]]()
        for choice, optimizer in column.grid.items() if len(column.grid) > 1 else ():
            # Only its end counts.
            limits = Limits(seconds * TRIAL_SHARE, every=10.0)
            trials[choice] = trained(name, x, optimizer, column=column, limits=limits)[-1]
        best = min(column.grid, key=lambda choice: trials[choice]["error"] if trials else 0.0)
        limits = Limits(seconds, updates=plan(column.grid[best], trials[best], seconds) if trials else UPDATES)
        rows = trained(name, x, column.grid[best], column=column, limits=limits)
        tried = {choice: last["error"] for choice, last in trials.items()}
        found[key] = {"best": best, "trials": tried, "batch": column.batch, "growth": column.growth, "curve": rows}
        told(name, key, best, rows[-1])
    for key in found if "Adam" in found else ():
        if key in SECOND:
            found[key]["as Adam"] = as_good(found[key]["curve"], found["Adam"]["curve"])
            print(f"{name:7s} {key:18s} {found[key]['as Adam']}", flush=True)
    keys, most = LONG_FIRST.get(name, ([], 0.0))
    first = longer(name, x, found, "long first", keys=keys, limits=Limits(min(most, long or most)))
    low = BEATEN.get(name, BEATEN_SHARE * first) if full else 0.0
    until = math.inf if long else begun + 60 * MINUTES[name]
    longer(name, x, found, "long", keys=LONG_SECOND[name], limits=Limits(long or math.inf, until, low))
    if "long" in found and "long first" in found:
        found["long"]["as first"] = as_good(found["long"]["curve"], found["long first"]["curve"])
        print(f"{name:7s} {'longer':18s} {found['long']['as first']}", flush=True)
    return found


def longer(name: str, x: Tensor, found: dict[str, Any], place: str, *, keys: Sequence[str], limits: Limits) -> float:
    """The best of some optimizers once more, for longer; gives the error that it comes to."""
    some = [key for key in keys if key in found]
    if not some:
        return 0.0
    key = min(some, key=lambda key: found[key]["curve"][-1]["error"])
    best = found[key]["best"]
    optimizer, last = COLUMNS[key].grid[best], found[key]["curve"][-1]
    limits = replace(limits, updates=plan(optimizer, last, limits.seconds))
    rows = trained(name, x, optimizer, column=COLUMNS[key], limits=limits)
    found[place] = {"optimizer": key, "best": best, "curve": rows}
    told(name, f"{key}, long", best, rows[-1])
    return rows[-1]["error"]


def as_good(curve: list[dict[str, float]], adam: list[dict[str, float]]) -> dict[str, float] | None:
    """The shares of Adam's updates and seconds after which its last error is reached; None where it is not."""
    last = adam[-1]
    reached = next((row for row in curve if row["error"] <= last["error"]), None)
    return reached and {unit: reached[unit] / last[unit] for unit in ("updates", "seconds", "examples")}


def told(name: str, key: str, choice: str, last: dict[str, float]) -> None:
    """One line about a run."""
    end = f"{last['error']:.3f} after {last['updates']:.0f} updates in {last['seconds']:.0f} s"
    print(f"{name:7s} {key:18s} {choice:28s} {end}", flush=True)


def rectified(x: Tensor, test: Tensor, *, quick: bool) -> dict[str, Any]:
    """The best test cross-entropy of K-FAC within the epochs, of averaged weights as published."""
    model, curve = net("relu", x.shape[1], quick=quick), list[float]()

    def watch(event: Event) -> None:
        if event.event == "epoch" and event.epoch:
            curve.append(sum(event.validation.values()))
            print(f"relu    epoch {event.epoch}: test cross-entropy {curve[-1]:.3f}", flush=True)

    phase = Phase(
        "relu",
        objective_of("relu"),
        KFAC(least=0.03),
        epochs=2 if quick else RELU_EPOCHS,
        batch_size=1000,
        average=AVERAGE,
    )
    started = time.perf_counter()
    fit(
        model,
        TensorRows(x),
        [phase],
        validation=TensorRows(test),
        runtime=Runtime("cpu", "float32"),
        history=History(watch=[watch]),
    )
    return {"best": min(curve), "curve": curve, "seconds": time.perf_counter() - started}


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="few rows, small networks, a second each; nothing kept")
    parser.add_argument("--full", action="store_true", help=f"up to {FULL_LONG:.0f} seconds for the longer run")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=HIDDEN,
        help="which networks; by default the first two, with --full the first three",
    )
    parser.add_argument("--optimizers", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each optimizer and data set")
    parser.add_argument("--long", type=float, help="for the longer run on each data set, in place of what is left")
    arguments = parser.parse_args(words)
    seconds = 0.2 if arguments.quick else arguments.seconds
    for name in arguments.only or ["curves", "mnist", *(["faces"] if arguments.full else [])]:
        usual = FULL_LONG if arguments.full else LONG.get(name)
        long = seconds if arguments.quick else arguments.long or usual
        begun = time.process_time()
        x, test = rows_of(name, arguments.data_dir, quick=arguments.quick)
        if name == "relu":
            figures = rectified(x, test, quick=arguments.quick)
        else:
            figures = compared(name, x, arguments.optimizers, seconds=seconds, long=long, full=arguments.full)
        if not arguments.quick:
            spent = time.process_time() - begun
            print(f"{name}: {spent / 60:.1f} CPU minutes", flush=True)
            told = {"seconds": seconds, "decay": DECAY.get(name), "cpu_seconds": spent}
            keep(f"deep_autoencoders-{name}{'-full' if arguments.full else ''}", told | {"figures": figures})
            publish()


if __name__ == "__main__":
    main()
