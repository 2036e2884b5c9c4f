"""The codes as a map: their two directions of largest variance."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from layerwise.report.blocks import Drawing, Drawings, Section, Text
from layerwise.report.data import ReportData
from layerwise.report.drawing import CATEGORIES, COLORS, INK, bare, log_worthy, numbers, svg
from layerwise.report.words import clean, narrow, number, percent, plural, width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["code_map", "project"]

LABELS = 12
POINTS = 5000
MANY_POINTS = 1500
OTHER = "#c3c9d1"
MARKERS = ("o", "^", "s")


def code_map(data: ReportData) -> Section | None:
    """The projected codes coloured by label, at most 12 and the rest as "other", and by error.

    >>> code_map(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    chosen = np.flatnonzero(np.isfinite(data.codes).all(axis=1))
    chosen = chosen[:: max(1, -(-len(chosen) // POINTS))]
    if not len(chosen) or not data.codes.shape[1]:
        return None
    codes, errors = data.codes[chosen], np.asarray(data.errors[chosen], np.float64)
    flat = codes.shape[1] == 1
    if flat:
        places = _Places(np.column_stack([codes[:, 0], errors]), "the code", "squared error of the row", "")
    else:
        points, (first, second) = project(codes)
        both = f" The two axes hold {percent(first + second)} of the variance of the codes."
        axes_names = (f"first axis ({percent(first)} of the variance)", f"second axis ({percent(second)})")
        places = _Places(points, *axes_names, both)
    drawings = []
    if data.labels is not None:
        drawings.append(_map(places, data.labels[chosen], "label"))
    if np.isfinite(errors).any():
        # With a single number the map has the error as its height already.
        if not (flat and drawings):
            drawings.append(_map(places, errors, "error"))
        if len(drawings) == 1 and len(errors) > 1:
            drawings.append(_histogram(errors[np.isfinite(errors)]))
    return Section("map", "The code as a map", (Text(_introduction(flat)), Drawings(tuple(drawings))))


@final
@dataclass(frozen=True)
class _Places:
    points: NDArray[np.float64]
    first: str
    second: str
    note: str


def _map(places: _Places, values: NDArray[Any], name: str) -> Drawing:
    groups = name == "label" and not _continuous(values)

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        if groups:
            _by_label(figure, axes, places.points, values)
        else:
            _by_value(figure, axes, places.points, values, name)
        axes.set_xlabel(places.first)
        axes.set_ylabel(places.second)
        axes.margins(0.06)
        numbers(axes.xaxis)
        numbers(axes.yaxis)
        bare(axes, grid="both")

    rows = plural(len(values), "row")
    words = f"Map of the codes of {rows}, coloured by {name}.{places.note}"
    caption = (
        f"{rows}, each a point.{places.note}" if groups or name == "label" else "Lighter points have larger errors."
    )
    return Drawing(svg(paint, 4.3 if groups else 3.6), words, caption, f"Coloured by {name}")


def _histogram(errors: NDArray[np.float64]) -> Drawing:
    log = log_worthy(errors)
    count = int(np.clip(np.sqrt(len(errors)), 5, 40))
    spaced = np.geomspace if log else np.linspace
    low, high = float(errors.min()), float(errors.max())
    edges = spaced(low, high if high > low else low + max(abs(low), 1.0), count + 1)

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        heights = np.histogram(errors, np.asarray(edges))[0]
        axes.bar(
            edges[:-1], heights, np.diff(edges), align="edge", color=COLORS["autoencoder"], edgecolor="white",
            linewidth=0.6,
        )  # fmt: skip
        if log:
            axes.set_xscale("log")
        axes.set_xlabel("squared error of the row" + (" (logarithmic)" if log else ""))
        axes.set_ylabel("rows")
        numbers(axes.xaxis, log=log)
        numbers(axes.yaxis, whole=True)
        bare(axes, grid="y")

    words = f"Histogram of the errors of {plural(len(errors), 'row')}, from {number(low)} to {number(high)}."
    return Drawing(svg(paint, 3.6), words, "Rows far to the right are unlike the others.", "How the errors are spread")


def _introduction(flat: bool) -> str:
    if flat:
        return "The code is a single number: here it is beside the error of each row."
    return (
        "The codes seen along their two directions of largest variance. Rows that lie close together have "
        "similar codes, as far as two axes can tell."
    )


def project(codes: NDArray[Any]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """The codes' first two principal components (rows, 2), in the codes' units, and their variance shares.

    The sign of each axis is such that its longest arm points to the positive side.

    >>> points, shares = project(np.array([[0.0, 0.0], [3.0, 4.0]]))
    >>> points.round(1).tolist(), [round(share, 3) for share in shares]
    ([[-2.5, 0.0], [2.5, 0.0]], [1.0, 0.0])
    """
    values = codes.astype(np.float64)
    size = float(np.abs(values).max(initial=0.0)) or 1.0
    centred = values / size
    centred = centred - centred.mean(axis=0)
    left, spread, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(codes), 2))
    kept = min(2, len(spread))
    points[:, :kept] = left[:, :kept] * spread[:kept]
    points *= np.where(points.max(axis=0) >= -points.min(axis=0) - 1e-12, 1.0, -1.0)
    total = float(np.square(spread).sum())
    both = np.zeros(2)
    both[:kept] = np.square(spread[:kept]) / total if total > 0 else 0.0
    return points * size, (float(both[0]), float(both[1]))


def _continuous(labels: NDArray[Any]) -> bool:
    if labels.dtype.kind != "f":
        return False
    finite = labels[np.isfinite(labels)]
    return len(np.unique(finite)) > LABELS and bool((finite != np.round(finite)).any())


def _names(labels: NDArray[Any]) -> list[str]:
    if labels.dtype.kind == "f":
        return ["missing" if np.isnan(v) else str(int(v)) if v == round(v) else str(v) for v in labels.tolist()]
    return ["missing" if clean(v).lower() in ("", "none", "nan", "<na>", "nat") else clean(v) for v in labels.tolist()]


def _order(name: str) -> tuple[int, float, str]:
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)


def _by_label(figure: "Figure", axes: "Axes", points: NDArray[np.float64], labels: NDArray[Any]) -> None:
    names = np.array(_names(labels), dtype=object)
    common = [name for name, _ in Counter(sorted(names)).most_common(LABELS)]
    rest = ~np.isin(names, common)
    handles, texts = [], []
    if rest.any():
        handles.append(_scatter(axes, points[rest], color=OTHER))
        texts.append(f"other ({plural(len(set(names[rest])), 'label')})")
    for place, name in enumerate(sorted(common, key=_order)):
        inside = points[names == name]
        handles.append(_scatter(axes, inside, color=CATEGORIES[place], marker=MARKERS[place % len(MARKERS)]))
        texts.append("\u200a" + narrow(name, 16))
        if len(inside) > 2 and width(name) <= 12 and len(common) > 1:
            middle = np.median(inside, axis=0)
            box = {
                "boxstyle": "round,pad=0.2",
                "facecolor": "white",
                "edgecolor": CATEGORIES[place],
                "alpha": 0.88,
            }
            axes.text(
                float(middle[0]),
                float(middle[1]),
                name,
                ha="center",
                va="center",
                fontsize=8.5,
                fontweight="bold",
                color=INK,
                bbox=box,
            )
    figure.legend(
        handles[1:] + handles[:1] if rest.any() else handles,
        texts[1:] + texts[:1] if rest.any() else texts,
        loc="outside lower center", ncols=4 if max(map(len, texts)) < 10 else 2, handletextpad=0.3,
        columnspacing=1.2, markerscale=1.6,
    )  # fmt: skip


def _by_value(figure: "Figure", axes: "Axes", points: NDArray[np.float64], values: NDArray[Any], name: str) -> None:
    from matplotlib.colors import LogNorm

    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    log = name == "error" and log_worthy(finite)
    norm = LogNorm(float(finite.min()), float(finite.max())) if log else None
    drawn = axes.scatter(
        points[:, 0], points[:, 1], c=np.asarray(values, np.float64), s=_size(len(points)), cmap="viridis",
        norm=norm, linewidths=0, alpha=0.85, rasterized=len(points) > MANY_POINTS, plotnonfinite=True,
    )  # fmt: skip
    bar = figure.colorbar(drawn, ax=axes, pad=0.02, aspect=30)
    bar.set_label(f"{name} of the row" + (" (logarithmic)" if log else ""))
    bar.outline.set_visible(False)
    numbers(bar.ax.yaxis, log=log)
    bar.ax.tick_params(length=0)


def _scatter(axes: "Axes", points: NDArray[np.float64], *, color: str, marker: str = "o") -> Any:
    many = len(points) > MANY_POINTS // 4
    return axes.scatter(
        points[:, 0], points[:, 1], color=color, marker=marker, s=_size(len(points) * 6), linewidths=0,
        alpha=0.75, rasterized=many,
    )  # fmt: skip


def _size(points: int) -> float:
    return float(np.clip(6000 / max(points, 1), 5, 26))
