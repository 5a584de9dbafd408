"""Random lives of a request, by everybody who could touch it, and the one promise that holds in all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

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
    person,
    policy,
)
from tre.domain.errors import Reason, TREError
from tre.domain.exports import authoring, claims, comments, emergency, exceptions, releasing, reviewing
from tre.domain.exports.models import Choice, Comment, Consent, ExportRequest, FileKind, Readers
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import EXPORT_TRANSITIONS, VOTING, BlindPhase, ExportState
from tre.domain.exports.visibility import seen_by
from tre.domain.people import Person, Role

STEWARD = person("sue", Role.data_manager)
EVERYBODY = (AUTHOR, COLLEAGUE, OPERATOR, STEWARD, *CHECKERS)
FOUND = [(severity, check) for severity in Severity for check in ("S01", "P01")]
people = st.sampled_from(EVERYBODY)
paths = st.sampled_from(["a.csv", "b.csv"])
contents = st.sampled_from(["1", "2", "3"])


class Cast(NamedTuple):
    """A vote as it was cast: on which bytes, under which run, which way, in which turn, and what the run said."""

    sha256: str
    run: str
    choice: Choice
    turn: int
    seen: frozenset[tuple[str, str]]


class Life(RuleBasedStateMachine):
    """Acts come in any order from anybody; what is refused changes nothing.

    Beside the request, a ledger of its own: every vote as it was cast, by whom, on which bytes. The promise is tested
    against the ledger, with none of the code that is tested.
    """

    reached: Counter[ExportState] = Counter()
    confirmed = past_the_quorum = with_steward = 0

    def __init__(self) -> None:
        super().__init__()
        self.world = World().with_files()
        self.ledger: dict[tuple[str, str], Cast] = {}
        self.kept: dict[tuple[str, str], Cast] = {}
        self.words: dict[tuple[str, str], bool] = {}
        self.asked: tuple[str, int, str] | None = None
        self.seconded: tuple[str, int, str] | None = None
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
            self.kept |= self.ledger
            self.ledger, self.handed = {}, {}
        if after.phase in VOTING:
            assert len(claims.holders(after, self.world.situation)) <= self.needed + 1
        return True

    @property
    def needed(self) -> int:
        return max(2, self.world.reviewers or 0)

    def now(self) -> tuple[int, str]:
        """The present turn and run."""
        run = self.world.request.check_run
        return self.world.request.turn, run.id if run else ""

    def said_of(self, sha256: str) -> frozenset[tuple[str, str]]:
        """What the present run says of some bytes, and by which rules."""
        run = self.world.request.check_run
        assert run is not None
        return frozenset({(item.id, item.severity.value) for item in run.of(sha256)} | {("policy", run.policy.sha256)})

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
                for (who, path), cast in self.ledger.items()
                if (path, cast.sha256, cast.run, cast.choice, cast.turn)
                == (output.path, output.sha256, run.id, Choice.Approved, released.turn)
                and self.handed.get(who) == released.turn
            }
            entitled = {c.subject.id for c in CHECKERS} - self.joined - {"alice", "bob"}
            past = {item for item in (self.asked, self.seconded) if item and item[1:] == (released.turn, run.id)}
            if len(yes & entitled) < self.needed:
                Life.past_the_quorum += 1
                assert len({who for who, _, _ in past}) == 2
                assert {who for who, _, _ in past} <= (yes & entitled) | {"oscar"}
            for found in run.of(output.sha256):
                assert found.severity is not Severity.B
                if found.severity is Severity.E and found.check == "P01":
                    Life.with_steward += 1
                    words = {
                        agrees
                        for (who, what), agrees in self.words.items()
                        if what == found.id and who in {"sue", "oscar"}
                    }
                    assert words == {True}

    @rule(who=people, path=paths, content=contents, kind=st.sampled_from(FileKind))
    def add(self, who: Person, path: str, content: str, kind: FileKind) -> None:
        self.act(authoring.add_files, who, "tables", (file(path, content, kind=kind),))

    @rule(who=people, path=paths, kind=st.sampled_from(FileKind))
    def set_kind(self, who: Person, path: str, kind: FileKind) -> None:
        self.act(authoring.set_kind, who, path, kind)

    @rule(found=st.dictionaries(contents, st.sampled_from(FOUND), max_size=2))
    def check(self, found: dict[str, tuple[Severity, str]]) -> None:
        run = self.world.run(*(finding(severity, content, check) for content, (severity, check) in found.items()))
        self.act(lambda request, situation: authoring.checked(request, run, situation))

    @rule()
    def check_clean(self) -> None:
        self.check({})

    @rule(who=people)
    def submit(self, who: Person) -> None:
        self.act(authoring.submit, who)

    @rule(found=st.sampled_from([{}, {}, {"1": (Severity.E, "P01")}]))
    def author_submits(self, found: dict[str, tuple[Severity, str]] | None = None) -> None:
        self.check(found or {})
        self.submit(AUTHOR)

    @rule()
    def a_life_with_a_record_in_it(self) -> None:
        self.add(AUTHOR, "a.csv", "1", FileKind.output)
        self.author_submits({"1": (Severity.E, "P01")})
        self.go_on(3)

    @rule(who=st.sampled_from(CHECKERS), content=contents)
    def it_comes_back_changed_or_not(self, who: Person, content: str) -> None:
        self.author_submits()
        for checker in CHECKERS:
            self.review_all(checker)
        self.return_it(who)
        self.add(AUTHOR, "b.csv", content, FileKind.output)
        self.author_submits()
        for checker in CHECKERS:
            self.confirm_and_hand_in(checker)
        self.a_checker_approves()

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
            self.ledger[who.subject.id, path] = Cast(sha256, ballot.run, choice, turn, self.said_of(sha256))
            self.kept.pop((who.subject.id, path), None)

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
    def confirm_kept(self, who: Person) -> None:
        if not self.act(reviewing.confirm_kept, who):
            return
        Life.confirmed += 1
        turn, run = self.now()
        present = {output.path: output.sha256 for output in self.world.request.outputs}
        for (name, path), cast in list(self.kept.items()):
            if name == who.subject.id and present.get(path) == cast.sha256 and self.said_of(cast.sha256) == cast.seen:
                self.ledger[name, path] = cast._replace(run=run, turn=turn)

    @rule(who=st.sampled_from(CHECKERS))
    def confirm_and_hand_in(self, who: Person) -> None:
        self.confirm_kept(who)
        self.hand_in(who)

    @rule(who=people)
    def claim(self, who: Person) -> None:
        self.act(claims.claim, who)

    @rule(who=people)
    def give_back(self, who: Person) -> None:
        self.act(claims.give_back, who)

    @rule(who=people, checker=people)
    def assign(self, who: Person, checker: Person) -> None:
        self.act(claims.assign, who, checker)

    @rule(who=people, readers=st.sampled_from(Readers), path=st.none() | paths)
    def comment(self, who: Person, readers: Readers, path: str | None) -> None:
        number = len(self.world.request.comments)
        name = "".join("abcdefghij"[int(digit)] for digit in f"{number:012d}")
        self.act(
            comments.comment,
            who,
            Comment(
                id=name, by=who.subject, turn=1, group="tables", path=path, readers=readers, text="?", at=self.world.now
            ),
        )

    @rule(who=people, place=st.integers(0, 3))
    def publish(self, who: Person, place: int) -> None:
        known = self.world.request.comments
        if known:
            self.act(comments.publish, who, known[place % len(known)].id)

    @rule(who=people, agrees=st.booleans(), content=contents)
    def steward(self, who: Person, agrees: bool, content: str) -> None:
        found = finding(Severity.E, content, "P01")
        word = Consent(finding=found.id, by=who.subject, agrees=agrees, why="so", at=self.world.now)
        if self.act(exceptions.consent, who, word):
            self.words[who.subject.id, found.id] = agrees

    @rule(who=people)
    def ask_past_the_quorum(self, who: Person) -> None:
        if self.act(emergency.ask, who, "tonight"):
            self.asked = (who.subject.id, *self.now())

    @rule(who=people)
    def second(self, who: Person) -> None:
        if self.act(emergency.second, who, "abcdef"):
            self.seconded = (who.subject.id, *self.now())

    @rule()
    def a_release_past_the_quorum(self) -> None:
        self.author_submits()
        self.review_all(CHECKERS[0])
        self.time_passes(50)
        self.ask_past_the_quorum(CHECKERS[0])
        self.second(OPERATOR)

    @rule(who=people)
    def return_it(self, who: Person) -> None:
        early = self.world.request.state in {ExportState.Submitted, ExportState.PartiallyReviewed}
        if self.act(reviewing.return_to_author, who, "words") and early:
            self.ledger, self.handed, self.kept = {}, {}, {}

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
                for content in ("1", "2", "3"):
                    self.steward(STEWARD, True, content)
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
            assert review.checker.id not in {"alice", "bob", "oscar", "sue"}
            assert review.role in {None, Role.checker}

    @invariant()
    def blind_while_votes_are_cast_apart(self) -> None:
        request, grant = self.world.request, self.world.grant
        if not request.reviews and not request.comments:
            return
        for viewer in (AUTHOR, COLLEAGUE, *CHECKERS[:2]):
            seen = seen_by(request, viewer, grant)
            inside = viewer.subject.id in {"alice", "bob"} | self.joined
            for other in (*seen.reviews, *seen.comments):
                writer = other.by.id if isinstance(other, Comment) else other.checker.id
                if writer in {viewer.subject.id, "alice"} or other.turn < request.turn:
                    continue
                assert request.phase is not BlindPhase.INDEPENDENT
                assert not (inside and request.phase is BlindPhase.CONSOLIDATING)
            if inside:
                assert all(item.readers is Readers.public or item.by == viewer.subject for item in seen.comments)
                assert seen.claims == ()


Life.TestCase.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)


class LongLife(Life):
    """The same, with far more of it."""


LongLife.TestCase.settings = settings(max_examples=2000, stateful_step_count=60, deadline=None)
TestLongLife = pytest.mark.soak(pytest.mark.timeout(1800)(LongLife.TestCase))
TestLife = pytest.mark.timeout(240)(Life.TestCase)  # under coverage, on a busy machine


def test_the_random_lives_reached_what_they_are_about() -> None:
    """Runs after the lives above: a promise about releases that never happened would be empty."""
    if not Life.reached:
        pytest.skip("the random lives did not run before this")
    assert Life.reached[ExportState.Released] > 5, Life.reached
    assert min(Life.confirmed, Life.with_steward) > 0, vars(Life)


def test_the_machine_reaches_a_release_past_the_quorum_and_its_judge() -> None:
    """Random lives end so about once in two hundred, which is too seldom to ask it of them."""
    life, before = Life(), Life.past_the_quorum
    life.add(AUTHOR, "a.csv", "1", FileKind.output)
    life.a_release_past_the_quorum()
    life.a_checker_approves()
    life.time_passes(0)
    life.begin_release()
    life.release()
    assert life.world.request.state is ExportState.Released
    assert Life.past_the_quorum == before + 1


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
