"""What a paper is made of, before it has pages: headings, paragraphs, lists, and rows of cells."""

from __future__ import annotations

from dataclasses import dataclass

NEW_LINE = "\N{LINE SEPARATOR}"
"""Ends a line within a text."""


@dataclass(frozen=True)
class Run:
    """Letters in one weight; `swatch` is a small field of a colour in their place."""

    text: str
    bold: bool = False
    swatch: str = ""


Text = tuple[Run, ...]


@dataclass(frozen=True)
class Bars:
    """Bars below each other: a colour, and so many percent of the width. The text beside them says the same."""

    bars: tuple[tuple[str, float], ...]


Cell = Text | Bars


@dataclass(frozen=True)
class Part:
    """Begins a page. `title` and `about` stand at the foot of every page of this part."""

    title: str
    about: str


@dataclass(frozen=True)
class Heading:
    """A heading; those of the first two levels become bookmarks."""

    level: int
    text: Text


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; `kind` is how it looks."""

    text: Text
    kind: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list, with numbers or without."""

    items: tuple[Text, ...]
    numbered: bool = False


@dataclass(frozen=True)
class Rows:
    """Rows of cells. The first cell of each is a heading of its row; `head` those of the columns."""

    widths: tuple[float, ...]
    rows: tuple[tuple[Cell, ...], ...]
    head: tuple[Text, ...] = ()


Block = Part | Heading | Paragraph | Bullets | Rows
