"""Opt-outs from the list to the receipt: each step in its order, each an event, each repeatable.

Guarantees: from the moment a batch is `Denied` no plan holds its people, and before that the airlock already knows
them as withdrawn; a batch goes on where it was cut off, by the service or by hand, and a step that was half done is
done again without doing harm; a step that cannot be finished leaves the batch where it is, with the reason, and is
tried again. Two workers are kept apart by a lock for each dataset.

Does not guarantee: speed of what follows the unlinking: manifests and indexes are written afterwards, slice by slice.
What cannot be undone (trained weights, published figures, backups) is said on the receipt.

Threat: a list the wrong way round; a dataset that changed between the dry run and the confirmation; a crash between
two steps that leaves somebody in a slice although the record says that they are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import structlog
from sqlalchemy import Connection

from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record, as_line
from tre.domain.optouts.batches import Batch, BatchId, Counted, check_cancel, check_confirmation, needs_second_person
from tre.domain.optouts.lists import ReadList, Selection, select
from tre.domain.optouts.states import AT_WORK, BATCH_TRANSITIONS, WAITING, BatchState
from tre.domain.people import Subject
from tre.domain.quarantine import Decision, QuarantineState
from tre.domain.withdrawals import WithdrawalLevel
from tre.slices import receipts
from tre.slices.files import Ownership, locked
from tre.slices.watch import SILENT, Watcher
from tre.store import datasets as data
from tre.store import optouts as store
from tre.store import quarantine
from tre.store.database import Change, new_id
from tre.store.optouts import Part
from tre.storekeeper import withdrawal_copies, withdrawal_files, withdrawal_proofs
from tre.storekeeper.office import PATIENCE, Office

log = structlog.get_logger()

AGAIN = timedelta(minutes=1)
"""How long a batch whose step failed rests before it is tried again."""


class BatchRequest(Record):
    """Which batch."""

    batch: BatchId


class Proposal(Record):
    """A list with what is said about it; the people come apart from it (`ReadList`)."""

    dataset: Line
    kind: Line
    level: WithdrawalLevel
    source: Line


def propose(office: Office, proposal: Proposal, listed: ReadList, who: Subject) -> Batch:
    """Put a list into the record, where it waits to be counted. Raises `TREError(DatasetNotFound)`."""
    now = office.clock.now()
    batch = Batch(
        id=new_id(),
        dataset=proposal.dataset,
        state=BATCH_TRANSITIONS.initial,
        kind=proposal.kind,
        level=proposal.level,
        source=proposal.source,
        list_digest=listed.digest,
        proposed_by=who,
        proposed_at=now,
        changed_at=now,
        reason=WAITING[BATCH_TRANSITIONS.initial].reason,
    )
    said = {"batch": batch.id, "listKind": batch.kind, "list": batch.list_digest, "listed": len(listed.people)}
    event = office.event("withdrawal.proposed", f"dataset/{batch.dataset}", **said)
    with office.database.change(event) as change:
        store.propose(change, batch, listed.people)
    return batch


def waiting_for_second(office: Office, dataset: str, digest: str) -> Batch | None:
    """A list of the same bytes that one person confirmed and that waits for another."""
    with office.database.read() as connection:
        found = store.of_dataset(connection, dataset)
    return next((one for one in found if waits_for_second(one) and one.list_digest == digest), None)


def count(office: Office, identifier: str) -> Batch:
    """The dry run: compare a list with its dataset and keep the counts. Nothing is withdrawn.

    A keep list that fits nobody cancels the batch. Raises `TREError(BadInput)` for it.
    """
    with office.database.read() as connection:
        batch = store.require(connection, identifier)
    if batch.state is not BatchState.Counting:
        return batch
    try:
        chosen = _selection(office, batch)
    except TREError as error:
        event = office.event("withdrawal.cancelled", f"dataset/{batch.dataset}", batch=batch.id, why=error.what)
        with office.database.change(event) as change:
            store.cancel(change, batch.id, office.clock.now(), error.what)
        raise
    return _keep_count(office, batch, chosen)


def _keep_count(office: Office, batch: Batch, chosen: Selection) -> Batch:
    concerned = withdrawal_files.concerned(office, batch.dataset, in_use(chosen.people)).slices
    counted = Counted(
        people=len(chosen.people),
        patients=chosen.patients,
        listed=chosen.listed,
        unknown=chosen.unknown,
        already=chosen.already,
        slices=len(concerned),
        files=sum(one.table.num_rows for one in concerned),
    )
    event = office.event("withdrawal.counted", f"dataset/{batch.dataset}", batch=batch.id, counted=counted.as_plain())
    with office.database.change(event) as change:
        store.keep_counted(change, batch.id, counted, office.clock.now())
        return store.require(change.connection, batch.id)


def _selection(office: Office, batch: Batch) -> Selection:
    known = known_people(office, batch.dataset)
    with office.database.read() as connection:
        return _selected(connection, batch, known)


def _selected(connection: Connection, batch: Batch, known: Set[str]) -> Selection:
    listed = store.people_of(connection, batch.id, Part.listed)
    denied = store.levels_of(connection, batch.dataset)
    return select(batch.kind, listed, batch.level, known, denied)


def known_people(office: Office, dataset: str) -> set[str]:
    """Everybody whom a release of the dataset names, or of whom a file waits to be let in."""
    with office.database.read() as connection:
        releases = data.releases_of(connection, dataset)
        found = set(quarantine.people_in(connection, dataset))
    for release in releases:
        path = office.dataset(dataset).release(release.name) / "patients.parquet"
        if path.is_file():
            found.update(pq.read_table(path, columns=["pseudonym"]).column("pseudonym").to_pylist())
    return found


def in_use(people: dict[str, WithdrawalLevel] | Any) -> frozenset[str]:
    """Those who are to leave what stands."""
    return frozenset(name for name, level in people.items() if level is not WithdrawalLevel.no_new)


def to_erase(people: dict[str, WithdrawalLevel] | Any) -> frozenset[str]:
    """Those whose files are to be erased."""
    return frozenset(name for name, level in people.items() if level is WithdrawalLevel.erase)


def confirm(office: Office, identifier: str, typed: int, who: Subject) -> Batch:
    """Take a typed count. Raises as `check_confirmation`."""
    with office.database.read() as connection:
        batch = store.require(connection, identifier)
    target = check_confirmation(batch, who, typed)
    said = {"batch": batch.id, "people": typed, "accepted": target is BatchState.Accepted}
    event = office.event("withdrawal.confirmed", f"dataset/{batch.dataset}", **said)
    with office.database.change(event) as change:
        check_confirmation(store.require(change.connection, identifier), who, typed)
        store.confirm(change, identifier, who, target, office.clock.now())
        return store.require(change.connection, identifier)


def waits_for_second(batch: Batch) -> bool:
    """Whether one person confirmed and another must."""
    proposed = batch.state is BatchState.Proposed and batch.counted is not None
    return proposed and batch.confirmed_by is not None and needs_second_person(batch.counted)  # type: ignore[arg-type]


def cancel(office: Office, identifier: str) -> Batch:
    """Take back a list that was not accepted. Raises `TREError(StateForbids)`."""
    with office.database.read() as connection:
        batch = store.require(connection, identifier)
    check_cancel(batch)
    event = office.event("withdrawal.cancelled", f"dataset/{batch.dataset}", batch=batch.id)
    with office.database.change(event) as change:
        check_cancel(store.require(change.connection, identifier))
        store.cancel(change, identifier, office.clock.now())
        return store.require(change.connection, identifier)


def advance(office: Office, identifier: str, watcher: Watcher = SILENT, states: Set[BatchState] = AT_WORK) -> Batch:
    """Take every step of a batch that is due from one of these states; return where it is then.

    A step that fails raises, and says so in the record.
    """
    with office.database.read() as connection:
        batch = store.require(connection, identifier)
    with _alone(office, batch):
        while True:
            with office.database.read() as connection:
                batch = store.require(connection, identifier)
            if batch.state not in states or not _is_due(office, batch):
                return batch
            watcher.step(f"withdrawal-{batch.state.value.lower()}")
            try:
                moved = _STEPS[batch.state](office, batch, watcher)
            except TREError as error:
                _say(office, batch, error)
                raise
            if not moved:
                with office.database.read() as connection:
                    return store.require(connection, identifier)


def _alone(office: Office, batch: Batch) -> AbstractContextManager[None]:
    """One worker a batch: a long search of one list keeps no other list waiting."""
    keeper = Ownership(office.owner().uid, -1)
    return locked(office.dataset(batch.dataset).root / ".withdrawals" / batch.id, keeper, PATIENCE)


def _is_due(office: Office, batch: Batch) -> bool:
    held = batch.state is BatchState.Held and batch.hold_until is not None
    return not held or office.clock.now() >= batch.hold_until  # type: ignore[operator]


def _say(office: Office, batch: Batch, error: TREError) -> None:
    """Keep why it does not go on, once: it is tried again every minute."""
    if (batch.reason, batch.message) == (error.reason, as_line(str(error))):
        return
    event = office.event("withdrawal.waiting", f"dataset/{batch.dataset}", batch=batch.id, reason=error.reason.value)
    with office.database.change(event) as change:
        store.say(change, batch.id, error.reason, str(error))


URGENT = frozenset({BatchState.Accepted, BatchState.Denied})
"""Until people are gone from what runs; everything after that may take its time."""


@dataclass
class Worker:
    """Takes due steps from some states, batch after batch. One batch's trouble stays its own, and rests a minute."""

    office: Office
    states: Set[BatchState] = AT_WORK
    resting: dict[str, datetime] = field(default_factory=dict)

    def run(self, watcher: Watcher = SILENT) -> int:
        """Take every step that is due; how many batches moved."""
        now, moved = self.office.clock.now(), 0
        with self.office.database.read() as connection:
            found = store.at_work(connection, self.states)
        for batch in found:
            if not _is_due(self.office, batch) or self.resting.get(batch.id, now) > now:
                continue
            try:
                moved += advance(self.office, batch.id, watcher, self.states).state is not batch.state
            except TREError as error:
                self.resting[batch.id] = now + AGAIN
                said = {"batch": batch.id, "state": batch.state, "reason": error.reason}
                log.warning("withdrawal-waits", **said, error=str(error))
        return moved


def expire(office: Office) -> int:
    """Take back lists that nobody confirmed in time; how many."""
    with office.database.read() as connection:
        found = store.at_work(connection, {BatchState.Proposed})
    late = [batch for batch in found if batch.is_late(office.clock.now())]
    for batch in late:
        event = office.event("withdrawal.cancelled", f"dataset/{batch.dataset}", batch=batch.id, why="not confirmed")
        with office.database.change(event) as change:
            if store.require(change.connection, batch.id).state is BatchState.Proposed:
                store.cancel(change, batch.id, office.clock.now(), "Nobody confirmed it in time: send the list again.")
    return len(late)


def _deny(office: Office, batch: Batch, watcher: Watcher) -> bool:
    known = known_people(office, batch.dataset)
    with office.database.read() as connection:
        chosen = _selected(connection, batch, known)
    if batch.counted is None or len(chosen.people) != batch.counted.people:
        _keep_count(office, batch, chosen)  # confirmed for another count: it does not hold
        return False
    watcher.step("recognise")
    withdrawal_files.recognise(office, batch.dataset, in_use(chosen.people))
    watcher.step("deny")
    said = {"batch": batch.id, "people": len(chosen.people)}
    event = office.event("withdrawal.denied", f"dataset/{batch.dataset}", **said)
    with office.database.change(event) as change:
        _check_same(_selected(change.connection, batch, known), chosen)
        store.deny(change, batch, chosen.people, office.clock.now())
        _reject_waiting(office, change, batch, chosen.people.keys())
    return True


def _check_same(now: Selection, chosen: Selection) -> None:
    """Raise `TREError(Conflict)` where another list withdrew some of these people a moment ago."""
    if now.people != chosen.people:
        raise TREError(
            Reason.Conflict,
            "Another list concerns the same people and was applied a moment ago.",
            why="What this list withdraws is counted anew.",
            remedy="Nothing: it goes on by itself.",
        )


def _reject_waiting(office: Office, change: Change, batch: Batch, people: Set[str]) -> None:
    """Files of these people that wait in quarantine are decided by this: nobody can let them in."""
    digests = quarantine.waiting_of(change.connection, batch.dataset, people)
    decision = Decision(QuarantineState.rejected, office.actor, office.clock.now(), "The person opted out.")
    quarantine.decide_all(change, batch.dataset, digests, decision)


def _people(office: Office, batch: Batch) -> dict[str, WithdrawalLevel]:
    with office.database.read() as connection:
        return store.people_of(connection, batch.id, Part.withdrawn)


def _unmount(office: Office, batch: Batch, watcher: Watcher) -> bool:
    withdrawal_files.unmount(office, batch, in_use(_people(office, batch)), watcher)
    return _move(office, batch, BatchState.Unmounted)


def _sweep(office: Office, batch: Batch, watcher: Watcher) -> bool:
    report = withdrawal_copies.sweep(office, batch, in_use(_people(office, batch)), watcher)
    return _move(office, batch, BatchState.Swept, derived=report)


def _hold(office: Office, batch: Batch, watcher: Watcher) -> bool:
    people = _people(office, batch)
    proof = withdrawal_proofs.prove_unlinked(office, batch.dataset, in_use(people), watcher)
    now = office.clock.now()
    held = timedelta(days=office.settings.withdrawals.hold_days) if to_erase(people) else timedelta()
    with office.database.read() as connection:
        copies = store.report_of(connection, batch.id).get("derived", {}).get("found", 0)
    grace = timedelta(days=office.settings.withdrawals.grace_days) if copies else timedelta()
    until = now + max(held, grace)
    return _move(office, batch, BatchState.Held, {"hold_until": until}, store=proof)


def _destroy(office: Office, batch: Batch, watcher: Watcher) -> bool:
    people = _people(office, batch)
    outstanding = withdrawal_copies.look_again(office, batch, in_use(people), watcher)
    erased = withdrawal_proofs.erase(office, batch.dataset, to_erase(people), watcher)
    return _move(office, batch, BatchState.Destroyed, outstanding=outstanding, erased=erased)


def _receipt(office: Office, batch: Batch, watcher: Watcher) -> bool:
    watcher.step("receipt")
    with office.database.read() as connection:
        report = store.report_of(connection, batch.id)
        levels = store.people_of(connection, batch.id, Part.withdrawn)
    receipt = receipts.receipt(batch, levels, report, office.clock.now())
    return _move(office, batch, BatchState.Receipted, receipt=receipt)


def _move(
    office: Office, batch: Batch, target: BatchState, values: dict[str, Any] | None = None, /, **report: Any
) -> bool:
    """The event, the state and what the step did, in one transaction."""
    said = {name: found for name, found in report.items() if name != "receipt"}
    kind = f"withdrawal.{target.value.lower()}"
    event = office.event(kind, f"dataset/{batch.dataset}", batch=batch.id, **said)
    with office.database.change(event) as change:
        store.keep_report(change, batch.id, store.report_of(change.connection, batch.id) | report)
        store.set_state(change, batch.id, target, office.clock.now(), **(values or {}))
    return True


Step = Callable[[Office, Batch, Watcher], bool]
_STEPS: dict[BatchState, Step] = {
    BatchState.Accepted: _deny,
    BatchState.Denied: _unmount,
    BatchState.Unmounted: _sweep,
    BatchState.Swept: _hold,
    BatchState.Held: _destroy,
    BatchState.Destroyed: _receipt,
}
"""What is done next in each state."""

assert _STEPS.keys() == AT_WORK, "every state of work has its step"
