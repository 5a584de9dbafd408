"""What the API answers and takes about lists of opt-outs.

Guarantees: no answer names anybody of a list; a list itself is taken and never given back.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tre.domain.errors import Reason
from tre.domain.model import Line, Record, UtcTime
from tre.domain.optouts.batches import BatchId, Counted
from tre.domain.optouts.lists import ListKind
from tre.domain.optouts.states import BatchState
from tre.domain.people import Subject
from tre.domain.slices.spec import ResourceName
from tre.domain.withdrawals import WithdrawalLevel
from tre.portal.optout_views import BatchView


class BatchAnswer(Record):
    """One list: what was counted, who confirmed it, how far it is, what may be done with it now.

    `secondPerson` says whether so many people need a second confirmation; `due` by when the next step must be taken.
    """

    id: BatchId
    dataset: ResourceName
    state: BatchState
    kind: ListKind
    level: WithdrawalLevel
    source: Line
    list_digest: Line
    counted: Counted | None = None
    second_person: bool
    proposed_by: Subject
    proposed_at: UtcTime
    confirmed_by: Subject | None = None
    second_by: Subject | None = None
    accepted_at: UtcTime | None = None
    hold_until: UtcTime | None = None
    due: UtcTime | None = None
    late: bool
    reason: Reason
    message: str
    allowed_actions: list[str]


class ProposeRequest(Record):
    """A list as CSV: a pseudonym in each line, or a column `pseudonym` (and one `level`, where each has their own)."""

    dataset: ResourceName
    kind: ListKind
    level: WithdrawalLevel
    source: Annotated[Line, Field(min_length=1, max_length=200)]
    list: str


class ConfirmRequest(Record):
    """The number of people that the dry run found, as the confirming person read it."""

    people: Annotated[int, Field(ge=0, le=10**12)]


def batch_answer(view: BatchView) -> BatchAnswer:
    """A list's view as the API tells it."""
    batch = view.batch
    same = batch.model_dump(include=BatchAnswer.model_fields.keys() & type(batch).model_fields.keys())
    return BatchAnswer(
        **same,
        second_person=view.second_due,
        due=batch.due_at,
        late=batch.is_late(view.now),
        allowed_actions=list(view.actions),
    )
