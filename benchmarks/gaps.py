"""Are gaps filled better than by a linear model, and in less time?

    python -m benchmarks.gaps --data-dir DATA [--only NAME ...] [--quick]

DATA holds `adbench/*.npz` and `students-dropout/data.csv`. Nine tables of numbers, of which every third column is cut
into four named levels, and the students, whose codes of courses and the like are categories. Of each 10, 30 and 50 % of
the cells are taken out: at random, or the more likely the larger the value is ("not at random"). Each imputer fills
the rows it was fitted to. The error of a column of numbers is the root mean squared error over its standard deviation,
that of a category the share of wrong levels; their mean is the error of a table. scikit-learn's `IterativeImputer`
gets categories as one-hot columns, and the largest one decides. Coverage: of intervals from the 5 % to the 95 %
quantile of 100 draws, over the cells of numbers that were taken out.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

from benchmarks.results import RESULTS, keep
from layerwise import AutoencoderImputer

STUDENTS = "students"
TABLES = ("cardio", "Cardiotocography", "fault", "letter", "pendigits", "Pima", "vowels", "breastw", "WDBC", STUDENTS)
RATES, WAYS = (0.1, 0.3, 0.5), ("at random", "not at random")
MOST_ROWS, DRAWS, LEVELS = 5000, 100, 4
CODES = ("Marital status", "Application mode", "Course", "Previous qualification", "Nacionality", "Target")
CODES += ("Mother's qualification", "Father's qualification", "Mother's occupation", "Father's occupation")

FILLERS = ("layerwise", "iterative")

Mask = NDArray[np.bool_]
Filler = Callable[[pd.DataFrame], pd.DataFrame]


def tables(folder: Path, only: Sequence[str], *, quick: bool) -> Iterator[tuple[str, pd.DataFrame]]:
    """Name and rows of each table."""
    for name in ("WDBC",) if quick else only:
        if name == STUDENTS:
            frame = pd.read_csv(folder / "students-dropout" / "data.csv", sep=";", encoding="utf-8-sig")
            yield name, frame.astype({name: str for name in frame if name.strip() in CODES})
            continue
        (path,) = (path for path in (folder / "adbench").glob("*.npz") if path.stem.split("_")[1] == name)
        with np.load(path) as found:
            x = found["X"].astype(np.float64)[:MOST_ROWS]
        frame = pd.DataFrame(x[:, x.std(0) > 0]).rename(columns="x{}".format)
        for column in frame.columns[::3]:
            ranks = frame[column].rank(method="first", pct=True)
            frame[column] = pd.cut(ranks, LEVELS, labels=list("abcd")).astype(str)
        yield name, frame.head(100) if quick else frame


def taken_out(frame: pd.DataFrame, rate: float, way: str) -> Mask:
    """The cells that are taken out; no row loses all."""
    draw = np.random.default_rng(0).random(frame.shape)
    if way == "at random":
        gaps = draw < rate
    else:
        ranks = np.column_stack([pd.Series(pd.factorize(frame[c], sort=True)[0]).rank(pct=True) for c in frame])
        gaps = draw < np.clip(2 * rate * ranks, 0, 0.95)
    gaps[gaps.all(1), 0] = False
    return gaps


def numbers(frame: pd.DataFrame) -> list[str]:
    """The columns of numbers."""
    return list(frame.select_dtypes("number").columns)


def ours(gaps: pd.DataFrame) -> pd.DataFrame:
    """The default imputer."""
    return AutoencoderImputer(random_state=0).fit(gaps).transform(gaps)


def usual(gaps: pd.DataFrame) -> pd.DataFrame:
    """The mean, or the most frequent level."""
    fill = {name: gaps[name].mean() if name in numbers(gaps) else gaps[name].mode()[0] for name in gaps}
    return gaps.fillna(fill)


def iterative(gaps: pd.DataFrame) -> pd.DataFrame:
    """scikit-learn's, on one-hot columns."""
    texts = [name for name in gaps if name not in numbers(gaps)]
    dummies = {name: pd.get_dummies(gaps[name], dtype=float).where(gaps[name].notna()) for name in texts}
    wide = pd.concat([gaps[numbers(gaps)], *dummies.values()], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = IterativeImputer(random_state=0).fit_transform(wide.to_numpy(float))
    filled, start = gaps.copy(), len(numbers(gaps))
    filled[numbers(gaps)] = found[:, :start]
    for name, block in dummies.items():
        best = np.array(block.columns)[found[:, start : start + block.shape[1]].argmax(1)]
        filled[name] = gaps[name].where(gaps[name].notna(), pd.Series(best, index=gaps.index))
        start += block.shape[1]
    return filled


def error(frame: pd.DataFrame, filled: pd.DataFrame, gaps: Mask) -> float:
    """The mean error of the columns."""
    found = []
    for place, name in enumerate(frame):
        out = gaps[:, place]
        if not out.any():
            continue
        truth, guess = frame[name].to_numpy()[out], filled[name].to_numpy()[out]
        if name in numbers(frame):
            found.append(float(np.sqrt(np.mean((truth - guess) ** 2)) / frame[name].std()))
        else:
            found.append(float(np.mean(truth != guess)))
    return float(np.mean(found))


def coverage(frame: pd.DataFrame, hidden: pd.DataFrame, gaps: Mask) -> float:
    """How many of the cells lie within their intervals."""
    imputer = AutoencoderImputer(random_state=0).fit(hidden)
    names = numbers(frame)
    drawn = np.stack([sample[names].to_numpy(float) for sample in imputer.sample(hidden, DRAWS)])
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    out = gaps[:, [frame.columns.get_loc(name) for name in names]]
    x = frame[names].to_numpy(float)
    return float(((x >= low) & (x <= high))[out].mean())


def measure(name: str, frame: pd.DataFrame, rate: float, way: str) -> dict[str, Any]:
    """Errors and seconds of all fillers on one table."""
    gaps = taken_out(frame, rate, way)
    hidden = frame.mask(gaps)
    fillers: dict[str, Filler] = {"layerwise": ours, "iterative": iterative, "usual": usual}
    row: dict[str, Any] = {"table": name, "columns": frame.shape[1], "rate": rate, "way": way}
    for key, fill in fillers.items():
        started = time.perf_counter()
        filled = fill(hidden)
        row[f"{key} seconds"] = time.perf_counter() - started
        row[key] = error(frame, filled, gaps)
    row["coverage"] = coverage(frame, hidden, gaps) if way == "at random" else None
    print({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}, flush=True)
    return row


def summary(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Print on how many tables, and on how many of their settings, ours is best and faster."""
    rows = [row for part in found.values() for row in part]
    best = {id(row) for row in rows if row["layerwise"] <= min(row["iterative"], row["usual"])}
    told = sum(all(id(row) in best for row in part) for part in found.values())
    print(f"best in all settings of {told} of {len(found)} tables, in {len(best)} of {len(rows)} settings")
    wide = {name: part for name, part in found.items() if part[0]["columns"] > 20}
    seconds = {name: [sum(row[f"{who} seconds"] for row in part) for who in FILLERS] for name, part in wide.items()}
    faster = sum(ours <= theirs for ours, theirs in seconds.values())
    each = sum(row["layerwise seconds"] <= row["iterative seconds"] for part in wide.values() for row in part)
    told = f"{faster} of {len(wide)} tables, in {each} of {sum(map(len, wide.values()))} settings"
    print(f"over 20 columns: faster than IterativeImputer on {told}")


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="100 rows of one table; nothing kept")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES), help="which tables")
    arguments = parser.parse_args(words)
    rates, ways = (RATES[1:2], WAYS) if arguments.quick else (RATES, WAYS)
    path = RESULTS / "gaps.json"
    found = json.loads(path.read_text("utf-8"))["tables"] if path.exists() and not arguments.quick else {}
    for name, frame in tables(arguments.data_dir, arguments.only, quick=arguments.quick):
        found[name] = [measure(name, frame, rate, way) for way in ways for rate in rates]
        if not arguments.quick:
            keep("gaps", {"tables": found})
    summary(found)


if __name__ == "__main__":
    main()
