"""What is repaired on the way in, told in one line for each kind of repair."""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import final

import numpy as np
from numpy.typing import NDArray

from layerwise.data.columns import Binary, Column, Constant, Numeric
from layerwise.data.table import NAMED_AT_MOST, Origin, Raw, listing

__all__ = ["Repair", "Repairs", "far", "neither", "repairs_of", "told_once"]

logger = logging.getLogger(__name__)

# Beyond so many deviations a cell is more often a slip, or a mark for a missing value, than a value.
FAR = 10_000.0
# Whole numbers within a smaller range are told apart by float32 in any units.
EXACT_RANGE = 2**22
# By so little of their distance a level may miss itself after rounding.
SAME = 1e-3
AS_SECONDS = r"(date|timestamp|time|duration)\b"


@final
class Repair(Enum):
    """The kinds of repair, with the line that tells them."""

    CONSTANT = "kept out of the network, since all their cells are the same or missing: {}."
    UNSEEN = "seen by no network, since the training rows have one value there or none: {}."
    TYPES = "taken as numbers: {}."
    ROUNDED = "rounded, since they have more digits than a feature: {}. Drop the column if it is an identifier."
    ANOTHER = "taken as another category, since the training rows have none like it: {}."
    MISSING = "taken as missing, since the training rows have two other values: {}."
    BETWEEN = "taken as they are, though the training rows have two other numbers: {}."
    FAR = "squashed, since they lie more than 10,000 deviations away: {}. Leave such a cell empty if it is a slip."


@final
class Repairs:
    """Collects repairs, so that one line tells a kind of them for all columns.

    >>> repairs = Repairs()
    >>> repairs.cells(Repair.MISSING, Raw("age", np.array([1.0, 5.0])), np.array([False, True]))
    >>> repairs.lines()
    ["taken as missing, since the training rows have two other values: 'age', 5.0 in row 1."]
    """

    def __init__(self, origin: Origin | None = None) -> None:
        self.origin = origin or Origin()
        self.found: dict[Repair, list[str]] = {}
        self.more: Counter[Repair] = Counter()
        self.constant: list[str] = []
        self.types: dict[str, list[str]] = {}

    def cells(self, kind: Repair, raw: Raw, bad: NDArray[np.bool_] | None) -> None:
        """Note the cells of a column that are repaired; nothing where there are none."""
        if bad is None or not bad.any():
            return
        found = self.found.setdefault(kind, [])
        # To find the line of a row, a file of text is read again: not for columns that are only counted.
        if len(found) == NAMED_AT_MOST:
            self.more[kind] += 1
        else:
            found.append(f"{raw.name!r}, {raw.found(bad)}")

    def lines(self) -> list[str]:
        """A line for each kind of repair."""
        parts = {kind: "; ".join(found) + _more(self.more[kind]) for kind, found in self.found.items()}
        if self.constant:
            parts[Repair.CONSTANT] = listing(self.constant)
        if self.types:
            parts[Repair.TYPES] = "; ".join(f"{listing(names)} ({words})" for words, names in self.types.items())
        named = f"{self.origin.name}: " if self.origin.name else ""
        return [named + kind.value.format(parts[kind]) for kind in Repair if kind in parts]

    def tell(self, told: set[str] | None = None) -> None:
        """Log each line as a warning.

        Arguments:
            told: lines that are not told again; gets the new ones.
        """
        for line in self.lines():
            if told is None or line not in told:
                logger.warning("%s", line)
            if told is not None:
                told.add(line)


@contextmanager
def told_once() -> Iterator[None]:
    """Within it each line is logged once, however many fits see the same columns and cells."""
    seen: set[str] = set()

    def new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        known = text in seen
        seen.add(text)
        return not known

    logger.addFilter(new)
    try:
        yield
    finally:
        logger.removeFilter(new)


def repairs_of(columns: Sequence[tuple[Column, Raw]], origin: Origin) -> Repairs:
    """What becomes of whole columns: those kept out, those of types that no network knows, and what is rounded."""
    repairs = Repairs(origin)
    for column, raw in columns:
        repairs.cells(Repair.ROUNDED, raw, raw.rounded)
        if isinstance(column, Constant):
            repairs.constant.append(column.name)
            continue
        if isinstance(column, Numeric):
            repairs.cells(Repair.ROUNDED, raw, _rounded(column, raw))
        if isinstance(column, Numeric | Binary) and raw.levels is None and (words := _type(raw)):
            repairs.types.setdefault(words, []).append(column.name)
    return repairs


def far(column: Numeric, x: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """The cells of a feature that are far beyond all others; None where there are none."""
    if column.scaling == "none" or not len(x):
        return None
    reach = column.reach(FAR)
    if not max(np.fmax.reduce(x) - reach[1], reach[0] - np.fmin.reduce(x)) > 0:
        return None
    return (x < reach[0]) | (x > reach[1])


def neither(column: Binary, x: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The cells of a feature that are neither of the two levels."""
    t = x * column.scale + column.center
    return np.minimum(np.abs(t), np.abs(t - 1)) > SAME


def _type(raw: Raw) -> str:
    """The column's type in the source and what it is taken as; empty for plain numbers."""
    if raw.given:
        return f"{raw.given}, as {raw.dtype}"
    if raw.dtype == "bool":
        return "bool, as 0 and 1"
    if re.match(AS_SECONDS, raw.dtype):
        return f"{raw.dtype}, in seconds"
    return f"{raw.dtype}, as float64" if raw.dtype.startswith("decimal") else ""


def _rounded(column: Numeric, raw: Raw) -> NDArray[np.bool_] | None:
    """The whole numbers that do not come back from float32."""
    if raw.values.dtype.kind not in "iu" or int(raw.values.max()) - int(raw.values.min()) < EXACT_RANGE:
        return None
    back = column.decode(column.scaled(raw)[:, None].astype(np.float64)).values
    bad: NDArray[np.bool_] = back != raw.values
    present = raw.present()
    return bad if present is None else bad & present


def _more(count: int) -> str:
    return f" and {count:,} more columns" if count else ""
