"""Import requests in the record, by intent.

Guarantees: a request changes only through the domain's own functions, from the version that was read: of two who
change it at once one is refused with `Conflict` and nothing of that change is kept. File names and words never reach
an event: `event_of` carries counts and digests.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.imports.models import ImportRequest
from tre.domain.imports.states import DRAFTS, LET_IN, WAITING, ImportState
from tre.domain.names import short_hash
from tre.domain.people import Subject
from tre.store.database import Change, new_id
from tre.store.tables.grants import grants
from tre.store.tables.imports import import_files, import_requests

CHECKER, STOREKEEPER = "checker", "storekeeper"
RECEIVE, INSPECT, HAND_OVER, TAKE_BACK, FILL = "receive", "inspect", "hand-over", "take-back", "inbox.fill"
FORGET = "forget"
"""Who works on a request, and the kinds of that work; their subject is `import/ID`."""


def new_import_id() -> str:
    """A random identifier: `i-` and twelve characters."""
    return f"i-{short_hash('import', new_id())}"


def event_of(kind: str, request: ImportRequest, actor: Subject, now: datetime, **detail: Any) -> Event:
    """The event of a change to a request; `kind` is the verb in the past: `submitted` gives `import.submitted`."""
    facts = {
        "grant": request.grant,
        "files": len(request.files),
        "bytes": sum(file.size for file in request.files),
        "manifest": request.manifest,
    }
    return Event(
        id=new_id(),
        at=now,
        actor=actor,
        kind=f"import.{kind}",
        object=f"import/{request.id}",
        detail=facts | detail,
    )


def get(connection: Connection, name: str) -> ImportRequest | None:
    """One request; `None` where there is none."""
    row = connection.execute(select(import_requests.c.document).where(import_requests.c.id == name)).scalar()
    return None if row is None else ImportRequest.model_validate(row)


def require(connection: Connection, name: str) -> ImportRequest:
    """One request. Raises `TREError(ImportNotFound)`."""
    found = get(connection, name)
    if found is None:
        raise TREError(Reason.ImportNotFound, "There is no such import request.")
    return found


def of_grant(connection: Connection, grant: str) -> list[ImportRequest]:
    """Every request of a grant, newest first."""
    return _many(connection, import_requests.c.grant == grant)


def by_state(connection: Connection, states: Iterable[ImportState]) -> list[ImportRequest]:
    """Requests in these states, newest first."""
    return _many(connection, import_requests.c.state.in_([state.value for state in states]))


def let_in(connection: Connection, grant: str) -> list[ImportRequest]:
    """What the inboxes of a grant hold, or are about to, newest first."""
    states = import_requests.c.state.in_(sorted(LET_IN))
    return _many(connection, (import_requests.c.grant == grant) & states)


def is_let_in(connection: Connection, sha256: str) -> bool:
    """Whether any inbox holds these bytes, or is about to."""
    named = select(import_files.c.request).where(import_files.c.sha256 == sha256)
    states = import_requests.c.state.in_(sorted(LET_IN))
    query = select(import_requests.c.id).where(import_requests.c.id.in_(named), states).limit(1)
    return connection.execute(query).first() is not None


def drafts_of(connection: Connection, grant: str, author: Subject) -> int:
    """How many requests of an author in a grant are not handed in yet."""
    query = select(func.count()).where(
        import_requests.c.grant == grant,
        import_requests.c.author_issuer == author.issuer,
        import_requests.c.author_id == author.id,
        import_requests.c.state.in_(sorted(DRAFTS)),
    )
    return int(connection.execute(query).scalar_one())


def unfinished(connection: Connection, since: datetime) -> list[str]:
    """Requests that something is to be done for: those that wait, those whose project is over while inboxes hold them,
    and those that ended since then, so that bytes of theirs are to go."""
    state = import_requests.c.state
    waits = state.in_(sorted(WAITING))
    left = (state == ImportState.Placed.value) & grants.c.phase.in_(sorted(ENDED_PHASES))
    over = state.in_([ImportState.Removed.value, ImportState.Withdrawn.value]) & (import_requests.c.changed_at > since)
    joined = import_requests.join(grants, grants.c.name == import_requests.c.grant)
    query = select(import_requests.c.id).select_from(joined).where(waits | left | over).order_by(import_requests.c.id)
    return list(connection.execute(query).scalars())


def uses_bytes(connection: Connection, sha256: str) -> bool:
    """Whether a request that was not withdrawn names these bytes: they must stay in the vault then."""
    query = select(import_files.c.request).where(import_files.c.sha256 == sha256).limit(1)
    return connection.execute(query).first() is not None


def _many(connection: Connection, condition: Any) -> list[ImportRequest]:
    query = select(import_requests.c.document).where(condition)
    newest = query.order_by(import_requests.c.created_at.desc(), import_requests.c.id)
    return [ImportRequest.model_validate(document) for document in connection.execute(newest).scalars()]


def create(change: Change, request: ImportRequest) -> ImportRequest:
    """Keep a new request."""
    change.connection.execute(insert(import_requests).values(_row(request)))
    return request


def save(change: Change, before: ImportRequest, after: ImportRequest) -> ImportRequest:
    """Write a request that the domain made from `before`; returns it with its new version.

    Raises `TREError(Conflict)` where somebody else changed it since `before` was read; the whole change is undone.
    """
    if after == before:
        return before
    stored = after.changed(version=before.version + 1)
    written = change.connection.execute(
        update(import_requests)
        .where(import_requests.c.id == before.id, import_requests.c.version == before.version)
        .values(_row(stored))
    )
    if written.rowcount != 1:
        raise TREError(
            Reason.Conflict,
            "Somebody else changed this import request meanwhile.",
            remedy="Look at it again, then decide.",
        )
    if before.files != stored.files or stored.state is ImportState.Withdrawn:
        change.connection.execute(delete(import_files).where(import_files.c.request == stored.id))
        needed = stored.files if stored.state is not ImportState.Withdrawn else ()
        rows = [{"request": stored.id, "path": file.path, "sha256": file.sha256} for file in needed]
        if rows:
            change.connection.execute(insert(import_files), rows)
    return stored


def _row(request: ImportRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "grant": request.grant,
        "author_issuer": request.author.issuer,
        "author_id": request.author.id,
        "state": request.state.value,
        "version": request.version,
        "document": request.model_dump(mode="json", by_alias=True, exclude={"manifest"}),
        "created_at": request.created_at,
        "changed_at": request.changed_at,
        "deadline": request.deadline,
    }
