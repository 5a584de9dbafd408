"""Reading grant files: every problem at once, each with its line.

Guarantees: either every grant of every file is returned, or nothing and an error that names file, line, key and what
was expected there. No two of them have one name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tre.domain.errors import Reason
from tre.domain.grants.models import AccessGrant
from tre.system.resources import Located, read_records, refusal

LocatedGrant = Located[AccessGrant]
NAME = ("metadata", "name")


def read_grants(path: Path) -> list[AccessGrant]:
    """Every grant of a YAML file. Raises `TREError(BadInput)`, `TREError(Conflict)` for two of one name."""
    return [item.record for item in locate_grants([path])]


def locate_grants(paths: Sequence[Path]) -> list[LocatedGrant]:
    """Every grant of these files, each with its place. Raises as `read_grants`."""
    found = [item for path in paths for item in read_records(AccessGrant, path)]
    first: dict[str, LocatedGrant] = {}
    twice = [item for item in found if first.setdefault(item.record.metadata.name, item) is not item]
    if twice:
        raise refusal((_said_twice(item, first[item.record.metadata.name]) for item in twice), Reason.Conflict)
    return found


def _said_twice(item: LocatedGrant, first: LocatedGrant) -> str:
    name, before = item.record.metadata.name, first.place(*NAME).rpartition(": ")[0]
    return item.problem(NAME, f"a second grant of the name {name!r}; the first stands at {before}")
