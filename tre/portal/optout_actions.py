"""What data managers do with lists of opt-outs at the desk: propose, confirm, take back.

Guarantees: the desk writes the list and who confirmed it, and nothing else; the storekeeper counts, and acts once a
list is accepted. What stands in other columns of a list is read by nobody and kept nowhere.

Threat: one person who withdraws a whole dataset; a list of another dataset.
"""

from __future__ import annotations

from dataclasses import dataclass

from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.model import parse_record
from tre.domain.optouts.batches import Batch, check_cancel, check_confirmation
from tre.domain.optouts.lists import ListKind, read_list
from tre.domain.optouts.states import BATCH_TRANSITIONS, WAITING, BatchState
from tre.domain.people import Person
from tre.domain.withdrawals import WithdrawalLevel
from tre.portal.context import Desk
from tre.store import jobs
from tre.store import optouts as store
from tre.store.database import new_id


@dataclass(frozen=True)
class Proposal:
    """A list as it was sent or pasted, and what is said about it."""

    dataset: str
    kind: ListKind
    level: WithdrawalLevel
    source: str
    data: bytes


def propose(desk: Desk, person: Person, proposal: Proposal) -> Batch:
    """Put a list into the record and have it counted. Raises `TREError(BadInput | DatasetNotFound | NotPermitted)`."""
    permissions.check_withdraw(person)
    listed = read_list(proposal.data, proposal.kind, proposal.level)
    now, state = desk.clock.now(), BATCH_TRANSITIONS.initial
    values = {
        "id": new_id(),
        "dataset": proposal.dataset,
        "state": state,
        "kind": proposal.kind,
        "level": proposal.level,
        "source": proposal.source,
        "list_digest": listed.digest,
        "proposed_by": person.subject,
        "proposed_at": now,
        "changed_at": now,
        "reason": WAITING[state].reason,
    }
    batch = parse_record(Batch, values, source="the list")
    said = {"batch": batch.id, "listKind": batch.kind, "list": batch.list_digest, "listed": len(listed.people)}
    request = jobs.JobRequest(
        program=store.PROGRAM, kind=store.COUNT, subject=f"withdrawal/{batch.id}", payload={"batch": batch.id}
    )
    event = desk.event(person.subject, "withdrawal.proposed", f"dataset/{batch.dataset}", **said)
    with desk.database.change(event) as change:
        store.propose(change, batch, listed.people)
        jobs.ask(change, request, now)
    return batch


def typed_count(text: str) -> int:
    """The number that somebody typed. Raises `TREError(ConfirmationWrong)`."""
    if not text.strip().isdecimal():
        raise TREError(
            Reason.ConfirmationWrong, "Type the number of people.", why="This is no number.", remedy="Digits only."
        )
    return int(text.strip()[:12])


def confirm(desk: Desk, person: Person, identifier: str, count: int) -> BatchState:
    """Take a typed count; where that leads. Raises as `check_confirmation`."""
    permissions.check_withdraw(person)
    with desk.database.read() as connection:
        batch = store.require(connection, identifier)
    target = check_confirmation(batch, person.subject, count)
    said = {"batch": batch.id, "people": count, "accepted": target is BatchState.Accepted}
    event = desk.event(person.subject, "withdrawal.confirmed", f"dataset/{batch.dataset}", **said)
    with desk.database.change(event) as change:
        check_confirmation(store.require(change.connection, identifier), person.subject, count)
        store.confirm(change, identifier, person.subject, target, desk.clock.now())
    return target


def cancel(desk: Desk, person: Person, identifier: str) -> None:
    """Take a list back that was not accepted. Raises `TREError(StateForbids)`."""
    permissions.check_withdraw(person)
    with desk.database.read() as connection:
        batch = store.require(connection, identifier)
    check_cancel(batch)
    event = desk.event(person.subject, "withdrawal.cancelled", f"dataset/{batch.dataset}", batch=batch.id)
    with desk.database.change(event) as change:
        check_cancel(store.require(change.connection, identifier))
        store.cancel(change, identifier, desk.clock.now())
