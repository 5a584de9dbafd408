"""What pages and API show beside files and votes: comments, seats, labels, attempts, links.

Guarantees: comments come from what `seen_by` lets a person read; the author's side sees no checker's name beside one,
no seat and no number of attempts.

Threat: a name beside a doubt, by which an author would know whom to press.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from tre.domain.exports import claims
from tre.domain.exports.attempts import Attempts, of_a_week
from tre.domain.exports.exceptions import awaiting_steward
from tre.domain.exports.labels import ColumnLabel
from tre.domain.exports.links import Link
from tre.domain.exports.models import Claim, Comment, ExportRequest, Finding, Readers, RequestFile
from tre.domain.exports.states import VOTING
from tre.domain.people import Person
from tre.portal.export_actions import Found
from tre.portal.views import display_name
from tre.store import export_desk

A_CHECKER = "A checker"


@dataclass(frozen=True)
class CommentView:
    """A comment that a person may read: whose, and whether its reader may still open it to the author."""

    comment: Comment
    name: str
    own: bool
    by_author: bool
    openable: bool


@dataclass(frozen=True)
class SeatView:
    """A seat that is taken: whose, until when."""

    claim: Claim
    name: str


@dataclass(frozen=True)
class Seats:
    """How many people review, who has it in hand, and whether the votes disagree."""

    needed: int
    free: int
    taken: tuple[SeatView, ...]
    own: Claim | None
    third: bool
    conflicted: tuple[RequestFile, ...]
    """Named only to those who may see the votes."""


@dataclass(frozen=True)
class Dialogue:
    """All of it, for one person and one moment."""

    comments: tuple[CommentView, ...]
    labels: tuple[ColumnLabel, ...]
    links: tuple[Link, ...]
    seats: Seats | None
    attempts: Attempts | None
    stewarded: tuple[Finding, ...]

    def on(self, group: str, path: str | None) -> tuple[CommentView, ...]:
        """The comments on a group itself, or on one file of it."""
        return tuple(item for item in self.comments if (item.comment.group, item.comment.path) == (group, path))


def dialogue_of(
    connection: Connection, person: Person, found: Found, shown: ExportRequest, *, outside: bool
) -> Dialogue:
    """What stands beside a request, as the person may see it."""
    request, situation = found.request, found.situation
    inside = situation.grant.is_member(person.subject)
    reviewing = outside and request.phase in VOTING
    attempts = export_desk.attempts_of(connection, request.grant, situation.now) if outside else ()
    return Dialogue(
        comments=tuple(_comment(connection, item, person, shown, outside=outside) for item in shown.comments),
        labels=export_desk.labels_of(connection, request.grant),
        links=tuple(
            link
            for link in (export_desk.links_of(connection, request.id) if inside else ())
            if link.by.key == person.subject.key
        ),
        seats=_seats(connection, person, found) if reviewing else None,
        attempts=of_a_week(attempts, situation.now) if outside else None,
        stewarded=awaiting_steward(request, situation) if reviewing else (),
    )


def _comment(
    connection: Connection, item: Comment, person: Person, shown: ExportRequest, *, outside: bool
) -> CommentView:
    by_author = item.by.key == shown.author.key
    own = item.by.key == person.subject.key
    named = outside or own or by_author
    return CommentView(
        comment=item,
        name=display_name(connection, item.by) if named else A_CHECKER,
        own=own,
        by_author=by_author,
        openable=own and item.readers is Readers.private and item.turn == shown.turn and shown.phase in VOTING,
    )


def _seats(connection: Connection, person: Person, found: Found) -> Seats:
    request, situation = found.request, found.situation
    live = claims.live_claims(request, situation.now)
    own = request.review_of(person.subject)
    comparing = own is not None and own.submitted_at is not None and not own.void
    third = claims.wants_third(request, situation)
    return Seats(
        needed=claims.seats(request, situation),
        free=claims.free_seats(request, situation),
        taken=tuple(SeatView(item, display_name(connection, item.checker)) for item in live),
        own=next((item for item in live if item.checker.key == person.subject.key), None),
        third=third,
        conflicted=claims.conflicted(request, situation) if third and comparing else (),
    )
