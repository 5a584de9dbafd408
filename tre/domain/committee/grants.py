"""From what was voted on to what comes into force: the grant is the application, with nothing typed again.

Guarantees: project, people, slices, dates and legal basis are those of the content that was voted on; plan digests are
those that the votes name; a change of a running grant keeps every earlier condition and suspension.

Does not guarantee: conditions that are words. They stand in the decision's record, and people hold them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tre.domain import names
from tre.domain.applications.models import Application, ApplicationContent
from tre.domain.committee.register import register_of
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import (
    API_VERSION,
    AccessGrant,
    AccessGrantSpec,
    Approval,
    GrantSlice,
    LegalBasis,
    Member,
    Metadata,
    Project,
    WorkspaceTerms,
    approved_plan_digest,
)


def project_of(content: ApplicationContent) -> Project:
    """What is done and why, as the grant will say it."""
    return Project(
        title=content.title,
        lay_summary=content.lay_summary,
        public_benefit=content.public_benefit,
        organisation=content.organisation,
        ethics_reference=content.ethics.reference,
    )


@dataclass(frozen=True)
class Approving:
    """What a decision adds: by whom, when, under which codes, what was found in order; and what was in force before, if
    anything."""

    body: str
    at: datetime
    conditions: tuple[str, ...] = ()
    before: AccessGrantSpec | None = None
    criteria: tuple[str, ...] = ()


def name_of(application: Application) -> str:
    """The grant that an application becomes, or changes."""
    assert application.content is not None
    return application.varies or names.grant_name(application.content.title, application.id)


def reference_of(application: Application) -> str:
    """What letters and registers call the approval: the application and its round."""
    return f"{application.id}/{application.round}"


def grant_of(application: Application, approving: Approving) -> AccessGrant:
    """The grant, without its evidence. Raises `TREError(StateForbids)` where there is nothing that was voted on."""
    content = application.content
    if content is None or application.matter is None:
        raise TREError(Reason.StateForbids, "There is nothing that could have been approved.")
    digests = {item.name: item.plan_digest for item in application.plans}
    several = len(content.slices) > 1
    slices = tuple(
        GrantSlice(
            name=item.name,
            dataset=item.spec.dataset,
            release=item.spec.release,
            plan_digest=digests[item.name] if several else None,
            spec=item.spec,
        )
        for item in content.slices
    )
    before = approving.before
    spec = AccessGrantSpec(
        project=project_of(content),
        approval=Approval(
            body=approving.body,
            reference=reference_of(application),
            approved_at=approving.at,
            plan_digest=approved_plan_digest(slices, digests[content.slices[0].name]),
        ),
        members=tuple(Member(subject=one.subject, role=one.role) for one in content.people),
        not_before=content.starts,
        expires=content.ends,
        legal_basis=LegalBasis(name=content.legal_basis.name, ends=content.legal_basis.ends),
        conditions=tuple(sorted({*approving.conditions, *(before.conditions if before else ())})),
        slices=slices,
        workspace=WorkspaceTerms(profile=content.profile),
        suspensions=before.suspensions if before else (),
        register_details=register_of(content, approving.criteria),
    )
    metadata = Metadata(name=name_of(application))
    return AccessGrant(api_version=API_VERSION, kind="AccessGrant", metadata=metadata, spec=spec)
