"""Sources elsewhere to test with: policies, templates, entitlements, valid as they come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.support.factories import NOON, access_grant
from tre.domain.grants.models import AccessGrant
from tre.domain.sources.grants import everybody_of
from tre.domain.sources.policy import RemsSource
from tre.domain.sources.truth import Entitlement

RESOURCE = "urn:nhs:nccid-cxr"
BEGUN = NOON - timedelta(days=10)


def rems_plain(**changes: Any) -> dict[str, Any]:
    """A REMS as it stands in the policy."""
    return {
        "name": "rems",
        "address": "https://rems.example.org/",
        "apiUser": "tre-robot",
        "issuer": "local",
        "templates": ["policies/sources/cxr.yaml"],
    } | changes


def rems_source(**changes: Any) -> RemsSource:
    """A REMS."""
    return RemsSource.model_validate(rems_plain(**changes))


def template(resource: str = RESOURCE, source: str = "rems", **changes: Any) -> AccessGrant:
    """What a resource opens, not signed yet."""
    who = everybody_of(source)
    approval = {
        "body": "Committee",
        "reference": resource,
        "approvedAt": "2026-11-01T10:00:00Z",
        "planDigest": "sha256:" + "ab" * 32,
    }
    members = [{"subject": {"issuer": who.issuer, "id": who.id}}]
    return access_grant("template-cxr", approval=approval, members=members, **changes)


def entitlement(user: str = "alice", application: int = 7, **changes: Any) -> Entitlement:
    """One person's right, begun ten days ago and ending in a year."""
    values: dict[str, Any] = {
        "application": application,
        "resource": RESOURCE,
        "user": user,
        "start": BEGUN,
        "end": NOON + timedelta(days=365),
    }
    return Entitlement.model_validate(values | changes)


def row(who: str = "alice", application: int = 7, **changes: Any) -> dict[str, Any]:
    """The same as REMS states it in its answer."""
    one = entitlement()
    return {
        "resource": one.resource,
        "user": {"userid": who, "name": who.title(), "email": f"{who}@example.org"},
        "application-id": application,
        "start": stamp(one.start),
        "end": stamp(one.end),
        "mail": None,
    } | changes


def stamp(moment: datetime | None) -> str | None:
    """A time as REMS writes it."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"
