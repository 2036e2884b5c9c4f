"""What the report shows of a model: a model folder's content as plain values."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from layerwise.data import Numeric, Schema, Windows
from layerwise.models import Detector, Imputer, PictureMap, Predictor, SequenceModel, Variational
from layerwise.report import ReportData
from layerwise.storage import SavedModel

__all__ = ["report_data"]

# Of a column's scale: what is smaller is what float32 left of a zero.
RESOLUTION = 1e-6
DRAWN = 12


def report_data(saved: SavedModel, *, title: str, source: str) -> ReportData:
    """Everything a page needs, from a model with its metrics and examples.

    Arguments:
        saved: the model; its metrics and examples say which rows are shown.
        title: heading of the page.
        source: where the rows come from, in words.
    """
    model, metrics = saved.model, saved.metrics
    kinds = (Predictor, Detector, Imputer, PictureMap, SequenceModel)
    predicts, detects, imputes, maps, writes = (isinstance(model, kind) for kind in kinds)
    arrays = {name: tensor.numpy() for name, tensor in saved.examples.items()}
    examples: dict[str, Any] = {
        name: values for name, values in arrays.items() if name.startswith(("rows.", "pictures."))
    }
    shape = _picture_shape(saved.schema)
    if isinstance(model, Variational):
        examples["drawn"] = _drawn(model)
        if shape is None:
            examples["drawn.cells"] = _cells(saved.schema, examples["drawn"], None)
    if "rows.observed" in examples and shape is None:
        observed = examples["rows.observed"].astype(bool)
        examples["original"] = _cells(saved.schema, examples["rows.input"], observed)
        examples["reconstructed"] = _cells(saved.schema, examples["rows.reconstruction"], None)
    return ReportData(
        title=title,
        source=source,
        metrics={} if isinstance(model, kinds) else metrics,
        prediction=metrics if predicts else {},
        gaps=metrics if imputes else {},
        pictures=metrics if maps else {},
        sentences=metrics if writes else {},
        anomalies=_anomalies(saved, arrays, shape) if detects else {},
        history=saved.history,
        recipe=saved.recipe,
        columns=_columns(saved.schema),
        shape=shape,
        codes=arrays.get("codes", np.zeros((0, saved.model.code), np.float32)),
        errors=arrays.get("error", np.zeros(0, np.float32)),
        labels=_labels(arrays.get("labels"), saved.metrics.get("label_names")),
        examples=examples,
        environment=saved.environment,
    )


@torch.no_grad()
def _drawn(model: Variational) -> NDArray[np.float32]:
    """The features of rows from codes that are drawn."""
    codes = torch.randn((DRAWN, model.code), generator=torch.Generator().manual_seed(0))
    device = next(model.parameters()).device
    found: NDArray[np.float32] = model.eval().decode(codes.to(device)).cpu().numpy()
    return found


def _anomalies(saved: SavedModel, arrays: dict[str, NDArray[Any]], shape: tuple[int, ...] | None) -> dict[str, Any]:
    """The figures of a detector, and the strangest rows: as pictures, or the cells of each with what was expected."""
    found = {name.removeprefix("strange."): values for name, values in arrays.items() if name.startswith("strange.")}
    if found and shape is None:
        observed = found["observed"].astype(bool)
        window = saved.settings["window"]
        schema = saved.schema if window is None else Windows(window).schema(saved.schema)
        places = [place for place, column in enumerate(schema.columns) if column.width]
        cells, expected = (
            _cells(schema, found[name], seen) for name, seen in (("input", observed), ("expected", None))
        )
        found["causes"] = np.array(
            [
                [(schema.columns[place].name, before[place], after[place]) for place in places]
                for before, after in zip(cells, expected, strict=True)
            ],
            dtype=object,
        )
    return {"metrics": saved.metrics, "scores": saved.settings["scores"], **found}


def _labels(labels: NDArray[Any] | None, names: list[str] | None) -> NDArray[Any] | None:
    return np.array(names)[labels] if labels is not None and names else labels


def _picture_shape(schema: Schema) -> tuple[int, ...] | None:
    """Height, width and perhaps channels; a flat row of a square number of pixels is taken for a square."""
    if schema.pixels is None:
        return None
    shape = schema.pixels.shape
    side = math.isqrt(shape[0])
    if len(shape) > 1:
        return shape
    return (side, side) if side * side == shape[0] else None


def _columns(schema: Schema) -> list[dict[str, Any]]:
    return [{"name": column.name, "kind": column.kind, "features": column.width} for column in schema.columns]


def _cells(schema: Schema, x: NDArray[Any], observed: NDArray[Any] | None) -> list[list[str]]:
    """The decoded rows as text, "" for a cell that was missing."""
    table, start, columns = schema.decode(x), 0, []
    for place in range(len(table.names)):
        column = schema.columns[place] if schema.pixels is None else None
        finest = RESOLUTION * column.scale if isinstance(column, Numeric) else 0.0
        cells = [_text(cell, finest) for cell in table.column(place).texts()]
        width = schema.columns[place].width if schema.pixels is None else 1
        if observed is not None and width:
            cells = [cell if seen else "" for cell, seen in zip(cells, observed[:, start], strict=True)]
        start += width
        columns.append(cells)
    return [list(row) for row in zip(*columns, strict=True)]


def _text(value: object, finest: float) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{0.0 if abs(value) < finest else value:.6g}"
