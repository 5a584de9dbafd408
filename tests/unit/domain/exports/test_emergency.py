"""A release past a quorum out of reach: two people from outside, late, with reasons, past no finding that blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.domain.exports.world import AUTHOR, CHECKERS, COLLEAGUE, OPERATOR, World, finding, person, policy
from tre.domain.errors import Reason, TREError
from tre.domain.exports import emergency, releasing, reviewing
from tre.domain.exports.models import Choice, Emergency
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState
from tre.domain.people import Person, Role

CAROL, DAVE, ERIN = CHECKERS
BOTH = person("olga", Role.operator, Role.checker)


def refused(act: Any, *arguments: Any) -> Reason:
    with pytest.raises(TREError) as error:
        act(*arguments)
    return error.value.reason


def stuck(who: Person = CAROL, *found: Any) -> World:
    """One review is in, and the service level is over."""
    world = World().with_files().checked(*found).submit()
    world.vote(who, world.ballot(dispositions=world.answers(*found))).hand_in(who)
    return world.tick(hours=48)


def asked(who: Person = CAROL, *found: Any) -> World:
    world = stuck(who, *found)
    world.request = emergency.ask(world.request, who, "An outbreak report is due tonight.", world.situation)
    return world


def seconded() -> World:
    world = asked()
    world.request = emergency.second(world.request, OPERATOR, "1", world.situation)
    return world


def test_two_people_release_after_the_delay() -> None:
    world = seconded()
    assert world.request.state is ExportState.Approved
    assert world.request.emergency is not None
    assert (world.request.emergency.operator, world.request.emergency.seconded_at) == (OPERATOR.subject, world.now)
    assert refused(releasing.begin_release, world.request, world.situation) is Reason.NotYetValid
    world.tick(seconds=5)
    world.request = releasing.begin_release(world.request, world.situation)
    assert releasing.released(world.request, world.bundle(), world.situation).state is ExportState.Released


def test_only_when_it_is_late_and_a_review_is_missing() -> None:
    world = stuck().tick(hours=-1)
    assert refused(emergency.ask, world.request, CAROL, "why", world.situation) is Reason.NotYetValid
    both = World().with_files().checked().submit().reviewed().tick(hours=48)
    assert refused(emergency.ask, both.request, CAROL, "why", both.situation) is Reason.StateForbids
    none = World().with_files().checked().submit().tick(hours=48)
    assert refused(emergency.ask, none.request, CAROL, "why", none.situation) is Reason.StateForbids


@pytest.mark.parametrize("who", [AUTHOR, COLLEAGUE, OPERATOR], ids=lambda who: who.subject.id)
def test_only_a_checker_outside_asks_who_has_said_yes(who: Person) -> None:
    world = stuck()
    assert refused(emergency.ask, world.request, who, "why", world.situation) is Reason.NotPermitted
    assert refused(emergency.ask, world.request, DAVE, "why", world.situation) is Reason.QuorumMissing
    assert refused(emergency.ask, world.request, CAROL, "  ", world.situation) is Reason.ContextMissing
    no = World().with_files().checked().submit()
    no.vote(CAROL, no.ballot(choice=Choice.ChangesRequested)).hand_in(CAROL).tick(hours=48)
    assert refused(emergency.ask, no.request, CAROL, "why", no.situation) is Reason.QuorumMissing


@pytest.mark.parametrize("who", [AUTHOR, COLLEAGUE, CAROL, DAVE], ids=lambda who: who.subject.id)
def test_only_an_operator_outside_seconds(who: Person) -> None:
    world = asked()
    assert refused(emergency.second, world.request, who, "1", world.situation) is Reason.NotPermitted
    assert refused(emergency.second, world.request, OPERATOR, "yes", world.situation) is Reason.ConfirmationWrong
    world.members = (*world.members, OPERATOR.subject)
    assert refused(emergency.second, world.request, OPERATOR, "1", world.situation) is Reason.NotPermitted


def test_one_person_is_not_two() -> None:
    world = asked(BOTH)
    assert refused(emergency.second, world.request, BOTH, "1", world.situation) is Reason.NotPermitted
    emergency.second(world.request, OPERATOR, "1", world.situation)


def test_nobody_seconds_what_nobody_asked_for() -> None:
    world = stuck()
    assert refused(emergency.second, world.request, OPERATOR, "1", world.situation) is Reason.StateForbids


def test_a_finding_that_blocks_stops_it_and_one_that_is_not_answered_too() -> None:
    world = asked()
    run = world.run(finding(Severity.B))
    world.request = world.request.changed(check_run=run)
    assert refused(emergency.second, world.request, OPERATOR, "1", world.situation) is Reason.FindingBlocks
    assert refused(emergency.ask, world.request, CAROL, "why", world.situation) is Reason.FindingBlocks
    answered = finding(Severity.E)
    emergency.second(asked(CAROL, answered).request, OPERATOR, "1", asked(CAROL, answered).situation)
    steward = stuck(CAROL, finding(Severity.E, check="P01"))
    assert refused(emergency.ask, steward.request, CAROL, "why", steward.situation) is Reason.FindingBlocks


BREAKS: dict[str, Callable[[World], Any]] = {
    "another run": lambda w: w.checked(finding(Severity.I)),
    "the checker joined": lambda w: setattr(w, "members", (*w.members, CAROL.subject)),
    "the operator joined": lambda w: setattr(w, "members", (*w.members, OPERATOR.subject)),
    "one person": lambda w: forged(w, operator=CAROL.subject),
    "another turn": lambda w: forged(w, turn=2),
}


def forged(world: World, **changes: Any) -> None:
    assert world.request.emergency is not None
    other = Emergency.model_validate({**dict(world.request.emergency), **changes})
    world.request = world.request.changed(emergency=other)


@pytest.mark.parametrize("what", BREAKS)
def test_it_holds_only_with_everything_in_order(what: str) -> None:
    world = seconded().tick(seconds=5)
    releasing.begin_release(world.request, world.situation)
    BREAKS[what](world)
    assert refused(releasing.begin_release, world.request, world.situation) is Reason.QuorumMissing


def test_it_is_asked_for_again_where_the_checks_ran_anew_even_if_the_checker_voted_again() -> None:
    world = asked().checked(finding(Severity.I)).vote(CAROL)
    assert refused(emergency.second, world.request, OPERATOR, "1", world.situation) is Reason.QuorumMissing
    world.request = emergency.ask(world.request, CAROL, "still tonight", world.situation)
    emergency.second(world.request, OPERATOR, "1", world.situation)


def test_what_holds_no_longer_goes_back_to_the_ordinary_way() -> None:
    world = seconded().tick(seconds=5).checked(finding(Severity.I))
    world.request = releasing.reopen(world.request, world.situation)
    assert (world.request.state, world.request.emergency) == (ExportState.Reviewed, None)


def test_it_can_be_stopped_within_the_delay_and_ends_with_its_turn() -> None:
    world = seconded()
    world.request = reviewing.return_to_author(world.request, DAVE, "wait", world.situation)
    world.submit()
    assert world.request.emergency is None


def test_a_raised_quorum_is_passed_too_and_an_empty_request_never() -> None:
    world = World(reviewers=3).with_files().checked().submit().reviewed(CAROL, DAVE).tick(hours=48)
    world.request = emergency.ask(world.request, DAVE, "why", world.situation)
    emergency.second(world.request, OPERATOR, "1", world.situation)
    (group,) = world.request.groups
    world.request = world.request.changed(groups=(group.holding(()),))
    assert refused(emergency.second, world.request, OPERATOR, "0", world.situation) is Reason.QuorumMissing


def test_a_changed_policy_stops_it() -> None:
    world = asked()
    world.rules = policy(counts={"threshold": 11})
    assert refused(emergency.second, world.request, OPERATOR, "1", world.situation) is Reason.PolicyChanged
