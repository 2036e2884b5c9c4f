"""What lies behind a diagnosis: signals and gradients by layer, curvature, the loss around the weights, dynamics."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layerwise.report.blocks import Cell, Drawing, Drawings, Section, Table, Text
from layerwise.report.data import ReportData
from layerwise.report.drawing import CATEGORIES, COLORS, INK, QUIET, bare, numbers, svg
from layerwise.report.words import clean, count, number, percent, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["critical", "curvature", "dynamics", "landscape", "signals", "units"]

LEVELS = 12


def _row(data: ReportData, name: str) -> Mapping[str, Any] | None:
    return next((row for row in data.diagnosis if row["name"] == name and row.get("curves")), None)


def signals(data: ReportData) -> Section | None:
    """The singular values of the Jacobian of each layer, and the size of the gradient in each.

    >>> signals(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    jacobian, gradient = _row(data, "isometry"), _row(data, "vanishing gradients")
    if jacobian is None or gradient is None:
        return None
    ranges, flow = jacobian["curves"], gradient["curves"]

    def paint_ranges(figure: "Figure") -> None:
        axes = figure.subplots()
        places = np.arange(len(ranges["layers"]))
        axes.axhline(1, color=QUIET, linewidth=1, linestyle=(0, (1, 2)))
        ends = _positive(ranges["least"]), _positive(ranges["largest"])
        axes.vlines(places, *ends, color=COLORS["autoencoder"], linewidth=5, alpha=0.35)
        axes.plot(places, _positive(ranges["sizes"]), "o", color=COLORS["autoencoder"], markersize=5)
        _by_layer(figure, ranges["layers"], "singular values")

    def paint_flow(figure: "Figure") -> None:
        sizes = _positive(flow["sizes"])
        figure.subplots().plot(np.arange(len(sizes)), sizes, "o-", color=COLORS["pca"], markersize=5)
        _by_layer(figure, flow["layers"], "root mean square")

    sizes = ", ".join(
        f"{clean(name)} {number(size)}" for name, size in zip(ranges["layers"], ranges["sizes"], strict=True)
    )
    slopes = ", ".join(
        f"{clean(name)} {number(size)}" for name, size in zip(flow["layers"], flow["sizes"], strict=True)
    )
    drawings = (
        Drawing(
            svg(paint_ranges, 2.9),
            f"Root mean square singular value by layer: {sizes}.",
            "Bars run from the least to the largest singular value, dots are their root mean square; at 1 (dotted) a "
            "layer keeps the size of small changes. Logarithmic axis.",
            "Jacobians of the layers",
        ),
        Drawing(
            svg(paint_flow, 2.9),
            f"Size of the gradient by layer: {slopes}.",
            "Of the loss, over the numbers of each weight matrix. Logarithmic axis.",
            "Gradient by layer",
        ),
    )
    words = f"{clean(jacobian['advice'])} {clean(gradient['advice'])}"
    return Section("signals", "Signals and gradients", (Text(words), Drawings(drawings)))


def _positive(values: Sequence[float]) -> NDArray[np.float64]:
    """What a logarithmic axis can show: nothing below a millionth of the largest."""
    sizes = np.array(values, np.float64)
    return np.maximum(sizes, 1e-6 * sizes.max() or 1e-6)


def _by_layer(figure: "Figure", layers: Sequence[str], what: str) -> None:
    axes = figure.axes[0]
    axes.set_xticks(range(len(layers)), [shorten(name, 12) for name in layers], rotation=45, ha="right")
    axes.set_yscale("log")
    numbers(axes.yaxis, log=True)
    axes.set_ylabel(what)
    bare(axes, grid="y")


def units(data: ReportData) -> Section | None:
    """The share of dead, saturated and duplicate units in each layer.

    >>> units(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    found = {name: row for name in ("dead", "saturated", "duplicate") if (row := _row(data, f"{name} units"))}
    if not found:
        return None
    shares = {
        name: dict(zip(row["curves"]["layers"], row["curves"]["shares"], strict=True)) for name, row in found.items()
    }
    layers = list(dict.fromkeys(layer for column in shares.values() for layer in column))
    rows = tuple(
        (
            Cell(clean(layer)),
            *(Cell(percent(column[layer]) if layer in column else "–") for column in shares.values()),
        )
        for layer in layers
    )
    head = ("Layer", *(name.capitalize() for name in shares))
    words = " ".join(clean(row["advice"]) for row in found.values())
    return Section("units", "Dead, saturated and duplicate units", (Text(words), Table(head, rows, numeric=(1, 2, 3))))


def curvature(data: ReportData) -> Section | None:
    """The density of the Hessian's eigenvalues, with both ends marked.

    >>> curvature(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    row = _row(data, "curvature")
    if row is None:
        return None
    curves, figures = row["curves"], row["figures"]

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        at, density = np.array(curves["eigenvalues"]), np.array(curves["density"])
        floor = density.max() * 1e-5
        axes.fill_between(at, np.maximum(density, floor), floor, color=COLORS["autoencoder"], alpha=0.3, linewidth=0)
        axes.plot(at, np.maximum(density, floor), color=COLORS["autoencoder"], linewidth=1.6)
        axes.plot(curves["top"], np.full(len(curves["top"]), floor), "|", color=INK, markersize=14)
        axes.plot(curves["bottom"], np.full(len(curves["bottom"]), floor), "|", color=CATEGORIES[5], markersize=14)
        axes.set_yscale("log")
        axes.set_xlabel("eigenvalue")
        axes.set_ylabel("density")
        numbers(axes.yaxis, log=True)
        numbers(axes.xaxis)
        bare(axes, grid="both")

    drawing = Drawing(
        svg(paint, 2.9),
        f"Spectral density from {number(figures['least eigenvalue'])} to {number(figures['largest eigenvalue'])}.",
        "By stochastic Lanczos quadrature; strokes mark the three largest and the three least eigenvalues.",
        "Eigenvalues of the Hessian",
    )
    rows = tuple((Cell(clean(name)), Cell(number(value))) for name, value in figures.items())
    table = Table(("Figure", "Value"), rows, numeric=(1,))
    return Section("curvature", "Curvature", (Text(clean(row["advice"])), Drawings((drawing,)), table))


def critical(data: ReportData) -> Section | None:
    """The zero of the gradient that is near the weights, beside the weights themselves.

    >>> critical(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    row = next((row for row in data.diagnosis if row["name"] == "critical point"), None)
    if row is None:
        return None
    figures = dict(row["figures"])
    # Of the weights themselves two figures are those of other findings.
    for name, where, figure in (
        ("least eigenvalue", "curvature", "least eigenvalue"),
        ("largest eigenvalue", "curvature", "largest eigenvalue"),
        ("saddle index", "curvature", "negative share"),
    ):
        other = _row(data, where)
        if other is not None:
            figures[f"{name} here"] = other["figures"][figure]
    names = "loss", "gradient norm", "saddle index", "least eigenvalue", "largest eigenvalue"
    rows = tuple(
        (Cell(clean(name)), *(Cell(number(figures.get(f"{name} {place}"))) for place in ("here", "there")))
        for name in names
    )
    caption = (
        "The saddle index is the share of the Hessian's eigenvalues that are negative. The gradient counts as zero "
        f"below {number(figures['zero below'])}; the way there is {number(figures['distance'])} of the weights' length."
    )
    table = Table(("Figure", "At the weights", "Where the search ended"), rows, caption, numeric=(1, 2))
    return Section("critical", "Critical point", (Text(clean(row["advice"])), table))


def landscape(data: ReportData) -> Section | None:
    """Lines of equal loss on a plane through the weights, and on the plane of an optimizer's path.

    >>> landscape(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    around, path = _row(data, "landscape"), _row(data, "path")
    drawings, words = list[Drawing](), list[str]()
    if around is not None:
        figures = around["figures"]
        drawings.append(
            Drawing(
                _contours(around["curves"], [[0.0, 0.0]]),
                f"The loss is {number(figures['loss here'])} at the weights, {number(figures['least on the slice'])} "
                f"at the least, {number(figures['median at the edge'])} at the edge.",
                "Directions are random, each unit's part as long as its own weights (at 1): slices of networks with "
                "large and small weights can be compared. The dot is the model.",
                "The loss around the weights",
            )
        )
        words.append(clean(around["advice"]))
    if path is not None:
        figures, curves = path["figures"], path["curves"]
        drawings.append(
            Drawing(
                _contours(curves, curves["places"]),
                f"The loss falls from {number(figures['loss before'])} to {number(figures['loss after'])}.",
                f"{count(figures['steps'])} steps of {clean(curves['optimizer'])} on all of these rows from the model "
                f"(the dot), on the plane that holds {percent(figures['explained'])} of the way.",
                "The path of an optimizer",
            )
        )
        words.append(clean(path["advice"]))
    if not drawings:
        return None
    return Section("landscape", "Landscape", (Text(" ".join(words)), Drawings(tuple(drawings))))


def _contours(curves: Mapping[str, Any], places: Sequence[Sequence[float]]) -> str:
    """Lines of equal loss on a plane, a path on it, and a dot where that begins."""

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        losses = np.array(curves["losses"], np.float64).T
        low, high = np.nanmin(losses), np.nanmax(losses)
        apart = max(high - low, 1e-12 * max(abs(high), 1e-300))
        levels = low + apart * np.linspace(0, 1, LEVELS + 1) ** 2
        axes.contourf(curves["a"], curves["b"], losses, levels, cmap="Blues_r")
        lines = axes.contour(curves["a"], curves["b"], losses, levels, colors=INK, linewidths=0.5)
        axes.clabel(lines, fmt=lambda value: number(float(value)), fontsize=7.5)
        along, across = np.array(places).T
        axes.plot(along, across, ".-", color=CATEGORIES[5], markersize=4, linewidth=1.2)
        axes.plot(along[:1], across[:1], "o", color=CATEGORIES[5], markersize=6)
        axes.set_xlabel("first direction")
        axes.set_ylabel("second direction")
        numbers(axes.xaxis)
        numbers(axes.yaxis)
        bare(axes)

    return svg(paint, 3.6)


def dynamics(data: ReportData) -> Section | None:
    """The strengths of the modes of a linear net while it learns, with the theory's curves laid over.

    >>> dynamics(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    row = _row(data, "dynamics")
    if row is None:
        return None
    curves, figures = row["curves"], row["figures"]

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        times = curves["times"]
        for place, (measured, theory, present) in enumerate(
            zip(curves["measured"], curves["theory"], curves["present"], strict=True)
        ):
            color = CATEGORIES[place]
            axes.plot(times, measured, color=color, linewidth=4, alpha=0.35, label=f"mode {place + 1}")
            axes.plot(times, theory, color=color, linewidth=1.2, linestyle=(0, (4, 2)))
            axes.plot([1.04 * times[-1]], [present], "<", color=color, markersize=6, clip_on=False)
        axes.set_xlabel("time (units of 1 / rate)")
        axes.set_ylabel("strength of the mode")
        axes.legend()
        numbers(axes.xaxis)
        numbers(axes.yaxis)
        bare(axes, grid="both")

    drawing = Drawing(
        svg(paint, 3.2),
        f"Measured and predicted strengths are at most {number(figures['largest distance from the theory'])} apart.",
        "Broad lines: gradient descent from small weights, each mode by itself; dashed: the theory of Saxe et al. "
        "2013. Triangles on the right: the modes in the model as it is.",
        "Modes of a linear net",
    )
    rows = tuple((Cell(clean(name)), Cell(number(value))) for name, value in figures.items())
    table = Table(("Figure", "Value"), rows, numeric=(1,))
    return Section("dynamics", "Learning dynamics", (Text(clean(row["advice"])), Drawings((drawing,)), table))
