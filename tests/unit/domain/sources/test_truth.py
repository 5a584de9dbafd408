"""Whatever comes in, however often and in whatever order: nobody is allowed more than the newest answer states."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import NOON
from tests.support.sources import RESOURCE, entitlement
from tre.domain.sources.truth import (
    NOTHING,
    Answer,
    Entitlement,
    Truth,
    Withheld,
    allowed,
    by_grant,
    is_withheld,
    learned,
    states,
    told,
)

ALL = [
    entitlement(user, application, resource=resource)
    for user in ("alice", "bob")
    for application in (7, 8)
    for resource in (RESOURCE, "urn:other")
]
LONG = NOON + timedelta(days=1)


def answer(minute: int, *stated: Entitlement, after: int = 0) -> Answer:
    return Answer(asked_at=NOON + timedelta(minutes=minute), after=after, entitlements=stated)


def fold(items: list[Answer | Withheld], truth: Truth = NOTHING) -> Truth:
    for item in items:
        truth = learned(truth, item) if isinstance(item, Answer) else told(truth, item)
    return truth


@st.composite
def histories(draw: st.DrawFn) -> list[Answer | Withheld]:
    """What a source says in its own order: answers, and messages numbered as they came in."""
    found: list[Answer | Withheld] = []
    number = 0
    for minute in range(draw(st.integers(0, 4))):
        for _ in range(draw(st.integers(0, 3))):
            number += 1
            one = draw(st.sampled_from(ALL))
            resource = draw(st.sampled_from([None, one.resource]))
            user = draw(st.sampled_from([None, one.user]))
            found.append(Withheld(number=number, application=one.application, resource=resource, user=user))
        found.append(answer(minute, *draw(st.lists(st.sampled_from(ALL), unique=True)), after=number))
    return found


@given(histories(), st.data())
def test_no_order_repetition_or_loss_gives_more_than_the_last_confirmed_truth(
    history: list[Answer | Withheld], data: st.DataObject
) -> None:
    came = data.draw(st.lists(st.sampled_from(history), max_size=20)) if history else []
    truth = fold(came)
    answers = [item for item in came if isinstance(item, Answer)]
    newest = max(answers, key=lambda one: one.asked_at, default=None)
    stated = set() if newest is None else set(newest.entitlements)
    over = [one for one in came if isinstance(one, Withheld) and (newest is None or one.number > newest.after)]
    assert set(allowed(truth, NOON)) == {one for one in stated if not any(each.covers(one) for each in over)}


@given(histories(), st.data())
def test_the_order_is_none_and_twice_is_once(history: list[Answer | Withheld], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(history))
    assert fold(shuffled) == fold(history) == fold([*history, *shuffled])


@given(histories())
def test_a_message_never_gives(history: list[Answer | Withheld]) -> None:
    steps = [fold(history[:count]) for count in range(len(history) + 1)]
    for item, (before, after) in zip(history, pairwise(steps), strict=True):
        if isinstance(item, Withheld):
            assert set(allowed(after, NOON)) <= set(allowed(before, NOON))


def test_nothing_is_allowed_before_the_first_answer() -> None:
    assert allowed(NOTHING, NOON) == ()
    assert states(NOTHING) == frozenset()


def test_what_was_told_before_the_question_is_answered_by_it() -> None:
    alice = entitlement()
    after_word = told(learned(NOTHING, answer(0, alice)), Withheld(number=1, application=7))
    assert allowed(after_word, NOON) == ()
    assert is_withheld(after_word, alice)
    asked_before = learned(after_word, answer(1, alice, after=0))
    assert allowed(asked_before, NOON) == (), "an answer to a question from before the word"
    asked_after = learned(after_word, answer(1, alice, after=1))
    assert allowed(asked_after, NOON) == (alice,)
    assert told(asked_after, Withheld(number=1, application=7)) == asked_after


def test_only_what_is_named_is_withheld() -> None:
    word = Withheld(number=1, application=7, resource=RESOURCE, user="alice")
    found = told(learned(NOTHING, answer(0, *ALL)), word)
    assert set(ALL) - set(allowed(found, NOON)) == {entitlement()}


def test_an_entitlement_holds_from_its_start_to_its_end() -> None:
    one = entitlement(start=NOON, end=LONG)
    before = NOON - timedelta(microseconds=1)
    assert [one.holds(moment) for moment in (before, NOON, LONG)] == [False, True, False]
    assert entitlement(end=None).holds(LONG + timedelta(days=9999))


def test_of_two_entitlements_of_one_person_the_first_end_counts() -> None:
    short, endless = entitlement(end=LONG), entitlement(end=None)
    assert by_grant([endless, short]) == by_grant([short, endless]) == {(7, RESOURCE): (short,)}
    both = by_grant([entitlement("bob"), endless])
    assert [one.user for one in both[7, RESOURCE]] == ["alice", "bob"]


def test_two_answers_of_one_moment_give_one_truth() -> None:
    one, other = answer(0, entitlement()), answer(0)
    assert learned(learned(NOTHING, one), other) == learned(learned(NOTHING, other), one)
