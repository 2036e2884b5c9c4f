"""On which layers should sparsity be, and what do momentum and weight decay add?

    python -m experiments.sparsity_placement --data-dir DATA [--quick] [--seeds 0 1 2]

First `alternate_sparsity` on no, all or alternate hidden layers, by Adam. Then gradient descent with nothing else; with
momentum, weight decay or alternate sparsity; with these three; and with these and intermediate fine-tuning
(`alternate_sparsity_combined`) in as many multiplications. Each way has the penalty's weight, or the rate, that is best
on rows kept apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure

from experiments import study
from experiments.comparison import Difference, bars, difference, legend, ranking, won
from experiments.strategies import halved, sparseness
from experiments.study import Row
from layerwise.models import Dense
from layerwise.optim import FirstOrder
from layerwise.penalties import KLSparsity, WeightDecay, cross_entropy
from layerwise.recipes import (
    Setting,
    Shallow,
    alternate_sparsity,
    alternate_sparsity_combined,
    fine_tuning,
    layerwise,
)
from layerwise.training import Objective, Recipe, TensorRows

DATA = "mnist", "square-and-room", "robot-arm-2d"
COMBINED = "all three, intermediate"
EVERYTHING = "all three", COMBINED
PLACEMENTS = {"none": study.GREY, "all": study.ORANGE, "alternate": study.BLUE}
DESCENTS = {
    "plain": study.GREY,
    "momentum": study.SKY,
    "weight decay": study.PINK,
    "alternate sparsity": study.BLUE,
    "all three": study.GREEN,
    COMBINED: study.RED,
}
SPARSITY, TARGET, MOMENTUM, DECAY = 0.1, 0.05, 0.9, 1e-3
# What is chosen by the rows kept apart.
WEIGHTS, RATES = (0.01, 0.1), (0.03, 0.1, 0.3)


@dataclass(frozen=True)
class Size:
    """How much is trained; `kept` are the rows that choose."""

    rows: int = 3000
    kept: int = 1000
    test_rows: int = 2000
    hidden: tuple[int, ...] = (150, 120, 80)
    code: int = 20
    epochs: int = 10
    tuning: int = 30


QUICK = Size(40, 20, 40, (50, 40, 30), 10, 1, 3)


class Job(NamedTuple):
    """One data set, one way with one weight or rate, one seed."""

    data: str
    part: str
    way: str
    choice: float
    seed: int
    size: Size
    data_dir: Path | None


def descent(setting: Setting, size: Size, *, rate: float, added: Sequence[str]) -> Recipe:
    """Layer by layer and then the whole by gradient descent with what is added, in every phase."""
    momentum = MOMENTUM if "momentum" in added else 0.0
    optimizer = FirstOrder(torch.optim.SGD, lr=rate, momentum=momentum, options={"nesterov": momentum > 0})
    decay: Mapping[str, Any] = {"weight_decay": (DECAY, WeightDecay())} if "weight decay" in added else {}
    alone: Mapping[str, Any] = {}
    together: Mapping[str, Any] = {}
    if "alternate sparsity" in added:
        alone = {"sparsity": (SPARSITY, KLSparsity(TARGET))}
        together = {"sparsity": (SPARSITY, KLSparsity(TARGET, layers="alternate"))}
    trainers = [
        Shallow(optimizer, size.epochs, penalties={**decay, **(alone if index % 2 == 0 else {})})
        for index in range(setting.depth - 1)
    ]
    code = Shallow(optimizer, size.epochs, penalties=decay)
    whole = replace(setting, objective=Objective(cross_entropy, {**decay, **together}))
    tune = fine_tuning(whole, epochs=size.tuning, optimizer=optimizer)
    return layerwise(setting, trainer=[*trainers, code], fine_tune=tune)


def combined(setting: Setting, size: Size, model: Dense, *, rate: float) -> Recipe:
    """The recipe with intermediate fine-tuning, and in the end as many epochs as make the multiplications equal."""

    def made(tuning: int) -> Recipe:
        return alternate_sparsity_combined(
            setting,
            sparsity=SPARSITY,
            target=TARGET,
            momentum=MOMENTUM,
            weight_decay=DECAY,
            epochs=size.epochs,
            fine_tune_epochs=tuning,
            lr=rate,
        )

    wanted = study.work(descent(setting, size, rate=rate, added=()), model, setting.rows)
    one, two = (study.work(made(tuning), model, setting.rows) for tuning in (1, 2))
    return made(max(1, 1 + round((wanted - one) / (two - one))))


def recipe(job: Job, setting: Setting, model: Dense) -> Recipe:
    """The phases of a way."""
    size = job.size
    if job.part == "placement":
        return alternate_sparsity(
            setting,
            layers=job.way,  # type: ignore[arg-type]
            sparsity=job.choice,
            target=TARGET,
            epochs=size.epochs,
            fine_tune_epochs=size.tuning,
            lr=3e-3,
        )
    if job.way == COMBINED:
        return combined(setting, size, model, rate=job.choice)
    three = "momentum", "weight decay", "alternate sparsity"
    return descent(setting, size, rate=job.choice, added=three if job.way == "all three" else (job.way,))


def run(job: Job) -> Row:
    """Train and measure."""
    size = job.size
    data = study.load(job.data, job.data_dir).head(size.rows + size.kept, size.test_rows)
    rows, test = halved(data.train), halved(data.test)
    train, kept = rows[: size.rows], rows[size.rows :]
    model = study.logistic_net(rows.shape[1], size.hidden, size.code, seed=job.seed)
    setting = Setting(len(train), Objective(cross_entropy), widths=model.widths)
    phases = recipe(job, setting, model)
    seconds = study.train(model, TensorRows(train), phases, seed=job.seed)
    hoyer, active = sparseness(model, test)
    return {
        "data": job.data,
        "part": job.part,
        "way": job.way,
        "choice": job.choice,
        "seed": job.seed,
        "kept_cross_entropy": study.errors(model, TensorRows(kept))["cross_entropy"],
        **study.errors(model, TensorRows(test)),
        "hoyer": hoyer,
        "active": active,
        "seconds": seconds,
        "multiplications": study.work(phases, model, len(train)),
    }


def chosen(rows: Sequence[Row]) -> list[Row]:
    """The rows of each way with the weight or the rate that is best on the rows kept apart, in the mean over seeds."""
    best: dict[tuple[str, str, str], float] = {}
    for row in rows:
        key = row["data"], row["part"], row["way"]
        same = [other for other in rows if (other["data"], other["part"], other["way"]) == key]
        choices = sorted({other["choice"] for other in same})
        means = [study.mean_of(same, "kept_cross_entropy", choice=choice) for choice in choices]
        best[key] = choices[means.index(min(means))]
    return [row for row in rows if row["choice"] == best[row["data"], row["part"], row["way"]]]


def on_placement(rows: Sequence[Row]) -> str:
    """Is sparsity on alternate layers better than on all or on none?"""
    names = list(dict.fromkeys(row["data"] for row in rows))
    gaps = {name: [_gap(rows, name, "alternate", other) for other in ("none", "all")] for name in names}
    held = [name for name, both in gaps.items() if all(gap.clear and gap.mean < 0 for gap in both)]
    words = "; ".join(
        f"on {name} {none.than('with none')}, {every.than('with all')}" for name, (none, every) in gaps.items()
    )
    return (
        f"**Claim: sparsity on alternate layers is better than on all or on none.** It held clearly on {len(held)} of "
        f"{len(names)} data sets{': ' * bool(held)}{', '.join(held)}. Test cross-entropy with alternate layers: "
        f"{words}."
    )


def on_descent(rows: Sequence[Row]) -> str:
    """Do momentum and weight decay help, and is all combined best?"""
    names = list(dict.fromkeys(row["data"] for row in rows))
    parts = []
    for way in ("momentum", "weight decay", "alternate sparsity"):
        better, worse = won(rows, "cross_entropy", by="way", one=way, other="plain")
        means = ", ".join(f"{name} {_gap(rows, name, way, 'plain').mean:+.3g}" for name in names)
        parts.append(f"{way} was clearly better than plain descent on {better} and clearly worse on {worse} ({means})")
    everything = ranking(rows, "cross_entropy", by="way", ways=EVERYTHING).leads
    others = ranking(rows, "cross_entropy", by="way", ways=[way for way in DESCENTS if way not in EVERYTHING])
    gaps = {name: _gap(rows, name, everything[name].first, others.leads[name].first) for name in names}
    held = sum(gap.clear and gap.mean < 0 for gap in gaps.values())
    words = "; ".join(
        f"on {name} {everything[name].first} {gap.than(others.leads[name].first)}" for name, gap in gaps.items()
    )
    return (
        f"**Claim: momentum and weight decay help.** Of {len(names)} data sets, {'; '.join(parts)}; in brackets the "
        f"mean change of the test cross-entropy. **Claim: all combined is best.** The better of both combinations was "
        f"clearly better than the best of the others on {held}: {words}."
    )


def _gap(rows: Sequence[Row], data: str, one: str, other: str) -> Difference:
    return difference(rows, "cross_entropy", {"data": data, "way": one}, {"data": data, "way": other})


def figure(rows: Sequence[Row]) -> Figure:
    """The errors of both parts."""
    drawn, places = study.axes(2, width=5.4, height=3.8)
    shown = [("placement", PLACEMENTS, "Adam: sparse layers"), ("descent", DESCENTS, "Gradient descent")]
    for axis, (part, colours, title) in zip(places, shown, strict=True):
        first, found = next(iter(colours)), [row for row in rows if row["part"] == part]
        bars(axis, found, "squared_error", by="way", colours=colours, relative=first)
        axis.set_ylabel(f"test squared error, {first} = 1")
        axis.set_title(title)
    legend(places)
    return drawn


def publish(rows: Sequence[Row], size: Size) -> None:
    """Write the page."""
    best = chosen(rows)
    placement, other = ([row for row in best if row["part"] == part] for part in ("placement", "descent"))
    widths = "-".join(map(str, (*size.hidden, size.code)))
    sums = [study.mean_of(other, "multiplications", way=way) for way in ("plain", COMBINED)]
    setting = (
        f"The first {size.rows} training rows, the next {size.kept} to choose the weight or the rate, and the first "
        f"{size.test_rows} test rows of each data set at half the size; 196-{widths}, logistic units, linear code; "
        f"{size.epochs} epochs a layer and {size.tuning} of fine-tuning, batches of 128, cross-entropy. Sparsity is "
        f"the KL divergence from a mean activity of {TARGET}, while the layers are trained alone and in the whole, "
        "never on the code; alternate layers are the first and the third, our own definition, as the thesis's is not "
        f"known. Placement: Adam, rate 0.003, weight of the penalty one of {', '.join(map(str, WEIGHTS))}. Descent: "
        f"rate one of {', '.join(map(str, RATES))}, cosine schedule in the fine-tuning; Nesterov's momentum "
        f"{MOMENTUM}, weight decay {DECAY}, weight of sparsity {SPARSITY}. {COMBINED[0].upper()}{COMBINED[1:]}: "
        f"`alternate_sparsity_combined` with so many epochs in the end that its multiplications, {sums[1]:.3g} in a "
        f"pass from input to output over all epochs, equal those of the others, {sums[0]:.3g}. Errors: sums over "
        "pixels, means over rows, cross-entropies in nats; hoyer and active (the share of activities above 0.1): "
        "means over the hidden layers on test rows. The table shows the best choice of each way. Differences are "
        "taken seed by seed; clear: more than two of their standard deviations."
    )
    marked = [{**row, "chosen": int(row in best)} for row in rows]
    columns = "cross_entropy", "squared_error", "reverse_cross_entropy", "hoyer", "active", "seconds"
    study.publish(
        "sparsity_placement",
        marked,
        figure(best),
        title="On which layers should sparsity be, and what do momentum and weight decay add?",
        setting=setting,
        finding=f"{on_placement(placement)} {on_descent(other)}",
        shown=study.table(best, ("data", "part", "way", "choice"), columns),
    )


def jobs_of(names: Sequence[str], seeds: Sequence[int], size: Size, data_dir: Path | None) -> list[Job]:
    """All runs."""
    ways = [
        ("placement", "none", (0.0,)),
        *(("placement", way, WEIGHTS) for way in ("all", "alternate")),
        *(("descent", way, RATES) for way in DESCENTS),
    ]
    return [
        Job(name, part, way, choice, seed, size, data_dir)
        for name in names
        for part, way, choices in ways
        for choice in choices
        for seed in seeds
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Train, measure and write."""
    arguments = study.parse(__doc__, words)
    quick = arguments.quick
    size, names, seeds = (QUICK, DATA[:1], arguments.seeds[:1]) if quick else (Size(), DATA, arguments.seeds)
    rows = study.each(run, jobs_of(names, seeds, size, arguments.data_dir), quick=quick)
    best = chosen(rows)
    print(on_placement([row for row in best if row["part"] == "placement"]))
    print(on_descent([row for row in best if row["part"] == "descent"]))
    if not quick:
        publish(rows, size)


if __name__ == "__main__":
    main()
