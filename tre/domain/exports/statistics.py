"""How right each check was: what it found, how often checkers called it wrong, how often authors changed the file.

Guarantees: counts by check, taken from requests as they stand; no content, no file, no person.

Does not guarantee: the truth about a check. A finding that everybody waves through was not marked, and is counted as
found only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tre.domain.exports.models import ExportRequest, Mark
from tre.domain.model import Line, Record


class CheckFigures(Record):
    """One check: findings submitted to checkers, and what became of them. `false_alarms` and `acceptable` are findings
    that at least one checker's submitted review marked so; `changed` are those gone in the next submission."""

    check: Line
    found: int = 0
    false_alarms: int = 0
    acceptable: int = 0
    changed: int = 0


def figures(requests: Iterable[ExportRequest]) -> tuple[CheckFigures, ...]:
    """The figures of every check that was ever met, in the order of their names."""
    counted: dict[str, Counter[str]] = {"found": Counter(), "changed": Counter()}
    marks: dict[Mark, Counter[str]] = {mark: Counter() for mark in Mark}
    for request in requests:
        counted["found"].update(entry.check for entry in request.ledger)
        counted["changed"].update(entry.check for entry in request.ledger if entry.gone)
        for mark, found in _marked(request).items():
            marks[mark].update(found)
    names = sorted(counted["found"])
    return tuple(
        CheckFigures(
            check=name,
            found=counted["found"][name],
            changed=counted["changed"][name],
            false_alarms=marks[Mark.false_alarm][name],
            acceptable=marks[Mark.acceptable][name],
        )
        for name in names
    )


def _marked(request: ExportRequest) -> dict[Mark, list[str]]:
    """The checks of findings that a submitted review marked, each finding once for each mark."""
    checks = {entry.finding: entry.check for entry in request.ledger}
    said = {
        (answer.mark, answer.finding)
        for review in request.reviews
        if review.submitted_at is not None and not review.void
        for vote in review.votes
        for answer in vote.dispositions
        if answer.mark is not None
    }
    return {mark: [checks[f] for kind, f in said if kind is mark and f in checks] for mark in Mark}
