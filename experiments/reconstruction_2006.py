"""The result of 2006: a deep autoencoder of logistic units that only pre-training can train.

    python -m experiments.reconstruction_2006 --data-dir DATA [--quick]

784-1000-500-250-30 on MNIST and 784-400-200-100-50-25-6 on curves, small Gaussian first weights, cross-entropy.
Without pre-training, gradient descent with momentum; with it, `recipes.hinton2006`. The measure is the squared error
on the test rows: sum over the pixels, mean over the rows.

Source: Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", figure 2.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.results import RESULTS, keep
from layerwise.data import Table, read
from layerwise.models import Dense, Gaussian, Layer, sigmoid
from layerwise.optim import FirstOrder
from layerwise.penalties import cross_entropy
from layerwise.recipes import Setting, hinton2006
from layerwise.runtime import Runtime
from layerwise.training import Event, History, Objective, Phase, Recipe, TensorRows, fit

NETS: dict[str, tuple[tuple[int, ...], int]] = {"mnist": ((1000, 500, 250), 30), "curves": ((400, 200, 100, 50, 25), 6)}
# Deviation of the first weights: small enough that plain descent stays where it begins.
SPREAD = {"mnist": 0.01, "curves": 0.1}
# For each machine, and of the fine-tuning.
EPOCHS = {"mnist": (10, 60), "curves": (20, 200)}


def pixels(table: Table) -> torch.Tensor:
    """The pictures as rows in [0, 1]."""
    return torch.from_numpy(table.to_array()).flatten(1).float() / 255


def squared_error(model: Dense, rows: torch.Tensor) -> float:
    """Sum over the pixels, mean over the rows."""
    model.eval()
    with torch.no_grad():
        errors = [(model(part).reconstruction - part).square().sum() for part in rows.split(2000)]
    return float(torch.stack(errors).sum() / len(rows))


def net(name: str) -> Dense:
    """The model, with logistic units but for its linear code, and small Gaussian first weights."""
    hidden, code = NETS[name]
    layer = Layer(sigmoid, initializer=Gaussian(SPREAD[name]))
    return Dense(784, hidden, code=code, layer=layer, output=sigmoid, seed=0)


def told(event: Event) -> None:
    """Print how every epoch ended."""
    if event.event == "epoch":
        terms = ", ".join(f"{name} {value:.3f}" for name, value in event.terms.items())
        print(f"{event.phase}, epoch {event.epoch}, {event.seconds:.0f} s: {terms}", flush=True)


def recipes(name: str, rows: int, *, quick: bool) -> dict[str, Recipe]:
    """Both ways to train."""
    plain = FirstOrder(torch.optim.SGD, lr=0.01, momentum=0.9)
    setting = Setting(rows, Objective(cross_entropy), widths=net(name).widths)
    epochs, tuning = (1, 1) if quick else EPOCHS[name]
    return {
        "without pre-training": [Phase("train", Objective(cross_entropy), plain, 1 if quick else 10, batch_size=100)],
        "hinton2006": hinton2006(setting, epochs=epochs, fine_tune_epochs=tuning),
    }


def rows_of(name: str, data_dir: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Training and test rows."""
    table = read(name, data_dir=data_dir)
    assert table.test is not None
    return pixels(table), pixels(table.test)


def main(words: Sequence[str] | None = None) -> None:
    """Train, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="where the files of MNIST are")
    parser.add_argument("--only", choices=NETS, help="one data set; the figures of the other stay")
    parser.add_argument("--quick", action="store_true", help="an epoch of each phase on 1000 rows; nothing kept")
    arguments = parser.parse_args(words)
    path = RESULTS / "reconstruction_2006.json"
    figures = json.loads(path.read_text("utf-8"))["results"] if path.exists() and not arguments.quick else {}
    for name in [arguments.only] if arguments.only else NETS:
        rows, test = rows_of(name, arguments.data_dir)
        rows, test = (rows[:1000], test[:1000]) if arguments.quick else (rows, test)
        mean = float((test - rows.mean(0)).square().sum(1).mean())
        figures[f"{name}, mean picture"] = {"test squared error": mean}
        for way, recipe in recipes(name, len(rows), quick=arguments.quick).items():
            model, started = net(name), time.perf_counter()
            fit(model, TensorRows(rows), recipe, history=History(watch=[told]), runtime=Runtime("cpu", "float32"))
            seconds = time.perf_counter() - started
            figures[f"{name}, {way}"] = {"test squared error": squared_error(model, test), "seconds": seconds}
    for name, found in figures.items():
        print(f"{name}: {found}")
    if not arguments.quick:
        keep("reconstruction_2006", {"results": figures})


if __name__ == "__main__":
    main()
