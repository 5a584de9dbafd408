"""What members of the committee do at the desk: vote, stand aside, close a vote, stop a project, declare interests.

Guarantees: pages and API do the same by calling the same function here; the domain says what is permitted, in the
transaction that keeps it; a vote is about what the page showed. Words of a vote stay in the record, not in the log.

Threat: a form that was opened before the application changed; a member whose term has ended; a vote sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tre.domain.applications import permissions
from tre.domain.applications.models import Application
from tre.domain.committee import voting
from tre.domain.committee.eligibility import check_may_vote, check_not_voted, check_sits
from tre.domain.committee.models import Seat, VoteText
from tre.domain.committee.policy import CommitteePolicy
from tre.domain.committee.tally import Ballot
from tre.domain.committee.voting import Act
from tre.domain.desk.permissions import check_read_record
from tre.domain.errors import Reason, TREError, passes
from tre.domain.grants.states import ENDED_PHASES
from tre.portal.context import Desk
from tre.portal.sessions import Visitor
from tre.sources.committee_policy import load_committee
from tre.store import applications, committee, grants

LONGEST_WHY = 500
_may_vote = passes(check_may_vote)


@dataclass(frozen=True)
class Matter:
    """An application with everything that a count of it is made of."""

    application: Application
    ballot: Ballot
    policy: CommitteePolicy


def policy_of(desk: Desk) -> CommitteePolicy:
    """The committee's policy, as it is now. Raises `TREError(PolicyMissing | BadInput)`."""
    return load_committee(desk.layout.root)


def act_of(desk: Desk, who: Visitor) -> Act:
    """Who acts, in which session, now."""
    return Act(who.person, who.session.id, desk.clock.now())


def find(desk: Desk, connection: Connection, who: Visitor, name: str) -> Matter:
    """What was handed in, for who reads the record. Raises `TREError(NotPermitted | ApplicationNotFound)`."""
    return find_all(desk, connection, who, [name])[0]


def find_all(desk: Desk, connection: Connection, who: Visitor, names: Sequence[str]) -> list[Matter]:
    """The same of several, read together."""
    check_read_record(who.person)
    known, ballots = applications.among(connection, names), committee.ballots(connection, names)
    policy = policy_of(desk)
    found = []
    for name in names:
        if (application := known.get(name)) is None:
            raise permissions.not_found()
        permissions.check_view(who.person, application)
        if application.round == 0:  # a reader's own draft has its own pages
            raise permissions.not_found()
        found.append(Matter(application, ballots[name], policy))
    return found


def vote(desk: Desk, who: Visitor, name: str, text: VoteText, matter: str) -> None:
    """Cast a vote on what was shown. Raises as `voting.cast`."""
    act, terms = act_of(desk, who), policy_of(desk).spec
    with desk.database.read() as connection:
        found = find(desk, connection, who, name)
        voting.cast(found.application, text, matter, found.ballot, terms, act)
    event = committee.event_of("committee.voted", f"application/{name}", act, matter=matter)
    with desk.database.change(event) as change:
        committee.cast(change, name, text, matter, terms, act)


def recuse(desk: Desk, who: Visitor, name: str, why: str) -> None:
    """Stand aside. Raises as `voting.recuse`, `TREError(BadInput)` without a reason."""
    act = act_of(desk, who)
    with desk.database.read() as connection:
        find(desk, connection, who, name)
    _check_why(why)
    event = committee.event_of("committee.recused", f"application/{name}", act)
    with desk.database.change(event) as change:
        committee.recuse(change, name, why, act)


def close(desk: Desk, who: Visitor, name: str) -> None:
    """Close the vote. Raises as `voting.check_close`."""
    act, terms = act_of(desk, who), policy_of(desk).spec
    with desk.database.read() as connection:
        find(desk, connection, who, name)
    event = committee.event_of("committee.closed", f"application/{name}", act)
    with desk.database.change(event) as change:
        committee.close(change, name, terms, act)


def stop(desk: Desk, who: Visitor, grant: str, typed: str, why: str) -> bool:
    """Vote to stop a running project; whether it is stopped by that, once its name was typed.

    Raises `TREError(ConfirmationWrong | BadInput)`, and as `store.committee.stop`.
    """
    act, policy = act_of(desk, who), policy_of(desk)
    with desk.database.read() as connection:
        check_sits(who.person, committee.seats(connection), act.now)
        if grants.require(connection, grant).phase in ENDED_PHASES:
            raise TREError(Reason.StateForbids, "There is nothing to stop.", why="The project has ended.")
    if typed != grant:
        raise TREError(
            Reason.ConfirmationWrong, "What you typed is not the name of the project.", remedy=f"Type {grant}."
        )
    _check_why(why)
    event = committee.event_of("grant.stop-voted", f"grant/{grant}", act)
    with desk.database.change(event) as change:
        return committee.stop(change, grant, why, policy, act) is not None


def declare(desk: Desk, who: Visitor, interests: Sequence[str]) -> Seat:
    """Say of oneself which organisations and people one is tied to. Raises as `check_sits`."""
    act = act_of(desk, who)
    with desk.database.read() as connection:
        seat = check_sits(who.person, committee.seats(connection), act.now)
    event = committee.event_of("committee.interests-declared", f"seat/{seat.id}", act, count=len(interests))
    with desk.database.change(event) as change:
        return committee.declare(change, seat.id, interests)


def _check_why(why: str) -> None:
    if not why or len(why) > LONGEST_WHY:
        raise TREError(
            Reason.BadInput,
            "A reason is due.",
            why=f"It has 1 to {LONGEST_WHY} characters.",
            remedy="Say why, briefly.",
        )


def vote_refusal(who: Visitor, matter: Matter, act: Act) -> TREError | None:
    """Why the person cannot vote now; `None` where they can."""
    try:
        seat = check_may_vote(who.person, matter.application, matter.ballot.seats, matter.ballot.recusals, act.now)
        check_not_voted(seat, matter.application, matter.ballot.votes)
    except TREError as error:
        return error
    return None


def allowed(who: Visitor, matter: Matter, act: Act) -> list[str]:
    """What a person may do with an application at the committee's desk: buttons and `allowedActions`."""
    app, ballot = matter.application, matter.ballot
    may = {
        "vote": vote_refusal(who, matter, act) is None,
        "recuse": _may_vote(who.person, app, ballot.seats, ballot.recusals, act.now),
        "close": voting.can_close(app, ballot, matter.policy.spec, act),
    }
    return [name for name, can in may.items() if can]
