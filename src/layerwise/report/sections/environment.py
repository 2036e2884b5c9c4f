"""Where it was made: versions and machine."""

from layerwise.report.blocks import Cell, Section, Table
from layerwise.report.data import ReportData
from layerwise.report.words import clean

__all__ = ["environment"]


def environment(data: ReportData) -> Section | None:
    """Names and versions as a table.

    >>> environment(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    if not data.environment:
        return None
    rows = tuple((Cell(clean(name)), Cell(clean(value))) for name, value in data.environment.items())
    return Section("environment", "Environment", (Table((), rows),))
