"""`/api/v1/datasets`: what a data manager sees of datasets and of quarantine, and the decision.

Guarantees: the same functions as behind the pages, hence the same rules, errors and events; nobody is named, and no
value that broke a rule is told. A decision repeats the `mark` of each file, or the moment and the number of all.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from tre.domain.datasets import SliceId
from tre.domain.desk import permissions
from tre.domain.exports.models import Sha256
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.domain.quarantine import LONGEST_REASON, Kept, QuarantinedFile, QuarantineState
from tre.domain.slices.plan import Counts, Digest
from tre.portal import quarantine_actions
from tre.portal.dataset_views import DatasetView, FileView, dataset_view, quarantine_view
from tre.portal.errors import responses
from tre.portal.quarantine_actions import MOST_CHOSEN, Verdict, Whole
from tre.portal.quarantine_asked import ONE_LINE, Asked
from tre.portal.sessions import CurrentDesk, CurrentVisitor, checked_header
from tre.store import datasets

router = APIRouter(prefix="/api/v1/datasets", responses=responses(401, 403, 404, 409, 422))
CHANGES: dict[str, Any] = {
    "dependencies": [Depends(checked_header)],
    "responses": responses(400),
    "response_model_exclude_none": True,
}
DatasetName = Annotated[str, Path(max_length=63, pattern=ONE_LINE)]


class ReleaseAnswer(Record):
    """A release; `refused` and `quarantined` count files that stayed out, by rule."""

    name: Line
    onto: Line | None
    retired: bool
    created_at: UtcTime
    index_digest: Digest
    counts: Counts
    tiers: list[Line]
    refused: dict[str, int]
    quarantined: dict[str, int]


class SliceUseAnswer(Record):
    """A slice that stands; without `grant` it was built by hand."""

    slice: SliceId
    release: Line
    grant: Line | None = None
    files: int
    built_at: UtcTime


class DatasetAnswer(Record):
    """A dataset; `waiting` files are in quarantine, `late` of them for too long."""

    name: Line
    title: Line
    created_at: UtcTime
    tag_manifest: Digest | None = None
    withdrawn: int
    waiting: int
    late: int
    releases: list[ReleaseAnswer]
    slices: list[SliceUseAnswer]
    allowed_actions: list[str]


class QuarantinedAnswer(Record):
    """A file in quarantine; `mark` says what it waits for and goes along with a decision."""

    sha256: Sha256
    mark: Line
    kind: Line
    bytes: int
    reasons: list[Kept]
    found_at: UtcTime
    due_at: UtcTime
    late: bool
    state: QuarantineState
    decided_by: Subject | None = None
    decided_at: UtcTime | None = None
    reason: str | None = None
    allowed_actions: list[str]


class QuarantineAnswer(Record):
    """A page of files; `total` and `newest` are of all that were asked for."""

    files: list[QuarantinedAnswer]
    total: int
    newest: UtcTime | None = None


class _Decision(Record):
    state: QuarantineState
    reason: Annotated[Line, Field(min_length=1, max_length=LONGEST_REASON)]


class Named(Record):
    """A file, and what was seen of it."""

    sha256: Sha256
    mark: Annotated[Line, Field(max_length=64)]


class DecisionRequest(_Decision):
    """A decision about these files."""

    files: Annotated[list[Named], Field(min_length=1, max_length=MOST_CHOSEN)]


class RuleDecisionRequest(_Decision):
    """A decision about all files that wait for a rule first and were found by a moment; `count` is how many."""

    rule: Annotated[Line, Field(min_length=1, max_length=40)]
    attribute: Annotated[Line, Field(max_length=400)] = ""
    until: UtcTime
    count: Annotated[int, Field(ge=1, lt=10**12)]


class DecisionAnswer(Record):
    """What a decision came to."""

    state: QuarantineState
    files: int


@router.get("", response_model_exclude_none=True)
def list_datasets(desk: CurrentDesk, who: CurrentVisitor) -> list[DatasetAnswer]:
    """Every dataset, for data managers."""
    permissions.check_manage_data(who.person)
    with desk.database.read() as connection:
        return [_dataset(dataset_view(desk, connection, who.person, one)) for one in datasets.all_datasets(connection)]


@router.get("/{name}", response_model_exclude_none=True)
def get_dataset(desk: CurrentDesk, who: CurrentVisitor, name: DatasetName) -> DatasetAnswer:
    """One dataset."""
    permissions.check_manage_data(who.person)
    with desk.database.read() as connection:
        return _dataset(dataset_view(desk, connection, who.person, datasets.require(connection, name)))


def _dataset(view: DatasetView) -> DatasetAnswer:
    dataset = view.dataset
    return DatasetAnswer(
        name=dataset.name,
        title=dataset.title,
        created_at=dataset.created_at,
        tag_manifest=dataset.tag_manifest,
        withdrawn=view.withdrawn,
        waiting=view.waiting,
        late=view.late,
        releases=[
            ReleaseAnswer(
                name=item.release.name,
                onto=item.release.onto,
                retired=item.retired,
                created_at=item.release.created_at,
                index_digest=item.release.index_digest,
                counts=item.release.counts,
                tiers=list(item.tiers),
                refused=dict(item.refused),
                quarantined=dict(item.quarantined),
            )
            for item in view.releases
        ],
        slices=[
            SliceUseAnswer(
                slice=use.slice.slice_id,
                release=use.slice.release,
                grant=use.grant or None,
                files=use.slice.files,
                built_at=use.slice.built_at,
            )
            for use in view.slices
        ],
        allowed_actions=list(view.actions),
    )


@router.get("/{name}/quarantine", response_model_exclude_none=True)
def list_quarantine(
    desk: CurrentDesk,
    who: CurrentVisitor,
    name: DatasetName,
    asked: Asked,
) -> QuarantineAnswer:
    """Files that wait, or were decided about, by their first reason; a page from `first` on."""
    permissions.check_manage_data(who.person)
    with desk.database.read() as connection:
        view = quarantine_view(desk, connection, who.person, asked.search(name), asked.first)
    return QuarantineAnswer(
        files=[_file(item) for item in view.files], total=view.chosen.files, newest=view.chosen.newest
    )


def _file(item: FileView) -> QuarantinedAnswer:
    file = item.file
    return QuarantinedAnswer(
        sha256=file.sha256,
        mark=file.mark,
        kind=file.kind,
        bytes=file.bytes,
        reasons=list(file.reasons),
        found_at=file.found_at,
        due_at=file.due_at,
        late=item.late,
        state=file.state,
        decided_by=file.decided_by,
        decided_at=file.decided_at,
        reason=file.reason or None,
        allowed_actions=list(item.actions),
    )


@router.post("/{name}/quarantine/decisions", **CHANGES)
def decide(desk: CurrentDesk, who: CurrentVisitor, name: DatasetName, body: DecisionRequest) -> DecisionAnswer:
    """Let files in, or keep them out: all that are named, or none."""
    marks = {file.sha256: file.mark for file in body.files}
    return _done(quarantine_actions.decide_chosen(desk, who.person, name, marks, Verdict(body.state, body.reason)))


@router.post("/{name}/quarantine/decisions-by-rule", **CHANGES)
def decide_rule(desk: CurrentDesk, who: CurrentVisitor, name: DatasetName, body: RuleDecisionRequest) -> DecisionAnswer:
    """The same for all files that wait for one rule."""
    whole = Whole(body.rule, body.attribute, body.until, str(body.count))
    return _done(quarantine_actions.decide_whole(desk, who.person, name, whole, Verdict(body.state, body.reason)))


def _done(files: list[QuarantinedFile]) -> DecisionAnswer:
    return DecisionAnswer(state=files[0].state, files=len(files))
