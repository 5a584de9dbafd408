"""What the API takes and answers beside requests and votes: comments, labels, seats, stewards, what waits.

Guarantees: what a data manager or an operator is answered holds no vote and no comment.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tre.domain.errors import Reason
from tre.domain.exports.models import (
    Claim,
    Consent,
    Emergency,
    ExportId,
    FilePath,
    Finding,
    GroupName,
    Readers,
)
from tre.domain.exports.states import ExportState
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.portal.api.export_models import FindingId, Message


class CommentRequest(Record):
    """A comment on a group, or on a file of it; an author's own is always public."""

    group: GroupName
    path: FilePath | None = None
    readers: Readers = Readers.private
    text: Message


class LabelRequest(Record):
    """What a column holds: a role of the tables' vocabulary."""

    title: Annotated[Line, Field(min_length=1, max_length=200)]
    role: Annotated[Line, Field(min_length=1, max_length=30)]


class AssignRequest(Record):
    """Who is to review."""

    checker: Subject


class ConsentRequest(Record):
    """A data manager's word on one finding."""

    finding: FindingId
    agrees: bool
    why: Message


class ReasonRequest(Record):
    """Why a release cannot wait for the quorum."""

    reason: Message


class ConfirmRequest(Record):
    """What is typed: the number of files, or the code of the request."""

    confirm: Line


class AwayRequest(Record):
    """When a checker is away."""

    since: UtcTime
    until: UtcTime


class AwayAnswer(Record):
    """How many seats were given back."""

    given_back: int


class StewardFinding(Record):
    """A finding that waits for a data manager's word, with the file it is about."""

    finding: Finding
    path: FilePath
    said: list[Consent]


class StewardAnswer(Record):
    """A request as a data manager sees it who must say yes or no: the findings, and nobody's votes."""

    id: ExportId
    grant: Line
    title: Line
    due: UtcTime | None = None
    findings: list[StewardFinding]


class WaitingAnswer(Record):
    """What an operator sees of a request that waits for checkers."""

    id: ExportId
    grant: Line
    title: Line
    state: ExportState
    reason: Reason
    due: UtcTime | None = None
    seats: int
    free: int
    claims: list[Claim]
    emergency: Emergency | None = None
