"""What data managers decide about files in quarantine at the desk.

Guarantees: the command line and the desk decide through the same functions, with the same event; a decision speaks of
the files that its page showed, waiting for what they waited for then. Whoever decides about all files of a rule types
how many they are; files that were found since are not among them.

Does not guarantee: that a file that is let in stands in a release: the next addition that brings it takes it.

Threat: a backlog that is waved through; a form that was opened before somebody else decided, or before a file was found
again with something worse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.model import as_line
from tre.domain.people import Person
from tre.domain.quarantine import LONGEST_REASON, Decision, QuarantinedFile, QuarantineState, decision_event
from tre.portal.context import Desk
from tre.store import datasets
from tre.store import quarantine as store
from tre.store.database import new_id
from tre.store.quarantine import QuarantineSearch

MOST_CHOSEN = 100
"""Files that are named one by one in a decision."""

_COUNT = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class Verdict:
    """What is decided and why, as it was chosen and typed."""

    state: str
    reason: str


@dataclass(frozen=True)
class Whole:
    """All files that wait for a rule first and were found by a moment; `typed` is how many that should be."""

    rule: str
    attribute: str
    until: datetime
    typed: str


def decide_chosen(
    desk: Desk, person: Person, dataset: str, marks: Mapping[str, str], verdict: Verdict
) -> list[QuarantinedFile]:
    """Decide about files by their digests; the marks say what was seen of each.

    Raises `TREError(NotPermitted | DatasetNotFound | BadInput | ObjectNotFound | StateForbids | Conflict)`.
    """
    permissions.check_manage_data(person)
    decision = _decision(desk, person, verdict)
    with desk.database.read() as connection:
        datasets.require(connection, dataset)
    if not marks or len(marks) > MOST_CHOSEN:
        raise TREError(
            Reason.BadInput,
            "No file is chosen." if not marks else f"These are more than {MOST_CHOSEN} files.",
            remedy=f"Choose 1 to {MOST_CHOSEN} files, or decide about all that wait for one rule.",
        )
    return _settle(desk, dataset, marks, decision)


def decide_whole(desk: Desk, person: Person, dataset: str, whole: Whole, verdict: Verdict) -> list[QuarantinedFile]:
    """Decide about all files that wait for one rule. Raises as `decide_chosen`, and `TREError(ConfirmationWrong)`."""
    permissions.check_manage_data(person)
    decision = _decision(desk, person, verdict)
    if not whole.rule:
        raise TREError(Reason.BadInput, "No rule is named.", remedy="Filter by one rule first.")
    search = QuarantineSearch(dataset, QuarantineState.waiting, whole.rule, whole.attribute, whole.until)
    with desk.database.read() as connection:
        datasets.require(connection, dataset)
        marks = {one.sha256: one.mark for one in store.files_of(connection, search)}
    _check_typed(whole.typed, len(marks))
    return _settle(desk, dataset, marks, decision)


def _settle(desk: Desk, dataset: str, marks: Mapping[str, str], decision: Decision) -> list[QuarantinedFile]:
    named = sorted(marks)
    with desk.database.change(decision_event(dataset, named, decision, new_id())) as change:
        return store.decide_all(change, dataset, named, decision, marks)


def _decision(desk: Desk, person: Person, verdict: Verdict) -> Decision:
    if verdict.state not in {QuarantineState.released, QuarantineState.rejected}:
        raise TREError(Reason.BadInput, "Neither is chosen: let in, or keep out.", remedy="Choose one, and write why.")
    reason = as_line(verdict.reason, LONGEST_REASON + 1)
    return Decision(QuarantineState(verdict.state), person.subject, desk.clock.now(), reason)


def _check_typed(typed: str, files: int) -> None:
    """Raise `TREError(ConfirmationWrong)` for another number than theirs, `StateForbids` where none is left."""
    if not files:
        raise TREError(
            Reason.StateForbids,
            "Nothing that your page showed waits for this rule any more.",
            why="Somebody decided about it, or it was found again with other reasons.",
            remedy="Load the page again and look at what waits now.",
        )
    text = typed.strip().replace(",", "")
    if not _COUNT.fullmatch(text) or int(text) != files:
        raise TREError(
            Reason.ConfirmationWrong,
            "This is not the number of files.",
            why=f"You typed {as_line(typed, 20)!r}." if typed.strip() else "Nothing was typed.",
            remedy="Load the page again: somebody may have decided about some of them. Type the number that it shows.",
        )
