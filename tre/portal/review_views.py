"""What the review desk shows a checker of a request, beside the request itself.

Guarantees: votes of others, and what they add up to, are here only once this checker's own review is in and the turn
is complete; everything else comes from `seen_by`. What was released before of the same grant stands beside each file.

Threat: a second opinion that only repeats the first; a number that differs by one from what was released last month.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tre.domain.errors import TREError
from tre.domain.exports.conduct import Reply
from tre.domain.exports.models import ExportRequest, RequestFile, Review, Vote
from tre.domain.exports.policies import Decision, check_approvable, decision, is_current, quorum
from tre.domain.exports.states import BlindPhase, ExportState, Owner
from tre.domain.people import Person
from tre.portal.context import Portal
from tre.portal.export_actions import Found
from tre.portal.export_views import ExportRow, ExportView, FileView, export_view
from tre.portal.review_actions import seen_mark
from tre.portal.views import display_name
from tre.store import events, exports

LEFT = frozenset({ExportState.Released, ExportState.Recalled})


@dataclass(frozen=True)
class CastVote:
    """A vote that may be seen: whose, of which turn, and whether it is about the present bytes and checks."""

    name: str
    turn: int
    vote: Vote
    current: bool
    own: bool


@dataclass(frozen=True)
class Earlier:
    """A file that left before: in which request, when, under which path, as which bytes."""

    export: str
    at: datetime
    path: str
    sha256: str
    size: int
    recalled: bool


@dataclass(frozen=True)
class ReviewedFile:
    """A file with what was said about it, and what of it left before."""

    view: FileView
    own: Vote | None
    stale: bool
    votes: tuple[CastVote, ...]
    decision: Decision | None
    before: tuple[Earlier, ...]

    @property
    def file(self) -> RequestFile:
        """The file itself."""
        return self.view.file

    @property
    def same_as_before(self) -> bool:
        """Whether these very bytes left before."""
        return any(item.sha256 == self.file.sha256 for item in self.before)


@dataclass(frozen=True)
class ReviewView:
    """One request at the review desk."""

    view: ExportView
    files: tuple[ReviewedFile, ...]
    own: Review | None
    comparing: bool
    quorum: int
    earlier: tuple[Earlier, ...]
    seen: str
    obstacle: TREError | None
    attempts: int
    replies: tuple[Reply, ...]

    @property
    def outputs(self) -> tuple[ReviewedFile, ...]:
        """The files to vote on."""
        return tuple(item for item in self.files if item.file in self.view.request.outputs)

    @property
    def kept(self) -> int:
        """How many of this checker's votes were kept from an earlier turn and wait to be confirmed."""
        return sum(vote.kept for vote in self.own.votes) if self.own else 0

    @property
    def voted(self) -> int:
        """How many outputs have this checker's present, decided vote."""
        return sum(self._decided(item) for item in self.outputs)

    @property
    def unvoted(self) -> ReviewedFile | None:
        """The first output that lacks this checker's present, decided vote."""
        return next((item for item in self.outputs if not self._decided(item)), None)

    @staticmethod
    def _decided(item: ReviewedFile) -> bool:
        return item.own is not None and not item.stale and not item.own.kept and item.own.choice != "Undecided"

    @property
    def submitted(self) -> bool:
        """Whether this checker's review is in."""
        return self.own is not None and self.own.submitted_at is not None

    def of_group(self, name: str) -> tuple[ReviewedFile, ...]:
        """The files of a group, without those taken back."""
        return tuple(i for i in self.files if i.view.group == name and i.file in self.view.request.shown)

    def file_at(self, key: str) -> ReviewedFile | None:
        """The file whose page has this key."""
        return next((item for item in self.files if item.view.key == key), None)

    def after(self, key: str) -> str | None:
        """The key of the next output that lacks this checker's vote, the one at `key` aside."""
        keys = [item.view.key for item in self.outputs]
        place = keys.index(key) + 1 if key in keys else 0
        turned = [*self.outputs[place:], *self.outputs[:place]]
        missing = (i for i in turned if i.view.key != key and not self._decided(i))
        return next((item.view.key for item in missing), None)


def review_view(portal: Portal, connection: Connection, person: Person, found: Found) -> ReviewView:
    """A request for one checker, now."""
    view = export_view(portal, connection, person, found)
    own = view.request.review_of(person.subject)
    own = None if own is not None and own.void else own
    comparing = _may_compare(found.request, own)
    earlier = _earlier(connection, found.request)
    cast = _cast(connection, person, view.request)
    files = tuple(
        ReviewedFile(
            view=item,
            own=own.vote_on(item.file.path) if own else None,
            stale=_is_stale(view.request, item.file, own),
            votes=tuple(vote for vote in cast if vote.vote.path == item.file.path),
            decision=decision(found.request, item.file, found.situation) if comparing else None,
            before=tuple(e for e in earlier if item.file.path == e.path or item.file.sha256 == e.sha256),
        )
        for item in view.files
    )
    subject = events.EventSearch(object=f"export/{found.request.id}", kind="export.checked", limit=events.MAX_PAGE)
    return ReviewView(
        view=view,
        files=files,
        own=own,
        comparing=comparing,
        quorum=quorum(found.situation.policy, found.situation.grant),
        earlier=earlier,
        seen=seen_mark(found.request),
        obstacle=_obstacle(found) if comparing else None,
        attempts=len(events.search(connection, subject)),
        replies=found.situation.policy.spec.replies,
    )


def _cast(connection: Connection, person: Person, shown: ExportRequest) -> tuple[CastVote, ...]:
    """Every vote that the person may see, the newest turn first."""
    files = {file.path: file for file in shown.files}
    return tuple(
        CastVote(
            name=display_name(connection, review.checker),
            turn=review.turn,
            vote=vote,
            current=review.turn == shown.turn and vote.path in files and is_current(shown, files[vote.path], vote),
            own=review.checker.key == person.subject.key,
        )
        for review in sorted(shown.reviews, key=lambda item: -item.turn)
        for vote in review.votes
    )


def _is_stale(request: ExportRequest, file: RequestFile, own: Review | None) -> bool:
    vote = own.vote_on(file.path) if own else None
    return vote is not None and not is_current(request, file, vote)


def _may_compare(request: ExportRequest, own: Review | None) -> bool:
    handed_in = own is not None and own.submitted_at is not None
    return request.phase is BlindPhase.COMPLETE or (request.phase is BlindPhase.CONSOLIDATING and handed_in)


def _obstacle(found: Found) -> TREError | None:
    """Why the release cannot be confirmed now."""
    try:
        check_approvable(found.request, found.situation)
    except TREError as error:
        return error
    return None


def _earlier(connection: Connection, request: ExportRequest) -> tuple[Earlier, ...]:
    """Every file of the grant that left before, the newest release first."""
    left = [r for r in exports.of_grant(connection, request.grant) if r.state in LEFT and r.id != request.id]
    return tuple(
        Earlier(r.id, r.release.at, f.path, f.sha256, f.size, r.state is ExportState.Recalled)
        for r in sorted(left, key=lambda item: item.changed_at, reverse=True)
        if r.release is not None
        for f in r.outputs
    )


def turn_of(row: ExportRow, person: Person) -> str:
    """Whose turn it is, for one checker: `you`, `another`, `author`, `service`, or nobody's."""
    if row.clock.owner is not Owner.checker:
        return {Owner.author: "author", Owner.system: "service", None: ""}[row.clock.owner]
    own = row.request.review_of(person.subject)
    if own is None or own.submitted_at is None or own.void:
        return "you"
    return "you" if row.request.state is ExportState.Reviewed else "another"
