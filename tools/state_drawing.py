"""Draws a state diagram as SVG: states in a column, changes onwards to its right, changes back to its left.

Guarantees: it draws what the Mermaid text says and nothing else, without a browser, a server or a program of the
system; no line crosses a state, no two lines lie upon each other; the same text gives the same bytes.

Does not guarantee: the shortest lines. The tables beside the drawings say the same in words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

_EDGE = re.compile(r"^\s*(\S+) --> ([^\s:]+)")
_OUTSIDE = "[*]"
ROW, HIGH, LETTER, LANE, GAP = 60, 34, 9, 13, 16
"""Measures in pixels: from state to state, a state's height, a letter, from line to line, from a state to the first."""


@dataclass
class Diagram:
    """States in their order, changes between them, where it begins and where it ends."""

    states: list[str] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)
    first: str = ""
    last: set[str] = field(default_factory=set)


def parse(text: str) -> Diagram:
    """What a `stateDiagram-v2` says; `ValueError` for a line that is none of its kind."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or lines[0].strip() != "stateDiagram-v2":
        raise ValueError("only a stateDiagram-v2 is drawn")
    found = Diagram()
    for line in lines[1:]:
        edge = _EDGE.match(line)
        if edge is None:
            raise ValueError(f"this line is no change of state: {line.strip()!r}")
        source, target = edge[1], edge[2]
        if source == _OUTSIDE:
            found.first = target
        elif target == _OUTSIDE:
            found.last.add(source)
        else:
            found.edges.append((source, target))
        found.states += [name for name in (source, target) if name not in (*found.states, _OUTSIDE)]
    return found


def lanes(spans: list[tuple[int, int]]) -> list[int]:
    """For each pair of rows the lane its line runs in: short ones inside, none beside another in the same lane."""
    taken: list[list[tuple[int, int]]] = []
    given = [0] * len(spans)
    for number in sorted(range(len(spans)), key=lambda one: (abs(spans[one][0] - spans[one][1]), one)):
        low, high = sorted(spans[number])
        lane = next(
            (at for at, used in enumerate(taken) if all(high < begin or end < low for begin, end in used)), len(taken)
        )
        taken += [[]] if lane == len(taken) else []
        taken[lane].append((low, high))
        given[number] = lane
    return given


@dataclass(frozen=True)
class _Side:
    """One side of the column: its changes as pairs of rows, where it stands, and which way is out."""

    spans: list[tuple[int, int]]
    edge: int
    out: int

    def ports(self, row: int) -> list[int]:
        """The changes that touch a row, from its upper end to its lower: those to rows above, then those below."""
        touching = [one for one, span in enumerate(self.spans) if row in span]
        return sorted(touching, key=lambda one: (self._other(one, row) > row, -abs(self._other(one, row) - row), one))

    def _other(self, one: int, row: int) -> int:
        begin, end = self.spans[one]
        return end if begin == row else begin

    def height(self, one: int, row: int) -> float:
        """Where a change touches a row."""
        touching = self.ports(row)
        share = (touching.index(one) + 1) / (len(touching) + 1)
        return row * ROW + GAP + round(HIGH * share, 1)

    def paths(self) -> list[str]:
        """The line of each change, from state to lane to state."""
        drawn = []
        for one, lane in enumerate(lanes(self.spans)):
            begin, end = (self.height(one, row) for row in self.spans[one])
            turn = self.edge + self.out * (GAP + lane * LANE)
            drawn.append(f"M{self.edge} {begin}H{turn}V{end}H{self.edge + self.out * 2}")
        return drawn

    def width(self) -> int:
        """How much room the lines take."""
        return GAP + LANE * (max(lanes(self.spans), default=0) + 1)


def draw(text: str, title: str) -> str:
    """The drawing, with its title for those who do not see it."""
    found = parse(text)
    row = {name: number for number, name in enumerate(found.states)}
    spans = [(row[source], row[target]) for source, target in found.edges]
    wide = max(map(len, found.states)) * LETTER + 2 * GAP
    back = _Side([span for span in spans if span[0] > span[1]], 0, -1)
    left = back.width() if back.spans else GAP
    back = _Side(back.spans, left, -1)
    ahead = _Side([span for span in spans if span[1] > span[0] + 1], left + wide, 1)
    width, height = left + wide + ahead.width(), len(row) * ROW + GAP
    parts = [_state(found, name, left, wide) for name in found.states]
    middle = left + wide // 2
    down = [begin for begin, end in spans if end == begin + 1]
    straight = [f"M{middle} {at * ROW + GAP + HIGH}V{(at + 1) * ROW + GAP - 2}" for at in down]
    arrow = f"arrow-{crc32(text.encode()):08x}"
    lines = [*straight, *ahead.paths(), *back.paths()]
    drawn = "".join(f'<path class="change" marker-end="url(#{arrow})" d="{line}"/>' for line in lines)
    return (
        f'<svg class="states" role="img" aria-label="{escape(title)}" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}"><defs><marker id="{arrow}" viewBox="0 0 8 8" refX="7" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>'
        f"{drawn}{''.join(parts)}</svg>"
    )


def _state(found: Diagram, name: str, left: int, wide: int) -> str:
    top = found.states.index(name) * ROW + GAP
    kind = "first" if name == found.first else "last" if name in found.last else "between"
    return (
        f'<g class="{kind}"><rect x="{left}" y="{top}" width="{wide}" height="{HIGH}" rx="6"/>'
        f'<text x="{left + wide // 2}" y="{top + HIGH // 2 + 5}" text-anchor="middle">{escape(name)}</text></g>'
    )
