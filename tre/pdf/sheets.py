"""Sheets of paper on which lines are drawn, each line named by the part of the page that it belongs to.

Guarantees: whatever is drawn is either content, with its place in the structure, or decoration that readers of screens
skip. Only letters that `tre.pdf.letters.drawable` let through come here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tre.pdf.blocks import Part, Run
from tre.pdf.letters import faces
from tre.pdf.lines import SWATCH, width_of

WIDTH, HEIGHT = 595.28, 841.89
"""A4, in points."""
MARGIN, TOP, BOTTOM = 54.0, 54.0, 74.0
INNER = WIDTH - 2 * MARGIN
BLACK, GREY, BLUE = "0.13 0.17 0.2", "0.3 0.38 0.45", "0 0.37 0.72"
COLOURS = {
    "ground": "0.88 0.9 0.91",
    "ours": BLUE,
    "all": "0.46 0.53 0.57",
    "reference": "0.68 0.15 0.45",
    "warn": "0.84 0.16 0.11",
}


class Mark(NamedTuple):
    """A piece of content: its sheet, and its number there."""

    sheet: int
    number: int


@dataclass
class Element:
    """A part of the page's structure, by its name in PDF (ISO 32000-1, 14.8.4); `scope` of a heading of cells."""

    tag: str
    inside: list[Element | Mark] = field(default_factory=list)
    scope: str = ""

    def add(self, tag: str, scope: str = "") -> Element:
        """A part within this one."""
        made = Element(tag, scope=scope)
        self.inside.append(made)
        return made


@dataclass
class Sheet:
    """One page: what draws it, and to which element each of its marks belongs."""

    foot: Part
    orders: list[str] = field(default_factory=list)
    marks: list[Element] = field(default_factory=list)


class Sheets:
    """All pages, and the shapes that were used of each font."""

    def __init__(self) -> None:
        self.sheets: list[Sheet] = []
        self.used: tuple[dict[int, str], dict[int, str]] = ({}, {})

    def turn(self, foot: Part) -> None:
        """Begin a page."""
        self.sheets.append(Sheet(foot))

    def write(self, line: Iterable[Run], at: tuple[float, float], size: float, colour: str, into: Element) -> None:
        """Draw one line whose place on its baseline this is, as content of an element."""
        sheet = self.sheets[-1]
        mark = Mark(len(self.sheets) - 1, len(sheet.marks))
        sheet.marks.append(into)
        into.inside.append(mark)
        sheet.orders.append(f"/{into.tag} <</MCID {mark.number}>> BDC")
        self._letters(sheet, line, at, (size, colour))
        sheet.orders.append("EMC")

    def decorate(self, sheet: Sheet, line: Iterable[Run], at: tuple[float, float], size: float, colour: str) -> None:
        """Draw one line that is not content, as at the foot of a page."""
        sheet.orders.append("/Artifact BMC")
        self._letters(sheet, line, at, (size, colour))
        sheet.orders.append("EMC")

    def field(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Fill a rectangle, as decoration; its lower left corner is given."""
        box = f"{x:.2f} {y:.2f} {width:.2f} {height:.2f} re f"
        self.sheets[-1].orders.append(f"/Artifact BMC {COLOURS.get(colour, colour)} rg {box} EMC")

    def _letters(self, sheet: Sheet, line: Iterable[Run], at: tuple[float, float], look: tuple[float, str]) -> None:
        (x, y), (size, colour) = at, look
        for run in line:
            if run.swatch:
                side = SWATCH * size
                sheet.orders.append(
                    f"{COLOURS[run.swatch]} rg {x:.2f} {y - 0.05 * size:.2f} {side:.2f} {side:.2f} re f"
                )
            else:
                shown = self._numbers(run)
                sheet.orders.append(
                    f"{colour} rg BT /F{int(run.bold)} {size:g} Tf 1 0 0 1 {x:.2f} {y:.2f} Tm <{shown}> Tj ET"
                )
            x += width_of(run, size)

    def _numbers(self, run: Run) -> str:
        face, used = faces()[run.bold], self.used[run.bold]
        for letter in dict.fromkeys(run.text):  # in their order: two letters may have one shape
            used.setdefault(face.glyph(letter), letter)
        return face.numbers(run.text)
