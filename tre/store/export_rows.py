"""An export request as rows and back: one function for each table, each way.

Guarantees: what is read back equals what was written, field by field; a request is split over tables so that each
part can be searched, but it is only ever written as a whole (see `tre.store.exports`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, Table, select

from tre.domain.exports.models import ExportRequest
from tre.domain.model import Record
from tre.domain.people import Subject
from tre.store.tables.airlock import (
    export_claims,
    export_comments,
    export_consents,
    export_files,
    export_findings,
    export_groups,
    export_requests,
    export_reviews,
    export_votes,
)

Rows = list[dict[str, Any]]

PARTS: tuple[Table, ...] = (
    export_groups,
    export_files,
    export_findings,
    export_reviews,
    export_votes,
    export_comments,
    export_claims,
    export_consents,
)
"""The tables that hold the parts of a request, besides its own row."""


def request_row(request: ExportRequest) -> dict[str, Any]:
    """The row of the request itself."""
    run, confirmed, release = request.check_run, request.confirmation, request.release
    return {
        "id": request.id,
        "grant": request.grant,
        "workspace": request.workspace,
        "author_issuer": request.author.issuer,
        "author_id": request.author.id,
        "policy": request.policy,
        "state": request.state.value,
        "turn": request.turn,
        "version": request.version,
        "reason": request.reason.value,
        "message": request.message,
        "run": run.model_dump(mode="json", exclude={"findings"}) if run else None,
        "confirmed_issuer": confirmed.by.issuer if confirmed else None,
        "confirmed_id": confirmed.by.id if confirmed else None,
        "confirmed_at": confirmed.at if confirmed else None,
        "released_at": release.at if release else None,
        "bundle_sha256": release.bundle_sha256 if release else None,
        "bundle_size": release.bundle_size if release else None,
        "exceptions": release.exceptions if release else None,
        "emergency": request.emergency.model_dump(mode="json") if request.emergency else None,
        "ledger": [entry.model_dump(mode="json") for entry in request.ledger],
        "created_at": request.created_at,
        "changed_at": request.changed_at,
        "deadline": request.deadline,
    }


def part_rows(request: ExportRequest) -> dict[str, Rows]:
    """The rows of every part, by the name of its table."""
    return {
        export_groups.name: _group_rows(request),
        export_files.name: _file_rows(request),
        export_findings.name: _finding_rows(request),
        export_reviews.name: _review_rows(request),
        export_votes.name: _vote_rows(request),
        export_comments.name: [
            _stamped(request, place, item, ("by",)) | {"at": item.at} for place, item in enumerate(request.comments)
        ],
        export_claims.name: [
            _stamped(request, place, item, ("checker", "by")) | {"at": item.at, "until": item.until}
            for place, item in enumerate(request.claims)
        ],
        export_consents.name: [
            _stamped(request, place, item, ("by",)) | {"at": item.at} for place, item in enumerate(request.consents)
        ],
    }


def _stamped(request: ExportRequest, place: int, item: Record, people: tuple[str, ...]) -> dict[str, Any]:
    """A part's row: its values, with each person in two columns; times are put in by whoever asks."""
    row = {"request": request.id, "place": place, **item.model_dump(mode="json", exclude=set(people))}
    for name in people:
        subject: Subject = getattr(item, name)
        row |= {f"{name}_issuer": subject.issuer, f"{name}_id": subject.id}
    return row


def _unstamped(row: dict[str, Any], people: tuple[str, ...]) -> dict[str, Any]:
    pairs = {name: {"issuer": row[f"{name}_issuer"], "id": row[f"{name}_id"]} for name in people}
    return _without(row, *(f"{name}_{part}" for name in people for part in ("issuer", "id"))) | pairs


def _group_rows(request: ExportRequest) -> Rows:
    return [
        {
            "request": request.id,
            "name": group.name,
            "place": place,
            "context": group.context,
            "controls": group.controls,
            "relation": group.relation,
            "people": group.people,
        }
        for place, group in enumerate(request.groups)
    ]


def _file_rows(request: ExportRequest) -> Rows:
    return [
        {"request": request.id, "group": group.name, "place": place, **file.model_dump(mode="json")}
        for group in request.groups
        for place, file in enumerate(group.files)
    ]


def _finding_rows(request: ExportRequest) -> Rows:
    findings = request.check_run.findings if request.check_run else ()
    return [
        {"request": request.id, "place": place, **finding.model_dump(mode="json")}
        for place, finding in enumerate(findings)
    ]


def _review_rows(request: ExportRequest) -> Rows:
    return [
        {
            "request": request.id,
            "turn": review.turn,
            "checker_issuer": review.checker.issuer,
            "checker_id": review.checker.id,
            "place": place,
            "role": review.role.value if review.role else None,
            "submitted_at": review.submitted_at,
            "void": review.void,
        }
        for place, review in enumerate(request.reviews)
    ]


def _vote_rows(request: ExportRequest) -> Rows:
    return [
        {
            "request": request.id,
            "turn": review.turn,
            "checker_issuer": review.checker.issuer,
            "checker_id": review.checker.id,
            "place": place,
            **vote.model_dump(mode="json", exclude={"at"}),
            "at": vote.at,
        }
        for review in request.reviews
        for place, vote in enumerate(review.votes)
    ]


def read_request(connection: Connection, row: RowMapping) -> ExportRequest:
    """The request of a row, with all its parts."""
    parts = {table.name: _rows_of(connection, table, row["id"]) for table in PARTS}
    confirmed, released = row["confirmed_at"], row["released_at"]
    run = row["run"]
    return ExportRequest.model_validate(
        {name: row[name] for name in _PLAIN}
        | {
            "author": {"issuer": row["author_issuer"], "id": row["author_id"]},
            "groups": _groups(parts),
            "reviews": _reviews(parts),
            "check_run": None if run is None else run | {"findings": _findings(parts)},
            "confirmation": confirmed
            and {"by": {"issuer": row["confirmed_issuer"], "id": row["confirmed_id"]}, "at": confirmed},
            "release": released
            and {"at": released} | {name: row[name] for name in ("bundle_sha256", "bundle_size", "exceptions")},
            "comments": [_unstamped(item, ("by",)) for item in parts[export_comments.name]],
            "claims": [_unstamped(item, ("checker", "by")) for item in parts[export_claims.name]],
            "consents": [_unstamped(item, ("by",)) for item in parts[export_consents.name]],
        }
    )


_PLAIN = (
    "id",
    "grant",
    "workspace",
    "policy",
    "state",
    "turn",
    "version",
    "reason",
    "message",
    "created_at",
    "changed_at",
    "deadline",
    "emergency",
    "ledger",
)


def _rows_of(connection: Connection, table: Table, request: str) -> Rows:
    query = select(table).where(table.c.request == request).order_by(table.c.place)
    return [dict(row._mapping) for row in connection.execute(query)]


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"request", "place", *names}}


def _groups(parts: dict[str, Rows]) -> Rows:
    files = parts[export_files.name]
    return [
        _without(group) | {"files": [_without(f, "group") for f in files if f["group"] == group["name"]]}
        for group in parts[export_groups.name]
    ]


def _findings(parts: dict[str, Rows]) -> Rows:
    return [_without(row) for row in parts[export_findings.name]]


def _reviews(parts: dict[str, Rows]) -> Rows:
    seat = ("turn", "checker_issuer", "checker_id")
    return [
        {
            "checker": {"issuer": row["checker_issuer"], "id": row["checker_id"]},
            "turn": row["turn"],
            "role": row["role"],
            "submitted_at": row["submitted_at"],
            "void": row["void"],
            "votes": [
                _without(vote, *seat)
                for vote in parts[export_votes.name]
                if all(vote[name] == row[name] for name in seat)
            ],
        }
        for row in parts[export_reviews.name]
    ]


def key_of(table: Table, row: dict[str, Any]) -> tuple[Any, ...]:
    """The primary key of a row."""
    return tuple(row[column.name] for column in table.primary_key.columns)


__all__ = ["PARTS", "Rows", "export_requests", "key_of", "part_rows", "read_request", "request_row"]
