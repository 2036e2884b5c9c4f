"""From a painting function to a figure in the page: one look for all, and no global state of matplotlib."""

import base64
import io
import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.report.words import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["CATEGORIES", "COLORS", "INK", "QUIET", "bare", "log_worthy", "numbers", "png", "svg"]

# Okabe & Ito's blue and orange with grey: told apart by every kind of colour vision, in print by lightness.
COLORS = {"autoencoder": "#0072b2", "pca": "#e69f00", "mean": "#8a919c"}
CATEGORIES = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"),
    *("#332288", "#999933", "#882255", "#44aa99", "#ddcc77", "#6b4c2f"),
)
INK, QUIET, LINE = "#1d2733", "#5b6673", "#d5dae1"
WIDTH = 4.2
_LOOK: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Segoe UI", "Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 10,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": QUIET,
    "axes.labelsize": 9.5,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e9ecf0",
    "grid.linewidth": 0.8,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "figure.facecolor": "white",
    # Text stays text: small files, the reader's own fonts, and every script that these have.
    "svg.fonttype": "none",
    "svg.hashsalt": "layerwise",
}


def svg(paint: Callable[["Figure"], None], height: float) -> str:
    """The figure that `paint` fills, 4.2 inches wide and `height` inches high, as a data URI of SVG.

    The same painting gives the same bytes.

    >>> svg(lambda figure: None, 1.0)[:26]
    'data:image/svg+xml;base64,'
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with matplotlib.style.context(cast(Any, _LOOK), after_reset=True), warnings.catch_warnings():
        # Only the measuring font lacks the glyph: the reader's browser finds one.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        paint(figure)
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", dpi=200, metadata=cast(Any, metadata))
    text = buffer.getvalue()
    return _uri("image/svg+xml", text[text.index(b"<svg") :])


def png(pixels: NDArray[np.uint8]) -> str:
    """A picture (height, width and perhaps channels, 8 bits) as a data URI of PNG.

    Of channels that are neither three nor four the first is shown.

    >>> png(np.zeros((2, 2), np.uint8))[:22]
    'data:image/png;base64,'
    """
    from PIL import Image

    if pixels.ndim == 3 and pixels.shape[2] not in (3, 4):
        pixels = pixels[:, :, 0]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", optimize=True)
    return _uri("image/png", buffer.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def log_worthy(*values: Any) -> bool:
    """Whether positive values span more than one decade, so that a logarithmic axis shows them better.

    >>> log_worthy([1.0, 5.0]), log_worthy([1.0], [50.0]), log_worthy([0.0, 50.0])
    (False, True, False)
    """
    every = np.concatenate([np.asarray(v, np.float64).ravel() for v in values]) if values else np.zeros(0)
    every = every[np.isfinite(every)]
    return bool(every.size and every.min() > 0 and math.log10(every.max()) - math.log10(every.min()) > 1)


def numbers(axis: "Axis", *, log: bool = False, whole: bool = False) -> None:
    """Give an axis ticks that read as in the text: logarithmic ones, or whole numbers only.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> numbers(axes.xaxis)
    >>> axes.xaxis.get_major_formatter()(2500.0)
    '2,500'
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    if not log:
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10] if whole else [1, 2, 2.5, 5, 10], integer=whole))
    else:
        low, high = axis.get_view_interval()
        decades = math.log10(high) - math.log10(low)
        subs = (1, 2, 5) if decades < 1.6 else (1, 3) if decades < 3 else (1,)
        axis.set_major_locator(LogLocator(subs=subs, numticks=7))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value))))


def bare(axes: "Axes", *, grid: str = "") -> None:
    """Leave an axes only what the reader needs: no tick marks, and a faint grid along "x", "y" or "both".

    >>> from matplotlib.figure import Figure
    >>> bare(Figure().subplots(), grid="x")
    """
    axes.tick_params(length=0)
    if grid:
        axes.grid(True, axis=cast(Any, grid))
