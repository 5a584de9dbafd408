"""JSON: one strict value (RFC 8259) of bounded depth and size.

Guarantees: depth and the number of values are counted on the text before anything is built; a key stands once in an
object; `NaN` and infinities, which are not JSON, are refused; a character that nobody can see is refused where it is
written as an escape, too.

Threats: nesting that exhausts a parser, texts that unfold into many objects, a doubled key of which two programs
show different values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from tre.airlock.formats.text import decode, invisible_in
from tre.airlock.parsed import Bounds, Card, FileRefusedError, Observation, ParsedFile, Passage, Place

_LONGEST_POINTER = 300
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*"?|[\[\]{},]', re.DOTALL)


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """A JSON file. Raises `FileRefusedError`."""
    value = read_value(data, bounds)
    if isinstance(value, dict) and {"cells", "nbformat"} <= value.keys():
        raise FileRefusedError(Observation("F02", "The file is a notebook.", "Give it the ending .ipynb."))
    passages: list[Passage] = []
    for pointer, text, is_key in strings_of(value):
        place = Place(pointer=pointer[:_LONGEST_POINTER])
        if unseen := invisible_in(text, place):
            raise FileRefusedError(unseen)
        if not is_key:
            passages.append(Passage(text, place))
    shown = json.dumps(value, ensure_ascii=False, indent=2)
    return ParsedFile(kind, len(data), value=value, passages=passages, cards=[Card("text", text=shown)])


def read_value(data: bytes, bounds: Bounds) -> Any:
    """The one value of a JSON text. Raises `FileRefusedError`."""
    text = decode(data)
    _bound(text, bounds)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise FileRefusedError(
            Observation(
                "F02", f"Not JSON: {error.msg}.", "Write it with a JSON library.", place=Place(row=error.lineno)
            )
        ) from error
    except (ValueError, RecursionError) as error:
        raise FileRefusedError(Observation("F02", "The JSON holds a number that no program agrees on.")) from error


def strings_of(value: Any, pointer: str = "") -> Iterator[tuple[str, str, bool]]:
    """Every text of a JSON value: its pointer (RFC 6901), itself, and whether it is a key."""
    if isinstance(value, str):
        yield pointer, value, False
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield pointer, key, True
            yield from strings_of(inner, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from strings_of(inner, f"{pointer}/{place}")


def _bound(text: str, bounds: Bounds) -> None:
    depth = values = 0
    for token in _TOKEN.finditer(text):
        first = token.group()[0]
        if first in "[{":
            depth += 1
            values += 1
        elif first in "]}":
            depth -= 1
        elif first == ",":
            values += 1
        if depth > bounds.json_depth or values > bounds.json_values:
            what = "deeper" if depth > bounds.json_depth else "larger"
            place = Place(offset=token.start())
            raise FileRefusedError(
                Observation("F05", f"The JSON is {what} than allowed.", "Ask for less.", place=place)
            )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise FileRefusedError(Observation("F02", "A key stands twice in one object.", "Give each key once."))
    return built


def _no_constant(name: str) -> NoReturn:
    raise FileRefusedError(Observation("F02", f"{name} is not JSON.", "Write null or a text instead."))
