"""What the study of denoising and contraction found, in words and as a picture, both made from its rows."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import study
from experiments.comparison import difference
from experiments.features import axes_of, canvas, chosen, listed, logarithmic, show_tiles, spread, titled, told
from experiments.study import BLACK, BLUE, GREEN, GREY, ORANGE, RED, SKY, Row

# Rifai et al. 2011, table 1: from the smallest mean norm of the Jacobian to the largest, and the classification
# errors on MNIST in percent, as others quote them.
PUBLISHED = ("CAE", "DAE-g", "RBM", "AE+wd", "DAE-b", "AE")
PUBLISHED_ERRORS = {"CAE": 1.14, "DAE-g": 1.18, "RBM": 1.30, "DAE-b": 1.57, "AE+wd": 1.68, "AE": 1.78}
COLOURS = {
    "random": GREY,
    "AE": BLACK,
    "AE+wd": ORANGE,
    "DAE-b": SKY,
    "DAE-g": BLUE,
    "CAE": RED,
    "RBM": GREEN,
}
SIDE = 6
SLOW = 3.0  # Times as long as the plain one.


def best_levels(rows: Sequence[Row]) -> dict[str, float]:
    """For each method the level with the least validation error."""
    found = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        levels = dict.fromkeys(row["level"] for row in rows if row["method"] == method)
        found[method] = min(
            levels, key=lambda level: study.mean_of(rows, "validation error", method=method, level=level)
        )
    return found


def best(rows: Sequence[Row]) -> list[Row]:
    """The rows of each method at its best level."""
    levels = best_levels(rows)
    return [row for row in rows if row["level"] == levels[row["method"]]]


def agreement(order: Sequence[str], other: Sequence[str]) -> int:
    """How many of the pairs stand in the same order."""
    place = {name: number for number, name in enumerate(other)}
    return sum(place[one] < place[two] for one, two in itertools.combinations(order, 2))


def order(rows: Sequence[Row], column: str) -> list[str]:
    """The methods of the published order, from the smallest mean of a column to the largest."""
    return sorted(PUBLISHED, key=lambda method: study.mean_of(rows, column, method=method))


def finding(rows: Sequence[Row]) -> str:
    """What was found, in words made from the figures."""
    return " ".join([jacobians(rows), levels(rows), errors(rows), times(rows)])


def jacobians(rows: Sequence[Row]) -> str:
    """The order of the norms beside the published one."""
    some, at = best(rows), best_levels(rows)
    found = order(some, "Jacobian norm")
    pairs = len(PUBLISHED) * (len(PUBLISHED) - 1) // 2
    names = [
        f"{name}{f' ({at[name]:g})' if at[name] else ''} {told(study.values_of(some, 'Jacobian norm', method=name))}"
        for name in found
    ]
    same = agreement(found, PUBLISHED)
    first, last = PUBLISHED[0], PUBLISHED[-1]
    return (
        "Rifai et al. 2011, as others quote them, found the mean norms of the Jacobian in the order "
        f"{' < '.join(PUBLISHED)}. Here, each method at the level with the least validation error, they are "
        f"{', '.join(names)}: {same} of {pairs} pairs stand in the published order"
        f"{', all of them' if same == pairs else ''}. That {first} has the smallest norm "
        f"{'held' if found[0] == first else 'did not hold'}, that {last} has the largest "
        f"{'held' if found[-1] == last else f'did not hold ({found[-1]} has)'}."
    )


def levels(rows: Sequence[Row]) -> str:
    """What more of each regularizer does."""
    said = []
    for method in ("AE+wd", "DAE-b", "DAE-g", "CAE"):
        some = chosen(rows, method=method)
        found = sorted({row["level"] for row in some})
        norms, errors = (
            [study.mean_of(some, column, level=level) for level in found]
            for column in ("Jacobian norm", "squared error")
        )
        said.append(f"{method} {norms[0]:.3g} to {norms[-1]:.3g} (squared error {errors[0]:.3g} to {errors[-1]:.3g})")
    plain = chosen(rows, method="AE")
    return (
        f"From the least to the most of each the norm goes from {'; '.join(said)}; plain "
        f"{study.mean_of(plain, 'Jacobian norm'):.3g} ({study.mean_of(plain, 'squared error'):.3g})."
    )


def errors(rows: Sequence[Row]) -> str:
    """What the features are good for."""
    some = best(rows)
    found, pairs = order(some, "test error"), len(PUBLISHED) * (len(PUBLISHED) - 1) // 2
    names = [f"{name} {told(study.values_of(some, 'test error', method=name))}" for name in found]
    same = agreement(found, sorted(PUBLISHED_ERRORS, key=lambda name: PUBLISHED_ERRORS[name]))
    start = study.values_of(rows, "test error", method="random")
    against = {name: difference(some, "test error", {"method": name}, {"method": "random"}) for name in PUBLISHED}
    helped = [name for name, gap in against.items() if gap.clear and gap.mean < 0]
    probes = order(some, "probe error")
    read = [f"{name} {study.mean_of(some, 'probe error', method=name):.3g}" for name in (probes[0], probes[-1])]
    random = f"{study.mean_of(rows, 'probe error', method='random'):.3g}"
    return (
        f"The fine-tuned classifiers err on {', '.join(names)} % of the test rows ({same} of {pairs} pairs in the "
        f"published order), from random weights {told(start)} %; clearly fewer than that: {listed(helped)}. The linear "
        f"probe errs least with {read[0]} % and most with {read[1]} %, on random features {random} %."
    )


def times(rows: Sequence[Row]) -> str:
    """Whether contraction takes long, as Bhutani found."""
    plain = study.mean_of(rows, "seconds", method="AE")
    ratio = {name: study.mean_of(rows, "seconds", method=name) / plain for name in ("CAE", "DAE-g", "RBM")}
    slow = "held" if ratio["CAE"] > SLOW else "did not hold"
    said = listed([f"{name} {value:.2g}" for name, value in ratio.items()])
    return (
        f"Training took, in times of the plain one: {said}; that contractive ones take very long (Bhutani's thesis; "
        f"here: more than {SLOW:g} times) {slow} for one layer, whose norm has a closed form."
    )


def picture(rows: Sequence[Row]) -> Figure:
    """The figures as a picture."""
    figure: Any = canvas(12.6, 5.6)
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.75, 1))
    axes = axes_of(upper, 1, 3)
    for axis, column, name in (
        (axes[0], "test error", "test error of the fine-tuned classifier / %"),
        (axes[1], "squared error", "squared error / picture"),
    ):
        draw(axis, rows, column)
        logarithmic(axis, "x", *(["y"] if column == "squared error" else []))
        axis.set(xlabel="mean norm of the Jacobian", ylabel=name)
    axes[0].legend(fontsize=7)
    titled(axes[0], "features to start from; larger: more of the regularizer")
    titled(axes[1], "reconstruction of clean test rows")
    draw_times(axes[2], rows)
    levels = best_levels(rows)
    seed = min(row["seed"] for row in rows)
    for axis, (name, level) in zip(axes_of(lower, 1, len(levels)), levels.items(), strict=True):
        row = chosen(rows, method=name, level=level, seed=seed)[0]
        show_tiles(axis, row["filters"].values, f"{name} {level:g}" if level else name, columns=SIDE)
    return figure


def draw(axis: Any, rows: Sequence[Row], column: str) -> None:
    """A column over the norm of the Jacobian: a point for each method and level, with the spread over the seeds."""
    for method, colour in COLOURS.items():
        some = chosen(rows, method=method)
        if method == "random" and column == "squared error":
            continue
        levels = sorted({row["level"] for row in some})
        points = [[study.values_of(some, name, level=level) for level in levels] for name in ("Jacobian norm", column)]
        x, y = np.mean(points, 2)
        axis.plot(x, y, color=colour, linewidth=0.8)
        for number in range(len(levels)):
            axis.errorbar(
                x[number],
                y[number],
                spread(points[1][number]),
                spread(points[0][number]),
                color=colour,
                marker="o",
                markersize=4 + 2 * number,
                capsize=2,
                label="" if number else method,
            )


def draw_times(axis: Any, rows: Sequence[Row]) -> None:
    """The seconds of each method, over its levels."""
    names = [name for name in COLOURS if name != "random"]
    for place, name in enumerate(names):
        values = study.values_of(rows, "seconds", method=name)
        axis.bar(place, np.mean(values), yerr=spread(values), capsize=2, color=COLOURS[name])
    axis.set_xticks(range(len(names)), names)
    axis.set(ylabel="seconds of one thread")
    titled(axis, "time to train the layer, mean over the levels")
