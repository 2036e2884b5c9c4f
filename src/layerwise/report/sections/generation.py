"""How likely held-out rows are, and rows that were drawn."""

import numpy as np

from layerwise.data.pictures import as_bytes
from layerwise.report.blocks import Block, Cell, Example, Picture, Pictures, Section, Table, Text, Tile, Tiles
from layerwise.report.data import ReportData
from layerwise.report.drawing import png
from layerwise.report.words import count, number, shorten

__all__ = ["generation"]

COLUMNS, TOGETHER = 8, 3


def generation(data: ReportData) -> Section | None:
    """The likelihood of rows, the units in use, and what codes that are drawn become.

    >>> generation(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    found = data.metrics.get("evidence")
    if not found:
        return None
    units = f"{count(found['active_units'])} of {count(data.metrics.get('n_components'))}"
    tiles = Tiles(
        (
            Tile(number(found["bound"]), f"nats or more: the log-likelihood of a row, by {found['samples']} codes"),
            Tile(number(found["elbo"]), "nats, by a single code for each row: the evidence lower bound"),
            Tile(units, "units of the code are in use"),
        )
    )
    lead = f"How likely {count(found['rows'])} rows are to the model, and rows that it draws by itself."
    blocks: list[Block] = [Text(lead, "lead"), tiles]
    drawn = data.examples.get("drawn")
    if drawn is not None and data.shape is not None:
        shown = [
            Picture(png(as_bytes(np.asarray(row, np.float64).reshape(data.shape))), f"drawn {place + 1}")
            for place, row in enumerate(drawn)
        ]
        groups = [Example("", tuple(shown[start : start + TOGETHER])) for start in range(0, len(shown), TOGETHER)]
        blocks.append(Pictures("Drawn", tuple(groups)))
    elif "drawn.cells" in data.examples:
        names = [shorten(column.get("name")) for column in data.columns[:COLUMNS]]
        cells = [tuple(Cell(shorten(str(cell), 24)) for cell in row[:COLUMNS]) for row in data.examples["drawn.cells"]]
        blocks += [
            Text("Rows that were drawn, each the mean of what its code stands for."),
            Table(tuple(names), tuple(cells)),
        ]
    return Section("generation", "Drawn rows", tuple(blocks))
