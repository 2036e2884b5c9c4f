"""How much is tried: little in `make test`, all in `make faults`, which also writes down what was seen."""

import os
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from layerwise import DeepAutoencoder

FULL = os.environ.get("LAYERWISE_FAULTS") == "full"
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
HEAD = """# Reliability

What `make faults` saw last. Each test draws its instants from a seed that is printed.

| fault | seen |
|---|---|
"""


@dataclass
class Faults:
    """The seed, the size, and the figures."""

    seed: int
    rows: list[tuple[str, str]] = field(default_factory=list)

    def number(self, *, quick: int, full: int) -> int:
        """How many are tried."""
        return full if FULL else quick

    def seconds(self, limit: float) -> float:
        """A limit of time, which is one only where nothing else runs."""
        return limit if FULL else 600.0

    def record(self, what: str, seen: str) -> None:
        """Keep a figure for the page."""
        sys.stdout.write(f"{what}: {seen}\n")
        self.rows.append((what, seen))


@pytest.fixture(scope="session")
def faults() -> Iterator[Faults]:
    """The size of the tests and their figures; LAYERWISE_SEED repeats a run."""
    chosen = Faults(int(os.environ.get("LAYERWISE_SEED", random.SystemRandom().randrange(10**6) if FULL else 0)))
    sys.stdout.write(f"LAYERWISE_SEED={chosen.seed}\n")
    yield chosen
    if FULL and chosen.rows:
        # Where only some were run, the others keep their lines.
        before = PAGE.read_text("utf-8").removeprefix(HEAD).splitlines() if PAGE.exists() else []
        rows = {line.split(" | ")[0]: line for line in before}
        rows |= {f"| {what}": f"| {what} | {seen} |" for what, seen in chosen.rows}
        PAGE.write_text(HEAD + "".join(f"{rows[name]}\n" for name in sorted(rows)), encoding="utf-8")


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> Path:
    """A model folder, which tests copy before they damage it."""
    folder = tmp_path_factory.mktemp("whole") / "model"
    x = np.random.default_rng(0).normal(size=(60, 5))
    DeepAutoencoder(2, hidden_layer_sizes=(8,), max_epochs=2, random_state=0).fit(x).save(folder)
    return folder
