"""Parquet files, looked at before they are read: their summaries may be forged, and a run of one value has no end."""

import base64
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any, BinaryIO, final

import pyarrow as pa
import pyarrow.parquet as pq

from layerwise.data.ipc import check_schema
from layerwise.data.limits import PARQUET_RATIO, check_columns, check_memory, check_pieces, check_size, check_unfolded
from layerwise.data.thrift import STRUCTURE, Compact
from layerwise.errors import InputError

__all__ = ["read_checked"]

MAGIC = b"PAR1"
FOOTER_BYTES, FOOTER_PARTS = 2**25, 6_000_000
# A header of a page is some 30 bytes long, or longer with statistics; 16 MB is what Arrow's reader takes.
HEADERS, HEADER_PARTS = (2**9, 2**14, 2**19, 2**24), 1000
# The bytes of a value by its type, from truth values on; texts are places in a dictionary.
WIDTHS = (1, 4, 8, 12, 4, 8, 4)
TEXT = 6
# By the type of a page, the field of its header that describes it, and of that the field of its encoding.
DATA, DICTIONARY, DATA_V2 = 0, 2, 3
DESCRIBED = {DATA: (5, 2), DICTIONARY: (7, 2), DATA_V2: (8, 4)}
DELTA_BYTE_ARRAY = 7
BATCH, BATCH_BYTES = 65_536, 2**25


@final
@dataclass(frozen=True)
class Leaf:
    """Values of one type: a column, or a part of one.

    Attributes:
        column: the name of the column.
        whole: whether it is all of the column.
        kind: the type's number.
        width: the bytes of a value.
    """

    column: str
    whole: bool
    kind: int
    width: int


def read_checked(path: Path) -> tuple[pa.Table, frozenset[str]]:
    """What is in a Parquet file, and the names of its columns of text, which are dictionaries.

    Raises:
        InputError: for what unfolds to far more than it takes in the file, too many columns, very many tiny pages.
        ResourceError: beyond the memory that is free.
        ValueError, pa.ArrowException, OSError: for what is no such file.
    """
    chunks = _chunks(path)
    with pq.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    names: list[str] = schema.names
    check_size((rows, max(len(names), 1)), 1, str(path))
    if not rows or len(set(names)) < max(len(names), 1):
        # Without columns there may still be 2**40 rows to go through.
        return schema.empty_table(), frozenset()
    # Texts that repeat stay places in a dictionary; a small file can unfold to gigabytes of text.
    texts = frozenset(f.name for f in schema if _is_text(f.type))
    with pq.ParquetFile(path, read_dictionary=list(texts)) as file:
        folded = {f.name for f in file.schema_arrow if pa.types.is_dictionary(f.type)}
        slow, size = _check_pages(path, chunks, folded)
        if not slow:
            # By row groups: each batch has its own copy of a dictionary.
            return pa.concat_tables([file.read_row_group(i) for i in range(file.num_row_groups)]), texts
        # A name with a dot may mean a part of another column.
        slow = set(names) if any("." in name for name in names) else slow
        quick = [name for name in names if name not in slow]
        tables = [file.read_row_group(i, quick) for i in range(file.num_row_groups)]
        parts = {True: _slowly(path, file, sorted(slow), max(1, min(BATCH, BATCH_BYTES // size)))}
        parts[False] = pa.concat_tables(tables)
    return pa.table([parts[name in slow].column(name) for name in names], names), texts


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _slowly(path: Path, file: pq.ParquetFile, names: Sequence[str], rows: int) -> pa.Table:
    """Some columns in small batches, since nobody knows how large they become."""
    batches, size, packed = [], 0, path.stat().st_size
    for batch in file.iter_batches(rows, columns=names):
        size += batch.nbytes
        check_unfolded(size, packed, str(path), PARQUET_RATIO)
        batches.append(batch)
    return pa.Table.from_batches(batches)


def _chunks(path: Path) -> list[tuple[Leaf, int, int]]:
    """Where the pages of each leaf begin and end in each row group, by the summary at the end of the file.

    This looks at it before Arrow does, which keeps up to a kilobyte for each of its parts.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 8))
        tail = file.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != MAGIC or length > size - 8:
            raise ValueError("its end is not that of a Parquet file")
        if length > FOOTER_BYTES:
            found = f"its summary may have at most {FOOTER_BYTES:,} bytes; found {length:,}"
            raise InputError(f"{path}: {found}. Write it again with larger row groups.")
        file.seek(size - 8 - length)
        footer = Compact(file.read(length), FOOTER_PARTS)
    leaves: list[Leaf] = []
    chunks: list[tuple[Leaf, int, int]] = []
    try:
        for number, kind in footer.fields():
            if number == 2:
                count = footer.structures(kind)
                # The first is the root of all.
                check_columns(count - 1, str(path))
                leaves = _leaves([footer.structure() for _ in range(count)])
            elif number == 4:
                for _ in range(footer.structures(kind)):
                    footer.spend(STRUCTURE)
                    chunks += _group(footer, leaves)
            elif number == 5:
                for _ in range(footer.structures(kind)):
                    footer.spend(STRUCTURE)
                    pair = footer.structure()
                    if pair[1] == b"ARROW:schema":
                        check_schema(base64.b64decode(pair[2]), str(path))
            else:
                footer.value(kind)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError("its summary is not readable") from error
    return chunks


def _leaves(elements: list[dict[int, Any]]) -> list[Leaf]:
    """The leaves of a tree that is written from the root on, each node with the number of its children."""
    leaves, left, column = [], [elements[0].get(5, 0)], ""
    for element in elements[1:]:
        while not left[-1]:
            left.pop()
        left[-1] -= 1
        column = element[4].decode() if len(left) == 1 else column
        if element.get(5, 0) or 1 not in element:
            left.append(element.get(5, 0))
        else:
            kind = element[1]
            width = WIDTHS[kind] if kind < len(WIDTHS) else index(element[2])
            leaves.append(Leaf(column, len(left) == 1, kind, width))
    return leaves


def _group(footer: Compact, leaves: list[Leaf]) -> Iterator[tuple[Leaf, int, int]]:
    """Where the pages of a row group begin and end, leaf by leaf."""
    for number, kind in footer.fields():
        if number != 1:
            footer.value(kind)
            continue
        for i in range(footer.structures(kind)):
            footer.spend(STRUCTURE)
            about = footer.structure()[3]
            # With a dictionary the pages begin there; 0 means that there is none.
            start = min(index(about[9]), index(about.get(11, 0)) or about[9])
            yield leaves[i], start, start + index(about[7])


def _check_pages(path: Path, chunks: list[tuple[Leaf, int, int]], folded: set[str]) -> tuple[set[str], int]:
    """Look at the header of every page before any is unpacked.

    Gives the columns in which a long text may be repeated unfolded, and the bytes of the longest.
    """
    size = cells = pages = longest = 0
    packed, unfolded = path.stat().st_size, set()
    with path.open("rb", buffering=0) as file:
        for leaf, start, end in chunks:
            if not 0 <= start <= end <= packed:
                raise ValueError("a column is not inside of the file")
            plain = leaf.kind == TEXT and not (leaf.whole and leaf.column in folded)
            for values, unpacked, repeats in _pages(file, start, end):
                size, cells, pages = size + max(values * leaf.width, unpacked), cells + values, pages + 1
                if plain and repeats:
                    unfolded.add(leaf.column)
                    longest = max(longest, unpacked)
                check_unfolded(size, packed, str(path), PARQUET_RATIO)
                check_pieces(pages, cells, str(path))
    check_memory(size, str(path))
    return unfolded, longest


def _pages(file: BinaryIO, at: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """The values of each page, its bytes when unpacked, and whether it lets texts repeat."""
    while at < end:
        try:
            head, length = _header(file, at, end)
            kind, unpacked, packed = head[1], head[2], head[3]
            field, encoding = DESCRIBED.get(kind, (0, 0))
            described = head[field] if field else {1: 0}
            values = described[1]
            if min(kind, unpacked, packed, values) < 0:
                raise ValueError("the header of a page is not readable")
            repeats = kind == DICTIONARY or described.get(encoding) == DELTA_BYTE_ARRAY
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("the header of a page is not readable") from error
        yield values, unpacked, repeats
        at += length + packed


def _header(file: BinaryIO, at: int, end: int) -> tuple[dict[int, Any], int]:
    for size in HEADERS:
        file.seek(at)
        header = Compact(file.read(min(size, end - at)), HEADER_PARTS)
        # Where a header is longer than what was read, its next byte is beyond the end.
        with contextlib.suppress(IndexError):
            return header.structure(), header.at
    raise ValueError("the header of a page is too long")
