"""Checks before submitting, in the record: nothing but their jobs, by the subject `preflight/WORKSPACE/ID`.

Guarantees: what is read here is what was asked: there is no second account of it that could differ.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from tre.domain.exports.preflight import Attempts, attempts
from tre.store import jobs as store
from tre.store.tables.jobs import jobs

PREFIX = "preflight/"
CHECKER, STOREKEEPER = "checker", "storekeeper"
INTAKE, CHECK, FORGET, ANSWER = "intake", "check", "forget", "preflight.answer"
WAIT = "wait-"
"""Stands in place of an ask's id where a workspace is told when it may ask again."""

_UNDER_WAY = (store.JobState.open, store.JobState.taken)


def subject_of(workspace: str, identifier: str) -> str:
    """What the jobs of one ask are about."""
    return f"{PREFIX}{workspace}/{identifier}"


def workspace_of(subject: str) -> str:
    """The workspace that such jobs are about."""
    return subject.removeprefix(PREFIX).partition("/")[0]


def asked(connection: Connection, workspace: str, since: datetime | None = None) -> list[datetime]:
    """When a workspace asked, each ask once: what it was refused for its form counts, what came too often does not."""
    query = select(func.min(jobs.c.created_at)).where(
        jobs.c.subject.startswith(f"{PREFIX}{workspace}/", autoescape=True),
        ~jobs.c.subject.startswith(f"{PREFIX}{workspace}/{WAIT}", autoescape=True),
        jobs.c.kind.in_([INTAKE, ANSWER]),
    )
    if since is not None:
        query = query.where(jobs.c.created_at > since)
    return sorted(connection.execute(query.group_by(jobs.c.subject)).scalars())


def attempts_of(connection: Connection, workspace: str, now: datetime) -> Attempts:
    """How often a workspace tried, for the checkers of its requests."""
    return attempts(asked(connection, workspace), now)


def subjects_since(connection: Connection, since: datetime) -> list[str]:
    """The asks that were begun since then: after a start, each is looked at once."""
    query = select(jobs.c.subject).where(
        jobs.c.subject.startswith(PREFIX, autoescape=True),
        jobs.c.program == CHECKER,
        jobs.c.kind == INTAKE,
        jobs.c.created_at > since,
    )
    return sorted(set(connection.execute(query).scalars()))


def takes_in(connection: Connection) -> bool:
    """Whether bytes may be on their way into the vault that no request and no answer names yet."""
    query = select(jobs.c.id).where(
        jobs.c.program == CHECKER,
        jobs.c.kind.in_([INTAKE, "transform", "receive"]),
        jobs.c.state.in_(_UNDER_WAY),
    )
    return connection.execute(query.limit(1)).first() is not None
