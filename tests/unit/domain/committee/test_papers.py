"""Who reads the papers of an application: they and nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.applications import AUTHOR, PLAN, content_plain, member, seat
from tests.support.factories import BOB, EVE, NOON
from tre.domain.applications import acts, papers
from tre.domain.applications.models import Application, Attachment
from tre.domain.applications.papers import PaperTerms
from tre.domain.committee.models import Recusal, Seat
from tre.domain.committee.papers import can_read_papers, check_read_papers, require_paper, visible_papers
from tre.domain.committee.tally import Ballot
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Role, Subject

PROTOCOL = Attachment(name="protocol.pdf", digest=PLAN, bytes=4)
NOTES = Attachment(name="notes.md", digest="sha256:" + "ef" * 32, bytes=9)


def handed_in() -> Application:
    draft = acts.edit(acts.begin("a-abcdefghijkl", AUTHOR, NOON), AUTHOR, content_plain(), NOON)
    return acts.submit(papers.attach(draft, AUTHOR, PROTOCOL, PaperTerms(), NOON), AUTHOR, NOON)


def person(subject: Subject, *roles: Role) -> Person:
    return Person(subject=subject, display_name=subject.id, roles=frozenset(roles))


def why(who: Person, application: Application, *seats: Seat, recusals: Any = ()) -> Reason | None:
    ballot = Ballot(seats, (), recusals)
    try:
        check_read_papers(who, application, ballot, NOON)
    except TREError as error:
        assert not can_read_papers(who, application, ballot, NOON)
        return error.reason
    assert can_read_papers(who, application, ballot, NOON)
    return None


def test_the_author_and_the_named_people_read_what_was_handed_in() -> None:
    found = handed_in()
    named = [one.subject for one in found.content.people] if found.content else []
    assert len(named) > 0
    for subject in (AUTHOR.subject, *named):
        assert why(person(subject, Role.researcher), found) is None


def test_a_draft_is_read_by_its_author_alone() -> None:
    draft = acts.edit(acts.begin("a-abcdefghijkl", AUTHOR, NOON), AUTHOR, content_plain(), NOON)
    sitting = seat("pat", "patient")
    assert why(AUTHOR, draft) is None
    assert why(member(sitting.subject.id), draft, sitting) is Reason.ApplicationNotFound


def test_a_member_reads_while_the_seat_is_in_force_and_it_does_not_concern_them() -> None:
    found, sitting = handed_in(), seat("pat", "patient")
    who = member(sitting.subject.id)
    assert why(who, found, sitting) is None
    assert why(who, found, Seat.model_validate({**dict(sitting), "ended_at": NOON})) is Reason.SeatEnded
    assert why(who, found) is Reason.NotPermitted
    tied = Seat.model_validate(
        {**dict(sitting), "organisation": found.content.organisation.name if found.content else ""}
    )
    assert why(who, found, tied) is Reason.ConflictOfInterest
    aside = Recusal(application=found.id, voter=who.subject, why="A friend.", session="s", at=NOON)
    assert why(who, found, sitting, recusals=(aside,)) is Reason.ConflictOfInterest


@pytest.mark.parametrize("role", [Role.operator, Role.data_manager, Role.committee])
def test_a_role_alone_reads_nothing(role: Role) -> None:
    assert why(person(EVE, role), handed_in()) is Reason.NotPermitted


def test_a_stranger_learns_nothing() -> None:
    assert why(person(EVE, Role.researcher), handed_in()) is Reason.ApplicationNotFound


def test_others_do_not_see_what_the_author_is_drafting() -> None:
    back = acts.deferred(handed_in(), ["Why?"], NOON, Reason.ChangesRequested)
    back = papers.attach(back, AUTHOR, NOTES, PaperTerms(), NOON)
    assert visible_papers(AUTHOR, back) == [PROTOCOL, NOTES]
    assert visible_papers(person(BOB, Role.researcher), back) == [PROTOCOL]
    assert require_paper([PROTOCOL], PLAN) == PROTOCOL
    with pytest.raises(TREError) as caught:
        require_paper([PROTOCOL], NOTES.digest)
    assert caught.value.reason is Reason.ObjectNotFound
