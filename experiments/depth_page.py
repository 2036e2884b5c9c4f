"""What the study of depth found, in words and as a picture, both made from its rows."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import study
from experiments.comparison import Difference, difference
from experiments.features import axes_of, canvas, chosen, listed, logarithmic, spread, titled, told
from experiments.study import BLUE, GREEN, RED, Row

WIDTH, NARROW = 200, 20  # Units of a layer, and of a narrow last one.
LEVEL = 0.1  # The training loss at which test losses are compared.
FAILED = 50.0  # Percent of the training rows: a net with such an error has not learned.
COLOURS = {"none": RED, "plain": GREEN, "denoising": BLUE}


def wide(rows: Sequence[Row], optimizer: str = "SGD") -> list[Row]:
    """Classifiers with a wide last layer."""
    return chosen(rows, task="classify", top="wide", optimizer=optimizer)


def versus(rows: Sequence[Row], column: str, *, way: str = "denoising", **values: Any) -> Difference:
    """How much more a column is with pre-training than without it, seed by seed."""
    some = chosen(rows, **values)
    return difference(some, column, {"pre-training": way}, {"pre-training": "none"})


def clear(rows: Sequence[Row], column: str, sign: int) -> list[int]:
    """The depths at which a column is clearly higher (1) or lower (-1) with pre-training."""
    depths = sorted({row["depth"] for row in rows})
    found = {depth: versus(rows, column, depth=depth) for depth in depths}
    return [depth for depth, gap in found.items() if gap.clear and gap.mean * sign > 0]


def held(found: Sequence[int], asked: Sequence[int]) -> str:
    """In words, at how many of the depths something held."""
    if len(found) in (0, len(asked)):
        return f"at {'every' if found else 'no'} depth"
    return f"at {len(found)} of {len(asked)} depths ({listed(found)})"


def finding(rows: Sequence[Row]) -> str:
    """What was found, in words made from the figures."""
    return " ".join([regularization(rows), optimization(rows), narrow_top(rows), autoencoders(rows)])


def regularization(rows: Sequence[Row]) -> str:
    """The claims of 2010."""
    nets = wide(rows)
    depths = sorted({row["depth"] for row in nets})
    tightened = [
        depth
        for depth in depths
        if spread(study.values_of(nets, "test error", **{"depth": depth, "pre-training": "denoising"}))
        < spread(study.values_of(nets, "test error", **{"depth": depth, "pre-training": "none"}))
    ]
    both = [d for d in depths if not math.isnan(study.mean_of(nets, "test loss at level", depth=d))]
    there = [row for row in nets if row["depth"] in both]
    return (
        "Erhan et al. 2010 found that pre-trained nets end with a lower test loss, a higher training loss and less "
        "spread over the seeds than nets that start at random: pre-training regularizes. Here, by gradient descent "
        f"with momentum, denoising pre-training made the test loss at the end clearly lower "
        f"{held(clear(nets, 'test loss', -1), depths)}, the training loss at the end clearly higher "
        f"{held(clear(nets, 'training loss', 1), depths)} and clearly lower "
        f"{held(clear(nets, 'training loss', -1), depths)}, and the spread of the test error smaller "
        f"{held(tightened, depths)}. A training loss of {LEVEL:g} was reached by all nets of depth {listed(both)}; "
        f"there the test loss was clearly lower with pre-training {held(clear(there, 'test loss at level', -1), both)}."
    )


def optimization(rows: Sequence[Row]) -> str:
    """Which nets did not learn, and what the optimizer has to do with it."""
    nets = wide(rows)
    depths = sorted({row["depth"] for row in nets})
    failed = {
        way: [d for d in depths if study.mean_of(nets, "training error", **{"depth": d, "pre-training": way}) > FAILED]
        for way in ("none", "denoising")
    }
    said = "; ".join(
        f"depth {depth} with {name} {error(some, depth, 'none')} and {error(some, depth, 'denoising')}"
        for depth, name, some in [
            (depths[0], "gradient descent", nets),
            (depths[-1], "gradient descent", nets),
            (depths[-1], "Adam", wide(rows, "Adam")),
        ]
    )
    helped = [depth for depth in failed["none"] if depth not in failed["denoising"]]
    return (
        f"Depths at which more than {FAILED:g} % of the training rows were wrong at the end of gradient descent: "
        f"{listed(failed['none'])} without pre-training, {listed(failed['denoising'])} with it. "
        + (f"At depth {listed(helped)} pre-training thus also helps to optimize. " if helped else "")
        + f"Test error in percent, without and with pre-training: {said}."
    )


def error(rows: Sequence[Row], depth: int, way: str) -> str:
    """The test error in words."""
    return told(study.values_of(rows, "test error", **{"depth": depth, "pre-training": way}))


def narrow_top(rows: Sequence[Row]) -> str:
    """The claim of 2007."""
    depth = chosen(rows, task="classify", top="narrow")[0]["depth"]
    lower, losses = {}, {}
    for top in ("wide", "narrow"):
        nets = chosen(rows, task="classify", top=top, depth=depth, optimizer="SGD")
        gaps = {way: versus(nets, "training loss", way=way) for way in ("plain", "denoising")}
        lower[top] = [way for way, gap in gaps.items() if gap.clear and gap.mean < 0]
        found = [f"{told(study.values_of(nets, 'training loss', **{'pre-training': way}))} ({way})" for way in COLOURS]
        losses[top] = listed(found)
    if not lower["narrow"]:
        verdict = "did not hold"
    else:
        verdict = "held" if len(lower["narrow"]) == 2 and not lower["wide"] else "held in part"
    return (
        "Bengio et al. 2007 held that pre-training helps to optimize, which only a narrow last layer shows, because "
        "a wide one fits the training rows whatever is below it. The training loss at the end, at depth "
        f"{depth}, by pre-training: with {WIDTH} units on top {losses['wide']} nats, with {NARROW} "
        f"units {losses['narrow']}. It was clearly lower with pre-training for: {listed(lower['narrow'])} (narrow "
        f"top), {listed(lower['wide'])} (wide top); so this {verdict}."
    )


def autoencoders(rows: Sequence[Row]) -> str:
    """What pre-training does to reconstructions."""
    nets = chosen(rows, task="reconstruct")
    told_depths = []
    for depth in sorted({row["depth"] for row in nets}):
        some = chosen(nets, depth=depth)
        errors = [
            f"{told(study.values_of(some, f'{part} error', **{'pre-training': way}))}"
            for part in ("training", "test")
            for way in ("none", "denoising")
        ]
        told_depths.append(
            f"at depth {depth} {errors[0]} without and {errors[1]} with pre-training on the training rows, "
            f"{errors[2]} and {errors[3]} on the test rows ({versus(some, 'test error').than('without')})"
        )
    return f"Autoencoders with {NARROW} code units, trained by Adam, have the squared error {'; '.join(told_depths)}."


def picture(rows: Sequence[Row]) -> Figure:
    """The figures as a picture."""
    figure = canvas(12.6, 6.8)
    axes = axes_of(figure, 2, 3)
    draw_depths(axes[0], rows, "test error", "test error / %")
    titled(axes[0], "classifiers: test error")
    draw_depths(axes[1], rows, "training loss", "training loss / nats")
    titled(axes[1], "classifiers: training loss at the end")
    axes[1].legend(fontsize=7)
    draw_spread(axes[2], rows)
    draw_curves(axes[3], rows)
    draw_tops(axes[4], rows)
    draw_autoencoders(axes[5], rows)
    return figure


def draw_depths(axis: Any, rows: Sequence[Row], column: str, name: str) -> None:
    """A column over the depth, with the spread over the seeds."""
    for optimizer, line in (("SGD", "-"), ("Adam", ":")):
        some = wide(rows, optimizer)
        depths = sorted({row["depth"] for row in some})
        for shift, way in ((-0.05, "none"), (0.05, "denoising")):
            values = [study.values_of(some, column, **{"depth": depth, "pre-training": way}) for depth in depths]
            axis.errorbar(
                np.array(depths) + shift,
                [np.mean(of_seeds) for of_seeds in values],
                [spread(of_seeds) for of_seeds in values],
                color=COLOURS[way],
                linestyle=line,
                marker="o" if optimizer == "SGD" else "s",
                markersize=4,
                capsize=2,
                label=f"{optimizer}, {way}",
            )
    logarithmic(axis, "y")
    axis.set(xlabel="layers", ylabel=name)


def draw_spread(axis: Any, rows: Sequence[Row]) -> None:
    """The standard deviation of the test error."""
    some = wide(rows)
    depths = sorted({row["depth"] for row in some})
    for way in ("none", "denoising"):
        found = [
            spread(study.values_of(some, "test error", **{"depth": depth, "pre-training": way})) for depth in depths
        ]
        axis.plot(depths, found, "o-", markersize=4, color=COLOURS[way], label=way)
    axis.set(xlabel="layers", ylabel="standard deviation of the test error / %")
    titled(axis, "classifiers: spread over the seeds, SGD")
    axis.legend(fontsize=7)


def draw_curves(axis: Any, rows: Sequence[Row]) -> None:
    """Test loss against training loss, as training goes on; a line for each seed."""
    depth = chosen(rows, top="narrow")[0]["depth"]
    for way in ("none", "denoising"):
        for number, row in enumerate(chosen(wide(rows), **{"depth": depth, "pre-training": way})):
            curve = row["curve"].values
            axis.plot(*curve.T, color=COLOURS[way], linewidth=0.8, alpha=0.8, label="" if number else way)
            axis.plot(*curve[-1], "o", color=COLOURS[way], markersize=3)
    logarithmic(axis, "x", "y")
    axis.set(xlabel="training loss / nats (training goes to the right)", ylabel="test loss / nats")
    axis.invert_xaxis()
    titled(axis, f"classifiers: along the training, {depth} layers, SGD")
    axis.legend(fontsize=7)


def draw_tops(axis: Any, rows: Sequence[Row]) -> None:
    """The training and the test loss with a wide and a narrow last layer."""
    depth = chosen(rows, top="narrow")[0]["depth"]
    groups = [(top, part) for part in ("training loss", "test loss") for top in ("wide", "narrow")]
    for number, (way, colour) in enumerate(COLOURS.items()):
        for place, (top, part) in enumerate(groups):
            some = chosen(rows, task="classify", top=top, depth=depth, optimizer="SGD")
            values = study.values_of(some, part, **{"pre-training": way})
            axis.errorbar(
                place + 0.2 * (number - 1),
                np.mean(values),
                spread(values),
                color=colour,
                marker="o",
                markersize=4,
                capsize=2,
                label="" if place else way,
            )
    axis.set(ylabel="loss at the end / nats")
    titled(axis, f"classifiers: {WIDTH} or {NARROW} units on top, {depth} layers, SGD")
    logarithmic(axis, "y")
    axis.set_xticks(
        range(4), [f"{part.split()[0]}\n{WIDTH if top == 'wide' else NARROW} units" for top, part in groups]
    )
    axis.legend(fontsize=7)


def draw_autoencoders(axis: Any, rows: Sequence[Row]) -> None:
    """The squared errors of autoencoders."""
    some = chosen(rows, task="reconstruct")
    depths = sorted({row["depth"] for row in some})
    for shift, (way, part) in enumerate((w, p) for w in ("none", "denoising") for p in ("training", "test")):
        values = [study.values_of(some, f"{part} error", **{"depth": d, "pre-training": way}) for d in depths]
        axis.errorbar(
            np.arange(len(depths)) + 0.1 * (shift - 1.5),
            [np.mean(of_seeds) for of_seeds in values],
            [spread(of_seeds) for of_seeds in values],
            color=COLOURS[way],
            marker="o" if part == "test" else "^",
            linestyle="",
            markersize=5,
            capsize=2,
            label=f"{way}, {part} rows",
        )
    axis.set_xticks(range(len(depths)), [f"{depth} layers" for depth in depths])
    axis.set(
        ylabel="squared error / picture",
        xlim=(-0.5, len(depths) - 0.5),
    )
    titled(axis, f"autoencoders: {NARROW} code units, Adam")
    axis.legend(fontsize=7)
