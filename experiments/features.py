"""What the studies of features share: codes, classifiers, filters as pictures, and figures in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from experiments.study import Row
from layerwise.diagnostics import classification_error, passes
from layerwise.models import Autoencoder, Dense, DenseLayer
from layerwise.training import Targeted, TensorRows

QUIET: dict[Any, Any] = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}


@final
@dataclass(frozen=True)
class Kept:
    """What a run hands on for the picture beside its figures; no column of the results."""

    values: NDArray[np.float32]

    def __repr__(self) -> str:
        return f"Kept{self.values.shape}"


def figures_of(rows: Sequence[Row]) -> list[Row]:
    """The rows without what was kept for the picture."""
    return [{key: value for key, value in row.items() if not isinstance(value, Kept)} for row in rows]


def chosen(rows: Sequence[Row], **values: Any) -> list[Row]:
    """The rows that have the chosen values."""
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def targeted(rows: torch.Tensor, classes: NDArray[np.int64]) -> Targeted:
    """Rows with their classes."""
    return Targeted(TensorRows(rows), torch.from_numpy(classes))


def codes(model: Autoencoder, rows: torch.Tensor) -> NDArray[np.float32]:
    """The code of each row."""
    return torch.cat([run.code for _, run in passes(model, TensorRows(rows))]).numpy()


def filters_of(model: Dense, count: int) -> NDArray[np.float32]:
    """The weights of the first units of the first layer."""
    layer = model.encoder[0]
    assert isinstance(layer, DenseLayer)
    return layer.effective_weight.detach()[:count].numpy().copy()


def class_error(model: Autoencoder, rows: torch.Tensor, classes: NDArray[np.int64]) -> float:
    """The error of a classifier, in percent."""
    scores = torch.cat([run.natural for _, run in passes(model, TensorRows(rows))])
    return 100 * classification_error(scores.argmax(1).numpy(), classes)


def told(values: Sequence[float], digits: int = 3) -> str:
    """The mean, and the standard deviation where there is one."""
    mean, deviation = f"{np.mean(values):.{digits}g}", spread(values)
    return f"{mean} ± {deviation:.2g}" if deviation else mean


def listed(things: Sequence[Any]) -> str:
    """Several things in words: "1, 2 and 3", or "none"."""
    words = [str(thing) for thing in things]
    if len(words) < 2:
        return words[0] if words else "none"
    return f"{', '.join(words[:-1])} and {words[-1]}"


def spread(values: Sequence[float]) -> float:
    """The standard deviation over the seeds; 0 for a single one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def tiles(filters: NDArray[np.float32], *, columns: int) -> NDArray[np.float32]:
    """The rows of a weight matrix as pictures side by side, each scaled to [-1, 1] by itself, so that 0 is grey.

    Between the pictures it is white.
    """
    side = math.isqrt(filters.shape[1])
    largest = np.abs(filters).max(1, keepdims=True)
    scaled = np.divide(filters, largest, out=np.zeros_like(filters), where=largest > 0)
    lines = -(-len(filters) // columns)
    cells = np.ones((lines * columns, side + 1, side + 1), np.float32)
    cells[: len(filters), :-1, :-1] = scaled[:, : side * side].reshape(-1, side, side)
    placed = cells.reshape(lines, columns, side + 1, side + 1).transpose(0, 2, 1, 3)
    return placed.reshape(lines * (side + 1), columns * (side + 1))[:-1, :-1]


def show_tiles(axis: Any, filters: NDArray[np.float32], title: str, *, columns: int) -> None:
    """Draw filters as pictures."""
    axis.imshow(tiles(filters, columns=columns), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    axis.set_title(title, fontsize=8)
    axis.set_axis_off()


def canvas(width: float, height: float) -> Figure:
    """An empty figure that arranges what is drawn on it; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def axes_of(figure: Any, lines: int, columns: int) -> list[Any]:
    """Axes on a figure or a part of one, line by line, in a quiet style."""
    with matplotlib.rc_context(QUIET):
        return list(figure.subplots(lines, columns, squeeze=False).ravel())


def titled(axis: Any, title: str) -> None:
    """Give some axes a small title."""
    axis.set_title(title, fontsize=9)


def logarithmic(axis: Any, *ways: str) -> None:
    """Make the given ways ("x", "y") of some axes logarithmic, with ticks at 1, 2, 5, 10 ... in plain numbers."""
    for way in ways:
        axis.set(**{f"{way}scale": "log"})
        scale = {"x": axis.xaxis, "y": axis.yaxis}[way]
        scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
        scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        scale.set_minor_formatter(NullFormatter())
