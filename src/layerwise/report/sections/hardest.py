"""Where the error sits: the hardest columns of a table, or the error map of pictures."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layerwise.report.blocks import Block, Cell, Details, Drawing, Drawings, Section, Table, Text
from layerwise.report.data import ReportData
from layerwise.report.drawing import COLORS, INK, QUIET, bare, numbers, svg
from layerwise.report.words import as_float, clean, narrow, number, percent, plural, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["hardest"]

SHOWN = 20
LISTED = 200
LONGEST = 1.5
FEW = 3
MANY = 1500
_NAMES = {"autoencoder": "the autoencoder", "pca": "PCA"}


def hardest(data: ReportData) -> Section | None:
    """The share of each column's variance that is left unexplained, or the error of each pixel.

    >>> hardest(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    if data.metrics.get("pixels"):
        return _pixels(data.metrics["pixels"])
    shares = _shares(data)
    return _columns(shares) if shares else None


def _shares(data: ReportData) -> list[tuple[str, str, float, float]]:
    """name, kind, and what autoencoder and PCA leave of the column's variance; the hardest first."""
    found = []
    for column in data.metrics.get("columns") or ():
        mean = as_float(column.get("mean"))
        ours, theirs = (as_float(column.get(key)) / mean if mean > 0 else np.nan for key in ("autoencoder", "pca"))
        if np.isfinite(ours):
            found.append((clean(column.get("name", "")), clean(column.get("kind", "")), float(ours), float(theirs)))
    return sorted(found, key=lambda entry: -entry[2])


def _columns(shares: list[tuple[str, str, float, float]]) -> Section:
    worse = sum(1 for _, _, ours, theirs in shares if ours > theirs)
    well = sum(1 for _, _, ours, _ in shares if ours <= 0.1)
    words = (
        "How much of each column's variance is lost on the way through the code: 0\u00a0% is a perfect "
        "reconstruction, 100\u00a0% is no better than the column's mean. "
        f"Of {plural(len(shares), 'column')}, the autoencoder keeps at least 90\u00a0% of the variance in "
        f"{well:,}, and PCA is better in {worse:,}."
    )
    listed = shares[:LISTED]
    rows = tuple(
        (
            Cell(shorten(name, 40), whole=name if len(name) > 40 else ""),
            Cell(kind),
            Cell(percent(ours)),
            Cell(percent(theirs)),
        )
        for name, kind, ours, theirs in listed
    )
    table = Table(("Column", "Kind", "Lost by the autoencoder", "Lost by PCA"), rows, numeric=(2, 3))
    every = f"All {plural(len(shares), 'column')}" if len(listed) == len(shares) else f"The {LISTED} hardest columns"
    drawings = (_bars(shares[:SHOWN]), *([_scatter(shares)] if len(shares) > FEW else []))
    blocks: tuple[Block, ...] = (
        Text(words),
        Drawings(drawings),
        Details(f"{every} as a table", (table,)),
    )
    return Section("columns", "The hardest columns", blocks)


def _bars(shares: list[tuple[str, str, float, float]]) -> Drawing:
    longest = max(max(ours, float(np.nan_to_num(theirs))) for *_, ours, theirs in shares)
    end = min(max(longest, 0.1), LONGEST)

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        places = np.arange(len(shares), dtype=np.float64)
        for name, at, offset in (("autoencoder", 2, -0.2), ("pca", 3, 0.2)):
            values = np.array([as_float(entry[at]) for entry in shares])
            color, label = COLORS[name], {"autoencoder": "autoencoder", "pca": "PCA"}[name]
            axes.barh(places + offset, np.clip(np.nan_to_num(values), 0, end), 0.38, color=color, label=label)
            for place, value in zip(places + offset, values, strict=True):
                axes.annotate(
                    percent(value), (float(np.clip(np.nan_to_num(value), 0, end)), place), (3, 0),
                    textcoords="offset points", va="center", fontsize=7.5, color=INK,
                )  # fmt: skip
        axes.set_yticks(places, [narrow(name, 28) for name, *_ in shares], color=INK)
        axes.set_ylim(len(shares) - 0.4, -0.6)
        axes.set_xlim(0, end * 1.14)
        axes.set_xlabel("share of the variance that is lost")
        numbers(axes.xaxis)
        axes.xaxis.set_major_formatter(lambda value, _: percent(float(value), 2))
        bare(axes, grid="x")
        figure.legend(loc="outside upper center", ncols=2, handlelength=1.2)

    words = "Share of variance lost, autoencoder and PCA: " + "; ".join(
        f"{shorten(name)} {percent(ours)} and {percent(theirs)}" for name, _, ours, theirs in shares[:8]
    )
    cut = f" Bars beyond {percent(LONGEST)} are cut." if longest > LONGEST else ""
    title = f"The {len(shares)} hardest columns" if len(shares) > 1 else ""
    return Drawing(svg(paint, 0.9 + 0.36 * len(shares)), words + ".", "Shorter is better." + cut, title)


def _scatter(shares: list[tuple[str, str, float, float]]) -> Drawing:
    both = np.array([entry[2:] for entry in shares])
    both = np.clip(both[np.isfinite(both).all(axis=1)], 0, LONGEST)
    end = 1.05 * max(float(both.max(initial=0.0)), 0.01)

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.plot([0, end], [0, end], color=COLORS["mean"], linewidth=1)
        axes.scatter(
            both[:, 1], both[:, 0], s=22, color=COLORS["autoencoder"], alpha=0.7, linewidths=0, clip_on=False,
            rasterized=len(both) > MANY, zorder=3,
        )  # fmt: skip
        axes.text(0.97 * end, 0.03 * end, "autoencoder better", ha="right", va="bottom", color=QUIET)
        axes.text(0.03 * end, 0.97 * end, "PCA better", ha="left", va="top", color=QUIET)
        axes.set_xlim(0, end)
        axes.set_ylim(0, end)
        axes.set_aspect("equal")
        axes.set_xlabel("variance lost by PCA")
        axes.set_ylabel("variance lost by the autoencoder")
        for axis in (axes.xaxis, axes.yaxis):
            numbers(axis)
            axis.set_major_formatter(lambda value, _: percent(float(value), 2))
        bare(axes, grid="both")

    words = f"The variance lost of {plural(len(both), 'column')}, by PCA across and by the autoencoder upwards."
    return Drawing(svg(paint, 3.9), words, "Each point is a column; on the line both are equal.", "Every column")


def _pixels(pixels: dict[str, Any]) -> Section | None:
    maps = {name: _flat(np.asarray(pixels[name], np.float64)) for name in _NAMES if name in pixels}
    if not maps or any(not np.isfinite(values).any() for values in maps.values()):
        return None
    top = float(max(np.nanmax(values) for values in maps.values())) or 1.0
    name, first = next(iter(maps.items()))
    place = np.unravel_index(int(np.nanargmax(first)), first.shape)
    words = (
        "Error of each pixel, on average over the rows; darker pixels are harder, the maps share one scale. "
        f"The hardest pixel of {_NAMES[name]} is in row {place[0] + 1}, column {place[1] + 1}, with an error "
        f"of {number(float(np.nanmax(first)))}."
    )
    drawings = tuple(_heat(name, values, top) for name, values in maps.items())
    return Section("pixels", "The hardest pixels", (Text(words), Drawings(drawings)))


def _heat(name: str, values: NDArray[np.float64], top: float) -> Drawing:
    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        drawn = axes.imshow(values, cmap="magma_r", vmin=0, vmax=top, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(drawn, ax=axes, pad=0.03, aspect=28)
        bar.outline.set_visible(False)
        numbers(bar.ax.yaxis)
        bar.ax.tick_params(length=0)

    title = _NAMES[name].removeprefix("the ").capitalize() if name != "pca" else "PCA"
    words = f"Map of the error of {_NAMES[name]}: {number(float(np.nanmean(values)))} for a pixel on average."
    caption = f"Mean squared error of a pixel: {number(float(np.nanmean(values)))} on average."
    height = float(np.clip(3.55 * values.shape[0] / values.shape[1], 1.2, 4.8))
    return Drawing(svg(paint, height), words, caption, title)


def _flat(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values.mean(axis=2) if values.ndim == 3 else np.atleast_2d(values)
