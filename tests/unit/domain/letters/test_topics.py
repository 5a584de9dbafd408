"""Who is told what: the table, and what can never get out through it."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from tests.support.factories import ALICE, BOB, NOON
from tre.domain.events import Event, program
from tre.domain.letters.models import PAGE, Letter
from tre.domain.letters.table import KINDS, TOPICS
from tre.domain.letters.topics import Circle, Relation, Topic, drafts, safe_words
from tre.domain.letters.writing import letter_id
from tre.domain.people import Subject

CAROL, DAVE = Subject(issuer="local", id="carol"), Subject(issuer="local", id="dave")
WORDS = {
    "number": "1",
    "name": "e-abcdefabcdef",
    "grant": "nccid-00123",
    "ends": "2026-11-30 12:00 UTC",
    "day": "2026-11-30",
}
SECRET = "Mrs Miller, 7 people, results.csv"


def event(kind: str, actor: Subject = CAROL, **detail: Any) -> Event:
    return Event(id="ab" * 16, at=NOON, actor=actor, kind=kind, object="export/e-abcdefabcdef", detail=detail)


def circle(state: str = "", **people: tuple[Subject, ...]) -> Circle:
    return Circle({Relation(name): frozenset(found) for name, found in people.items()}, state, WORDS)


def told(kind: str, around: Circle, actor: Subject = CAROL, **detail: Any) -> set[str]:
    return {draft.recipient.id for draft in drafts(event(kind, actor, **detail), around, TOPICS)}


def test_an_unknown_kind_concerns_nobody() -> None:
    around = circle(**{relation.value: (ALICE, BOB) for relation in Relation})
    assert told("something.happened", around) == set()
    assert told("letter.sent", around) == set()
    assert told("export.submitted", around) == {"alice", "bob"}


def test_whoever_did_it_is_not_told_and_programs_are_not_people() -> None:
    around = circle(checkers=(ALICE, BOB, program("controller")))
    assert told("export.submitted", around, actor=ALICE) == {"bob"}


def test_the_state_and_the_detail_decide() -> None:
    assert told("export.checked", circle("Blocked", author=(ALICE,))) == {"alice"}
    assert told("export.checked", circle("Pending", author=(ALICE,))) == set()
    data = circle(**{"data-managers": (ALICE,)})
    assert told("withdrawal.confirmed", data, accepted=False) == {"alice"}
    assert told("withdrawal.confirmed", data, accepted=True) == set()
    assert told("withdrawal.confirmed", data, accepted=0) == set()
    assert told("withdrawal.confirmed", data) == set()


def test_ends_are_told_days_before_and_not_in_the_last_hour() -> None:
    around = circle(members=(ALICE,))
    for days in (30, 14, 7, 1):
        assert told("grant.end-announced", around, minutes=days * 1440) == {"alice"}
    assert told("grant.end-announced", around, minutes=60) == set()


@pytest.mark.parametrize(
    "kind", ["export.reviewed", "export.voted", "export.claimed", "export.assigned", "committee.voted"]
)
@pytest.mark.parametrize("state", ["Submitted", "PartiallyReviewed", "Reviewed"])
def test_no_vote_is_told_to_the_author_or_the_project(kind: str, state: str) -> None:
    around = circle(state, author=(ALICE,), members=(ALICE, BOB), lead=(BOB,), seated=(DAVE,))
    assert told(kind, around) <= {"dave"}


def test_a_vote_to_stop_a_project_is_told_to_those_who_may_join_it_and_not_to_the_project() -> None:
    around = circle(members=(ALICE,), lead=(ALICE,), committee=(BOB, CAROL), operators=(DAVE,))
    assert told("grant.stop-voted", around, actor=CAROL) == {"bob", "dave"}


def test_a_person_of_several_relations_gets_one_letter() -> None:
    both = circle(members=(ALICE,), operators=(ALICE, BOB))
    found = drafts(event("grant.revoked"), both, TOPICS)
    assert [draft.recipient.id for draft in found] == ["alice", "bob"]


def test_nothing_of_an_event_gets_into_a_letter() -> None:
    for topic in TOPICS:
        state = min(topic.states, default="")
        detail = {"reason": SECRET, "files": 7, "message": SECRET, "name": SECRET}
        if topic.where is not None:
            detail[topic.where[0]] = min(topic.where[1])
        around = Circle({relation: frozenset({ALICE}) for relation in Relation}, state, WORDS)
        found = drafts(event(topic.kind, **detail), around, [topic])
        assert len(found) == 1, topic
        draft = found[0]
        for part in (draft.subject, draft.text, draft.page):
            assert not re.search(r"Miller|results|\b7\b|[{}]", part)


def test_every_line_makes_a_letter_and_leads_to_a_page() -> None:
    for topic in TOPICS:
        said = [part.format(**WORDS) for part in (topic.subject, topic.text, topic.page)]
        letter = Letter(
            id=letter_id("ab" * 16, "local", "alice"),
            event="ab" * 16,
            recipient=ALICE,
            subject=said[0],
            text=said[1],
            page=said[2],
            at=NOON,
            next_at=NOON,
        )
        assert re.fullmatch(PAGE, letter.page)
        assert "".join(said).isascii()
        assert topic.kind in KINDS


def test_words_that_people_typed_are_left_out_and_then_nobody_is_told() -> None:
    assert safe_words(name="nccid-00123", grant="Evil\nBcc: x") == {"name": "nccid-00123"}
    assert safe_words(name="<b>Title</b>", grant="") == {}
    bare = dataclasses.replace(circle(members=(ALICE,)), words={})
    assert told("grant.activated", bare) == set()
    assert drafts(event("a.happened"), bare, [Topic("a.happened", (Relation.members,), "S", "T", "/")])
