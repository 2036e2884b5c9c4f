"""Text that is meant to be something else: numbers with a word among them, decimal commas, dates of another style."""

import datetime as dt
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from layerwise.data.numbers import is_number
from layerwise.data.table import Raw, Table
from layerwise.errors import Findings

__all__ = ["check_text", "check_texts"]

SHARE = 0.8
# 1,5 and 1,234.50 and 1 234 and 1'234 and 1.234,5; with a sign of money or percent, if any.
GROUPED = r"\d+(,\d+)*(\.\d+)?|\d{1,3}([ ']\d{3})+([.,]\d+)?|\d{1,3}(\.\d{3})+,\d+"
WRITTEN = rf"^\s*[+-]?[$€£¥]?\s*({GROUPED})\s*[%$€£¥]?\s*$"
DAY = r"\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})"
DATE = rf"^\s*({DAY})([T ]\d{{1,2}}:.*|\s*)$"
ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?$"


def check_texts(table: Table) -> None:
    """Refuse what `check_text` refuses, in any column.

    Raises:
        InputError: with a line for each such column.
    """
    findings = Findings()
    for raw in table.raws:
        if raw.levels is not None and raw.dtype != "category":
            with findings.collected():
                check_text(raw)
    findings.tell()


def check_text(raw: Raw) -> None:
    """Refuse a column of text of which at least four fifths of the cells are numbers or dates.

    A column of text that are all plain numbers passes: they may be codes, like 007.

    Raises:
        InputError: names the column, the first cell that is in the way, and how many there are.

    >>> check_text(Raw("size", np.array([0, 1]), None, pa.array(["1,5", "2,5"]), "string"))
    Traceback (most recent call last):
    layerwise.errors.InputError: column 'size' must write numbers with a point and no other signs; found '1,5' in \
row 0 (2 such cells). Replace the commas and signs (pandas: read_csv(path, sep=';', decimal=',')), or drop the \
column (--drop).
    """
    assert raw.levels is not None
    if not (pa.types.is_string(raw.levels.type) or pa.types.is_large_string(raw.levels.type)):
        return
    present = raw.values >= 0
    # The place -1, of a missing cell, finds the False at the end.
    number, written, date = (
        np.append(mask, False)[raw.values]
        for mask in (is_number(raw.levels), _like(raw.levels, WRITTEN), _like(raw.levels, DATE))
    )
    least = max(SHARE * int(present.sum()), 1)
    _refuse_numbers(raw, present, number, written | number, least)
    if date.sum() >= least:
        _refuse_dates(raw, present, date)


def _refuse_numbers(
    raw: Raw, present: NDArray[np.bool_], number: NDArray[np.bool_], written: NDArray[np.bool_], least: float
) -> None:
    signs = written & ~number
    if signs.any() and written.sum() >= least:
        remedy = (
            "Replace the commas and signs (pandas: read_csv(path, sep=';', decimal=',')), or drop the column (--drop)."
        )
        raise raw.refusal(signs, "must write numbers with a point and no other signs", remedy=remedy)
    share = number.sum() / max(int(present.sum()), 1)
    if number.sum() >= least and share < 1:
        remedy = "Mend the cells, leave them empty, or drop the column (--drop)."
        what = f"must hold one type; {share:.0%} of its cells are numbers"
        raise raw.refusal(present & ~number, what, remedy=remedy)


def _refuse_dates(raw: Raw, present: NDArray[np.bool_], date: NDArray[np.bool_]) -> None:
    words = present & ~date
    if words.any():
        what = f"must hold one type; {date.sum() / present.sum():.0%} of its cells are dates"
        raise raw.refusal(words, what, remedy="Mend the cells, leave them empty, or drop the column (--drop).")
    assert raw.levels is not None
    iso = np.array([_is_day(text) for text in raw.levels.to_pylist()])
    other = date & ~np.append(iso, True)[raw.values]
    if other.any():
        remedy = "Convert them (pandas: to_datetime(column, format=...)), or drop the column (--drop)."
        raise raw.refusal(other, "must write dates like 2024-01-31 or 2024-01-31 12:00:00", remedy=remedy)
    remedy = "Convert the column (pandas: to_datetime), or drop it (--drop)."
    raise raw.refusal(date, "must hold dates as such, and not as text", remedy=remedy)


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text.strip()[:10])
    except ValueError:
        return False
    return bool(re.match(ISO, text.strip()))


def _like(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return found
