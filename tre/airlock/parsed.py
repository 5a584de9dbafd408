"""What the confined child makes of a file, and what it may say about it. Standard library only.

Guarantees: plain values with bounds; a text that quotes the file is cut short and stripped of everything invisible
before anybody sees it; a place names where in the file something stands, in the terms of whoever looks for it there.

Does not guarantee: truth. The child looks at hostile bytes and may have been taken over by them: the parent treats
what it says as a claim about that one file and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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
    pages: int = 100


@dataclass(frozen=True)
class Rules:
    """What the policy says of content. See `tre.domain.exports.disclosure` for units and sources."""

    threshold: int = 10
    zeros_disclosive: bool = False
    rounding: str = "none"
    rounding_base: int = 5
    dominance_contributors: int = 2
    dominance_percent: int = 90
    ratio_percent: int = 10
    residual_degrees: int = 10
    recoverable_width: int = 5
    linked_values: int = 3
    linked_rows: int = 3
    linked_percent: int = 1
    image_distance: int = 60
    image_grey_levels: int = 64
    marks_fewest: int = 50
    marks_percent: int = 10
    marks_most: int = 200


@dataclass(frozen=True)
class Place:
    """Where in a file something stands. Everything counts from 1, a table's header row included; bytes from 0.

    `cell` and `output` are a notebook's; `pointer` is a JSON pointer (RFC 6901), or a page's table: `/table/2`.
    """

    sheet: str | None = None
    page: int | None = None
    cell: int | None = None
    output: int | None = None
    row: int | None = None
    column: int | None = None
    offset: int | None = None
    pointer: str | None = None


@dataclass(frozen=True)
class Observation:
    """One thing found: by which check, where, and in what words. `case` is one of the check's cases, if any."""

    check: str
    message: str
    suggestion: str = ""
    place: Place = Place()
    case: str = ""


class FileRefusedError(Exception):
    """The file is not what it claims to be, or more than the bounds allow: nothing further is looked at.

    `also` is what was seen beside the reason.
    """

    def __init__(self, observation: Observation, also: Sequence[Observation] = ()) -> None:
        super().__init__(observation.message)
        self.observation = observation
        self.also = tuple(also)


@dataclass(frozen=True)
class Table:
    """A header and rows of cells as written; `first_row` is the place of the header in the file, from 1.

    `first_column` is the place of the first column, where a table does not begin at its sheet's edge. `within` says
    where in the file the table itself stands: a sheet, a page, a notebook's output. `lines` are the places of the
    rows where they do not follow one another, as in printed tables with rulers; empty where they do.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    first_row: int = 1
    title: str = ""
    within: Place = Place()
    first_column: int = 1
    lines: Sequence[int] = ()

    def at(self, row: int | None = None, column: int | None = None) -> Place:
        """The place of a cell: `row` and `column` count from 0 in the table's body; without a row, its header."""
        line = self.first_row if row is None else self.lines[row] if self.lines else self.first_row + 1 + row
        return replace(self.within, row=line, column=None if column is None else self.first_column + column)


@dataclass(frozen=True)
class Passage:
    """A piece of text of a file and where it stands; `kind` is text, code, output, metadata, label, or cell.

    A passage of several lines stands where its first line does.
    """

    text: str
    place: Place = Place()
    kind: str = "text"


@dataclass(frozen=True)
class Picture:
    """A decoded raster: eight-bit grey levels, row by row, of a copy at most `PICTURE_SIDE` pixels wide and high.

    `width` and `height` are those of the copy, `full` those of the picture itself; `coloured` is how many thousandths
    of the pixels are clearly no grey.
    """

    width: int
    height: int
    grey: bytes
    full: tuple[int, int]
    coloured: int = 0
    place: Place = Place()


PICTURE_SIDE = 512


@dataclass(frozen=True)
class Card:
    """One piece of what a person is shown of a file: text, code, a table, a picture (PNG) or a drawing (SVG)."""

    kind: str
    title: str = ""
    text: str = ""
    table: int | None = None
    data: bytes = b""
    place: Place = Place()


@dataclass(frozen=True)
class Tensor:
    """An array of numbers of a model: its name, kind (`F32`, `I64`, …), shape, and bytes in little-endian order."""

    name: str
    kind: str
    shape: tuple[int, ...]
    data: bytes | memoryview = b""
    place: Place = Place()


@dataclass
class Model:
    """What a model file holds: its tensors, its operators with how often each stands, and how many texts lie in it."""

    tensors: list[Tensor] = field(default_factory=list)
    operators: dict[str, int] = field(default_factory=dict)
    texts: int = 0


@dataclass(frozen=True)
class Package:
    """What a Python package says of itself: project and version in one spelling, and the tags of what it is for.

    `pure`: it calls itself free of compiled code.
    """

    project: str
    version: str
    tags: tuple[str, ...]
    pure: bool


@dataclass
class ParsedFile:
    """A file after its strict parser, and everything that the checks and the people look at.

    `value` is a JSON text's value. `marks` counts the repeated marks of a vector figure by shape. `lossy` says, in
    words, what the cards do not show; empty where they show everything.
    """

    type: str
    size: int
    tables: list[Table] = field(default_factory=list)
    value: object = None
    passages: list[Passage] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    cards: list[Card] = field(default_factory=list)
    model: Model | None = None
    package: Package | None = None
    lossy: str = ""
    remarks: list[Observation] = field(default_factory=list)


@dataclass(frozen=True)
class Surroundings:
    """What a check knows beside the file: the policy's rules, labels that people gave to columns, and the slice.

    `labels` maps a column's title to a role of `tre.airlock.tables.roles`. `slice` holds the indexes of what was
    mounted, as bundled by `tre.airlock.sliceindex`; empty where none is known. `people` is how many people are in the
    slice, `name` the file's own name.
    """

    rules: Rules = Rules()
    labels: dict[str, str] = field(default_factory=dict)
    people: int = 0
    slice: bytes = b""
    name: str = ""


def quoted(text: str) -> str:
    """A piece of the file for a message: cut, on one line, without anything invisible."""
    shown = INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\n", " ").replace("\r", " ").replace("\t", " "))
    return f"\u201c{shown[:QUOTE_LENGTH]}{'…' if len(shown) > QUOTE_LENGTH else ''}\u201d"


def bounded(found: list[Observation], of_what: str) -> list[Observation]:
    """At most `MAX_OBSERVATIONS`, and one that says how many more there are."""
    if len(found) <= MAX_OBSERVATIONS:
        return found
    more = len(found) - MAX_OBSERVATIONS
    rest = Observation(found[0].check, f"{more} further {of_what} are not listed one by one.", case=found[0].case)
    return [*found[:MAX_OBSERVATIONS], rest]
