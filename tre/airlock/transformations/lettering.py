"""The words of an SVG as shapes, so that drawing it needs no font of the system. Standard library only.

Guarantees: every letter is drawn from one font, where the drawing puts it (places, shifts, anchors, baselines, given
lengths), in the colours that it inherits; words that cannot be drawn so (a letter that the font does not have, words
along a line, turned one by one, or sized by a style sheet) are a reason to draw nothing, told in words.

Does not guarantee: the look of the font that the drawing names, nor bold or slanted letters, nor spacing between them.

Source: SVG 1.1 (second edition), chapter 10, without bidirectional and vertical text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tre.airlock.formats import svg_words as words
from tre.airlock.formats.svg_geometry import length
from tre.airlock.formats.xmltree import COMMENT, Node
from tre.airlock.parsed import FileRefusedError, Observation, quoted
from tre.airlock.transformations import UnfitError
from tre.airlock.transformations.glyphs import Font, Glyph, path_of

MOST_LETTERS = 50_000
SHAPED = 'style="fill:inherit;stroke:inherit;fill-rule:nonzero"'
"""What outdoes a style sheet that speaks of paths: letters look as their text does."""

_PLACED = frozenset({"x", "y", "dx", "dy", "rotate", "textLength", "lengthAdjust"})
_LENGTH = re.compile(r"([+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?)(em|ex|px|pt|pc|mm|cm|in|%)?")
_SHORTHAND = re.compile(r"(?<![\w.])[\d.]++(?:px|pt)")
_TEXT_SELECTOR = re.compile(r"\b(?:text|tspan)\b")
_SETTING = frozenset({"font", "font-size", "text-anchor", "dominant-baseline", "alignment-baseline", "baseline-shift"})
_SHARES = {"middle": 0.5, "end": 1.0}
_BASELINES = {
    "central": -0.35,
    "middle": -0.26,
    "hanging": -0.72,
    "text-before-edge": -0.95,
    "before-edge": -0.95,
    "text-top": -0.95,
    "text-after-edge": 0.22,
    "after-edge": 0.22,
    "text-bottom": 0.22,
    "ideographic": 0.22,
}
"""How far below the font's own baseline a letter's anchor lies, negative upwards, in parts of its size."""

_RAISED = {"super": 0.35, "sub": -0.2}
_OTHER_WAY = "Save its words as shapes, or the figure as PNG."

Places = dict[str, list[float]]
"""What an element says of its letters' places, the next letter's first."""


@dataclass(frozen=True)
class Style:
    """What letters inherit."""

    size: float = 16.0
    anchor: float = 0.0
    below: float = 0.0
    raised: float = 0.0
    kept: bool = False


@dataclass
class Letter:
    """A glyph in its place: where its pen stands, how large it is, and how much wider than usual."""

    glyph: Glyph
    x: float
    y: float
    size: float
    wide: float = 1.0


@dataclass
class Part:
    """An element of a text: its attributes, and what it holds in order."""

    node: Node
    holds: list[Part | Letter] = field(default_factory=list)

    def letters(self) -> Iterator[Letter]:
        """All letters inside, in order."""
        for one in self.holds:
            if isinstance(one, Letter):
                yield one
            else:
                yield from one.letters()


def check_sheet(sheet: str) -> bool:
    """Whether a style sheet keeps white space. Raises `UnfitError` where it says how letters stand."""
    for rule in words.without_comments(sheet).split("}"):
        selector, _, body = rule.rpartition("{")
        said = set(words.declarations(body))
        if said & _SETTING or (_TEXT_SELECTOR.search(selector) and said - {"white-space"}):
            raise UnfitError(f"A style sheet of the drawing says how its words look. {_OTHER_WAY}")
    return re.search(r"white-space\s*+:\s*+(?:pre|break-spaces)", sheet) is not None


def inherited(node: Node, style: Style) -> Style:
    """The style inside an element."""
    said = node.attributes | (words.declarations(node.attributes["style"]) if "style" in node.attributes else {})
    size = _size(said, style.size)
    anchor = _SHARES.get(said["text-anchor"].strip().lower(), 0.0) if "text-anchor" in said else style.anchor
    kept = style.kept
    if space := said.get(f"{words.XML} space"):
        kept = space == "preserve"
    if "white-space" in said:
        kept = said["white-space"].startswith(("pre", "break"))
    below = style.below
    for name in ("dominant-baseline", "alignment-baseline"):
        below = _BASELINES.get(said[name].strip().lower(), 0.0) if name in said else below
    raised = style.raised + _RAISED.get(said.get("baseline-shift", "").strip().lower(), 0.0) * style.size
    return Style(size, anchor, below, raised, kept)


def _size(said: dict[str, str], now: float) -> float:
    shorthand = _SHORTHAND.search(said.get("font", ""))
    written = said.get("font-size", shorthand.group() if shorthand else "").strip().lower()
    found = _LENGTH.fullmatch(written)
    if found is None:
        return now
    return _measured(found.group(1), found.group(2) or "", now, now)


def _measured(number: str, unit: str, size: float, whole: float | None = None) -> float:
    """A length in user units. Raises `UnfitError` where it depends on the drawing's size."""
    if unit == "em":
        return float(number) * size
    if unit == "ex":
        return float(number) * size / 2
    if unit == "%":
        if whole is None:
            raise UnfitError(f"Words of the drawing are placed in per cent. {_OTHER_WAY}")
        return float(number) / 100 * whole
    return length(f"{number}{unit}") or 0.0


class Lettering:
    """Draws the texts of one drawing."""

    def __init__(self, font: Font, kept: bool = False) -> None:
        self._font, self._first = font, Style(kept=kept)
        self._count = 0
        self._x = self._y = 0.0
        self._chunk: list[Letter] = []
        self._shift = 0.0
        self._spaced = True

    @property
    def first(self) -> Style:
        """The style at the root."""
        return self._first

    def draw(self, node: Node, style: Style) -> Part:
        """A text with every letter in its place. `style` is what the text inherits. Raises `UnfitError`."""
        self._x = self._y = 0.0
        self._chunk, self._spaced = [], True
        part = self._part(node, style, [])
        self._end_chunk()
        return part

    def _part(self, node: Node, style: Style, outer: list[Places]) -> Part:
        said = node.attributes
        if node.tag.rpartition(" ")[2] == "textPath" or said.get("rotate", "0").strip(" 0"):
            raise UnfitError(f"Words of the drawing follow a line, or are turned one by one. {_OTHER_WAY}")
        mode = (said | words.declarations(said.get("style", ""))).get("writing-mode", "")
        if mode.strip().lower().startswith(("tb", "vertical", "sideways")):
            raise UnfitError(f"Words of the drawing run downwards. {_OTHER_WAY}")
        style = inherited(node, style)
        part = Part(node)
        places = [*outer, {name: self._lengths(said.get(name, ""), style.size) for name in ("x", "y", "dx", "dy")}]
        self._letters(part, node.lead, style, places)
        for child in node.children:
            if child.tag != COMMENT and child.tag.rpartition(" ")[2] in {"tspan", "textPath"}:
                part.holds.append(self._part(child, style, places))
            self._letters(part, child.tail, style, places)
        if wanted := self._lengths(said.get("textLength", ""), style.size):
            self._stretch(list(part.letters()), wanted[0], said.get("lengthAdjust") == "spacingAndGlyphs")
        return part

    def _lengths(self, text: str, size: float) -> list[float]:
        return [_measured(number, unit, size) for number, unit in _LENGTH.findall(text)]

    def _letters(self, part: Part, text: str, style: Style, places: list[Places]) -> None:
        for letter in self._shown(text, style.kept):
            self._count += 1
            if self._count > MOST_LETTERS:
                raise FileRefusedError(Observation("F05", "The drawing holds more letters than allowed."))
            glyph = self._font.glyph(letter)
            if glyph is None:
                raise UnfitError(f"No font is here for the letter {quoted(letter)} in the drawing. {_OTHER_WAY}")
            self._move(places, style)
            drawn = Letter(glyph, self._x, self._y - style.below * style.size - style.raised, style.size)
            part.holds.append(drawn)
            self._chunk.append(drawn)
            self._x += glyph.advance * style.size

    def _shown(self, text: str, kept: bool) -> Iterator[str]:
        """The letters of a text as they show: white space is one space, and none at the beginning."""
        for letter in text:
            space = letter in " \t\r\n"
            if kept or not space or not self._spaced:
                yield " " if space else letter
            self._spaced = space

    def _move(self, places: list[Places], style: Style) -> None:
        """Take the pen to where the next letter stands; what the innermost element says counts."""
        said = {name: given.pop(0) for level in places for name, given in level.items() if given}
        if "x" in said or "y" in said:
            self._end_chunk()
        if not self._chunk:
            self._shift = style.anchor
        self._x = said.get("x", self._x) + said.get("dx", 0.0)
        self._y = said.get("y", self._y) + said.get("dy", 0.0)

    def _end_chunk(self) -> None:
        """Letters that stand together are moved as their anchor says; spaces at their end do not count."""
        seen = list(self._chunk)
        while seen and not seen[-1].glyph.strokes:
            seen.pop()
        if seen and self._shift:
            last = seen[-1]
            wide = last.x + last.glyph.advance * last.size * last.wide - seen[0].x
            for letter in self._chunk:
                letter.x -= wide * self._shift
        self._chunk = []

    def _stretch(self, letters: list[Letter], wanted: float, shapes: bool) -> None:
        """Make letters as wide together as the drawing says."""
        if not letters or wanted <= 0:
            return
        last = letters[-1]
        wide = last.x + last.glyph.advance * last.size - letters[0].x
        if wide <= 0:
            return
        factor = wanted / wide
        for letter in letters:
            letter.x = letters[0].x + (letter.x - letters[0].x) * factor
            letter.wide = factor if shapes else 1.0
        self._x = letters[0].x + wanted


def shapes_of(letters: list[Letter]) -> str:
    """Letters as one path element."""
    paths = (path_of(one.glyph, one.x, one.y, (one.size * one.wide, one.size)) for one in letters)
    return f'<path {SHAPED} d="{"".join(paths)}"/>'


def without_places(node: Node) -> Node:
    """The element without what has been worked into its letters."""
    return replace(node, attributes={key: value for key, value in node.attributes.items() if key not in _PLACED})
