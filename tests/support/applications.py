"""Applications, seats and votes to test with: whole as they come, changed one thing at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.support.factories import ALICE, END, LEGAL_END, NOON, START
from tre.domain.applications import acts
from tre.domain.applications.acts import Way
from tre.domain.applications.models import Application, ApplicationContent, PlannedSlice
from tre.domain.committee.models import Seat, Vote, VoteText
from tre.domain.committee.policy import CommitteePolicy, CommitteeTerms
from tre.domain.committee.tally import Ballot
from tre.domain.committee.voting import Act, cast
from tre.domain.names import short_hash
from tre.domain.people import Person, Role, Subject

ID = "a-abcdefghijkl"
PLAN, OTHER_PLAN = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
AUTHOR = Person(subject=ALICE, display_name="Alice", roles=frozenset({Role.researcher}))
WAY = Way(deadline=NOON + timedelta(days=28))
KINDS = ("clinician", "academic", "commissioner", "patient")
POLICY = CommitteePolicy.model_validate(
    {
        "apiVersion": "tre.research/v1alpha1",
        "kind": "CommitteePolicy",
        "metadata": {"name": "committee"},
        "spec": {},
    }
)
TERMS = POLICY.spec


def policy(**changes: Any) -> CommitteePolicy:
    """The policy with other rules."""
    terms = CommitteeTerms.model_validate(TERMS.as_plain() | changes)
    return POLICY.model_copy(update={"spec": terms})


def slice_of(name: str = "cxr", **changes: Any) -> dict[str, Any]:
    """One slice that is asked for."""
    spec = {"slice": 1, "dataset": "nccid", "release": "2026-10-01", "images": [{"modality": ["CR", "DX"]}]}
    reasons = {"CR": "Chest X-rays show the disease.", "DX": "So do digital ones."}
    return {"name": name, "spec": spec, "justifications": reasons, "minimisation": "All are needed."} | changes


def content_plain(**changes: Any) -> dict[str, Any]:
    """Everything that is asked, as it stands in a file."""
    return {
        "title": "Severity scoring of COVID-19 on chest X-rays",
        "laySummary": "We teach a computer to see how ill somebody's lungs are.",
        "publicBenefit": "Faster treatment.",
        "purpose": "To score severity.",
        "technicalSummary": "A model with p < 0.05 and n > 3.",
        "organisation": {"name": "University", "id": "org-1", "sector": "academic", "commercial": False},
        "people": [
            {
                "name": "Alice Archer",
                "jobTitle": "Researcher",
                "organisation": "University",
                "subject": {"issuer": "local", "id": "alice"},
            },
            {
                "name": "Bob Baker",
                "jobTitle": "Professor",
                "organisation": "University",
                "subject": {"issuer": "local", "id": "bob"},
                "role": "lead",
            },
        ],
        "slices": [slice_of()],
        "starts": START.isoformat(),
        "ends": END.isoformat(),
        "legalBasis": {
            "name": "COPI",
            "ends": LEGAL_END.isoformat(),
            "article6": "6(1)(e)",
            "article9": "9(2)(j)",
            "confidentiality": "Regulation 3 of COPI",
        },
        "funders": ["A fund"],
        "outputs": [{"what": "A paper", "due": "2027-09-01"}],
        "ethics": {"reference": "REC 20/1"},
        "research": "disease",
    } | changes


def content(**changes: Any) -> ApplicationContent:
    """The same, read."""
    return ApplicationContent.model_validate(content_plain(**changes))


def draft(**changes: Any) -> Application:
    """A whole draft."""
    begun = acts.begin(ID, AUTHOR, NOON)
    return acts.edit(begun, AUTHOR, content_plain(**changes), NOON)


def submitted(**changes: Any) -> Application:
    """An application that was handed in."""
    return acts.submit(draft(**changes), AUTHOR, NOON)


def plans_for(application: Application, plan: str = PLAN) -> tuple[PlannedSlice, ...]:
    """A plan for each slice."""
    assert application.content is not None
    return tuple(PlannedSlice(name=item.name, plan_digest=plan) for item in application.content.slices)


def in_review(way: Way = WAY, **changes: Any) -> Application:
    """An application that the committee votes on."""
    found = submitted(**changes)
    return acts.taken_up(found, plans_for(found), way, NOON)


def subject(name: str) -> Subject:
    """A person by name."""
    return Subject(issuer="local", id=name)


def seat(who: str, constituency: str, **changes: Any) -> Seat:
    """A seat for a year around noon."""
    values = {
        "id": f"s-{short_hash('seat', who)}",
        "subject": subject(who),
        "name": f"Member {who}",
        "constituency": constituency,
        "organisation": f"Trust of {who}",
        "begins": NOON - timedelta(days=180),
        "ends": NOON + timedelta(days=180),
    }
    return Seat.model_validate(values | changes)


SEATS = (
    seat("clara", "clinician", chair=True),
    seat("adam", "academic"),
    seat("connie", "commissioner"),
    seat("pat", "patient"),
)


def member(name: str) -> Person:
    """A committee member who signed in."""
    return Person(subject=subject(name), display_name=name, roles=frozenset({Role.committee}))


def act(name: str, now: datetime = NOON) -> Act:
    """A member who acts."""
    return Act(member(name), f"session-of-{name}", now)


def text(choice: str = "approve", **changes: Any) -> VoteText:
    """What a member fills in."""
    more = {"approve-with-conditions": {"conditions": ["DUO:0000019"]}, "defer": {"questions": ["How?"]}}
    return VoteText.model_validate({"choice": choice, "reasons": "It helps."} | more.get(choice, {}) | changes)


def vote(application: Application, name: str, choice: str = "approve", **changes: Any) -> Vote:
    """A vote of one of `SEATS`."""
    assert application.matter is not None
    found = cast(application.changed(closing=None), text(choice), application.matter, Ballot(SEATS), TERMS, act(name))
    return Vote.model_validate({**dict(found), **changes})


def votes(application: Application, *choices: str) -> tuple[Vote, ...]:
    """A vote of each of `SEATS` in their order."""
    return tuple(vote(application, one.subject.id, choice) for one, choice in zip(SEATS, choices, strict=False))


def ballot(application: Application, *choices: str, seats: Sequence[Seat] = SEATS) -> Ballot:
    """A ballot of `SEATS` with these votes."""
    return Ballot(seats, votes(application, *choices))
