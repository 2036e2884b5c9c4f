"""What the study of over-complete codes found, in words and as a picture, both made from its rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import study
from experiments.comparison import difference
from experiments.features import axes_of, canvas, chosen, listed, logarithmic, show_tiles, spread, titled, told
from experiments.study import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, RED, SKY, Row

SHOWN, SIDE = 36, 6  # Filters of the picture.
COPIED = 10.0  # Percent of the variance: a net with a smaller error on strangers copies.
COLOURS = {
    "plain": BLACK,
    "weight decay": ORANGE,
    "denoising": BLUE,
    "contraction": RED,
    "KL": GREEN,
    "L1": SKY,
    "top-k": PINK,
    "top-k, revival": GREY,
}


def finding(rows: Sequence[Row]) -> str:
    """What was found, in words made from the figures."""
    return " ".join([copying(rows), idleness(rows), *[learned(rows, data) for data in data_of(rows)], probes(rows)])


def data_of(rows: Sequence[Row]) -> list[str]:
    """The kinds of data."""
    return list(dict.fromkeys(row["data"] for row in rows))


def widest(rows: Sequence[Row], data: str) -> list[Row]:
    """The rows of the widest code."""
    some = chosen(rows, data=data)
    return chosen(some, units=max(row["units"] for row in some))


def copying(rows: Sequence[Row]) -> str:
    """Whether a wide code copies, unless something keeps it from it."""
    said = []
    for data in data_of(rows):
        some = widest(rows, data)
        errors = {way: study.mean_of(some, "error on strangers", regularization=way) for way in COLOURS}
        plain = [
            told(study.values_of(some, column, regularization="plain")) for column in ("error", "error on strangers")
        ]
        copies = [way for way, error in errors.items() if error < COPIED]
        said.append(
            f"on {data} with {some[0]['units']} units the plain error (nothing keeps it) is {plain[0]} % of the "
            f"variance on test rows and {plain[1]} % on strangers, rows of the same values in which nothing belongs "
            f"together: that it copies {'held' if 'plain' in copies else 'did not hold'}; below {COPIED:g} % on "
            f"strangers are: {listed(copies)}"
        )
    return (
        "It is often said that a code with more units than features learns to copy, unless something keeps it from it. "
        f"Here, {'; '.join(said)}."
    )


def idleness(rows: Sequence[Row]) -> str:
    """Dead units and duplicates, and whether revival helps."""
    said = []
    for data in data_of(rows):
        some = widest(rows, data)
        dead = {
            way: told(study.values_of(some, "dead", regularization=way)) for way in ("plain", "top-k", "top-k, revival")
        }
        gap = difference(some, "dead", {"regularization": "top-k, revival"}, {"regularization": "top-k"})
        twins = {way: study.mean_of(some, "duplicates", regularization=way) for way in COLOURS}
        most = max(twins, key=lambda way: twins[way])
        verdict = "clearly fewer" if gap.clear and gap.mean < 0 else "not clearly fewer"
        said.append(
            f"{data}: {dead['plain']} plain, {dead['top-k']} with top-k and {dead['top-k, revival']} "
            f"with revival ({verdict}); most duplicates: {most} {twins[most]:.2g}"
        )
    return f"Percent of dead units, {'; '.join(said)}."


def learned(rows: Sequence[Row], data: str) -> str:
    """Noise, sparseness and filters."""
    some = widest(rows, data)
    means = {
        column: {way: study.mean_of(some, column, regularization=way) for way in COLOURS}
        for column in ("error with noise", "Hoyer", "locality")
    }
    noise = sorted(COLOURS, key=lambda way: means["error with noise"][way])
    local = sorted(COLOURS, key=lambda way: -means["locality"][way])
    sparse = sorted(COLOURS, key=lambda way: -means["Hoyer"][way])
    return (
        f"On {data} noise is taken out best by {noise[0]} (error {means['error with noise'][noise[0]]:.3g} %, plain "
        f"{means['error with noise']['plain']:.3g} %), the sparsest code has {sparse[0]} (Hoyer "
        f"{means['Hoyer'][sparse[0]]:.2g}, plain {means['Hoyer']['plain']:.2g}), the most local filters {local[0]} "
        f"({means['locality'][local[0]]:.2g}, plain {means['locality']['plain']:.2g})."
    )


def probes(rows: Sequence[Row]) -> str:
    """What a linear classifier reads."""
    some = widest(rows, "mnist")
    means = {way: study.mean_of(some, "probe error", regularization=way) for way in COLOURS}
    order = sorted(means, key=lambda way: means[way])
    better = [
        way
        for way in COLOURS
        if way != "plain"
        and (gap := difference(some, "probe error", {"regularization": way}, {"regularization": "plain"})).clear
        and gap.mean < 0
    ]
    values = [f"{way} {told(study.values_of(some, 'probe error', regularization=way))}" for way in order]
    return (
        f"The linear probe errs on {', '.join(values)} % of the test rows of MNIST; clearly fewer than plain: "
        f"{listed(better)}."
    )


def picture(rows: Sequence[Row]) -> Figure:
    """The figures as a picture."""
    figure: Any = canvas(13.2, 8.2)
    kinds = data_of(rows)
    parts = figure.subfigures(1 + len(kinds), 1, height_ratios=(2.1, *[1] * len(kinds)))
    axes = axes_of(parts[0], 1, 4)
    for axis, data in zip(axes, kinds, strict=False):
        draw_errors(axis, rows, data)
    draw_idle(axes[2], rows)
    draw_probes(axes[3], rows)
    handles, labels = axes[0].get_legend_handles_labels()
    parts[0].legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8, frameon=False)
    seed = min(row["seed"] for row in rows)
    for part, data in zip(parts[1:], kinds, strict=True):
        some = chosen(widest(rows, data), seed=seed)
        part.suptitle(f"filters of {data}, {some[0]['units']} units: the first {SHOWN}", fontsize=9)
        for axis, way in zip(axes_of(part, 1, len(COLOURS)), COLOURS, strict=True):
            show_tiles(axis, chosen(some, regularization=way)[0]["filters"].values, way, columns=SIDE)
    return figure


def draw_errors(axis: Any, rows: Sequence[Row], data: str) -> None:
    """The error on strangers over that on test rows; smaller marks for fewer units."""
    some = chosen(rows, data=data)
    sizes = sorted({row["units"] for row in some})
    for size in sizes:
        for way, colour in COLOURS.items():
            x, y = (
                study.values_of(some, column, units=size, regularization=way)
                for column in ("error", "error on strangers")
            )
            axis.errorbar(
                np.mean(x),
                np.mean(y),
                spread(y),
                spread(x),
                color=colour,
                marker="o",
                linestyle="",
                markersize=6 if size == sizes[-1] else 3.5,
                capsize=2,
                label=way if size == sizes[-1] else "",
            )
    logarithmic(axis, "x", "y")
    low, high = axis.get_xlim()
    axis.plot([low, high], [low, high], color="#cccccc", linewidth=0.8, zorder=0)
    axis.axhline(COPIED, color="#cccccc", linewidth=0.8, linestyle=":", zorder=0)
    units = " (small) and ".join(map(str, sizes))
    axis.set(xlabel="error on test rows / % of variance", ylabel="error on strangers / % of variance")
    titled(axis, f"{data}, {units} units; below the dots: copies")


def draw_idle(axis: Any, rows: Sequence[Row]) -> None:
    """Dead units, filled, and duplicates, hatched, of the widest codes."""
    kinds = data_of(rows)
    for group, data in enumerate(kinds):
        some = widest(rows, data)
        for place, (way, colour) in enumerate(COLOURS.items()):
            for column, hatch, shift in (("dead", "", 0.0), ("duplicates", "////", 0.4)):
                values = study.values_of(some, column, regularization=way)
                axis.bar(
                    group * (len(COLOURS) + 1) + place + shift,
                    np.mean(values),
                    0.4,
                    yerr=spread(values),
                    color="white" if hatch else colour,
                    edgecolor=colour,
                    hatch=hatch,
                    error_kw={"elinewidth": 0.8},
                )
    axis.set_xticks([group * (len(COLOURS) + 1) + len(COLOURS) / 2 - 0.3 for group in range(len(kinds))], kinds)
    axis.set(ylabel="units / %")
    titled(axis, "dead (filled) and duplicate (hatched) units")


def draw_probes(axis: Any, rows: Sequence[Row]) -> None:
    """The error of the linear probe."""
    some = widest(rows, "mnist")
    for place, (way, colour) in enumerate(COLOURS.items()):
        values = study.values_of(some, "probe error", regularization=way)
        axis.bar(place, np.mean(values), yerr=spread(values), capsize=2, color=colour)
    axis.set_xticks([])
    axis.set(ylabel="test error / %")
    titled(axis, "linear probe of the code, mnist")
