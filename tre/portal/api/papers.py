"""`/api/v1/applications/…/papers`: documents of an application, sent, listed and taken out by programs.

Guarantees: the same functions as behind the pages, hence the same rules, errors and events. What `address` names hands
a paper out; it is empty where the reader may not have it.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from tre.domain.applications.models import ApplicationId
from tre.domain.applications.papers import PaperState
from tre.domain.errors import TREError
from tre.domain.grants.models import Digest
from tre.domain.model import Line, Record
from tre.portal.applying import actions
from tre.portal.applying import papers as do
from tre.portal.applying.views import view_of
from tre.portal.context import Desk
from tre.portal.errors import responses
from tre.portal.guard import APPLICATION_ID
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Visitor, checked_header
from tre.portal.upload_bodies import drain

router = APIRouter(prefix="/api/v1/applications", responses=responses(401, 403, 404, 409, 422))
CHANGES: dict[str, Any] = {"dependencies": [Depends(checked_header)], "responses": responses(400)}
Name = Annotated[str, Path(pattern=f"^{APPLICATION_ID}$")]
FileName = Annotated[str, Path(min_length=1, max_length=1000)]
Version = Annotated[int, Query(ge=0, le=10**9)]
_BYTES = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


class PaperAnswer(Record):
    """One paper. `state` is empty for one that is only named: its bytes were not sent here."""

    name: Line
    digest: Digest
    bytes: int
    state: PaperState | None
    address: str


class PapersAnswer(Record):
    """The papers of an application, and its version, which a change has to name."""

    application: ApplicationId
    version: int
    papers: tuple[PaperAnswer, ...]


def _answer(desk: Desk, who: Visitor, name: str) -> PapersAnswer:
    with desk.database.read() as connection:
        view = view_of(desk, connection, who.person, actions.find(connection, who.person, name))
    lines = tuple(
        PaperAnswer(
            name=one.paper.name, digest=one.paper.digest, bytes=one.paper.bytes, state=one.state, address=one.address
        )
        for one in view.papers
    )
    return PapersAnswer(application=view.id, version=view.application.version, papers=lines)


@router.get("/{name}/papers")
def list_papers(desk: CurrentDesk, who: CurrentVisitor, name: Name) -> PapersAnswer:
    """The papers that the application names, as its reader sees them."""
    return _answer(desk, who, name)


@router.put(
    "/{name}/papers/{path:path}",
    status_code=202,
    openapi_extra=_BYTES,
    **CHANGES | {"responses": responses(400, 413, 429)},
)
async def attach(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, path: FileName, version: Version
) -> PapersAnswer:
    """Send one paper into the draft of this version; `arriving` until it is kept."""
    try:
        await do.take_body(request, who, (name, version), path)
    except TREError:
        await drain(request)
        raise
    return await run_in_threadpool(_answer, desk, who, name)


@router.delete("/{name}/papers/{path:path}", **CHANGES)
def detach(desk: CurrentDesk, who: CurrentVisitor, name: Name, path: FileName, version: Version) -> PapersAnswer:
    """Take a paper out of the draft of this version, by its name."""
    do.detach(desk, who.person, name, version, path)
    return _answer(desk, who, name)
