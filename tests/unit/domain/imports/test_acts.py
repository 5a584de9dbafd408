"""Import requests: who may do what, when, and what a yes is a yes to."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pydantic import ValidationError

from tests.unit.domain.exports.world import AUTHOR, CHECKERS, COLLEAGUE, OPERATOR, START, policy, sha
from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import CheckedFile, CheckRun, Finding, Locator, finding_id
from tre.domain.exports.severity import Severity
from tre.domain.exports.situation import GrantFacts, Situation
from tre.domain.imports import acts, permissions
from tre.domain.imports.models import ImportFile, ImportRequest, ImportVote
from tre.domain.imports.states import IMPORT_TRANSITIONS, LET_IN, ImportState
from tre.domain.people import Person

PURPOSE = "A package that segments lungs on chest films"
S = ImportState


def situation(reviewers: int = 1, **facts: Any) -> Situation:
    """The facts of one moment."""
    members = facts.pop("members", (AUTHOR.subject, COLLEAGUE.subject))
    now = facts.pop("now", START)
    rules = policy(imports={"reviewers": reviewers, "files": 2, "requestBytes": "1Ki"})
    return Situation(
        grant=GrantFacts(name="g", title="Lungs", reference="NCCID-7", members=members, **facts), policy=rules, now=now
    )


def file(path: str = "a.py", content: str = "1", size: int = 10) -> ImportFile:
    return ImportFile(path=path, sha256=sha(content), size=size, type="code")


def blocked(content: str) -> Finding:
    """A finding that lets these bytes nowhere."""
    identifier = finding_id("F04", 1, sha(content), Locator(), "an archive")
    return Finding(
        id=identifier, check="F04", check_version=1, severity=Severity.B, sha256=sha(content), message="an archive"
    )


def run(request: ImportRequest, *findings: Finding) -> CheckRun:
    seen = tuple(CheckedFile(path=f.path, sha256=f.sha256) for f in request.files)
    return CheckRun(policy=situation().policy.ref, tools={}, at=START, files=seen, findings=findings)


def begun() -> ImportRequest:
    draft = acts.ImportDraft(id="i-abcdefghijkl", grant="g", author=AUTHOR.subject)
    return acts.begin(draft, situation())


def ready(*files: ImportFile) -> ImportRequest:
    """A draft with files, checked."""
    added = acts.add_files(begun(), AUTHOR, files or (file(),), situation())
    return acts.checked(added, run(added), situation())


def submitted() -> ImportRequest:
    return acts.submit(ready(), AUTHOR, PURPOSE, situation())


def vote(request: ImportRequest, person: Person, approves: bool = True, **changes: Any) -> ImportVote:
    values = {"by": person.subject, "approves": approves, "manifest": request.manifest, "at": START}
    return ImportVote(**(values | changes))


def yes(request: ImportRequest, person: Person, facts: Situation | None = None) -> ImportRequest:
    return acts.decide(request, person, vote(request, person), facts or situation())


def checked_under(request: ImportRequest, facts: Situation) -> ImportRequest:
    assert request.check_run is not None
    return acts.checked(request, request.check_run.model_copy(update={"policy": facts.policy.ref}), facts)


def into(approved: ImportRequest) -> ImportRequest:
    return acts.placed(acts.begin_placing(approved, situation()), situation())


def refusal(do: Any, *arguments: Any) -> Reason:
    """Why an act is refused; an act that is not fails the test."""
    with pytest.raises(TREError) as error:
        do(*arguments)
    return error.value.reason


def test_the_way_in() -> None:
    approved = yes(submitted(), CHECKERS[0])
    assert (approved.state, approved.reason) == (S.Approved, Reason.AwaitingRelease)
    placing = acts.begin_placing(approved, situation())
    assert (placing.state, placing.deadline) == (S.Placing, START + acts.PLACING_PATIENCE)
    placed = acts.placed(placing, situation())
    assert (placed.state, placed.deadline) == (S.Placed, None)
    removed = acts.remove(placed, CHECKERS[1], "It calls home.", situation())
    assert (removed.state, removed.message) == (S.Removed, "It calls home.")


def test_a_policy_may_ask_for_two() -> None:
    two = situation(reviewers=2)
    once = yes(checked_under(submitted(), two), CHECKERS[0], two)
    again = yes(once, CHECKERS[0], two)
    assert (once.state, again.state, len(again.votes)) == (S.Submitted, S.Submitted, 1)
    approved = yes(again, CHECKERS[1], two)
    assert approved.state is S.Approved
    three = situation(reviewers=3)
    assert refusal(acts.check_placeable, checked_under(approved, three), three) is Reason.QuorumMissing


@pytest.mark.parametrize("person", [AUTHOR, COLLEAGUE, OPERATOR])
def test_who_decides_nothing(person: Person) -> None:
    request = submitted()
    assert refusal(acts.decide, request, person, vote(request, person), situation()) is Reason.NotPermitted
    assert not permissions.can_decide(person, request, situation().grant)
    assert permissions.can_decide(CHECKERS[0], request, situation().grant)


def test_who_sees_and_who_edits() -> None:
    request, facts = begun(), situation().grant
    assert [permissions.can_view(p, request, facts) for p in (AUTHOR, COLLEAGUE, CHECKERS[0])] == [True] * 3
    assert not permissions.can_view(OPERATOR, request, facts)
    assert permissions.can_edit(AUTHOR, request, facts)
    assert not permissions.can_edit(COLLEAGUE, request, facts)
    assert not permissions.can_edit(AUTHOR, request, situation(members=()).grant)


def test_whoever_joins_the_project_counts_no_more() -> None:
    approved = yes(submitted(), CHECKERS[0])
    joined = situation(members=(AUTHOR.subject, CHECKERS[0].subject))
    assert refusal(acts.begin_placing, approved, joined) is Reason.QuorumMissing
    back = acts.reopen(approved, joined)
    assert (back.state, back.reason) == (S.Submitted, Reason.AwaitingChecker)
    assert acts.reopen(approved, situation()) == approved
    assert acts.reopen(approved, situation(stopped=Reason.GrantSuspended)) == approved


def test_a_stopped_project_gets_nothing() -> None:
    approved = yes(submitted(), CHECKERS[0])
    assert refusal(acts.begin_placing, approved, situation(stopped=Reason.GrantSuspended)) is Reason.GrantSuspended
    assert refusal(acts.begin_placing, submitted(), situation()) is Reason.StateForbids
    draft = acts.ImportDraft(id="i-abcdefghijkl", grant="g", author=AUTHOR.subject)
    assert refusal(acts.begin, draft, situation(author=Reason.GrantExpired)) is Reason.GrantExpired
    assert refusal(acts.submit, ready(), AUTHOR, PURPOSE, situation(author=Reason.GrantExpired)) is Reason.GrantExpired


def test_a_yes_is_to_these_files() -> None:
    request = submitted()
    other = vote(request, CHECKERS[0], manifest="sha256:other")
    assert refusal(acts.decide, request, CHECKERS[0], other, situation()) is Reason.ContentChanged
    assert refusal(acts.decide, ready(), CHECKERS[0], vote(ready(), CHECKERS[0]), situation()) is Reason.StateForbids


def test_a_no_has_words_and_ends_it() -> None:
    request = submitted()
    bare = vote(request, CHECKERS[0], approves=False)
    assert refusal(acts.decide, request, CHECKERS[0], bare, situation()) is Reason.ContextMissing
    said = vote(request, CHECKERS[0], approves=False, comment="Not needed.")
    ended = acts.decide(request, CHECKERS[0], said, situation())
    assert (ended.state, ended.message) == (S.Rejected, "Not needed.")


def test_what_is_not_ready_is_not_submitted() -> None:
    assert refusal(acts.submit, begun(), AUTHOR, PURPOSE, situation()) is Reason.ContextMissing
    assert refusal(acts.submit, ready(), AUTHOR, "a package", situation()) is Reason.ContextMissing
    unchecked = acts.add_files(ready(), AUTHOR, (file("b.py", "2"),), situation())
    assert refusal(acts.submit, unchecked, AUTHOR, PURPOSE, situation()) is Reason.CheckMissing
    assert refusal(acts.submit, submitted(), AUTHOR, PURPOSE, situation()) is Reason.StateForbids


def test_what_a_check_blocks_does_not_come_in() -> None:
    added = acts.add_files(begun(), AUTHOR, (file(), file("b.zip", "2")), situation())
    stopped = acts.checked(added, run(added, blocked("2")), situation())
    assert (stopped.state, stopped.reason) == (S.Blocked, Reason.FindingBlocks)
    assert refusal(acts.submit, stopped, AUTHOR, PURPOSE, situation()) is Reason.FindingBlocks
    same = acts.remove_file(stopped, AUTHOR, "a.py", situation())
    assert same.state is S.Blocked
    cured = acts.remove_file(stopped, AUTHOR, "b.zip", situation())
    assert cured.state is S.Pending
    assert acts.submit(cured, AUTHOR, PURPOSE, situation()).state is S.Submitted


def test_a_run_after_the_submission_is_looked_at_again() -> None:
    request = submitted()
    found = acts.checked(request, run(request, blocked("1")), situation())
    assert found.state is S.Submitted
    assert refusal(yes, found, CHECKERS[0]) is Reason.FindingBlocks


def test_files_are_replaced_by_name_and_bounded() -> None:
    request = acts.add_files(begun(), AUTHOR, (file("A.py", "2"),), situation())
    replaced = acts.add_files(request, AUTHOR, (file("a.py", "3"),), situation())
    assert [f.sha256 for f in replaced.files] == [sha("3")]
    many = (file("b.py"), file("c.py"), file("d.py"))
    assert refusal(acts.add_files, request, AUTHOR, many, situation()) is Reason.FileRefused
    assert refusal(acts.add_files, request, AUTHOR, (file("b.py", size=2000),), situation()) is Reason.FileRefused
    assert refusal(acts.remove_file, request, AUTHOR, "other", situation()) is Reason.BadInput
    with pytest.raises(ValidationError, match="Two files"):
        begun().changed(files=(file("a.py"), file("A.py")))


def test_a_recall_says_why() -> None:
    placed = into(yes(submitted(), CHECKERS[0]))
    assert refusal(acts.remove, placed, CHECKERS[0], " ", situation()) is Reason.ContextMissing
    assert refusal(acts.remove, placed, AUTHOR, "why", situation()) is Reason.NotPermitted


def test_the_author_takes_it_back_until_it_is_placed() -> None:
    approved = yes(submitted(), CHECKERS[0])
    assert acts.withdraw(approved, AUTHOR, situation()).state is S.Withdrawn
    assert refusal(acts.withdraw, into(approved), AUTHOR, situation()) is Reason.StateForbids


def test_drafts_are_bounded() -> None:
    draft = acts.ImportDraft(id="i-abcdefghijkl", grant="g", author=AUTHOR.subject)
    assert acts.begin(draft, situation(), acts.MOST_DRAFTS - 1).state is S.Pending
    assert refusal(acts.begin, draft, situation(), acts.MOST_DRAFTS) is Reason.RateLimited


def test_the_clock() -> None:
    later = situation(now=START + timedelta(days=400))
    assert acts.at_deadline(begun(), situation()) == begun()
    assert acts.at_deadline(ready(), later).state is S.Withdrawn
    late = acts.at_deadline(submitted(), later)
    assert (late.state, late.reason, late.deadline) == (S.Submitted, Reason.DeadlineReached, None)
    assert acts.at_deadline(late, later) == late


def fail(request: ImportRequest, facts: Situation) -> ImportRequest:
    return acts.placing_failed(request, TREError(Reason.StorageFull, "No room."), facts)


def test_what_cannot_be_placed_says_why_and_is_tried_again() -> None:
    placing = acts.begin_placing(yes(submitted(), CHECKERS[0]), situation())
    back = fail(placing, situation())
    assert (back.state, back.reason, back.message) == (S.Approved, Reason.StorageFull, "No room.")
    assert acts.begin_placing(back, situation()).reason is Reason.AwaitingRelease
    assert refusal(fail, back, situation()) is Reason.StateForbids


def test_everything_ends_with_its_project() -> None:
    over = situation(over=Reason.GrantExpired)
    approved = yes(submitted(), CHECKERS[0])
    for waiting in (begun(), submitted(), approved):
        assert acts.end_with_project(waiting, over).state is S.Withdrawn
        assert acts.end_with_project(waiting, situation()) == waiting
    for inside in (acts.begin_placing(approved, situation()), into(approved)):
        assert acts.end_with_project(inside, over).state is S.Removed
    ended = acts.withdraw(approved, AUTHOR, situation())
    assert acts.end_with_project(ended, over) == ended


def test_a_check_under_another_policy_is_none() -> None:
    stricter = situation(reviewers=2)
    assert refusal(acts.submit, ready(), AUTHOR, PURPOSE, stricter) is Reason.PolicyChanged


@pytest.mark.parametrize(("one", "other"), [("a", "a/b.py"), ("A/B.py", "a"), ("a/b", "A/B/c.py")])
def test_no_file_stands_where_a_folder_does(one: str, other: str) -> None:
    request = acts.add_files(begun(), AUTHOR, (file(one),), situation())
    assert refusal(acts.add_files, request, AUTHOR, (file(other, "2"),), situation()) is Reason.FileRefused


class Life(RuleBasedStateMachine):
    """Acts in any order by anybody; what is refused changes nothing, and what is placed was approved from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.request = begun()
        self.yeses: dict[str, set[str]] = {}

    def act(self, do: Any, *arguments: Any) -> bool:
        before = self.request
        try:
            after = do(before, *arguments, situation())
        except TREError:
            return False
        assert after.state is before.state or IMPORT_TRANSITIONS.can(before.state, after.state)
        self.request = after
        return True

    people = st.sampled_from((AUTHOR, COLLEAGUE, OPERATOR, *CHECKERS))

    @rule(person=people, path=st.sampled_from(["a.py", "b.py"]), content=st.sampled_from(["1", "2"]))
    def add(self, person: Person, path: str, content: str) -> None:
        self.act(acts.add_files, person, (file(path, content),))

    @rule(bad=st.booleans())
    def check(self, bad: bool) -> None:
        self.act(acts.checked, run(self.request, *((blocked("2"),) if bad else ())))

    @rule(person=people)
    def hand_in(self, person: Person) -> None:
        self.act(acts.submit, person, PURPOSE)

    @rule(person=people, approves=st.booleans())
    def decide(self, person: Person, approves: bool) -> None:
        manifest = self.request.manifest
        ballot = vote(self.request, person, approves, comment="words")
        if self.act(acts.decide, person, ballot) and approves:
            self.yeses.setdefault(manifest, set()).add(person.subject.id)

    @rule(person=people, path=st.sampled_from(["a.py", "b.py"]))
    def take_out(self, person: Person, path: str) -> None:
        self.act(acts.remove_file, person, path)

    @rule()
    def begin(self) -> None:
        self.act(acts.begin_placing)

    @rule(holds=st.booleans())
    def place(self, holds: bool) -> None:
        self.act(acts.placed if holds else fail)

    @rule(person=people)
    def withdraw(self, person: Person) -> None:
        self.act(acts.withdraw, person)

    @invariant()
    def what_is_placed_was_approved(self) -> None:
        if self.request.state in LET_IN:
            outside = self.yeses.get(self.request.manifest, set()) & {p.subject.id for p in CHECKERS}
            assert outside
            assert self.request.is_checked
            assert not self.request.blocking


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_the_manifest_is_of_paths_and_bytes() -> None:
    one, other = ready(file("a.py", "1"), file("b.py", "2")), ready(file("b.py", "2"), file("a.py", "1"))
    assert one.manifest == other.manifest
    assert one.manifest != ready(file("a.py", "2"), file("b.py", "1")).manifest
    assert hashlib.sha256(b"1").hexdigest() == sha("1")
