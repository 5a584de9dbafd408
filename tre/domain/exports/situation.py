"""What a rule must know beside the request: the grant, the policy in force, and the time.

Guarantees: whoever asks a rule brings the facts of this moment, so that a member added or a grant revoked since a
vote was cast counts at once. Nothing here is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tre.domain.duties import Duty, Part, is_apart
from tre.domain.errors import Reason
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject

if TYPE_CHECKING:
    from tre.domain.grants.models import GrantRecord


class GrantFacts(Record):
    """What the airlock needs of a grant.

    `title` is the project's and `reference` its approval's. `author` says whether the request's author may work in the
    grant now; `stopped` is why nothing of the grant may leave now, if so. A grant that simply ended does not stop what
    was submitted while it ran; `over` is why nothing comes in any more, for good.
    """

    name: Line
    title: Line
    reference: Line
    members: tuple[Subject, ...]
    reviewers: Annotated[int, Field(ge=1)] | None = None
    author: Reason = Reason.Entitled
    stopped: Reason | None = None
    over: Reason | None = None

    def is_member(self, subject: Subject) -> bool:
        """Whether a person is in the project."""
        return any(member.key == subject.key for member in self.members)

    def keeps_apart(self, duty: Duty, person: Subject, author: Subject, checkers: Iterable[Subject] = ()) -> bool:
        """Whether a person stands apart from whom a duty about this author's request must be kept from."""
        return is_apart(duty, person, {Part.author: (author,), Part.member: self.members, Part.checker: checkers})


class Situation(Record):
    """The facts of one moment, for the rules. `release_delay` is the time in which an approval can be stopped."""

    grant: GrantFacts
    policy: AirlockPolicy
    now: UtcTime
    release_delay: timedelta = timedelta(seconds=5)


def grant_facts(grant: GrantRecord, author: Subject, now: datetime) -> GrantFacts:
    """The facts of a stored grant for what one author asks."""
    from tre.domain.entitlement import is_entitled  # noqa: PLC0415 - grants are not needed to judge a file
    from tre.domain.grants.models import SuspensionScope  # noqa: PLC0415
    from tre.domain.grants.policies import effective_end, suspension_of  # noqa: PLC0415

    suspension = suspension_of(grant, author, now)
    stopped = Reason.GrantRevoked if grant.revoked_at is not None else None
    over = stopped or (Reason.GrantExpired if effective_end(grant.spec).at <= now else None)
    if stopped is None and suspension is not None:
        stopped = {
            SuspensionScope.grant: Reason.GrantSuspended,
            SuspensionScope.member: Reason.MemberSuspended,
            SuspensionScope.organisation: Reason.OrganisationSuspended,
        }[suspension.scope]
    return GrantFacts(
        name=grant.name,
        title=grant.spec.project.title,
        reference=grant.spec.approval.reference,
        members=tuple(member.subject for member in grant.spec.members),
        reviewers=grant.spec.export.reviewers,
        author=is_entitled(grant, author, now).reason,
        stopped=stopped,
        over=over,
    )
