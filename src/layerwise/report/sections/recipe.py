"""How it was trained: the phases as small tables."""

from typing import Any

from layerwise.report.blocks import Card, Cards, Cell, Section, Table, Text
from layerwise.report.data import ReportData
from layerwise.report.words import clean, describe, plural

__all__ = ["recipe"]


def recipe(data: ReportData) -> Section | None:
    """One table a phase, nested settings written as calls.

    >>> recipe(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    if not data.recipe:
        return None
    one = len(data.recipe) == 1
    words = f"The model was trained in {plural(len(data.recipe), 'phase')}" + ("." if one else ", one after the other.")
    cards = tuple(_card(place + 1, phase) for place, phase in enumerate(data.recipe))
    return Section("recipe", "The recipe", (Text(words), Cards("", cards)))


def _card(place: int, phase: dict[str, Any]) -> Card:
    rows: list[tuple[Cell, Cell]] = []
    for key, value in phase.items():
        if key in ("name", "class"):
            continue
        if key == "objective" and isinstance(value, dict):
            rows += _objective(value)
        else:
            rows.append(_row(key, describe(value)))
    return Card(f"{place}. {clean(phase.get('name', 'phase'))}", Table((), tuple(rows)))


def _row(key: str, text: str) -> tuple[Cell, Cell]:
    name = clean(key).replace("_", " ")
    return Cell(name[:1].upper() + name[1:]), Cell(text, "quiet" if text == "none" else "")


def _objective(value: dict[str, Any]) -> list[tuple[Cell, Cell]]:
    rows = []
    for key, item in value.items():
        if key == "penalties" and isinstance(item, dict) and item:
            for name, (weight, penalty) in item.items():
                rows.append(_row(f"Penalty: {name}", f"{describe(weight)} × {describe(penalty)}"))
        elif key != "class":
            rows.append(_row(key, describe(item)))
    return rows
