"""Sixty bad inputs that users meet, each in every form that can hold it."""

import datetime as dt
import decimal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse

ROWS = 30
FRAMES = ("pandas", "polars", "arrow", "parquet")
NAMED = (*FRAMES, "csv")
ALL = ("array", *NAMED)


@dataclass(frozen=True)
class Bad:
    """One bad input and what becomes of it.

    Attributes:
        make: the bad rows: a frame, which is given in each of `forms`; any object as it is; bytes as a file of text.
        says: parts of the message, or of the one line that tells the repair.
        column: the column that must be named, if there is one.
        row: the number of the first bad row, if there is one; in a file of text its line.
        count: how many cells are bad.
        forms: in which the rows are given.
        also: further parts for some form.
        repaired: whether it is a repair, and no error.
        before: good rows to be fitted first; then the bad ones are transformed.
    """

    make: Callable[[], Any]
    says: tuple[str, ...]
    column: str = "x1"
    row: int | None = None
    count: int = 1
    forms: tuple[str, ...] = ALL
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    repaired: bool = False
    before: Callable[[], Any] | None = None

    def located(self, form: str) -> list[str]:
        """What the text must have in one form."""
        parts = [repr(self.column)] if self.column else []
        if self.row is not None:
            parts.append(f"in line {self.row + 2}" if form == "csv" else f"in row {self.row}")
            parts += [f"({self.count:,} such cells)"] if self.count > 1 else []
        return [*parts, *self.says, *self.also.get(form, ())]


def frame(rows: int = ROWS, **columns: Any) -> pd.DataFrame:
    """Three columns of numbers, some of them replaced."""
    g = np.random.default_rng(0)
    usual = {f"x{i}": g.normal(size=rows) for i in range(3)}
    return pd.DataFrame({**usual, **columns})


def among(cells: Any, *bad: Any, rows: tuple[int, ...] = (3, 7)) -> list[Any]:
    """The cells, with bad ones in rows 3 and 7."""
    found = list(cells)
    for row, cell in zip(rows, bad, strict=False):
        found[row] = cell
    return found


def floats() -> list[float]:
    return np.random.default_rng(1).normal(size=ROWS).tolist()


def texts() -> list[str]:
    return [str(number) for number in floats()]


def days(step: int = 1) -> list[dt.date]:
    return [dt.date(2024, 1, 1) + dt.timedelta(days=step * (i % 13)) for i in range(ROWS)]


def cells(column: Any, **columns: Any) -> Callable[[], pd.DataFrame]:
    return lambda: frame(x1=column, **columns)


def whole(*columns: Any) -> Callable[[], pd.DataFrame]:
    """All three columns of one type."""
    return lambda: pd.DataFrame({f"x{i}": column for i, column in enumerate(columns)})


IN_CELLS = {
    "infinity": Bad(cells(among(floats(), np.inf, -np.inf)), ("must be finite", "found inf", "NaN"), row=3, count=2),
    "beyond float32": Bad(cells(among(floats(), 1e35, -1e31)), ("below 1e+30", "found 1e+35"), row=3, count=2),
    "Decimal infinity": Bad(
        cells(among(map(decimal.Decimal, range(ROWS)), decimal.Decimal("Infinity"))),
        ("must be finite",),
        row=3,
        forms=("array", "pandas"),
    ),
    "a word among numbers": Bad(
        cells(among(texts(), "abc")), ("'abc'",), row=3, also=dict.fromkeys(NAMED, ("97% of its cells are numbers",))
    ),
    "words among objects": Bad(
        cells(among(floats(), "abc", "d")), ("'abc'",), row=3, count=2, forms=("array", "pandas", "csv")
    ),
    "half words": Bad(cells([0.5, "t"] * (ROWS // 2)), ("'t'",), row=1, count=ROWS // 2, forms=("array", "pandas")),
    "cells of spaces": Bad(cells(among(texts(), "   ", "  ")), ("'   '",), row=3, count=2),
    "complex numbers": Bad(
        cells(np.array(floats()) + 1j),
        ("omplex",),
        row=0,
        count=ROWS,
        forms=("array", "pandas"),
        also={"array": ("Complex data not supported",)},
    ),
    "Python objects": Bad(
        cells([object() for _ in range(ROWS)]), ("object",), row=0, count=ROWS, forms=("array", "pandas")
    ),
    "lists": Bad(cells([[1, 2]] * ROWS), ("[1, 2]", "list"), row=0, count=ROWS, forms=("array", *FRAMES)),
    "a list among numbers": Bad(cells(among(floats(), [1, 2])), ("[1, 2]",), row=3, forms=("array", "pandas", "csv")),
    "dictionaries": Bad(cells([{"a": 1}] * ROWS), ("{'a': 1}",), row=0, count=ROWS, forms=("array", *FRAMES)),
    "bytes": Bad(cells([b"u", b"v"] * (ROWS // 2)), ("b'u'",), row=0, count=ROWS, forms=("array", *FRAMES)),
    "intervals": Bad(
        cells(pd.interval_range(0, ROWS)), ("must hold numbers",), row=0, count=ROWS, forms=("array", *FRAMES)
    ),
    "decimal commas": Bad(
        cells([f"{i % 7},5" for i in range(ROWS)]),
        ("'0,5'",),
        row=0,
        count=ROWS,
        also=dict.fromkeys(NAMED, ("with a point", "decimal=','")),
    ),
    "thousands between commas": Bad(
        cells(among(range(ROWS), "1,250", "12,000")),
        ("'1,250'",),
        row=3,
        count=2,
        forms=("array", "pandas", "csv"),
        also={"csv": ("with a point",)},
    ),
    "money": Bad(
        cells([f"${i % 9}.50" for i in range(ROWS)]),
        ("'$0.50'",),
        row=0,
        count=ROWS,
        also=dict.fromkeys(NAMED, ("no other signs",)),
    ),
    "dates of another style": Bad(
        cells([day.strftime("%d.%m.%Y") for day in days()]),
        ("'01.01.2024'",),
        row=0,
        count=ROWS,
        also=dict.fromkeys(NAMED, ("2024-01-31", "to_datetime")),
    ),
    "dates that are text": Bad(
        cells([str(day) for day in days()]),
        ("'2024-01-01'",),
        row=0,
        count=ROWS,
        forms=("array", *FRAMES),
        also=dict.fromkeys(FRAMES, ("not as text", "to_datetime")),
    ),
    "a word among dates": Bad(
        cells(among(map(str, days()), "soon")), ("one type; 97% of its cells are dates", "'soon'"), row=3, forms=NAMED
    ),
    "a day that is none": Bad(
        cells(among(map(str, days()), "2024-02-31")), ("must write dates like", "'2024-02-31'"), row=3, forms=NAMED
    ),
    "names and identifiers": Bad(
        cells([f"id{i}" for i in range(ROWS)]),
        ("'id0'",),
        row=0,
        forms=NAMED,
        also=dict.fromkeys(NAMED, ("30 distinct texts in 30 cells", "--drop")),
    ),
    "too many categories": Bad(
        lambda: frame(6000, x1=pd.Categorical([f"l{i % 1200}" for i in range(6000)])),
        ("at most 1,000 categories", "1,200"),
        forms=FRAMES,
    ),
}

IN_SHAPE = {
    "a name twice": Bad(
        lambda: pd.DataFrame(np.eye(4), columns=["a", "b", "a", "c"]),
        ("distinct", "2 times"),
        "a",
        forms=("pandas", "arrow", "csv"),
    ),
    "no name": Bad(lambda: b"a,,c\n1,2,3\n4,5,6\n", ("needs a name", "'2'"), "", forms=("csv",)),
    "names of several types": Bad(
        lambda: pd.DataFrame(np.eye(4), columns=["a", 5, "b", "c"]),
        ("string names", "astype(str)"),
        "",
        forms=("pandas",),
    ),
    "no rows": Bad(lambda: frame().iloc[:0], ("0 sample", "minimum of 2"), "", forms=("array",)),
    "no rows in a table": Bad(lambda: frame().iloc[:0], ("at least one row", "3 columns"), "", forms=NAMED),
    "no columns": Bad(lambda: frame()[[]], ("at least one column",), "", forms=FRAMES),
    "one row": Bad(lambda: frame().iloc[:1], ("at least 2 rows; found 1",), "", forms=NAMED),
    "nothing but constants": Bad(
        whole([7.0] * ROWS, [8.0] * ROWS), ("at least one column must vary",), "x0", forms=ALL
    ),
    "one dimension": Bad(lambda: np.arange(30.0), ("Expected 2D array", "reshape(-1, 1)"), "", forms=("as it is",)),
    "four dimensions": Bad(
        lambda: np.zeros((3, 4, 4, 3)), ("(3, 4, 4, 3)", "layerwise.data.read(array)"), "", forms=("as it is",)
    ),
    "a sparse matrix": Bad(lambda: scipy.sparse.eye_array(9).tocsr(), ("toarray",), "", forms=("as it is",)),
    "a series": Bad(lambda: pd.Series(floats()), ("DataFrame",), "", forms=("as it is",)),
    "a path": Bad(lambda: "table.csv", ("'table.csv'", "layerwise.data.read"), "", forms=("as it is",)),
    "rows of several lengths": Bad(
        lambda: [[1, 2, 3], [1, 2, 3], [1, 2], [4, 5, 6]],
        ("3 cells of the first", "[1, 2] in row 2"),
        "",
        forms=("as it is",),
    ),
    "an array of dates": Bad(
        lambda: np.array([days()] * 2, "datetime64[D]").T,
        ("real numbers; found datetime64",),
        "",
        forms=("as it is",),
    ),
}

IN_FILES = {
    "an empty file": Bad(lambda: b"", ("it is empty",), "", forms=("csv", "parquet")),
    "a cell too many": Bad(
        lambda: b"a,b\n1,2\n3,4,5\n6\n7,8\n",
        ("2 cells of the first", "line 3 has 3 (2 such lines)"),
        "",
        forms=("csv",),
    ),
    "latin-1": Bad(
        lambda: "a,b\n1,x\n2,é\n3,é\n".encode("latin-1"), ("UTF-8", "in line 3 (2 such lines)"), "b", forms=("csv",)
    ),
    "an open quote": Bad(lambda: b'a,b\n1,u\n2,"x\n3,v\n', ("line 3", "never closed"), "", forms=("csv",)),
    "zero bytes": Bad(lambda: b"a,b\n1,2\n\0,\0\n", ("zero bytes, in line 3 (2 such",), "", forms=("csv",)),
}

IN_TRANSFORM = {
    "a column missing": Bad(lambda: frame().drop(columns="x1"), ("x1", "missing"), "", forms=NAMED, before=frame),
    "a column too many": Bad(lambda: frame(extra=1.5), ("extra",), "", forms=NAMED, before=frame),
    "columns in another order": Bad(
        lambda: frame()[["x1", "x0", "x2"]], ("order",), "", forms=FRAMES[:3], before=frame
    ),
    "another number of columns": Bad(
        lambda: frame().iloc[:, :2], ("2 features", "expecting 3"), "", forms=("array",), before=frame
    ),
    "text where numbers were": Bad(cells(among(texts(), "abc", "d")), ("'abc'",), row=3, count=2, before=frame),
    "dates where numbers were": Bad(
        cells(days()), ("must hold numbers, as in training",), row=0, count=ROWS, forms=NAMED, before=frame
    ),
    "numbers where dates were": Bad(
        frame, ("must hold", "as in training", "to_datetime"), row=0, count=ROWS, forms=NAMED, before=cells(days())
    ),
    "infinity in new rows": Bad(cells(among(floats(), np.inf)), ("must be finite",), row=3, before=frame),
}

REPAIRED = {
    "a constant column": Bad(cells([7.0] * ROWS), ("kept out of the network",), repaired=True),
    "an outlier of 10^12": Bad(cells(among(floats(), 1e12, 1e12)), ("squashed",), row=3, count=2, repaired=True),
    "whole numbers beyond float32": Bad(
        whole(range(ROWS), [2**40 * i + 1 for i in range(ROWS)]),
        ("rounded", "more digits"),
        row=0,
        count=ROWS - 3,
        repaired=True,
    ),
    "Decimal": Bad(
        cells([decimal.Decimal(i) / 8 for i in range(ROWS)]), ("decimal(", "as float64"), forms=FRAMES, repaired=True
    ),
    "bool": Bad(whole(*np.random.default_rng(0).random((3, ROWS)) < 0.5), ("bool, as 0 and 1",), repaired=True),
    "nullable and Arrow-backed columns": Bad(
        lambda: frame(
            x1=pd.array(among(range(ROWS), None), "Int64"), x2=pd.array(among(floats(), None), "double[pyarrow]")
        ),
        ("Int64, as int64", "'x2' (double[pyarrow], as"),
        forms=("pandas",),
        repaired=True,
    ),
    "timestamps": Bad(
        cells(pd.to_datetime(days()).tz_localize("Europe/Berlin")),
        ("timestamp[", "in seconds"),
        forms=NAMED,
        repaired=True,
    ),
    "an unseen category": Bad(
        cells(among(list("abc") * (ROWS // 3), "z", "y")),
        ("another category", "'z'"),
        row=3,
        count=2,
        forms=NAMED,
        repaired=True,
        before=cells(list("abc") * (ROWS // 3)),
    ),
    "a third number": Bad(
        cells(among([0.0, 1.0] * (ROWS // 2), 5.0)),
        ("two other numbers", "5.0"),
        row=3,
        repaired=True,
        before=cells([0.0, 1.0] * (ROWS // 2)),
    ),
}

CASES = {**IN_CELLS, **IN_SHAPE, **IN_FILES, **IN_TRANSFORM, **REPAIRED}

# Odd, but nothing is lost: they are taken without a word.
FINE = {
    "missing cells": frame(x1=among(floats(), np.nan)),
    "None among objects": frame(x1=pd.Series(among(floats(), None), dtype=object)),
    "float16": frame(x1=np.array(floats(), np.float16)),
    "negative zero": frame(x1=among(floats(), -0.0)),
    "denormals": frame(x1=np.array(floats()) * 1e-310),
    "whole numbers beyond 2**53": frame(x1=2**60 + np.arange(ROWS)),
    "levels that nobody has": frame(x1=pd.Categorical(list("abc") * (ROWS // 3), categories=list("abcdef"))),
    "polars": pl.from_pandas(frame(x1=list("abc") * (ROWS // 3))),
    "Arrow": pa.table({"a": list(range(ROWS)), "b": floats()}),
    "masked cells": np.ma.masked_greater(frame().to_numpy(), 2),
    "numbers as names": pd.DataFrame(frame().to_numpy(), columns=[5, 6, 7]),
}
