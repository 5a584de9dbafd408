"""The review desk, continued: seats, comments, kept votes, stewards, what waits, and how right the checks were.

Guarantees: every act is that of the API; a refusal is a page that says why. What a data manager or an operator is
shown holds no vote and no comment.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from tre.domain.errors import Reason, TREError
from tre.domain.exports import exceptions, statistics
from tre.domain.exports.models import ExportRequest, Readers
from tre.domain.exports.states import ExportState
from tre.domain.people import Person, Role, Subject
from tre.portal import dialogue_actions, export_words, review_actions, seat_actions
from tre.portal.context import Desk
from tre.portal.dialogue_actions import Said
from tre.portal.export_forms import typed_text
from tre.portal.pages import render
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form
from tre.portal.site import NavigationItem
from tre.portal.views import display_name
from tre.store import exports

router = APIRouter()
NAVIGATION = (
    NavigationItem(
        "Exceptions",
        "/consents",
        lambda person: person.holds(Role.data_manager),
        "Results that hold people's own records and wait for your word.",
    ),
    NavigationItem(
        "Reviews that wait",
        "/reviewers",
        lambda person: person.holds(Role.operator),
        "Requests that wait for checkers: who has them, and until when.",
    ),
    NavigationItem(
        "Checks",
        "/checks",
        lambda person: bool(person.roles & {Role.checker, Role.operator}),
        "How often each check was right.",
    ),
)

Act = Callable[[Desk, Person, str], ExportRequest]
_ACTS: dict[str, Act] = {
    "claim": seat_actions.claim,
    "give-back": seat_actions.give_back,
    "confirm-kept": review_actions.confirm_kept,
}


@router.post("/reviews/{export}/seat/{act}")
def seat(desk: CurrentDesk, who: CurrentVisitor, export: str, act: str, form: Form) -> Response:
    """Take a seat, give it back, or confirm the votes that were kept."""
    del form
    if act not in _ACTS:
        raise TREError(Reason.BadInput, "There is no such act.", remedy="Go back to the request.")
    _ACTS[act](desk, who.person, export)
    return RedirectResponse(f"/reviews/{export}#review", 303)


@router.post("/reviews/{export}/comments")
def comment(desk: CurrentDesk, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Write a comment, about a group or a file."""
    readers = Readers.public if form.get("readers") == Readers.public else Readers.private
    said = Said(form.get("group", ""), form.get("path") or None, readers, typed_text(form, "text"))
    dialogue_actions.comment(desk, who.person, export, said)
    return RedirectResponse(_back(form, f"/reviews/{export}", "comments"), 303)


def _back(form: dict[str, str], page: str, place: str) -> str:
    """The request's page, or the file's from which the form came."""
    key = form.get("key", "")
    return f"{page}/files/{key}#{place}" if key.isalnum() and key.isascii() else f"{page}#{place}"


@router.post("/reviews/{export}/comments/{name}/public")
def publish(desk: CurrentDesk, who: CurrentVisitor, export: str, name: str, form: Form) -> Response:
    """Let the author read a comment of one's own."""
    dialogue_actions.publish(desk, who.person, export, name)
    return RedirectResponse(_back(form, f"/reviews/{export}", "comments"), 303)


@router.post("/reviews/{export}/labels")
def label(desk: CurrentDesk, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Say what a column holds."""
    dialogue_actions.set_label(desk, who.person, export, form.get("title", ""), form.get("role", ""))
    return RedirectResponse(_back(form, f"/reviews/{export}", "labels"), 303)


@router.post("/reviews/{export}/emergency")
def ask_emergency(desk: CurrentDesk, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Ask for a release past a quorum that cannot be reached."""
    dialogue_actions.ask_emergency(desk, who.person, export, typed_text(form, "message"))
    return RedirectResponse(f"/reviews/{export}", 303)


@router.post("/reviews/{export}/assign")
def assign(desk: CurrentDesk, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Give a checker a seat."""
    issuer, _, name = form.get("checker", "").partition(" ")
    if not issuer or not name:
        raise TREError(Reason.BadInput, "No checker is chosen.", remedy="Choose one from the list.")
    seat_actions.assign(desk, who.person, export, Subject(issuer=issuer, id=name))
    return RedirectResponse("/reviewers" if form.get("from") == "waiting" else f"/reviews/{export}", 303)


# Absence.


@router.post("/reviewers/away")
def be_away(desk: CurrentDesk, who: CurrentVisitor, form: Form) -> Response:
    """Say from which day to which one is away."""
    seat_actions.be_away(desk, who.person, _day(form.get("since", "")), _day(form.get("until", "")))
    return RedirectResponse("/reviews", 303)


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise TREError(Reason.BadInput, "This is no date.", remedy="Write it as 2026-12-24.") from error


# For operators.


@router.get("/reviewers")
def waiting(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """What waits for checkers, whose it is, and who could take it."""
    rows = seat_actions.waiting(desk, who.person)
    with desk.database.read() as connection:
        names = {
            claim.checker.key: display_name(connection, claim.checker) for row in rows for claim in row.request.claims
        }
    return render(
        request,
        "reviews/waiting.html",
        rows=rows,
        names=names,
        checkers=seat_actions.checkers(desk),
        say=export_words,
        now=desk.clock.now(),
    )


@router.post("/reviewers/{export}/second")
def second(desk: CurrentDesk, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Second a release past the quorum, by typing."""
    dialogue_actions.second_emergency(desk, who.person, export, form.get("confirm", ""))
    return RedirectResponse("/reviewers", 303)


# For data managers.


@router.get("/consents")
def consents(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """Findings that wait for a data manager's word."""
    found = dialogue_actions.waiting_for_steward(desk, who.person)
    rows = [(item, exceptions.stewarded(item.request, item.situation.policy)) for item, _ in found]
    said = {
        finding.id: exceptions.consents_on(finding, item.request, item.situation)
        for item, findings in rows
        for finding in findings
    }
    return render(request, "reviews/consents.html", rows=rows, said=said, say=export_words, now=desk.clock.now())


@router.post("/consents/{export}")
def consent(desk: CurrentDesk, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Say yes or no to one exception."""
    if form.get("word") not in {"yes", "no"}:
        raise TREError(Reason.BadInput, "Neither yes nor no is chosen.", remedy="Choose one, and write why.")
    word = (form["word"] == "yes", typed_text(form, "why"))
    dialogue_actions.consent(desk, who.person, export, form.get("finding", ""), word)
    return RedirectResponse("/consents", 303)


# For everybody who judges by the checks.


@router.get("/checks")
def checks(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """How right each check was: counts, no content."""
    review_actions.check_sees_figures(who.person)
    with desk.database.read() as connection:
        figures = statistics.figures(exports.by_state(connection, ExportState))
    return render(request, "reviews/checks.html", figures=figures, say=export_words)
