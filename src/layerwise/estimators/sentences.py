"""Sentences as they come: lists, arrays, columns of frames and tables."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from layerwise.data import Table, read
from layerwise.data.table import Origin, listing, shown
from layerwise.errors import InputError
from layerwise.estimators.frames import is_frame

__all__ = ["name_of", "origin_of", "sentences_of"]


def sentences_of(X: Any) -> list[str]:
    """Sentences as a list of texts; a missing one is empty.

    Arguments:
        X: a list, an array or a column of texts; a frame or a `Table` with one column.

    Raises:
        InputError: for anything that is no text; says which.

    >>> sentences_of(np.array([["Go."], ["Stop."]]))
    ['Go.', 'Stop.']
    """
    if isinstance(X, str | bytes) or not isinstance(X, Iterable | Table):
        raise InputError(f"sentences must come as a list of texts; got {shown(X)}. Put it into a list.")
    if isinstance(X, Table) or is_frame(X):
        X = _column(X if isinstance(X, Table) else read(X))
    cells = np.asarray(X, dtype=object) if isinstance(X, np.ndarray) else list(X)
    if isinstance(cells, np.ndarray) and cells.ndim == 2 and cells.shape[1] == 1:
        cells = cells[:, 0]
    return [_text(cell, number) for number, cell in enumerate(cells)]


def name_of(X: Any, default: str) -> str:
    """The name of the one column that there is, if it has one.

    >>> name_of(["Go."], "source")
    'source'
    """
    table = read(X) if is_frame(X) else X
    return table.names[0] if isinstance(table, Table) and table.named else default


def origin_of(X: Any) -> Origin:
    """Where sentences came from, for messages: lists and frames number them from 0, files of text by their line."""
    return X.origin if isinstance(X, Table) else Origin()


def _column(table: Table) -> Any:
    if len(table.names) != 1:
        raise table.origin.error(
            f"sentences are one column; found {len(table.names)}: {listing(table.names)}. Drop the others (--drop)."
        )
    raw = table.column(0)
    if raw.levels is None and not (raw.dtype == "null" or len(raw.values) == 0):
        raise table.origin.error(f"column {raw.name!r} must hold sentences; it holds {raw.dtype}.")
    return raw.texts()


def _text(cell: Any, number: int) -> str:
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return ""
    if not isinstance(cell, str):
        raise InputError(f"sentences must be texts; number {number} is {shown(cell)}.")
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"sentence {number} holds half of a character, at place {error.start}. Mend it.") from error
    return str(cell)
