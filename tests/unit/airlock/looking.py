"""What the parser of a file's type and its own remarks say of it: for tests of hostile files by name."""

from __future__ import annotations

from tre.airlock.identify import parse, type_of
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, ParsedFile


def parsed(name: str, data: bytes) -> ParsedFile:
    """The file after its parser. Raises `FileRefusedError`."""
    return parse(type_of(name), data, Bounds())


def said_of(name: str, data: bytes) -> list[Observation]:
    """The reason of the refusal and what was seen beside it, or the remarks of a file that is read."""
    try:
        return parsed(name, data).remarks
    except FileRefusedError as refused:
        return [refused.observation, *refused.also]


def stops(name: str, data: bytes, check: str, says: str) -> bool:
    """Whether this check says these words; the assertion shows everything that was said."""
    said = said_of(name, data)
    assert any(item.check == check and says in item.message for item in said), said
    return True
