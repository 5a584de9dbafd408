"""Seats at a review: who took one, who was given one, and when it lapses.

Guarantees: at most as many people review a turn at once as the quorum asks for, and one more while they disagree; a
seat that nobody uses is free again when its time is over, by the clock alone; nobody is given a seat while away.
A vote takes a free seat by itself, so that nobody has to claim first.

Does not guarantee: that somebody takes a seat. A request that nobody took shows as late, to everybody.

Threat: a second opinion shopped for among many; a request that waits for somebody who is on holiday.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import model_validator

from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import Claim, ExportRequest, RequestFile, Review
from tre.domain.exports.moves import check_phase
from tre.domain.exports.permissions import check_review, is_independent
from tre.domain.exports.policies import Decision, counted_reviews, counts, decision, quorum
from tre.domain.exports.situation import Situation
from tre.domain.exports.states import VOTING, ExportState
from tre.domain.model import Record, UtcTime
from tre.domain.people import Person, Role, Subject

Key = tuple[str, str]


class Absence(Record):
    """A checker is away: from `since`, until `until`."""

    checker: Subject
    since: UtcTime
    until: UtcTime

    @model_validator(mode="after")
    def _in_order(self) -> Absence:
        if self.until <= self.since:
            msg = "an absence ends after it begins"
            raise ValueError(msg)
        return self

    def covers(self, moment: datetime) -> bool:
        """Whether the checker is away then."""
        return self.since <= moment < self.until


def is_away(absences: Iterable[Absence], subject: Subject, moment: datetime) -> bool:
    """Whether somebody is away then."""
    return any(item.checker.key == subject.key and item.covers(moment) for item in absences)


def conflicted(request: ExportRequest, situation: Situation) -> tuple[RequestFile, ...]:
    """The outputs on which the counted votes disagree."""
    return tuple(f for f in request.outputs if decision(request, f, situation) is Decision.CONFLICTED)


def wants_third(request: ExportRequest, situation: Situation) -> bool:
    """Whether the reviews are in and disagree: one more checker may look, or be asked to."""
    return request.state is ExportState.Reviewed and bool(conflicted(request, situation))


def seats(request: ExportRequest, situation: Situation) -> int:
    """How many people may review at once now."""
    return quorum(situation.policy, situation.grant) + wants_third(request, situation)


def live_claims(request: ExportRequest, now: datetime) -> tuple[Claim, ...]:
    """The claims that have not lapsed."""
    return tuple(claim for claim in request.claims if now < claim.until)


def _is_whole(request: ExportRequest, review: Review) -> bool:
    votes = ((file, review.vote_on(file.path)) for file in request.outputs)
    return all(vote is not None and counts(request, file, vote) for file, vote in votes)


def holders(request: ExportRequest, situation: Situation) -> frozenset[Key]:
    """Who has a seat: people outside with a claim, or with a review that is in and about what is there now."""
    handed = {r.checker.key for r in counted_reviews(request, situation.grant) if _is_whole(request, r)}
    claimed = {
        claim.checker.key
        for claim in live_claims(request, situation.now)
        if is_independent(claim.checker, request, situation.grant)
    }
    return frozenset(handed | claimed)


def free_seats(request: ExportRequest, situation: Situation) -> int:
    """How many more people may review now."""
    return max(0, seats(request, situation) - len(holders(request, situation)))


def _claim(checker: Subject, by: Subject, situation: Situation) -> Claim:
    rules = situation.policy.spec.review
    until = rules.working.after(situation.now, rules.claim_hours)
    return Claim(checker=checker, at=situation.now, until=until, by=by)


def seated(request: ExportRequest, checker: Subject, by: Subject, situation: Situation) -> ExportRequest:
    """The request with a seat for this checker; the same where there is one. Raises `TREError(StateForbids)`."""
    if checker.key in holders(request, situation):
        return request
    if not free_seats(request, situation):
        raise TREError(
            Reason.StateForbids,
            "All seats at this review are taken.",
            why=f"It takes {seats(request, situation)} people, and so many have it in hand.",
            remedy="Take another request. A seat is free again when its holder gives it back or lets it lapse.",
        )
    kept = [claim for claim in live_claims(request, situation.now) if claim.checker.key != checker.key]
    return request.changed(claims=(*kept, _claim(checker, by, situation)), changed_at=situation.now)


def unseated(request: ExportRequest, checker: Subject, situation: Situation) -> ExportRequest:
    """The request without this checker's claim; a review that is in keeps its seat by itself."""
    kept = tuple(claim for claim in request.claims if claim.checker.key != checker.key)
    return request if kept == request.claims else request.changed(claims=kept, changed_at=situation.now)


def claim(request: ExportRequest, person: Person, situation: Situation) -> ExportRequest:
    """Take a seat. Raises `TREError(StateForbids)` where it is taken already, or none is free."""
    check_review(person, request, situation.grant)
    check_phase(request, *VOTING)
    return _given(request, person.subject, person.subject, situation)


def _given(request: ExportRequest, checker: Subject, by: Subject, situation: Situation) -> ExportRequest:
    if checker.key in holders(request, situation):
        raise TREError(Reason.StateForbids, "That seat is taken already.", why="One person has one seat.")
    return seated(request, checker, by, situation)


def check_assign(person: Person, request: ExportRequest, situation: Situation) -> None:
    """Operators who stand outside give seats to checkers; checkers with a review in ask for a third by name.

    Raises `TREError(NotPermitted)` or `TREError(StateForbids)`.
    """
    outside = is_independent(person.subject, request, situation.grant)
    review = request.review_of(person.subject)
    asks = wants_third(request, situation) and review is not None and review.submitted_at is not None
    if not outside or not (person.holds(Role.operator) or (person.holds(Role.checker) and asks)):
        raise TREError(
            Reason.NotPermitted,
            "You cannot give this request to a checker.",
            why="Operators outside the project do; reviewers whose votes disagree ask for one more.",
        )
    check_phase(request, *VOTING)


def assign(
    request: ExportRequest, person: Person, checker: Person, situation: Situation, absences: tuple[Absence, ...] = ()
) -> ExportRequest:
    """Give a checker a seat. Raises `TREError`: see `check_assign`; also where that checker is away or inside."""
    check_assign(person, request, situation)
    check_review(checker, request, situation.grant)
    if is_away(absences, checker.subject, situation.now):
        raise TREError(Reason.StateForbids, "That checker is away.", remedy="Choose another.")
    return _given(request, checker.subject, person.subject, situation)


def give_back(request: ExportRequest, person: Person, situation: Situation) -> ExportRequest:
    """Leave a seat that was claimed and not used. Raises `TREError(StateForbids)` where there is none."""
    check_review(person, request, situation.grant)
    if person.subject.key not in {item.checker.key for item in live_claims(request, situation.now)}:
        raise TREError(Reason.StateForbids, "You have not taken this request.")
    return unseated(request, person.subject, situation)


def reserved(request: ExportRequest, checkers: tuple[Subject, ...], situation: Situation) -> tuple[Claim, ...]:
    """Seats of a new turn for those whose votes were kept, as many as there are."""
    most = seats(request, situation)
    return tuple(_claim(checker, checker, situation) for checker in checkers[:most])


def load_of(requests: Iterable[ExportRequest], subject: Subject, now: datetime) -> int:
    """How many requests somebody has taken and not yet reviewed."""
    return sum(
        any(item.checker.key == subject.key for item in live_claims(request, now))
        for request in requests
        if request.phase in VOTING
    )
