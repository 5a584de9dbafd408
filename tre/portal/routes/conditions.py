"""Conditions in words: their page, what a project reports, what the chair rules.

Guarantees: members of the project and those who read the record see a condition; for everybody else it looks like one
that does not exist. What may be done is the domain's word; a refused form comes back with what was typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response, StreamingResponse

from tre.domain.committee.tracking import ConditionParty, ConditionState, ConditionTerms
from tre.domain.errors import Reason, TREError
from tre.portal.applying.fields import Field, Kind, Step, inputs, merged
from tre.portal.applying.papers import fields_of, receiving, terms_of
from tre.portal.context import Desk
from tre.portal.deciding import conditions as do
from tre.portal.errors import STATUS
from tre.portal.export_forms import NOT_A_PAGE, Fault, typed_text
from tre.portal.guard import CONDITION_ID, LARGEST_BODY
from tre.portal.handing_out import pieces
from tre.portal.pages import render
from tre.portal.routes.applying import version_of
from tre.portal.routes.papers import Sha256, headers_of
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, Visitor, desk_of
from tre.portal.upload_bodies import drain

router = APIRouter()
Name = Annotated[str, Path(pattern=f"^{CONDITION_ID}$")]
ELSEWHERE = NOT_A_PAGE | {Reason.ObjectNotFound, Reason.ApplicationNotFound, Reason.LoginRequired}
PARTIES = ((ConditionParty.project.value, "The project"), (ConditionParty.committee.value, "The committee"))
TERMS = Step(
    "arrange",
    "Who must act, and by when",
    (
        Field("party", "Who must act", Kind.choice, choices=PARTIES),
        Field("due", "By", Kind.last, "That day is counted. Leave it empty for no day."),
        Field(
            "suspends",
            "If the day passes",
            Kind.ticks,
            choices=(("yes", "Suspend the project until somebody lifts it"),),
        ),
    ),
)


@router.get("/conditions/{name}")
def condition_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name) -> Response:
    """One condition: its words, where it stands, what was said of it."""
    return _page(request, desk, who, name)


def _page(request: Request, desk: Desk, who: Visitor, name: str, fault: Fault | None = None) -> Response:
    with desk.database.read() as connection:
        view = do.view_of(desk, connection, who.person, name)
    typed = merged(TERMS, {}, fault.typed) if fault and fault.act == "arrange" else _kept(view.condition.terms)
    return render(
        request,
        "deciding/condition.html",
        status=STATUS.get(fault.error.reason, 409) if fault else 200,
        view=view,
        fault=fault,
        items=inputs(TERMS, typed),
        rulings=do.RULINGS,
        paper_terms=terms_of(desk),
        longest=do.LONGEST_WORDS,
        now=desk.clock.now(),
    )


def _kept(terms: ConditionTerms) -> dict[str, Any]:
    return terms.as_plain() | {"suspends": ["yes"] if terms.suspends else []}


@router.post("/conditions/{name}/report")
async def report(request: Request, who: CurrentVisitor, name: Name) -> Response:
    """Say what was done, with a paper where one is chosen."""
    desk, fields = desk_of(request), dict[str, str]()
    try:
        await run_in_threadpool(do.check_may_report, desk, who.person, name)
        async with receiving(desk, name) as receiver:
            fields |= await fields_of(request, who, receiver, LARGEST_BODY)
            shown = (name, version_of(fields))
            await run_in_threadpool(do.report, desk, who, shown, typed_text(fields, "words"), receiver)
            if not receiver.name:
                await run_in_threadpool(receiver.arriving.discard)
    except TREError as error:
        await drain(request)
        if error.reason in ELSEWHERE:
            raise
        return await run_in_threadpool(_page, request, desk, who, name, Fault("report", error, "words", fields))
    return RedirectResponse(f"/conditions/{name}", 303)


@router.post("/conditions/{name}/rule")
def rule(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, form: Form) -> Response:
    """Rule on it: met, not enough, not needed any more."""

    def act() -> None:
        try:
            outcome = ConditionState(form.get("outcome", ""))
        except ValueError as error:
            raise TREError(Reason.BadInput, "Choose what you rule.", remedy="Choose one.") from error
        do.rule(desk, who, (name, version_of(form)), outcome, typed_text(form, "words"))

    return _act(request, desk, who, name, ("rule", "ruling", form), act)


@router.post("/conditions/{name}/arrange")
def arrange(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, form: Form) -> Response:
    """Say who must act, by when, and what missing it brings."""

    def act() -> None:
        typed = merged(TERMS, {}, form)
        plain = {key: value for key, value in typed.items() if key != "suspends"}
        try:
            terms = ConditionTerms.model_validate(plain | {"suspends": bool(typed.get("suspends"))})
        except ValidationError as error:
            raise TREError(
                Reason.BadInput,
                "This cannot be kept.",
                why="A day is written as 2026-12-31; what suspends a project needs a day.",
                remedy="Look through what you chose.",
            ) from error
        do.arrange(desk, who, (name, version_of(form)), terms)

    return _act(request, desk, who, name, ("arrange", "party", form), act)


def _act(
    request: Request,
    desk: Desk,
    who: Visitor,
    name: str,
    form: tuple[str, str, dict[str, str]],
    attempt: Callable[[], None],
) -> Response:
    act, field, typed = form
    try:
        attempt()
    except TREError as error:
        if error.reason in ELSEWHERE:
            raise
        return _page(request, desk, who, name, Fault(act, error, field, typed))
    return RedirectResponse(f"/conditions/{name}", 303)


@router.get("/conditions/{name}/papers/{sha256}")
def hand_out(desk: CurrentDesk, who: CurrentVisitor, name: Name, sha256: Sha256) -> Response:
    """One paper of a report, as a download."""
    paper, opened = do.hand_out(desk, who.person, name, f"sha256:{sha256}")
    return StreamingResponse(pieces(opened), media_type="application/octet-stream", headers=headers_of(paper))
