"""The buttons "fix it for me" on the page of a request."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import FileKind
from tre.portal import fix_actions
from tre.portal.fix_actions import Wish
from tre.portal.sessions import CurrentVisitor, Form, desk_of

router = APIRouter()


@router.post("/exports/{export}/fix")
def ask_fix(request: Request, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Have new files made of one file, in its place."""
    afterwards = form.get("afterwards", FileKind.withdrawn.value)
    if afterwards not in set(FileKind):
        raise TREError(Reason.BadInput, "There is no such kind of file.", remedy="Choose one from the list.")
    wish = Wish(form.get("path", ""), form.get("sha256", ""), form.get("fix", ""), FileKind(afterwards))
    fix_actions.ask(desk_of(request), who.person, export, wish)
    return RedirectResponse(f"/exports/{export}", 303)
