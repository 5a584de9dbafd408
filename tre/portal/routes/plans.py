"""Plans before and after an approval: asking what a specification would give, and the plan of a grant's slice.

Guarantees: a preview is shown to who asked for it, the plan of a grant to who may see the grant, both with small
numbers hidden by the dataset's policy; every page works without scripts and prints without its surroundings.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Role
from tre.portal import actions
from tre.portal import plan_actions as do
from tre.portal.context import Desk
from tre.portal.errors import STATUS
from tre.portal.pages import render
from tre.portal.plan_views import PreviewView, first_text, problem_lines
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, Visitor
from tre.portal.site import NavigationItem
from tre.portal.streams import stream_of
from tre.slices.planpage import plan_body, plan_page
from tre.slices.planstyle import PLAN

router = APIRouter()
PURPOSE = "What a request for data would give: how much, who is in it, who could be recognised."


def _explained(person: Person) -> bool:
    return permissions.can_preview(person) and not person.holds(Role.researcher)


NAVIGATION = (
    NavigationItem("Plans", "/plans", _explained, PURPOSE),
    NavigationItem("Plans", "/plans", lambda person: permissions.can_preview(person) and not _explained(person)),
)
Identifier = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Name = Annotated[str, Path(max_length=63)]
_STYLE_MARK = hashlib.sha256(PLAN.encode()).hexdigest()[:12]
STYLE_HREF = f"/plans/style-{_STYLE_MARK}.css"
"""Where pages find how a plan looks; the address changes with the content."""


@router.get(STYLE_HREF)
def style() -> Response:
    """How a plan looks."""
    kept = {"Cache-Control": "public, max-age=86400, immutable"}
    return Response(PLAN, media_type="text/css; charset=utf-8", headers=kept)


@router.get("/plans")
def write(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    again: Annotated[str, Query(pattern=r"^([0-9a-f]{32})?$")] = "",
) -> Response:
    """A form for a specification, and what one asked before; `again` begins with one of these."""
    permissions.check_preview(who.person)
    text = None
    if again:
        with desk.database.read() as connection:
            text = do.spec_text(do.spec_of(do.own_preview(desk, connection, who.person, again)))
    return _form(request, desk, who.person, text)


def _form(
    request: Request, desk: Desk, person: Person, text: str | None, error: TREError | None = None, status: int = 200
) -> Response:
    with desk.database.read() as connection:
        offered = do.offers(connection)
        rows = [PreviewView(job, desk.clock.now()) for job in do.own_previews(desk, connection, person)]
        lately = do.asked_lately(desk, connection, person)
    written = first_text(offered) if text is None else text
    values: dict[str, Any] = {"offers": offered, "rows": rows, "lately": lately, "text": written}
    values["problems"] = problem_lines(error, written) if error else []
    values |= {"most": do.MOST_TEXT, "now": desk.clock.now()}
    return render(request, "plans/write.html", status=status, **values)


@router.post("/plans")
def ask(request: Request, desk: CurrentDesk, who: CurrentVisitor, form: Form) -> Response:
    """Have it planned; what is wrong with the text is told by line."""
    text = form.get("spec", "")
    try:
        identifier = do.ask(desk, who.person, text)
    except TREError as error:
        if error.reason not in {Reason.BadInput, Reason.RateLimited}:
            raise
        return _form(request, desk, who.person, text, error, STATUS[error.reason])
    return RedirectResponse(f"/plans/{identifier}", 303)


@router.get("/plans/{identifier}")
def preview_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, identifier: Identifier) -> Response:
    """How far it is, then the plan; what could not be planned is the form again."""
    view = _view(desk, who.person, identifier)
    if view.error is not None:
        return _form(request, desk, who.person, do.spec_text(view.spec), view.error)
    body = _body(view.shown) if view.shown else ""
    return render(request, "plans/preview.html", view=view, body=body, style=STYLE_HREF, text=do.spec_text(view.spec))


def _body(shown: dict[str, Any]) -> Markup:
    """The plan within a page: `plan_body` escapes what people wrote."""
    return Markup(plan_body(shown))  # noqa: S704  # nosec B704


def _view(desk: Desk, person: Person, identifier: str) -> PreviewView:
    permissions.check_preview(person)
    with desk.database.read() as connection:
        return PreviewView(do.own_preview(desk, connection, person, identifier), desk.clock.now())


@router.get("/plans/{identifier}/events")
def live(request: Request, desk: CurrentDesk, who: CurrentVisitor, identifier: Identifier) -> Response:
    """How far it is, as server-sent events, until it is there."""
    return stream_of(request, desk, who, lambda: _view(desk, who.person, identifier).message())


@router.get("/plans/{identifier}/plan.html")
def preview_file(desk: CurrentDesk, who: CurrentVisitor, identifier: Identifier) -> Response:
    """The plan as one file to keep, to send, to print."""
    return _file(plan_page(_planned(desk, who, identifier)), "html")


@router.get("/plans/{identifier}/plan.json")
def preview_json(desk: CurrentDesk, who: CurrentVisitor, identifier: Identifier) -> Response:
    """The same for machines."""
    return _file(json.dumps(_planned(desk, who, identifier), indent=1, ensure_ascii=False), "json")


def _planned(desk: Desk, who: Visitor, identifier: str) -> dict[str, Any]:
    shown = _view(desk, who.person, identifier).shown
    if shown is None:
        raise TREError(Reason.ObjectNotFound, "There is no plan yet.", remedy="Look at its page.")
    return shown


def _file(text: str, ending: str) -> Response:
    kind = {"html": "text/html; charset=utf-8", "json": "application/json"}[ending]
    attached = {"Content-Disposition": f'attachment; filename="plan.{ending}"'}
    return Response(text, media_type=kind, headers=attached)


@router.get("/grants/{name}/slices/{slice_name}/plan")
def grant_plan(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, slice_name: Name) -> Response:
    """What a grant's slice was planned to hold, for the project and for who reads the record."""
    with desk.database.read() as connection:
        found = do.grant_plan(desk, connection, who.person, name, slice_name)
        grant = actions.visible_grant(connection, who.person, name)
    back = f"/grants/{name}" if permissions.can_read_record(who.person) else f"/projects/{name}"
    values: dict[str, Any] = {"grant": grant, "back": back, "style": STYLE_HREF}
    return render(request, "plans/grant.html", found=found, body=_body(found.shown), **values)


@router.get("/grants/{name}/slices/{slice_name}/plan.html")
def grant_plan_file(desk: CurrentDesk, who: CurrentVisitor, name: Name, slice_name: Name) -> Response:
    """The same as one file."""
    with desk.database.read() as connection:
        return _file(plan_page(do.grant_plan(desk, connection, who.person, name, slice_name).shown), "html")
