"""What stands beside a file: what left the project before, earlier versions of it, and the code that made it.

Guarantees: only requests of the same grant are named, and only what left of them, so that whoever may see the file may
see this as well.

Threat: a number that differs by one from what was released last month; a table whose making nobody can follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tre.domain.exports.models import ExportRequest, FileGroup, FileKind, RequestFile
from tre.domain.exports.states import ExportState
from tre.portal.context import Desk
from tre.portal.export_views import file_key
from tre.portal.preview.content import Content
from tre.portal.preview.texts import Line, visible
from tre.portal.preview.views import LineView
from tre.store import exports

_LEFT = frozenset({ExportState.Released, ExportState.Recalled})
MOST_EARLIER = 30
MOST_CODE_LINES = 400


@dataclass(frozen=True)
class EarlierFile:
    """A file that left before; `same_path` and `same_bytes` compare it with the file that is looked at."""

    export: str
    key: str
    path: str
    sha256: str
    type: str
    at: datetime
    recalled: bool
    same_path: bool
    same_bytes: bool


@dataclass(frozen=True)
class Version:
    """An earlier version of the file: its bytes, and where they come from in words."""

    sha256: str
    type: str
    words: str


@dataclass(frozen=True)
class CodeFile:
    """A file of code in the same group; `more` lines are not shown here."""

    key: str
    path: str
    lines: tuple[LineView, ...]
    more: int


@dataclass(frozen=True)
class Beside:
    """Everything that stands beside one file."""

    group: FileGroup
    earlier: tuple[EarlierFile, ...]
    versions: tuple[Version, ...]
    code: tuple[CodeFile, ...]


def beside(desk: Desk, connection: Connection, request: ExportRequest, file: RequestFile) -> Beside:
    """What stands beside a file of a request, as its reader sees the request."""
    group = next(group for group in request.groups if file in group.files)
    earlier = _earlier(connection, request, file)
    return Beside(
        group=group,
        earlier=earlier[:MOST_EARLIER],
        versions=_versions(request, file, earlier),
        code=tuple(_code(desk, item) for item in group.files if item.kind is FileKind.code and item != file),
    )


def _earlier(connection: Connection, request: ExportRequest, file: RequestFile) -> tuple[EarlierFile, ...]:
    """What left of the grant: the same path first, then the same bytes, then the newest."""
    found = [
        EarlierFile(
            export=other.id,
            key=file_key(output.path),
            path=output.path,
            sha256=output.sha256,
            type=output.type,
            at=other.release.at,
            recalled=other.state is ExportState.Recalled,
            same_path=output.path == file.path,
            same_bytes=output.sha256 == file.sha256,
        )
        for other in exports.of_grant(connection, request.grant)
        if other.state in _LEFT and other.id != request.id and other.release is not None
        for output in other.outputs
    ]
    found.sort(key=lambda item: item.at, reverse=True)
    found.sort(key=lambda item: (not item.same_path, not item.same_bytes))
    return tuple(found)


def _versions(request: ExportRequest, file: RequestFile, earlier: tuple[EarlierFile, ...]) -> tuple[Version, ...]:
    """Other bytes under the same path: what was voted on in an earlier round, and what left last."""
    found: dict[str, Version] = {}
    for review in sorted(request.reviews, key=lambda item: -item.turn):
        vote = review.vote_on(file.path)
        if vote is not None and vote.sha256 != file.sha256:
            found.setdefault(vote.sha256, Version(vote.sha256, file.type, f"the version of round {review.turn}"))
    for item in earlier:
        if item.same_path and not item.same_bytes:
            words = f"what left on {item.at.day} {item.at:%B %Y}"
            found.setdefault(item.sha256, Version(item.sha256, item.type, words))
    return tuple(found.values())[:5]


def _code(desk: Desk, file: RequestFile) -> CodeFile:
    content: Content | None = desk.extracts.find(file.sha256, file.type)
    lines: list[Line] = []
    if content is not None:
        for number, card in enumerate(content.cards):
            lines += content.lines(number) if card.kind in {"text", "code", "markdown"} else []
    shown = tuple(LineView(line.number, visible(line.text), line.continued, ()) for line in lines[:MOST_CODE_LINES])
    return CodeFile(file_key(file.path), file.path, shown, len(lines) - len(shown))
