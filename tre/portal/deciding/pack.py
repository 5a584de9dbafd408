"""The committee's pack: agenda, applications and minutes on paper, for one member.

Guarantees: a pack is made for somebody who sits now. Nobody has one without an event that says who, which matters and
which bytes; where the agenda changed while it was made, there is none. One is made at a time.

Does not guarantee: what becomes of paper. Each page says for whom it is and who fetched it.

Threat: a pack that is passed on; many packs at once, to keep the portal busy.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from tre.domain.committee.voting import Act
from tre.domain.errors import Reason, TREError
from tre.pdf import Paper, make_pdf
from tre.portal.applying import words
from tre.portal.context import Portal
from tre.portal.deciding.pack_views import Gathering, Pack, choose
from tre.portal.pages import environment
from tre.store import committee

MEDIA_TYPE = "application/pdf"
_being_made = threading.Lock()


@dataclass(frozen=True)
class MadePack:
    """A pack as a file."""

    pack: Pack
    data: bytes

    @property
    def sha256(self) -> str:
        """The digest of its bytes."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    @property
    def name(self) -> str:
        """What the file is called."""
        return f"committee-pack-{self.pack.now:%Y-%m-%d}.pdf"


def make(portal: Portal, act: Act, since: datetime | None = None) -> MadePack:
    """Make a member's pack and record that they have it; minutes begin at `since`.

    Raises `TREError(NotPermitted | SeatEnded)` as `check_sits`, `TREError(ServiceUnavailable)` while another is made,
    `TREError(Conflict)` where the agenda changed meanwhile.
    """
    with _alone():
        with portal.database.read() as connection:
            pack = Gathering(portal, connection, act, since).pack()
        made = MadePack(pack, make_pdf(markup_of(pack), _paper(pack)))
    said = {"sha256": made.sha256, "matters": pack.matters, "leftOut": len(pack.aside)}
    event = committee.event_of("committee.pack-fetched", f"seat/{pack.seat.id}", act, **said)
    with portal.database.change(event) as change:
        if choose(change.connection, act).matters != pack.matters:
            raise TREError(
                Reason.Conflict,
                "The agenda changed while the pack was made.",
                why="A pack is of one moment.",
                remedy="Fetch it again.",
            )
    return made


@contextmanager
def _alone() -> Iterator[None]:
    if not _being_made.acquire(blocking=False):
        raise TREError(
            Reason.ServiceUnavailable,
            "Another pack is being made.",
            why="One is made at a time, so that pages stay quick.",
            remedy="Ask again in a minute.",
        )
    try:
        yield
    finally:
        _being_made.release()


def markup_of(pack: Pack) -> str:
    """The pack as the markup that papers are made from."""
    page = environment().get_template("deciding/pack.html")
    return page.render(pack=pack, terms=pack.policy.spec, say=words, now=pack.now)


def _paper(pack: Pack) -> Paper:
    body, seat = pack.policy.spec.body, pack.seat
    at = f"{pack.now.day} {pack.now:%B %Y, %H:%M} UTC"
    return Paper(
        title=f"{body}: pack of {pack.now.day} {pack.now:%B %Y}",
        author=body,
        notice=f"For committee members of {body} only. Fetched by {seat.name} ({seat.subject}), {at}.",
        at=pack.now,
    )
