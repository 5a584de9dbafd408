"""Taking results out, continued: answers to checkers, labels of columns, one-time links, and who opens one.

Guarantees: a link's address is shown once, to who made it; who opens one needs no account, types nothing, and gets
the very bytes of the record, once. A page comes before the download, so that no preview of a mail program spends it.

Threat: a link that a robot opened before its reader did.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from tre.domain.exports.models import Readers
from tre.portal import dialogue_actions, export_words, link_actions
from tre.portal.dialogue_actions import Said
from tre.portal.export_forms import typed_text
from tre.portal.pages import render
from tre.portal.routes.releases import send_once
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form

router = APIRouter()


@router.post("/exports/{export}/comments")
def comment(desk: CurrentDesk, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Answer the checkers."""
    said = Said(form.get("group", ""), form.get("path") or None, Readers.public, typed_text(form, "text"))
    dialogue_actions.comment(desk, who.person, export, said)
    return RedirectResponse(f"/exports/{export}#groups", 303)


@router.post("/exports/{export}/labels")
def label(desk: CurrentDesk, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Say what a column holds, once for the project."""
    dialogue_actions.set_label(desk, who.person, export, form.get("title", ""), form.get("role", ""))
    return RedirectResponse(f"/exports/{export}#groups", 303)


@router.post("/exports/{export}/links")
def make_link(request: Request, desk: CurrentDesk, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Make a one-time link, and show it this once."""
    del form
    token, link = link_actions.make(desk, who.person, export)
    address = f"{desk.settings.origin('desk')}/release/{token}"
    return render(request, "exports/link.html", export=export, address=address, link=link, now=desk.clock.now())


@router.get("/release/{token}")
def release_page(request: Request, desk: CurrentDesk, token: str) -> Response:
    """What a link would open; opening this page does not spend it."""
    _, found = link_actions.look(desk, token)
    release = found.request.release
    return render(
        request, "exports/release.html", token=token, release=release, export=found.request.id, say=export_words
    )


@router.post("/release/{token}")
def take_release(desk: CurrentDesk, token: str) -> Response:
    """The released bundle, once."""
    _, found = link_actions.look(desk, token)
    return send_once(desk, found.request, lambda: link_actions.spend(desk, token))
