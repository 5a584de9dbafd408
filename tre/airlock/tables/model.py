"""A table that has been read: columns with roles and numbers, and every number with the role it plays in its place.

Guarantees: each number of a table comes out once, with its role, its place and its title; where rows carry the roles
(a "statistic, value" layout, a summary table), the row's role is taken unless the column says something firmer.

Does not guarantee: right roles; see `roles`. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from tre.airlock.parsed import Place, Table
from tre.airlock.tables.lexicon import Role
from tre.airlock.tables.numbers import Cell, Number


class Figure(NamedTuple):
    """One number of a table: its role, itself, and its row and column, from 0 in the body."""

    role: Role
    number: Number
    row: int
    column: int


@dataclass(frozen=True)
class Column:
    """One column: its title, what its numbers are (`parts` where a cell holds several), and its cells as read.

    `firm`: its own title or a person says so, and rows do not say otherwise.
    """

    index: int
    title: str
    role: Role
    parts: tuple[Role, ...]
    cells: tuple[Cell, ...]
    firm: bool = True

    @property
    def numeric(self) -> bool:
        """Whether its numbers are figures: neither labels nor dates nor names."""
        return self.role not in NAMING

    @cached_property
    def combined(self) -> bool:
        """Whether some cell holds several numbers."""
        return any(cell.kind == "several" for cell in self.cells)

    @cached_property
    def mixed(self) -> bool:
        """Whether its cells have roles of their own: several numbers, or a percent sign where the title says none."""
        return self.combined or any(c.numbers and c.numbers[0].percent for c in self.cells if c.kind == "number")

    def numbers(self) -> list[Number]:
        """The first number of each cell that has one."""
        return self._numbers

    @cached_property
    def _numbers(self) -> list[Number]:
        return [cell.numbers[0] for cell in self.cells if cell.numbers and cell.kind != "suppressed"]


NAMING = frozenset({Role.label, Role.date, Role.identifier, Role.organisation})
"""Roles of columns whose cells name their rows."""

FIRM_IN_ROWS = frozenset({Role.p, Role.statistic, Role.ci_low, Role.ci_high, Role.coefficient, Role.percent, Role.sd})


@dataclass(frozen=True)
class Sheet:
    """A table with its columns and, where rows carry roles, the roles of each row (else nothing).

    `pointers` are the JSON pointers of the cells, row by row, for a table made of a JSON value.
    """

    table: Table
    columns: tuple[Column, ...]
    row_roles: tuple[tuple[Role, ...], ...] = ()
    pointers: Sequence[Sequence[str]] = field(default=())

    def place(self, row: int | None, column: int | None = None) -> Place:
        """Where a cell, a row or a column stands in the file."""
        if self.pointers:
            return Place(pointer=self.pointers[row or 0][column or 0][:300])
        return self.table.at(row, column)

    def title(self, row: int, column: int) -> str:
        """What a number is called: by its column, or by its row where that carries the role."""
        if self.pointers and self.row_roles:
            return self.pointers[row][column].rsplit("/", 1)[-1].replace("~1", "/").replace("~0", "~")
        if self.row_roles and self.row_roles[row] and not self.columns[column].firm:
            return self.row_label(row)
        return self.columns[column].title

    def row_label(self, row: int) -> str:
        """The labels at the beginning of a row."""
        texts = [self.table.rows[row][c.index] for c in self.columns if not c.numeric]
        return " ".join(text.strip() for text in texts if text.strip())[:200]

    def roles_at(self, row: int, column: Column) -> tuple[Role, ...]:
        """The roles of the numbers in one cell, as its row or column names them."""
        if self.row_roles and self.row_roles[row] and not column.firm:
            return self.row_roles[row]
        return column.parts

    def figures(self, *wanted: Role) -> Iterator[Figure]:
        """Every number of these roles, suppressed ones left out."""
        for column in self.columns:
            if column.numeric and (self.row_roles or column.mixed):
                yield from (figure for figure in self._by_cell[column.index] if figure.role in wanted)
            elif column.numeric and column.parts[0] in wanted:
                yield from self._plain(column)

    @cached_property
    def counts(self) -> list[Figure]:
        """Every whole number that is a count."""
        return [figure for figure in self.figures(Role.counted) if figure.number.whole]

    def _plain(self, column: Column) -> Iterator[Figure]:
        """The numbers of a column that have one role all."""
        for row, cell in enumerate(column.cells):
            if cell.kind == "number" and not cell.numbers[0].bound.startswith(("<", "≤")):
                yield Figure(column.parts[0], cell.numbers[0], row, column.index)

    @cached_property
    def _by_cell(self) -> dict[int, list[Figure]]:
        """The numbers of each column whose cells have roles of their own."""
        mixed = [column for column in self.columns if column.numeric and (self.row_roles or column.mixed)]
        return {column.index: list(self._cell_by_cell(column)) for column in mixed}

    def _cell_by_cell(self, column: Column) -> Iterator[Figure]:
        for row, cell in enumerate(column.cells):
            if cell.kind in {"number", "several"}:
                roles = roles_of_cell(cell, self.roles_at(row, column))
                for role, number in zip(roles, cell.numbers, strict=True):
                    if not number.bound.startswith(("<", "≤")):
                        yield Figure(role, number, row, column.index)

    def having(self, *roles: Role) -> list[Column]:
        """The columns of these roles."""
        return [column for column in self.columns if column.role in roles]

    @property
    def aggregated(self) -> bool:
        """Whether something in the table says that it sums up: counts, means, coefficients, …"""
        return any(column.role in SUMMING for column in self.columns) or any(
            set(roles) & SUMMING for roles in self.row_roles
        )


SUMMING = frozenset(Role) - NAMING - {Role.unknown, Role.dof, Role.total, Role.parameter}
"""Roles that only a summary of several people has."""


def roles_of_cell(cell: Cell, named: tuple[Role, ...]) -> tuple[Role, ...]:
    """The role of each number in a cell, from what its title says and from its shape."""
    numbers = cell.numbers
    if len(numbers) == 1:
        return (_single(numbers[0], named[0]),)
    if len(named) == len(numbers):
        roles = named
    elif len(numbers) == 2:
        roles = _pair(cell, named[0])
    else:
        roles = _more(cell, named[0])
    return tuple(
        Role.percent if number.percent and role in {Role.counted, Role.unknown} else role
        for role, number in zip(roles, numbers, strict=True)
    )


def _single(number: Number, named: Role) -> Role:
    return Role.percent if number.percent and named in {Role.counted, Role.unknown, Role.label} else named


def _pair(cell: Cell, named: Role) -> tuple[Role, ...]:
    first, second = cell.numbers
    if cell.shape.startswith(("(", "[")) or cell.shape in {"#-#", "#–#", "#to#", "#,#", "#;#"}:
        return _ENDS.get(named, (Role.unknown, Role.unknown))
    if "/" in cell.shape or "of" in cell.shape:
        both = first.whole and second.whole and named in {Role.counted, Role.percent, Role.unknown, Role.label}
        return (Role.counted, Role.counted) if both else (named, named)
    if "±" in cell.shape or "+/-" in cell.shape:
        return (Role.mean, Role.sd)
    if named in _BESIDE:
        return (named, _BESIDE[named])
    if first.whole and not first.decimals and first.value >= 0:
        return (Role.counted, Role.percent)
    return (Role.mean, Role.sd)


def _more(cell: Cell, named: Role) -> tuple[Role, ...]:
    first, second = cell.numbers[:2]
    rest = len(cell.numbers) - 3
    if "/" in cell.shape or "of" in cell.shape:
        kind = Role.counted if first.whole and second.whole else named
        return (kind, kind, Role.percent, *(Role.p,) * rest)
    if named in {Role.quantile, Role.mean, Role.percent, Role.rate, Role.coefficient, Role.statistic, Role.counted}:
        ends = (Role.quantile, Role.quantile) if named is Role.quantile else (Role.ci_low, Role.ci_high)
        return (named, *ends, *(Role.p,) * rest)
    whole = all(number.whole and not number.decimals for number in cell.numbers[:3])
    three = (Role.quantile,) * 3 if whole else (Role.coefficient, Role.ci_low, Role.ci_high)
    return (*three, *(Role.p,) * rest)


_ENDS = {
    Role.ci_low: (Role.ci_low, Role.ci_high),
    Role.minimum: (Role.minimum, Role.maximum),
    Role.quantile: (Role.quantile, Role.quantile),
    Role.coefficient: (Role.ci_low, Role.ci_high),
    Role.counted: (Role.counted, Role.counted),
}
_BESIDE = {
    Role.counted: Role.percent,
    Role.percent: Role.counted,
    Role.mean: Role.sd,
    Role.coefficient: Role.statistic,
    Role.quantile: Role.quantile,
    Role.statistic: Role.p,
    Role.rate: Role.statistic,
}
