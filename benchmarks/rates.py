"""Is the rate of a range test near the best one of a full grid?

    python -m benchmarks.rates --data-dir DATA [--quick]

Six data sets: digits, breast cancer, wine and diabetes of scikit-learn, generated curves, and the Pima table of DATA's
`adbench`. The model and the phase are the default's, with a code of a third of the columns (of three for curves). The
range test has 100 rates of 50 mini-batches; the grid trains the whole phase at each rate, and takes the one with the
least error on a fifth of the rows, which no training sees.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from benchmarks.results import keep
from layerwise import DeepAutoencoder, FirstOrder, fit
from layerwise.data import Table
from layerwise.estimators.assembly import prepare
from layerwise.training import range_test

# As far apart as two rates that nobody would call different.
GRID = tuple(float(rate) for rate in np.geomspace(1e-4, 0.1, 13))
QUICK_GRID = (1e-4, 3e-3, 0.1)
FACTOR, JUDGING = 3.0, 5
CURVES, POINTS = 1000, 40
# A curve has three numbers; with many more units PCA is all but exact, and every rate ties with every other.
CODES = {"curves": 3}

Array = NDArray[np.float64]


def curves(seed: int) -> Array:
    """A bump at some place, of some width, on a wave."""
    draw, time_ = np.random.default_rng(seed), np.linspace(0, 1, POINTS)
    place, width, wave = draw.random((3, CURVES, 1))
    noise = 0.05 * draw.normal(size=(CURVES, POINTS))
    return np.exp(-(((time_ - place) / (0.05 + 0.2 * width)) ** 2)) + wave * np.sin(6 * time_ * width) + noise


def sets(folder: Path) -> dict[str, Array]:
    """Name -> rows."""
    found = {
        "digits": load_digits().data,
        "breast cancer": load_breast_cancer().data,
        "wine": load_wine().data,
        "diabetes": load_diabetes().data,
        "curves": curves(0),
    }
    with np.load(folder / "adbench" / "29_Pima.npz") as pima:
        return {**found, "pima": pima["X"].astype(float)}


def measure(x: Array, code: int, *, quick: bool) -> dict[str, Any]:
    """The rate of the test, that of the grid, the errors of the grid, and the seconds of both."""
    order = np.random.default_rng(0).permutation(len(x))
    cut = len(x) // JUDGING
    encoder = DeepAutoencoder(code, test_fraction=0.0, random_state=0)
    if quick:
        encoder.set_params(max_epochs=2)
    table = Table.from_array(x[order[cut:]])
    schema, model, (phase,) = encoder.plan(table)
    rows, judges = schema.encode(table), schema.encode(Table.from_array(x[order[:cut]]))
    prepare(model, rows)
    started = time.perf_counter()
    found = (
        range_test(model, rows, phase=phase, rates=GRID[::3], batches=5)
        if quick
        else range_test(model, rows, phase=phase)
    )
    tested = time.perf_counter() - started
    start = {name: value.clone() for name, value in model.state_dict().items()}
    errors = {}
    assert isinstance(phase.optimizer, FirstOrder)
    for rate in QUICK_GRID if quick else GRID:
        model.load_state_dict(start)
        history = fit(model, rows, [replace(phase, optimizer=replace(phase.optimizer, lr=rate))], validation=judges)
        errors[rate] = min(sum(row["validation"].values()) for row in history.rows if row["event"] == "epoch")
    best = min(errors, key=errors.__getitem__)
    return {
        "rate": found.rate,
        "best": best,
        "factor": math.exp(abs(math.log(found.rate / best))),
        "seconds": tested,
        "grid_seconds": time.perf_counter() - started - tested,
        "errors": {f"{rate:.2g}": error for rate, error in errors.items()},
    }


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="one set, a coarse grid of two epochs; nothing kept")
    arguments = parser.parse_args(words)
    figures = {}
    for name, x in sets(arguments.data_dir).items():
        if arguments.quick and name != "wine":
            continue
        figures[name] = found = measure(x, CODES.get(name, max(2, x.shape[1] // 3)), quick=arguments.quick)
        print(
            f"{name:14s} test {found['rate']:.2g}  grid {found['best']:.2g}  factor {found['factor']:.2f}", flush=True
        )
    near = sum(found["factor"] <= FACTOR for found in figures.values())
    print(f"within a factor {FACTOR:g} on {near} of {len(figures)}")
    if not arguments.quick:
        keep("rates", {"sets": figures, "near": near})


if __name__ == "__main__":
    main()
