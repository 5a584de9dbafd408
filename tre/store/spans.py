"""Reading the neighbours of many names in a row: from the first to the last of them, as the database orders them.

Guarantees: the bounds are names that the database itself gave in its order, so whatever that order is, all names
between them lie between them. Naming each of a hundred in a statement costs more than reading what is not asked for.

Does not guarantee: that only these are found; whoever reads keeps what it asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement


class Span(NamedTuple):
    """The first and the last of some names."""

    first: str
    last: str

    @classmethod
    def over(cls, names: Sequence[str]) -> Span:
        """The span over names in the database's order, of which there is one at least."""
        return cls(names[0], names[-1])

    def holds(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        """The condition that a column's value lies in it."""
        return column.between(self.first, self.last)
