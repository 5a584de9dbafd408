"""What the confined child makes of a file, and what it may say about it. Standard library only.

Guarantees: plain values with bounds; a text that quotes the file is cut short and stripped of everything invisible
before anybody sees it.

Does not guarantee: truth. The child looks at hostile bytes and may have been taken over by them: the parent treats
what it says as a claim about that one file and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

QUOTE_LENGTH = 60
MAX_OBSERVATIONS = 50
"""Findings of one check in one file that are listed one by one; the rest are summed up in one more."""

INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ue000-\uf8ff\ud800-\udfff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
"""Controls, marks that turn or hide text, private and unassignable characters: what a reader cannot see."""


@dataclass(frozen=True)
class Bounds:
    """How much a parser takes before it gives up. See `tre.domain.exports.rules.FileLimits`."""

    rows: int = 5000
    columns: int = 500
    cell_characters: int = 4000
    json_depth: int = 32
    json_values: int = 200_000
    image_pixels: int = 50_000_000


@dataclass(frozen=True)
class Counts:
    """The rules for small counts. See `tre.domain.exports.rules.CountRules`."""

    threshold: int = 10
    zeros_disclosive: bool = False


@dataclass(frozen=True)
class Observation:
    """One thing found: by which check, where, and in what words."""

    check: str
    message: str
    suggestion: str = ""
    row: int | None = None
    column: int | None = None
    offset: int | None = None
    pointer: str | None = None


class FileRefusedError(Exception):
    """The file is not what it claims to be, or more than the bounds allow: nothing further is looked at."""

    def __init__(self, observation: Observation) -> None:
        super().__init__(observation.message)
        self.observation = observation


@dataclass(frozen=True)
class Table:
    """A header and rows of cells as written; `first_row` is the place of the header in the file, from 1."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    first_row: int = 1


@dataclass
class ParsedFile:
    """A file after its strict parser: tables where it has them, the value of a JSON text, and remarks."""

    type: str
    size: int
    tables: list[Table] = field(default_factory=list)
    value: object = None
    remarks: list[Observation] = field(default_factory=list)


def quoted(text: str) -> str:
    """A piece of the file for a message: cut, on one line, without anything invisible."""
    shown = INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\n", " ").replace("\r", " ").replace("\t", " "))
    return f"\u201c{shown[:QUOTE_LENGTH]}{'…' if len(shown) > QUOTE_LENGTH else ''}\u201d"


def bounded(found: list[Observation], of_what: str) -> list[Observation]:
    """At most `MAX_OBSERVATIONS`, and one that says how many more there are."""
    if len(found) <= MAX_OBSERVATIONS:
        return found
    more = len(found) - MAX_OBSERVATIONS
    rest = Observation(found[0].check, f"{more} further {of_what} are not listed one by one.")
    return [*found[:MAX_OBSERVATIONS], rest]
