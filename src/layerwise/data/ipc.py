"""What an Arrow (Feather) file unfolds to, by the messages in it, before Arrow reads any of them."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, final

from layerwise.data.limits import (
    ARROW_RATIO,
    PARQUET_RATIO,
    check_columns,
    check_memory,
    check_pieces,
    check_unfolded,
)

__all__ = ["check_messages", "check_schema"]

MAGIC = b"ARROW1"
MARK = b"\xff" * 4
HEADER_BYTES = 2**25
# In a header: columns and those inside of them; bytes of names and metadata, with what Python takes to look at them.
PARTS = 100_000
TEXT, PAIR = 2**26, 2**7
SCHEMA, DICTIONARY, BATCH = 1, 2, 3
NULL, TIMESTAMP = 1, 10


@final
class Flat:
    """Reads flatbuffers, in which a place may be shared by many owners.

    Source: flatbuffers.dev, "FlatBuffers Internals".
    """

    def __init__(self, data: bytes) -> None:
        self.data = data

    def number(self, kind: str, at: int) -> int:
        """A whole number in the format of `struct`."""
        if at < 0:
            raise ValueError("a header is not readable")
        return int(struct.unpack_from(f"<{kind}", self.data, at)[0])

    def slot(self, table: int, field: int) -> int:
        """Where a field of a table is; 0 where it is absent."""
        names = table - self.number("i", table)
        entry = 4 + 2 * field
        offset = self.number("H", names + entry) if entry < self.number("H", names) else 0
        return table + offset if offset else 0

    def follow(self, table: int, field: int) -> int:
        """Where the table, text or vector is that a field points to; 0 where it is absent."""
        at = self.slot(table, field)
        return at + self.number("I", at) if at else 0

    def vector(self, table: int, field: int) -> tuple[int, int]:
        """Where the elements of a vector begin, and how many there are."""
        at = self.follow(table, field)
        return (at + 4, self.number("I", at)) if at else (0, 0)

    def tables(self, table: int, field: int) -> list[int]:
        """Where the tables of a vector are."""
        start, count = self.vector(table, field)
        if count > PARTS:
            raise ValueError("a header has too many parts")
        return [at + self.number("I", at) for at in range(start, start + 4 * count, 4)]

    def value(self, kind: str, table: int, field: int) -> int:
        """A whole number in a field; 0 where it is absent."""
        at = self.slot(table, field)
        return self.number(kind, at) if at else 0

    def text(self, table: int, field: int) -> int:
        """The length of a text; 0 where it is absent."""
        at = self.follow(table, field)
        return self.number("I", at) if at else 0


def check_schema(data: bytes, source: str) -> None:
    """Look at a schema that is packed as a message.

    Raises:
        InputError: for too many columns.
        ValueError, struct.error: for other parts that are too many, and for what is no such message.
    """
    flat = Flat(data[8 if data[:4] == MARK else 4 :])
    _check_fields(flat, flat.follow(flat.number("I", 0), 2), source)


def check_messages(path: Path) -> None:
    """Look at every message of an Arrow file or stream, of which nothing is unpacked.

    Raises:
        InputError: for too many columns, for what unfolds to far more than it takes in the file, for tiny pieces.
        ResourceError: beyond the memory that is free.
        ValueError, struct.error: for what is no such file.
    """
    packed, source = path.stat().st_size, str(path)
    held = cells = pieces = 0
    cell = 1
    with path.open("rb", buffering=0) as file:
        for kind, flat, header, body in _headers(file, packed):
            if kind == SCHEMA:
                cell = _check_fields(flat, header, source)
            elif kind in (DICTIONARY, BATCH):
                batch = header if kind == BATCH else flat.follow(header, 1)
                held, cells = held + _buffers(flat, batch, file, body), cells + _nodes(flat, batch)
            pieces += 1
            check_unfolded(held, packed, source, ARROW_RATIO)
            check_unfolded(cell * cells, packed, source, PARQUET_RATIO)
            check_pieces(pieces, cells, source)
    check_memory(held, source)


def _headers(file: BinaryIO, size: int) -> Iterator[tuple[int, Flat, int, int]]:
    """The kind of each message, where its header is, and where in the file its body is."""
    for flat, body in _messages(file, size):
        message = flat.number("I", 0)
        if body:
            _check_text(_pairs(flat, message, 4))
            yield flat.value("B", message, 1), flat, flat.follow(message, 2), body
        else:
            # The end of a file, which holds the schema too.
            yield SCHEMA, flat, flat.follow(message, 1), body


def _messages(file: BinaryIO, size: int) -> Iterator[tuple[Flat, int]]:
    """The end of a file and the messages that it lists; the messages of a stream one after the other."""
    if _part(file, 0, len(MAGIC)) != MAGIC:
        at = 0
        while at < size:
            flat, body = _message(file, at)
            if not flat.data:
                return
            yield flat, body
            at = body + max(0, flat.value("q", flat.number("I", 0), 3))
        return
    length = int.from_bytes(_part(file, size - 10, 4), "little")
    flat = Flat(_part(file, size - 10 - length, length))
    footer = flat.number("I", 0)
    _check_text(_pairs(flat, footer, 4))
    yield flat, 0
    for field in (2, 3):
        start, count = flat.vector(footer, field)
        for block in range(start, start + 24 * count, 24):
            at = flat.number("q", block)
            yield _message(file, at)[0], at + flat.number("i", block + 8)


def _message(file: BinaryIO, at: int) -> tuple[Flat, int]:
    head = _part(file, at, 8)
    # Until 2019 there was no mark before the length.
    start = 8 if head[:4] == MARK else 4
    length = int.from_bytes(head[start - 4 : start], "little")
    return Flat(_part(file, at + start, length)), at + start + length


def _part(file: BinaryIO, at: int, length: int) -> bytes:
    if length > HEADER_BYTES:
        raise ValueError(f"a header of {length:,} bytes is too long")
    if not 0 <= at < 2**62:
        raise ValueError("a header is not readable")
    file.seek(at)
    return file.read(length)


def _nodes(flat: Flat, batch: int) -> int:
    """The cells of all columns, and of the columns inside of them."""
    start, count = flat.vector(batch, 1)
    return sum(abs(length) for length, _ in struct.iter_unpack("<qq", flat.data[start : start + 16 * count]))


def _buffers(flat: Flat, batch: int, file: BinaryIO, body: int) -> int:
    """The bytes of all buffers after they are unpacked; those that are packed begin with that number."""
    start, count = flat.vector(batch, 2)
    size, packed = 0, flat.slot(batch, 3)
    for offset, length in struct.iter_unpack("<qq", flat.data[start : start + 16 * count]):
        unpacked = int.from_bytes(_part(file, body + offset, 8), "little", signed=True) if packed and length else -1
        size += abs(length) if unpacked < 0 else unpacked
    return size


def _check_fields(flat: Flat, schema: int, source: str) -> int:
    """Look at the columns of a schema: who points to one twice gets it twice, and its twice as many inside, and so on.

    Gives the least bytes of a cell: some types take nothing in the file, and 8 bytes in a table of ours.
    """
    check_columns(flat.vector(schema, 1)[1], source)
    waiting, text, cell = flat.tables(schema, 1), _pairs(flat, schema, 2), 1
    seen = set(waiting)
    parts = len(waiting)
    while waiting:
        field = waiting.pop()
        inner, kind = flat.tables(field, 5), flat.value("B", field, 2)
        waiting += inner
        seen.update(inner)
        parts += len(inner)
        if parts > len(seen) or parts > PARTS:
            raise ValueError("a header has too many parts, or one twice")
        zone = flat.text(flat.follow(field, 3), 1) if kind == TIMESTAMP else 0
        text += flat.text(field, 0) + zone + _pairs(flat, field, 6)
        _check_text(text)
        cell = 8 if kind == NULL or inner else cell
    return cell


def _pairs(flat: Flat, table: int, field: int) -> int:
    """The bytes of the names and values of metadata, and some for each."""
    return sum(PAIR + flat.text(pair, 0) + flat.text(pair, 1) for pair in flat.tables(table, field))


def _check_text(size: int) -> None:
    if size > TEXT:
        raise ValueError("a header unfolds to too much text")
