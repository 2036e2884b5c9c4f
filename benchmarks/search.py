"""Does a search find a better recipe than the default one?

    python -m benchmarks.search --data-dir DATA [--quick] [--sets wine glass] [--trials 20] [--rows 2000]

DATA holds `adbench/*.npz`. Each table is cut to at most 2000 rows at random, and a fifth of these, which no search
sees, judge in the end: the squared error of the recipe that 20 trials found, and that of the default recipe, both
fitted to the other rows by `DeepAutoencoder`; a code of a third of the columns (at least 2). Counted are the sets on
which the found recipe has less error.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import keep
from layerwise.data import Table
from layerwise.tuning import Budget, Wanted, search

MOST_ROWS, TRIALS, JUDGING = 2000, 20, 5
QUICK_RATES = 1e-3, 1e-2


def measure(path: Path, *, rows: int, budget: Budget, quick: bool) -> dict[str, Any]:
    """The errors of the found recipe, of the default and of PCA on rows that no search saw."""
    with np.load(path) as found:
        x = found["X"].astype(np.float64)
    x = x[np.random.default_rng(0).permutation(len(x))[:rows]]
    cut = len(x) // JUDGING
    test, training = Table.from_array(x[:cut]), Table.from_array(x[cut:])
    code = max(2, x.shape[1] // 3)
    wanted = Wanted(code, epochs=1, rates=QUICK_RATES) if quick else Wanted(code)
    started = time.perf_counter()
    result = search(training, wanted, budget=budget)
    seconds = time.perf_counter() - started
    ours, usual = (wanted.estimator(recipe).fit(training).evaluate(test) for recipe in (result.recipe, wanted.recipe()))
    return {
        "found": ours["squared_error"],
        "default": usual["squared_error"],
        "pca": usual["pca_squared_error"],
        "rows": len(x),
        "seconds": seconds,
        "recipe": {**result.recipe.arguments, "dropout": result.recipe.dropout},
        "search": result.figures,
    }


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=[], help="the ends of their names; by default all; nothing kept")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--rows", type=int, default=MOST_ROWS, help="of each set, at most")
    parser.add_argument("--quick", action="store_true", help="one small set, two trials of one epoch; nothing kept")
    arguments = parser.parse_args(words)
    chosen = tuple(["wine"] if arguments.quick else arguments.sets)
    budget, figures = Budget(2 if arguments.quick else arguments.trials), {}
    for path in sorted((arguments.data_dir / "adbench").glob("*.npz")):
        if chosen and not path.stem.endswith(chosen):
            continue
        figures[path.stem] = found = measure(path, rows=arguments.rows, budget=budget, quick=arguments.quick)
        told = "  ".join(f"{name} {found[name]:.4g}" for name in ("found", "default", "pca", "seconds"))
        print(f"{path.stem:20s} {told}", flush=True)
    better = sum(found["found"] < found["default"] for found in figures.values())
    print(f"the found recipe is better on {better} of {len(figures)}")
    if not chosen:
        keep("search", {"trials": arguments.trials, "rows": arguments.rows, "sets": figures, "better": better})


if __name__ == "__main__":
    main()
