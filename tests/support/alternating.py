"""Which of both databases a test uses in an ordinary run, where what it asks about is not the database.

Guarantees: tests of the record and of what writes the log (`ON_BOTH`) use both in every run. Of any other test that
could use either, each run uses one and the long runs (`make soak`) the other: half of them one, half the other, the
same ones every time. A right that a program's role lacks on the server is found by its half, and by tests of the roles.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from zlib import crc32

from tests.support.databases import KINDS

ON_BOTH = (
    "tests/unit/store/",
    *(f"tests/unit/audit/test_{name}.py" for name in ("lease", "sequencer", "spool")),
)


class Case(NamedTuple):
    """A test on one of both databases; `turn` is what decides which of them comes in an ordinary run."""

    name: str
    kind: str
    turn: str

    @property
    def other(self) -> str:
        """The same test on the other database."""
        return self.name.replace(self.kind, next(kind for kind in KINDS if kind != self.kind))


def for_long_runs(cases: Iterable[Case]) -> set[str]:
    """The names of those that only long runs try."""
    found = [case for case in cases if not case.name.startswith(ON_BOTH)]
    names = {case.name for case in found}
    pairs = [case for case in found if case.other in names]
    return {case.name for case in pairs if KINDS[crc32(case.turn.encode()) % len(KINDS)] != case.kind}
