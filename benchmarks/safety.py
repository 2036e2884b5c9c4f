"""What does safety cost?

    python -m benchmarks.safety [--quick]

Two nets, that of MNIST (784-1000-500-250-30) and a small one for tables. The finite check: epochs with and without it
in turn, the time in what differs as a share of the whole, the median of neighbours. Checkpoints: the median time of
one, as a share of the 60 seconds between two.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.results import keep
from layerwise.models import Dense
from layerwise.optim import FirstOrder
from layerwise.runtime import Runtime
from layerwise.training import Checkpoint, History, Objective, Phase, TensorRows, fit, phase_run

BETWEEN_CHECKPOINTS = 60.0
NETS = {"mnist": (784, (1000, 500, 250), 30, 6000), "table": (20, (128, 64), 8, 20_000)}


class Timed(phase_run.StepNumbers):
    """Notes the time that its making and its look take."""

    seconds = 0.0

    def __init__(self, terms: dict[str, torch.Tensor], weights: phase_run.Weights) -> None:
        started = time.perf_counter()
        super().__init__(terms, weights)
        Timed.seconds += time.perf_counter() - started

    def fault(self) -> str:
        """What the step's numbers say."""
        started = time.perf_counter()
        found = super().fault()
        Timed.seconds += time.perf_counter() - started
        return found


class Unchecked(Timed):
    """Reads the terms, as every history must, and looks at no weight."""

    def __init__(self, terms: dict[str, torch.Tensor], weights: phase_run.Weights) -> None:
        super().__init__(terms, phase_run.Weights({}))


@contextmanager
def watched(numbers: type[Timed]) -> Iterator[None]:
    """Training with other step numbers."""
    usual, phase_run.StepNumbers = phase_run.StepNumbers, numbers  # type: ignore[misc]
    Timed.seconds = 0.0
    try:
        yield
    finally:
        phase_run.StepNumbers = usual  # type: ignore[misc]


def epoch(name: str, *, checkpoint: Checkpoint | None = None, epochs: int = 1) -> float:
    """The seconds of training."""
    features, hidden, code, rows = NETS[name]
    data = TensorRows(torch.rand(rows, features, generator=torch.Generator().manual_seed(0)))
    model = Dense(features, hidden, code=code, seed=0)
    phase = Phase("train", Objective(), FirstOrder(torch.optim.Adam, lr=1e-4), epochs)
    started = time.perf_counter()
    fit(model, data, [phase], runtime=Runtime("cpu", "float32"), history=History(), checkpoint=checkpoint)
    return time.perf_counter() - started


def check(name: str, pairs: int) -> float:
    """What the finite check adds, as a share of the time without it.

    The difference of two whole epochs is mostly noise, so that only the time in the numbers of the steps is compared.
    """
    shares = []
    for _ in range(pairs):
        with watched(Timed):
            epoch(name)
            checked = Timed.seconds
        with watched(Unchecked):
            total = epoch(name)
            shares.append((checked - Timed.seconds) / (total - Timed.seconds))
    return statistics.median(shares)


def checkpoint(name: str, epochs: int) -> float:
    """The seconds of one checkpoint."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        save = phase_run.Run.save

        def timed(*arguments: object) -> None:
            started = time.perf_counter()
            save(*arguments)  # type: ignore[arg-type]
            times.append(time.perf_counter() - started)

        phase_run.Run.save = timed  # type: ignore[method-assign, assignment]
        try:
            epoch(name, checkpoint=Checkpoint(Path(folder) / "run", every_steps=10), epochs=epochs)
        finally:
            phase_run.Run.save = save  # type: ignore[method-assign]
    return statistics.median(times)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the small net, once; nothing kept")
    arguments = parser.parse_args(words)
    figures = {}
    for name in ["table"] if arguments.quick else NETS:
        epoch(name)  # The first one fills caches.
        share = check(name, 1 if arguments.quick else 31)
        seconds = checkpoint(name, 1 if arguments.quick else 4)
        figures[name] = {"finite check": share, "checkpoint": seconds / BETWEEN_CHECKPOINTS, "seconds": seconds}
        print(f"{name}: finite check {share:+.2%}; a checkpoint takes {seconds:.3f} s", end="")
        print(f", {seconds / BETWEEN_CHECKPOINTS:.2%} of the time where there is one every 60 s")
    if not arguments.quick:
        keep("safety", {"shares": figures})


if __name__ == "__main__":
    main()
