"""What ails a model: the fault that is named, every finding with its advice, and what was found during training."""

from collections.abc import Mapping, Sequence
from typing import Any

from layerwise.diagnostics import CAUSES
from layerwise.report.blocks import Block, Cell, Details, Section, Table, Text
from layerwise.report.data import ReportData
from layerwise.report.words import clean, count, number

__all__ = ["diagnosis"]

WORDS = {"fine": "fine", "look": "worth a look", "fault": "fault"}


def diagnosis(data: ReportData) -> Section | None:
    """The first fault in the order of causes, a row for each finding, and the findings of the training.

    >>> diagnosis(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    watched = [row for row in data.history if row.get("event") == "findings"]
    if not data.diagnosis and not watched:
        return None
    blocks: list[Block] = []
    if data.diagnosis:
        faults = {row["name"]: row for row in data.diagnosis if row["verdict"] == "fault"}
        first = next((faults[name] for name in CAUSES if name in faults), None)
        if first is None:
            blocks.append(Text("No fault is named.", "good"))
        else:
            blocks.append(Text(f"Named fault: {clean(first['name'])}. {clean(first['advice'])}", "bad"))
        blocks.append(_findings(data.diagnosis))
        blocks.append(Details("All figures", (_figures(data.diagnosis),)))
    if watched:
        blocks.append(_watched(watched))
    return Section("diagnosis", "Diagnosis", tuple(blocks))


def _findings(findings: Sequence[Mapping[str, Any]]) -> Table:
    rows = tuple(
        (
            Cell(clean(row["name"])),
            Cell(WORDS[row["verdict"]], "worst" if row["verdict"] == "fault" else ""),
            Cell(clean(row["advice"])),
        )
        for row in findings
    )
    return Table(("Finding", "Verdict", "Advice"), rows)


def _figures(findings: Sequence[Mapping[str, Any]]) -> Table:
    rows = tuple(
        (Cell(clean(row["name"])), Cell(clean(name)), Cell(number(value)))
        for row in findings
        for name, value in row["figures"].items()
    )
    return Table(("Finding", "Figure", "Value"), rows, numeric=(2,))


def _watched(history: Sequence[Mapping[str, Any]]) -> Table:
    rows = tuple(
        (
            Cell(clean(row["phase"])),
            Cell(count(row["epoch"])),
            Cell(count(row["step"])),
            Cell(", ".join(clean(f["name"]) for f in row["findings"] if f["verdict"] == "fault") or "none"),
        )
        for row in history
    )
    caption = "What was found during training, at the batches of these steps."
    return Table(("Phase", "Epoch", "Step", "Faults"), rows, caption, numeric=(1, 2))
