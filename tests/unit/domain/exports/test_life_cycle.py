"""Random lives of a request, by everybody who could touch it, and the one promise that holds in all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.domain.exports.world import (
    AUTHOR,
    CHECKERS,
    COLLEAGUE,
    OPERATOR,
    World,
    file,
    finding,
    policy,
)
from tre.domain.errors import Reason, TREError
from tre.domain.exports import authoring, releasing, reviewing
from tre.domain.exports.models import Choice, ExportRequest, FileKind, Severity
from tre.domain.exports.states import EXPORT_TRANSITIONS, ExportState
from tre.domain.people import Person, Role

EVERYBODY = (AUTHOR, COLLEAGUE, OPERATOR, *CHECKERS)
people = st.sampled_from(EVERYBODY)
paths = st.sampled_from(["a.csv", "b.csv"])
contents = st.sampled_from(["1", "2", "3"])


class Life(RuleBasedStateMachine):
    """Acts come in any order from anybody; what is refused changes nothing.

    Beside the request, a ledger of its own: every vote as it was cast, by whom, on which bytes. The promise is tested
    against the ledger, with none of the code that is tested.
    """

    reached: Counter[ExportState] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.world = World().with_files()
        self.ledger: dict[tuple[str, str], tuple[str, str, Choice, int]] = {}
        self.handed: dict[str, int] = {}
        self.joined: set[str] = set()
        self.severities: dict[str, Severity] = {}

    def act(self, do: Callable[..., ExportRequest], *arguments: Any) -> bool:
        before = self.world.request
        try:
            after = do(before, *arguments, self.world.situation)
        except TREError:
            return False
        assert after.state is before.state or EXPORT_TRANSITIONS.can(before.state, after.state)
        self.world.request = after
        Life.reached[after.state] += 1
        if after.state is ExportState.Released and before.state is not ExportState.Released:
            self.judge(after)
        if after.turn != before.turn:
            self.ledger, self.handed = {}, {}
        return True

    def judge(self, released: ExportRequest) -> None:
        """The promise: every released byte was approved by two who may, who saw exactly these bytes and findings."""
        assert released.outputs
        assert self.world.stopped is None
        run = released.check_run
        assert run is not None
        assert run.policy == self.world.rules.ref
        for output in released.outputs:
            assert run.covers(output)
            yes = {
                who
                for (who, path), (sha256, seen, choice, turn) in self.ledger.items()
                if (path, sha256, seen, choice, turn)
                == (output.path, output.sha256, run.id, Choice.Approved, released.turn)
                and self.handed.get(who) == released.turn
            }
            entitled = {c.subject.id for c in CHECKERS} - self.joined - {"alice", "bob"}
            assert len(yes & entitled) >= max(2, self.world.reviewers or 0)
            assert all(f.severity is not Severity.B for f in run.of(output.sha256))

    @rule(who=people, path=paths, content=contents, kind=st.sampled_from(FileKind))
    def add(self, who: Person, path: str, content: str, kind: FileKind) -> None:
        self.act(authoring.add_files, who, "tables", (file(path, content, kind=kind),))

    @rule(who=people, path=paths, kind=st.sampled_from(FileKind))
    def set_kind(self, who: Person, path: str, kind: FileKind) -> None:
        self.act(authoring.set_kind, who, path, kind)

    @rule(found=st.dictionaries(contents, st.sampled_from(Severity), max_size=2))
    def check(self, found: dict[str, Severity]) -> None:
        run = self.world.run(*(finding(severity, content) for content, severity in found.items()))
        self.act(lambda request, situation: authoring.checked(request, run, situation))

    @rule()
    def check_clean(self) -> None:
        self.check({})

    @rule(who=people)
    def submit(self, who: Person) -> None:
        self.act(authoring.submit, who)

    @rule()
    def author_submits(self) -> None:
        self.check({})
        self.submit(AUTHOR)

    @rule(who=people)
    def withdraw(self, who: Person) -> None:
        if who is not AUTHOR or self.world.request.turn > 2:  # else most lives would end here
            self.act(authoring.withdraw, who)

    @rule(who=people, path=paths, choice=st.sampled_from(Choice), content=contents, true=st.booleans())
    def vote(self, who: Person, path: str, choice: Choice, content: str, true: bool) -> None:
        known = next((f for f in self.world.request.files if f.path == path), None)
        if known is None:
            return
        run = self.world.request.check_run
        answers = self.world.answers(*(run.findings if run else ()))
        sha256 = known.sha256 if true else file(path, content).sha256
        ballot = self.world.ballot(path, choice, sha256=sha256, dispositions=answers, comment="why")
        if self.act(reviewing.record_vote, who, ballot):
            turn = self.world.request.turn
            self.ledger[who.subject.id, path] = (sha256, ballot.run, choice, turn)

    @rule(who=people)
    def hand_in(self, who: Person) -> None:
        if self.act(reviewing.submit_review, who):
            self.handed[who.subject.id] = self.world.request.turn

    @rule(who=st.sampled_from(CHECKERS))
    def review_all(self, who: Person) -> None:
        for output in self.world.request.outputs:
            self.vote(who, output.path, Choice.Approved, "1", True)
        self.hand_in(who)

    @rule(who=people)
    def return_it(self, who: Person) -> None:
        early = self.world.request.state in {ExportState.Submitted, ExportState.PartiallyReviewed}
        if self.act(reviewing.return_to_author, who, "words") and early:
            self.ledger, self.handed = {}, {}

    @rule(who=people, typed=st.sampled_from(["1", "2", "abcdef", "yes"]))
    def approve(self, who: Person, typed: str) -> None:
        self.act(reviewing.approve, who, typed)

    @rule()
    def a_checker_approves(self) -> None:
        self.act(reviewing.approve, CHECKERS[0], "abcdef")

    @rule(times=st.integers(1, 6))
    def go_on(self, times: int) -> None:
        """So many steps of a straight life from here, so that what happens in between meets it everywhere."""
        for _ in range(times):
            self.step()

    def step(self) -> None:
        match self.world.request.state:
            case ExportState.Pending | ExportState.Returned | ExportState.Blocked:
                self.act(authoring.set_kind, AUTHOR, "a.csv", FileKind.output)
                self.author_submits()
            case ExportState.Submitted | ExportState.PartiallyReviewed | ExportState.Reviewed:
                for checker in CHECKERS:
                    self.review_all(checker)
                self.a_checker_approves()
            case ExportState.Approved:
                self.time_passes(0)
                self.begin_release()
            case ExportState.Releasing:
                self.release()

    @rule()
    def begin_release(self) -> None:
        self.act(releasing.begin_release)

    @rule()
    def release(self) -> None:
        self.act(releasing.released, self.world.bundle())

    @rule(reason=st.sampled_from([Reason.ServiceUnavailable, Reason.ContentChanged]))
    def fail(self, reason: Reason) -> None:
        self.act(releasing.release_failed, TREError(reason, "failed"))

    @rule()
    def reopen(self) -> None:
        self.act(releasing.reopen)

    @rule()
    def deadline(self) -> None:
        self.act(releasing.at_deadline)

    @rule(hours=st.sampled_from([0, 1, 50]))
    def time_passes(self, hours: int) -> None:
        self.world.now += timedelta(hours=hours, seconds=6)

    @rule(who=st.sampled_from(CHECKERS))
    def a_checker_joins_the_project(self, who: Person) -> None:
        if len(self.joined) == 0:
            self.joined.add(who.subject.id)
            self.world.members = (*self.world.members, who.subject)

    @rule(threshold=st.sampled_from([10, 11]))
    def the_policy_changes(self, threshold: int) -> None:
        self.world.rules = policy(counts={"threshold": threshold})

    @rule(stopped=st.sampled_from([None, None, Reason.GrantSuspended]))
    def the_grant_is_stopped_or_not(self, stopped: Reason | None) -> None:
        self.world.stopped = stopped

    @invariant()
    def waits_with_a_clock(self) -> None:
        state = self.world.request.state
        assert (self.world.request.deadline is None) == (
            EXPORT_TRANSITIONS.is_final(state) or state is ExportState.Released
        )

    @invariant()
    def released_means_bundle(self) -> None:
        request = self.world.request
        assert (request.release is not None) == (request.state in {ExportState.Released, ExportState.Recalled})
        if request.state in {ExportState.Approved, ExportState.Releasing, ExportState.Released}:
            assert request.confirmation is not None

    @invariant()
    def nobody_inside_has_a_review(self) -> None:
        for review in self.world.request.reviews:
            assert review.checker.id not in {"alice", "bob", "oscar"}
            assert review.role in {None, Role.checker}


Life.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase


def test_the_random_lives_reached_what_they_are_about() -> None:
    """Runs after the lives above: a promise about releases that never happened would be empty."""
    if not Life.reached:
        pytest.skip("the random lives did not run before this")
    assert Life.reached[ExportState.Released] > 5, Life.reached


def test_the_machine_reaches_a_release_and_its_judge() -> None:
    """The promise is really put to the test: a straight life ends in `Released`, judged."""
    life = Life()
    life.add(AUTHOR, "a.csv", "1", FileKind.output)
    life.author_submits()
    for checker in CHECKERS[:2]:
        life.review_all(checker)
    life.a_checker_approves()
    life.time_passes(0)
    life.begin_release()
    life.release()
    assert life.world.request.state is ExportState.Released
