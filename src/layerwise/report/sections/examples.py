"""Single rows beside their reconstructions: the best, the median and the worst."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data.pictures import as_bytes
from layerwise.report.blocks import Block, Card, Cards, Cell, Example, Picture, Pictures, Section, Table, Text
from layerwise.report.data import ReportData
from layerwise.report.drawing import png
from layerwise.report.words import clean, number, shorten

__all__ = ["examples"]

COLUMNS = 8
FILLED = 2
_EMPTY = frozenset({"", "nan", "none", "null", "<na>", "nat", "na"})


def examples(data: ReportData) -> Section | None:
    """Pictures with their reconstructions, or rows as small tables of the columns with the largest error.

    >>> examples(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    given = data.examples
    if "rows.input" not in given or "rows.reconstruction" not in given or not len(given["rows.input"]):
        return None
    inputs = np.asarray(given["rows.input"], np.float64)
    groups = _groups(inputs)
    blocks: list[Block]
    if data.shape is not None and inputs.shape[1] == int(np.prod(data.shape)):
        blocks = [
            Text(
                "Each picture beside what came back from its code: from the autoencoder, and from PCA with "
                "a code of the same size."
            )
        ]
        blocks += [Pictures(title, tuple(_pictures(data, row) for row in rows)) for title, rows in groups]
    else:
        widths = _widths(data, inputs.shape[1])
        blocks = [Text(_introduction(data))]
        blocks += [Cards(title, tuple(_card(data, row, widths) for row in rows)) for title, rows in groups]
    return Section("examples", "Reconstructions", tuple(blocks))


def _groups(inputs: NDArray[np.float64]) -> list[tuple[str, list[int]]]:
    if len(inputs) < 3:
        parts = [("Rows", np.arange(len(inputs)))]
    else:
        titles = (
            "Best: the smallest errors",
            "Median: errors as they usually are",
            "Worst: the largest errors",
        )
        parts = list(zip(titles, np.array_split(np.arange(len(inputs)), 3), strict=True))
    seen: set[bytes] = set()
    groups = []
    for title, rows in parts:
        # With few rows one and the same can be best, median and worst.
        new = []
        for row in rows:
            if inputs[row].tobytes() not in seen:
                seen.add(inputs[row].tobytes())
                new.append(int(row))
        if new:
            groups.append((title, new))
    return groups


def _error(data: ReportData, row: int) -> str:
    errors = data.examples.get("rows.error")
    return "" if errors is None else f"error {number(float(errors[row]), pad=True)}"


def _pictures(data: ReportData, row: int) -> Example:
    assert data.shape is not None
    given = data.examples
    inputs = np.asarray(given["rows.input"], np.float64)
    low, high = float(np.nanmin(inputs)), float(np.nanmax(inputs))
    if low >= -1e-6 and high <= 1 + 1e-6:
        low, high = 0.0, 1.0
    shown = [
        ("original", inputs[row]),
        ("autoencoder", np.asarray(given["rows.reconstruction"][row], np.float64)),
    ]
    if "rows.pca" in given:
        shown.append(("PCA", np.asarray(given["rows.pca"][row], np.float64)))
    scaled = [
        (name, (np.nan_to_num(values, nan=(low + high) / 2) - low) / max(high - low, 1e-12)) for name, values in shown
    ]
    return Example(
        _error(data, row), tuple(Picture(png(as_bytes(unit.reshape(data.shape))), name) for name, unit in scaled)
    )


def _introduction(data: ReportData) -> str:
    cells = "cells" if "original" in data.examples else "values (in the network's scaled units)"
    count = len(data.columns)
    some = f"; of the {count:,} columns, the {COLUMNS} with the largest error in the row" if count > COLUMNS else ""
    return (
        f"The {cells} of single rows before and after the code{some}. Marked ✕ are a wrong category, and "
        "a number that is further off than the column's mean usually is. A missing cell counts no error; "
        "beside it stands what the model would fill in."
    )


def _widths(data: ReportData, features: int) -> NDArray[np.intp] | None:
    """The number of features of each column, or None where they cannot be told."""
    widths = [_width(column) for column in data.columns]
    if sum(widths) == features:
        return np.asarray(widths, np.intp)
    return None if data.columns else np.ones(features, np.intp)


def _width(column: dict[str, Any]) -> int:
    if isinstance(column.get("features"), int):
        return int(column["features"])
    kind = column.get("kind")
    if kind == "constant":
        return 0
    return len(column.get("levels", ())) + 1 if kind == "categorical" else 1


def _card(data: ReportData, row: int, widths: NDArray[np.intp] | None) -> Card:
    before, after = _cells(data, row, widths)
    errors, missing = _column_errors(data, row, widths, before, after)
    usual = _usual(data, len(before))
    ranked = [int(i) for i in np.argsort(-errors, kind="stable") if not missing[i]]
    filled = [int(i) for i in np.flatnonzero(missing)][:FILLED]
    shown = [*ranked[: COLUMNS - len(filled)], *filled]
    given = [clean(column.get("name", f"x{i}")) for i, column in enumerate(data.columns)]
    names = [*given, *(f"x{i}" for i in range(len(given), len(before)))]
    rows = tuple(
        (
            Cell(shorten(names[i], 28), whole=names[i] if len(names[i]) > 28 else ""),
            Cell("missing", "missing") if missing[i] else _cell(before[i]),
            _cell(after[i], worst=before[i] != after[i] and not missing[i] and bool(errors[i] > usual[i])),
        )
        for i in shown
    )
    return Card(_error(data, row).capitalize(), Table(("Column", "Original", "Returned"), rows))


def _cell(text: str, *, worst: bool = False) -> Cell:
    short = shorten(text, 24)
    return Cell(short, "worst" if worst else "", clean(text) if short.endswith("…") or len(text) > 24 else "")


def _cells(data: ReportData, row: int, widths: NDArray[np.intp] | None) -> tuple[list[str], list[str]]:
    given = data.examples
    if "original" in given and "reconstructed" in given:
        return [str(c) for c in given["original"][row]], [str(c) for c in given["reconstructed"][row]]
    both = (given["rows.input"][row], given["rows.reconstruction"][row])
    if widths is not None and (widths > 0).all() and (widths == 1).all():
        return ([number(float(v)) for v in both[0]], [number(float(v)) for v in both[1]])
    starts = np.zeros(1, np.intp) if widths is None else np.concatenate([[0], np.cumsum(widths)[:-1]])
    sizes = [len(both[0])] if widths is None else [int(w) for w in widths]
    before, after = (
        [
            ", ".join(number(float(v)) for v in values[s : s + w]) or "constant"
            for s, w in zip(starts, sizes, strict=True)
        ]
        for values in both
    )
    return before, after


def _column_errors(
    data: ReportData, row: int, widths: NDArray[np.intp] | None, before: list[str], after: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    given = data.examples
    empty = np.array([text.strip().lower() in _EMPTY for text in before])
    if widths is None or len(widths) != len(before):
        differ = np.array([a != b for a, b in zip(before, after, strict=True)], np.float64)
        return np.where(empty, np.float64(0), differ), empty
    squares = np.square(np.asarray(given["rows.input"][row], np.float64) - given["rows.reconstruction"][row])
    observed = np.asarray(given.get("rows.observed", np.ones_like(given["rows.input"]))[row], bool)
    owner = np.repeat(np.arange(len(widths)), widths)
    errors: NDArray[np.float64] = np.bincount(
        owner, np.where(observed, np.nan_to_num(squares), 0.0), minlength=len(widths)
    ).astype(np.float64)
    seen = np.bincount(owner, observed, minlength=len(widths)) > 0
    return errors, empty | (~seen & (widths > 0))


def _usual(data: ReportData, columns: int) -> NDArray[np.float64]:
    """The error above which a cell is marked: for categories any, else that of the column's mean."""
    known = {str(c.get("name")): c.get("mean") for c in data.metrics.get("columns") or ()}
    usual = np.ones(columns)
    for i, column in enumerate(data.columns[:columns]):
        value = known.get(str(column.get("name")))
        if column.get("kind") in ("categorical", "binary") and "original" in data.examples:
            usual[i] = 0.0
        elif isinstance(value, int | float) and value > 0:
            usual[i] = value
    return usual
