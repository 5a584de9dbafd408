"""Taking results out, for researchers: the list, a new request, one request with its files, findings and clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tre.audit.keys import PUBLIC_KEY_FILE, load_public
from tre.domain.errors import Reason, TREError
from tre.domain.exports.labels import ROLES
from tre.domain.exports.models import FileGroup, FileKind
from tre.domain.exports.policies import check_submittable
from tre.domain.exports.states import BlindPhase, ExportState
from tre.domain.grants.models import GrantRecord
from tre.domain.model import parse_record
from tre.domain.people import Person, Role
from tre.portal import actions, export_actions, export_words, fix_actions
from tre.portal.context import Desk, Portal
from tre.portal.errors import STATUS
from tre.portal.export_allowed import can_begin
from tre.portal.export_forms import NOT_A_PAGE, Fault, typed_text
from tre.portal.export_progress import colour_of, label_of, steps_of, stream_of
from tre.portal.export_views import ExportView, export_rows, export_view, is_outside
from tre.portal.pages import render
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, Visitor, desk_of
from tre.portal.site import NavigationItem
from tre.store import exports, grants, workspaces

router = APIRouter()
NAVIGATION = (NavigationItem("Results out", "/exports", lambda person: person.holds(Role.researcher)),)
PAGE = 50
MOST_AT_ONCE = 90
"""Files chosen in one form: a form of the desk holds at most a hundred fields."""

LONGEST_PATH = 300
"""Characters of a file's path in an address; what is longer is ticked by hand."""

LONGEST_WORDS = 8000
"""Characters of a group's context, and of its controls: some three pages."""


def own_grants(connection: Connection, person: Person) -> list[GrantRecord]:
    """Grants that the person has, or had, a workspace of."""
    found = [workspace.grant for workspace in workspaces.of_subject(connection, person.subject)]
    return [grants.require(connection, name) for name in dict.fromkeys(found)]


@router.get("/exports")
def list_exports(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    state: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """Every request of the person's projects; filtered by state and by words."""
    with desk.database.read() as connection:
        mine = own_grants(connection, who.person)
        every = [item for grant in mine for item in exports.of_grant(connection, grant.name)]
        newest = sorted(every, key=lambda item: item.created_at, reverse=True)
        rows = export_rows(desk, connection, who.person, newest)
    fitting = [row for row in rows if (not state or row.request.state.value == state) and _fits(row.title, row, q)]
    return render(
        request,
        "exports/list.html",
        rows=fitting[(page - 1) * PAGE : page * PAGE],
        total=len(fitting),
        every=len(rows),
        state=state,
        q=q,
        page=page,
        page_size=PAGE,
        states=[item for item in ExportState if item is not ExportState.PartiallyReviewed],
        open_grants=[grant for grant in mine if can_begin(who.person, grant, desk)],
        say=export_words,
        now=desk.clock.now(),
    )


def _fits(title: str, row: Any, text: str) -> bool:
    paths = " ".join(file.path for file in row.request.files)
    searched = " ".join((title, row.request.id, row.request.grant, row.author, paths)).casefold()
    return all(word in searched for word in text.casefold().split())


@router.get("/exports/new")
def new(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, grant: Annotated[str, Query(max_length=63)] = ""
) -> Response:
    """What will happen, and the button that begins it."""
    with desk.database.read() as connection:
        found = actions.visible_grant(connection, who.person, grant)
    allowed = can_begin(who.person, found, desk)
    named = _named(request.query_params.getlist("file"))
    return render(
        request, "exports/new.html", grant=found, allowed=allowed, named=named, say=export_words, now=desk.clock.now()
    )


def _named(paths: Sequence[str]) -> tuple[str, ...]:
    """Files that an address names: only which boxes are ticked follows from it, where the outbox has such files."""
    return tuple(dict.fromkeys(path for path in paths if 0 < len(path) <= LONGEST_PATH))[:MOST_AT_ONCE]


async def named_files(request: Request, form: Form) -> tuple[str, ...]:
    """The files that were chosen before the request was begun."""
    del form  # its token was checked; the fields are read once and kept
    return _named([str(value) for value in (await request.form()).getlist("file")])


@router.post("/exports")
def begin(
    desk: CurrentDesk, who: CurrentVisitor, form: Form, named: Annotated[tuple[str, ...], Depends(named_files)]
) -> Response:
    """Begin a request; the outbox is looked into at once."""
    export = export_actions.begin(desk, who.person, form.get("grant", ""))
    chosen = f"?{urlencode([('file', path) for path in named])}" if named else ""
    return RedirectResponse(f"/exports/{export}{chosen}", 303)


@router.get("/exports/{export}")
def export_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, export: str) -> Response:
    """One request as the project sees it."""
    return _page(request, desk, who.person, export)


def _page(request: Request, desk: Desk, person: Person, export: str, fault: Fault | None = None) -> Response:
    with desk.database.read() as connection:
        found = export_actions.find(desk, connection, person, export)
        if is_outside(person, found.request, found.situation.grant):
            return RedirectResponse(f"/reviews/{export}", 303)
        view = export_view(desk, connection, person, found)
        chosen = {view.file.path for view in view.files}
    return render(
        request,
        "exports/export.html",
        status=STATUS.get(fault.error.reason, 409) if fault else 200,
        view=view,
        fault=fault,
        obstacle=_obstacle(found, view),
        chosen=chosen,
        named=_named(request.query_params.getlist("file")),
        policy=found.situation.policy.spec,
        release_at=_release_at(found),
        key_lines=public_key_lines(desk),
        live={"label": label_of(view), "colour": colour_of(view), "steps": steps_of(view)},
        editing=view.request.phase is BlindPhase.AUTHOR,
        most=MOST_AT_ONCE,
        longest=LONGEST_WORDS,
        kinds=list(FileKind),
        fixes=fix_actions.offers(found, person),
        label_roles=ROLES,
        say=export_words,
        now=desk.clock.now(),
    )


def _obstacle(found: export_actions.Found, view: ExportView) -> TREError | None:
    """Why the request cannot be submitted now; nothing where it can, or where it is nobody's turn to."""
    if view.request.phase is not BlindPhase.AUTHOR or not view.own:
        return None
    try:
        export_actions.check_entitled(found.situation)
        check_submittable(found.request, found.situation)
    except TREError as error:
        return error
    return None


def _release_at(found: export_actions.Found) -> Any:
    confirmed = found.request.confirmation
    return confirmed.at + found.situation.release_delay if confirmed else None


def public_key_lines(desk: Portal) -> list[str]:
    """The public keys that verify releases, one line each, the newest first; none where they cannot be read.

    A release of earlier may be signed by a key that has been followed by another.
    """
    try:
        return [key.line() for key in load_public(desk.layout.keys / PUBLIC_KEY_FILE)]
    except TREError:
        return []


@router.get("/exports/{export}/events")
async def live(request: Request, desk: CurrentDesk, who: CurrentVisitor, export: str) -> Response:
    """What moves by itself, as server-sent events, until nothing does."""
    return stream_of(request, desk, who, export)


async def chosen_paths(request: Request, form: Form) -> tuple[str, ...]:
    """The files that were ticked."""
    del form  # its token was checked; the fields are read once and kept
    return tuple(str(value) for value in (await request.form()).getlist("path"))


@router.post("/exports/{export}/look")
def look(desk: CurrentDesk, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Look into the outbox again."""
    del form
    export_actions.look(desk, who.person, export)
    return RedirectResponse(f"/exports/{export}#add", 303)


@router.post("/exports/{export}/files")
def add_files(
    request: Request,
    who: CurrentVisitor,
    export: str,
    form: Form,
    paths: Annotated[tuple[str, ...], Depends(chosen_paths)],
) -> Response:
    """Copy the ticked files into a group, and check them."""
    desk = desk_of(request)
    try:
        if not paths:
            raise TREError(Reason.BadInput, "No file is chosen.", remedy="Tick at least one file of the outbox.")
        export_actions.add_files(desk, who.person, export, _group(form), paths)
    except TREError as error:
        field = "path-1" if not paths or error.reason is not Reason.BadInput else "group"
        return _again(request, who, export, Fault("files", error, field, form))
    return RedirectResponse(f"/exports/{export}", 303)


def _group(form: dict[str, str]) -> FileGroup:
    """The group of a form, its words with the line ends of this system."""
    values: dict[str, Any] = {name: typed_text(form, name) for name in ("context", "controls", "relation")}
    if people := form.get("people", "").replace(",", "").strip():
        if not people.isascii() or not people.isdigit() or len(people) > 10:
            raise TREError(Reason.BadInput, "How many people is a whole number.", remedy="Write digits only.")
        values["people"] = int(people)
    name = " ".join(form.get("group", "").split())
    return parse_record(FileGroup, {"name": name, **values}, source="the group")


@router.post("/exports/{export}/groups")
def describe(request: Request, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Give a group other words."""
    desk = desk_of(request)
    try:
        export_actions.describe(desk, who.person, export, _group(form))
    except TREError as error:
        return _again(request, who, export, Fault("groups", error, "groups", form))
    return RedirectResponse(f"/exports/{export}", 303)


@router.post("/exports/{export}/kind")
def set_kind(request: Request, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Say what a file is, or take it back."""
    desk = desk_of(request)
    try:
        if form.get("kind") not in set(FileKind):
            raise TREError(Reason.BadInput, "There is no such kind of file.", remedy="Choose one from the list.")
        export_actions.set_kind(desk, who.person, export, form.get("path", ""), FileKind(form["kind"]))
    except TREError as error:
        return _again(request, who, export, Fault("kind", error, "groups", form))
    return RedirectResponse(f"/exports/{export}", 303)


_ACTS: dict[str, Any] = {
    "submit": export_actions.submit,
    "withdraw": export_actions.withdraw,
    "recheck": export_actions.recheck,
}


@router.post("/exports/{export}/submit")
def submit(request: Request, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Hand the request to the checkers."""
    return _act(request, who, export, form, "submit")


@router.post("/exports/{export}/withdraw")
def withdraw(request: Request, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Take the request back for good."""
    return _act(request, who, export, form, "withdraw")


@router.post("/exports/{export}/recheck")
def recheck(request: Request, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Have the checks run again."""
    return _act(request, who, export, form, "recheck")


def _act(request: Request, who: Visitor, export: str, form: dict[str, str], act: str) -> Response:
    try:
        _ACTS[act](desk_of(request), who.person, export)
    except TREError as error:
        return _again(request, who, export, Fault(act, error, act, form))
    return RedirectResponse(f"/exports/{export}", 303)


def _again(request: Request, who: Visitor, export: str, fault: Fault) -> Response:
    """The page with the error above its forms; refusals that are not about the form are pages of their own."""
    if fault.error.reason in NOT_A_PAGE:
        raise fault.error
    return _page(request, desk_of(request), who.person, export, fault)
