"""How well gaps are filled, column by column."""

from typing import TYPE_CHECKING, Any

import numpy as np

from layerwise.report.blocks import Block, Cell, Details, Drawing, Drawings, Section, Table, Text, Tile, Tiles
from layerwise.report.data import ReportData
from layerwise.report.drawing import COLORS, INK, bare, svg
from layerwise.report.words import clean, count, narrow, percent, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["gaps"]

SHOWN = 25


def gaps(data: ReportData) -> Section | None:
    """How many cells are missing, and how well hidden ones were found, beside the mean and a linear model.

    >>> gaps(ReportData("Survey", "survey.csv")) is None
    True
    """
    metrics = data.gaps
    if not metrics:
        return None
    mean = metrics["mean"] or np.nan
    lead = (
        f"{percent(metrics['missing'])} of the cells of {count(metrics['rows'])} rows are missing. To see how well "
        "they are filled, known cells were hidden in rows that were not trained on: of their squared error about the "
        "column's mean (or the shares of the categories) this is what stays."
    )
    tiles = Tiles(
        (
            Tile(percent(metrics["network"] / mean), "of the error stays"),
            Tile(percent(metrics["linear"] / mean), "stays with a linear model alone"),
            Tile(percent(metrics["missing"]), "of the cells are missing"),
        )
    )
    blocks: list[Block] = [Text(lead, "lead"), tiles]
    found = [column for column in metrics.get("columns", ()) if column["hidden"] and column["mean"] > 0]
    if found:
        found.sort(key=lambda column: -column["network"] / column["mean"])
        blocks += [Drawings((_bars(found[:SHOWN]),)), Details("All columns as a table", (_table(found),))]
    return Section("gaps", "Gaps", tuple(blocks))


def _shares(column: dict[str, Any]) -> tuple[float, float]:
    return column["network"] / column["mean"], column["linear"] / column["mean"]


def _bars(columns: list[dict[str, Any]]) -> Drawing:
    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        places = np.arange(len(columns), dtype=np.float64)
        names = (("imputer", COLORS["autoencoder"], -0.2), ("linear model", COLORS["pca"], 0.2))
        for (label, color, offset), shares in zip(names, zip(*map(_shares, columns), strict=True), strict=True):
            axes.barh(places + offset, np.minimum(shares, 1.2), 0.38, color=color, label=label)
        axes.set_yticks(places, [narrow(column["name"], 28) for column in columns], color=INK)
        axes.set_ylim(len(columns) - 0.4, -0.6)
        axes.axvline(1, color=COLORS["mean"], linewidth=1)
        axes.set_xlabel("share of the squared error that stays")
        axes.xaxis.set_major_formatter(lambda value, _: percent(float(value), 2))
        bare(axes, grid="x")
        figure.legend(loc="outside upper center", ncols=2, handlelength=1.2)

    words = "What stays of the squared error: " + "; ".join(
        f"{shorten(column['name'])} {percent(_shares(column)[0])}" for column in columns[:8]
    )
    caption = "Shorter is better; at the line a gap is filled no better than by the column's mean."
    return Drawing(svg(paint, 0.9 + 0.36 * len(columns)), words + ".", caption, "The hardest gaps")


def _table(columns: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            Cell(shorten(column["name"], 40), whole=clean(column["name"])),
            Cell(column["kind"]),
            Cell(percent(column["missing"])),
            *(Cell(percent(share)) for share in _shares(column)),
        )
        for column in columns
    )
    return Table(("Column", "Kind", "Missing", "Stays", "Stays, linear"), rows, numeric=(2, 3, 4))
