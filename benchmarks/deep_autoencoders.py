"""How far and how fast does each optimizer train the three deep autoencoders of the field?

    python -m benchmarks.deep_autoencoders --data-dir DATA [--quick] [--full] [--only curves mnist faces relu]

DATA holds `mnist/` and `olivetti/olivettifaces.mat`; curves are drawn here. Logistic units, a linear code, no
pre-training, sparse first weights (15 of each unit, standard normal). The cross-entropy is minimized (faces: the
squared error, with a linear output, of pixels with mean 0 and variance 1 on average). The figure is the squared error
on the training rows, its sum over pixels and mean over pictures, as in Martens 2010 and Sutskever et al. 2013. An
optimizer gets a given time, and so does each choice of its grid beforehand, a tenth of it; the one with the lowest
training error goes on. What is kept: the error against updates, against seconds of training, and against examples seen.

`relu` is another network: MNIST with rectified units, batches of 1000, weight decay of 1e-5, 50 epochs; its figure is
the test cross-entropy with the penalty, at best 57.37 by the published K-FAC.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.results import keep
from layerwise.data import read
from layerwise.models import Dense, He, Layer, Sparse, identity, relu, sigmoid
from layerwise.optim import EKFAC, KFAC, ConjugateGradient, FirstOrder, HessianFree, Optimizer
from layerwise.penalties import WeightDecay, cross_entropy, squared_error
from layerwise.runtime import Runtime
from layerwise.training import Constant, Event, History, Objective, Phase, StopPhase, TensorRows, fit

SECONDS, FULL_SECONDS, TRIAL_SHARE = 300.0, 14_400.0, 0.1
HIDDEN: dict[str, tuple[tuple[int, ...], int]] = {
    "curves": ((400, 200, 100, 50, 25), 6),
    "mnist": ((1000, 500, 250), 30),
    "faces": ((2000, 1000, 500), 30),
    "relu": ((1000, 500, 250), 30),
}
RELU_EPOCHS, RELU_DECAY = 50, 1e-5
MEASURED_ROWS = 10_000
UPDATES = 750_000


@dataclass(frozen=True)
class Column:
    """An optimizer, the choices of its constants, and its batches."""

    grid: dict[str, Optimizer]
    batch: int


@dataclass(frozen=True)
class Momentum:
    """The momentum of Sutskever et al. 2013, section 3: it grows with the steps, and is low at the end.

    Arguments:
        most: of the momentum.
        steps: of the whole phase.
        last: so many steps at the end have 0.9.
    """

    most: float
    steps: int
    last: int = 1000

    def __call__(self, progress: float) -> float:
        """After a share of the phase."""
        step = round(progress * self.steps)
        return min(0.9, self.most) if step >= self.steps - self.last else min(1 - 0.5 / (step // 250 + 1), self.most)


def nesterov(lr: float, most: float) -> Optimizer:
    """Nesterov's momentum, with its schedule over the published number of updates."""
    momentum = Momentum(most, UPDATES)
    return FirstOrder(torch.optim.SGD, lr=lr, momentum=momentum, options={"nesterov": True})


# One line an optimizer; of each the best of its grid is shown.
COLUMNS: dict[str, Column] = {
    "Adam": Column({f"rate {lr}": FirstOrder(torch.optim.Adam, lr=lr) for lr in (3e-4, 1e-3, 3e-3)}, 200),
    "Nesterov": Column(
        {f"rate {lr}, momentum {m}": nesterov(lr, m) for lr in (0.05, 0.01, 0.001) for m in (0.99, 0.995)}, 200
    ),
    "ConjugateGradient": Column({"3 searches": ConjugateGradient()}, 1000),
    "HessianFree": Column({f"damping {d}": HessianFree(damping=d) for d in (1.0, 45.0)}, 1000),
    "KFAC": Column({f"damping {d}": KFAC(damping=d) for d in (0.1, 1.0, 150.0)}, 1000),
    "EKFAC": Column({f"damping {d}": EKFAC(damping=d) for d in (0.1, 1.0, 150.0)}, 1000),
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
    layer = Layer(relu, initializer=He()) if name == "relu" else Layer(sigmoid, initializer=Sparse())
    return Dense(width, hidden, code=code, layer=layer, output=identity if name == "faces" else sigmoid)


def objective_of(name: str) -> Objective:
    """What is minimized."""
    decay = {"decay": (RELU_DECAY, WeightDecay())} if name == "relu" else {}
    return Objective(squared_error if name == "faces" else cross_entropy, decay)


@dataclass
class Watch:
    """Notes the error at growing numbers of updates, and ends the phase when its seconds of training are over."""

    model: Dense
    x: Tensor
    objective: Objective
    seconds: float
    batch: int
    every: float = 1.2
    rows: list[dict[str, float]] = field(default_factory=list)
    measuring: float = 0.0
    started: float = field(default_factory=time.perf_counter)
    due: int = 1

    def __call__(self, event: Event) -> None:
        """After a step."""
        if event.event != "step":
            return
        spent = time.perf_counter() - self.started - self.measuring
        over = spent > self.seconds
        if event.step >= self.due or over:
            self.due = int(event.step * self.every) + 1
            self.note(event.step, spent)
        if over:
            raise StopPhase("the time is over")

    def note(self, updates: int, spent: float) -> None:
        """Measure."""
        begun = time.perf_counter()
        training = self.model.training
        error = measured(self.model, self.x[:MEASURED_ROWS], Objective())
        self.rows.append({"updates": updates, "seconds": spent, "examples": updates * self.batch, "error": error})
        self.model.train(training)
        self.measuring += time.perf_counter() - begun


def measured(model: Dense, x: Tensor, objective: Objective) -> float:
    """The objective on all rows."""
    model.eval()
    total = 0.0
    with torch.no_grad():
        for index in torch.arange(len(x)).split(2000):
            batch = TensorRows(x).batch(index)
            terms = objective.terms(model(batch.x), batch, model, progress=1.0)
            total += float(sum(terms.values())) * len(index)
    return total / len(x)


def trained(name: str, x: Tensor, optimizer: Optimizer, *, batch: int, seconds: float) -> list[dict[str, float]]:
    """The error over a run of so many seconds."""
    quick = len(x) < 1000
    model = net(name, x.shape[1], quick=quick)
    steps = -(-len(x) // batch)
    phase = Phase(
        name, objective_of(name), optimizer, epochs=-(-UPDATES // steps), batch_size=batch, schedule=Constant(1.0)
    )
    watch = Watch(model, x, phase.objective, seconds, batch)
    fit(model, TensorRows(x), [phase], runtime=Runtime("cpu", "float32"), history=History(watch=[watch]))
    watch.note(int(watch.rows[-1]["updates"]), watch.rows[-1]["seconds"])
    return watch.rows


def compared(name: str, x: Tensor, only: Sequence[str], *, seconds: float) -> dict[str, Any]:
    """One column an optimizer."""
    found = {}
    for key in only:
        column = COLUMNS[key]
        trials = {
            choice: trained(name, x, optimizer, batch=column.batch, seconds=seconds * TRIAL_SHARE)[-1]["error"]
            for choice, optimizer in column.grid.items()
        }
        best = min(trials, key=lambda choice: trials[choice])
        rows = trained(name, x, column.grid[best], batch=column.batch, seconds=seconds)
        found[key] = {"best": best, "trials": trials, "batch": column.batch, "curve": rows}
        last = rows[-1]
        told = f"{last['error']:.3f} after {last['updates']:.0f} updates in {last['seconds']:.0f} s"
        print(f"{name:7s} {key:18s} {best:28s} {told}", flush=True)
    return found


def rectified(x: Tensor, test: Tensor, *, quick: bool) -> dict[str, Any]:
    """The best test cross-entropy of K-FAC within the epochs."""
    model, objective, curve = net("relu", x.shape[1], quick=quick), objective_of("relu"), list[float]()

    def watch(event: Event) -> None:
        if event.event == "epoch":
            curve.append(measured(model, test, objective))
            model.train()
            print(f"relu    epoch {len(curve)}: test cross-entropy {curve[-1]:.3f}", flush=True)

    phase = Phase("relu", objective, KFAC(), epochs=2 if quick else RELU_EPOCHS, batch_size=1000)
    started = time.perf_counter()
    fit(model, TensorRows(x), [phase], runtime=Runtime("cpu", "float32"), history=History(watch=[watch]))
    return {"best": min(curve), "curve": curve, "seconds": time.perf_counter() - started}


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="few rows, small networks, a second each; nothing kept")
    parser.add_argument(
        "--full", action="store_true", help=f"{FULL_SECONDS:.0f} seconds for each optimizer and data set"
    )
    parser.add_argument("--only", nargs="+", choices=HIDDEN, default=["curves", "mnist"], help="which networks")
    parser.add_argument("--optimizers", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    parser.add_argument("--seconds", type=float, help=f"for each optimizer and data set; {SECONDS:.0f} by default")
    arguments = parser.parse_args(words)
    seconds = 0.5 if arguments.quick else arguments.seconds or (FULL_SECONDS if arguments.full else SECONDS)
    for name in arguments.only:
        x, test = rows_of(name, arguments.data_dir, quick=arguments.quick)
        if name == "relu":
            figures = rectified(x, test, quick=arguments.quick)
        else:
            figures = compared(name, x, arguments.optimizers, seconds=seconds)
        if not arguments.quick:
            keep(f"deep_autoencoders-{name}", {"seconds for each": seconds, "figures": figures})


if __name__ == "__main__":
    main()
