"""The two fonts of papers: how wide a text is, which letters they have, and the part of a font that a paper needs.

Guarantees: a letter that cannot be drawn as it should be stands as its number, as `[U+4E2D]`: never as an empty box,
never as nothing. That holds for signs without a shape, for those that change the order of others, and for writing
from right to left, which would stand in the wrong order.

Does not guarantee: kerning and ligatures; a letter is as wide as the font says.

Source of the fonts: DejaVu Sans 2.35, unchanged; its licence lies beside it.
"""

from __future__ import annotations

import io
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

FONTS = Path(__file__).parent / "fonts"
_NO_SHAPE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_TABLES = ("GSUB", "GPOS", "GDEF", "kern", "name", "FFTM", "gasp")


class Face:
    """One font: its letters, their widths in thousandths of the size, and its bytes."""

    def __init__(self, path: Path) -> None:
        # Imported late, as below: it takes a tenth of what a service takes to start, and few of them write papers.
        from fontTools.ttLib import TTFont  # noqa: PLC0415

        self.name = path.stem
        self._data = path.read_bytes()
        font = TTFont(io.BytesIO(self._data), lazy=True)
        self._em: int = font["head"].unitsPerEm
        advances = font["hmtx"].metrics
        known = font.getBestCmap()
        self._glyphs = {chr(code): font.getGlyphID(glyph) for code, glyph in known.items()}
        self._written = {letter: f"{number:04X}" for letter, number in self._glyphs.items()}
        self._widths = {chr(code): self.thousandths(advances[glyph][0]) for code, glyph in known.items()}
        line, head = font["hhea"], font["head"]
        self.ascent, self.descent = self.thousandths(line.ascent), self.thousandths(line.descent)
        self.box = [self.thousandths(side) for side in (head.xMin, head.yMin, head.xMax, head.yMax)]

    def thousandths(self, units: int) -> int:
        """Units of the font as thousandths of its size."""
        return round(units * 1000 / self._em)

    def has(self, letter: str) -> bool:
        """Whether the font has a shape for a letter."""
        return letter in self._glyphs

    def glyph(self, letter: str) -> int:
        """The number of a letter's shape."""
        return int(self._glyphs[letter])

    def numbers(self, text: str) -> str:
        """The numbers of the shapes of a text, as a page's orders have them."""
        return "".join(map(self._written.__getitem__, text))

    def advance(self, letter: str) -> int:
        """How far a letter moves the pen, in thousandths of the size."""
        return int(self._widths[letter])

    def width(self, text: str, size: float) -> float:
        """How wide a text is that went through `drawable`, in points."""
        return float(sum(map(self._widths.__getitem__, text)) * size / 1000)

    def part(self, glyphs: set[int]) -> bytes:
        """The font with these shapes only, each under its number."""
        from fontTools import subset  # noqa: PLC0415
        from fontTools.ttLib import TTFont  # noqa: PLC0415

        options = subset.Options(retain_gids=True, hinting=False, layout_features=[], notdef_outline=True)
        options.drop_tables += _TABLES
        font = TTFont(io.BytesIO(self._data), recalcTimestamp=False)
        made = subset.Subsetter(options)
        made.populate(gids=sorted(glyphs))
        made.subset(font)
        written = io.BytesIO()
        font.save(written)
        return written.getvalue()


@cache
def faces() -> tuple[Face, Face]:
    """The ordinary one and the bold one, read once."""
    return Face(FONTS / "DejaVuSans.ttf"), Face(FONTS / "DejaVuSans-Bold.ttf")


def drawable(text: str) -> str:
    """The text with every letter that cannot be drawn as its number."""
    return "".join(map(_drawn, unicodedata.normalize("NFC", text)))


@lru_cache(maxsize=10_000)
def _drawn(letter: str) -> str:
    can = (
        all(face.has(letter) for face in faces())
        and unicodedata.category(letter) not in _NO_SHAPE
        and unicodedata.bidirectional(letter) not in _RIGHT_TO_LEFT
    )
    return letter if can else f"[U+{ord(letter):04X}]"
