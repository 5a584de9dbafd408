"""How far hidden counts are known from the sums they stand in: linear programs over what is hidden.

Guarantees: `is_wide` says yes only on the strength of two solutions of the equations, in non-negative numbers, in which
the cell differs by the width that was asked for; it says no only after the greatest and the least value were found, or
where the equations contradict one another. Solutions found for one cell are used for all others.

Method: simplex with the greatest gain, and Bland's rule (which cannot cycle; Bland 1977) where that takes long. The
programs are as small as the number of hidden counts that hang together, which `suppression` bounds. It shares nothing
with the solver that audits what was hidden (`tre.airlock.across.solver`), so that neither confirms its own mistake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tre.airlock.transformations.sums import Cell

NEAR = 1e-7
"""What counts as nothing: counts are whole numbers, and coefficients one."""

_BLAND_AFTER, _MOST_STEPS = 500, 20_000

Numbers = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Equation:
    """Sum of coefficient × unknown = `equals`; every unknown is at least zero."""

    coefficients: Mapping[Cell, int]
    equals: int


class Ranges:
    """What some equations say of their unknowns."""

    def __init__(self, equations: Sequence[Equation]) -> None:
        self._places = {n: p for p, n in enumerate(sorted({name for e in equations for name in e.coefficients}))}
        self._tableau = _Tableau(equations, self._places)
        self._solvable = self._tableau.find_solution()
        self._low = self._high = self._tableau.solution()

    def covers(self, cell: Cell) -> bool:
        """Whether the equations are about a cell."""
        return cell in self._places

    def is_wide(self, cell: Cell, width: float) -> bool:
        """Whether a cell can have values that lie so far apart; true for one that no equation is about."""
        if not self.covers(cell):
            return True
        if not self._solvable:
            return False
        place = self._places[cell]
        for sign in (1, -1):
            if self._high[place] - self._low[place] >= width - NEAR:
                return True
            if not self._tableau.climb(place, sign):
                return True  # no bound at all
            found = self._tableau.solution()
            self._low, self._high = np.minimum(self._low, found), np.maximum(self._high, found)
        return bool(self._high[place] - self._low[place] >= width - NEAR)


class _Tableau:
    """Rows `a · x = b` with b ≥ 0, and a basis; artificial unknowns stand behind the real ones."""

    def __init__(self, equations: Sequence[Equation], places: Mapping[Cell, int]) -> None:
        self.width, height = len(places), len(equations)
        self.rows: Numbers = np.zeros((height, self.width + height + 1))
        for number, equation in enumerate(equations):
            sign = -1.0 if equation.equals < 0 else 1.0
            for name, coefficient in equation.coefficients.items():
                self.rows[number, places[name]] = sign * coefficient
            self.rows[number, self.width + number] = 1.0
            self.rows[number, -1] = sign * equation.equals
        self.basis = [self.width + number for number in range(height)]

    def find_solution(self) -> bool:
        """Bring the artificial unknowns to zero and out of the way; false where that cannot be."""
        cost = np.zeros(self.rows.shape[1] - 1)
        cost[self.width :] = -1.0
        self._optimise(cost)
        artificial = [number for number, basic in enumerate(self.basis) if basic >= self.width]
        if any(self.rows[number, -1] > NEAR for number in artificial):
            return False
        for number in artificial:
            usable = np.flatnonzero(np.abs(self.rows[number, : self.width]) > NEAR)
            if usable.size:
                self._pivot(number, int(usable[0]))
        kept = [number for number, basic in enumerate(self.basis) if basic < self.width]  # the others say nothing new
        self.basis = [self.basis[number] for number in kept]
        self.rows = np.hstack([self.rows[kept, : self.width], self.rows[kept, -1:]])
        return True

    def solution(self) -> Numbers:
        """The value of every unknown at the present corner."""
        found = np.zeros(self.width)
        for number, basic in enumerate(self.basis):
            if basic < self.width:
                found[basic] = self.rows[number, -1]
        return found

    def climb(self, place: int, sign: int) -> bool:
        """Go to where `sign` × an unknown is greatest; false where it has no bound."""
        cost = np.zeros(self.width)
        cost[place] = sign
        return self._optimise(cost)

    def _optimise(self, cost: Numbers) -> bool:
        for step in range(_MOST_STEPS):
            gains = cost.copy()
            for number, basic in enumerate(self.basis):
                if cost[basic]:
                    gains -= cost[basic] * self.rows[number, :-1]
            better = np.flatnonzero(gains > NEAR)
            if not better.size:
                return True
            entering = int(better[0] if step > _BLAND_AFTER else better[np.argmax(gains[better])])
            leaving = self._leaving(entering)
            if leaving is None:
                return False
            self._pivot(leaving, entering)
        raise MemoryError  # as for any other work that is more than allowed

    def _leaving(self, entering: int) -> int | None:
        usable = np.flatnonzero(self.rows[:, entering] > NEAR)
        if not usable.size:
            return None
        ratios = self.rows[usable, -1] / self.rows[usable, entering]
        tied = usable[ratios <= ratios.min() + NEAR]
        return min((int(number) for number in tied), key=lambda number: self.basis[number])

    def _pivot(self, number: int, place: int) -> None:
        row = self.rows[number] / self.rows[number, place]
        self.rows -= self.rows[:, place : place + 1] * row
        self.rows[number] = row
        np.maximum(self.rows[:, -1], 0.0, out=self.rows[:, -1])  # what rounding brought below zero is zero
        self.basis[number] = place
