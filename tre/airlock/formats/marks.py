"""Marks of a vector figure: how often one shape is drawn, and how many steps a curve has. Standard library only.

Guarantees: shapes count as one whatever their place, size and colour; runs of a shape at even or logarithmic distances
along an axis (ticks, grids, cells of a heat map) do not count, nor does a series of values over an even axis; a curve
of horizontal and vertical pieces counts its steps. The amounts are bounded by the parsers.

Does not guarantee: seeing through shapes that were all made a little different on purpose. People see the figure too.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

Point = tuple[float, float]

STEPS = "steps of one curve"
_FEWEST = 10
_MOST_SHAPES = 20
_LONGEST_SHAPE = 64
"""A shape of more points is a line or an area, not a mark."""

_EVEN = 1.15  # months have 28 to 31 days
_DECADE = (8, 9)  # marks of a logarithmic axis that repeat with each power of ten
_STEPPED = 0.9  # share of a curve's pieces that run along an axis
_EXACT = 0.02  # of ticks beside one another
_CLOSE = 0.05
_ASLANT = 0.1
_ROUNDED = 0.1
_SHORTEST_RUN, _SHORTEST_SERIES = 3, 5
_MOSTLY = 0.8


@dataclass
class Marks:
    """What was drawn so far."""

    places: dict[Hashable, list[Point]] = field(default_factory=lambda: defaultdict(list))
    names: dict[Hashable, str] = field(default_factory=dict)
    longest_stair: int = 0

    def add(self, shape: Hashable, name: str, at: Point) -> None:
        """One mark of a shape at a place. `name` is the plural that people read."""
        self.places[shape].append(at)
        self.names.setdefault(shape, name)

    def add_outline(self, commands: str, points: Sequence[Point], at: Point = (0.0, 0.0)) -> None:
        """An outline as drawn, y growing downwards: a mark if it is short, a curve if it is long."""
        if len(points) <= _LONGEST_SHAPE:
            shape, corner = normalised(points)
            self.add((commands, shape), "marks of one shape", (corner[0] + at[0], corner[1] + at[1]))
        if len(points) > 2 * _FEWEST and set(commands) <= set("MLHVZ"):
            self.longest_stair = max(self.longest_stair, _steps(points))

    def counted(self) -> dict[str, int]:
        """The most frequent shapes, in words, and how often each is drawn beside ticks and grids."""
        counts = Counter({shape: len(_beside_axes(at)) for shape, at in self.places.items() if len(at) >= _FEWEST})
        result = {STEPS: self.longest_stair} if self.longest_stair >= _FEWEST else {}
        for shape, number in sorted(counts.items(), key=lambda item: -item[1])[:_MOST_SHAPES]:
            if number >= _FEWEST:
                name = self.names[shape]
                same = sum(known == name or known.startswith(f"{name} (") for known in result)
                result[f"{name} ({same + 1})" if same else name] = number
        return result


def normalised(points: Sequence[Point]) -> tuple[tuple[Point, ...], Point]:
    """A shape without its place and size, and its lower left corner: bars then stand in a run along their axis."""
    left, top = min(x for x, _ in points), min(y for _, y in points)
    right, bottom = max(x for x, _ in points), max(y for _, y in points)
    size = max(right - left, bottom - top) or 1.0
    shape = tuple((round((x - left) / size, 2), round((y - top) / size, 2)) for x, y in points)
    return shape, (left, bottom)


def _steps(points: Sequence[Point]) -> int:
    """Steps of a curve that runs along the axes, up or down after across; 0 for another one."""
    pieces = [_direction(one, other) for one, other in itertools.pairwise(points) if one != other]
    if sum(piece != "" for piece in pieces) < _STEPPED * len(pieces):
        return 0
    return sum(before == "across" and after == "along" for before, after in itertools.pairwise(pieces))


def _direction(one: Point, other: Point) -> str:
    """Programs that thin out a curve leave its pieces a little aslant."""
    wide, high = abs(other[0] - one[0]), abs(other[1] - one[1])
    if high <= _ASLANT * wide:
        return "across"
    return "along" if wide <= _ASLANT * high else ""


def _beside_axes(places: Sequence[Point]) -> list[Point]:
    """The marks that stand neither in a series over an axis nor in a regular run along a line."""
    rest = _without_series(places)
    for along in (0, 1):
        lines: dict[float, list[Point]] = defaultdict(list)
        for place in rest:
            lines[round(place[1 - along], 1)].append(place)
        rest = [place for line in lines.values() for place in _irregular(sorted(line, key=lambda at: at[along]), along)]
    return rest


def _without_series(places: Sequence[Point]) -> list[Point]:
    """Without values over an even axis, as many at each point of it: a course over time, not people.

    Values that only rise or fall stay: people in order of their value are drawn like that.
    """
    columns: dict[float, list[Point]] = defaultdict(list)
    for place in places:
        columns[round(place[0], 1)].append(place)
    even = _longest_even(sorted(columns))
    deepest = max((len(columns[x]) for x in even), default=0)
    whole = [x for x in even if len(columns[x]) == deepest]
    covered = sum(len(columns[x]) for x in even)
    if len(whole) < max(_SHORTEST_SERIES, _MOSTLY * len(even)) or covered < _MOSTLY * len(places):
        return list(places)
    heights = [y for x in even for _, y in sorted(columns[x])]
    if heights in (sorted(heights), sorted(heights, reverse=True)):
        return list(places)
    series = set(even)
    return [place for x, column in columns.items() if x not in series for place in column]


def _longest_even(at: Sequence[float]) -> list[float]:
    """The longest stretch of places at even distances."""
    best: list[float] = []
    begin = 0
    for end in range(1, len(at) + 1):
        if end - begin >= 2 and (end == len(at) or not _keeps_step(at, begin, end)):
            best = max(best, list(at[begin:end]), key=len)
            begin = end - 1
    return best


def _keeps_step(at: Sequence[float], begin: int, end: int) -> bool:
    step = (at[end - 1] - at[begin]) / (end - 1 - begin)
    return abs(at[end] - at[end - 1] - step) <= _ROUNDED + (_EVEN - 1) * step


def _irregular(line: list[Point], along: int) -> list[Point]:
    """Marks of one line without those at even distances: all of them, or, with several panels, parts of them."""
    at = [place[along] for place in line]
    if _is_axis(at):
        return []
    kept, begin = [], 0
    while begin < len(at):
        end = begin + 1
        while end < len(at) and _continues(at, begin, end):
            end += 1
        if end - begin < _SHORTEST_RUN:
            kept.append(line[begin])
            begin += 1
        else:
            begin = end
    return kept


def _continues(at: Sequence[float], begin: int, end: int) -> bool:
    first, gap = at[begin + 1] - at[begin], at[end] - at[end - 1]
    return first >= _CLOSE and abs(gap - first) <= _EXACT * first


def _is_axis(at: Sequence[float]) -> bool:
    """Three or more marks at even distances, or at those of a logarithmic axis, none twice."""
    gaps = [after - before for before, after in itertools.pairwise(at)]
    if len(gaps) < 2 or min(gaps) < _CLOSE:
        return False
    if max(gaps) <= _EVEN * min(gaps):
        return True
    return any(_repeats(gaps, period) for period in _DECADE)


def _repeats(gaps: Sequence[float], period: int) -> bool:
    """Whether distances come again after so many, or, within one power of ten, only fall or only rise."""
    if len(gaps) < period:
        return len(gaps) >= period - 3 and (gaps == sorted(gaps) or gaps == sorted(gaps, reverse=True))
    return all(abs(one - other) <= 0.15 * max(one, other) for one, other in zip(gaps, gaps[period:], strict=False))
