"""The review desk, for output checkers: the queue, one request, one file with its vote, and the decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.exports.labels import ROLES
from tre.domain.exports.models import Choice, Mark
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState
from tre.domain.people import Person
from tre.portal import export_actions, export_words, seat_actions
from tre.portal import review_actions as do
from tre.portal.context import Desk
from tre.portal.errors import STATUS
from tre.portal.export_forms import NOT_A_PAGE, Fault, typed_text
from tre.portal.export_progress import colour_of, label_of, steps_of
from tre.portal.export_views import ExportRow, FindingGroup, export_rows, is_outside
from tre.portal.pages import render
from tre.portal.preview.viewer import Showing, Viewer, check_seen
from tre.portal.review_actions import Ballot
from tre.portal.review_views import ReviewedFile, ReviewView, review_view, turn_of
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, desk_of
from tre.portal.site import NavigationItem
from tre.store import exports

router = APIRouter()
NAVIGATION = (
    NavigationItem(
        "Review desk",
        "/reviews",
        permissions.can_review_exports,
        "Requests to take results out that wait for a review.",
    ),
)
PAGE = 50
EACH_BY_ITSELF = 10
"""Up to so many findings of one check are answered one by one as well; more are answered together."""

LONGEST_WORDS = 8000

S = ExportState
SHOWN = {
    "": ("In the checkers' hands", (S.Submitted, S.PartiallyReviewed, S.Reviewed)),
    "mine": ("Waiting for you", (S.Submitted, S.PartiallyReviewed, S.Reviewed)),
    "leaving": ("Approved, about to leave", (S.Approved, S.Releasing)),
    "author": ("Back with the researcher", (S.Returned, S.Blocked)),
    "released": ("Released", (S.Released,)),
    "over": ("Refused, withdrawn, recalled", (S.Rejected, S.Withdrawn, S.Recalled)),
}
"""What the queue can show. Drafts that were never submitted are their author's own."""

TURNS = {"you": "You", "another": "Another checker", "author": "The researcher", "service": "The service", "": "–"}


@router.get("/reviews")
def queue(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    show: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """What waits, the earliest deadline first; with whose turn it is and until when."""
    permissions.check_review_exports(who.person)
    chosen = show if show in SHOWN else ""
    with desk.database.read() as connection:
        rows, hidden = _queue(desk, connection, who.person, SHOWN[chosen][1])
        waiting = rows if SHOWN[chosen][1] == SHOWN[""][1] else _queue(desk, connection, who.person, SHOWN[""][1])[0]
    fitting = [(row, turn) for row, turn in rows if (chosen != "mine" or turn == "you") and _fits(row, q)]
    fitting.sort(key=lambda pair: (pair[0].clock.due or pair[0].clock.since, pair[0].clock.since))
    return render(
        request,
        "reviews/queue.html",
        rows=fitting[(page - 1) * PAGE : page * PAGE],
        total=len(fitting),
        mine=sum(turn == "you" for _, turn in waiting),
        late=sum(row.clock.late for row, _ in waiting),
        hidden=hidden,
        show=chosen,
        shown=SHOWN,
        turns=TURNS,
        q=q,
        page=page,
        page_size=PAGE,
        say=export_words,
        now=desk.clock.now(),
    )


def _queue(
    desk: Desk, connection: Connection, person: Person, states: tuple[ExportState, ...]
) -> tuple[list[tuple[ExportRow, str]], int]:
    """Rows that the person may review, with whose turn it is; and how many there are of their own projects."""
    submitted = [item for item in exports.by_state(connection, states) if item.turn > 0]
    rows = export_rows(desk, connection, person, submitted)
    theirs = [row for row in rows if row.outside]
    return [(row, turn_of(row, person)) for row in theirs], len(rows) - len(theirs)


def _fits(row: ExportRow, text: str) -> bool:
    paths = " ".join(file.path for file in row.request.files)
    searched = " ".join((row.title, row.request.id, row.request.grant, row.author, paths)).casefold()
    return all(word in searched for word in text.casefold().split())


def _open(desk: Desk, person: Person, export: str) -> tuple[ReviewView, datetime | None]:
    """A request at the desk, and when it leaves. Raises `TREError(NotPermitted)` for those who may not review it."""
    with desk.database.read() as connection:
        found = _find_theirs(desk, connection, person, export)
        confirmed = found.request.confirmation
        release_at = confirmed.at + found.situation.release_delay if confirmed else None
        return review_view(desk, connection, person, found), release_at


def _find_theirs(desk: Desk, connection: Connection, person: Person, export: str) -> export_actions.Found:
    permissions.check_review_exports(person)
    found = export_actions.find(desk, connection, person, export)
    if not is_outside(person, found.request, found.situation.grant):
        raise TREError(
            Reason.NotPermitted,
            "This request is not yours to review.",
            why="You are in its project: another checker must do it.",
            remedy="You find it under “Results out”.",
        )
    return found


@router.get("/reviews/{export}")
def review_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, export: str) -> Response:
    """One request: its context, its files, the votes that may be seen, and what can be decided."""
    return _page(request, desk, who.person, export)


def _page(request: Request, desk: Desk, person: Person, export: str, fault: Fault | None = None) -> Response:
    shown, release_at = _open(desk, person, export)
    view = shown.view
    return render(
        request,
        "reviews/request.html",
        status=STATUS.get(fault.error.reason, 409) if fault else 200,
        desk=shown,
        view=view,
        fault=fault,
        live={"label": label_of(view), "colour": colour_of(view), "steps": steps_of(view)},
        release_at=release_at,
        longest=LONGEST_WORDS,
        **_words_at_hand(request, desk, shown),
        say=export_words,
        now=desk.clock.now(),
    )


def _words_at_hand(request: Request, desk: Desk, shown: ReviewView) -> dict[str, Any]:
    """The policy's replies, the one that was chosen, and whom a third opinion can be asked of."""
    chosen = request.query_params.get("reply", "")
    return {
        "replies": shown.replies,
        "reply_name": chosen,
        "reply": next((item.text for item in shown.replies if item.name == chosen), ""),
        "checkers": seat_actions.checkers(desk) if "assign" in shown.view.actions else [],
    }


@router.get("/reviews/{export}/files/{key}")
def file_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, export: str, key: str) -> Response:
    """One file: what it is, what was found in it, what left before, and the vote."""
    return _file_page(request, desk, who.person, export, key)


def _file_page(
    request: Request, desk: Desk, person: Person, export: str, key: str, fault: Fault | None = None
) -> Response:
    shown, _ = _open(desk, person, export)
    item = _file(shown, key)
    run = shown.view.request.check_run
    covered = fault is not None and bool(fault.typed.get("unseen"))
    viewer = Viewer(Showing(request, desk, shown.view.request, item.view, covered=covered))
    page = render(
        request,
        "reviews/file.html",
        status=STATUS.get(fault.error.reason, 409) if fault else 200,
        desk=shown,
        view=shown.view,
        item=item,
        run=run.id if run else "",
        answers=(kept := _kept_answers(item, fault)),
        apart={group.check for group in item.view.findings if any(kept.get(f"why-{f.id}") for f in group.findings)},
        fault=fault,
        choices=list(Choice),
        each_by_itself=EACH_BY_ITSELF,
        label_roles=ROLES,
        longest=LONGEST_WORDS,
        viewer=viewer,
        say=export_words,
        now=desk.clock.now(),
    )
    return viewer.remember(page)


def _file(shown: ReviewView, key: str) -> ReviewedFile:
    item = shown.file_at(key)
    if item is None:
        raise TREError(
            Reason.ExportNotFound, "There is no such file in this request.", remedy="Go back to the request."
        )
    return item


def _kept_answers(item: ReviewedFile, fault: Fault | None) -> dict[str, str]:
    """What stands in the fields of the answers: what was typed, else what the kept vote says."""
    if fault is not None:
        return {name: value for name, value in fault.typed.items() if name.partition("-")[0] in {"why", "seen", "mark"}}
    kept: dict[str, str] = {}
    given = {answer.finding: answer.why for answer in item.own.dispositions} if item.own else {}
    marks = {answer.finding: answer.mark for answer in item.own.dispositions} if item.own else {}
    for group in item.view.findings:
        marked = {marks[finding.id] for finding in group.findings if marks.get(finding.id)}
        if len(marked) == 1:
            kept[f"mark-{group.check}"] = str(marked.pop())
        said = {given[finding.id] for finding in group.findings if finding.id in given}
        if group.severity is Severity.A and said:
            kept[f"seen-{group.check}"] = "yes"
        elif len(said) == 1:
            kept[f"why-{group.check}"] = said.pop()
        else:
            kept |= {f"why-{f.id}": given[f.id] for f in group.findings if f.id in given}
    return kept


@router.post("/reviews/{export}/files/{key}")
def vote(request: Request, who: CurrentVisitor, export: str, key: str, form: Form) -> Response:
    """Keep the vote on one file, and go on to the next that lacks one."""
    desk = desk_of(request)
    shown, _ = _open(desk, who.person, export)
    item = _file(shown, key)
    try:
        ballot = _ballot(item, form)
        enough = check_seen(Showing(request, desk, shown.view.request, item.view), form, ballot.choice)
        do.vote(desk, who.person, export, replace(ballot, looked=enough))
    except TREError as error:
        if error.reason in NOT_A_PAGE:
            raise
        return _file_page(request, desk, who.person, export, key, Fault("vote", error, "vote", form))
    following = _open(desk, who.person, export)[0].after(key)
    return RedirectResponse(f"/reviews/{export}/files/{following}" if following else f"/reviews/{export}#review", 303)


def _ballot(item: ReviewedFile, form: dict[str, str]) -> Ballot:
    """The vote of a form. The bytes and the run are those that the form says were seen."""
    if form.get("choice") not in set(Choice):
        raise TREError(Reason.BadInput, "No vote is chosen.", remedy="Approve, ask for changes, or leave it open.")
    answers: dict[str, str] = {}
    marks: dict[str, Mark] = {}
    for group in item.view.findings:
        answers |= _answers(group, form)
        if (mark := form.get(f"mark-{group.check}")) in set(Mark):
            marks |= {finding.id: Mark(mark) for finding in group.findings if finding.id in answers}
    return Ballot(
        path=item.file.path,
        sha256=form.get("sha256", ""),
        run=form.get("run", ""),
        choice=Choice(form["choice"]),
        comment=typed_text(form, "comment"),
        answers=answers,
        marks=marks,
    )


def _answers(group: FindingGroup, form: dict[str, str]) -> dict[str, str]:
    """What is said about each finding of a check: its own words, else those for all of them."""
    if group.severity is Severity.A:
        return {finding.id: "" for finding in group.findings} if form.get(f"seen-{group.check}") else {}
    said = {f.id: typed_text(form, f"why-{f.id}") or typed_text(form, f"why-{group.check}") for f in group.findings}
    return {finding: why for finding, why in said.items() if why}


Do = Callable[[Desk], object]


@router.post("/reviews/{export}/submit")
def submit(request: Request, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Hand in the review."""
    seen = form.get("seen", "")
    return _act(request, export, "review", form, lambda desk: do.submit_review(desk, who.person, export, seen))


@router.post("/reviews/{export}/approve")
def approve(request: Request, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Confirm the release by typing."""
    seen, typed = form.get("seen", ""), form.get("confirm", "")
    return _act(request, export, "approve", form, lambda desk: do.approve(desk, who.person, export, seen, typed))


@router.post("/reviews/{export}/return")
def return_to_author(request: Request, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Give it back with words; within the delay this stops the release."""
    words = typed_text(form, "message")
    return _act(request, export, "return", form, lambda desk: do.return_to_author(desk, who.person, export, words))


@router.post("/reviews/{export}/reject")
def reject(request: Request, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Refuse it for good, with words."""
    words = typed_text(form, "message")
    return _act(request, export, "reject", form, lambda desk: do.reject(desk, who.person, export, words))


@router.post("/reviews/{export}/recall")
def recall(request: Request, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Call a release back, with words."""
    words = typed_text(form, "message")
    return _act(request, export, "recall", form, lambda desk: do.recall(desk, who.person, export, words))


@router.post("/reviews/{export}/recheck")
def recheck(request: Request, who: CurrentVisitor, export: str, form: Form) -> Response:
    """Have the checks run again, where the last run does not count any more."""
    return _act(request, export, "recheck", form, lambda desk: export_actions.recheck(desk, who.person, export))


_FIELDS = {"approve": "confirm", "return": "return-message", "reject": "reject-message", "recall": "recall-message"}
"""Where an error of an act is shown."""


def _act(request: Request, export: str, act: str, form: dict[str, str], attempt: Do) -> Response:
    try:
        attempt(desk_of(request))
    except TREError as error:
        if error.reason in NOT_A_PAGE:
            raise
        fault = Fault(act, error, _FIELDS.get(act, act), form)
        return _page(request, desk_of(request), request.state.visitor.person, export, fault)
    return RedirectResponse(f"/reviews/{export}", 303)
