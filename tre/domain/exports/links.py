"""One-time links to a release: who makes one, and until when it opens.

Guarantees: a link opens once, before its time is over, while the request is released, its project not stopped, and
its maker still in the project; a recall or a revocation ends it at that moment, since each opening asks again. Only
the digest of its token is kept.

Does not guarantee: who opens it. Whoever holds the token is let in; each opening stands in the log.

Threat: a link that was passed on and works for ever; a copy of the record that opens releases.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import ExportId, ExportRequest, Sha256
from tre.domain.exports.permissions import check_download
from tre.domain.exports.situation import Situation
from tre.domain.exports.states import ExportState
from tre.domain.model import Record, UtcTime
from tre.domain.people import Person, Subject

MOST_OPEN = 20
"""Links of one release that may be open at once."""


class Link(Record):
    """A one-time link, by the SHA-256 of its token."""

    token: Sha256
    request: ExportId
    by: Subject
    at: UtcTime
    until: UtcTime
    used_at: UtcTime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether its time is not over and nobody used it."""
        return self.used_at is None and now < self.until


def token_digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def make_link(
    request: ExportRequest, person: Person, token: str, known: tuple[Link, ...], situation: Situation
) -> Link:
    """A link for a member of the project. Raises `TREError`: see `permissions.check_download`; or too many are open."""
    check_download(person, request, situation.grant)
    if situation.grant.stopped is not None:
        raise TREError(situation.grant.stopped, "Nothing of this project may leave now.")
    if sum(link.is_open(situation.now) for link in known) >= MOST_OPEN:
        raise TREError(Reason.RateLimited, f"{MOST_OPEN} links to this release are open.", remedy="Use one of them.")
    until = situation.now + timedelta(hours=situation.policy.spec.review.link_hours)
    return Link(token=token_digest(token), request=request.id, by=person.subject, at=situation.now, until=until)


def check_link(link: Link, request: ExportRequest, situation: Situation) -> None:
    """Raise `TREError(ExportNotFound)` unless the link opens its release now; always in the same words."""
    good = (
        link.is_open(situation.now)
        and link.request == request.id
        and request.state is ExportState.Released
        and situation.grant.stopped is None
        and situation.grant.is_member(link.by)
    )
    if not good:
        raise no_link()


def no_link() -> TREError:
    """What everybody reads whose link opens nothing: it does not say whether it ever did."""
    return TREError(
        Reason.ExportNotFound,
        "This link opens nothing.",
        why="It was used, its time is over, it was called back, or it never was.",
        remedy="Ask whoever sent it for another.",
    )
