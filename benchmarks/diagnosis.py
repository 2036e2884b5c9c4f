"""Does a diagnosis name the fault that was planted?

    python -m benchmarks.diagnosis [--quick] [--first 0] [--runs 20]

Each run draws data, a network and an optimizer by its seed, plants one of six faults, trains, and asks
`layerwise.diagnostics` for the fault. As many runs without a fault must name none. The rules were tuned on the seeds
from 1000 on; those that are judged here begin at 0. It also says what `Rounds`, the findings during training, cost.
"""

import argparse
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

from benchmarks.results import keep
from layerwise.diagnostics import CAUSES, Finding, Rounds, causes, named_fault
from layerwise.errors import TrainingDiverged
from layerwise.models import Activation, Dense, DenseLayer, Glorot, He, Layer, identity, relu, sigmoid, tanh
from layerwise.optim import FirstOrder, Problem
from layerwise.runtime import Runtime
from layerwise.training import History, Objective, Phase, TensorRows, fit

ROWS, LOOKED_AT, EPOCHS, BATCH = 600, 300, 6, 50
RUNTIME = Runtime("cpu", "float32")


@dataclass
class Run:
    """A network, its data and how it is trained; a plant changes some of it."""

    draw: np.random.Generator
    x: torch.Tensor
    model: Dense
    optimizer: FirstOrder
    batch_size: int = BATCH


def data(draw: np.random.Generator) -> torch.Tensor:
    """Standardized rows: hidden factors bent and mixed, or small digits."""
    if draw.random() < 0.3:
        x = load_digits().data[draw.permutation(1797)[:ROWS]]
    else:
        hidden = draw.normal(size=(ROWS, int(draw.integers(3, 8))))
        bent = np.concatenate([hidden, np.sin(2 * hidden), hidden**2], axis=1)
        x = bent @ draw.normal(size=(bent.shape[1], int(draw.integers(12, 40))))
        x += 0.1 * x.std(0) * draw.normal(size=x.shape)
    x = x[:, x.std(0) > 0]
    return torch.from_numpy((x - x.mean(0)) / x.std(0)).float()


def network(draw: np.random.Generator, features: int, activation: Activation, hidden: int) -> Dense:
    """Layers of one activation, made as they should be."""
    widths = sorted(draw.integers(10, 60, size=hidden).tolist(), reverse=True)
    layer = Layer(activation, initializer=He() if activation is relu else Glorot())
    return Dense(features, widths, code=int(draw.integers(2, 9)), layer=layer, seed=int(draw.integers(10**6)))


def healthy(draw: np.random.Generator, activations: Sequence[Activation] = (relu, tanh, sigmoid)) -> Run:
    """A run that learns."""
    x = data(draw)
    activation = activations[int(draw.integers(len(activations)))]
    model = network(draw, x.shape[1], activation, 1 if activation is sigmoid else int(draw.integers(1, 4)))
    rate = 10 ** draw.uniform(-3, -2.3)
    if draw.random() < 0.3:
        return Run(draw, x, model, FirstOrder(torch.optim.SGD, lr=rate / 5, momentum=0.9))
    return Run(draw, x, model, FirstOrder(torch.optim.Adam, lr=rate))


def layers(model: Dense) -> list[DenseLayer]:
    """All of them, from the input to the output."""
    return [layer for layer in [*model.encoder, *model.decoder] if isinstance(layer, DenseLayer)]


def too_large_a_rate(draw: np.random.Generator) -> Run:
    """Ten to a thousand times what is usual."""
    run = healthy(draw)
    if run.optimizer.method is torch.optim.SGD:
        run.optimizer = FirstOrder(torch.optim.SGD, lr=10 ** draw.uniform(0, 1), momentum=0.9)
    else:
        run.optimizer = FirstOrder(torch.optim.Adam, lr=10 ** draw.uniform(-0.3, 1))
    return run


def tiny_weights(draw: np.random.Generator) -> Run:
    """All weights a hundredth to a ten-thousandth of what they should be."""
    run = healthy(draw)
    run.optimizer = FirstOrder(torch.optim.SGD, lr=10 ** draw.uniform(-3, -2), momentum=0.9)
    with torch.no_grad():
        factor = 10 ** draw.uniform(-4, -2)
        for layer in layers(run.model):
            layer.weight.mul_(factor)
    return run


def dead_rectifiers(draw: np.random.Generator) -> Run:
    """A hidden layer whose biases hold nearly all of its units below 0."""
    run = healthy(draw, [relu])
    hidden = [layer for layer in layers(run.model) if layer.activation is relu]
    layer = hidden[int(draw.integers(len(hidden)))]
    with torch.no_grad():
        units = torch.from_numpy(draw.random(len(layer.weight)) < draw.uniform(0.8, 1.0))
        assert layer.bias is not None
        layer.bias[units] = -float(10 ** draw.uniform(1.3, 2))
    return run


def saturated_sigmoids(draw: np.random.Generator) -> Run:
    """Hidden layers with weights far too large, or biases far off."""
    run = healthy(draw, [sigmoid, tanh])
    factor, shift = (float(10 ** draw.uniform(1.5, 2.3)), 0.0) if draw.random() < 0.5 else (1.0, 15.0)
    with torch.no_grad():
        for layer in layers(run.model):
            if layer.activation is not identity:
                assert layer.bias is not None
                layer.weight.mul_(factor)
                layer.bias.add_(shift * torch.from_numpy(draw.choice([-1.0, 1.0], len(layer.bias))))
    return run


def on_a_saddle(draw: np.random.Generator) -> Run:
    """All weights 0 in a net of one layer; or a linear one that has minor components instead of the principal ones.

    Source of the second: Baldi & Hornik 1989, "Neural networks and principal component analysis".
    """
    x = data(draw)
    code, linear = int(draw.integers(2, 6)), draw.random() < 0.5
    model = Dense(x.shape[1], code=code, code_activation=identity if linear else tanh)
    run = Run(draw, x, model, FirstOrder(torch.optim.SGD, lr=10 ** draw.uniform(-3.5, -2.5)))
    with torch.no_grad():
        encoder, decoder = layers(model)
        encoder.weight.zero_()
        decoder.weight.zero_()
        if linear:
            run.batch_size = ROWS  # The mean over all rows is what has no slope.
            _, _, components = torch.linalg.svd((x - x.mean(0)).double(), full_matrices=False)
            chosen = draw.choice(np.arange(1, min(8, len(components))), code, replace=False)
            encoder.weight.copy_(components[chosen])
            decoder.weight.copy_(components[chosen].T)
    return run


def vanishing(draw: np.random.Generator) -> Run:
    """Five or more hidden layers of sigmoid units with Glorot's weights, and as many on the way back."""
    x = data(draw)
    model = network(draw, x.shape[1], sigmoid, int(draw.integers(5, 8)))
    return Run(draw, x, model, FirstOrder(torch.optim.SGD, lr=10 ** draw.uniform(-3, -2), momentum=0.9))


PLANTS: dict[str, Callable[[np.random.Generator], Run]] = {
    "rate": too_large_a_rate,
    "tiny weights": tiny_weights,
    "dead units": dead_rectifiers,
    "saturated units": saturated_sigmoids,
    "vanishing gradients": vanishing,
    "saddle": on_a_saddle,
}


def findings(run: Run, *, seed: int) -> list[Finding]:
    """Train and look."""
    history = History()
    phase = Phase("train", Objective(), run.optimizer, EPOCHS, batch_size=run.batch_size)
    rows = TensorRows(run.x)
    with contextlib.suppress(TrainingDiverged):  # The history tells.
        fit(run.model, rows, [phase], seed=seed, history=history, runtime=RUNTIME)
    run.model.eval()
    problem = Problem(run.model, Objective(), rows.batch(torch.arange(LOOKED_AT)), runtime=RUNTIME)
    return causes(problem, history=history.rows)


def planted(seed: int, fault: str | None) -> dict[str, Any]:
    """One run, with a fault or without: which one is named."""
    draw = np.random.default_rng(seed)
    run = healthy(draw) if fault is None else PLANTS[fault](draw)
    found = findings(run, seed=seed)
    named = named_fault(found)
    figures = {
        f"{finding.name}: {name}": round(value, 6) for finding in found for name, value in finding.figures.items()
    }
    return {"seed": seed, "planted": fault, "named": None if named is None else named.name, "figures": figures}


def cost(seed: int, *, epochs: int) -> float:
    """The share of the training time that `Rounds` takes at default settings, by its own clock."""
    run, rounds = healthy(np.random.default_rng(seed)), Rounds()
    phase = Phase("train", Objective(), run.optimizer, epochs, batch_size=run.batch_size)
    started = time.perf_counter()
    fit(run.model, TensorRows(run.x), [phase], history=History(examiners=[rounds]), seed=seed, runtime=RUNTIME)
    return rounds.spent / (time.perf_counter() - started - rounds.spent)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="one run of each fault; nothing kept")
    arguments = parser.parse_args(words)
    runs = len(CAUSES) if arguments.quick else arguments.runs
    seeds = range(arguments.first, arguments.first + runs)
    faulty = [planted(seed, CAUSES[place % len(CAUSES)]) for place, seed in enumerate(seeds)]
    sound = [planted(seed, None) for seed in seeds[: 2 if arguments.quick else runs]]
    for row in [*faulty, *sound]:
        if row["planted"] != row["named"]:
            print(row, flush=True)
    right = sum(row["planted"] == row["named"] for row in faulty)
    quiet = sum(row["named"] is None for row in sound)
    share = cost(arguments.first, epochs=2 if arguments.quick else 100)
    print(
        f"named {right} of {len(faulty)}; none named in {quiet} of {len(sound)} without a fault; watching {share:.1%}"
    )
    if not arguments.quick and arguments.first == 0:
        keep("diagnosis", {"right": right, "quiet": quiet, "watching": share, "faulty": faulty, "sound": sound})


if __name__ == "__main__":
    main()
