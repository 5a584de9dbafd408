"""Bringing files in: the list, a new request, one request with its files, findings and clock, and the decision.

Guarantees: the same page serves the author, the project and the checkers; what it offers is what the domain allows
its reader now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from tre.domain.errors import Reason, TREError
from tre.domain.imports.states import ImportState
from tre.domain.people import Person, Role
from tre.portal import actions, import_words
from tre.portal import import_actions as do
from tre.portal.context import Desk
from tre.portal.errors import STATUS
from tre.portal.export_allowed import can_begin
from tre.portal.export_forms import NOT_A_PAGE, Fault, typed_text
from tre.portal.export_views import FileView
from tre.portal.guard import IMPORT_ID, LARGEST_UPLOAD
from tre.portal.import_progress import colour_of, label_of, steps_of, stream_of
from tre.portal.import_uploads import refusal, take_form
from tre.portal.import_views import ImportRow, import_rows, import_view
from tre.portal.pages import render
from tre.portal.preview.viewer import Showing, Viewer
from tre.portal.routes.exports import own_grants
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, desk_of
from tre.portal.site import NavigationItem
from tre.portal.upload_bodies import drain
from tre.store import imports

router = APIRouter()
PAGE = 50
LONGEST_WORDS = 4000


def _decides(person: Person) -> bool:
    return person.holds(Role.checker)


NAVIGATION = (
    NavigationItem("Files in", "/imports", _decides, "Requests to bring files in that wait for a decision."),
    NavigationItem("Files in", "/imports", lambda person: person.holds(Role.researcher) and not _decides(person)),
)


@router.get("/imports")
def list_imports(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    state: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """What waits for the person first, the earliest deadline before the others; then the newest."""
    with desk.database.read() as connection:
        mine = own_grants(connection, who.person)
        found = (
            imports.by_state(connection, ImportState)
            if _decides(who.person)
            else [item for grant in mine for item in imports.of_grant(connection, grant.name)]
        )
        rows = import_rows(desk, connection, who.person, found)
    fitting = [row for row in rows if (not state or row.request.state.value == state) and _fits(row, q)]
    return render(
        request,
        "imports/list.html",
        rows=fitting[(page - 1) * PAGE : page * PAGE],
        total=len(fitting),
        every=len(rows),
        wanted=sum(row.wanted for row in rows),
        decides=_decides(who.person),
        state=state,
        q=q,
        page=page,
        page_size=PAGE,
        states=list(ImportState),
        open_grants=[grant for grant in mine if can_begin(who.person, grant, desk)],
        say=import_words,
        now=desk.clock.now(),
    )


def _fits(row: ImportRow, text: str) -> bool:
    paths = " ".join(file.path for file in row.request.files)
    searched = " ".join((row.title, row.request.id, row.request.grant, row.author, paths)).casefold()
    return all(word in searched for word in text.casefold().split())


@router.get("/imports/new")
def new(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, grant: Annotated[str, Query(max_length=63)] = ""
) -> Response:
    """What will happen, and the button that begins it."""
    with desk.database.read() as connection:
        found = actions.visible_grant(connection, who.person, grant)
    allowed = can_begin(who.person, found, desk)
    return render(request, "imports/new.html", grant=found, allowed=allowed, say=import_words, now=desk.clock.now())


@router.post("/imports")
def begin(desk: CurrentDesk, who: CurrentVisitor, form: Form) -> Response:
    """Begin a request."""
    return RedirectResponse(f"/imports/{do.begin(desk, who.person, form.get('grant', ''))}", 303)


@router.get("/imports/{name}")
def import_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str) -> Response:
    """One request."""
    return _page(request, desk, who.person, name)


def _page(request: Request, desk: Desk, person: Person, name: str, fault: Fault | None = None) -> Response:
    with desk.database.read() as connection:
        found = do.find(desk, connection, person, name)
        view = import_view(desk, connection, person, found)
    return render(
        request,
        "imports/import.html",
        status=STATUS.get(fault.error.reason, 409) if fault else 200,
        view=view,
        fault=fault,
        policy=found.situation.policy.spec,
        live={"label": label_of(view), "colour": colour_of(view), "steps": steps_of(view)},
        largest=str(LARGEST_UPLOAD),
        longest=LONGEST_WORDS,
        say=import_words,
        now=desk.clock.now(),
    )


@router.get("/imports/{name}/files/{key}")
def file_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str, key: str) -> Response:
    """What the checks kept of a file, leaf by leaf, with its findings at their places."""
    with desk.database.read() as connection:
        found = do.find(desk, connection, who.person, name)
        shown = import_view(desk, connection, who.person, found)
    view = shown.file_at(key)
    if view is None:
        raise TREError(
            Reason.ImportNotFound, "There is no such file in this request.", remedy="Go back to the request."
        )
    viewer = Viewer(Showing(request, desk, found.request, view))
    before, after = _beside(shown.files, view)
    page = render(
        request,
        "imports/file.html",
        viewer=viewer,
        shown=shown,
        view=view,
        before=before,
        after=after,
        say=import_words,
        now=desk.clock.now(),
    )
    return viewer.remember(page)


def _beside(files: tuple[FileView, ...], view: FileView) -> tuple[FileView | None, FileView | None]:
    place = files.index(view)
    return files[place - 1] if place else None, files[place + 1] if place + 1 < len(files) else None


@router.get("/imports/{name}/events")
async def live(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str) -> Response:
    """What moves by itself, as server-sent events, until nothing does."""
    return await run_in_threadpool(stream_of, request, desk, who, name)


@router.post("/imports/{name}/files")
async def upload(
    request: Request, who: CurrentVisitor, name: Annotated[str, Path(pattern=f"^{IMPORT_ID}$")]
) -> Response:
    """Take the files of a form, and have them copied and checked."""
    try:
        left_out = await take_form(request, who, name)
        if left_out:
            raise refusal(left_out, kept=1)
    except TREError as error:
        await drain(request)
        return await run_in_threadpool(_again, request, name, Fault("files", error, "file", {}))
    return RedirectResponse(f"/imports/{name}", 303)


@router.post("/imports/{name}/remove-file")
def remove_file(request: Request, who: CurrentVisitor, name: str, form: Form) -> Response:
    """Take a file out of the request."""
    path = form.get("path", "")
    return _act(request, name, ("remove", "files", form), lambda d: do.remove_file(d, who.person, name, path))


@router.post("/imports/{name}/submit")
def submit(request: Request, who: CurrentVisitor, name: str, form: Form) -> Response:
    """Hand the request to the checkers, with its purpose."""
    purpose = typed_text(form, "purpose")
    return _act(request, name, ("submit", "purpose", form), lambda d: do.submit(d, who.person, name, purpose))


@router.post("/imports/{name}/withdraw")
def withdraw(request: Request, who: CurrentVisitor, name: str, form: Form) -> Response:
    """Take the request back for good."""
    return _act(request, name, ("withdraw", "withdraw", form), lambda d: do.withdraw(d, who.person, name))


@router.post("/imports/{name}/decide")
def decide(request: Request, who: CurrentVisitor, name: str, form: Form) -> Response:
    """A checker's yes or no to what was on the screen."""
    choice, manifest, comment = form.get("choice"), form.get("manifest", ""), typed_text(form, "comment")

    def act(desk: Desk) -> object:
        if choice not in {"yes", "no"}:
            raise TREError(Reason.BadInput, "Nothing is decided.", remedy="Let the files in, or refuse them.")
        return do.decide(desk, who.person, name, manifest, (choice == "yes", comment))

    return _act(request, name, ("decide", "comment" if choice == "no" else "choice-yes", form), act)


@router.post("/imports/{name}/take-away")
def take_away(request: Request, who: CurrentVisitor, name: str, form: Form) -> Response:
    """Take placed files away again, with words."""
    words = typed_text(form, "message")
    return _act(request, name, ("take-away", "message", form), lambda d: do.take_away(d, who.person, name, words))


def _act(
    request: Request, name: str, form: tuple[str, str, dict[str, str]], attempt: Callable[[Desk], object]
) -> Response:
    """Do what a form asks; `form` is its act, the field where an error belongs, and what was typed."""
    act, field, typed = form
    try:
        attempt(desk_of(request))
    except TREError as error:
        return _again(request, name, Fault(act, error, field, typed))
    return RedirectResponse(f"/imports/{name}", 303)


def _again(request: Request, name: str, fault: Fault) -> Response:
    """The page with the error above its forms; refusals that are not about the form are pages of their own."""
    if fault.error.reason in NOT_A_PAGE | {Reason.ImportNotFound, Reason.LoginRequired}:
        raise fault.error
    return _page(request, desk_of(request), request.state.visitor.person, name, fault)
