"""Mean, PCA and autoencoder on the same rows."""

from typing import TYPE_CHECKING

from layerwise.report.blocks import Block, Cell, Drawing, Drawings, Section, Table, Text
from layerwise.report.data import ReportData
from layerwise.report.drawing import COLORS, INK, bare, log_worthy, numbers, svg
from layerwise.report.words import as_float, clean, count, number, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["comparison"]

_NAMES = {"autoencoder": "Autoencoder", "pca": "PCA", "mean": "Column means"}
_KEYS = {"autoencoder": "squared_error", "pca": "pca_squared_error", "mean": "mean_squared_error"}
_QUANTILES = ("0.05", "0.25", "0.5", "0.75", "0.95")


def comparison(data: ReportData) -> Section | None:
    """Bars of the mean error, the spread over rows, and a table with the trustworthiness of the codes.

    >>> comparison(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    errors = {name: as_float(data.metrics.get(key)) for name, key in _KEYS.items()}
    errors = {name: value for name, value in errors.items() if value >= 0}
    if not errors:
        return None
    drawings = [_bars(errors)]
    spread = _spread(data)
    if spread:
        drawings.append(_boxes(spread))
    blocks: list[Block] = [
        Text(
            "Three ways to give a row back: by the column means alone, by PCA and by the autoencoder. "
            "PCA and the autoencoder use codes of the same size on the same rows."
        ),
        Drawings(tuple(drawings)),
        _table(data, errors, spread),
    ]
    notes = _notes(data)
    if notes:
        blocks.append(Text(notes, "note"))
    return Section("comparison", "Better than PCA?", tuple(blocks))


def _notes(data: ReportData) -> str:
    trust, unit = data.metrics.get("trustworthiness") or {}, data.metrics.get("unit")
    words = f"Squared error: {clean(unit)}. " if unit else ""
    if "autoencoder" in trust:
        words += (
            f"Trustworthiness: how far a code's {count(trust.get('neighbors'))} nearest neighbours are "
            f"neighbours in the data too (1 is best), over {count(trust.get('rows'))} rows."
        )
    return words.strip()


def _bars(errors: dict[str, float]) -> Drawing:
    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        names = list(errors)
        axes.barh([_NAMES[n] for n in names], list(errors.values()), color=[COLORS[n] for n in names], height=0.62)
        for place, name in enumerate(names):
            axes.annotate(
                number(errors[name], pad=True), (errors[name], place), (4, 0), textcoords="offset points",
                va="center", color=INK, fontweight="bold",
            )  # fmt: skip
        axes.set_xlim(0, (max(errors.values()) or 1) * 1.16)
        axes.set_xlabel("squared error of a row, on average")
        axes.invert_yaxis()
        numbers(axes.xaxis)
        bare(axes, grid="x")
        axes.tick_params(axis="y", labelcolor=INK, labelsize=9.5)

    words = "Squared error by method: " + ", ".join(f"{_NAMES[n]} {number(v)}" for n, v in errors.items()) + "."
    return Drawing(svg(paint, 1.9), words, "Mean squared error of a row. Shorter is better.", "Error on average")


def _spread(data: ReportData) -> dict[str, list[float]]:
    given = data.metrics.get("row_quantiles") or {}
    spread = {name: [as_float(given[name].get(q)) for q in _QUANTILES] for name in _NAMES if name in given}
    return {name: values for name, values in spread.items() if all(v >= 0 for v in values)}


def _boxes(spread: dict[str, list[float]]) -> Drawing:
    # Rows that are given back exactly have no place on a logarithmic axis.
    log = log_worthy(*spread.values())

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for place, (name, (low, lower, middle, upper, high)) in enumerate(spread.items()):
            axes.plot([low, high], [place, place], color=COLORS[name], linewidth=2, solid_capstyle="round")
            axes.plot([lower, upper], [place, place], color=COLORS[name], linewidth=13, solid_capstyle="butt")
            axes.plot([middle], [place], "o", color="white", markersize=6, markeredgecolor=INK, markeredgewidth=1)
        axes.set_yticks(range(len(spread)), [_NAMES[name] for name in spread])
        axes.set_ylim(len(spread) - 0.5, -0.5)
        if log:
            axes.set_xscale("log")
        else:
            axes.set_xlim(left=0)
        axes.set_xlabel("squared error of a row" + (" (logarithmic)" if log else ""))
        numbers(axes.xaxis, log=log)
        bare(axes, grid="x")
        axes.tick_params(axis="y", labelcolor=INK, labelsize=9.5)

    words = "Spread of the squared error over rows: " + "; ".join(
        f"{_NAMES[name]} median {number(v[2])}, 5 % to 95 % {number(v[0])} to {number(v[4])}"
        for name, v in spread.items()
    )
    caption = "Line: 5 % to 95 % of the rows. Bar: the middle half. Circle: the median row."
    return Drawing(svg(paint, 1.9), words + ".", caption, "Error row by row")


def _table(data: ReportData, errors: dict[str, float], spread: dict[str, list[float]]) -> Table:
    trust = data.metrics.get("trustworthiness") or {}
    mean = errors.get("mean", 0.0)
    rows = []
    for name, error in errors.items():
        quantiles = spread.get(name)
        cells = [
            Cell(_NAMES[name], name),  # type: ignore[arg-type]
            Cell(number(error, 4, pad=True)),
            Cell(percent(1 - error / mean if mean > 0 else None)),
            Cell(number(quantiles[2] if quantiles else None, pad=True)),
            Cell(number(quantiles[4] if quantiles else None, pad=True)),
            Cell(f"{trust[name]:.3f}" if name in trust else number(None)),
        ]
        rows.append(tuple(cells))
    head = ("Method", "Squared error", "Variance kept", "Median row", "95 % of rows below", "Trustworthiness")
    return Table(head, tuple(rows), numeric=(1, 2, 3, 4, 5))
