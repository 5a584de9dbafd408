"""Which sources elsewhere count here, how each is asked, and for how long its word holds.

Guarantees: no address without TLS beyond this machine; no source whose word runs out before it can be asked again;
no two sources of one name. What may be pushed is known by the digest of a secret, so that nobody who reads the policy
can push.

Does not guarantee: what a source may open. That stands in templates, which an approving body signs.

Threat: a slip in the policy that lets access go on after its source fell silent.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from tre.domain.canonical import digest_of_bytes
from tre.domain.grants.models import Digest
from tre.domain.model import Code, Line, Record

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
TRIES_WITHIN_STALENESS = 3
"""How often a source is asked at least before its last word is too old."""

SECRET_HEADER = "x-tre-source-secret"  # noqa: S105  # nosec B105
"""Where a source that may send headers puts its secret."""

VISA_MINUTES = 60
"""Visas are asked for at most once an hour (GA4GH AAI OIDC profile, polling of visas)."""


def secret_digest(secret: str) -> str:
    """What the policy knows a secret by."""
    return digest_of_bytes(secret.encode("utf-8", "surrogatepass"))


def check_address(text: str) -> str:
    """Return the address; raise `ValueError` unless it is one of the web, with TLS beyond this machine."""
    parts = urlsplit(text)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not secure or not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        msg = "an address that begins with https:// is due, without user, question mark or hash"
        raise ValueError(msg)
    return text


def _inside(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        msg = "a path below the launcher's root is due"
        raise ValueError(msg)
    return text


def _whole(text: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        msg = "whole characters are due, and one of these is half of one"
        raise ValueError(msg)
    return text


Address = Annotated[Line, Field(max_length=500), AfterValidator(check_address)]
SourceName = Annotated[Code, Field(pattern=r"^[a-z](?:[a-z0-9-]{0,18}[a-z0-9])?$")]
InsidePath = Annotated[Line, Field(min_length=1, max_length=300), AfterValidator(_inside)]
Foreign = Annotated[Line, Field(min_length=1, max_length=255), AfterValidator(_whole)]
"""A name that is given elsewhere, compared as a whole and by case."""


class VisaPolicy(Record):
    """GA4GH visas as a second confirmation: who issues them, where the issuer's keys are, how long one may count."""

    issuer: Foreign
    keys: Address
    longest_days: Annotated[int, Field(ge=1, le=366)] = 365


class RemsSource(Record):
    """One REMS: its word holds for `stale_after_hours`; what has no end there ends `longest_days` after its start.

    `issuer` is who vouches for the users that it names. An entitlement that is missing without a word ends access at
    once, and the grant for good after `revoke_after_hours`.
    """

    name: SourceName
    address: Address
    api_user: Foreign
    api_key: InsidePath | None = None
    issuer: Foreign
    templates: Annotated[tuple[InsidePath, ...], Field(min_length=1, max_length=500)]
    poll_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    stale_after_hours: Annotated[int, Field(ge=1, le=168)] = 24
    revoke_after_hours: Annotated[int, Field(ge=1, le=720)] = 24
    longest_days: Annotated[int, Field(ge=1, le=3660)] = 365
    events_secret: Digest | None = None
    entitlements_secret: Digest | None = None
    visas: VisaPolicy | None = None

    @model_validator(mode="after")
    def _asked_in_time(self) -> RemsSource:
        if self.poll_minutes * TRIES_WITHIN_STALENESS > self.stale_after_hours * 60:
            msg = f"pollMinutes must fit {TRIES_WITHIN_STALENESS} times into staleAfterHours"
            raise ValueError(msg)
        if self.visas is not None and self.poll_minutes < VISA_MINUTES:
            msg = f"pollMinutes must be {VISA_MINUTES} or more where visas are asked for"
            raise ValueError(msg)
        return self

    @property
    def id(self) -> str:
        """What the record calls it."""
        return f"rems:{self.name}"

    @property
    def staleness(self) -> timedelta:
        """How long its word holds."""
        return timedelta(hours=self.stale_after_hours)


class DirectorySource(Record):
    """A directory of signed grants. It holds a file `.tre-source` with the source's name: one without it is some
    other directory, or a place where nothing is mounted."""

    name: SourceName
    path: Annotated[Line, Field(min_length=1, max_length=1000)]
    stale_after_hours: Annotated[int, Field(ge=1, le=168)] = 24

    @property
    def id(self) -> str:
        """What the record calls it."""
        return f"directory:{self.name}"

    @property
    def staleness(self) -> timedelta:
        """How long what was read last holds."""
        return timedelta(hours=self.stale_after_hours)


class _Metadata(Record):
    name: Literal["sources"]


class _Spec(Record):
    rems: tuple[RemsSource, ...] = ()
    directories: tuple[DirectorySource, ...] = ()


class SourcePolicy(Record):
    """Every source that counts here."""

    api_version: Literal["tre.research/v1alpha1"]
    kind: Literal["SourcePolicy"]
    metadata: _Metadata
    spec: _Spec

    @model_validator(mode="after")
    def _named_once(self) -> SourcePolicy:
        found = [one.name for one in self.spec.rems] + [one.name for one in self.spec.directories]
        if twice := sorted({name for name in found if found.count(name) > 1}):
            msg = f"spec names the source {', '.join(twice)} twice"
            raise ValueError(msg)
        return self

    def rems(self, name: str) -> RemsSource | None:
        """The REMS of a name."""
        return next((one for one in self.spec.rems if one.name == name), None)


NO_SOURCES = SourcePolicy.model_validate(
    {
        "apiVersion": "tre.research/v1alpha1",
        "kind": "SourcePolicy",
        "metadata": {"name": "sources"},
        "spec": {},
    }
)
"""Of a launcher without a policy: nobody elsewhere opens anything."""
