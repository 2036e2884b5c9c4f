"""CSV, TSV and the like, through Arrow's reader."""

import codecs
import contextlib
import csv
import functools
import gzip
import io
import itertools
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import pyarrow as pa
import pyarrow.csv as pc

from layerwise.data.arrow import from_arrow
from layerwise.data.damage import damage, one_line
from layerwise.data.limits import check_columns, check_gzip, check_memory
from layerwise.data.numbers import is_number
from layerwise.data.table import Origin, Table, listing
from layerwise.errors import InputError

__all__ = ["read_delimited"]

logger = logging.getLogger(__name__)

SAMPLE = 2**18
SAMPLE_LINES = 100
# A line of 65,536 columns with names of a hundred letters; Arrow's reader takes sixteen of them at once.
LONGEST_LINE = 2**23
BLOCK, BLOCK_LINES = 2**22, 16
# After so many faults of a kind the rest of the file is not searched for more.
MOST_FAULTS = 1000
DELIMITERS = ",;\t|"
MISSING = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "null", "NULL", "None", "?"]
# Bytes that text never begins with, and what they belong to.
NOT_TEXT = {
    b"PK\x03\x04": "an Excel or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"PAR1": "a Parquet file",
}
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@final
@dataclass(frozen=True)
class Dialect:
    """How one file of text is written.

    Attributes:
        encoding: of the characters; UTF-8 where no byte-order mark says otherwise.
        delimiter: between cells.
        header: whether the first line holds names.
        line: length of the first line in bytes.
    """

    encoding: str
    delimiter: str
    header: bool
    line: int

    def records(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """Every record with the line, from 1, on which it begins; slow, for messages."""
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            text = io.TextIOWrapper(file, encoding=self.encoding, errors="replace", newline="")
            reader, line = csv.reader(_lines(text), delimiter=self.delimiter), 1
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1

    def line_of(self, path: Path, row: int) -> int:
        """The line on which a row begins; a quoted cell may hold line breaks, and blank lines are no rows."""
        records, guess = (line for line, _ in self.records(path)), row + 1 + self.header
        with contextlib.suppress(csv.Error):
            return next((line for i, line in enumerate(records) if i == row + self.header), guess)
        return guess


def read_delimited(path: Path) -> Table:
    """A table from a file of text with cells between commas, semicolons, tabs or bars.

    The first line holds the names, unless it holds numbers only. Names are kept to the letter. Missing are
    empty cells, NA, NaN, null, None and ?. A first column without a name numbers the rows, and is left out.

    Raises:
        InputError: for an empty file, a line with more or fewer cells than the first, another encoding than
            UTF-8 (or UTF-16 with a mark), an open quote, a column without a name, a packed file that unfolds to
            far more than it takes on the disk.
        ResourceError: beyond the memory that is free.
    """
    with damage(path, "a table of text"):
        if path.suffix == ".gz":
            check_gzip(path)
        check_memory(path.stat().st_size, str(path))
        dialect = _sniffed(path)
    try:
        table = pc.read_csv(
            path,
            read_options=pc.ReadOptions(
                encoding="utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding,
                autogenerate_column_names=not dialect.header,
                block_size=max(BLOCK, BLOCK_LINES * dialect.line),
            ),
            parse_options=pc.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
            convert_options=pc.ConvertOptions(
                null_values=MISSING + [f" {text}" for text in MISSING], strings_can_be_null=True
            ),
        )
    except (pa.ArrowException, UnicodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _explained(path, dialect, error) from error
    _check_text(path, dialect, table)
    origin = Origin(str(path), functools.partial(dialect.line_of, path))
    if not dialect.header:
        logger.info("%s: the first line holds numbers, so the columns are named x0, x1, ...", path)
        table = table.rename_columns([f"x{i}" for i in range(table.num_columns)])
    found = from_arrow(_named(path, table), origin=origin)
    return replace(found, named=dialect.header)


def _sniffed(path: Path) -> Dialect:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        first = file.readline(LONGEST_LINE)
        sample = first + file.read(SAMPLE)
    for magic, what in NOT_TEXT.items():
        if sample.startswith(magic):
            raise InputError(f"{path}: must be text; it is {what}. Export it as CSV.")
    encoding = next((name for mark, name in BOMS.items() if sample.startswith(mark)), "utf-8")
    if encoding.startswith("utf-8"):
        _check_names(path, first)
    text = sample.decode(encoding, errors="replace")
    if not text.strip():
        raise InputError(f"{path}: must hold a table; it is empty.")
    if "\0" in text:
        line, also = text[: text.index("\0")].count("\n") + 1, _also(text.count("\0"), "bytes")
        raise InputError(f"{path}: must be text; it holds zero bytes, in line {line}{also}. Export it as CSV in UTF-8.")
    check_columns(max(first.count(delimiter.encode()) for delimiter in "\t" + DELIMITERS) + 1, str(path))
    if len(first) == LONGEST_LINE:
        raise InputError(
            f"{path}: a line may have at most {LONGEST_LINE:,} bytes; the first has more. Break the lines."
        )
    lines = text.splitlines(keepends=True)[: SAMPLE_LINES + 1]
    # The last line of the sample may be cut.
    lines = lines[:-1] if len(lines) > 1 and not lines[-1].endswith("\n") and len(sample) >= SAMPLE else lines
    candidates = "\t" + DELIMITERS if path.name.removesuffix(".gz").endswith(".tsv") else DELIMITERS
    delimiter = max(candidates, key=lambda d: _regularity(lines, d))
    try:
        names = next(record for record in csv.reader(lines, delimiter=delimiter) if record)
    except csv.Error as error:
        raise InputError(f"{path}: must be a table of text; {one_line(error)}. Shorten the cell.") from error
    return Dialect(encoding, delimiter, not _is_row(names), len(first))


def _check_names(path: Path, first: bytes) -> None:
    try:
        first.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8; its first line is not. Save the file as UTF-8.") from error


def _regularity(lines: list[str], delimiter: str) -> tuple[float, int]:
    """The share of lines with the usual number of cells, and that number; (0, 0) if it is 1."""
    try:
        counts = Counter(len(record) for record in csv.reader(lines, delimiter=delimiter) if record)
    except csv.Error:
        return 0.0, 0
    cells, times = counts.most_common(1)[0] if counts else (1, 0)
    return (times / counts.total(), cells) if cells > 1 else (0.0, 0)


def _is_row(first: list[str]) -> bool:
    """Whether a first line holds cells, not names: numbers, but not pandas' names 0, 1, 2, ..."""
    cells = first[1:] if first[0] == "" else first
    if cells == [str(i) for i in range(len(cells))] and len(cells) > 1:
        return False
    filled = [cell for cell in cells if cell not in MISSING]
    return bool(filled) and bool(is_number(pa.array(filled)).all())


def _explained(path: Path, dialect: Dialect, error: Exception) -> InputError:
    try:
        records = dialect.records(path)
        _, first = next(records)
        others = ((line, len(record)) for line, record in records if len(record) != len(first))
        ragged = list(itertools.islice(others, MOST_FAULTS))
    except (csv.Error, StopIteration, OSError, EOFError) as stumble:
        return InputError(f"{path}: must be a table of text; {one_line(stumble)}.")
    if not ragged:
        return InputError(f"{path}: must be a table of text; {one_line(error)}.")
    line, cells = ragged[0]
    also = _also(len(ragged), "lines")
    delimiter = {"\t": "tab"}.get(dialect.delimiter, repr(dialect.delimiter))
    return InputError(
        f"{path}: every line must have the {len(first)} cells of the first; line {line} has {cells}{also}, "
        f"with {delimiter} between cells. Mend the line, or put a cell that holds the delimiter in quotes."
    )


def _also(count: int, what: str) -> str:
    least = "at least " if count == MOST_FAULTS else ""
    return f" ({least}{count:,} such {what})" if count > 1 else ""


def _check_text(path: Path, dialect: Dialect, table: pa.Table) -> None:
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_binary(column.type):
            bad = _undecoded(path, dialect)
            place = f"column {name!r} in line {bad[0]}{_also(len(bad), 'lines')}"
            raise InputError(f"{path}: must be UTF-8; {place} is not. Save the file as UTF-8.")
    # An open quote swallows the rest of the file into one cell, at the end of the last column.
    broken = table.num_rows and pa.types.is_string(table.columns[-1].type) and "\n" in str(table.columns[-1][-1])
    if broken and _last(path) != b'"':
        line = dialect.line_of(path, table.num_rows - 1)
        raise InputError(f'{path}: a quote (") opened in line {line} is never closed. Close or remove it.')


def _undecoded(path: Path, dialect: Dialect) -> list[int]:
    """The first lines with characters that are not in the encoding."""
    lines = (line for line, record in dialect.records(path) if any("\ufffd" in cell for cell in record))
    try:
        return list(itertools.islice(lines, MOST_FAULTS)) or [1]
    except csv.Error:
        return [1]


def _last(path: Path) -> bytes:
    """The last byte that is not blank."""
    last = b""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        while chunk := file.read(SAMPLE):
            last = chunk.rstrip()[-1:] or last
    return last


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise csv.Error(f"a line has more than {LONGEST_LINE:,} characters")
        yield line


def _named(path: Path, table: pa.Table) -> pa.Table:
    names = table.column_names
    if len(names) > 1 and names[0] == "":
        logger.info("%s: the first column has no name; it is taken as the number of the row and left out", path)
        table = table.remove_column(0)
    if table.num_columns > 1 and table.column_names[-1] == "" and pa.types.is_null(table.columns[-1].type):
        # Every line ends with a delimiter.
        table = table.remove_column(table.num_columns - 1)
    unnamed = [str(i + 1) for i, name in enumerate(names) if name == "" and "" in table.column_names]
    if unnamed:
        raise InputError(f"{path}: every column needs a name; there is none for column {listing(unnamed)}. Name it.")
    return table
