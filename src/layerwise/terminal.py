"""What a terminal may be shown: names of files and columns must not colour it, move its cursor or hide what follows."""

import logging
from typing import final

__all__ = ["VisibleFormatter", "visible"]


def visible(text: str) -> str:
    r"""The text with every character that does not print, but for line breaks, written out as `repr` does.

    >>> print(visible("\x1b[31mred.csv"))
    \x1b[31mred.csv
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


@final
class VisibleFormatter(logging.Formatter):
    r"""Formats a record, its traceback too, so that a terminal can be shown it.

    >>> print(VisibleFormatter("%(message)s").format(logging.makeLogRecord({"msg": "a\x07.csv"})))
    a\x07.csv
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return visible(super().format(record))
