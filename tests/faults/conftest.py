"""How much is tried: little in `make test`, all in `make faults`, which also writes down what was seen."""

import os
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FULL = os.environ.get("LAYERWISE_FAULTS") == "full"
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
HEAD = """# Reliability

What `make faults` saw on its last full run. Each test draws its instants from a seed that is printed.

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
        lines = [f"| {what} | {seen} |" for what, seen in sorted(chosen.rows)]
        PAGE.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
