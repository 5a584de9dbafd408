"""The grant that an entitlement elsewhere becomes: everything of a signed template, for the people that are entitled.

Guarantees: what a grant opens, for which purpose and under which conditions stands in a template that an approving
body signed for exactly this source and this resource; the source adds who, from when and until when, and nothing else.
The end is the earliest of the entitlements' ends, the template's, and the longest term that the policy allows. A
template names nobody, so no signed grant of real people can be used as one.

Threat: a policy that points to another project's signed grant; a source that never names an end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant, AccessGrantSpec, GrantRecord, Member, MemberRole, Metadata
from tre.domain.model import parse_record
from tre.domain.names import short_hash
from tre.domain.people import Subject
from tre.domain.sources.policy import RemsSource
from tre.domain.sources.truth import Entitlement, Key

PREFIX = "from-"
"""Begins the name of every grant that a source elsewhere opens, and evidence of that kind counts for no other."""

EVERYBODY = "approved"


def everybody_of(source: str) -> Subject:
    """Whom a template names in place of people: nobody who could sign in."""
    return Subject(issuer=f"source:{source}", id=EVERYBODY)


def check_template(template: AccessGrant, source: str) -> str:
    """The resource that a template opens (its approval's reference). Raises `TREError(EvidenceUnverified)` for a grant
    that is no template of this source."""
    named = [member.subject.key for member in template.spec.members]
    if named != [everybody_of(source).key]:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {template.metadata.name!r} is no template of the source {source!r}.",
            why=f"Its one member must be {everybody_of(source)}, so that no signed grant of people is taken for one.",
            remedy="Write a template, and have the approving body sign it.",
        )
    return template.spec.approval.reference


def check_name(grant: AccessGrant) -> None:
    """Raise `TREError(EvidenceUnverified)` for a grant whose name says that it comes from nowhere else."""
    if not grant.metadata.name.startswith(PREFIX):
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {grant.metadata.name!r} is said to come from elsewhere and does not begin with {PREFIX!r}.",
            why="It would take the place of a project's grant of that name.",
        )


def grant_name(source: str, key: Key, number: int) -> str:
    """The name of the grant of an application and a resource; `number` counts those that ended before it."""
    application, resource = key
    mark = short_hash("source", source, str(application), resource, str(number))
    return f"{PREFIX}{source}-{application % 10**9}-{mark}"


def begun_at(people: Sequence[Entitlement]) -> datetime:
    """When the newest of these entitlements began: what was ended is opened again by one that is later alone."""
    return max(one.start for one in people)


def derive(template: AccessGrant, people: Sequence[Entitlement], source: RemsSource, number: int) -> AccessGrant:
    """The grant of these people, all of one application and resource; without evidence yet.

    Raises `TREError(GrantExpired)` where its time would be over before it begins, `TREError(BadInput)` where the
    template's law ends before.
    """
    first = people[0]
    begins = max(min(one.start for one in people), template.spec.not_before)
    ends = [one.end for one in people if one.end is not None]
    expires = min(*ends, begins + timedelta(days=source.longest_days), template.spec.expires)
    if expires <= begins:
        raise TREError(
            Reason.GrantExpired,
            f"The application {first.application} has no time left: it would end before it begins.",
            why="The earliest of the ends of the entitlement, the template and the policy counts.",
        )
    reference = f"{source.name} application {first.application}, {first.resource}"[:200].strip()
    changes = {
        "members": tuple(_member(source, one) for one in people),
        "not_before": begins,
        "expires": expires,
        "approval": template.spec.approval.model_copy(
            update={"reference": reference, "approved_at": begins, "evidence": None}
        ),
    }
    spec = parse_record(AccessGrantSpec, dict(template.spec) | changes, source=reference)
    metadata = Metadata(name=grant_name(source.name, first.key, number))
    return AccessGrant(api_version=template.api_version, kind=template.kind, metadata=metadata, spec=spec)


def _member(source: RemsSource, one: Entitlement) -> Member:
    return Member(subject=Subject(issuer=source.issuer, id=one.user), role=MemberRole.researcher)


def takes_away(before: GrantRecord, after: AccessGrantSpec) -> bool:
    """Whether a new content gives nothing that the old one did not: then nothing has to be waited for."""
    less = after.model_copy(
        update={
            "members": before.spec.members,
            "expires": before.spec.expires,
            "not_before": before.spec.not_before,
            "approval": before.spec.approval,
        }
    )
    people = {(member.subject.key, member.role) for member in before.spec.members}
    return (
        less == before.spec
        and after.approval.plan_digest == before.spec.approval.plan_digest
        and after.expires <= before.spec.expires
        and after.not_before >= before.spec.not_before
        and {(member.subject.key, member.role) for member in after.members} <= people
    )


def gives_no_more(before: GrantRecord, people: Sequence[Entitlement]) -> bool:
    """Whether a grant as it is lets nobody in but these people, and no longer than the source says."""
    entitled = {one.user for one in people}
    in_time = all(one.end is None or before.spec.expires <= one.end for one in people)
    return in_time and all(member.subject.id in entitled for member in before.spec.members)
