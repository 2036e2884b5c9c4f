"""What the units do: their spread, the dead ones and the saturated ones."""

from typing import TYPE_CHECKING, Any

import numpy as np

from layerwise.report.blocks import Block, Cell, Drawing, Drawings, Section, Table, Text
from layerwise.report.data import ReportData
from layerwise.report.drawing import COLORS, bare, numbers, svg
from layerwise.report.words import as_float, count, percent, plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["activity"]

SINGLE = 64
DEAD, SATURATED = "#9b2c2c", "#b8860b"


def activity(data: ReportData) -> Section | None:
    """Mean and standard deviation of each unit of the code, dead and saturated units, and the hidden layers.

    >>> activity(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    given = data.metrics.get("units") or {}
    units = list(given.get("code") or ()) or _measured(data)
    hidden = list(given.get("hidden") or ())
    if not units and not hidden:
        return None
    blocks: list[Block] = []
    if units:
        blocks.append(Text(_code_words(units)))
    if hidden:
        blocks.append(Text(_hidden_words(hidden)))
    drawings = [*([_spread(units)] if units else []), *([_layers(hidden)] if hidden else [])]
    blocks.append(Drawings(tuple(drawings)))
    if hidden:
        blocks.append(_table(hidden))
    blocks.append(
        Text(
            "A dead unit has the same value for every row. A saturated unit sits at an end of its range for "
            "more than half of the rows.",
            "note",
        )
    )
    return Section("activity", "Activity of the units", tuple(blocks))


def _measured(data: ReportData) -> list[dict[str, Any]]:
    codes = np.asarray(data.codes, np.float64)
    if not codes.size:
        return []
    still = np.ptp(codes, axis=0) == 0
    return [
        {"unit": i, "mean": float(m), "std": float(s), "dead": bool(d) and len(codes) > 1, "saturated": 0.0}
        for i, (m, s, d) in enumerate(zip(codes.mean(axis=0), codes.std(axis=0), still, strict=True))
    ]


def _saturated(unit: dict[str, Any]) -> bool:
    return as_float(unit.get("saturated")) > 0.5


def _code_words(units: list[dict[str, Any]]) -> str:
    dead = [unit for unit in units if unit.get("dead")]
    full = [unit for unit in units if _saturated(unit) and not unit.get("dead")]
    if not dead and not full:
        one = "The one unit of the code is alive and not saturated." if len(units) == 1 else ""
        return one or f"All {len(units):,} units of the code are in use: none is dead, none is saturated."
    parts = []
    if dead:
        parts.append(
            f"{plural(len(dead), 'unit')} of {len(units):,} in the code "
            f"{'is' if len(dead) == 1 else 'are'} dead: "
            f"a code of {max(len(units) - len(dead), 1):,} would hold as much."
        )
    if full:
        parts.append(f"{plural(len(full), 'unit')} of {len(units):,} {'is' if len(full) == 1 else 'are'} saturated.")
    return " ".join(parts)


def _spread(units: list[dict[str, Any]]) -> Drawing:
    """Each unit's mean and spread; of many units the spreads alone, the largest first."""
    many = len(units) > SINGLE
    if many:
        units = sorted(units, key=lambda unit: -float(np.nan_to_num(as_float(unit.get("std")))))
    means = np.array([as_float(unit.get("mean")) for unit in units])
    spreads = np.nan_to_num(np.array([as_float(unit.get("std")) for unit in units]))
    dead = np.array([bool(unit.get("dead")) for unit in units])
    full = np.array([_saturated(unit) for unit in units]) & ~dead
    places, heights, blue = np.arange(len(units)), spreads if many else means, COLORS["autoencoder"]

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.axhline(0, color="#c3c9d1", linewidth=1)
        if many:
            axes.fill_between(places, spreads, color=blue, alpha=0.3, linewidth=0)
            axes.plot(places, spreads, color=blue, linewidth=2, label="standard deviation")
        else:
            width = max(1.5, 150 / (len(units) + 30))
            axes.vlines(places, means - spreads, means + spreads, color=blue, linewidth=width, alpha=0.45)
            axes.plot(places, means, "o", color=blue, markersize=4, label="mean")
        for chosen, color, marker, label in ((dead, DEAD, "X", "dead"), (full, SATURATED, "D", "saturated")):
            if chosen.any():
                size = 4 if many else 6
                axes.plot(places[chosen], heights[chosen], marker, color=color, markersize=size, label=label)
        axes.set_xlim(-0.8, len(units) - 0.2)
        axes.set_xlabel("units, the most active first" if many else "unit of the code")
        axes.set_ylabel("standard deviation" if many else "mean ± standard deviation")
        numbers(axes.xaxis, whole=True)
        numbers(axes.yaxis)
        bare(axes, grid="y")
        if dead.any() or full.any():
            figure.legend(loc="outside upper center", ncols=3)

    words = f"Mean and spread of the {len(units)} units of the code: {dead.sum()} dead, {full.sum()} saturated."
    caption = "Dot: the unit's mean over the rows. Bar: one standard deviation to either side."
    if many:
        caption = "How much each unit moves over the rows; where the line reaches zero, units carry nothing."
    return Drawing(svg(paint, 2.6), words, caption, "The code, unit by unit")


def _layers(hidden: list[dict[str, Any]]) -> Drawing:
    sizes = np.array([max(as_float(layer.get("units")), 1.0) for layer in hidden])
    dead = np.nan_to_num(np.array([as_float(layer.get("dead")) for layer in hidden])) / sizes
    full = np.nan_to_num(np.array([_layer_saturated(layer) for layer in hidden]))
    parts = (
        ("in use", COLORS["autoencoder"], 1 - dead - full),
        ("saturated", SATURATED, full),
        ("dead", DEAD, dead),
    )

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        places, start = np.arange(len(hidden)), np.zeros(len(hidden))
        for label, color, shares in parts:
            axes.barh(places, np.clip(shares, 0, 1), 0.6, left=start, color=color, label=label)
            start = start + np.clip(shares, 0, 1)
        names = [f"layer {count(layer.get('layer', i + 1))}" for i, layer in enumerate(hidden)]
        axes.set_yticks(places, names)
        axes.set_ylim(len(hidden) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of the layer's units")
        numbers(axes.xaxis)
        axes.xaxis.set_major_formatter(lambda value, _: percent(float(value), 2))
        bare(axes)
        figure.legend(loc="outside upper center", ncols=3, handlelength=1.2)

    words = "Units in use, saturated and dead by hidden layer; the table below has the counts."
    height = float(np.clip(1.1 + 0.32 * len(hidden), 1.7, 5))
    return Drawing(svg(paint, height), words, "What the units of each hidden layer do.", "Hidden layers")


def _layer_saturated(layer: dict[str, Any]) -> float:
    """The share of the layer's units that are saturated."""
    if "saturated_share" in layer:
        return as_float(layer["saturated_share"])
    return as_float(layer.get("saturated")) / max(as_float(layer.get("units")), 1.0)


def _hidden_words(hidden: list[dict[str, Any]]) -> str:
    units, dead = (sum(int(layer.get(key) or 0) for layer in hidden) for key in ("units", "dead"))
    if not dead:
        return f"None of the {units:,} hidden units is dead."
    share = dead / max(units, 1)
    advice = " Fewer hidden units would do as well." if share > 0.25 else ""
    are = "is" if dead == 1 else "are"
    return f"{dead:,} of the {units:,} hidden units ({percent(share)}) {are} dead.{advice}"


def _table(hidden: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            Cell(f"Layer {count(layer.get('layer', place + 1))}"),
            Cell(count(layer.get("units"))),
            Cell(count(layer.get("dead"))),
            Cell(percent(_layer_saturated(layer))),
        )
        for place, layer in enumerate(hidden)
    )
    return Table(("Hidden layer", "Units", "Dead", "Saturated"), rows, numeric=(1, 2, 3))
