"""Is fine-tuning after each layer better than all of it in the end?

    python -m experiments.intermediate --data-dir DATA [--quick] [--seeds 0 1 2]

`intermediate_fine_tuning` against `layerwise` with encoders of 3, 4 and 5 layers, on pictures of half the size and on
MNIST at full size. The layers are trained alike; what is fine-tuned in the end only gets so many epochs for it that
both take as many multiplications. Beside them: the end alone with as many final epochs as the intermediate way has, so
with less work.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments import study
from experiments.comparison import Difference, bars, difference, legend
from experiments.strategies import halved
from experiments.study import Row
from layerwise.diagnostics import mean_fidelity
from layerwise.models import Dense
from layerwise.optim import FirstOrder
from layerwise.penalties import cross_entropy, squared_error
from layerwise.recipes import Setting, Shallow, fine_tuning, intermediate_fine_tuning, layerwise
from layerwise.training import Block, EpochEnd, Event, Objective, PhaseStart, Recipe, TensorRows, Upto

# The first one at full size.
LARGE, *SMALL = DATA = "mnist 28x28", "mnist", "square-and-room", "robot-arm-2d"
DEPTHS = 3, 4, 5
FINAL, BETWEEN, LESS = "final", "intermediate", "final, less work"
COLOURS = {FINAL: study.BLUE, BETWEEN: study.RED, LESS: study.GREY}
SHADES = {3: study.SKY, 4: study.BLUE, 5: study.BLACK}
ADAM = FirstOrder(torch.optim.Adam, lr=3e-3, options={"fused": True})
CODE = 20
APART = 0.02
COLUMNS = "cross_entropy", "squared_error", "reverse_cross_entropy", "multiplications", "final_epochs"


@dataclass(frozen=True)
class Size:
    """How much is trained; hidden layers of the deepest nets, of which others have the first."""

    rows: int = 3000
    test_rows: int = 2000
    large: tuple[int, ...] = (300, 200, 100, 50)
    small: tuple[int, ...] = (150, 120, 80, 50)
    epochs: int = 10
    between: int = 10
    tuning: int = 20


QUICK = Size(100, 60, (80, 60, 40, 30), (80, 60, 40, 30), 1, 4, 8)


class Job(NamedTuple):
    """One data set, one depth, one way, one seed."""

    data: str
    depth: int
    way: str
    seed: int
    size: Size
    data_dir: Path | None


def recipes(model: Dense, rows: int, size: Size) -> dict[str, Recipe]:
    """The ways, two of them in as many multiplications.

    Raises:
        ValueError: where whole epochs do not make them equal within 2 %.
    """
    setting = Setting(rows, Objective(cross_entropy), widths=model.widths)
    trainer = Shallow(ADAM, size.epochs, fidelity=cross_entropy)
    between = fine_tuning(setting, epochs=size.between, optimizer=ADAM)
    tune = fine_tuning(setting, epochs=size.tuning, optimizer=ADAM)
    steps = intermediate_fine_tuning(setting, between=between, trainer=trainer, fine_tune=tune)
    layers = layerwise(setting, trainer=trainer, fine_tune=None)
    epoch = study.work([tune], model, rows) / tune.epochs
    left = study.work(steps, model, rows) - study.work(layers, model, rows)
    last = fine_tuning(setting, epochs=round(left / epoch), optimizer=ADAM)
    ways: dict[str, Recipe] = {FINAL: [*layers, last], BETWEEN: steps, LESS: [*layers, tune]}
    sums = [study.work(ways[way], model, rows) for way in (FINAL, BETWEEN)]
    if abs(sums[0] / sums[1] - 1) > APART:
        raise ValueError(f"the multiplications must be equal within {APART:.0%}; they are {sums}. Give more epochs.")
    return ways


@dataclass
class Curve:
    """Watches a run: after each epoch the multiplications so far, and the test error of the layers so far."""

    model: Dense
    recipe: Recipe
    rows: int
    test: torch.Tensor
    number: int = 0
    points: list[tuple[int, float, float]] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Note where an epoch has led to."""
        if isinstance(event, PhaseStart):
            self.number = event.number
        elif isinstance(event, EpochEnd):
            phase = self.recipe[self.number]
            part = phase.view.part(self.model)
            done = study.work(self.recipe[: self.number], self.model, self.rows)
            done += self.rows * event.epoch * study.parameters(part)
            so_far = self.model.upto(phase.view.index) if isinstance(phase.view, Block | Upto) else self.model
            error = mean_fidelity(so_far, TensorRows(self.test), fidelity=squared_error)
            self.points.append((self.number, done, error))

    def __str__(self) -> str:
        return " ".join(f"{number}:{done:.4g}:{error:.4g}" for number, done, error in self.points)


def run(job: Job) -> Row:
    """Train and measure."""
    size = job.size
    data = study.load(job.data.split()[0], job.data_dir).head(size.rows, size.test_rows)
    large = job.data == LARGE
    rows, test = (data.train, data.test) if large else (halved(data.train), halved(data.test))
    hidden = (size.large if large else size.small)[: job.depth - 1]
    model = study.logistic_net(rows.shape[1], hidden, CODE, seed=job.seed)
    recipe = recipes(model, len(rows), size)[job.way]
    curve = Curve(model, recipe, len(rows), test)
    study.train(model, TensorRows(rows), recipe, seed=job.seed, watch=[curve])
    return {
        "data": job.data,
        "depth": job.depth,
        "way": job.way,
        "seed": job.seed,
        **study.errors(model, TensorRows(test)),
        "multiplications": study.work(recipe, model, len(rows)),
        "final_epochs": recipe[-1].epochs,
        "curve": str(curve),
    }


def points(row: Row) -> NDArray[np.float64]:
    """The curve of a run: number of the phase, multiplications, squared error."""
    return np.array([[float(value) for value in point.split(":")] for point in row["curve"].split()])


def told(rows: Sequence[Row]) -> str:
    """The sums that are equal."""
    sums = {
        depth: [study.mean_of(rows, "multiplications", depth=depth, way=way, data=SMALL[0]) for way in (BETWEEN, FINAL)]
        for depth in DEPTHS
    }
    words = [f"{depth} layers {one:.4g} and {other:.4g}" for depth, (one, other) in sums.items()]
    return f"Multiplications of {BETWEEN} and {FINAL} ({SMALL[0]}): {', '.join(words)}."


def conclusion(rows: Sequence[Row]) -> str:
    """Is intermediate fine-tuning better?"""
    cases = [(data, depth) for data in dict.fromkeys(row["data"] for row in rows) for depth in DEPTHS]
    column = "cross_entropy"
    gaps, less = (
        {
            (data, depth): difference(
                rows, column, {"data": data, "depth": depth, "way": BETWEEN}, {"data": data, "depth": depth, "way": way}
            )
            for data, depth in cases
        }
        for way in (FINAL, LESS)
    )
    better, worse = counted(gaps.values())
    more, fewer = counted(less.values())
    words = "; ".join(
        f"{data} {', '.join(f'{gaps[data, depth].mean:+.2g} ± {gaps[data, depth].spread:.1g}' for depth in DEPTHS)}"
        for data in dict.fromkeys(data for data, _ in cases)
    )
    held = "held" if better == len(cases) else "held in part" if better else "did not hold"
    return (
        "**Claim: intermediate fine-tuning is better than fine-tuning in the end only.** With as many multiplications "
        f"it {held}: of {len(cases)} cases (data sets and depths) it was clearly better in {better} and clearly worse "
        f"in {worse}. Change of the test cross-entropy with {', '.join(map(str, DEPTHS))} layers: {words}. Against the "
        f"same final epochs, and so with more work, it was clearly better in {more} and clearly worse in {fewer}. "
        f"{told(rows)}"
    )


def counted(gaps: Iterable[Difference]) -> tuple[int, int]:
    """How many are clearly lower, and clearly higher."""
    found = list(gaps)
    return sum(gap.clear and gap.mean < 0 for gap in found), sum(gap.clear and gap.mean > 0 for gap in found)


def draw_curves(axis: Any, rows: Sequence[Row]) -> None:
    """The mean error of the whole against the multiplications, and faintly that of the layers before it is whole."""
    shown: list[float] = []
    for way, colour in COLOURS.items():
        curves = np.stack([points(row) for row in rows if row["way"] == way])
        number, done, errors = curves[0, :, 0], curves[0, :, 1] / 1e9, curves[:, :, 2]
        mean, spread = errors.mean(0), errors.std(0, ddof=1) if len(errors) > 1 else 0.0
        for phase in np.unique(number):
            part, whole = number == phase, phase == number[-1]
            line = {"linewidth": 1.6, "label": way} if whole else {"linewidth": 0.8, "alpha": 0.45}
            axis.plot(done[part], mean[part], color=colour, **line)
            if whole:
                axis.fill_between(done[part], (mean - spread)[part], (mean + spread)[part], color=colour, alpha=0.2)
                shown.extend(mean[part])
    axis.set_ylim(0.8 * min(shown), 1.3 * max(shown))
    axis.set_xlabel("multiplications (10⁹)")


def figure(rows: Sequence[Row]) -> Figure:
    """The curves of one data set for each depth, and what comes out on all."""
    drawn, places = study.axes(len(DEPTHS) + 1, width=3.7, height=3.6)
    for axis, depth in zip(places, DEPTHS, strict=False):
        draw_curves(axis, [row for row in rows if row["depth"] == depth and row["data"] == SMALL[0]])
        axis.set_title(f"{SMALL[0]}, {depth} layers")
    places[0].set_ylabel("test squared error (sum over pixels)")
    made = []
    for row in rows:
        if row["way"] == BETWEEN:
            same = {name: row[name] for name in ("data", "depth", "seed")}
            ratio = row["squared_error"] / study.mean_of(rows, "squared_error", way=FINAL, **same)
            made.append({**same, "layers": f"{row['depth']} layers", "ratio": ratio})
    bars(places[-1], made, "ratio", by="layers", colours={f"{depth} layers": SHADES[depth] for depth in DEPTHS})
    places[-1].axhline(1, color=study.BLACK, linewidth=0.6)
    places[-1].set_ylabel("test squared error, final = 1")
    places[-1].set_title("Intermediate, equal work")
    legend(places)
    return drawn


def publish(rows: Sequence[Row], size: Size) -> None:
    """Write the page."""
    small, large = ("-".join(map(str, (*hidden, CODE))) for hidden in (size.small, size.large))
    setting = (
        f"The first {size.rows} training and {size.test_rows} test rows of each data set at half the size, 196-{small} "
        f"for 5 encoder layers, and of MNIST at full size, 784-{large}; without the last hidden layers for 4 and 3; "
        f"logistic units, linear code. {size.epochs} epochs for each layer alone; {BETWEEN}: {size.between} epochs for "
        f"the layers so far after each that is added, and {size.tuning} for the whole; {FINAL}: as many for the whole "
        f"as make the multiplications equal; {LESS}: {size.tuning}. Adam, rate 0.003 with a cosine in each "
        "fine-tuning, batches of 128, cross-entropy. Multiplications: rows x epochs x parameters of the part that a "
        "phase trains, which is one pass from input to output; passes back take about twice as much in both ways. In "
        "the picture the faint lines are the layers so far, before the whole is trained, and the bands one standard "
        "deviation; the column `curve` has phase:multiplications:squared error after each epoch. Errors: sums over "
        "pixels, means over rows, cross-entropies in nats. Differences are taken seed by seed; clear: more than two "
        "of their standard deviations. What fine-tuning in between was in the thesis is not known; this is our own "
        "definition."
    )
    study.publish(
        "intermediate",
        rows,
        figure(rows),
        title="Is fine-tuning after each layer better than all of it in the end?",
        setting=setting,
        finding=conclusion(rows),
        shown=study.table(rows, ("data", "depth", "way"), COLUMNS),
    )


def main(words: Sequence[str] | None = None) -> None:
    """Train, measure and write."""
    arguments = study.parse(__doc__, words)
    quick = arguments.quick
    size, names, seeds = (QUICK, SMALL[:1], arguments.seeds[:1]) if quick else (Size(), DATA, arguments.seeds)
    jobs = [
        Job(name, depth, way, seed, size, arguments.data_dir)
        for name in names
        for depth in DEPTHS
        for way in COLOURS
        for seed in seeds
    ]
    rows = study.each(run, jobs, quick=quick)
    print(conclusion(rows))
    if not quick:
        publish(rows, size)


if __name__ == "__main__":
    main()
