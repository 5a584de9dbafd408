"""Whether a signed plan covers a later one: the only way in which content may differ from what was signed.

Guarantees: a later plan is covered only when nothing was added, everything that is gone belongs to people in the
deny set, and all else (specification, index, tier, headers, layout, columns, derivations) is the same. So opt-outs
need no new signature, and everything else does. The claimed difference must agree with the digests: roots differ
exactly when files do, row digests exactly when rows do, so that a wrong comparison is not believed.

Does not guarantee: that the difference was computed from the contents the digests speak of; `tre.slices.cover`
computes it from contents whose roots it has checked.

Threat: a plan that grows, moves to another tier or gains a column under an old signature.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from tre.domain.errors import Reason, TREError
from tre.domain.slices.plan import PlanIdentity

HEADERS_TABLE = "headers"
"""The table with a row for each image: the root of the files stands for its rows."""

_MAY_DIFFER = frozenset({"deny_version", "files_root", "tables"})
"""Fields that opt-outs change; of the tables only rows and their digest."""


@dataclass(frozen=True)
class PlanDifference:
    """What a later plan's content lacks and adds, counted.

    `undenied_files_removed` and `undenied_rows_removed` count what is gone although its person is not in the deny set.
    """

    files_added: int = 0
    files_removed: int = 0
    undenied_files_removed: int = 0
    rows_added: int = 0
    rows_removed: int = 0
    undenied_rows_removed: int = 0


@dataclass(frozen=True)
class PlanContents:
    """A plan's content, small enough for memory: files as (content, path, pseudonym), and the table's rows."""

    files: frozenset[tuple[str, str, str]]
    rows: frozenset[str]


def difference_of(signed: PlanContents, later: PlanContents, denied: Set[str]) -> PlanDifference:
    """What changed between two contents: the definition that the database query must agree with."""
    removed = signed.files - later.files
    rows_removed = signed.rows - later.rows
    return PlanDifference(
        files_added=len(later.files - signed.files),
        files_removed=len(removed),
        undenied_files_removed=sum(1 for _, _, pseudonym in removed if pseudonym not in denied),
        rows_added=len(later.rows - signed.rows),
        rows_removed=len(rows_removed),
        undenied_rows_removed=len(rows_removed - denied),
    )


def obstacles(signed: PlanIdentity, later: PlanIdentity, difference: PlanDifference) -> list[str]:
    """Everything because of which the signed plan does not cover the later one; empty when it does."""
    names = set(PlanIdentity.model_fields) - _MAY_DIFFER
    found = [f"{name} is another" for name in sorted(names) if getattr(signed, name) != getattr(later, name)]
    found += _table_obstacles(signed, later)
    found += _content_obstacles(difference)
    found += _contradictions(signed, later, difference)
    return found


def _table_obstacles(signed: PlanIdentity, later: PlanIdentity) -> list[str]:
    if signed.tables.keys() != later.tables.keys():
        return ["other tables"]
    shape = {name: (table.columns, table.derivations) for name, table in signed.tables.items()}
    return [
        f"the table {name} has other columns or derivations"
        for name, table in sorted(later.tables.items())
        if (table.columns, table.derivations) != shape[name]
    ]


def _content_obstacles(difference: PlanDifference) -> list[str]:
    counted = (
        (difference.files_added, "files were added"),
        (difference.rows_added, "rows were added"),
        (difference.undenied_files_removed, "files are gone whose person did not opt out"),
        (difference.undenied_rows_removed, "rows are gone whose person did not opt out"),
    )
    return [f"{count} {text}" for count, text in counted if count]


def _contradictions(signed: PlanIdentity, later: PlanIdentity, difference: PlanDifference) -> list[str]:
    files_differ = bool(difference.files_added or difference.files_removed)
    rows_differ = bool(difference.rows_added or difference.rows_removed)
    found = []
    if later.deny_version < signed.deny_version:
        found.append("the deny set is older than the signed one")
    if files_differ != (signed.files_root != later.files_root):
        found.append("the comparison of the files contradicts their roots")
    if _row_ids(signed) and rows_differ != (_row_ids(signed) != _row_ids(later)):
        found.append("the comparison of the rows contradicts their digests")
    if any(_header_rows(plan) not in {None, plan.files_root} for plan in (signed, later)):
        found.append("the table of headers has other rows than there are images")
    return found


def _row_ids(plan: PlanIdentity) -> dict[str, str]:
    """The digests of the rows of every table about people; without such a table, rows have no digest to contradict."""
    return {name: table.row_ids for name, table in plan.tables.items() if name != HEADERS_TABLE}


def _header_rows(plan: PlanIdentity) -> str | None:
    table = plan.tables.get(HEADERS_TABLE)
    return None if table is None else table.row_ids


def can_cover(signed: PlanIdentity, later: PlanIdentity, difference: PlanDifference) -> bool:
    """Whether the signature on one plan also holds for the later one."""
    return not obstacles(signed, later, difference)


def check_covers(signed: PlanIdentity, later: PlanIdentity, difference: PlanDifference) -> None:
    """Raise `TREError(PlanNotCovered)` naming everything that differs, unless the signature holds for both."""
    if found := obstacles(signed, later, difference):
        raise TREError(
            Reason.PlanNotCovered,
            "The plan that was signed does not cover what would be built now.",
            why="; ".join(found).capitalize() + ".",
            remedy="Let the committee see and sign the new plan, or ask for what was signed.",
        )
