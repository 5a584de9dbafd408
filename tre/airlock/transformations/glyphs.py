"""Letters as shapes: the outlines of one font, read once, before any file.

Guarantees: an outline is the font's own; a letter that the font does not have is none, never another one's shape. A few
signs that figures use and small fonts lack are put together from letters that are there (`ALIKE`, `TOGETHER`).

Does not guarantee: kerning, ligatures, or more writing systems than the font knows. Only the font's own bytes are
read here, never a file's.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.pens.transformPen import TransformPen
from fontTools.ttLib import TTFont

Stroke = tuple[str, tuple[Any, ...]]
"""A movement of a pen, as fontTools records it: its name, and its points."""

ALIKE = {
    "\N{NO-BREAK SPACE}": " ",
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{MULTIPLICATION SIGN}": "x",
}
"""Signs that another letter stands for without anybody reading it differently."""

TOGETHER: dict[str, tuple[tuple[str, float, float, float], ...]] = {
    "\N{SUPERSCRIPT ONE}": (("1", 0, 0.32, 0.6),),
    "\N{SUPERSCRIPT TWO}": (("2", 0, 0.32, 0.6),),
    "\N{SUPERSCRIPT THREE}": (("3", 0, 0.32, 0.6),),
    "\N{GREATER-THAN OR EQUAL TO}": ((">", 0, 0.08, 1), ("_", 0.05, 0.08, 1)),
    "\N{LESS-THAN OR EQUAL TO}": (("<", 0, 0.08, 1), ("_", 0.05, 0.08, 1)),
}
"""Signs put together: letter, how far right and up in parts of the font's size, and how large."""


@dataclass(frozen=True)
class Glyph:
    """A letter's shape, y upwards, and how far it moves the pen; both in parts of the font's size."""

    strokes: tuple[Stroke, ...]
    advance: float


class Font:
    """The outlines of a font."""

    def __init__(self, data: bytes) -> None:
        font = TTFont(io.BytesIO(data))
        em, glyphs = font["head"].unitsPerEm, font.getGlyphSet()
        self._known: dict[str, Glyph] = {}
        for character, name in font.getBestCmap().items():
            pen = DecomposingRecordingPen(glyphs)
            glyphs[name].draw(TransformPen(pen, (1 / em, 0, 0, 1 / em, 0, 0)))
            self._known[chr(character)] = Glyph(tuple(pen.value), glyphs[name].width / em)

    def glyph(self, letter: str) -> Glyph | None:
        """The shape of a letter; none where the font does not have it."""
        if letter in TOGETHER:
            return self._together(letter)
        return self._known.get(ALIKE.get(letter, letter))

    def _together(self, letter: str) -> Glyph:
        whole = DecomposingRecordingPen({})
        advance = 0.0
        for part, right, up, size in TOGETHER[letter]:
            glyph = self._known[part]
            advance = max(advance, glyph.advance * size)
            _replay(glyph, TransformPen(whole, (size, 0, 0, size, right, up)))
        return Glyph(tuple(whole.value), advance)


def path_of(glyph: Glyph, x: float, y: float, size: tuple[float, float]) -> str:
    """A glyph as an SVG path, its pen at x, y, so wide and so high."""
    pen = SVGPathPen({}, ntos="{:.3f}".format)
    wide, high = size
    _replay(glyph, TransformPen(pen, (wide, 0, 0, -high, x, y)))
    return str(pen.getCommands())


def _replay(glyph: Glyph, pen: Any) -> None:
    for name, points in glyph.strokes:
        getattr(pen, name)(*points)
