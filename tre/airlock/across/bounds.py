"""How narrowly an outsider can bound the hidden cells of a table, from what the table shows and what must add up.

Guarantees: the bounds hold for every table that agrees with what is shown. First by exact elimination, equation by
equation, which also says in words how it is done; then, for what is left, by linear programming over all equations of
the table together, which is the tightest that equations between real numbers can give. Bounded: `Budget` ends the
programming, and what was not tried is counted.

Does not guarantee: the last word on whole numbers. Where only whole tables fit, bounds can be narrower still.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tre.airlock.across.solver import System
from tre.airlock.tables.crosstab import Cell, Grid
from tre.airlock.tables.equations import Sum
from tre.airlock.tables.shown import Kind, Shown

_ROUNDS = 60
_MOST_VARIABLES = 4000


@dataclass
class Budget:
    """Seconds of processor time that are left for linear programming, for all tables of a request together."""

    seconds: float = 6.0
    now: Callable[[], float] = time.process_time
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        """The clock runs from here."""
        self.begun = self.now()

    @property
    def left(self) -> bool:
        """Whether there is any."""
        return self.now() - self.begun < self.seconds


@dataclass(frozen=True)
class Hidden:
    """A hidden number: a cell, or what a total leaves for the rows that were left out (`cell` is then the total)."""

    cell: Cell
    omitted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bound:
    """What can be computed of a hidden number: `low` to `high` instead of the `stated` bounds.

    `by` is the equation that gives it by itself, if one does; `others` what that equation leaves open beside it.
    """

    hidden: Hidden
    low: int
    high: int | None
    stated: tuple[int, int | None]
    by: Sum | None = None
    values: Mapping[Cell, tuple[int, int | None]] = field(default_factory=dict)


@dataclass
class _Problem:
    names: list[Hidden]
    lows: list[int]
    highs: list[int | None]
    sought: list[bool]
    equations: list[tuple[dict[int, int], int, Sum]]


def bounds(grid: Grid, limit: int, budget: Budget) -> tuple[list[Bound], int]:
    """Bounds of every hidden number that an equation speaks of, and how many were not tried to the end.

    `limit`: how wide a bound may be and still matter; wider ones are not made as tight as they could be.
    """
    sums = [equation for equation in grid.sums if _speaks(equation, grid)]
    problem = _problem(grid, sums)
    if not any(problem.sought):
        return [], 0
    stated = list(zip(problem.lows, problem.highs, strict=True))
    if not _eliminate(problem, budget):
        return _each_alone(grid, sums, limit, budget), 0
    untried = _program(problem, limit, budget)
    return _all_bounds(problem, stated, limit), untried


def _speaks(equation: Sum, grid: Grid) -> bool:
    """Not where nothing is left for the hidden parts: such a total was computed again without them."""
    total = grid.cells[equation.total]
    shown = [grid.cells[part] for part in equation.parts]
    if not equation.omitted and all(part.kind is Kind.number for part in shown):
        return True
    left = None if total.high is None else total.high - sum(part.low for part in shown if part.kind is Kind.number)
    return left is None or left > 0


def _problem(grid: Grid, sums: Sequence[Sum]) -> _Problem:
    least = int(any(cell.number == 0 for cell in grid.cells.values()))
    problem = _Problem([], [], [], [], [])
    known: dict[Hidden, int] = {}

    def variable(name: Hidden, shown: Shown) -> int:
        if name not in known:
            known[name] = len(problem.names)
            hidden = shown.kind is Kind.hidden
            problem.names.append(name)
            problem.lows.append(max(shown.low, least) if hidden and shown.high != 0 else shown.low)
            problem.highs.append(shown.high)
            problem.sought.append(shown.kind is not Kind.number)
        return known[name]

    for equation in sums:
        terms: dict[int, int] = {}
        right = 0
        for cell, sign in [*((part, 1) for part in equation.parts), (equation.total, -1)]:
            shown = grid.cells[cell]
            if (number := shown.exact) is not None:
                right -= sign * number
            else:
                place = variable(Hidden(cell), shown)
                terms[place] = terms.get(place, 0) + sign
        if equation.omitted:
            name = Hidden(equation.total, equation.omitted)
            terms[variable(name, Shown(Kind.blank, 0, None))] = 1
        if terms:
            problem.equations.append((terms, right, equation))
    return problem


def _eliminate(problem: _Problem, budget: Budget) -> bool:
    """Narrow every variable by each equation until nothing changes; false where the equations contradict."""
    for _ in range(_ROUNDS):
        changed = False
        for terms, right, _sum in problem.equations:
            for place, (low, high) in _by(problem, terms, right).items():
                if low > problem.lows[place]:
                    problem.lows[place], changed = low, True
                if high is not None and (problem.highs[place] is None or high < (problem.highs[place] or 0)):
                    problem.highs[place], changed = high, True
                top = problem.highs[place]
                if top is not None and top < problem.lows[place]:
                    return False
        if not changed or not budget.left:
            break
    return True


def _by(problem: _Problem, terms: Mapping[int, int], right: int) -> dict[int, tuple[int, int | None]]:
    """What one equation says of each of its variables, given the bounds of the others: one or minus one times each."""
    ranges = {place: _range(problem, place, sign) for place, sign in terms.items()}
    least, most = sum(low or 0 for low, _ in ranges.values()), sum(high or 0 for _, high in ranges.values())
    open_below = sum(low is None for low, _ in ranges.values())
    open_above = sum(high is None for _, high in ranges.values())
    found: dict[int, tuple[int, int | None]] = {}
    for place, (low, high) in ranges.items():
        others_below, others_above = open_below - (low is None), open_above - (high is None)
        top = None if others_below else right - (least - (low or 0))
        bottom = None if others_above else right - (most - (high or 0))
        if terms[place] < 0:
            top, bottom = (None if bottom is None else -bottom), (None if top is None else -top)
        found[place] = (0 if bottom is None else bottom), top
    return found


def _range(problem: _Problem, place: int, sign: int) -> tuple[int | None, int | None]:
    """Between which numbers a term of an equation lies."""
    low, high = problem.lows[place], problem.highs[place]
    return (low, high) if sign > 0 else (None if high is None else -high, -low)


def _program(problem: _Problem, limit: int, budget: Budget) -> int:
    """Narrow further what elimination left; returns how many variables were not tried."""
    open_ = [p for p, due in enumerate(problem.sought) if due and problem.highs[p] != problem.lows[p]]
    if not open_ or len(problem.equations) < 2:
        return 0
    if len(problem.names) > _MOST_VARIABLES or not budget.left:
        return len(open_)
    rows = [(terms, right) for terms, right, _ in problem.equations]
    system = System(problem.lows, problem.highs, rows)
    seen_low: list[float] = [float("inf")] * len(problem.names)
    seen_high: list[float] = [float("-inf")] * len(problem.names)
    for done, place in enumerate(open_):
        if not budget.left:
            return len(open_) - done
        for least in (True, False):
            if seen_high[place] - seen_low[place] >= limit:
                break  # two tables that agree with everything shown differ by more than matters
            value, solution = system.extreme(place, least)
            for other, number in enumerate(solution):
                seen_low[other] = min(seen_low[other], number)
                seen_high[other] = max(seen_high[other], number)
            _narrow(problem, place, least, value)
    return 0


def _narrow(problem: _Problem, place: int, least: bool, value: int | None) -> None:
    if value is None:
        return
    if least:
        problem.lows[place] = max(problem.lows[place], value)
    elif problem.highs[place] is None or value < (problem.highs[place] or 0):
        problem.highs[place] = value


def _all_bounds(problem: _Problem, stated: Sequence[tuple[int, int | None]], limit: int) -> list[Bound]:
    """Every variable that is sought; those that are narrow enough to matter with the equation that says so."""
    found = {
        place: Bound(problem.names[place], problem.lows[place], problem.highs[place], stated[place])
        for place, due in enumerate(problem.sought)
        if due
    }
    for terms, right, equation in problem.equations:
        narrow = [p for p in terms if p in found and found[p].by is None and _is_narrow(problem, p, limit)]
        said = _by(problem, terms, right) if narrow else {}
        for place in narrow:
            (low, high), due = said[place], found[place]
            if max(low, stated[place][0]) == due.low and high is not None and high <= (due.high or 0):
                values = {
                    problem.names[other].cell: (problem.lows[other], problem.highs[other])
                    for other in terms
                    if other != place and not problem.names[other].omitted
                }
                found[place] = Bound(due.hidden, due.low, due.high, due.stated, equation, values)
    return list(found.values())


def _is_narrow(problem: _Problem, place: int, limit: int) -> bool:
    high = problem.highs[place]
    return high is not None and high - problem.lows[place] < limit


def _each_alone(grid: Grid, sums: Sequence[Sum], limit: int, budget: Budget) -> list[Bound]:
    """Where the equations contradict one another: what each says by itself; the narrowest, then the smallest."""
    best: dict[Hidden, Bound] = {}
    for equation in sums:
        problem = _problem(grid, [equation])
        stated = list(zip(problem.lows, problem.highs, strict=True))
        if not _eliminate(problem, budget):
            continue
        for found in _all_bounds(problem, stated, limit):
            held = best.get(found.hidden)
            if found.high is not None and (held is None or _width(found) < _width(held)):
                best[found.hidden] = found
    return list(best.values())


def _width(bound: Bound) -> tuple[int, int]:
    return (bound.high or 0) - bound.low, bound.low
