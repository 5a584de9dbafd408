"""`/api/v1/exports`: the airlock's acts, for researchers and for output checkers.

Guarantees: the same functions as behind the pages, hence the same rules, errors and events; every answer carries
`allowedActions`, found out by the domain for the asking person at that moment.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import FileGroup, Looking
from tre.domain.exports.states import ExportState
from tre.portal import export_actions, review_actions
from tre.portal.api.export_models import (
    ApproveRequest,
    BeginRequest,
    ExportAnswer,
    ExportSummary,
    FilesRequest,
    GroupRequest,
    KindRequest,
    MessageRequest,
    OutboxAnswer,
    SeenRequest,
    VoteRequest,
    export_answer,
    outbox_answer,
)
from tre.portal.context import Desk
from tre.portal.errors import responses
from tre.portal.export_views import ExportRow, export_rows, export_view, work_of
from tre.portal.review_actions import Ballot
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Visitor, checked_header
from tre.store import exports

router = APIRouter(prefix="/api/v1/exports", responses=responses(401, 403, 404, 409, 422))
CHANGES: dict[str, Any] = {
    "dependencies": [Depends(checked_header)],
    "responses": responses(400),
    "response_model_exclude_none": True,
}
ExportPath = Annotated[str, Path(pattern=r"^e-[a-z2-7]{12}$")]


def answer_of(desk: Desk, who: Visitor, export: str) -> ExportAnswer:
    """A request as the visitor may see it now."""
    with desk.database.read() as connection:
        found = export_actions.find(desk, connection, who.person, export)
        return export_answer(export_view(desk, connection, who.person, found), found, who.person.subject)


@router.get("", response_model_exclude_none=True)
def list_exports(
    desk: CurrentDesk,
    who: CurrentVisitor,
    state: Annotated[ExportState | None, Query()] = None,
    grant: Annotated[str, Query(max_length=63)] = "",
) -> list[ExportSummary]:
    """Every request that the person may see, the longest wait first; of drafts only those of their project."""
    with desk.database.read() as connection:
        found = exports.by_state(connection, ExportState)
        rows = export_rows(desk, connection, who.person, (r for r in found if not grant or r.grant == grant))
    shown = [row for row in rows if not (row.outside and row.request.turn == 0)]
    return [_summary(row) for row in shown if state is None or row.request.state is state]


def _summary(row: ExportRow) -> ExportSummary:
    request, clock = row.request, row.clock
    return ExportSummary(
        id=request.id,
        grant=request.grant,
        title=row.title,
        author=request.author,
        state=request.state,
        turn=request.turn,
        owner=clock.owner,
        reason=clock.reason,
        since=clock.since,
        due=clock.due,
        late=clock.late,
        outputs=row.outputs,
        bytes=row.size,
    )


@router.get("/{export}", response_model_exclude_none=True)
def get_export(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath) -> ExportAnswer:
    """One request."""
    return answer_of(desk, who, export)


@router.post("", status_code=201, **CHANGES)
def begin(desk: CurrentDesk, who: CurrentVisitor, body: BeginRequest) -> ExportAnswer:
    """Begin a request; the outbox is looked into at once."""
    return answer_of(desk, who, export_actions.begin(desk, who.person, body.grant))


@router.get("/{export}/outbox", response_model_exclude_none=True)
def get_outbox(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath) -> OutboxAnswer:
    """What lay in the author's outbox at the last look; for the author only."""
    with desk.database.read() as connection:
        found = export_actions.find(desk, connection, who.person, export)
        if found.request.author.key != who.person.subject.key:
            raise TREError(Reason.NotPermitted, "This outbox is not yours.", why="It belongs to the request's author.")
        return outbox_answer(work_of(connection, found.request))


@router.post("/{export}/outbox", status_code=202, **CHANGES)
def look(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath) -> OutboxAnswer:
    """Look into the outbox again."""
    export_actions.look(desk, who.person, export)
    return get_outbox(desk, who, export)


@router.post("/{export}/files", status_code=202, **CHANGES)
def add_files(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: FilesRequest) -> ExportAnswer:
    """Copy files of the outbox into a group, and check them; `busy` until that is done."""
    words = {"context": body.context, "controls": body.controls, "relation": body.relation, "people": body.people}
    group = FileGroup.model_validate({"name": body.group, **words})
    export_actions.add_files(desk, who.person, export, group, body.paths)
    return answer_of(desk, who, export)


@router.put("/{export}/groups", **CHANGES)
def describe(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: GroupRequest) -> ExportAnswer:
    """Give a group other words."""
    group = FileGroup.model_validate(dict(body))
    export_actions.describe(desk, who.person, export, group)
    return answer_of(desk, who, export)


@router.put("/{export}/files", **CHANGES)
def set_kind(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: KindRequest) -> ExportAnswer:
    """Say what a file is; `withdrawn` takes it back."""
    export_actions.set_kind(desk, who.person, export, body.path, body.kind)
    return answer_of(desk, who, export)


@router.post("/{export}/recheck", status_code=202, **CHANGES)
def recheck(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath) -> ExportAnswer:
    """Have the checks run again where the last run does not count any more."""
    export_actions.recheck(desk, who.person, export)
    return answer_of(desk, who, export)


@router.post("/{export}/submit", **CHANGES)
def submit(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath) -> ExportAnswer:
    """Hand the request to the checkers."""
    export_actions.submit(desk, who.person, export)
    return answer_of(desk, who, export)


@router.post("/{export}/withdraw", **CHANGES)
def withdraw(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath) -> ExportAnswer:
    """Take the request back for good."""
    export_actions.withdraw(desk, who.person, export)
    return answer_of(desk, who, export)


@router.put("/{export}/vote", **CHANGES)
def vote(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: VoteRequest) -> ExportAnswer:
    """Keep a checker's vote on one file. An approval says by `looked` how much of the file was looked at.

    The word is kept with the vote, shown to those who may see it, and leaves with the release. What the review desk
    knows of pages on a screen is not known here, so it takes the voter's word: `stated` or `covered`.
    """
    looked = None if body.looked is None else Looking(body.looked)
    ballot = Ballot(body.path, body.sha256, body.run, body.choice, body.comment, body.answers, body.marks, looked)
    review_actions.vote(desk, who.person, export, ballot)
    return answer_of(desk, who, export)


@router.post("/{export}/review", **CHANGES)
def submit_review(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: SeenRequest) -> ExportAnswer:
    """Hand in a checker's review."""
    review_actions.submit_review(desk, who.person, export, body.seen)
    return answer_of(desk, who, export)


@router.post("/{export}/approve", **CHANGES)
def approve(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: ApproveRequest) -> ExportAnswer:
    """Confirm the release."""
    review_actions.approve(desk, who.person, export, body.seen, body.confirm)
    return answer_of(desk, who, export)


@router.post("/{export}/return", **CHANGES)
def return_to_author(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: MessageRequest) -> ExportAnswer:
    """Give the request back with words; within the delay this stops the release."""
    review_actions.return_to_author(desk, who.person, export, body.message)
    return answer_of(desk, who, export)


@router.post("/{export}/reject", **CHANGES)
def reject(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: MessageRequest) -> ExportAnswer:
    """Refuse the request for good, with words."""
    review_actions.reject(desk, who.person, export, body.message)
    return answer_of(desk, who, export)


@router.post("/{export}/recall", **CHANGES)
def recall(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: MessageRequest) -> ExportAnswer:
    """Call a release back, with words."""
    review_actions.recall(desk, who.person, export, body.message)
    return answer_of(desk, who, export)
