"""Export requests in the record, by intent.

Guarantees: a request changes only through the domain's own functions, from the version that was read: of two who
change it at once one is refused with `Conflict` and nothing of that change is kept. What people read is what the
domain lets them see. File names and contents never reach an event: `event_of` carries counts and digests.

Does not guarantee: that a checker's answer came in time. The controller watches deadlines (`overdue`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, insert, select, update

from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.exports import authoring, claims, comments, emergency, exceptions, releasing, replacing, reviewing
from tre.domain.exports.models import (
    CheckRun,
    Comment,
    Consent,
    ExportRequest,
    FileGroup,
    FileKind,
    Release,
    Vote,
)
from tre.domain.exports.permissions import can_view, check_view
from tre.domain.exports.situation import GrantFacts, Situation
from tre.domain.exports.states import PHASES, VOTING, ExportState
from tre.domain.exports.visibility import seen_by
from tre.domain.names import short_hash
from tre.domain.people import Person, Subject
from tre.store.database import Change, new_id
from tre.store.export_rows import PARTS, Rows, key_of, part_rows, read_request, request_row
from tre.store.tables.airlock import export_files, export_requests
from tre.store.tables.audit import audit_events

IN_REVIEW = tuple(state for state, phase in PHASES.items() if phase in VOTING)
"""The states in which checkers review."""


def new_export_id() -> str:
    """A random identifier: `e-` and twelve characters."""
    return f"e-{short_hash('export', new_id())}"


def event_of(kind: str, request: ExportRequest, actor: Subject, now: datetime, **detail: Any) -> Event:
    """The event of a change to a request, without anything people typed: counts, digests, and what is passed.

    `kind` is the verb in the past: `submitted` gives `export.submitted`.
    """
    outputs = sorted((file.sha256, file.size) for file in request.outputs)
    facts = {"grant": request.grant, "turn": request.turn, "outputs": len(outputs), "bytes": sum(s for _, s in outputs)}
    manifest = {"manifest": digest([[sha256, size] for sha256, size in outputs])}
    return Event(
        id=new_id(),
        at=now,
        actor=actor,
        kind=f"export.{kind}",
        object=f"export/{request.id}",
        detail=facts | manifest | detail,
    )


# Reading.


def get(connection: Connection, export: str) -> ExportRequest | None:
    """One request, with everything in it: for the launcher's programs, never for a page."""
    row = connection.execute(select(export_requests).where(export_requests.c.id == export)).one_or_none()
    return None if row is None else read_request(connection, row._mapping)


def require(connection: Connection, export: str) -> ExportRequest:
    """One request; raises `TREError(ExportNotFound)`."""
    if (found := get(connection, export)) is None:
        raise TREError(
            Reason.ExportNotFound,
            f"There is no export request {export!r}.",
            why="The record knows none of that name, or it is not for this person to see.",
            remedy="See `tre export list`.",
        )
    return found


def view(connection: Connection, export: str, viewer: Person, grant: GrantFacts) -> ExportRequest:
    """One request as a person may see it. Raises `TREError(NotPermitted)` or `TREError(ExportNotFound)`."""
    request = require(connection, export)
    check_view(viewer, request, grant)
    return seen_by(request, viewer, grant)


def by_state(connection: Connection, states: Iterable[ExportState]) -> list[ExportRequest]:
    """Requests in these states, the one that waits longest first."""
    wanted = [state.value for state in states]
    return _many(connection, export_requests.c.state.in_(wanted))


def in_review(connection: Connection) -> list[ExportRequest]:
    """Requests in the checkers' hands."""
    return by_state(connection, IN_REVIEW)


def of_grant(connection: Connection, grant: str) -> list[ExportRequest]:
    """Every request of a grant, oldest change first."""
    return _many(connection, export_requests.c.grant == grant)


def visible(connection: Connection, viewer: Person, grants: dict[str, GrantFacts]) -> list[ExportRequest]:
    """Every request that a person may see, as that person may see it; `grants` are the facts of each grant by name."""
    found = _many(connection, export_requests.c.grant.in_(list(grants)))
    return [
        seen_by(request, viewer, grants[request.grant])
        for request in found
        if can_view(viewer, request, grants[request.grant])
    ]


def overdue(connection: Connection, now: datetime) -> list[ExportRequest]:
    """Requests whose deadline has passed."""
    return _many(connection, export_requests.c.deadline <= now)


def released_outputs(connection: Connection, grant: str) -> int:
    """How many files of a grant left: all that the public pages may know of its requests."""
    released = (export_requests.c.grant == grant, export_requests.c.state == ExportState.Released)
    joined = export_files.join(export_requests, export_requests.c.id == export_files.c.request)
    query = select(func.count(export_files.c.request)).select_from(joined)
    outputs = export_files.c.kind == FileKind.output
    return int(connection.execute(query.where(*released, outputs)).scalar_one())


def released_exceptions(connection: Connection, grant: str) -> int:
    """From how many findings an exception was made in what left: the public may know that number."""
    left = (export_requests.c.grant == grant, export_requests.c.state == ExportState.Released)
    query = select(func.coalesce(func.sum(export_requests.c.exceptions), 0)).where(*left)
    return int(connection.execute(query).scalar_one())


def released_past_quorum(connection: Connection, grant: str) -> int:
    """How many releases of a project left past a quorum out of reach: the public reads each of them."""
    left = (export_requests.c.grant == grant, export_requests.c.state.in_([ExportState.Released, ExportState.Recalled]))
    named = select(("export/" + export_requests.c.id).label("object")).where(*left)
    seconded = audit_events.c.kind == "export.emergency-seconded"
    query = select(func.count(audit_events.c.object.distinct())).where(seconded, audit_events.c.object.in_(named))
    return int(connection.execute(query).scalar_one())


def uses_bytes(connection: Connection, sha256: str) -> bool:
    """Whether any request still names these bytes: they must stay in the vault then."""
    query = select(export_files.c.request).where(export_files.c.sha256 == sha256).limit(1)
    return connection.execute(query).first() is not None


def _many(connection: Connection, condition: Any) -> list[ExportRequest]:
    query = select(export_requests).where(condition).order_by(export_requests.c.changed_at, export_requests.c.id)
    return [read_request(connection, row._mapping) for row in connection.execute(query).all()]


# Changing: read within the change, let the domain decide, write from the version that was read.


def create_request(change: Change, draft: authoring.Draft, situation: Situation) -> ExportRequest:
    """A new, empty request of an entitled author."""
    request = authoring.begin(draft, situation)
    change.connection.execute(insert(export_requests).values(request_row(request)))
    return request


def describe_group(
    change: Change, request: ExportRequest, person: Person, group: FileGroup, situation: Situation
) -> ExportRequest:
    """Make a group or give it other words."""
    return save(change, request, authoring.describe(request, person, group, situation))


def add_files(
    change: Change, request: ExportRequest, person: Person, group: FileGroup, situation: Situation
) -> ExportRequest:
    """Put the group's files, which the intake has copied, into the group of that name."""
    return save(change, request, authoring.add_files(request, person, group.name, group.files, situation))


def set_kind(
    change: Change, request: ExportRequest, person: Person, file: tuple[str, FileKind], situation: Situation
) -> ExportRequest:
    """Say what a file (its path, its kind) is."""
    return save(change, request, authoring.set_kind(request, person, *file, situation))


def replace_file(
    change: Change, request: ExportRequest, person: Person, replacement: replacing.Replacement, situation: Situation
) -> ExportRequest:
    """Let a file give way to those that were made of it."""
    return save(change, request, replacing.replace_by(request, person, replacement, situation))


def keep_run(change: Change, request: ExportRequest, run: CheckRun, situation: Situation) -> ExportRequest:
    """Keep what a run of the checks found."""
    return save(change, request, authoring.checked(request, run, situation))


def submit(change: Change, request: ExportRequest, person: Person, situation: Situation) -> ExportRequest:
    """Hand the request to the checkers."""
    return save(change, request, authoring.submit(request, person, situation))


def withdraw(change: Change, request: ExportRequest, person: Person, situation: Situation) -> ExportRequest:
    """Take the request back for good."""
    return save(change, request, authoring.withdraw(request, person, situation))


def record_vote(
    change: Change, request: ExportRequest, person: Person, vote: Vote, situation: Situation
) -> ExportRequest:
    """Keep a checker's vote on one file."""
    return save(change, request, reviewing.record_vote(request, person, vote, situation))


def submit_review(change: Change, request: ExportRequest, person: Person, situation: Situation) -> ExportRequest:
    """Hand in a checker's review."""
    return save(change, request, reviewing.submit_review(request, person, situation))


def return_to_author(
    change: Change, request: ExportRequest, person: Person, message: str, situation: Situation
) -> ExportRequest:
    """Give the request back with words."""
    return save(change, request, reviewing.return_to_author(request, person, message, situation))


def reject(change: Change, request: ExportRequest, person: Person, message: str, situation: Situation) -> ExportRequest:
    """Refuse the request for good."""
    return save(change, request, reviewing.reject(request, person, message, situation))


def approve(change: Change, request: ExportRequest, person: Person, typed: str, situation: Situation) -> ExportRequest:
    """Confirm the release."""
    return save(change, request, reviewing.approve(request, person, typed, situation))


def confirm_kept(change: Change, request: ExportRequest, person: Person, situation: Situation) -> ExportRequest:
    """Confirm the votes that were kept from an earlier turn."""
    return save(change, request, reviewing.confirm_kept(request, person, situation))


def comment(
    change: Change, request: ExportRequest, person: Person, words: Comment, situation: Situation
) -> ExportRequest:
    """Keep a comment."""
    return save(change, request, comments.comment(request, person, words, situation))


def publish(change: Change, request: ExportRequest, person: Person, name: str, situation: Situation) -> ExportRequest:
    """Let the author read a comment."""
    return save(change, request, comments.publish(request, person, name, situation))


def claim(change: Change, request: ExportRequest, person: Person, situation: Situation) -> ExportRequest:
    """Take a seat at the review."""
    return save(change, request, claims.claim(request, person, situation))


def give_back(change: Change, request: ExportRequest, person: Person, situation: Situation) -> ExportRequest:
    """Leave a seat."""
    return save(change, request, claims.give_back(request, person, situation))


def consent(
    change: Change, request: ExportRequest, person: Person, word: Consent, situation: Situation
) -> ExportRequest:
    """Keep a data manager's word on a finding."""
    return save(change, request, exceptions.consent(request, person, word, situation))


def ask_emergency(
    change: Change, request: ExportRequest, person: Person, reason: str, situation: Situation
) -> ExportRequest:
    """Ask for a release past the quorum."""
    return save(change, request, emergency.ask(request, person, reason, situation))


def second_emergency(
    change: Change, request: ExportRequest, person: Person, typed: str, situation: Situation
) -> ExportRequest:
    """Second a release past the quorum."""
    return save(change, request, emergency.second(request, person, typed, situation))


def begin_release(change: Change, request: ExportRequest, situation: Situation) -> ExportRequest:
    """Start the release; the change's event must be `export.releasing` with the statement's digest."""
    return save(change, request, releasing.begin_release(request, situation))


def released(change: Change, request: ExportRequest, release: Release, situation: Situation) -> ExportRequest:
    """The bundle is written."""
    return save(change, request, releasing.released(request, release, situation))


def release_failed(change: Change, request: ExportRequest, error: TREError, situation: Situation) -> ExportRequest:
    """The bundle could not be written: blocked where bytes differ, else tried again."""
    return save(change, request, releasing.release_failed(request, error, situation))


def reopen(change: Change, request: ExportRequest, situation: Situation) -> ExportRequest:
    """Give an approval that no longer holds back to the checkers."""
    return save(change, request, releasing.reopen(request, situation))


def recall(change: Change, request: ExportRequest, person: Person, message: str, situation: Situation) -> ExportRequest:
    """Call a release back."""
    return save(change, request, releasing.recall(request, person, message, situation))


def at_deadline(change: Change, request: ExportRequest, situation: Situation) -> ExportRequest:
    """Do what a passed deadline brings."""
    return save(change, request, releasing.at_deadline(request, situation))


def save(change: Change, before: ExportRequest, after: ExportRequest) -> ExportRequest:
    """Write a request that the domain made from `before`; returns it with its new version.

    Raises `TREError(Conflict)` where somebody else changed it since `before` was read; the whole change is undone.
    """
    if after == before:
        return before
    stored = after.changed(version=before.version + 1)
    written = change.connection.execute(
        update(export_requests)
        .where(export_requests.c.id == before.id, export_requests.c.version == before.version)
        .values(request_row(stored))
    )
    if written.rowcount != 1:
        raise TREError(
            Reason.Conflict,
            "Somebody else changed this export request meanwhile.",
            remedy="Look at it again, then decide.",
        )
    old, new = part_rows(before), part_rows(stored)
    for table in PARTS:
        _write_part(change, table, old[table.name], new[table.name])
    return stored


def _write_part(change: Change, table: Table, old: Rows, new: Rows) -> None:
    known = {key_of(table, row): row for row in old}
    wanted = {key_of(table, row): row for row in new}
    for key in known.keys() - wanted.keys():
        change.connection.execute(delete(table).where(_is(table, key)))
    for key, row in wanted.items():
        if key not in known:
            change.connection.execute(insert(table).values(row))
        elif row != known[key]:
            change.connection.execute(update(table).where(_is(table, key)).values(row))


def _is(table: Table, key: tuple[Any, ...]) -> Any:
    pairs = zip(table.primary_key.columns, key, strict=True)
    return and_(*(column == value for column, value in pairs))
