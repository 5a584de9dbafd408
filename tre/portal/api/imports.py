"""`/api/v1/imports`: the acts of the way in, for researchers and for checkers.

Guarantees: the same functions as behind the pages, hence the same rules, errors and events; every answer carries
`allowedActions`, found out by the domain for the asking person at that moment.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from tre.domain.errors import TREError
from tre.domain.imports.states import ImportState
from tre.portal import import_actions
from tre.portal.api.export_models import BeginRequest
from tre.portal.api.import_models import (
    DecideRequest,
    ImportAnswer,
    ImportSummary,
    SubmitRequest,
    TakeAwayRequest,
    import_answer,
    import_summary,
)
from tre.portal.context import Desk
from tre.portal.errors import responses
from tre.portal.guard import IMPORT_ID
from tre.portal.import_uploads import take_file
from tre.portal.import_views import import_rows, import_view
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Visitor, checked_header
from tre.portal.upload_bodies import drain
from tre.store import imports

router = APIRouter(prefix="/api/v1/imports", responses=responses(401, 403, 404, 409, 422))
CHANGES: dict[str, Any] = {
    "dependencies": [Depends(checked_header)],
    "responses": responses(400),
    "response_model_exclude_none": True,
}
ImportPath = Annotated[str, Path(pattern=f"^{IMPORT_ID}$")]
FilesPath = Annotated[str, Path(min_length=1, max_length=4096)]
_BYTES = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


def answer_of(desk: Desk, who: Visitor, name: str) -> ImportAnswer:
    """A request as the visitor may see it now."""
    with desk.database.read() as connection:
        found = import_actions.find(desk, connection, who.person, name)
        return import_answer(import_view(desk, connection, who.person, found))


@router.get("", response_model_exclude_none=True)
def list_imports(
    desk: CurrentDesk,
    who: CurrentVisitor,
    state: Annotated[ImportState | None, Query()] = None,
    grant: Annotated[str, Query(max_length=63)] = "",
) -> list[ImportSummary]:
    """Every request that the person may see, what waits for them first; of drafts only those of their project."""
    with desk.database.read() as connection:
        found = imports.by_state(connection, ImportState if state is None else [state])
        rows = import_rows(desk, connection, who.person, (item for item in found if not grant or item.grant == grant))
    return [import_summary(row) for row in rows]


@router.get("/{name}", response_model_exclude_none=True)
def get_import(desk: CurrentDesk, who: CurrentVisitor, name: ImportPath) -> ImportAnswer:
    """One request."""
    return answer_of(desk, who, name)


@router.post("", status_code=201, **CHANGES)
def begin(desk: CurrentDesk, who: CurrentVisitor, body: BeginRequest) -> ImportAnswer:
    """Begin a request."""
    return answer_of(desk, who, import_actions.begin(desk, who.person, body.grant))


@router.put(
    "/{name}/files/{path:path}",
    status_code=202,
    openapi_extra=_BYTES,
    **CHANGES | {"responses": responses(400, 413, 429)},
)
async def upload(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, name: ImportPath, path: FilesPath
) -> ImportAnswer:
    """Send the bytes of one file; they are copied and checked, `busy` until that is done."""
    try:
        await take_file(request, who, name, path)
    except TREError:
        await drain(request)
        raise
    return await run_in_threadpool(answer_of, desk, who, name)


@router.delete("/{name}/files/{path:path}", **CHANGES)
def remove_file(desk: CurrentDesk, who: CurrentVisitor, name: ImportPath, path: FilesPath) -> ImportAnswer:
    """Take a file out of the request."""
    import_actions.remove_file(desk, who.person, name, path)
    return answer_of(desk, who, name)


@router.post("/{name}/submit", **CHANGES)
def submit(desk: CurrentDesk, who: CurrentVisitor, name: ImportPath, body: SubmitRequest) -> ImportAnswer:
    """Hand the request to the checkers, with its purpose."""
    import_actions.submit(desk, who.person, name, body.purpose)
    return answer_of(desk, who, name)


@router.post("/{name}/withdraw", **CHANGES)
def withdraw(desk: CurrentDesk, who: CurrentVisitor, name: ImportPath) -> ImportAnswer:
    """Take the request back for good."""
    import_actions.withdraw(desk, who.person, name)
    return answer_of(desk, who, name)


@router.post("/{name}/decide", **CHANGES)
def decide(desk: CurrentDesk, who: CurrentVisitor, name: ImportPath, body: DecideRequest) -> ImportAnswer:
    """A checker's yes or no."""
    import_actions.decide(desk, who.person, name, body.manifest, (body.approves, body.comment))
    return answer_of(desk, who, name)


@router.post("/{name}/take-away", **CHANGES)
def take_away(desk: CurrentDesk, who: CurrentVisitor, name: ImportPath, body: TakeAwayRequest) -> ImportAnswer:
    """Take placed files away again, with words."""
    import_actions.take_away(desk, who.person, name, body.message)
    return answer_of(desk, who, name)
