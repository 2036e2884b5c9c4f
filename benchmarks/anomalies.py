"""Does the default detector find what others find, and as fast?

    python -m benchmarks.anomalies --data-dir DATA [--quick] [--seeds 0 1 2]

DATA holds `adbench/*.npz`, `ecg5000/ecg5000.npz` and `nasa-bearing/2nd_test_10min.csv`. The protocol of ADBench (Han et
al. 2022): 70 % of the rows, which hold anomalies in their share, for `fit`, the others judge; at most 10,000 rows; all
detectors with their defaults; the area under the ROC curve in percent, mean over the seeds. PyOD's autoencoder is run
where PyOD is installed (`pip install "layerwise[peers]"`); scikit-learn's isolation forest and the mean distance to the
30 nearest neighbours always are. Seconds: of `fit` and scoring, all sets together.

Electrocardiograms: fitted to the 500 training heartbeats without their classes, judged on the others, normal or not.

Bearing: windows of two hours of a machine that ran until its bearing failed, seven days later. Fitted to the first
three days, with no anomaly among them; and to all seven days, with the defaults. When are points flagged, in hours?
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from benchmarks.results import keep
from layerwise import AutoencoderDetector

MOST_ROWS, TEST_SHARE, NEIGHBOURS = 10_000, 0.3, 30
SMALL = ("wine", "glass")
# Points come every ten minutes.
WINDOW, FIRST_HOURS = 12, 72

Array = NDArray[np.float64]
Scorer = Callable[[Array, Array, int], Array]


def ours(train: Array, test: Array, seed: int) -> Array:
    """The default detector."""
    return AutoencoderDetector(random_state=seed).fit(train).anomaly_score(test)


def forest(train: Array, test: Array, seed: int) -> Array:
    """scikit-learn's isolation forest."""
    return -IsolationForest(random_state=seed).fit(train).score_samples(test)


def neighbours(train: Array, test: Array, seed: int) -> Array:
    """The mean distance to the nearest rows, all columns scaled."""
    scaler = StandardScaler().fit(train)
    found = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(train))).fit(scaler.transform(train))
    return found.kneighbors(scaler.transform(test))[0].mean(1)


def pyod(train: Array, test: Array, seed: int) -> Array:
    """PyOD's autoencoder, whose rows are scaled as its examples do it."""
    from pyod.models.auto_encoder import AutoEncoder

    scaler = StandardScaler().fit(train)
    return (
        AutoEncoder(verbose=0, random_state=seed).fit(scaler.transform(train)).decision_function(scaler.transform(test))
    )


def parts(path: Path, seed: int) -> tuple[Array, Array, NDArray[np.int64]]:
    """Training rows, test rows, and which of these are anomalies."""
    with np.load(path) as found:
        x, y = found["X"].astype(np.float64), found["y"].astype(np.int64)
    chosen = np.random.default_rng(seed).permutation(len(x))[:MOST_ROWS] if len(x) > MOST_ROWS else np.arange(len(x))
    train, test, _, wanted = train_test_split(
        x[chosen], y[chosen], test_size=TEST_SHARE, stratify=y[chosen], random_state=seed
    )
    return train, test, wanted


def collection(folder: Path, seeds: Sequence[int], *, quick: bool) -> dict[str, Any]:
    """Area and seconds of each detector on each set."""
    scorers: dict[str, Scorer] = {"layerwise": ours, "isolation forest": forest, "neighbours": neighbours}
    if importlib.util.find_spec("pyod"):
        scorers["PyOD autoencoder"] = pyod
    areas: dict[str, dict[str, float]] = {name: {} for name in scorers}
    seconds = dict.fromkeys(scorers, 0.0)
    for path in sorted((folder / "adbench").glob("*.npz")):
        if quick and not path.stem.endswith(SMALL):
            continue
        found: dict[str, list[float]] = {name: [] for name in scorers}
        for seed in seeds:
            train, test, wanted = parts(path, seed)
            for name, score in scorers.items():
                started = time.perf_counter()
                scores = score(train, test, seed)
                seconds[name] += time.perf_counter() - started
                found[name].append(100 * float(roc_auc_score(wanted, scores)))
        for name, values in found.items():
            areas[name][path.stem] = float(np.mean(values))
        print(f"{path.stem:20s}", "  ".join(f"{name} {areas[name][path.stem]:.1f}" for name in scorers), flush=True)
    means = {name: float(np.mean(list(values.values()))) for name, values in areas.items()}
    print("mean", "  ".join(f"{name} {value:.2f} in {seconds[name]:.1f} s" for name, value in means.items()))
    return {"mean": means, "seconds": seconds, "sets": areas}


def heartbeats(folder: Path) -> dict[str, float]:
    """The area on the test heartbeats, in percent."""
    with np.load(folder / "ecg5000" / "ecg5000.npz") as found:
        train, test, wanted = found["X_train"], found["X_test"], found["y_test"] != 1
    return {"area": 100 * float(roc_auc_score(wanted, ours(train.astype(float), test.astype(float), 0)))}


def bearing(folder: Path) -> dict[str, dict[str, float]]:
    """How early the failing bearing is flagged, and how often points of the first three days are."""
    frame = pd.read_csv(folder / "nasa-bearing" / "2nd_test_10min.csv")
    when = pd.to_datetime(frame["Datetime"], format="%Y.%m.%d.%H.%M.%S")
    hours = ((when - when[0]).dt.total_seconds() / 3600).to_numpy()
    sensors, early = frame.filter(like="Bearing"), hours < FIRST_HOURS
    ways: dict[str, tuple[NDArray[np.bool_], float | Literal["auto"]]] = {
        "fitted to three days": (early, 0.0),
        "fitted to all": (hours >= 0, "auto"),
    }
    figures = {}
    for name, (known, share) in ways.items():
        detector = AutoencoderDetector(window=WINDOW, contamination=share, random_state=0).fit(sensors[known])
        flagged = detector.predict(sensors) == -1
        figures[name] = {
            "first flag, hours before the end": float(hours[-1] - hours[flagged].min()),
            "flagged without a break, hours before the end": float(hours[-1] - hours[~flagged].max()),
            "flagged in the first three days": int(flagged[early].sum()),
        }
    return figures


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--quick", action="store_true", help="two small sets, one seed; nothing kept")
    arguments = parser.parse_args(words)
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    figures: dict[str, Any] = {"collection": collection(arguments.data_dir, seeds, quick=arguments.quick)}
    if not arguments.quick:
        figures["electrocardiograms"] = heartbeats(arguments.data_dir)
        figures["bearing"] = bearing(arguments.data_dir)
        print(figures["electrocardiograms"], figures["bearing"])
        keep("anomalies", figures)


if __name__ == "__main__":
    main()
