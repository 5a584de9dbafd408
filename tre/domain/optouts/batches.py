"""A list of opt-outs as one piece of work: what was counted, who confirmed it, and what is on its receipt.

Guarantees: nothing is withdrawn before somebody typed the number of people that the dry run found; where that is more
than one person and more than one in a hundred of the dataset's patients, a second person must confirm the same number,
so that a list taken the wrong way round does not empty a dataset by one slip. A number that was confirmed for another
count does not hold. Why people opted out is nowhere: there is no field for it.

Does not guarantee: that two accounts are two people; accounts are the operator's to give.

Source of one in a hundred: a sweep of the national data opt-out over a research archive withdraws about five in a
hundred once; what comes later comes by ones and tens.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from tre.domain.errors import Reason, TREError, passes
from tre.domain.model import Line, Record, UtcTime
from tre.domain.optouts.lists import ListKind
from tre.domain.optouts.states import WAITING, BatchState
from tre.domain.people import Subject
from tre.domain.slices.spec import ResourceName
from tre.domain.withdrawals import WithdrawalLevel

SECOND_PERSON_ABOVE = 100
"""One in so many patients: whoever withdraws more needs somebody else to confirm it."""

BatchId = Annotated[Line, Field(pattern=r"^[0-9a-f]{32}$")]
Natural = Annotated[int, Field(ge=0)]


class Counted(Record):
    """What the dry run found: people to withdraw, of how many patients, and what of the list has no effect."""

    people: Natural
    patients: Natural
    listed: Natural
    unknown: Natural
    already: Natural
    slices: Natural = 0
    files: Natural = 0


class Batch(Record):
    """One list of opt-outs, and how far it has come."""

    id: BatchId
    dataset: ResourceName
    state: BatchState
    kind: ListKind
    level: WithdrawalLevel
    source: Annotated[Line, Field(min_length=1, max_length=200)]
    list_digest: Line
    counted: Counted | None = None
    proposed_by: Subject
    proposed_at: UtcTime
    confirmed_by: Subject | None = None
    second_by: Subject | None = None
    accepted_at: UtcTime | None = None
    deny_version: Natural = 0
    hold_until: UtcTime | None = None
    changed_at: UtcTime
    reason: Reason
    message: str = ""

    @property
    def due_at(self) -> datetime | None:
        """By when the next step is due; `None` where nothing is left to do."""
        waiting = WAITING.get(self.state)
        if waiting is None:
            return None
        return self.hold_until if waiting.patience is None else self.changed_at + waiting.patience

    def is_late(self, now: datetime) -> bool:
        """Whether the next step is overdue by more than a minute."""
        return self.due_at is not None and now > self.due_at + timedelta(minutes=1)


def needs_second_person(counted: Counted) -> bool:
    """Whether so many of so many patients need a second person's confirmation."""
    return counted.people > 1 and counted.people * SECOND_PERSON_ABOVE > counted.patients


def takes_most(counted: Counted) -> bool:
    """Whether more patients would go than stay: few lists are meant so, and one taken the wrong way round often is."""
    return counted.people * 2 > counted.patients


def check_confirmation(batch: Batch, who: Subject, typed: int) -> BatchState:
    """Where a typed count leads: `Accepted`, or `Proposed` still, waiting for a second person.

    Raises `TREError(StateForbids)` for a batch that waits for nobody, `TREError(ConfirmationWrong)` for another number,
    `TREError(NotPermitted)` for a second confirmation by the first person.
    """
    if batch.state is not BatchState.Proposed or batch.counted is None:
        raise TREError(
            Reason.StateForbids,
            "This list does not wait for a confirmation.",
            why=f"It is {batch.state}.",
            remedy="Look at its page, or count the list again.",
        )
    if batch.counted.people == 0:
        raise TREError(
            Reason.StateForbids, "This list withdraws nobody.", why="The dry run says so.", remedy="Take it back."
        )
    if typed != batch.counted.people:
        raise TREError(
            Reason.ConfirmationWrong,
            "The number that was typed is not the number of people who would be withdrawn.",
            why=f"The dry run found {batch.counted.people}.",
            remedy="Look at the dry run again: is the list the right way round?",
        )
    if batch.confirmed_by is None:
        return BatchState.Proposed if needs_second_person(batch.counted) else BatchState.Accepted
    if batch.confirmed_by == who:
        raise TREError(
            Reason.NotPermitted,
            "A second person must confirm this.",
            why=f"{batch.counted.people} of {batch.counted.patients} patients are more than one in a hundred.",
            remedy="Ask a colleague who may withdraw people to type the number.",
        )
    return BatchState.Accepted


def can_confirm(batch: Batch, who: Subject) -> bool:
    """Whether this person's typing of the right number would count."""
    try:
        check_confirmation(batch, who, batch.counted.people if batch.counted else -1)
    except TREError:
        return False
    return True


def check_cancel(batch: Batch) -> None:
    """Raise `TREError(StateForbids)` unless the batch can still be taken back: once accepted, an opt-out stands."""
    if batch.state not in {BatchState.Counting, BatchState.Proposed}:
        raise TREError(
            Reason.StateForbids,
            "This list cannot be taken back any more.",
            why=f"It is {batch.state}; an opt-out that was accepted stands.",
            remedy="See `tre withdraw`. Whoever opts in again is added with a new delivery under a new pseudonym.",
        )


can_cancel = passes(check_cancel)


def batch_actions(batch: Batch, who: Subject) -> list[str]:
    """What somebody who may withdraw people can do with a list now: what the API's answers carry."""
    may = {"confirm": can_confirm(batch, who), "cancel": can_cancel(batch)}
    return [name for name, permitted in may.items() if permitted]
