"""Are sparse codes good features?

    python -m benchmarks.features --data-dir DATA [--quick]

DATA holds `students-dropout/data.csv` (does a student drop out?) and `adbench/*.npz`, of whose collection four tables
are taken as ordinary binary ones. `layerwise.compare` with its defaults: a code of 100, 5 x 2 cross-validation, the
area under the ROC curve, intervals of the difference from raw columns by Nadeau & Bengio 2003. Boosted trees are
XGBoost's, where it is installed (`pip install "layerwise[features]"`).
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.results import keep
from layerwise import compare

TABLES = ("29_Pima", "18_Ionosphere", "12_fault", "7_Cardiotocography")


def tables(folder: Path, *, quick: bool) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Name, rows and target of each table."""
    if not quick:
        frame = pd.read_csv(folder / "students-dropout" / "data.csv", sep=";", encoding="utf-8-sig")
        target = (frame.pop("Target") == "Dropout").to_numpy().astype(int)
        yield "students", frame, target
    for name in TABLES[:1] if quick else TABLES:
        with np.load(folder / "adbench" / f"{name}.npz") as found:
            yield name, found["X"].astype(np.float64), found["y"].astype(int)


def main(words: Sequence[str] | None = None) -> None:
    """Compare, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="one table, a small code, halved once; nothing kept")
    arguments = parser.parse_args(words)
    figures: dict[str, Any] = {}
    for name, rows, target in tables(arguments.data_dir, quick=arguments.quick):
        started = time.perf_counter()
        options = {"code": 10, "repeats": 1} if arguments.quick else {}
        found = compare(rows, target, **options)
        lines = [
            {
                "features": one.features,
                "learner": one.learner,
                "score": one.score,
                "against raw": one.difference,
                "interval": list(one.interval),
                "verdict": one.verdict,
            }
            for one in found.findings()
        ]
        figures[name] = {"findings": lines, "seconds": time.perf_counter() - started}
        for line in lines:
            print(
                f"{name:20s} {line['learner']:16s} {line['features']:12s} {line['score']:.4f} {line['verdict']}",
                flush=True,
            )
    if not arguments.quick:
        keep("features", {"tables": figures})


if __name__ == "__main__":
    main()
