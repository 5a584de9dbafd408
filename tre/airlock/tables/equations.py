"""Which counts of a grid must add up to which: totals named by labels, or borne out by arithmetic.

Guarantees: a total that its label names is believed unless the lines that are shown in full contradict it more often
than they bear it out; one that nothing names, only after two such lines have borne it out and none contradicted it.
A line that contradicts gives no equation. Standard library only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tre.airlock.tables.labels import SUBTOTAL, is_total
from tre.airlock.tables.shown import Kind, Rounding, Shown

Cell = tuple[int, int]
Key = tuple[str, ...]
Cells = Mapping[Cell, Shown]
At = Callable[[int, int], Cell]
"""The cell of a line that crosses an axis, and a place on that axis."""

_BORNE_OUT = 2
_MOST_TOTALS = 60  # of one group of lines; more are no totals
_MOST_TERMS = 2_000_000
_SMALLEST_PROOF = 5  # 0 + 0 = 0 and 1 + 1 = 2 prove nothing


@dataclass(frozen=True)
class Sum:
    """A total and its parts. `omitted` are parts that the table leaves out, though it has them for other groups."""

    total: Cell
    parts: tuple[Cell, ...]
    omitted: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Family:
    """A total line and the lines that it sums, by their places on one axis. `named`: its label says so."""

    total: int
    parts: tuple[int, ...]
    named: bool
    omitted: tuple[str, ...] = ()
    section: bool = False


def find_sums(row_keys: Sequence[Key], column_keys: Sequence[Key], cells: Cells, rounding: Rounding) -> tuple[Sum, ...]:
    """Every equation of a grid, along columns (a total row) and along rows (a total column)."""
    down = _along(row_keys, len(column_keys), cells, rounding, lambda line, along: (along, line))
    across = _along(column_keys, len(row_keys), cells, rounding, lambda line, along: (line, along))
    return tuple(dict.fromkeys([*down, *across]))


def _along(keys: Sequence[Key], lines: int, cells: Cells, rounding: Rounding, at: At) -> Iterator[Sum]:
    slack = bool(rounding.above)
    found = []
    terms = 0
    for alternatives in _families(keys):
        terms += lines * sum(len(family.parts) for family in alternatives)
        if terms > _MOST_TERMS:
            break
        judged = [(f, [_judge(f, line, cells, at) for line in range(lines)]) for f in alternatives]
        if (chosen := _choose(judged)) is not None:
            found.append(chosen)
    proven = any("bears out" in verdicts for family, verdicts in found if family.section)
    for family, verdicts in found:
        if proven or not family.section:
            yield from _equations(family, verdicts, cells, at, slack)


def _equations(family: _Family, verdicts: Sequence[str], cells: Cells, at: At, slack: bool) -> Iterator[Sum]:
    for line, verdict in enumerate(verdicts):
        parts = tuple(at(line, part) for part in family.parts if at(line, part) in cells)
        if verdict == "open" or (verdict == "omits" and family.omitted):
            yield Sum(at(line, family.total), parts, family.omitted)
        elif verdict == "bears out" and slack:
            yield Sum(at(line, family.total), parts)


def _choose(judged: list[tuple[_Family, list[str]]]) -> tuple[_Family, list[str]] | None:
    best = None
    for family, verdicts in judged:
        borne, against = verdicts.count("bears out"), verdicts.count("contradicts") + verdicts.count("omits")
        if family.omitted:
            against = verdicts.count("contradicts")
        good = borne >= against if family.named else borne >= _BORNE_OUT and not against
        if good and (best is None or borne > best[0]):
            best = (borne, family, verdicts)
    return None if best is None else (best[1], best[2])


def _judge(family: _Family, line: int, cells: Cells, at: At) -> str:
    """What one line says of a family: `bears out`, `contradicts`, `open` (something is hidden), `omits`, `nothing`."""
    total = cells.get(at(line, family.total))
    parts = [cells.get(at(line, part)) for part in family.parts]
    present = [part for part in parts if part is not None]
    if total is None or len(present) < len(parts) or not present:
        return "nothing"
    low = sum(part.low for part in present)
    if total.high is not None and low > total.high:
        return "contradicts"
    if total.kind is not Kind.number or any(part.kind is not Kind.number for part in present):
        return "open"
    high = sum(part.high or 0 for part in present)
    if low <= (total.high or 0) and high >= total.low:
        return "bears out" if total.low >= _SMALLEST_PROOF and len(present) > 1 else "nothing"
    return "omits"


def _families(keys: Sequence[Key]) -> Iterator[list[_Family]]:
    """Groups of alternative readings of one total; the first that the numbers bear out best is taken."""
    yield from _named(keys)
    yield from _sections(keys)
    if not any(is_total(part) for key in keys for part in key):
        yield from _unnamed(keys)


def _named(keys: Sequence[Key]) -> Iterator[list[_Family]]:
    """Lines whose label says "all" in one place, against the lines that differ from them in that place only."""
    dimensions = len(keys[0]) if keys else 0
    for d in range(dimensions):
        groups: dict[Key, list[int]] = defaultdict(list)
        for place, key in enumerate(keys):
            groups[key[:d] + key[d + 1 :]].append(place)
        whole = _values_everywhere(keys, d) if dimensions > 1 else set()
        for group in groups.values():
            totals = [place for place in group if _totals(keys[place][d])]
            parts = [place for place in group if not _totals(keys[place][d]) and keys[place][d]]
            for total in totals if len(totals) <= _MOST_TOTALS else ():
                yield _readings(keys, d, total, totals, parts, whole)


def _totals(label: str) -> bool:
    return is_total(label) or SUBTOTAL.search(label) is not None


def _values_everywhere(keys: Sequence[Key], d: int) -> set[str]:
    """The labels that more than half of the groups have in this place: what is missing elsewhere was left out."""
    groups: dict[str, set[Key]] = defaultdict(set)
    for key in keys:
        if key[d] and not is_total(key[d]):
            groups[key[d]].add(key[:d] + key[d + 1 :])
    everywhere = {rest for held in groups.values() for rest in held}
    return {label for label, held in groups.items() if len(held) * 2 > len(everywhere)}


def _readings(
    keys: Sequence[Key], d: int, total: int, totals: Sequence[int], parts: Sequence[int], whole: set[str]
) -> list[_Family]:
    before = max((t for t in totals if t < total), default=-1)
    after = min((t for t in totals if t > total), default=len(keys))
    candidates = [
        tuple(parts),
        tuple(p for p in parts if before < p < total),
        tuple(p for p in parts if total < p < after),
        tuple(t for t in totals if t != total),
    ]
    if SUBTOTAL.search(keys[total][d]):
        candidates = candidates[1:3]
    found = [_Family(total, c, named=True) for c in dict.fromkeys(candidates) if len(c) > 1]
    left_out = tuple(sorted(whole - {keys[p][d] for p in parts}))
    if left_out and parts and len(totals) == 1:
        found.append(_Family(total, tuple(parts), named=True, omitted=left_out))
    if len(parts) == 1 and not left_out:
        found = []
    return found


def _sections(keys: Sequence[Key]) -> Iterator[list[_Family]]:
    """A line for everybody, above or below lists that each divide everybody: taken once one of them adds up."""
    if not keys or len(keys[0]) < 2:
        return
    everybody = [p for p, key in enumerate(keys) if any(key) and all(not part or is_total(part) for part in key)]
    sections: dict[str, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        if place not in everybody and key[0] and not any(is_total(part) for part in key):
            sections[key[0]].append(place)
    if len(everybody) == 1 and len(sections) > 1:
        for parts in sections.values():
            if len(parts) > 1:
                yield [_Family(everybody[0], tuple(parts), named=True, section=True)]
    leaves = tuple(p for parts in sections.values() for p in parts)
    if len(everybody) == 1 and len(leaves) > 1:
        yield [_Family(everybody[0], leaves, named=True)]


def _unnamed(keys: Sequence[Key]) -> Iterator[list[_Family]]:
    places = range(len(keys))
    if len(keys) > 2:
        yield [_Family(total, tuple(p for p in places if p != total), named=False) for total in (0, len(keys) - 1)]
