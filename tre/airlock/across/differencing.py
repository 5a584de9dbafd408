"""S04: small groups that follow from comparing two tables, which no reader of one of them can see.

Guarantees: every table of counts of the request is compared with every other one of it, with every earlier release of
the project, and with releases of other projects on the same data (`sibling`), where at least two groups have the same
labels in both, whatever the layouts, and with every table that shows a total which it lacks (see `linked`). Three
things are found between tables of the same or nearly the same people:
counts that differ by fewer people than the threshold; a count that one hides and the other shows, or lets compute;
exact counts beside rounded ones. Within one table: a part that lacks fewer people of its total than that.

What makes two tables "nearly the same people" is their large counts: half of them are equal, or all of them differ by
far less than those of different people would; or one is most of the other in every group, and lacks about the same
share of each. Tables of different people with the same labels (men and women by age) do neither.

Does not guarantee: more than labels can show. Tables that name one group in different words are left to people's eyes;
ACRO, too, leaves differencing to a manual review. Bounded: groups are indexed, pairs that share nothing cost nothing.

Threat: N to N+1. A table is run again after one person more or fewer, and the difference is that person.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tre.airlock.across import Member, Remark
from tre.airlock.across.bounds import Budget
from tre.airlock.across.linked import Margins, margins_of, with_margins
from tre.airlock.across.suppression import audit, grids_of, leaves
from tre.airlock.parsed import Observation, Rules, Surroundings, quoted
from tre.airlock.tables.crosstab import Grid
from tre.airlock.tables.groups import Counts, Group, counts_of

_FEWEST_SHARED = 2
_MOST_LINKED = 200
_SAMPLE, _SAMPLE_APART = 24, 0.5
_ALIKE = {2: 0.02}  # two numbers are alike by chance more easily
_ALIKE_OF_MANY = 0.05
_NESTED_SPREAD = 2.0
_NESTED_GROUPS = 4
_NESTED_SHARE = 0.85
_EXAMPLES = 3


@dataclass(frozen=True)
class _Held:
    """One table of one member, and its groups with large numbers, the largest first."""

    member: int
    counts: Counts
    large: tuple[Group, ...]

    @property
    def numbers(self) -> dict[Group, int]:
        """Its numbers by group."""
        return self.counts.numbers


@dataclass(frozen=True)
class _Pair:
    """A table of the request (`ours`), another one, and the groups that both have.

    `renewed`: the other one was released under the same name.
    """

    ours: _Held
    other: _Held
    groups: tuple[Group, ...]
    renewed: bool = False


def observe(members: Sequence[Member], around: Surroundings) -> Iterator[Remark]:
    """What follows from comparing the tables of the request with one another and with earlier ones."""
    rules, budget = around.rules, Budget()
    released = [(place, member) for place, member in enumerate(members) if leaves(member)]
    held = [_hold(place, grid, rules) for place, member in released for grid in grids_of(member, rules)]
    ours = [place for place, one in enumerate(held) if members[one.member].origin == "request"]
    for place in ours:
        yield from (Remark(held[place].member, item) for item in _within(held[place].counts, rules))
    index: dict[Group, list[int]] = defaultdict(list)
    for place, one in enumerate(held):
        for group in one.counts.cells:
            index[group].append(place)
    for place in ours:
        yield from _linked(held[place], held, members, index, rules, budget)
        others = _candidates(place, held, members, index)
        for done, other in enumerate(others):
            if not budget.left:
                yield Remark(held[place].member, _not_compared(len(others) - done))
                break
            if _is_plausible(held[place], held[other]):
                pair = _pair(held[place], held[other], members)
                for observation in _compared(pair, members[held[other].member], rules, budget):
                    yield Remark(held[place].member, observation)


def _pair(ours: _Held, other: _Held, members: Sequence[Member]) -> _Pair:
    groups = tuple(group for group in ours.counts.cells if group in other.counts.cells)
    now, before = members[ours.member], members[other.member]
    return _Pair(ours, other, groups, renewed=before.origin == "earlier" and now.path == before.path)


def _hold(member: int, grid: Grid, rules: Rules) -> _Held:
    counts = counts_of(grid)
    numbers = counts.numbers
    large = sorted((group for group, n in numbers.items() if n >= 2 * rules.threshold), key=lambda g: -numbers[g])
    return _Held(member, counts, tuple(large))


def _candidates(
    place: int, held: Sequence[_Held], members: Sequence[Member], index: Mapping[Group, list[int]]
) -> list[int]:
    """The tables that share groups with one of the request; of two of the request, the earlier one in the list."""
    shared: Counter[int] = Counter()
    for group in held[place].counts.cells:
        shared.update(index[group])
    return [
        other
        for other, amount in shared.most_common()
        if amount >= _FEWEST_SHARED
        and other != place
        and (members[held[other].member].origin != "request" or other < place)
    ]


def _is_plausible(one: _Held, other: _Held) -> bool:
    """Whether some of the largest shared numbers look as if two tables had to do with one another."""
    small, big = (one, other) if len(one.large) <= len(other.large) else (other, one)
    pairs = []
    for group in small.large:
        if (number := big.numbers.get(group)) is not None:
            pairs.append((small.numbers[group], number))
            if len(pairs) == _SAMPLE:
                break
    if not pairs:
        return False
    if one.counts.rounded != other.counts.rounded or all(a >= b for a, b in pairs) or all(a <= b for a, b in pairs):
        return True
    equal = sum(a == b for a, b in pairs)
    return 4 * equal >= len(pairs) or sum((a - b) ** 2 / (a + b) for a, b in pairs) < _SAMPLE_APART * len(pairs)


def _not_compared(amount: int) -> Observation:
    message = f"There was no time to compare the tables of this file with {amount} others that have the same groups."
    return Observation("S04", message, "Ask for fewer files at a time.")


def _compared(pair: _Pair, other: Member, rules: Rules, budget: Budget) -> Iterator[Observation]:
    ours, theirs = pair.ours.counts, pair.other.counts
    both = [g for g in pair.groups if g in pair.ours.numbers and g in pair.other.numbers]
    if ours.rounded != theirs.rounded:
        yield from _unrounded(pair, both, other, rules)
        return
    same = _same_people(pair, both, rules)
    fewest = _FEWEST_SHARED if pair.renewed else _NESTED_GROUPS
    if not (same or _nested(ours, theirs, both, rules, fewest)):
        return
    if not ours.rounded:
        yield from _differences(pair, both, other, rules)
    if same:
        yield from _uncovered(pair, other, rules, budget)


def _same_people(pair: _Pair, both: Sequence[Group], rules: Rules) -> bool:
    """Whether counts agree as those of one set of people do, and not as those of two.

    Counts a and b of different people differ by about the root of a + b, so that (a - b)^2 / (a + b) is about one.
    """
    pairs = _large(pair.ours.counts, pair.other.counts, both, rules)
    equal = sum(a == b for a, b in pairs)
    if len(pairs) < _FEWEST_SHARED:
        return False
    apart = sum((a - b) ** 2 / (a + b) for a, b in pairs) / len(pairs)
    alike = _ALIKE_OF_MANY if pair.renewed else _ALIKE.get(len(pairs), _ALIKE_OF_MANY)
    return (equal >= _FEWEST_SHARED and 2 * equal >= len(pairs)) or apart < alike


def _large(ours: Counts, theirs: Counts, both: Sequence[Group], rules: Rules) -> list[tuple[int, int]]:
    pairs = [(ours.number(group) or 0, theirs.number(group) or 0) for group in both]
    return [pair for pair in pairs if max(pair) >= 2 * rules.threshold]


def _nested(ours: Counts, theirs: Counts, both: Sequence[Group], rules: Rules, fewest: int) -> bool:
    """Whether one table is most of the other in every group, and what it lacks varies as parts do.

    A part that lacks the share f lacks f * a of each group a, give or take the root of that; of two tables of
    different people the difference varies far more.
    """
    pairs = _large(ours, theirs, both, rules)
    if len(pairs) < fewest:
        return False
    if not (all(a >= b for a, b in pairs) or all(a <= b for a, b in pairs)):
        return False
    whole, part = sum(max(pair) for pair in pairs), sum(min(pair) for pair in pairs)
    lacking = (whole - part) / whole
    if not 0 < lacking <= 1 - _NESTED_SHARE:
        return False
    spread = sum((max(p) - min(p) - lacking * max(p)) ** 2 / (lacking * (1 - lacking) * max(p)) for p in pairs)
    return spread / len(pairs) < _NESTED_SPREAD


def _differences(pair: _Pair, both: Sequence[Group], other: Member, rules: Rules) -> Iterator[Observation]:
    ours, theirs = pair.ours.counts, pair.other.counts
    found = []
    for group in both:
        one, two = ours.number(group) or 0, theirs.number(group) or 0
        if 0 < abs(one - two) < rules.threshold and max(one, two) >= rules.threshold:
            found.append((group, one, two))
    if not found:
        return
    said = []
    for group, one, two in found[:_EXAMPLES]:
        name = quoted(ours.grid.name(ours.cells[group]))
        if other.origin == "sibling":
            said.append(f"{name} differs by {abs(one - two)}")
        else:
            said.append(f"{name}: {max(one, two)} − {min(one, two)} = {abs(one - two)}")
    more = f", and {len(found) - _EXAMPLES} more" if len(found) > _EXAMPLES else ""
    message = f"Compared with {_which(other)}, small groups can be computed: {'; '.join(said)}{more}."
    yield _observation(pair, found[0][0], message, other, _ADVICE)


_ADVICE = (
    "Use the same people as before, or round both tables; where the difference is meant, say so and show that it is no "
    "single group of people."
)


def _unrounded(pair: _Pair, both: Sequence[Group], other: Member, rules: Rules) -> Iterator[Observation]:
    """One table is rounded, the other shows the exact counts of the same groups."""
    ours, theirs = pair.ours.counts, pair.other.counts
    agree = [
        group
        for group in both
        if (ours.shown(group).low <= theirs.shown(group).low <= (ours.shown(group).high or 0))
        or (theirs.shown(group).low <= ours.shown(group).low <= (theirs.shown(group).high or 0))
    ]
    large = [group for group in agree if (ours.number(group) or 0) >= rules.threshold]
    changed = [group for group in agree if ours.number(group) != theirs.number(group)]
    if len(large) < _FEWEST_SHARED or len(agree) < max(0.9 * len(both), 2) or not changed:
        return
    which = "This table is rounded, but" if ours.rounded else "This table shows exact counts, but"
    what = "shows the same counts exactly" if ours.rounded else "shows them rounded"
    message = f"{which} {_which(other)} {what}: {len(changed)} groups have both."
    yield _observation(pair, changed[0], message, other, "Release one of the two only, or round both alike.")


def _uncovered(pair: _Pair, other: Member, rules: Rules, budget: Budget) -> Iterator[Observation]:
    """What one table hides and the other shows, or lets compute."""
    ours, theirs = pair.ours.counts, pair.other.counts
    hidden = [g for g in pair.groups if ours.hides(g) and theirs.number(g) is not None]
    shown = [g for g in pair.groups if theirs.hides(g) and ours.number(g) is not None]
    small = [g for g in hidden if 0 < (theirs.number(g) or 0) < rules.threshold]
    if small:
        message = f"Hidden here, yet {_which(other)} shows it: {_names(ours, small)}."
        yield _observation(pair, small[0], message, other, "Hide it in both; what was released cannot be taken back.")
    small = [g for g in shown if 0 < (ours.number(g) or 0) < rules.threshold]
    if small:
        message = f"Shown here, though hidden in {_which(other)}: {_names(ours, small)}."
        yield _observation(pair, small[0], message, other, "Hide it here as well.")
    if rules.threshold and not ours.rounded and (hidden or shown):
        yield from _together(pair, hidden, other, rules, budget)
        yield from _together(_Pair(pair.other, pair.ours, pair.groups), shown, other, rules, budget, turned=pair)


def _together(
    pair: _Pair, groups: Sequence[Group], other: Member, rules: Rules, budget: Budget, turned: _Pair | None = None
) -> Iterator[Observation]:
    """What a table's own hidden cells become once the other table's numbers stand in it."""
    ours, theirs = pair.ours.counts, pair.other.counts
    filled = {ours.cells[g]: theirs.shown(g) for g in groups if (theirs.number(g) or 0) >= rules.threshold}
    if not filled:
        return
    before = {item.place for item in audit(ours.grid, rules, budget)}
    grid = replace(ours.grid, cells=ours.grid.cells | filled)
    after = [item for item in audit(grid, rules, budget) if item.place not in before]
    if not after:
        return
    where = "here" if turned is None else "there"
    message = f"Together with {_which(other)}, a cell hidden {where} can be computed"
    message += "." if other.origin == "sibling" else f": {after[0].message}"
    place = after[0].place if turned is None else turned.ours.counts.grid.place(turned.ours.counts.cells[groups[0]])
    yield Observation("S04", message[:480], "Hide the same cells in both tables.", place, _case(other))


def _linked(
    ours: _Held,
    held: Sequence[_Held],
    members: Sequence[Member],
    index: Mapping[Group, list[int]],
    rules: Rules,
    budget: Budget,
) -> Iterator[Remark]:
    """Hidden cells that follow from totals that another table shows."""
    margins = Margins({}, frozenset()) if ours.counts.rounded else margins_of(ours.counts)
    tables = dict.fromkeys(place for group in margins.open for place in index.get(group, ()))
    for place in list(tables)[:_MOST_LINKED]:
        other = members[held[place].member]
        grid = None if held[place].counts.rounded else with_margins(ours.counts, margins, held[place].numbers)
        if grid is None or held[place] is ours:
            continue
        found = audit(grid, rules, budget)
        if not found:
            continue
        message = f"Together with the totals of {_which(other)}, a hidden cell can be computed"
        message += "." if other.origin == "sibling" else f": {found[0].message}"
        advice = "Hide more cells here, so that these totals leave at least two in each line, or round both tables."
        yield Remark(ours.member, Observation("S04", message[:480], advice, found[0].place, _case(other)))


def _within(counts: Counts, rules: Rules) -> Iterator[Observation]:
    """A part beside its total, in one row: all but a few of them."""
    grid = counts.grid
    if counts.rounded or len(grid.columns) != 2 or grid.sums:
        return
    titles = [grid.table.header[column] for column in grid.columns]
    whole = [place for place, title in enumerate(titles) if _is_whole(title)]
    if len(whole) != 1:
        return
    total, part = whole[0], 1 - whole[0]
    pairs = [(grid.cells.get((i, total)), grid.cells.get((i, part))) for i in range(len(grid.rows))]
    numbers = [(i, a.number, b.number) for i, (a, b) in enumerate(pairs) if a is not None and b is not None]
    full = [(i, a, b) for i, a, b in numbers if a is not None and b is not None]
    if not full or any(b > a for _, a, b in full):
        return
    small = [(i, a, b) for i, a, b in full if 0 < a - b < rules.threshold and b >= rules.threshold]
    for i, a, b in small[:_EXAMPLES]:
        name = quoted(grid.name((i, part)))
        message = f"All but a few: {name} is {b} of {a}, so that {a} − {b} = {a - b} are not."
        yield Observation("S04", message, "Hide both numbers, round both, or merge groups.", grid.place((i, part)))


_WHOLE_TITLES = frozenset({"total", "all", "denominator", "population", "overall", "n total", "total n", "at risk"})


def _is_whole(title: str) -> bool:
    words = " ".join(title.replace("_", " ").replace(".", " ").lower().split())
    return words in _WHOLE_TITLES or words.startswith(("total ", "all ", "n total", "number at risk"))


def _which(other: Member) -> str:
    if other.origin == "request":
        return f"{quoted(other.path)} of this request"
    if other.origin == "sibling":
        return f"another project's release on the same data ({quoted(other.label)})"
    return f"{quoted(other.path)} released earlier ({quoted(other.label)})"


def _names(counts: Counts, groups: Sequence[Group]) -> str:
    named = ", ".join(quoted(counts.grid.name(counts.cells[group])) for group in groups[:_EXAMPLES])
    return f"{named} and {len(groups) - _EXAMPLES} more" if len(groups) > _EXAMPLES else named


def _case(other: Member) -> str:
    return "sibling" if other.origin == "sibling" else ""


def _observation(pair: _Pair, group: Group, message: str, other: Member, advice: str) -> Observation:
    place = pair.ours.counts.grid.place(pair.ours.counts.cells[group])
    return Observation("S04", message, advice, place, _case(other))
