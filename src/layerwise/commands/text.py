"""The verb on sentences."""

from pathlib import Path

import pyarrow as pa

from layerwise.data import Table, read, read_lines, write
from layerwise.data.table import listing
from layerwise.data.write import OF_TABLES
from layerwise.errors import InputError
from layerwise.estimators import Translator, load
from layerwise.files import atomic_file, check_file
from layerwise.options import DataOptions

__all__ = ["translate"]

LINES = ".txt"


def translate(
    model: Path, source: DataOptions, *, output: Path, beam: int | None, column: str | None, device: str
) -> None:
    """Write the translation of each line of a text, or of each row of a table.

    Raises:
        InputError: for a model that does not translate, rows without the column that it reads, or another ending.
    """
    lines, endings = output.suffix.lower() == LINES, (LINES, *OF_TABLES)
    if output.suffix.lower() not in endings:
        raise InputError(f"{output}: the name must end in {', '.join(endings)}.")
    check_file(output)
    estimator = load(model, device=device)
    if not isinstance(estimator, Translator):
        raise InputError(f"{model}: holds a model that does not translate. Fit one with --task translate.")
    found = estimator.predict(_sentences(estimator, source, column), beam=beam)
    if lines:
        with atomic_file(output) as temporary:
            temporary.write_text("".join(f"{text}\n" for text in found), encoding="utf-8")
    else:
        write(read(pa.table({str(estimator.metrics_.get("target", "translation")): found})), output)


def _sentences(estimator: Translator, source: DataOptions, column: str | None) -> Table:
    """The lines of a text, or a column of a table: the given one, that of `fit`, or the only one."""
    if source.source.lower().endswith(LINES) and column is None:
        return read_lines(source.source)
    table = source.read()
    name = estimator.schema_.names[0] if column is None else column
    if column is None and name not in table.names and len(table.names) > 1:
        raise table.origin.error(
            f"there is no column {name!r}, from which the model translates; there are {listing(table.names)}. "
            "Say which: --column."
        )
    return table if len(table.names) == 1 and column is None else table.select([table.index(name)])
