"""When people are told that the public account waits for them: each clock, each project, and never a flood."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import grant_record
from tests.unit.domain.publicaccount.test_account import FRIDAY, POLICY
from tre.domain.publicaccount.figures import Clock
from tre.domain.publicaccount.notices import (
    AT_MOST_EVERY,
    REMINDED_AFTER,
    Notice,
    of_clock,
    of_consultation,
    of_project,
    together,
)
from tre.domain.publicaccount.policies import ended_at
from tre.domain.publicaccount.states import ItemKind, ItemState

DAY = timedelta(days=1)
S = ItemState


def clock(kind: ItemKind = ItemKind.enquiry, state: ItemState = S.Waiting, **changes: Any) -> Clock:
    values: dict[str, Any] = {
        "id": "q-aaaaaaaaaaaa",
        "received_at": FRIDAY,
        "acknowledged_at": None,
        "closed_at": None,
        "due_at": FRIDAY + 20 * DAY,
    }
    return Clock(kind=kind, state=state, **(values | changes))


def kinds(found: list[Notice]) -> list[str]:
    return [one.kind for one in found]


class TestClocks:
    def test_what_came_waits_then_is_due_soon_then_late(self) -> None:
        one = clock()
        assert kinds(of_clock(one, FRIDAY)) == ["enquiry.waiting"]
        assert kinds(of_clock(one, FRIDAY + 17 * DAY - timedelta(seconds=1))) == ["enquiry.waiting"]
        assert kinds(of_clock(one, FRIDAY + 17 * DAY)) == ["enquiry.waiting", "enquiry.due-soon"]
        assert kinds(of_clock(one, FRIDAY + 20 * DAY)) == ["enquiry.waiting", "enquiry.late"]
        assert {found.object for found in of_clock(one, FRIDAY + 20 * DAY)} == {"enquiry/q-aaaaaaaaaaaa"}

    def test_an_answer_that_is_written_still_has_a_clock(self) -> None:
        assert of_clock(clock(state=S.Answered), FRIDAY) == []
        assert kinds(of_clock(clock(state=S.Answered), FRIDAY + 21 * DAY)) == ["enquiry.late"]

    @pytest.mark.parametrize("state", [S.Published, S.Refused])
    def test_what_is_done_is_told_no_more(self, state: ItemState) -> None:
        assert of_clock(clock(state=state), FRIDAY + 30 * DAY) == []

    def test_the_team_is_not_told_of_what_it_wrote_itself(self) -> None:
        for kind, state in ((ItemKind.incident, S.Open), (ItemKind.complaint, S.Received)):
            assert of_clock(clock(kind, state), FRIDAY) == []
            assert kinds(of_clock(clock(kind, state), FRIDAY + 21 * DAY)) == [f"{kind}.late"]

    def test_of_a_short_time_half_is_given(self) -> None:
        short = clock(ItemKind.complaint, S.Received, due_at=FRIDAY + 2 * DAY)
        assert of_clock(short, FRIDAY + DAY - timedelta(seconds=1)) == []
        assert kinds(of_clock(short, FRIDAY + DAY)) == ["complaint.due-soon"]
        later = clock(ItemKind.complaint, S.Acknowledged, acknowledged_at=FRIDAY + DAY, due_at=FRIDAY + 3 * DAY)
        assert of_clock(later, FRIDAY + 2 * DAY - timedelta(seconds=1)) == []
        assert kinds(of_clock(later, FRIDAY + 2 * DAY)) == ["complaint.due-soon"]

    def test_without_a_clock_nothing_runs_out(self) -> None:
        assert kinds(of_clock(clock(due_at=None), FRIDAY + 100 * DAY)) == ["enquiry.waiting"]


class TestTogether:
    def test_many_are_one_and_it_stands_for_all_of_them(self) -> None:
        found = [Notice("enquiry.waiting", f"enquiry/q-{number}", FRIDAY) for number in range(500)]
        [(one, parts)] = together(found, {}, FRIDAY).items()
        assert (one.kind, one.object, one.moment) == ("enquiry.waiting", "enquiry/all", FRIDAY)
        assert parts == found

    def test_what_was_told_is_no_news_and_a_new_moment_is(self) -> None:
        one = Notice("enquiry.late", "enquiry/q-1", FRIDAY)
        assert together([one], {one.key: FRIDAY}, FRIDAY) == {}
        assert len(together([one], {one.key: FRIDAY - DAY}, FRIDAY)) == 1

    def test_the_next_one_waits_for_the_next_day(self) -> None:
        new, whole = Notice("enquiry.waiting", "enquiry/q-2", FRIDAY), ("enquiry/all", "enquiry.waiting")
        assert together([new], {whole: FRIDAY}, FRIDAY + AT_MOST_EVERY - timedelta(seconds=1)) == {}
        assert len(together([new], {whole: FRIDAY}, FRIDAY + AT_MOST_EVERY)) == 1
        other = Notice("comment.waiting", "comment/c-1", FRIDAY)
        assert [one.kind for one in together([new, other], {whole: FRIDAY}, FRIDAY)] == ["comment.waiting"]

    def test_a_clock_that_was_wrong_silences_nobody(self) -> None:
        new, whole = Notice("enquiry.waiting", "enquiry/q-2", FRIDAY), ("enquiry/all", "enquiry.waiting")
        assert len(together([new], {whole: FRIDAY + 3650 * DAY}, FRIDAY)) == 1

    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=60))
    def test_no_flood_gives_more_than_one_a_day_and_nothing_is_lost(self, steps: list[tuple[int, int]]) -> None:
        now, count = FRIDAY, 0
        told: dict[tuple[str, str], datetime] = {}
        given_at: list[datetime] = []
        sent: list[Notice] = []
        for more, hours in [*steps, (0, 48)]:
            now += timedelta(hours=hours)
            sent += [Notice("comment.waiting", f"comment/c-{count + number}", now) for number in range(more)]
            count += more
            for one, parts in together(sent, told, now).items():
                given_at.append(one.moment)
                told |= {part.key: part.moment for part in (one, *parts)}
        assert all(later - first >= AT_MOST_EVERY for first, later in itertools.pairwise(given_at))
        assert all(told[one.key] == one.moment for one in sent)


class TestConsultations:
    def test_a_week_before_it_closes_and_when_it_has(self) -> None:
        closes = FRIDAY + 30 * DAY
        assert of_consultation("v-1", closes, FRIDAY + 22 * DAY) == []
        assert of_consultation("v-1", closes, FRIDAY + 23 * DAY) == [
            Notice("consultation.closing", "consultation/v-1", closes)
        ]
        assert kinds(of_consultation("v-1", closes, closes)) == ["consultation.to-decide"]


class TestProjects:
    def asked(self, days: float, *reported: datetime, **changes: Any) -> list[tuple[str, int]]:
        grant = grant_record(**({"activated_at": FRIDAY} | changes))
        grant = grant.model_copy(update={"spec": grant.spec.model_copy(update={"expires": FRIDAY + 1500 * DAY})})
        found = of_project(grant, list(reported), POLICY, FRIDAY + days * DAY)
        return [(one.kind, (one.moment - FRIDAY).days) for one in found]

    def test_a_year_after_the_beginning_reminded_once_and_again_in_each_year_of_silence(self) -> None:
        assert self.asked(364) == []
        assert self.asked(365) == [("outcome.due", 365)]
        assert self.asked(365 + REMINDED_AFTER.days) == [("outcome.reminded", 365)]
        assert self.asked(365 + 60) == []
        assert self.asked(730) == [("outcome.due", 730)]
        assert self.asked(730 + 31) == [("outcome.reminded", 730)]

    def test_a_word_puts_it_off_for_a_year(self) -> None:
        assert self.asked(365, FRIDAY + 360 * DAY) == []
        assert self.asked(725, FRIDAY + 360 * DAY) == [("outcome.due", 725)]

    def test_after_the_end_once_more_and_never_again(self) -> None:
        assert self.asked(1500 + 89) == []
        assert self.asked(1500 + 90) == [("outcome.due", 1590)]
        assert self.asked(1500 + 121) == [("outcome.reminded", 1590)]
        assert self.asked(1500 + 90 + 365) == []
        assert self.asked(1500 + 90, FRIDAY + 1501 * DAY) == []

    def test_what_never_began_is_not_asked(self) -> None:
        assert self.asked(400, activated_at=None) == []

    def test_a_withdrawn_project_ended_when_it_was_withdrawn(self) -> None:
        gone = grant_record(activated_at=FRIDAY, revoked_at=FRIDAY + DAY)
        assert ended_at(gone, FRIDAY + DAY) == FRIDAY + DAY
        assert ended_at(gone, FRIDAY) is None
