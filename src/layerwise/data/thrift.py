"""Thrift's compact protocol, in which Parquet writes its headers."""

from collections.abc import Iterator
from typing import Any, final

__all__ = ["STRUCTURE", "Compact"]

TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
WHOLE = (4, 5, 6)
# How many parts a structure in a list counts for: three bytes of it can become a kilobyte in memory.
STRUCTURE = 12
# A whole number of 64 bits takes at most ten bytes.
LONGEST = 63
UNREADABLE = "a header is not readable"


@final
class Compact:
    """Reads whole numbers, texts and structures; what is in lists is passed over, but counts.

    Arguments:
        data: what begins with what is to be read.
        parts: how many fields and elements may be in it; more are a ValueError.

    Source: Apache Thrift, doc/specs/thrift-compact-protocol.md.

    >>> Compact(bytes([0x15, 0x08, 0x15, 0x03, 0x00]), parts=10).structure()
    {1: 4, 2: -2}
    """

    def __init__(self, data: bytes, parts: int) -> None:
        self.data, self.at, self.parts = data, 0, parts

    def structure(self) -> dict[int, Any]:
        """The fields of a structure by number; None for lists and fractions."""
        found: dict[int, Any] = {}
        data, number = self.data, 0
        while head := data[self.at]:
            kind, byte = head & 15, data[self.at + 1]
            # Nearly all fields are short numbers, and there may be millions.
            if head > 15 and byte < 128 and kind in WHOLE:
                number += head >> 4
                found[number] = byte >> 1 ^ -(byte & 1)
                self.at += 2
            else:
                number, kind = self._field(number)
                found[number] = self.value(kind)
        self.at += 1
        self.spend(len(found))
        return found

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field of a structure, whose value must be taken before the next."""
        number, kind = self._field(0)
        while number:
            yield number, kind
            number, kind = self._field(number)

    def structures(self, kind: int) -> int:
        """How many structures there are in a list; each must be taken. Other readers do not look at the types."""
        count, inner = self._elements()
        if kind != LIST or (inner != STRUCT and count):
            raise ValueError(UNREADABLE)
        return count

    def value(self, kind: int) -> Any:
        """The value of a field."""
        if kind in WHOLE:
            number = self._unsigned()
            return number >> 1 ^ -(number & 1)
        if kind == STRUCT:
            return self.structure()
        if kind == BINARY:
            length = self._unsigned()
            self.at += length
            return self.data[self.at - length : self.at]
        if kind in (LIST, SET):
            count, inner = self._elements()
            self.spend(count * (STRUCTURE if inner == STRUCT else 1))
            for _ in range(count):
                if inner in WHOLE and self.data[self.at] < 128:
                    self.at += 1
                else:
                    self.value(inner)
        elif kind in (BYTE, DOUBLE):
            self.at += 1 if kind == BYTE else 8
        elif kind not in (TRUE, FALSE):
            raise ValueError(UNREADABLE)
        return None

    def spend(self, parts: int) -> None:
        """Take away from the parts that there may be."""
        self.parts -= parts
        if self.parts < 0:
            raise ValueError("a header has too many parts")

    def _field(self, last: int) -> tuple[int, int]:
        head = self.data[self.at]
        self.at += 1
        if not head:
            return 0, 0
        number = last + (head >> 4) if head >> 4 else self._signed()
        # Of a field that comes twice other readers may keep another part.
        if not last < number < 2**15:
            raise ValueError(UNREADABLE)
        return number, head & 15

    def _elements(self) -> tuple[int, int]:
        head = self.data[self.at]
        self.at += 1
        count, kind = head >> 4, head & 15
        count = self._unsigned() if count == 15 else count
        if kind in (TRUE, FALSE, BYTE):
            self.at += count
            return 0, kind
        return count, kind

    def _unsigned(self) -> int:
        byte = self.data[self.at]
        self.at += 1
        result, shift = byte & 127, 7
        while byte > 127:
            if shift > LONGEST:
                raise ValueError(UNREADABLE)
            byte = self.data[self.at]
            self.at += 1
            result |= (byte & 127) << shift
            shift += 7
        return result

    def _signed(self) -> int:
        number = self._unsigned()
        return number >> 1 ^ -(number & 1)
