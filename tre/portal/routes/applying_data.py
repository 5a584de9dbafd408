"""The data of an application, part by part: chosen by ticking or written as a text, planned before anybody decides.

Guarantees: what a part would give is asked by the same function as on the page of plans: permitted, bounded in number,
logged, small numbers hidden. A text that does not read comes back with every mistake by its line, and is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tre.domain.applications import permissions
from tre.domain.applications.models import Application
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person
from tre.domain.slices.spec import SliceSpec
from tre.portal import plan_actions
from tre.portal.applying import actions as do
from tre.portal.applying import choices, parts, words
from tre.portal.applying.fields import Plain, inputs, merged, told
from tre.portal.applying.parts import Part
from tre.portal.applying.steps import DATA
from tre.portal.context import Desk
from tre.portal.errors import STATUS
from tre.portal.pages import render
from tre.portal.plan_actions import Offer
from tre.portal.plan_views import PreviewView, ProblemLine, first_text, problem_lines
from tre.portal.routes.applying import ELSEWHERE, Name, version_of
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form

router = APIRouter()
Number = Annotated[int, Path(ge=0, le=99)]


@dataclass(frozen=True)
class Refused:
    """A form of the page that was refused: its fields, which it is, why, and what had been typed."""

    form: str
    fields: dict[str, str] = field(default_factory=dict)
    error: TREError | None = None
    typed: Plain = field(default_factory=dict)
    text: str | None = None
    lines: tuple[ProblemLine, ...] = ()


NOTHING = Refused("")


@dataclass(frozen=True)
class Place:
    """An application that the reader writes at, and one of its parts."""

    application: Application
    part: Part
    offers: list[Offer]
    preview: PreviewView | None

    @property
    def address(self) -> str:
        """The page of the part."""
        return f"/applications/{self.application.id}/data/{self.part.number}"


def _place(desk: Desk, person: Person, name: str, number: int) -> Place:
    with desk.database.read() as connection:
        application = do.find(connection, person, name)
        permissions.check_edit(person, application)
        part = parts.part_at(application.draft, number)
        offers = plan_actions.offers(connection)
        return Place(application, part, offers, _preview(desk, connection, person, part.spec))


def _preview(desk: Desk, connection: Connection, person: Person, spec: SliceSpec | None) -> PreviewView | None:
    """The latest plan that the person asked for of this very specification."""
    own = plan_actions.own_previews(desk, connection, person) if spec else []
    found = next((job for job in own if job.payload.get("spec") == spec.as_plain()), None) if spec else None
    return None if found is None else PreviewView(found, desk.clock.now())


@router.get("/applications/{name}/data/{number}")
def part_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, number: Number) -> Response:
    """One part: its choices, its text, what it would give, and why it is needed."""
    return _page(request, desk, who.person, (name, number))


def _page(request: Request, desk: Desk, person: Person, where: tuple[str, int], refused: Refused = NOTHING) -> Response:
    place = _place(desk, person, *where)
    step = choices.choice_step(place.offers)
    kept = choices.as_choices(place.part.spec) if place.part.spec else _first(place.offers)
    chosen = refused.typed if refused.form == "choices" else kept or {}
    found = choices.problems(chosen) if refused.form == "choices" and refused.error is None else []
    reasons = parts.reason_step(place.part)
    text = refused.text if refused.text is not None else place.part.text or first_text(place.offers)
    values: dict[str, Any] = {"lines": refused.lines, "error": refused.error, "most": plan_actions.MOST_TEXT}
    return render(
        request,
        "applying/part.html",
        status=_status(refused),
        place=place,
        part=place.part,
        items=inputs(step, chosen, found),
        problems=told([step], found),
        here=step.name,
        sayable=kept is not None,
        reasons=inputs(reasons, place.part.reasons),
        text=text,
        version=place.application.version,
        base=f"{place.address}#",
        say=words,
        now=desk.clock.now(),
        **values,
    )


def _status(refused: Refused) -> int:
    if refused.error is not None:
        return STATUS.get(refused.error.reason, 409)
    return 200 if refused is NOTHING else 400


def _first(offers: list[Offer]) -> Plain:
    """What is chosen before anybody chose: the newest release, as little as can be told of days."""
    source = {"source": f"{offers[0].name} {offers[0].releases[0]}"} if offers else {}
    return {**source, "tier": "dates-full", "headers": "none", "onFail": "report"}


@router.post("/applications/{name}/data/{number}/choices")
def choose(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, number: Number, form: Form
) -> Response:
    """Keep what was ticked as the specification of this part."""
    place = _place(desk, who.person, name, number)
    typed = merged(choices.choice_step(place.offers), {}, form)
    if choices.problems(typed):
        return _page(request, desk, who.person, (name, number), Refused("choices", typed=typed))
    return _keep(request, desk, place, choices.as_text(typed), Refused("choices", form, typed=typed))


@router.post("/applications/{name}/data/{number}/text")
def write(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, number: Number, form: Form) -> Response:
    """Keep a written specification."""
    place, text = _place(desk, who.person, name, number), form.get("spec", "")
    return _keep(request, desk, place, text, Refused("text", form, text=text))


def _keep(request: Request, desk: Desk, place: Place, text: str, made: Refused) -> Response:
    """Keep a specification; `made` says from which form it comes."""
    person: Person = request.state.visitor.person
    where = (place.application.id, place.part.number)
    try:
        with desk.database.read() as connection:
            spec = plan_actions.read_spec(connection, text)
        draft = parts.with_spec(place.application.draft, place.part.number, spec)
        do.save(desk, person, place.application.id, version_of(made.fields), draft)
    except TREError as error:
        if error.reason in ELSEWHERE:
            raise
        lines = tuple(problem_lines(error, text)) if error.reason is Reason.BadInput else ()
        return _page(request, desk, person, where, replace(made, error=error, text=text, lines=lines))
    return RedirectResponse(place.address, 303)


@router.post("/applications/{name}/data/{number}/reasons")
def explain(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, number: Number, form: Form
) -> Response:
    """Keep the name of a part and why it is needed."""
    place = _place(desk, who.person, name, number)
    typed = merged(parts.reason_step(place.part), {}, form)
    draft = parts.with_reasons(place.application.draft, number, typed)
    return _saved(request, desk, place, form, draft)


@router.post("/applications/{name}/data/{number}/remove")
def remove(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, number: Number, form: Form
) -> Response:
    """Take a part out."""
    place = _place(desk, who.person, name, number)
    return _saved(request, desk, place, form, parts.without(place.application.draft, number))


def _saved(request: Request, desk: Desk, place: Place, form: dict[str, str], draft: Plain) -> Response:
    person: Person = request.state.visitor.person
    try:
        do.save(desk, person, place.application.id, version_of(form), draft)
    except TREError as error:
        if error.reason in ELSEWHERE:
            raise
        return _page(request, desk, person, (place.application.id, place.part.number), Refused("other", error=error))
    return RedirectResponse(f"/applications/{place.application.id}/edit/{DATA.name}", 303)


@router.post("/applications/{name}/data/{number}/preview")
def preview(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, number: Number, _form: Form
) -> Response:
    """Have this part planned, as on the page of plans."""
    place = _place(desk, who.person, name, number)
    if place.part.spec is None:
        raise TREError(Reason.ObjectNotFound, "Nothing is chosen yet.", remedy="Choose the data first.")
    try:
        identifier = plan_actions.ask(desk, who.person, place.part.text)
    except TREError as error:
        if error.reason not in {Reason.RateLimited, Reason.BadInput}:
            raise
        return _page(request, desk, who.person, (name, number), Refused("preview", error=error))
    return RedirectResponse(f"/plans/{identifier}", 303)
