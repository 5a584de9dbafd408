"""From a file's name to the one strict parser that judges its bytes. Standard library only.

Guarantees: the type is what the ending claims, and the parser of that type must account for every byte, or the file
is refused. Nothing is guessed from content: guessers of file types contradict one another and are wrong somewhere.
"""

from __future__ import annotations

from collections.abc import Callable

from tre.airlock.formats.delimited import parse_delimited
from tre.airlock.formats.jsontext import parse_json
from tre.airlock.formats.png import parse_png
from tre.airlock.formats.text import parse_text
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, ParsedFile

ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "text",
    ".log": "log",
    ".md": "markdown",
    ".json": "json",
    ".png": "png",
}
"""File-name endings, compared without case, and the types they claim."""

UNKNOWN = "unknown"

_PARSERS: dict[str, Callable[[bytes, Bounds], ParsedFile]] = {
    "csv": lambda data, bounds: parse_delimited("csv", data, bounds),
    "tsv": lambda data, bounds: parse_delimited("tsv", data, bounds),
    "text": lambda data, bounds: parse_text("text", data, bounds),
    "log": lambda data, bounds: parse_text("log", data, bounds),
    "markdown": lambda data, bounds: parse_text("markdown", data, bounds),
    "json": parse_json,
    "png": parse_png,
}


def type_of(name: str) -> str:
    """The type that a name claims, or `unknown`."""
    last = name.rsplit("/", 1)[-1]
    dot = last.rfind(".")
    return ENDINGS.get(last[dot:].lower(), UNKNOWN) if dot > 0 else UNKNOWN


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """Judge bytes by the parser of a type. Raises `FileRefusedError`."""
    parser = _PARSERS.get(kind)
    if parser is None:
        raise FileRefusedError(Observation("F02", "No strict parser is known for this type of file."))
    return parser(data, bounds)
