"""Papers of applications: sending one, taking one out, handing one out.

Guarantees: a paper is never shown by a page of ours: it is handed out as a download that browsers neither open nor
guess at, under a policy that lets nothing in it run. Whoever may not have it learns no more than of one that is not
there.

Threat: a document with a page in it, opened on the desk's own host.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response, StreamingResponse

from tre.domain.applications.models import Attachment
from tre.domain.errors import TREError
from tre.portal.applying import papers as do
from tre.portal.applying.steps import PAPERS
from tre.portal.guard import DOWNLOAD_POLICY
from tre.portal.handing_out import pieces
from tre.portal.routes.applying import ELSEWHERE, Name, step_answer, version_of
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, desk_of
from tre.portal.upload_bodies import drain

router = APIRouter()
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]


@router.post("/applications/{name}/papers")
async def attach(request: Request, who: CurrentVisitor, name: Name) -> Response:
    """Send a paper into the draft."""
    try:
        await do.take_form(request, who, name)
    except TREError as error:
        await drain(request)
        if error.reason in ELSEWHERE:
            raise
        desk = desk_of(request)
        return await run_in_threadpool(step_answer, request, desk, who.person, (name, PAPERS.name), error)
    return RedirectResponse(f"/applications/{name}/edit/{PAPERS.name}", 303)


@router.post("/applications/{name}/papers/remove")
def detach(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, form: Form) -> Response:
    """Take a paper out of the draft."""
    try:
        do.detach(desk, who.person, name, version_of(form), form.get("paper", ""))
    except TREError as error:
        if error.reason in ELSEWHERE:
            raise
        return step_answer(request, desk, who.person, (name, PAPERS.name), error)
    return RedirectResponse(f"/applications/{name}/edit/{PAPERS.name}", 303)


@router.get("/applications/{name}/papers/{sha256}")
def hand_out(desk: CurrentDesk, who: CurrentVisitor, name: Name, sha256: Sha256) -> Response:
    """One paper, as a download."""
    paper, opened = do.hand_out(desk, who.person, name, f"sha256:{sha256}")
    return StreamingResponse(pieces(opened), media_type="application/octet-stream", headers=headers_of(paper))


def headers_of(paper: Attachment) -> dict[str, str]:
    """A plain name of ours for whoever reads no other, and what its sender called it (RFC 6266)."""
    plain = f"paper-{paper.digest.removeprefix('sha256:')[:12]}"
    called = quote(paper.name, safe="")
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{called}",
        "Content-Length": str(paper.bytes),
        "Content-Security-Policy": DOWNLOAD_POLICY,
    }
