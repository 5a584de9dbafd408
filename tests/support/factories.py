"""Grants and people to test with: valid as they come, changed one thing at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tre.domain.grants.models import API_VERSION, AccessGrant, AccessGrantSpec, GrantRecord, Suspension, SuspensionScope
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Subject
from tre.domain.quarantine import Kept, QuarantinedFile

START = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
END = datetime(2027, 10, 31, 23, 59, 59, tzinfo=UTC)
LEGAL_END = datetime(2027, 6, 30, 23, 59, 59, tzinfo=UTC)
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

ALICE = Subject(issuer="local", id="alice")
BOB = Subject(issuer="local", id="bob")
EVE = Subject(issuer="local", id="eve")
DIGEST = "sha256:" + "ab" * 32


def slice_plain(name: str = "cxr", **changes: Any) -> dict[str, Any]:
    """One slice of a grant as it stands in a file."""
    spec = {"slice": 1, "dataset": "nccid", "release": "2026-10-01", "images": [{"modality": ["CR", "DX"]}]}
    return {"name": name, "dataset": "nccid", "release": "2026-10-01", "spec": spec} | changes


def spec_plain(**changes: Any) -> dict[str, Any]:
    """A grant's content as it stands in a file."""
    return {
        "project": {
            "title": "Severity scoring of COVID-19 on chest X-rays",
            "laySummary": "We teach a computer to see how ill somebody's lungs are.",
            "publicBenefit": "Faster treatment.",
            "organisation": {"name": "University", "id": "org-1", "sector": "academic", "commercial": False},
        },
        "approval": {
            "body": "Committee",
            "reference": "NCCID-00123-v1.0",
            "approvedAt": "2026-11-01T10:00:00Z",
            "planDigest": DIGEST,
        },
        "members": [
            {"subject": {"issuer": "local", "id": "alice"}, "role": "researcher"},
            {"subject": {"issuer": "local", "id": "bob"}, "role": "lead"},
        ],
        "notBefore": START.isoformat(),
        "expires": END.isoformat(),
        "slices": [slice_plain()],
    } | changes


def grant_plain(name: str = "nccid-00123", **changes: Any) -> dict[str, Any]:
    """A whole grant as it stands in a file."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AccessGrant",
        "metadata": {"name": name},
        "spec": spec_plain(**changes),
    }


def access_grant(name: str = "nccid-00123", **changes: Any) -> AccessGrant:
    """A whole grant."""
    return AccessGrant.model_validate(grant_plain(name, **changes))


def grant_record(spec_changes: dict[str, Any] | None = None, **changes: Any) -> GrantRecord:
    """An active grant as the record keeps it."""
    spec = AccessGrantSpec.model_validate(spec_plain(**(spec_changes or {})))
    values = {
        "name": "nccid-00123",
        "generation": 1,
        "spec": spec,
        "phase": GrantPhase.Active,
        "evidence_verified": True,
        "activated_at": START,
    } | changes
    return GrantRecord.model_validate(values)


def suspension(scope: SuspensionScope = SuspensionScope.grant, ref: str = "", **changes: Any) -> Suspension:
    """A suspension in force at noon."""
    values = {"scope": scope, "ref": ref, "reason": "audit", "by": EVE, "since": NOON - timedelta(hours=1)} | changes
    return Suspension.model_validate(values)


def quarantined_file() -> QuarantinedFile:
    """A file that waits for a person."""
    return QuarantinedFile(
        dataset="demo",
        sha256="ab" * 32,
        pseudonym="Covid1",
        path="a.dcm",
        kind="image",
        bytes=1,
        reasons=(Kept(rule="form", message="odd"),),
        found_at=NOON,
    )
