"""A small world for the rules of exports: a grant of two members, three checkers, a policy, a clock one can move."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tre.domain.errors import Reason
from tre.domain.exports import authoring, releasing, reviewing
from tre.domain.exports.catalogue import KNOWN_CHECKS
from tre.domain.exports.models import (
    CheckedFile,
    CheckRun,
    Choice,
    Disposition,
    ExportRequest,
    FileGroup,
    Finding,
    Locator,
    Looking,
    Release,
    RequestFile,
    Vote,
    finding_id,
)
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.exports.severity import Severity
from tre.domain.exports.situation import GrantFacts, Situation
from tre.domain.people import Person, Role, Subject

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
WORDS = "Mean ages of 2,500 people by sex"


def person(name: str, *roles: Role) -> Person:
    """Somebody, in these roles."""
    return Person(subject=Subject(issuer="local", id=name), display_name=name, roles=frozenset(roles))


AUTHOR = person("alice", Role.researcher)
COLLEAGUE = person("bob", Role.researcher, Role.checker)
CHECKERS = tuple(person(name, Role.checker) for name in ("carol", "dave", "erin"))
OPERATOR = person("oscar", *(role for role in Role if role is not Role.checker))


def sha(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def policy(**changes: Any) -> AirlockPolicy:
    """The smallest policy; `changes` are keys of its spec."""
    severities = dict.fromkeys(sorted(KNOWN_CHECKS), "B")
    spec = {"title": "Test", "types": ["csv"], "severities": severities} | changes
    return AirlockPolicy.model_validate(
        {
            "apiVersion": "tre.research/v1alpha1",
            "kind": "AirlockPolicy",
            "metadata": {"name": "default"},
            "spec": spec,
        }
    )


def file(path: str = "a.csv", content: str = "1", **changes: Any) -> RequestFile:
    """A file of a request."""
    return RequestFile(**({"path": path, "sha256": sha(content), "size": 10, "type": "csv"} | changes))


def finding(severity: Severity, content: str = "1", check: str = "S01") -> Finding:
    """A finding on bytes."""
    message = f"found {severity}"
    place = Locator(row=2)
    return Finding(
        id=finding_id(check, 1, sha(content), place, message),
        check=check,
        check_version=1,
        severity=severity,
        sha256=sha(content),
        locator=place,
        message=message,
    )


@dataclass
class World:
    """One request and everything around it; every method does one act and keeps the request."""

    request: ExportRequest = field(init=False)
    members: tuple[Subject, ...] = (AUTHOR.subject, COLLEAGUE.subject)
    reviewers: int | None = None
    author: Reason = Reason.Entitled
    stopped: Reason | None = None
    now: datetime = START
    rules: AirlockPolicy = field(default_factory=policy)

    def __post_init__(self) -> None:
        draft = authoring.Draft(id="e-abcdefghijkl", grant="g", workspace="w-aaaaaaaaaaaa", author=AUTHOR.subject)
        self.request = authoring.begin(draft, self.situation)

    @property
    def grant(self) -> GrantFacts:
        """The grant's facts now."""
        return GrantFacts(
            name="g",
            title="Lungs of 2,500 people",
            reference="REC 26/0001",
            members=self.members,
            reviewers=self.reviewers,
            author=self.author,
            stopped=self.stopped,
        )

    @property
    def situation(self) -> Situation:
        """The situation now."""
        return Situation(grant=self.grant, policy=self.rules, now=self.now)

    def tick(self, **amount: float) -> World:
        """Let time pass."""
        self.now += timedelta(**amount)
        return self

    def with_files(self, *files: RequestFile, group: str = "tables") -> World:
        """A described group with these files."""
        described = FileGroup(name=group, context=WORDS, controls=WORDS, relation="Nothing left before.", people=2500)
        self.request = authoring.describe(self.request, AUTHOR, described, self.situation)
        self.request = authoring.add_files(self.request, AUTHOR, group, files or (file(),), self.situation)
        return self

    def run(self, *findings: Finding) -> CheckRun:
        """A complete run over the request as it is."""
        files = tuple(CheckedFile(path=f.path, sha256=f.sha256) for f in self.request.files)
        return CheckRun(policy=self.rules.ref, tools={"tre": "1"}, at=self.now, files=files, findings=findings)

    def checked(self, *findings: Finding) -> World:
        """Keep a complete run."""
        self.request = authoring.checked(self.request, self.run(*findings), self.situation)
        return self

    def submit(self) -> World:
        """Hand it in."""
        self.request = authoring.submit(self.request, AUTHOR, self.situation)
        return self

    def ballot(self, path: str = "a.csv", choice: Choice = Choice.Approved, **changes: Any) -> Vote:
        """A vote on what the request holds now."""
        found = next(f for f in self.request.files if f.path == path)
        run = self.request.check_run
        values: dict[str, Any] = {
            "path": path,
            "sha256": found.sha256,
            "run": run.id if run else "none",
            "choice": choice,
            "comment": "please round" if choice is Choice.ChangesRequested else "",
            "looked": Looking.stated if choice is Choice.Approved else None,
            "at": self.now,
        }
        return Vote(**(values | changes))

    def answers(self, *findings: Finding, why: str = "agreed with the steward") -> tuple[Disposition, ...]:
        """What a checker says about findings."""
        return tuple(Disposition(finding=item.id, why=why) for item in findings)

    def vote(self, checker: Person, *votes: Vote) -> World:
        """Cast votes; without any, approve every output."""
        for ballot in votes or tuple(self.ballot(f.path) for f in self.request.outputs):
            self.request = reviewing.record_vote(self.request, checker, ballot, self.situation)
        return self

    def hand_in(self, checker: Person) -> World:
        """Submit a review."""
        self.request = reviewing.submit_review(self.request, checker, self.situation)
        return self

    def reviewed(self, *checkers: Person) -> World:
        """Approve and submit by these checkers, by the first two without any."""
        for checker in checkers or CHECKERS[:2]:
            self.vote(checker).hand_in(checker)
        return self

    def approved(self) -> World:
        """All the way to `Approved`."""
        self.with_files().checked().submit().reviewed()
        self.request = reviewing.approve(self.request, CHECKERS[0], "1", self.situation)
        return self

    def releasing(self) -> World:
        """All the way to `Releasing`."""
        self.approved().tick(seconds=5)
        self.request = releasing.begin_release(self.request, self.situation)
        return self

    def released(self) -> World:
        """All the way to `Released`."""
        self.releasing()
        self.request = releasing.released(self.request, self.bundle(), self.situation)
        return self

    def bundle(self) -> Release:
        """What left."""
        return Release(at=self.now, bundle_sha256=sha("bundle"), bundle_size=1)
