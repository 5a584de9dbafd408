"""A committee as the public reads of it: seats that run, come and ended, and decisions with words and without."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.support.applications import POLICY, SEATS, TERMS, in_review, seat, vote
from tests.support.factories import NOON
from tests.unit.portal.world import World
from tre.domain.committee.decision import decided
from tre.domain.committee.published import published
from tre.domain.committee.tally import Ballot, tally
from tre.store import committee, committee_told

REASON, PATIENT_REASON = "It asks for more scans than it needs.", "We did not see what patients gain by it."
TITLE = "Shapes of hearts on scans of the chest"


def tell_decision(world: World, choice: str, at: datetime, *, grant: str | None = None, **changes: Any) -> str:
    """Have the public read of a decision on an application with this content; `said` are the members' words."""
    said = changes.pop("said", (REASON, None, None, PATIENT_REASON))
    varies, name = changes.pop("varies", None), str(changes.pop("id", "a-abcdefghijkl"))
    found = in_review(**changes).changed(varies=varies, id=name)
    votes = [
        vote(found, one.subject.id, choice, for_the_public=words, at=at) for one, words in zip(SEATS, said, strict=True)
    ]
    made = decided(found, tally(found, Ballot(SEATS, votes), TERMS, NOON), POLICY, None, at)
    told = published(made.record, made.application)
    assert told is not None
    with world.database.change(world.event()) as change:
        record = made.record if grant is None else made.record.model_copy(update={"grant": grant})
        committee_told.tell(change, record, told)
    return name


def seat_people(world: World) -> None:
    """Five seats: four that run, one that ended early; a further one is to come."""
    now = world.clock.now()
    with world.database.change(world.event()) as change:
        for one in SEATS:
            term = {"begins": now - timedelta(days=200), "ends": now + timedelta(days=500)}
            interests = ("A fund for hearts",) if one.subject.id == "adam" else ()
            committee.add_seat(change, one.model_copy(update=term | {"interests": interests}), TERMS)
        past = seat("fred", "patient", begins=now - timedelta(days=900), ends=now + timedelta(days=100))
        committee.add_seat(change, past, TERMS)
        committee.end_seat(change, past.id, "An illness that is nobody's business", now - timedelta(days=30))
        coming = seat("nora", "clinician", begins=now + timedelta(days=20), ends=now + timedelta(days=700))
        committee.add_seat(change, coming, TERMS)


def furnish_committee(world: World, *, grant: str | None = None) -> None:
    """Seats, two declined applications, and a decision on a project with words for the public."""
    now = world.clock.now()
    seat_people(world)
    tell_decision(world, "decline", now - timedelta(days=500), title=TITLE, id="a-aaaaaaaaaaaa")
    tell_decision(
        world,
        "decline",
        now - timedelta(days=9),
        title="Who asks for a scan at night",
        id="a-bbbbbbbbbbbb",
        varies="told",
        said=(None,) * 4,
    )
    if grant is not None:
        said = ("The question is worth it.", None, None, "We want to read what comes of it.")
        tell_decision(world, "approve", now - timedelta(days=20), grant=grant, id="a-cccccccccccc", said=said)
