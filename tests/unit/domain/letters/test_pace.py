"""When letters go out: by what somebody chose, and by what a mail server answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.support.factories import ALICE, NOON
from tre.domain.letters.models import LETTER_TRANSITIONS, Draft, Letter, LetterState, Pace
from tre.domain.letters.pace import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_SERVER_PAUSE,
    REFUSALS,
    goes_out,
    is_given_up,
    is_together,
    next_digest,
    pause_after,
    pause_after_refusal,
    server_pause,
)
from tre.domain.letters.writing import letter_id, message_of

EVENING = datetime(2026, 11, 1, 18, 30, tzinfo=UTC)
MORNING = datetime(2026, 11, 2, 7, 0, tzinfo=UTC)
NEWS = Draft(ALICE, "Project p is open", "It is open.", "/projects/p")
TASK = Draft(ALICE, "Export e waits", "It waits.", "/reviews", acts=True)
END = Draft(ALICE, "Access ends", "It ends.", "/projects/p", acts=True, always=True)


def letter(name: str, at: datetime = NOON) -> Letter:
    return Letter(
        id=letter_id("ab" * 16, "local", name),
        event="ab" * 16,
        recipient=ALICE,
        subject=f"About {name}",
        text=f"Something of {name}.",
        page=f"/projects/{name}",
        at=at,
        next_at=at,
    )


def test_each_pace() -> None:
    at_once = {draft.subject: goes_out(draft, Pace.at_once, EVENING, 7) for draft in (NEWS, TASK, END)}
    assert set(at_once.values()) == {EVENING}
    assert goes_out(NEWS, Pace.daily, EVENING, 7) == MORNING
    assert goes_out(TASK, Pace.daily, EVENING, 7) == MORNING
    assert goes_out(NEWS, Pace.action_only, EVENING, 7) is None
    assert goes_out(TASK, Pace.action_only, EVENING, 7) == EVENING


def test_an_end_of_access_cannot_be_switched_off_or_put_off() -> None:
    for pace in Pace:
        assert goes_out(END, pace, EVENING, 7) == EVENING
        assert not is_together(END, pace)
    assert is_together(NEWS, Pace.daily)
    assert not is_together(NEWS, Pace.at_once)


def test_the_hour_of_the_digest_is_never_now() -> None:
    assert next_digest(MORNING, 7) == MORNING + timedelta(days=1)
    assert next_digest(MORNING - timedelta(seconds=1), 7) == MORNING


def test_pauses_grow_and_are_bounded() -> None:
    for pause, longest in (
        (pause_after, LONGEST_PAUSE),
        (pause_after_refusal, LONGEST_PAUSE),
        (server_pause, LONGEST_SERVER_PAUSE),
    ):
        found = [pause(times) for times in range(1, 10_000, 7)]
        assert found == sorted(found)
        assert found[-1] == longest
    assert pause_after(0) == pause_after(1) == FIRST_PAUSE


def test_only_refusals_over_more_than_a_day_end_a_letter() -> None:
    assert not is_given_up(REFUSALS - 1)
    assert is_given_up(REFUSALS)
    assert sum((pause_after_refusal(n) for n in range(1, REFUSALS)), timedelta()) > timedelta(days=1)


def test_a_letter_that_was_sent_stays_sent() -> None:
    assert LETTER_TRANSITIONS.is_final(LetterState.Sent)
    assert LETTER_TRANSITIONS.targets(LetterState.Abandoned) == {LetterState.Waiting}


def test_one_letter_is_one_message_that_says_when_and_where() -> None:
    message = message_of([letter("p")], "tre.example.org", "https://desk.tre.example.org")
    assert message.subject == "[tre.example.org] About p"
    assert message.identity == letter("p").id
    assert f"{NOON:%Y-%m-%d %H:%M} UTC" in message.body
    assert "https://desk.tre.example.org/projects/p\n" in message.body
    assert "https://desk.tre.example.org/account\n" in message.body


def test_a_days_letters_are_one_message_in_order_whatever_order_they_came_in() -> None:
    first, second = letter("p"), letter("q", NOON + timedelta(hours=1))
    message = message_of([second, first], "tre.example.org", "https://desk.tre.example.org")
    assert message == message_of([first, second], "tre.example.org", "https://desk.tre.example.org")
    assert message.subject == "[tre.example.org] Your letters of the day"
    assert message.body.index("About p") < message.body.index("About q")
    assert message.identity not in {first.id, second.id}
