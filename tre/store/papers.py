"""Papers of applications in the record: what was sent, what has arrived, what was removed.

Guarantees: bytes that any application still needs are never given to be removed, whoever else had the same; a paper
that arrives while the same bytes wait for their removal calls the removal off, in the same transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from tre.domain.applications.papers import Paper, PaperState
from tre.domain.applications.states import ApplicationState
from tre.store import jobs
from tre.store.database import Change
from tre.store.tables.committee import applications
from tre.store.tables.papers import application_papers as table

CHECKER = "checker"
KEEP, FORGET = "keep-paper", "forget-paper"
"""Who works on papers, and the kinds of that work; subjects are `paper/APPLICATION/SHA256` and `paper/SHA256`."""

PATIENCE_SECONDS = 300
PATH = "paper"
"""What an uploaded paper is called on its way: never what its sender called it."""

_HELD = (PaperState.arriving.value, PaperState.kept.value)


def of_application(connection: Connection, application: str) -> list[Paper]:
    """Every paper that an application ever brought."""
    query = select(table).where(table.c.application == application).order_by(table.c.at, table.c.digest)
    return [_paper(row) for row in connection.execute(query).mappings()]


def get(connection: Connection, application: str, digest: str) -> Paper | None:
    """One paper; `None` where the application did not bring these bytes."""
    query = select(table).where(table.c.application == application, table.c.digest == digest)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _paper(row)


def _paper(row: Any) -> Paper:
    return Paper.model_validate({name: row[name] for name in Paper.model_fields})


def arrive(change: Change, paper: Paper, now: datetime) -> None:
    """Keep that these bytes were sent into an application, and have them kept."""
    before = get(change.connection, paper.application, paper.digest)
    if before is None:
        change.connection.execute(insert(table).values(_row(paper)))
    else:
        change.connection.execute(update(table).where(_is(paper)).values(_row(paper)))
    sha256 = paper.digest.removeprefix("sha256:")
    jobs.call_off(change, CHECKER, FORGET, f"paper/{sha256}", now)
    payload = {"upload": paper.upload, "path": PATH, "sha256": sha256, "size": paper.size}
    asked = jobs.JobRequest(
        program=CHECKER,
        kind=KEEP,
        subject=f"paper/{paper.application}/{sha256}",
        payload=payload,
        patience_seconds=PATIENCE_SECONDS,
    )
    jobs.replace(change, asked, now)


def inherit(change: Change, source: str, target: str) -> None:
    """An application that begins with what another one asked for has its papers too: the bytes are shared."""
    kept = [one for one in of_application(change.connection, source) if one.state is PaperState.kept]
    if kept:
        rows = [_row(one) | {"application": target} for one in kept]
        change.connection.execute(insert(table), rows)


def mark(change: Change, paper: Paper, state: PaperState) -> None:
    """Say where the bytes of a paper are now."""
    change.connection.execute(update(table).where(_is(paper)).values(state=state.value))


def remove(change: Change, paper: Paper, now: datetime) -> bool:
    """An application needs a paper no more: have its bytes removed where no other needs them; whether that is so."""
    mark(change, paper, PaperState.removed)
    others = select(table.c.application).where(table.c.digest == paper.digest, table.c.state.in_(_HELD)).limit(1)
    if change.connection.execute(others).first() is not None:
        return False
    sha256 = paper.digest.removeprefix("sha256:")
    asked = jobs.JobRequest(
        program=CHECKER,
        kind=FORGET,
        subject=f"paper/{sha256}",
        payload={"sha256": sha256},
        patience_seconds=PATIENCE_SECONDS,
    )
    jobs.ask(change, asked, now)
    return True


def watched(connection: Connection) -> list[str]:
    """The applications whose papers may be on their way, or needed no more."""
    query = (
        select(table.c.application)
        .join(applications, applications.c.id == table.c.application)
        .where(table.c.state.in_(_HELD))
        .where((table.c.state == PaperState.arriving.value) | (applications.c.state != ApplicationState.Approved.value))
        .distinct()
        .order_by(table.c.application)
    )
    return list(connection.execute(query).scalars())


def _is(paper: Paper) -> Any:
    return (table.c.application == paper.application) & (table.c.digest == paper.digest)


def _row(paper: Paper) -> dict[str, Any]:
    return {**dict(paper), "state": paper.state.value}
