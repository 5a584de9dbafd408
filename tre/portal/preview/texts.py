"""Texts of a file, ready to be shown as text: in lines, with everything invisible written out.

Guarantees: what comes out is escaped; a character that a reader could not see, or that would turn or hide its
neighbours, stands there as its number; an overlong line is broken, never cut; the value of a JSON text is laid out anew
with the pointer (RFC 6901) of every line.

Threat: markup, marks that reorder text, and blanks that push a part out of sight.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from markupsafe import Markup, escape

from tre.airlock.parsed import INVISIBLE

LONGEST_LINE = 1000
"""Characters of a line that are shown in one go; the rest of it follows in lines of its own."""

_UNSEEN = re.compile(f"{INVISIBLE.pattern}|[\r\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f]")
"""What the airlock calls invisible, and blanks that are no blanks: fillers, joiners, selectors of variants."""

_HIDDEN = Markup('<span class="view-hidden">{}</span>')


MOST_LINES = 600_000
"""Lines of a text that are shown: what a file of 16 MiB has, unless it was made to have more."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line as shown: its number in the file, whether it goes on from the one before, its pointer in a JSON text."""

    number: int
    text: str
    continued: bool = False
    pointer: str = ""


def visible(text: str) -> Markup:
    """A text for a page: escaped, what is invisible in it written out."""
    if _UNSEEN.search(text) is None:
        return escape(text)
    parts, last = [], 0
    for found in _UNSEEN.finditer(text):
        parts += [escape(text[last : found.start()]), _HIDDEN.format(f"U+{ord(found[0]):04X}")]
        last = found.end()
    return Markup("").join([*parts, escape(text[last:])])


def lines_of(text: str, first: int = 1) -> list[Line]:
    """A text in lines, at most `MOST_LINES` and one more; a line break at its end begins no further line."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n", MOST_LINES)
    lines = (shown for number, line in enumerate(plain, start=first) for shown in _broken(number, line, ""))
    return list(islice(lines, MOST_LINES + 1))


def _broken(number: int, text: str, pointer: str) -> Iterator[Line]:
    yield Line(number, text[:LONGEST_LINE], pointer=pointer)
    for start in range(LONGEST_LINE, len(text), LONGEST_LINE):
        yield Line(number, text[start : start + LONGEST_LINE], continued=True, pointer=pointer)


def lines_of_value(value: Any) -> list[Line]:
    """The value of a JSON text, laid out anew."""
    laid = _laid_out(value, "", "", "")
    lines = (shown for number, (text, at) in enumerate(laid, start=1) for shown in _broken(number, text, at))
    return list(islice(lines, MOST_LINES + 1))


def _laid_out(value: Any, lead: str, indent: str, pointer: str) -> Iterator[tuple[str, str]]:
    """Each line with its pointer; `lead` stands before the value in its first line."""
    if not isinstance(value, dict | list) or not value:
        yield lead + json.dumps(value, ensure_ascii=False), pointer
        return
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    yield lead + opening, pointer
    pairs: Sequence[tuple[Any, Any]] = list(value.items() if isinstance(value, dict) else enumerate(value))
    deeper = indent + "  "
    for place, (key, inner) in enumerate(pairs, start=1):
        name = f"{json.dumps(key, ensure_ascii=False)}: " if isinstance(value, dict) else ""
        held: tuple[str, str] | None = None  # only the last line of what is below gets a comma
        for line in _laid_out(inner, deeper + name, deeper, f"{pointer}/{_step(key)}"):
            if held is not None:
                yield held
            held = line
        if held is not None:
            yield (held[0] + ",", held[1]) if place < len(pairs) else held
    yield indent + closing, pointer


def _step(key: object) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
