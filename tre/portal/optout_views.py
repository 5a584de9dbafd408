"""What pages and API show of a list of opt-outs: how far it is, who confirmed it, what was done.

Guarantees: nobody of the list is named, on no page, in no stream and no answer; counts are those of the dry run and of
the receipt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tre.domain.optouts.batches import Batch, batch_actions, needs_second_person, takes_most
from tre.domain.optouts.states import BatchState
from tre.domain.people import Person
from tre.portal.histories import actor_words
from tre.portal.streams import progress_message
from tre.portal.words import BATCH_STATES
from tre.slices.receipts import receipt_now

WORK = (
    BatchState.Accepted,
    BatchState.Denied,
    BatchState.Unmounted,
    BatchState.Swept,
    BatchState.Held,
    BatchState.Destroyed,
    BatchState.Receipted,
)
"""The steps of the work, in order."""

_RESTING = frozenset({BatchState.Proposed, BatchState.Held, BatchState.Receipted, BatchState.Cancelled})
"""States that last: for days, or for good."""

_COLOURS = {
    BatchState.Proposed: "yellow",
    BatchState.Held: "green",
    BatchState.Receipted: "green",
    BatchState.Cancelled: "grey",
}


@dataclass(frozen=True)
class BatchView:
    """One list as a data manager sees it at one moment."""

    batch: Batch
    actions: tuple[str, ...]
    by: dict[str, str]
    receipt: dict[str, Any] | None
    now: datetime

    @property
    def moving(self) -> bool:
        """Whether the storekeeper is at it, so that a page is worth loading again."""
        if self.batch.state is BatchState.Held and self.batch.hold_until is not None:
            return self.batch.hold_until <= self.now
        return self.batch.state not in _RESTING

    @property
    def second_due(self) -> bool:
        """Whether so many people need a second person."""
        return self.batch.counted is not None and needs_second_person(self.batch.counted)

    @property
    def takes_most(self) -> bool:
        """Whether more patients would go than stay, as a list the wrong way round does."""
        return self.batch.counted is not None and takes_most(self.batch.counted)

    @property
    def colour(self) -> str:
        """The colour of its state."""
        return _COLOURS.get(self.batch.state, "blue")

    @property
    def steps(self) -> list[tuple[str, str, bool]]:
        """The steps of the work: name, words, whether it is reached; of one that is counted, the counting."""
        if self.batch.state is BatchState.Counting:
            return [("Received", "Received", True), ("Counted", "Compared with the data", False)]
        if self.batch.state not in WORK:
            return []
        reached = WORK.index(self.batch.state)
        texts = {one: BATCH_STATES[one].text for one in WORK} | {BatchState.Receipted: "Receipt written"}
        return [(one.value, texts[one], place <= reached) for place, one in enumerate(WORK)]

    def message(self) -> dict[str, Any]:
        """What a waiting page is told."""
        return progress_message(BATCH_STATES[self.batch.state].text, self.colour, self.steps, done=not self.moving)


def batch_view(connection: Connection, person: Person, batch: Batch, now: datetime) -> BatchView:
    """A list, gathered for one person and one moment."""
    people = {"proposed": batch.proposed_by, "confirmed": batch.confirmed_by, "second": batch.second_by}
    return BatchView(
        batch=batch,
        actions=tuple(batch_actions(batch, person.subject)),
        by={name: actor_words(connection, found) for name, found in people.items() if found is not None},
        receipt=receipt_now(connection, batch.id, now) if batch.accepted_at is not None else None,
        now=now,
    )
