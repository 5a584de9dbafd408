"""S03: hidden cells that follow from what is shown: from totals, margins, rows left out, and per cents beside them.

Guarantees: every table of counts that hides something is audited against all of its totals together (see `bounds`). A
hidden number counts as recovered when an outsider can bound it more narrowly than `recoverable_width` and more
narrowly than its token already says, and it may be a small one: below the threshold.

Does not guarantee: anything about totals that the table does not show, nor about what a token stands for. A cell that
was hidden to protect another one, and is itself large, is no finding.

Threat: suppression that looks like protection. Source of the method: attacker bounds of table protection (Fischetti
and Salazar-González, 2001; the tau-ARGUS manual), which are two linear programs for each suppressed cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tre.airlock.across import Member, Remark
from tre.airlock.across.bounds import Bound, Budget, bounds
from tre.airlock.across.percents import by_percent
from tre.airlock.parsed import Observation, Rules, Surroundings, Table, quoted
from tre.airlock.tables.crosstab import MOST_CELLS, Cell, Grid, grid_of
from tre.airlock.tables.shown import Kind, is_token

_MOST_TERMS = 8


def observe(members: Sequence[Member], around: Surroundings) -> Iterator[Remark]:
    """What every table of the request hides in vain."""
    budget = Budget()
    for place, member in enumerate(members):
        if member.origin != "request" or not leaves(member):
            continue
        found = [item for grid in grids_of(member, around.rules) for item in audit(grid, around.rules, budget)]
        found += [item for table in member.extract.tables for item in _too_large(table)]
        yield from (Remark(place, observation) for observation in found)


def _too_large(table: Table) -> Iterator[Observation]:
    """A table that hides something and is too large to be read as a grid."""
    if len(table.header) * len(table.rows) > MOST_CELLS and any(is_token(text) for row in table.rows for text in row):
        message = f"The table hides cells and has more than {MOST_CELLS} of them: its totals were not tried."
        yield Observation("S03", message, "Show fewer cells, in several tables.", table.at())


def leaves(member: Member) -> bool:
    """Whether a file was released, or asks to be: what only checkers see discloses nothing to others."""
    return member.origin != "request" or member.kind == "output"


def grids_of(member: Member, rules: Rules) -> Iterator[Grid]:
    """The tables of counts of a file."""
    for table, roles in zip(member.extract.tables, member.extract.roles, strict=True):
        if (grid := grid_of(table, roles, rules)) is not None:
            yield grid


def audit(grid: Grid, rules: Rules, budget: Budget) -> list[Observation]:
    """What one table hides in vain."""
    if not grid.hides:
        return []
    found, untried = bounds(grid, rules.recoverable_width, budget)
    seen = [bound for bound in found if is_recovered(bound, rules)]
    observations = [_observation(grid, bound) for bound in seen]
    computed = {bound.hidden.cell for bound in seen}
    observations += [o for cell, o in by_percent(grid, rules) if cell not in computed]
    if untried:
        message = f"{untried} hidden cells of this table were not tried against all of its totals: it is too large."
        observations.append(Observation("S03", message, "Show fewer cells.", grid.table.at()))
    return observations


def is_recovered(bound: Bound, rules: Rules) -> bool:
    """Whether an outsider knows more of a hidden number than the policy lets them."""
    low, high = bound.low, bound.high
    if high is None or high - low >= rules.recoverable_width or low >= rules.threshold:
        return False
    if high == 0 and not rules.zeros_disclosive:
        return False
    stated_low, stated_high = bound.stated
    return stated_high is None or high - low < stated_high - stated_low


def _observation(grid: Grid, bound: Bound) -> Observation:
    value = str(bound.low) if bound.low == bound.high else f"{bound.low} to {bound.high}"
    known = f"it is {value}" if bound.low == bound.high else f"it can only be {value}"
    name = quoted(grid.name(bound.hidden.cell))
    if bound.hidden.omitted:
        rows = ", ".join(bound.hidden.omitted[:3])
        what = f"The rows left out beside {name} ({quoted(rows)}) hold {value}"
    elif grid.cells[bound.hidden.cell].kind is Kind.blank:
        what = f"{name} is left empty, yet {known}"
    else:
        what = f"{name} is hidden, yet {known}"
    why = _equation(grid, bound, value) or "the totals of its row and column together leave no more"
    return Observation("S03", f"{what}: {why}.", _suggestion(grid, bound), grid.place(bound.hidden.cell))


def _equation(grid: Grid, bound: Bound, value: str) -> str:
    """ "total 120 − 30 − 45 − 41 leaves 4"."""
    equation = bound.by
    if equation is None:
        return ""
    if equation.total == bound.hidden.cell and not bound.hidden.omitted:
        return f"its parts {_terms(grid, bound, equation.parts, ' + ')} give {value}"
    others = [part for part in equation.parts if part != bound.hidden.cell]
    total = _number(grid, bound, equation.total)
    return f"total {total} − {_terms(grid, bound, others, ' − ')} leaves {value}" if others else ""


def _terms(grid: Grid, bound: Bound, cells: Sequence[Cell], sign: str) -> str:
    shown = [cell for cell in cells if _number(grid, bound, cell) != "0"]
    if len(shown) > _MOST_TERMS:
        numbers = [grid.cells[cell].number or bound.values.get(cell, (0, 0))[0] for cell in shown]
        return f"{sum(numbers)} in {len(shown)} other cells"
    return sign.join(_number(grid, bound, cell) for cell in shown) or "0"


def _number(grid: Grid, bound: Bound, cell: Cell) -> str:
    shown = grid.cells[cell]
    if shown.number is not None:
        return str(shown.number)
    low, high = bound.values.get(cell, (shown.low, shown.high))
    return f"({low})" if low == high else f"({low} or more)" if high is None else f"({low} to {high})"


def _suggestion(grid: Grid, bound: Bound) -> str:
    """Which other cell of the equation is the cheapest to hide: the smallest that is shown."""
    parts = bound.by.parts if bound.by is not None else ()
    shown = [(n, part) for part in parts if (n := grid.cells[part].number) and part != bound.hidden.cell]
    if not shown or bound.hidden.omitted:
        return "Hide a second cell of the same row and column, or round every count and every total."
    number, part = min(shown)
    return (
        f"Hide {quoted(grid.name(part))} ({number}) too, and check its own row and column again; or merge the group "
        "with another one, or round every count and every total."
    )
