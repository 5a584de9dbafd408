"""What a workspace is told of its project's requests and of its own jobs, so that JupyterLab can show it.

Guarantees: a request is told as its person may see it at the desk (`exports.visibility`): while votes are cast apart it
stands as submitted, and no date moves with a vote; no words that anybody typed are told, and no name of a file.

Does not guarantee: that the programs of a workspace show it truly. They belong to the researcher.

Threat: a note in an inbox through which a blind vote shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from tre.domain.exports.models import ExportRequest
from tre.domain.exports.states import WAITING, ExportState, Owner
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.domain.workspaces.batch import BatchJob, BatchState

MOST_REQUESTS = 30
FORM: Literal["tre-desk/1"] = "tre-desk/1"


class ToldRequest(Record):
    """One request: where it is, whose turn it is, how many files it has, since when there is one."""

    id: Line
    state: ExportState
    turn: Owner | None = None
    files: Annotated[int, Field(ge=0)]
    own: bool
    begun: UtcTime


class ToldJob(Record):
    """One job without a browser; `since` is when it came into its state."""

    number: int
    state: BatchState
    since: UtcTime


class DeskNotes(Record):
    """Everything that is told; `person` is what the desk calls whoever works there."""

    form: Literal["tre-desk/1"] = FORM
    person: Line
    requests: tuple[ToldRequest, ...] = ()
    jobs: tuple[ToldJob, ...] = ()


def notes_for(subject: Subject, name: str, seen: Sequence[ExportRequest], jobs: Sequence[BatchJob]) -> DeskNotes:
    """The notes for one person, of requests as `seen_by` shows them to that person; the newest first."""
    newest = sorted(seen, key=lambda request: (request.created_at, request.id), reverse=True)[:MOST_REQUESTS]
    return DeskNotes(
        person=name,
        requests=tuple(_told(request, subject) for request in newest),
        jobs=tuple(ToldJob(number=job.number, state=job.state, since=job.changed_at) for job in jobs),
    )


def _told(request: ExportRequest, subject: Subject) -> ToldRequest:
    waiting = WAITING.get(request.state)
    return ToldRequest(
        id=request.id,
        state=request.state,
        turn=waiting.owner if waiting else None,
        files=len(request.files),
        own=request.author.key == subject.key,
        begun=request.created_at,
    )
