"""The strangest rows, and why they are strange."""

from typing import TYPE_CHECKING, Any

import numpy as np

from layerwise.data.pictures import as_bytes
from layerwise.report.blocks import (
    Block,
    Card,
    Cards,
    Cell,
    Drawing,
    Drawings,
    Example,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
    Tile,
    Tiles,
)
from layerwise.report.data import ReportData
from layerwise.report.drawing import COLORS, QUIET, bare, numbers, png, svg
from layerwise.report.words import as_float, count, number, percent, plural, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["anomalies"]

CAUSES = 6
WORST = 0.5  # Of the largest contribution: what is marked.


def anomalies(data: ReportData) -> Section | None:
    """How many rows are flagged, where the scores lie, and the strangest rows with the columns that make them so.

    >>> anomalies(ReportData("Sensors", "sensors.csv")) is None
    True
    """
    found = data.anomalies
    if not found:
        return None
    metrics = found["metrics"]
    rows, flagged = int(metrics["rows"]), int(metrics["flagged"])
    lead = (
        f"Of {plural(rows, 'row')}, {flagged:,} {'is' if flagged == 1 else 'are'} flagged as strange. Autoencoders "
        "that were trained on the usual rows alone say so, by what they cannot give back and by where the codes lie."
    )
    blocks: list[Block] = [Text(lead, "lead"), _tiles(metrics), Drawings((_histogram(found),))]
    return Section("anomalies", "Strange rows", (*blocks, *_strangest(data)))


def _tiles(metrics: dict[str, Any]) -> Tiles:
    rows = int(metrics["rows"])
    tiles = [
        Tile(percent(metrics["flagged"] / rows), f"of {plural(rows, 'row')} flagged"),
        Tile(number(metrics["threshold"]), "the score from which rows are flagged; 0 is a middle row"),
    ]
    if "auroc" in metrics:
        tiles += [
            Tile(number(metrics["auroc"]), "area under the ROC curve, by the labels"),
            Tile(
                f"{count(metrics['anomalies_flagged'])} of {count(metrics['anomalies'])}", "labelled anomalies flagged"
            ),
        ]
    return Tiles(tuple(tiles))


def _histogram(found: Any) -> Drawing:
    scores, threshold = np.asarray(found["scores"], np.float64), as_float(found["metrics"]["threshold"])
    end = max(float(scores.max()), threshold)

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.hist(scores, bins=40, range=(float(scores.min()), end), color=COLORS["autoencoder"])
        axes.axvline(threshold, color=COLORS["pca"], linewidth=1.4)
        axes.annotate("flagged →", (threshold, 1), (4, -10), xycoords=("data", "axes fraction"), color=QUIET,
                      textcoords="offset points", fontsize=9)  # fmt: skip
        axes.set_yscale("symlog", linthresh=10)
        axes.set_yticks([])
        axes.set_xlabel("score")
        numbers(axes.xaxis)
        bare(axes)

    words = f"Histogram of the scores of the training rows, with the threshold {number(threshold)}."
    return Drawing(svg(paint, 2.4), words, "Scores of the training rows; heights are logarithmic.", "Scores")


def _strangest(data: ReportData) -> list[Block]:
    found = data.anomalies
    if "row" not in found or not len(found["row"]):
        return []
    titles = [
        f"Row {int(row):,}, score {number(float(score))}"
        for row, score in zip(found["row"], found["score"], strict=True)
    ]
    if data.shape is not None:
        words = (
            "The strangest pictures, beside what the autoencoders expected, and the error of each pixel over what is "
            "usual for it: the darker, the stranger. Rows are counted from 0."
        )
        examples = tuple(_pictures(data, place, title) for place, title in enumerate(titles))
        return [Text(words), Pictures("The strangest pictures", examples)]
    words = (
        "Of each row the columns that make it strange: by how much the score would fall if the cell were as the others "
        "let one expect it. Rows are counted from 0."
    )
    cards = tuple(_card(found, place, title) for place, title in enumerate(titles))
    return [Text(words), Cards("The strangest rows", cards)]


def _card(found: Any, place: int, title: str) -> Card:
    contributions = np.asarray(found["contributions"][place], np.float64)
    order = [int(i) for i in np.argsort(-contributions, kind="stable")[:CAUSES] if contributions[i] > 0]
    rows = []
    for column in order:
        name, before, after = found["causes"][place][column]
        marked = contributions[column] >= WORST * contributions[order[0]]
        rows.append(
            (
                Cell(shorten(name, 28), whole=name if len(name) > 28 else ""),
                Cell(shorten(before, 20), "worst" if marked else "", before if len(before) > 20 else ""),
                Cell(shorten(after, 20), whole=after if len(after) > 20 else ""),
                Cell(number(float(contributions[column]))),
            )
        )
    return Card(title, Table(("Column", "Cell", "Expected", "Part"), tuple(rows), numeric=(3,)))


def _pictures(data: ReportData, place: int, title: str) -> Example:
    assert data.shape is not None
    found = data.anomalies
    inputs, expected = (np.asarray(found[name][place], np.float64) for name in ("input", "expected"))
    low, high = min(inputs.min(), 0.0), max(inputs.max(), 1.0)
    # Seldom is an error ten times the usual one all over a picture; one scale for all makes them comparable.
    errors = np.sqrt(np.asarray(found["contributions"], np.float64))
    shown = 1 - np.clip(errors[place] / max(float(np.quantile(errors, 0.999)), 1e-12), 0, 1)
    pictures = [
        ("original", (inputs - low) / (high - low)),
        ("expected", (expected - low) / (high - low)),
        ("error", shown),
    ]
    return Example(title, tuple(Picture(png(as_bytes(values.reshape(data.shape))), name) for name, values in pictures))
