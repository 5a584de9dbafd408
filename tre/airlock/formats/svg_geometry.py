"""Places in an SVG: paths, transformations, lengths. Standard library only.

Guarantees: numbers are read by one linear expression; what cannot be read is left out, never guessed.

Does not guarantee: nested views and lengths in per cent; they count as user units.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tre.airlock.formats.marks import Point

_NUMBER = r"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?"
_PIECE = re.compile(rf"[MmLlHhVvCcSsQqTtAaZz]|{_NUMBER}")
_LENGTH = re.compile(rf"\s*+({_NUMBER})\s*+(px|pt|pc|mm|cm|in)?\s*+")
_TRANSFORM = re.compile(r"(matrix|translate|scale|rotate|skewX|skewY)\s*+\(([^)]*+)\)")
_UNITS = {None: 1.0, "": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
_AMOUNTS = {"M": 2, "L": 2, "T": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "A": 7, "Z": 0}


@dataclass(frozen=True)
class Matrix:
    """An affine map: x' = a x + c y + e, y' = b x + d y + f."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0
    e: float = 0.0
    f: float = 0.0

    def at(self, x: float, y: float) -> Point:
        """Where a point comes to lie."""
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f

    def then(self, inner: Matrix) -> Matrix:
        """This map around another one."""
        (e, f) = self.at(inner.e, inner.f)
        return Matrix(
            self.a * inner.a + self.c * inner.b,
            self.b * inner.a + self.d * inner.b,
            self.a * inner.c + self.c * inner.d,
            self.b * inner.c + self.d * inner.d,
            e,
            f,
        )

    @property
    def scale(self) -> float:
        """By how much lengths grow, on average."""
        return math.sqrt(abs(self.a * self.d - self.b * self.c))


def numbers(text: str) -> list[float]:
    """All numbers of a text."""
    return [float(found) for found in re.findall(_NUMBER, text)]


def length(text: str | None) -> float | None:
    """A length in user units; none where there is none, or one that depends on something else."""
    found = _LENGTH.fullmatch(text or "")
    return None if found is None else float(found.group(1)) * _UNITS[found.group(2)]


def matrix_of(text: str | None) -> Matrix:
    """The map that a `transform` attribute describes."""
    result = Matrix()
    for kind, inside in _TRANSFORM.findall(text or ""):
        result = result.then(_one(kind, numbers(inside)))
    return result


def _one(kind: str, given: list[float]) -> Matrix:
    if kind == "matrix" and len(given) == 6:
        return Matrix(*given)
    if kind == "translate" and given:
        return Matrix(e=given[0], f=given[1] if len(given) > 1 else 0.0)
    if kind == "scale" and given:
        return Matrix(a=given[0], d=given[-1])
    if kind == "rotate" and given:
        turn = math.radians(given[0])
        turned = Matrix(math.cos(turn), math.sin(turn), -math.sin(turn), math.cos(turn))
        if len(given) < 3:
            return turned
        return Matrix(e=given[1], f=given[2]).then(turned).then(Matrix(e=-given[1], f=-given[2]))
    return Matrix()


def outlines(path: str) -> Iterator[tuple[str, list[Point]]]:
    """The parts of a path, each as its commands (upper case, lines unified) and its absolute points."""
    commands, points = list[str](), list[Point]()
    at = start = (0.0, 0.0)
    for command, given in _pieces(path):
        if command in "Mm" and points:
            yield "".join(commands), points
            commands, points = [], []
        commands.append(command.upper())
        base = at if command.islower() else (0.0, 0.0)
        added = _points(command.upper(), given, at, base)
        points += added
        at = added[-1] if added else start
        if command in "Mm":
            start = at
    if points:
        yield "".join(commands), points


def _points(command: str, given: list[float], at: Point, base: Point) -> list[Point]:
    if command == "H":
        return [(given[0] + base[0], at[1])]
    if command == "V":
        return [(at[0], given[0] + base[1])]
    if command == "A":
        return [(given[5] + base[0], given[6] + base[1])]
    pairs = zip(given[::2], given[1::2], strict=True)
    return [(x + base[0], y + base[1]) for x, y in pairs]


def _pieces(path: str) -> Iterator[tuple[str, list[float]]]:
    """Each command with its numbers; a broken rest is left out, as browsers do."""
    command, given = "", list[float]()
    for piece in _PIECE.findall(path):
        if piece.isalpha():
            command, given = piece, []
            if piece in "Zz":
                yield piece, []
            continue
        given.append(float(piece))
        if command and len(given) == _AMOUNTS[command.upper()]:
            yield command, given
            given = []
            command = {"M": "L", "m": "l"}.get(command, command)
