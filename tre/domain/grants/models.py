"""An access grant: what was approved, for whom, until when, and the evidence of it.

Guarantees: a grant that parses has an end after its start, at least one member and one slice, no member or slice
twice, a lay summary of at most 250 words (the limit of the NCCID request form, which publishes it), and no unknown
key anywhere. What evidence is worth is decided by `tre.sources`, not here.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from tre.domain import names
from tre.domain.canonical import digest
from tre.domain.errors import TREError
from tre.domain.grants.register import RegisterDetails
from tre.domain.grants.states import GrantPhase
from tre.domain.identity import MemberFacts
from tre.domain.model import Code, Line, Record, UtcTime
from tre.domain.people import Subject
from tre.domain.quantities import parse_hourly_bytes
from tre.domain.slices.spec import SliceSpec
from tre.domain.standing.models import Required

API_VERSION = "tre.research/v1alpha1"
LAY_SUMMARY_WORDS = 250
"""Limit of the published lay summary: NCCID data access request form."""


def _resource_name(text: str) -> str:
    try:
        return names.check_resource_name(text)
    except TREError as error:
        raise ValueError(str(error)) from error


def _release_name(text: str) -> str:
    try:
        return names.check_release_name(text)
    except TREError as error:
        raise ValueError(str(error)) from error


def _hourly(text: str) -> str:
    try:
        parse_hourly_bytes(text)
    except TREError as error:
        raise ValueError(str(error)) from error
    return text


def _short_enough(text: str) -> str:
    if (count := len(text.split())) > LAY_SUMMARY_WORDS:
        msg = f"at most {LAY_SUMMARY_WORDS} words, these are {count}"
        raise ValueError(msg)
    return text


ResourceName = Annotated[Line, AfterValidator(_resource_name)]
ReleaseName = Annotated[Line, AfterValidator(_release_name)]
HourlyBytes = Annotated[Code, AfterValidator(_hourly)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1, max_length=20_000)]
DuoCode = Annotated[Code, Field(pattern=r"^DUO:\d{7}$")]


class Organisation(Record):
    """Who carries the project; `id` is what an organisation-wide suspension names.

    `not_for_profit` and `country` (ISO 3166-1, two letters) are needed where a condition of use asks for them.
    """

    name: Annotated[Line, Field(min_length=1, max_length=300)]
    id: Annotated[Line, Field(min_length=1, max_length=200)]
    sector: Annotated[Line, Field(min_length=1, max_length=100)]
    commercial: bool
    not_for_profit: bool | None = None
    country: Annotated[Code, Field(pattern=r"^[A-Z]{2}$")] | None = None


class Project(Record):
    """What is done and why, as the public reads it; `ethics_reference` names an ethics approval."""

    title: Annotated[Line, Field(min_length=1, max_length=300)]
    lay_summary: Annotated[Text, AfterValidator(_short_enough)]
    public_benefit: Text
    organisation: Organisation
    ethics_reference: Annotated[Line, Field(min_length=1, max_length=200)] | None = None


class Evidence(Record):
    """What proves the approval: where it came from, what it covers, and for signed files the signature."""

    source: Annotated[Code, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    digest: Digest
    key: Annotated[Line | None, Field(max_length=100)] = None
    signature: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")] = None


class Approval(Record):
    """Who said yes, to exactly which plan, and the proof of it."""

    body: Annotated[Line, Field(min_length=1, max_length=300)]
    reference: Annotated[Line, Field(min_length=1, max_length=200)]
    approved_at: UtcTime
    plan_digest: Digest
    evidence: Evidence | None = None


class MemberRole(StrEnum):
    """What a named person is to a project."""

    lead = "lead"
    researcher = "researcher"


class Member(Record):
    """One named person of a project: never "the team"."""

    subject: Subject
    role: MemberRole = MemberRole.researcher


class LegalBasis(Record):
    """The law under which the data is used; when it ends, access ends."""

    name: Annotated[Line, Field(min_length=1, max_length=200)]
    ends: UtcTime


class GrantSlice(Record):
    """One slice of one release of one dataset.

    `plan_digest` is due where a grant has several slices: the approval then signs the digest over all of them.
    """

    name: ResourceName
    dataset: ResourceName
    release: ReleaseName
    plan_digest: Digest | None = None
    spec: SliceSpec


class Budgets(Record):
    """How much a browser may draw from a workspace in an hour, file reads and kernel output apart."""

    file_reads: HourlyBytes = "20Mi/h"
    kernel_output: HourlyBytes = "100Mi/h"


class WorkspaceTerms(Record):
    """The size of a workspace (a profile of the operator's), its budgets, and how many may be open at once, where that
    is less than the operator's quota and fewer than the members."""

    profile: ResourceName = "small"
    budgets: Budgets = Budgets()
    at_once: Annotated[int, Field(ge=1, le=500)] | None = None


class ExportTerms(Record):
    """Which policy judges outputs; `reviewers` raises the policy's minimum and never lowers it."""

    policy: ResourceName = "default"
    reviewers: Annotated[int, Field(ge=1, le=9)] | None = None


class SuspensionScope(StrEnum):
    """What a suspension stops."""

    grant = "grant"
    slice = "slice"
    member = "member"
    organisation = "organisation"


class Suspension(Record):
    """A stop that can be lifted: of a grant, one slice, one member or a whole organisation.

    `ref` names what is stopped: the slice's name, the organisation's id, or `issuer:id` of a member as
    `str(Subject)` writes it; it is empty for the whole grant.
    """

    scope: SuspensionScope
    ref: Line = ""
    reason: Annotated[Line, Field(min_length=1, max_length=500)]
    by: Subject
    since: UtcTime
    until: UtcTime | None = None

    def in_force(self, now: datetime) -> bool:
        """Whether it stops anything now; the end is exclusive."""
        return self.since <= now and (self.until is None or now < self.until)


class AccessGrantSpec(Record):
    """What was approved."""

    project: Project
    approval: Approval
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=500)]
    not_before: UtcTime
    expires: UtcTime
    legal_basis: LegalBasis | None = None
    conditions: tuple[DuoCode, ...] = ()
    slices: Annotated[tuple[GrantSlice, ...], Field(min_length=1, max_length=50)]
    workspace: WorkspaceTerms = WorkspaceTerms()
    export: ExportTerms = ExportTerms()
    suspensions: tuple[Suspension, ...] = ()
    register_details: Annotated[RegisterDetails | None, Field(alias="register")] = None

    @model_validator(mode="after")
    def _consistent(self) -> AccessGrantSpec:
        if self.expires <= self.not_before:
            msg = "expires must lie after notBefore"
            raise ValueError(msg)
        if self.legal_basis is not None and self.legal_basis.ends <= self.not_before:
            msg = "legalBasis.ends must lie after notBefore"
            raise ValueError(msg)
        self._check_plan_digests()
        _refuse_twice("members", [str(member.subject.key) for member in self.members])
        _refuse_twice("slices", [item.name for item in self.slices])
        return self

    def _check_plan_digests(self) -> None:
        for item in self.slices:
            if (item.spec.dataset, item.spec.release) != (item.dataset, item.release):
                msg = f"slice {item.name} names another dataset or release in its spec"
                raise ValueError(msg)
        if self.approval.plan_digest != approved_plan_digest(self.slices, self.approval.plan_digest):
            msg = "approval.planDigest is not the digest over the slices' planDigests"
            raise ValueError(msg)

    def signed_plan_digest(self, slice_name: str) -> str:
        """The plan digest that the approval signed for one slice. Raises `KeyError` for an unknown slice."""
        digests = {item.name: item.plan_digest or self.approval.plan_digest for item in self.slices}
        return digests[slice_name]

    def member(self, subject: Subject) -> Member | None:
        """The member with exactly this subject."""
        return next((member for member in self.members if member.subject.key == subject.key), None)


def approved_plan_digest(slices: tuple[GrantSlice, ...], single: str) -> str:
    """What an approval signs: of one slice its plan digest; of several the digest over name → plan digest.

    Raises `ValueError` where one of several slices lacks its digest.
    """
    if len(slices) == 1:
        return slices[0].plan_digest or single
    missing = [item.name for item in slices if item.plan_digest is None]
    if missing:
        msg = f"with several slices each needs its planDigest; missing for {', '.join(missing)}"
        raise ValueError(msg)
    return digest({item.name: item.plan_digest for item in slices})


def _refuse_twice(key: str, values: list[str]) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        msg = f"{key} names {', '.join(twice)} twice"
        raise ValueError(msg)


class Metadata(Record):
    """The name of a resource and free labels."""

    name: ResourceName
    labels: dict[str, str] = {}


class AccessGrant(Record):
    """The resource as it is written in a file."""

    api_version: Literal["tre.research/v1alpha1"]
    kind: Literal["AccessGrant"]
    metadata: Metadata
    spec: AccessGrantSpec

    def signed_content(self) -> dict[str, object]:
        """What a signature covers: the name and the whole spec but for the evidence itself."""
        spec = self.spec.as_plain()
        spec["approval"].pop("evidence", None)
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.metadata.name,
            "spec": spec,
        }


class GrantRecord(Record):
    """A grant as the launcher keeps it: what was approved, and all that has happened to it since.

    `suspensions` holds every suspension that touches this grant, its organisation's included.
    `activated_at` is set once, when evidence, plan and slices were all in order. `confirmed_until` is the moment up
    to which a remote source vouches for the grant; `None` where the evidence itself is the source. `people` holds what
    is known of members, `organisation_required` what the project's organisation must hold.
    """

    name: ResourceName
    generation: int
    spec: AccessGrantSpec
    phase: GrantPhase = GrantPhase.Pending
    evidence_verified: bool = False
    suspensions: tuple[Suspension, ...] = ()
    activated_at: UtcTime | None = None
    revoked_at: UtcTime | None = None
    revoked_reason: Line = ""
    confirmed_until: UtcTime | None = None
    people: tuple[MemberFacts, ...] = ()
    organisation_required: tuple[Required, ...] = ()

    def facts(self, subject: Subject) -> MemberFacts:
        """What is known of one member; nothing is to be said of somebody whom `people` does not name."""
        return next((one for one in self.people if one.subject.key == subject.key), MemberFacts(subject=subject))
