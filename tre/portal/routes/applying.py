"""Applying for data: one's applications, the form in steps, the data by choices or as a text, handing in, answering.

Guarantees: every page works without scripts; what was typed comes back with everything that is wrong told on top and
at its field; what one may do is the domain's word. Another person's application looks like one that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from tre.domain.applications import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Role
from tre.portal.applying import actions as do
from tre.portal.applying import words
from tre.portal.applying.fields import Plain, inputs, merged, of_step
from tre.portal.applying.papers import terms_of
from tre.portal.applying.parts import parts_of
from tre.portal.applying.steps import DATA, PAPERS, STEPS, UNTYPED, after, step_named
from tre.portal.applying.views import ApplicationView, fitting, view_of
from tre.portal.context import Desk
from tre.portal.errors import STATUS
from tre.portal.export_forms import NOT_A_PAGE, Fault, typed_text
from tre.portal.guard import APPLICATION_ID
from tre.portal.pages import render
from tre.portal.routes.plans import STYLE_HREF
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form
from tre.portal.site import NavigationItem
from tre.slices.planpage import plan_body
from tre.store import applications

router = APIRouter()
NAVIGATION = (NavigationItem("Apply for data", "/applications", lambda person: person.holds(Role.researcher)),)
PAGE = 50
ELSEWHERE = NOT_A_PAGE | {Reason.ApplicationNotFound}
"""Refusals that say nothing about the form."""

Name = Annotated[str, Path(pattern=f"^{APPLICATION_ID}$")]


@router.get("/applications")
def own(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    q: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """What one wrote or is named in, newest first."""
    return _list(request, desk, who.person, q)


def _list(request: Request, desk: Desk, person: Person, q: str = "", error: TREError | None = None) -> Response:
    with desk.database.read() as connection:
        rows = applications.of_person(connection, person.subject)
        variable = do.variable(connection, person)
    return render(
        request,
        "applying/list.html",
        status=STATUS.get(error.reason, 409) if error else 200,
        rows=fitting(rows, q),
        every=len(rows),
        q=q,
        may_begin=permissions.can_begin(person),
        variable=variable,
        error=error,
        subject=person.subject,
        say=words,
        now=desk.clock.now(),
    )


@router.post("/applications")
def begin(request: Request, desk: CurrentDesk, who: CurrentVisitor, form: Form) -> Response:
    """Begin a draft; with `varies`, of a change to a running project."""
    try:
        name = do.begin(desk, who.person, form.get("varies") or None)
    except TREError as error:
        if error.reason not in {Reason.RateLimited, Reason.StateForbids}:
            raise
        return _list(request, desk, who.person, error=error)
    return RedirectResponse(f"/applications/{name}", 303)


def _view(desk: Desk, person: Person, name: str) -> ApplicationView:
    with desk.database.read() as connection:
        return view_of(desk, connection, person, do.find(connection, person, name))


@router.get("/applications/{name}")
def application_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name) -> Response:
    """One application: where it stands, what comes next, what is asked."""
    return _page(request, desk, who.person, name)


def _page(request: Request, desk: Desk, person: Person, name: str, fault: Fault | None = None) -> Response:
    view = _view(desk, person, name)
    return render(
        request,
        "applying/application.html",
        status=STATUS.get(fault.error.reason, 409) if fault else 200,
        view=view,
        fault=fault,
        steps=STEPS,
        base=f"/applications/{name}/edit/",
        say=words,
        now=view.now,
    )


@router.get("/applications/{name}/plans/{part}")
def plan_page(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    name: Name,
    part: Annotated[str, Path(max_length=63)],
) -> Response:
    """What one part of what was handed in would give."""
    view = _view(desk, who.person, name)
    return plan_answer(request, view, part, f"/applications/{name}")


def plan_answer(request: Request, view: ApplicationView, part: str, back: str) -> Response:
    """The page of a plan. Raises `TREError(SliceNotFound)` where there is none."""
    found = next((one for one in view.parts if one.asked.name == part and one.plan), None)
    if found is None or found.plan is None:
        raise TREError(Reason.SliceNotFound, "There is no plan of this part yet.", remedy="Look again in a minute.")
    body = Markup(plan_body(found.plan))  # noqa: S704  # nosec B704 - it escapes what people wrote
    return render(request, "applying/plan.html", view=view, part=found, body=body, back=back, style=STYLE_HREF)


@router.get("/applications/{name}/edit/{step}")
def step_page(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    name: Name,
    step: Annotated[str, Path(max_length=20)],
    saved: Annotated[str, Query(max_length=1)] = "",
) -> Response:
    """One step of the form, with what is in it."""
    return _step(request, desk, who.person, (name, step), saved=bool(saved))


def _step(
    request: Request,
    desk: Desk,
    person: Person,
    place: tuple[str, str],
    *,
    saved: bool = False,
    refused: tuple[TREError, Plain] | None = None,
) -> Response:
    """The page of a step; after a refusal with what was typed, which is not kept."""
    name, step_name = place
    view, step = _view(desk, person, name), step_named(step_name)
    permissions.check_edit(person, view.application)
    if step is None:
        raise TREError(Reason.ObjectNotFound, "There is no such step.", remedy="Go back to the application.")
    content = refused[1] if refused else view.application.draft
    told = [one for one in view.told if one.step is step] if saved else []
    template = _TEMPLATES.get(step.name, "applying/step.html")
    return render(
        request,
        template,
        status=STATUS.get(refused[0].reason, 409) if refused else 200,
        view=view,
        step=step,
        steps=STEPS,
        items=inputs(step, content, of_step(STEPS, step, view.problems) if saved else ()),
        problems=told,
        error=refused[0] if refused else None,
        counts=view.counts,
        saved=saved,
        version=view.application.version,
        summary_here=step is STEPS[0],
        paper_terms=terms_of(desk),
        data=parts_of(view.application.draft),
        base=f"/applications/{name}/edit/",
        say=words,
        now=view.now,
    )


_TEMPLATES = {DATA.name: "applying/data.html", PAPERS.name: "applying/papers.html"}


def step_answer(request: Request, desk: Desk, person: Person, place: tuple[str, str], error: TREError) -> Response:
    """The page of a step whose own form was refused. Raises as `check_edit`."""
    with desk.database.read() as connection:
        kept = do.find(connection, person, place[0]).draft
    return _step(request, desk, person, place, refused=(error, kept))


@router.post("/applications/{name}/edit/{step}")
def save_step(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    name: Name,
    step: Annotated[str, Path(max_length=20)],
    form: Form,
) -> Response:
    """Keep what was typed, right or wrong, and go on or stay."""
    found = step_named(step)
    if found is None or found in UNTYPED:
        raise TREError(Reason.ObjectNotFound, "There is no such step.", remedy="Go back to the application.")
    draft = merged(found, _view(desk, who.person, name).application.draft, form)
    try:
        do.save(desk, who.person, name, version_of(form), draft)
    except TREError as error:
        if error.reason in ELSEWHERE:
            raise
        return _step(request, desk, who.person, (name, step), refused=(error, draft))
    following = after(found)
    if form.get("then") != "next":
        return RedirectResponse(f"/applications/{name}/edit/{step}?saved=1", 303)
    return RedirectResponse(f"/applications/{name}" + (f"/edit/{following.name}" if following else ""), 303)


def version_of(form: dict[str, str]) -> int:
    """The version that a form was made from; one that is none is out of date."""
    text = form.get("version", "")
    return int(text[:9]) if text.isascii() and text.isdecimal() else -1


@router.post("/applications/{name}/submit")
def submit(request: Request, desk: CurrentDesk, name: Name, form: Form) -> Response:
    """Hand it in."""
    return _act(request, desk, name, ("submit", "submit", form), lambda p: do.submit(desk, p, name, version_of(form)))


@router.post("/applications/{name}/withdraw")
def withdraw(request: Request, desk: CurrentDesk, name: Name, form: Form) -> Response:
    """Take it back for good."""
    version = version_of(form)

    def act(person: Person) -> object:
        if not form.get("sure"):
            raise TREError(Reason.ConfirmationWrong, "You did not tick that you mean it.", remedy="Tick it.")
        return do.withdraw(desk, person, name, version)

    return _act(request, desk, name, ("withdraw", "sure", form), act)


@router.post("/applications/{name}/answer")
def answer(request: Request, desk: CurrentDesk, name: Name, form: Form) -> Response:
    """Answer what the committee asked."""
    version = version_of(form)
    answers: list[str] = []
    while (field := f"answer-{len(answers)}") in form:
        answers.append(typed_text(form, field))
    return _act(request, desk, name, ("answer", "answer-0", form), lambda p: do.answer(desk, p, name, version, answers))


def _act(
    request: Request,
    desk: Desk,
    name: str,
    form: tuple[str, str, dict[str, str]],
    attempt: Callable[[Person], object],
) -> Response:
    """Do what a form asks; `form` is its act, the field where an error belongs, and what was typed."""
    act, field, typed = form
    person: Person = request.state.visitor.person
    try:
        attempt(person)
    except TREError as error:
        if error.reason in ELSEWHERE:
            raise
        return _page(request, desk, person, name, Fault(act, error, field, typed))
    return RedirectResponse(f"/applications/{name}", 303)
