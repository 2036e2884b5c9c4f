"""How fast and how good is `RBM` beside scikit-learn's `BernoulliRBM`?

    python -m benchmarks.machine --data-dir DATA/mnist [--threads 1] [--quick]

60,000 digits with pixels in [0, 1], 500 hidden units; both take the same batches, passes and rate, neither momentum
nor weight decay. What differs: our persistent chains are 20 and not as many as the rows of a batch; the visible biases
begin with the frequencies of the pixels; the rate falls to a fifth after 70 % and again after 85 % of the passes; and
all is computed in float32 (or bfloat16, where the processor multiplies it). scikit-learn computes in the type that it
is given, so both are given both: float64 is what `pixels / 255` gives.

Speed: whole fits in turn, several rounds, on as many threads each; a ratio is the median of those within a round. It
grows with the batch, and is also taken for smaller ones. Where others use the processor too, compare on one thread: two
wait for each other. Likelihood: of the 10,000 test digits, with log Z by annealing, in nats. The test pixels are drawn
from their intensities, as in Salakhutdinov & Murray 2008; "grey" are the intensities themselves, which both were
trained on.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neural_network import BernoulliRBM
from threadpoolctl import threadpool_limits

from benchmarks.results import keep
from layerwise import RBM
from layerwise.data import Table, read
from layerwise.diagnostics import annealed_log_partition, log_likelihood
from layerwise.models import RestrictedBoltzmannMachine

HIDDEN, BATCH, PASSES, RATE = 500, 1000, 10, 0.1
SMALLER, FEWER_PASSES = (100, 500), 3
ROUNDS = 3

Pixels = NDArray[np.float64] | NDArray[np.float32]
Machine = BernoulliRBM | RBM
Maker = Callable[[int, int], Machine]


def pixels(table: Table) -> NDArray[np.float64]:
    """The pictures as rows in [0, 1]."""
    return table.to_array().reshape(len(table), -1) / 255


def ours(passes: int, batch: int) -> RBM:
    """The machine of this library, on the processor."""
    return RBM(HIDDEN, learning_rate=RATE, batch_size=batch, n_iter=passes, device="cpu", random_state=0)


def theirs(passes: int, batch: int) -> BernoulliRBM:
    """That of scikit-learn."""
    return BernoulliRBM(HIDDEN, learning_rate=RATE, batch_size=batch, n_iter=passes, random_state=0)


def loaded(machine: Machine) -> RestrictedBoltzmannMachine:
    """The weights of either as our module."""
    module = RestrictedBoltzmannMachine(machine.components_.shape[1], machine.components_.shape[0])
    with torch.no_grad():
        for parameter, value in (
            (module.weight, machine.components_),
            (module.visible_bias, machine.intercept_visible_),
            (module.hidden_bias, machine.intercept_hidden_),
        ):
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return module.eval()


def likelihoods(machine: Machine, x: Pixels, test: Pixels, *, temperatures: int) -> dict[str, float]:
    """Mean log-likelihoods of the test rows and the interval of log Z, in nats."""
    module = loaded(machine)
    base = torch.from_numpy((x.sum(0) + 1) / (len(x) + 2)).logit()
    log_z = annealed_log_partition(module, base, temperatures=temperatures)
    grey = torch.from_numpy(test).float()
    drawn = torch.bernoulli(grey, generator=torch.Generator().manual_seed(0))
    found = {
        name: float(log_likelihood(module, rows, log_partition=log_z.value).mean())
        for name, rows in (("test log-likelihood", drawn), ("grey", grey))
    }
    return {**found, "log Z": log_z.value, "low": log_z.low, "high": log_z.high}


def fits(
    runs: Mapping[str, tuple[Maker, Pixels]], *, passes: int, batch: int, rounds: int, threads: int
) -> tuple[dict[str, list[float]], dict[str, Machine]]:
    """The seconds of whole fits in turn, and the last machines."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    machines: dict[str, Machine] = {}
    for _ in range(rounds):
        for name, (make, rows) in runs.items():
            started = time.perf_counter()
            with threadpool_limits(threads, "blas"):
                machines[name] = make(passes, batch).fit(rows)
            seconds[name].append(time.perf_counter() - started)
            print(f"{name}, batch {batch}: {seconds[name][-1]:.1f} s", flush=True)
    return seconds, machines


def ratio(seconds: Mapping[str, Sequence[float]], kind: str) -> float:
    """How many times as long scikit-learn took."""
    pairs = zip(seconds[f"scikit-learn, {kind}"], seconds[f"ours, {kind}"], strict=True)
    return statistics.median(slow / fast for slow, fast in pairs)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="where the files of MNIST are")
    parser.add_argument("--quick", action="store_true", help="two passes over 1000 rows, nothing kept")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of both; by default all")
    arguments = parser.parse_args(words)
    torch.set_num_threads(arguments.threads)
    table = read("mnist", data_dir=arguments.data_dir)
    assert table.test is not None
    x, test = pixels(table), pixels(table.test)
    rounds, passes, temperatures = (1, 2, 100) if arguments.quick else (ROUNDS, PASSES, 10_000)
    if arguments.quick:
        x, test = x[:1000], test[:1000]
    single = x.astype(np.float32)
    runs: dict[str, tuple[Maker, Pixels]] = {
        "ours, float64": (ours, x),
        "scikit-learn, float64": (theirs, x),
        "ours, float32": (ours, single),
        "scikit-learn, float32": (theirs, single),
    }
    seconds, machines = fits(runs, passes=passes, batch=BATCH, rounds=rounds, threads=arguments.threads)
    ratios = {kind: ratio(seconds, kind) for kind in ("float64", "float32")}
    for batch in SMALLER:
        few = min(FEWER_PASSES, passes)
        double = {name: runs[name] for name in ("ours, float64", "scikit-learn, float64")}
        taken, _ = fits(double, passes=few, batch=batch, rounds=rounds, threads=arguments.threads)
        ratios[f"float64, batch {batch}"] = ratio(taken, "float64")
    print("times as fast:", ", ".join(f"{kind} {times:.2f}" for kind, times in ratios.items()))
    figures: dict[str, dict[str, float]] = {}
    for name, machine in machines.items():
        found = likelihoods(machine, x, test, temperatures=temperatures)
        figures[name] = {"seconds": statistics.median(seconds[name]), **found}
        print(f"{name}:", ", ".join(f"{key} {value:.2f}" for key, value in figures[name].items()), flush=True)
    if not arguments.quick:
        setting = {"hidden": HIDDEN, "batch": BATCH, "passes": passes, "rate": RATE}
        keep("machine", {"setting": setting, "times as fast": ratios, "machines": figures})


if __name__ == "__main__":
    main()
