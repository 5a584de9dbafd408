"""JSON: one strict value (RFC 8259) of bounded depth and size.

Guarantees: depth and the number of values are counted on the text before anything is built; a key stands once in an
object; `NaN` and infinities, which are not JSON, are refused.

Threats: nesting that exhausts a parser, texts that unfold into many objects, a doubled key of which two programs
show different values.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from tre.airlock.formats.text import decode
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, ParsedFile

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)


def parse_json(data: bytes, bounds: Bounds) -> ParsedFile:
    """A JSON file. Raises `FileRefusedError`."""
    text = decode(data)
    _bound(text, bounds)
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise FileRefusedError(
            Observation("F02", f"Not JSON: {error.msg}.", "Write it with a JSON library.", row=error.lineno)
        ) from error
    except (ValueError, RecursionError) as error:
        raise FileRefusedError(Observation("F02", "The JSON holds a number that no program agrees on.")) from error
    return ParsedFile("json", len(data), value=value)


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
            raise FileRefusedError(
                Observation("F05", f"The JSON is {what} than allowed.", "Ask for less.", offset=token.start())
            )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise FileRefusedError(Observation("F02", "A key stands twice in one object.", "Give each key once."))
    return built


def _no_constant(name: str) -> NoReturn:
    raise FileRefusedError(Observation("F02", f"{name} is not JSON.", "Write null or a text instead."))
