"""A table as it came: columns with their own types, or one array."""

import datetime as dt
import decimal
import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from layerwise.errors import InputError

__all__ = ["Origin", "Raw", "Table", "listing", "shown"]

NAMED_AT_MOST = 5


@final
@dataclass(frozen=True, eq=False)
class Origin:
    """Where a table came from, for messages.

    Rows of files of text are named by their line, counted from 1; all others by their number, counted from 0.

    >>> Origin("people.csv", line=lambda row: row + 2).row(0), Origin().row(0)
    ('line 2', 'row 0')
    """

    name: str = ""
    line: Callable[[int], int] | None = None
    rows: NDArray[np.int64] | None = None

    def row(self, number: int) -> str:
        """How to call the row of that number."""
        number = number if self.rows is None else int(self.rows[number])
        return f"row {number}" if self.line is None else f"line {self.line(number)}"

    def found(self, bad: NDArray[np.bool_], value: Any) -> str:
        """The first bad cell, where it is, and how many there are.

        Arguments:
            bad: True for such cells of a column.
            value: the first of them.

        >>> Origin().found(np.array([False, True, True]), "x")
        "'x' in row 1 (2 such cells)"
        """
        count = int(bad.sum())
        also = f" ({count:,} such cells)" if count > 1 else ""
        return f"{shown(value)} in {self.row(int(np.argmax(bad)))}{also}"

    def take(self, index: NDArray[Any] | slice, count: int) -> "Origin":
        """The origin of some of the rows."""
        return replace(self, rows=(np.arange(count) if self.rows is None else self.rows)[index])

    def error(self, text: str) -> InputError:
        """An error whose line begins with the name."""
        return InputError(f"{self.name}: {text}" if self.name else text)


@final
@dataclass(frozen=True, eq=False)
class Raw:
    """One column: numbers, times, or level numbers.

    Attributes:
        name: as the source spells it.
        values: a number a row; datetime64 or timedelta64 for times; a place in `levels` for text, categories.
        valid: False where missing, or None; NaN, NaT and the place -1 are missing anyhow.
        levels: the distinct texts or categories; None for numbers and times.
        dtype: the source's type: a NumPy name, or "string", "category", "date", "timestamp[us, UTC]",
            "time[us]", "duration[us]", "decimal(10, 2)", "null".
        given: the source's own name of the type, where `dtype` is what its cells were taken as.
        rounded: True for cells that float64 could not hold to the last digit; None when it holds all.
        flaw: why nothing can be made of its cells; empty where something can. Told when the column is asked for, so
            that it can be dropped before.
    """

    name: str
    values: NDArray[Any]
    valid: NDArray[np.bool_] | None = None
    levels: pa.Array | None = None
    dtype: str = "float64"
    origin: Origin = field(default_factory=Origin)
    given: str = ""
    rounded: NDArray[np.bool_] | None = None
    flaw: str = ""

    def present(self) -> NDArray[np.bool_] | None:
        """True where there is a value; None when all cells have one."""
        valid, kind = self.valid, self.values.dtype.kind
        if self.levels is not None:
            valid = self.values >= 0
        elif kind in "fmM":
            known = ~(np.isnan(self.values) if kind == "f" else np.isnat(self.values))
            valid = known if valid is None else valid & known
        return None if valid is None or bool(valid.all()) else valid

    def take(self, index: NDArray[Any] | slice) -> "Raw":
        """Some of the cells."""
        valid = None if self.valid is None else self.valid[index]
        rounded = None if self.rounded is None else self.rounded[index]
        origin = self.origin.take(index, len(self.values))
        return replace(self, values=self.values[index], valid=valid, origin=origin, rounded=rounded)

    def texts(self) -> NDArray[np.object_]:
        """The cells as Python values, None where missing."""
        if self.levels is not None:
            places = pa.array(self.values, mask=self.values < 0)
            return np.array(self.levels.take(places).to_pylist(), dtype=object)
        values: NDArray[np.object_] = self.values.astype(object)
        present = self.present()
        if present is not None:
            values[~present] = None
        return values

    def found(self, bad: NDArray[np.bool_]) -> str:
        """The first bad cell, where it is, and how many there are."""
        first = int(np.argmax(bad))
        return self.origin.found(bad, self.take(slice(first, first + 1)).texts()[0])

    def refusal(self, bad: NDArray[np.bool_], what: str, *, remedy: str) -> InputError:
        """An error that names the column, the first bad cell and how many there are.

        >>> raw = Raw("age", np.array([1.0, np.inf]))
        >>> raw.refusal(np.isinf(raw.values), "must be finite", remedy="Drop it.")
        InputError("column 'age' must be finite; found inf in row 1. Drop it.")
        """
        return self.origin.error(f"column {self.name!r} {what}; found {self.found(bad)}. {remedy}")


@final
@dataclass(frozen=True, eq=False)
class Table:
    """Rows as they came from a file, a frame or an array; never changed. Made by `read` or `from_array`.

    Attributes:
        names: a name a column; x0, x1, ... where the source has none. A picture has a column for each pixel.
        raws: the columns; empty when `array` holds them.
        array: all columns in one array of shape (rows, columns), or None.
        named: whether the names are the source's.
        shape: height and width of a picture, and its channels if in colour; None for tables.
        labels: something known about each row that is not a feature.
        label: the name of the column that they were; empty where they were none.
        test: the data set's own test rows.
        origin: where the rows came from.
    """

    names: tuple[str, ...]
    raws: tuple[Raw, ...] = ()
    array: NDArray[Any] | None = None
    named: bool = False
    shape: tuple[int, ...] | None = None
    labels: NDArray[Any] | None = None
    label: str = ""
    test: "Table | None" = None
    origin: Origin = field(default_factory=Origin)

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            name, count = Counter(self.names).most_common(1)[0]
            raise self.origin.error(f"column names must be distinct; found {name!r} {count} times. Rename all but one.")
        if not self.names:
            raise self.origin.error("a table needs at least one column; found none. Keep some.")
        if len(self) == 0:
            raise self.origin.error(
                f"a table needs at least one row; found {len(self.names)} columns and no row. Add rows."
            )
        if self.labels is not None and len(self.labels) != len(self):
            raise self.origin.error(f"{len(self):,} rows need as many labels; found {len(self.labels):,}.")

    @staticmethod
    def from_array(
        array: NDArray[Any],
        *,
        names: Sequence[str] | None = None,
        labels: NDArray[Any] | None = None,
        test: "Table | None" = None,
        origin: Origin | None = None,
    ) -> "Table":
        """A table that keeps the given array of numbers; nothing is copied and NaN means missing.

        Arguments:
            array: shape (rows, columns); or pictures, shape (rows, height, width[, channels]).
            names: a name a column; x0, x1, ... without.
            labels: one a row.
            test: the data set's own test rows.
            origin: for messages.

        Raises:
            InputError: for another number of dimensions, for values that are not real numbers, for no rows.

        >>> Table.from_array(np.zeros((5, 2))).names
        ('x0', 'x1')
        """
        origin = origin or Origin()
        if array.ndim not in (2, 3, 4):
            remedy = "Use reshape(-1, 1) for one column." if array.ndim == 1 else "Reshape it."
            raise origin.error(f"an array must be (rows, columns), or 3-D or 4-D; found shape {array.shape}. {remedy}")
        if array.dtype.kind not in "biuf":
            raise origin.error(
                f"an array must hold real numbers; found {array.dtype}. Convert it, or give a data frame."
            )
        if array.dtype.itemsize > 8:
            array = array.astype(np.float64)
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        shape = array.shape[1:] if array.ndim > 2 else None
        flat = array.reshape(len(array), int(np.prod(array.shape[1:])))
        return Table(
            tuple(names) if names is not None else tuple(f"x{i}" for i in range(flat.shape[1])),
            array=flat,
            named=names is not None,
            shape=shape,
            labels=labels,
            test=test,
            origin=origin,
        )

    def __len__(self) -> int:
        return len(self.array) if self.array is not None else len(self.raws[0].values)

    @property
    def source(self) -> str:
        """What the rows came from: a path or a name; empty for rows given in memory."""
        return self.origin.name

    def column(self, index: int) -> Raw:
        """One column with its mask and type.

        Raises:
            InputError: where nothing can be made of its cells.
        """
        if self.array is None:
            if self.raws[index].flaw:
                raise self.origin.error(self.raws[index].flaw)
            return self.raws[index]
        return Raw(self.names[index], self.array[:, index], dtype=self.array.dtype.name, origin=self.origin)

    def index(self, name: str) -> int:
        """The place of a column.

        Raises:
            InputError: where there is none of that name; it offers those that are spelled alike.
        """
        if name in self.names:
            return self.names.index(name)
        near = difflib.get_close_matches(name, self.names, n=3) or self.names
        raise self.origin.error(f"there is no column {name!r}; there are {listing(near)}.")

    def take(self, index: NDArray[Any] | slice) -> "Table":
        """Some of the rows: by numbers, a mask or a slice."""
        return replace(
            self,
            raws=tuple(raw.take(index) for raw in self.raws),
            array=None if self.array is None else self.array[index],
            labels=None if self.labels is None else self.labels[index],
            origin=self.origin.take(index, len(self)),
        )

    def drop(self, names: Sequence[str]) -> "Table":
        """The table without some columns.

        Raises:
            InputError: for a name that is not there, or if no column is left.

        >>> Table.from_array(np.zeros((5, 3))).drop(["x1"]).names
        ('x0', 'x2')
        """
        gone = {self.index(name) for name in names}
        return self.select([i for i in range(len(self.names)) if i not in gone])

    def select(self, places: Sequence[int]) -> "Table":
        """Some of the columns, in the given order; pictures become tables."""
        return replace(
            self,
            names=tuple(self.names[i] for i in places),
            raws=tuple(self.raws[i] for i in places) if self.raws else (),
            array=None if self.array is None else self.array[:, list(places)],
            # The names x0, x2 of what is left of an unnamed table say which columns they were.
            named=self.named or len(places) != len(self.names),
            shape=None,
            test=None if self.test is None else self.test.select(places),
        )

    def with_label(self, name: str) -> "Table":
        """The table with one of its columns moved into `labels`.

        >>> Table.from_array(np.arange(4).reshape(2, 2)).with_label("x1").labels
        array([1, 3])
        """
        raw = self.column(self.index(name))
        labels = raw.values
        if raw.levels is not None or labels.dtype.kind in "mM":
            labels = np.array(["" if text is None else str(text) for text in raw.texts()])
        elif (present := raw.present()) is not None:
            labels = np.where(present, labels.astype(np.float64), np.nan)
        test = None if self.test is None else self.test.with_label(name)
        rest = replace(self, test=None).drop([name])
        return replace(rest, labels=labels, label=name, test=test)

    def to_array(self) -> NDArray[Any]:
        """All columns as one array of numbers, NaN where missing; pictures in their shape.

        Raises:
            InputError: for a column of text or times.
        """
        if self.array is not None:
            return self.array if self.shape is None else self.array.reshape(len(self), *self.shape)
        columns = []
        for raw in map(self.column, range(len(self.names))):
            if raw.levels is not None or raw.values.dtype.kind not in "biuf":
                raise self.origin.error(
                    f"an array holds numbers only; column {raw.name!r} holds {raw.dtype}. "
                    "Write CSV or Parquet, or drop the column."
                )
            present = raw.present()
            columns.append(raw.values if present is None else np.where(present, raw.values.astype(np.float64), np.nan))
        return np.column_stack(columns)


def listing(names: Sequence[str]) -> str:
    """The first few names and how many more there are.

    >>> listing(["a", "b"])
    "'a', 'b'"
    """
    first = ", ".join(repr(name) for name in names[:NAMED_AT_MOST])
    more = len(names) - NAMED_AT_MOST
    return f"{first} and {more:,} more" if more > 0 else first


def shown(value: Any) -> str:
    """A cell for a message, cut where it is long.

    >>> shown(np.float64(0.5)), shown("a" * 50), shown(dt.date(2024, 1, 31))
    ('0.5', "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...", '2024-01-31')
    """
    value = value.item() if isinstance(value, np.generic) else value
    plain = isinstance(value, dt.date | dt.time | dt.timedelta | decimal.Decimal)
    text = str(value) if plain else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
