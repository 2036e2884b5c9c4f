"""Columns that are samples of one signal, such as a heartbeat, a spectrum or a curve: they have one unit."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from layerwise.data.columns import Column, Constant, Numeric
from layerwise.data.table import Raw

__all__ = ["in_common", "is_signal"]

LEAST_COLUMNS, MOST_ROWS = 20, 2000
TOGETHER, ALIKE = 0.9, 2.0


def is_signal(found: Sequence[tuple[Column, Raw]]) -> bool:
    """Whether columns are like samples of one signal: at least 20, and all numbers, whose neighbours go together.

    The correlation of two neighbours is at least 0.9 in the median, and one spreads at most twice as wide as the other.
    Constant columns are passed over.

    Arguments:
        found: the fitted columns and the training cells of each.

    >>> waves = np.sin(np.linspace(0, 3, 25) + np.linspace(0, 6, 40)[:, None])
    >>> columns = [(Numeric(f"x{j}", 0.0, 1.0), Raw(f"x{j}", waves[:, j])) for j in range(25)]
    >>> is_signal(columns), is_signal(columns[::5])
    (True, False)
    """
    varying = [(column, raw) for column, raw in found if not isinstance(column, Constant)]
    scales = [column.scale for column, raw in varying if isinstance(column, Numeric) and raw.values.dtype.kind in "fiu"]
    if len(scales) < max(LEAST_COLUMNS, len(varying)):
        return False
    if np.median([max(a / b, b / a) for a, b in pairwise(scales)]) > ALIKE:
        return False
    step = max(1, len(varying[0][1].values) // MOST_ROWS)
    samples = (
        column.scaled(raw.take(slice(None, None, step))) for column, raw in varying if isinstance(column, Numeric)
    )
    return bool(np.median([_correlation(a, b) for a, b in pairwise(samples)]) >= TOGETHER)


def in_common(columns: Sequence[Column]) -> tuple[Column, ...]:
    """The same with one scale for all numbers, the root of the mean of their squares.

    >>> [column.scale for column in in_common([Numeric("a", 0.0, 1.0), Numeric("b", 0.0, 7.0)])]
    [5.0, 5.0]
    """
    scales = np.array([column.scale for column in columns if isinstance(column, Numeric)])
    largest = float(scales.max(initial=0.0))
    return tuple(
        replace(column, scale=largest * float(np.sqrt(np.square(scales / largest).mean())), shift=0.0, spread=1.0)
        if isinstance(column, Numeric)
        else column
        for column in columns
    )


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Over the rows that have both; 0 where one is the same in all of them."""
    both = ~(np.isnan(a) | np.isnan(b))
    x, y = (values[both].astype(np.float64) for values in (a, b))
    if not len(x):
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0
