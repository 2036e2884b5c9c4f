"""What the studies share: arguments, data, two runs at a time, and the page that each of them writes.

A study is a question, runs that differ in one or two things, and for each run and seed a row of figures. Its page says
what was found, in words that are made from the figures.
"""

import argparse
import csv
import functools
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.results import machine
from layerwise.data import Source, read
from layerwise.data.datasets import Pictures, with_factors
from layerwise.diagnostics import mean_fidelity
from layerwise.models import Autoencoder, Dense, Glorot, Layer, sigmoid
from layerwise.penalties import cross_entropy, reverse_cross_entropy, squared_error
from layerwise.runtime import Runtime
from layerwise.training import History, Recipe, Watcher, fit

FOLDER = Path(__file__).parents[1] / "docs" / "experiments"
RUNTIME = Runtime("cpu", "float32")
LOGISTIC = Layer(sigmoid, initializer=Glorot())
# Okabe & Ito's colours, which the colour-blind can tell apart.
BLACK, GREY, BLUE, ORANGE = "#000000", "#999999", "#0072B2", "#E69F00"
GREEN, RED, PINK, SKY = "#009E73", "#D55E00", "#CC79A7", "#56B4E9"

Row = dict[str, Any]
Job = TypeVar("Job")


@dataclass(frozen=True)
class Data:
    """Pictures as rows in [0, 1], with their classes and the factors that they were drawn from, where there are any."""

    name: str
    train: torch.Tensor
    test: torch.Tensor
    classes: NDArray[np.int64] | None
    test_classes: NDArray[np.int64] | None
    factors: NDArray[np.float64] | None = None
    test_factors: NDArray[np.float64] | None = None
    names: tuple[str, ...] = ()

    def head(self, rows: int, test_rows: int) -> "Data":
        """The first rows of both parts."""
        cut, test_cut = slice(0, rows), slice(0, test_rows)
        return Data(
            self.name,
            self.train[cut],
            self.test[test_cut],
            None if self.classes is None else self.classes[cut],
            None if self.test_classes is None else self.test_classes[test_cut],
            None if self.factors is None else self.factors[cut],
            None if self.test_factors is None else self.test_factors[test_cut],
            self.names,
        )


@functools.lru_cache(maxsize=2)
def load(name: str, data_dir: Path | None) -> Data:
    """A named data set; angles among the factors become their sines and cosines. The last two are kept."""
    if name == "mnist":
        table = read(name, data_dir=data_dir)
        assert table.test is not None
        return Data(
            name,
            unit(table.to_array()),
            unit(table.test.to_array()),
            np.asarray(table.labels, np.int64),
            np.asarray(table.test.labels, np.int64),
        )
    training, test = with_factors(name, data_dir=data_dir)
    return Data(
        name,
        unit(training.images),
        unit(test.images),
        _classes(training),
        _classes(test),
        training.targets()[0],
        test.targets()[0],
        training.targets()[1],
    )


def _classes(pictures: Pictures) -> NDArray[np.int64] | None:
    return None if pictures.labels is None else np.asarray(pictures.labels, np.int64)


def unit(images: NDArray[np.uint8]) -> torch.Tensor:
    """Bytes as rows in [0, 1]."""
    return torch.from_numpy(images).flatten(1).float() / 255


def logistic_net(features: int, hidden: Sequence[int], code: int, *, seed: int) -> Dense:
    """An autoencoder of sigmoid units with a linear code and a sigmoid output."""
    return Dense(features, hidden, code=code, layer=LOGISTIC, output=sigmoid, seed=seed)


def train(model: Autoencoder, rows: Source, recipe: Recipe, *, seed: int, watch: Sequence[Watcher] = ()) -> float:
    """Train, and give the seconds of the processor: of one thread, whatever else runs beside it."""
    started = time.process_time()
    fit(model, rows, recipe, seed=seed, history=History(watch=watch), runtime=RUNTIME)
    return time.process_time() - started


def errors(model: Autoencoder, rows: Source) -> Row:
    """The three errors of an autoencoder: sum over the pixels, mean over the rows."""
    measures = cross_entropy, squared_error, reverse_cross_entropy
    return {measure.name: mean_fidelity(model, rows, fidelity=measure) for measure in measures}


def work(recipe: Recipe, model: Autoencoder, rows: int) -> float:
    """The multiplications of the passes from input to output: rows x epochs x parameters of each phase's part."""
    return float(sum(rows * phase.epochs * parameters(phase.view.part(model)) for phase in recipe))


def parameters(model: Autoencoder) -> int:
    """How many numbers are learned."""
    return sum(parameter.numel() for parameter in model.parameters())


def parse(doc: str | None, words: Sequence[str] | None, *, seeds: Sequence[int] = (0, 1, 2)) -> argparse.Namespace:
    """The arguments of a study."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="where the files of MNIST are")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    parser.add_argument("--quick", action="store_true", help="few rows, one seed, one epoch; writes nothing")
    return parser.parse_args(words)


def each(run: Callable[[Job], Row], jobs: Sequence[Job], *, quick: bool = False) -> list[Row]:
    """The row of each job, in their order; two at a time with one thread each, or here and now where it is quick."""
    if quick:
        return [run(job) for job in jobs]
    rows, started = [], time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for number, row in enumerate(pool.map(run, jobs), 1):
            rows.append(row)
            print(f"{number} of {len(jobs)}, {time.perf_counter() - started:.0f} s: {str(row)[:400]}", flush=True)
    return rows


def mean_of(rows: Sequence[Row], column: str, **chosen: Any) -> float:
    """The mean of a column over the rows (seeds) that have the chosen values."""
    return float(np.mean(values_of(rows, column, **chosen)))


def values_of(rows: Sequence[Row], column: str, **chosen: Any) -> list[float]:
    """The values of a column in the rows that have the chosen values.

    Raises:
        ValueError: where no row has them.
    """
    found = [float(row[column]) for row in rows if all(row[name] == value for name, value in chosen.items())]
    if not found:
        raise ValueError(f"no row has {chosen}")
    return found


def table(rows: Sequence[Row], by: Sequence[str], columns: Sequence[str]) -> str:
    """The means over the seeds, with the standard deviation where there is one, as a table in Markdown."""
    groups = list(dict.fromkeys(tuple(row[name] for name in by) for row in rows))
    lines = ["| " + " | ".join([*by, *columns]) + " |", "|" + "---|" * (len(by) + len(columns))]
    for group in groups:
        chosen = dict(zip(by, group, strict=True))
        cells = []
        for column in columns:
            values = values_of(rows, column, **chosen)
            mean, spread = np.mean(values), np.std(values, ddof=1) if len(values) > 1 else 0.0
            cells.append(
                (f"{mean:.4g}" if not 1e4 < abs(mean) < 1e8 else f"{mean:,.0f}")
                + (f" ± {spread:.2g}" if spread else "")
            )
        lines.append("| " + " | ".join([*map(str, group), *cells]) + " |")
    return "\n".join(lines)


def publish(
    name: str, rows: Sequence[Row], figure: Figure, *, title: str, setting: str, finding: str, shown: str
) -> None:
    """Write docs/experiments/NAME.csv, .png and .md.

    Arguments:
        name: of the files and of the script.
        rows: one a run and seed.
        figure: the picture of the page.
        title: the question.
        setting: what was run: data, net, epochs, and what is our own definition.
        finding: what was found, made from the figures, also where it contradicts what is claimed elsewhere.
        shown: the table of the page.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({key: f"{v:.6g}" if isinstance(v, float) else v for key, v in row.items()} for row in rows)
    figure.savefig(FOLDER / f"{name}.png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    where = ", ".join(f"{key} {value}" for key, value in machine().items())
    page = [
        f"# {title}",
        "",
        finding,
        "",
        f"![The figures as a picture]({name}.png)",
        "",
        shown,
        "",
        *(["Means over the seeds, and the standard deviation between them.", ""] if "±" in shown else []),
        f"**What was run.** {setting} `python -m experiments.{name}`; every run is a row of [{name}.csv]({name}.csv). "
        f"Machine: {where}.",
        "",
    ]
    (FOLDER / f"{name}.md").write_text("\n".join(page), encoding="utf-8")


def axes(count: int, *, width: float = 4.2, height: float = 3.4) -> tuple[Figure, list[Any]]:
    """A figure with some axes beside each other, in a quiet style."""
    with matplotlib.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}):
        figure = Figure(figsize=(width * count, height), layout="constrained")
        return figure, list(figure.subplots(1, count, squeeze=False)[0])


def merged(*parts: Mapping[str, Any]) -> Row:
    """One row of several."""
    return {key: value for part in parts for key, value in part.items()}
