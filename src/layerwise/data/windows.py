"""Stretches of a series as rows."""

import logging
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from layerwise.data.columns import Column, Constant, Numeric
from layerwise.data.numbers import numbers, origin_of
from layerwise.data.rows import Rows
from layerwise.data.schema import Schema
from layerwise.data.table import Raw, Table, listing
from layerwise.errors import InputError

__all__ = ["Windows"]

logger = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Windows:
    """A view of a series, whose rows are points of time in their order: row i has the points i to i + length - 1.

    Nothing is copied: the points of a window are brought together when it is read. Its features are those of its first
    point, then those of the second, and so on.

    Arguments:
        length: how many points each window has.

    Raises:
        InputError: for a length below 2.

    >>> series = Table.from_array(np.arange(10.0).reshape(5, 2))
    >>> schema = Schema.fit(series)
    >>> rows = Windows(3).rows(schema.encode(series))
    >>> len(rows), rows.n_features
    (3, 6)
    >>> Windows(3).schema(schema).names[:3]
    ('x0, 2 before', 'x1, 2 before', 'x0, 1 before')
    """

    length: int

    def __post_init__(self) -> None:
        if self.length < 2:
            raise InputError(f"a window must have at least 2 points; got {self.length}. Use no window for single rows.")

    def check(self, table: Table, *, least: int = 1) -> None:
        """Refuse a series that has too few windows.

        Arguments:
            table: the series.
            least: how many windows it must have.

        Raises:
            InputError: for fewer points than so many windows have, and for pictures.
        """
        if table.shape is not None:
            raise table.origin.error("windows are of a series of numbers or categories; found pictures.")
        if len(table) < self.length + least - 1:
            windows = "a window" if least == 1 else f"{least} windows, each of {self.length}"
            raise table.origin.error(
                f"a series must have at least the {self.length + least - 1} points of {windows}; found {len(table)}. "
                "Give a longer series, or fit with a shorter window."
            )

    def points(self, schema: Schema, table: Table) -> Schema:
        """The schema of the points without clocks: numbers that rise from each point to the next have no feature.

        Raises:
            InputError: when no column is left.
        """
        columns: list[Column] = []
        for place, column in enumerate(schema.columns):
            clock = isinstance(column, Numeric) and _rises(table.column(place))
            columns.append(Constant(column.name, None, column.dtype, clock=True) if clock else column)
        if not any(column.width for column in columns):
            raise table.origin.error("a series needs a column that does not only rise, as a clock does; found none.")
        clocks = [old.name for old, new in zip(schema.columns, columns, strict=True) if old is not new]
        if clocks:
            where = f"{table.origin.name}: " if table.origin.name else ""
            logger.warning("%skept out of the network, as they only rise like a clock: %s.", where, listing(clocks))
        widths = [old.width for old in schema.columns]
        kept = np.repeat([old is new for old, new in zip(schema.columns, columns, strict=True)], widths)
        means = np.array(schema.means)[kept].tolist() if schema.means else ()
        return Schema(tuple(columns), schema.named, tuple(means))

    def rows(self, rows: Rows) -> Rows:
        """The windows of encoded points."""
        return rows.windows(self.length)

    def schema(self, schema: Schema) -> Schema:
        """The columns of windows: each column of the points once for every point."""
        names = [f"{lag} before" if lag else "now" for lag in reversed(range(self.length))]
        columns = tuple(replace(column, name=f"{column.name}, {name}") for name in names for column in schema.columns)
        return Schema(columns, schema.named, schema.means * self.length)

    def by_point(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """A score for each point: that of the window that ends there; the first points have that of the first window.

        >>> Windows(3).by_point(np.array([5.0, 7.0]))
        array([5., 5., 5., 7.])
        """
        return np.concatenate([np.repeat(scores[:1], self.length - 1), scores])


def _rises(raw: Raw) -> bool:
    """Whether each cell is above the one before it."""
    x = numbers(raw, origin_of(raw))
    return bool((np.diff(x) > 0).all())
