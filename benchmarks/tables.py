"""Does the default beat PCA on tables it was not tuned to?

    python -m benchmarks.tables --data-dir DATA [--quick] [--seed 0]

DATA holds `adbench/*.npz` and `students-dropout/data.csv`. Each table is cut at random into 80 % for `fit`, with
default arguments and a code of a third of the columns (at least 2), and 20 % that only `evaluate` sees. The ratio is
the autoencoder's squared error over that of PCA; `strict_ratio` divides by a PCA that scikit-learn fits on all the
rows given to `fit`, those held out by the estimator included.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from benchmarks.results import keep
from layerwise import DeepAutoencoder
from layerwise.data import Table, read

SMALL = ("wine", "vowels", "glass")


def tables(folder: Path) -> dict[str, Path]:
    """Name -> file."""
    found = {path.stem: path for path in sorted((folder / "adbench").glob("*.npz"))}
    found["students-dropout"] = folder / "students-dropout" / "data.csv"
    return found


def measure(table: Table, seed: int, epochs: int | None) -> dict[str, float]:
    """Fit on 80 % of the rows, compare on the others."""
    order = np.random.default_rng(seed).permutation(len(table))
    cut = len(table) // 5
    test, training = table.take(order[:cut]), table.take(order[cut:])
    code = max(2, len(table.names) // 3)
    started = time.perf_counter()
    encoder = DeepAutoencoder(code, max_epochs=epochs, random_state=0).fit(training)
    seconds = time.perf_counter() - started
    metrics = encoder.evaluate(test)
    known, unknown = (encoder.schema_.encode(part).batch(slice(None)) for part in (training, test))
    pca = PCA(min(code, known.x.shape[1], len(training))).fit(known.x.numpy())
    residual = pca.inverse_transform(pca.transform(unknown.x.numpy())) - unknown.x.numpy()
    strict = metrics["squared_error"] / float((residual**2).sum(1).mean())
    return {"ratio": metrics["ratio_to_pca"], "strict_ratio": strict, "seconds": seconds, "rows": len(table)}


def main(words: Sequence[str] | None = None) -> None:
    """Measure all tables, print a line for each, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="three small tables, 20 epochs, nothing kept")
    arguments = parser.parse_args(words)
    figures = {}
    for name, path in tables(arguments.data_dir).items():
        if arguments.quick and not name.endswith(SMALL):
            continue
        figures[name] = measure(read(path), arguments.seed, 20 if arguments.quick else None)
        print(f"{name:22s}", "  ".join(f"{key} {value:.3f}" for key, value in figures[name].items()), flush=True)
    summary = {
        key: float(np.exp(np.mean(np.log([entry[key] for entry in figures.values()]))))
        for key in ("ratio", "strict_ratio")
    }
    worst = {key: max(entry[key] for entry in figures.values()) for key in ("ratio", "strict_ratio", "seconds")}
    print("geometric mean", summary, "worst", worst)
    if not arguments.quick:
        keep(f"tables-{arguments.seed}", {"tables": figures, "geometric_mean": summary, "worst": worst})


if __name__ == "__main__":
    main()
