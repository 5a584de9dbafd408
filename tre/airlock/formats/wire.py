"""Protocol Buffers, read strictly: every field of a message known, of the right kind, within bounds.

Guarantees: a message is read to its last byte; a field that its table does not name, of another wire type, or longer
than the message is refused; groups, which nobody writes any more, are refused. Standard library only, no recursion.

Source: "Encoding" in the Protocol Buffers documentation (wire types 0 varint, 1 eight bytes, 2 length, 5 four bytes).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

VARINT, EIGHT, LENGTH, FOUR = 0, 1, 2, 5
_LONGEST_VARINT = 10
_LOW, _MORE, _SHIFT = 0x7F, 0x80, 7


class WireError(ValueError):
    """The bytes are no such message; `offset` says where that shows, `unknown` that a field is not known."""

    def __init__(self, message: str, offset: int, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.offset, self.unknown = offset, unknown


@dataclass(frozen=True)
class Field:
    """One field of a message: its number, its value (a number, or a view of bytes), and where it begins."""

    number: int
    value: int | memoryview
    offset: int

    @property
    def view(self) -> memoryview:
        """The bytes of a field that has a length."""
        assert isinstance(self.value, memoryview), "the table of the message says so"
        return self.value

    @property
    def whole(self) -> int:
        """The number of a field that is one."""
        assert isinstance(self.value, int), "the table of the message says so"
        return self.value


def varint(view: memoryview, at: int) -> tuple[int, int]:
    """A number and where it ends. Raises `WireError`."""
    value = 0
    for step in range(_LONGEST_VARINT):
        if at + step >= len(view):
            break
        byte = view[at + step]
        value |= (byte & _LOW) << (_SHIFT * step)
        if byte < _MORE:
            return value, at + step + 1
    raise WireError("a number is cut off or too long", at)


def fields(view: memoryview, known: Mapping[int, tuple[int, ...]], base: int = 0) -> Iterator[Field]:
    """The fields of a message; `known` gives the wire types that each may have. Raises `WireError`."""
    at = 0
    while at < len(view):
        begun = at
        tag, at = varint(view, at)
        number, wire = tag >> 3, tag & 7
        if number not in known or wire not in known[number]:
            raise WireError(f"field {number} is not known here", base + begun, unknown=True)
        value: int | memoryview
        if wire == VARINT:
            value, at = varint(view, at)
        else:
            length = {EIGHT: 8, FOUR: 4}.get(wire, 0)
            if wire == LENGTH:
                length, at = varint(view, at)
            if length > len(view) - at:
                raise WireError("a field is longer than its message", base + begun)
            value, at = view[at : at + length], at + length
        yield Field(number, value, base + at - (len(value) if isinstance(value, memoryview) else 0))


def varints(view: memoryview) -> list[int]:
    """A packed list of numbers, signed as int64. Raises `WireError`."""
    found, at = [], 0
    while at < len(view):
        value, at = varint(view, at)
        found.append(signed(value))
    return found


def signed(value: int) -> int:
    """A number as the int64 that it stands for."""
    return struct.unpack("<q", struct.pack("<Q", value & (1 << 64) - 1))[0]  # type: ignore[no-any-return]
