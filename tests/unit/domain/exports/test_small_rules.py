"""Labels of columns, attempts, one-time links, and the figures of the checks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.domain.exports.world import (
    AUTHOR,
    CHECKERS,
    COLLEAGUE,
    OPERATOR,
    START,
    World,
    file,
    finding,
    person,
    policy,
    sha,
)
from tre.domain.errors import Reason, TREError
from tre.domain.exports import labels, links, releasing, reviewing
from tre.domain.exports.attempts import Attempt, check_attempt, meets, of_a_week
from tre.domain.exports.labels import ColumnLabel, can_label
from tre.domain.exports.models import Disposition, Mark
from tre.domain.exports.severity import Severity
from tre.domain.exports.statistics import CheckFigures, figures
from tre.domain.people import Role

CAROL, DAVE, ERIN = CHECKERS


def refused(act: Any, *arguments: Any) -> Reason:
    with pytest.raises(TREError) as error:
        act(*arguments)
    return error.value.reason


class TestLabels:
    def label(
        self, world: World, who: Any, role: str = "count", *known: ColumnLabel, title: str = " n "
    ) -> ColumnLabel:
        return labels.label(known, who, world.request, (title, role), world.situation)

    def test_the_author_and_then_a_checker_whose_word_stands(self) -> None:
        world = World().with_files().checked()
        first = self.label(world, AUTHOR)
        assert (first.title, first.role, first.by_checker, first.by) == ("n", "count", False, AUTHOR.subject)
        world.submit()
        second = self.label(world, CAROL, "mean", first)
        assert second.by_checker
        world.request = reviewing.return_to_author(world.request, CAROL, "words", world.situation)
        assert refused(self.label, world, AUTHOR, "date", second) is Reason.NotPermitted
        assert self.label(world, AUTHOR, "date", first).role == "date"

    def test_each_in_their_turn_and_nobody_else(self) -> None:
        draft, sent = World().with_files(), World().with_files().checked().submit()
        for world, who, reason in (
            (draft, CAROL, Reason.StateForbids),
            (sent, AUTHOR, Reason.StateForbids),
            (sent, COLLEAGUE, Reason.NotPermitted),
            (sent, OPERATOR, Reason.NotPermitted),
        ):
            assert refused(self.label, world, who) is reason
            assert not can_label(who, world.request, world.situation)
        assert can_label(AUTHOR, draft.request, draft.situation)

    def test_a_column_holds_something_that_is_known(self) -> None:
        with pytest.raises(ValidationError, match="one of: count, percent"):
            self.label(World().with_files(), AUTHOR, "harmless")

    def test_there_is_an_end_to_labels(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World().with_files()
        known = self.label(world, AUTHOR)
        monkeypatch.setattr(labels, "MOST", 1)
        with pytest.raises(TREError) as error:
            self.label(world, AUTHOR, "count", known, title="other")
        assert error.value.reason is Reason.RateLimited
        self.label(world, AUTHOR, "mean", known)


class TestAttempts:
    def test_a_week_is_counted_and_a_day_is_bounded(self) -> None:
        times = [START - timedelta(hours=hours) for hours in (1, 2, 30, 200)]
        attempts = [Attempt(at=at, met=number == 1) for number, at in enumerate(times)]
        week = of_a_week(attempts, START)
        assert (week.runs, week.met) == (3, 1)
        check_attempt(attempts, policy(review={"attemptsPerDay": 3}), START)
        with pytest.raises(TREError) as error:
            check_attempt(attempts, policy(review={"attemptsPerDay": 2}), START)
        assert error.value.reason is Reason.RateLimited
        assert "2026-11-03 07:00" in error.value.remedy
        check_attempt(attempts, policy(review={"attemptsPerDay": 2}), START + timedelta(hours=22))

    @pytest.mark.parametrize(("check", "met"), [("P01", True), ("P02", True), ("P03", False), ("S01", False)])
    def test_which_runs_met_the_data(self, check: str, met: bool) -> None:
        assert meets(World().with_files().run(finding(Severity.E, check=check))) is met


class TestLinks:
    def link(self, world: World, who: Any = AUTHOR, *known: links.Link) -> links.Link:
        return links.make_link(world.request, who, "token", known, world.situation)

    def test_a_member_makes_one_and_it_opens_while_everything_holds(self) -> None:
        world = World().released()
        link = self.link(world, COLLEAGUE)
        assert (link.token, link.until) == (sha("token"), world.now + timedelta(hours=24))
        links.check_link(link, world.request, world.situation)
        for who in (CAROL, OPERATOR, person("zoe", Role.researcher)):
            assert refused(self.link, world, who) is Reason.NotPermitted
        assert refused(self.link, World().approved()) is Reason.StateForbids

    def test_what_ends_it(self) -> None:
        world = World().released()
        link = self.link(world, COLLEAGUE)
        used = link.model_copy(update={"used_at": START})
        other = link.model_copy(update={"request": "e-bbbbbbbbbbbb"})
        for dead in (used, other):
            assert refused(links.check_link, dead, world.request, world.situation) is Reason.ExportNotFound
        recalled = releasing.recall(world.request, CAROL, "wrong", world.situation)
        assert refused(links.check_link, link, recalled, world.situation) is Reason.ExportNotFound
        late = World(now=START).released().tick(hours=24)
        assert refused(links.check_link, link, late.request, late.situation) is Reason.ExportNotFound
        world.members = (AUTHOR.subject,)
        assert refused(links.check_link, link, world.request, world.situation) is Reason.ExportNotFound
        world.members, world.stopped = (AUTHOR.subject, COLLEAGUE.subject), Reason.GrantRevoked
        assert refused(links.check_link, link, world.request, world.situation) is Reason.ExportNotFound
        assert refused(self.link, world) is Reason.GrantRevoked
        world.stopped = None
        links.check_link(link, world.request, world.situation)

    def test_there_is_an_end_to_open_links(self) -> None:
        world = World().released()
        known = (self.link(world),) * links.MOST_OPEN
        assert refused(self.link, world, AUTHOR, *known) is Reason.RateLimited
        self.link(world.tick(hours=24), AUTHOR, *known)


def test_the_figures_of_the_checks() -> None:
    alarm, kept, gone = finding(Severity.E), finding(Severity.A, check="S02"), finding(Severity.A, "2", "S02")
    world = World().with_files(file("a.csv", "1"), file("b.csv", "2")).checked(alarm, kept, gone).submit()
    marks = {alarm.id: Mark.false_alarm, kept.id: Mark.acceptable, gone.id: None}
    answers = tuple(Disposition(finding=name, why="so", mark=mark) for name, mark in marks.items())
    for checker in (CAROL, DAVE):
        world.vote(checker, *(world.ballot(path, dispositions=answers) for path in ("a.csv", "b.csv"))).hand_in(checker)
    assert figures([world.request]) == (
        CheckFigures(check="S01", found=1, false_alarms=1),
        CheckFigures(check="S02", found=2, acceptable=1),
    )
    world.request = reviewing.return_to_author(world.request, CAROL, "words", world.situation)
    world.with_files(file("b.csv", "3")).checked(alarm, kept).submit()
    assert figures([world.request, World().request])[1] == CheckFigures(check="S02", found=2, acceptable=1, changed=1)


def test_marks_of_reviews_that_were_never_handed_in_or_void_say_nothing() -> None:
    found = finding(Severity.E)
    world = World().with_files().checked(found).submit()
    said = (Disposition(finding=found.id, why="so", mark=Mark.false_alarm),)
    world.vote(CAROL, world.ballot(dispositions=said))
    assert figures([world.request]) == (CheckFigures(check="S01", found=1),)
    world.hand_in(CAROL)
    assert figures([world.request])[0].false_alarms == 1
    world.request = reviewing.return_to_author(world.request, DAVE, "early", world.situation)
    assert figures([world.request])[0].false_alarms == 0
