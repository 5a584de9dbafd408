"""Exceptions: what each needs, the steward's word, and what blocks whatever people say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.domain.exports.world import AUTHOR, CHECKERS, OPERATOR, START, World, file, finding, person, policy
from tre.domain.errors import Reason, TREError
from tre.domain.exports import exceptions, releasing, reviewing
from tre.domain.exports.conduct import Need
from tre.domain.exports.models import Consent, FileKind, Finding
from tre.domain.exports.policies import check_approvable, check_checked
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState
from tre.domain.people import Person, Role

CAROL, DAVE, ERIN = CHECKERS
STEWARD = person("sue", Role.data_manager)
OTHER = person("sam", Role.data_manager)
BOTH = person("dora", Role.data_manager, Role.checker)
RECORD = finding(Severity.E, check="P02")


def refused(act: Any, *arguments: Any) -> Reason:
    with pytest.raises(TREError) as error:
        act(*arguments)
    return error.value.reason


def case(check: str, name: str) -> Finding:
    return finding(Severity.E, check=check).model_copy(update={"case": name})


@pytest.mark.parametrize(
    ("found", "said", "need"),
    [
        (finding(Severity.E), {}, Need.reason),
        (RECORD, {}, Need.steward),
        (case("P03", "lookalike"), {}, Need.steward),
        (case("P03", "lookalike"), {"P03": "reason"}, Need.reason),
        (case("P03", "lookalike"), {"P03": "reason", "P03.lookalike": "never"}, Need.never),
        (case("S06", "equal"), {"S06.equal": "steward"}, Need.steward),
        (finding(Severity.E, check="S06"), {"S06.equal": "steward"}, Need.reason),
    ],
)
def test_what_an_exception_needs(found: Finding, said: dict[str, str], need: Need) -> None:
    assert exceptions.need_of(found, policy(exceptions=said)) is need


def test_where_there_is_never_an_exception_the_finding_blocks() -> None:
    found = finding(Severity.E)
    world = World(rules=policy(exceptions={"S01": "never"})).with_files().checked(found)
    assert exceptions.blocking(world.request, world.rules) == (found,)
    assert refused(check_checked, world.request, world.rules) is Reason.FindingBlocks
    assert exceptions.blocking(world.request, policy()) == ()
    acknowledged = World(rules=world.rules).with_files().checked(finding(Severity.A))
    assert exceptions.blocking(acknowledged.request, world.rules) == ()


def test_nothing_blocks_without_a_run_nor_on_files_that_stay() -> None:
    world = World().with_files(file(), file("b.csv", "2", kind=FileKind.code))
    assert exceptions.blocking(world.request, world.rules) == ()
    world.checked(finding(Severity.B, "2"))
    assert exceptions.blocking(world.request, world.rules) == ()


def reviewed(*found: Finding) -> World:
    findings = found or (RECORD,)
    world = World().with_files().checked(*findings).submit()
    for checker in (CAROL, DAVE):
        world.vote(checker, world.ballot(dispositions=world.answers(*findings))).hand_in(checker)
    return world


def word(found: Finding = RECORD, *, agrees: bool = True, why: str = "cleared with the owner") -> Consent:
    return Consent(finding=found.id, by=AUTHOR.subject, agrees=agrees, why=why, at=START)


def say(world: World, who: Person, said: Consent) -> World:
    world.request = exceptions.consent(world.request, who, said, world.situation)
    return world


def test_two_checkers_alone_let_no_record_out() -> None:
    world = reviewed()
    assert refused(check_approvable, world.request, world.situation) is Reason.FindingBlocks
    assert refused(reviewing.approve, world.request, CAROL, "1", world.situation) is Reason.FindingBlocks
    say(world.tick(hours=1), STEWARD, word())
    assert (world.request.consents[0].by, world.request.consents[0].at) == (STEWARD.subject, world.now)
    assert reviewing.approve(world.request, CAROL, "1", world.situation).state is ExportState.Approved


def test_a_no_stands_against_any_yes_until_its_giver_takes_it_back() -> None:
    world = say(say(reviewed(), STEWARD, word()), OTHER, word(agrees=False))
    assert exceptions.awaiting_steward(world.request, world.situation) == (RECORD,)
    say(world, OTHER, word())
    assert exceptions.awaiting_steward(world.request, world.situation) == ()
    assert len(world.request.consents) == 2


def test_the_steward_is_outside_and_no_reviewer() -> None:
    world = say(reviewed(), STEWARD, word())
    check_approvable(world.request, world.situation)
    world.members = (*world.members, STEWARD.subject)
    assert refused(check_approvable, world.request, world.situation) is Reason.FindingBlocks
    assert refused(exceptions.consent, world.request, STEWARD, word(), world.situation) is Reason.NotPermitted
    own = World().with_files().checked(RECORD).submit()
    own.vote(BOTH, own.ballot(dispositions=own.answers(RECORD)))
    assert refused(exceptions.consent, own.request, BOTH, word(), own.situation) is Reason.NotPermitted
    first = say(World().with_files().checked(RECORD).submit(), BOTH, word())
    for checker in (BOTH, CAROL):
        first.vote(checker, first.ballot(dispositions=first.answers(RECORD))).hand_in(checker)
    assert refused(check_approvable, first.request, first.situation) is Reason.FindingBlocks, "one and the same person"


@pytest.mark.parametrize("who", [AUTHOR, CAROL, OPERATOR.model_copy(update={"roles": frozenset({Role.operator})})])
def test_nobody_else_is_a_steward(who: Person) -> None:
    world = reviewed()
    assert refused(exceptions.consent, world.request, who, word(), world.situation) is Reason.NotPermitted
    assert not exceptions.can_steward(who, world.request, world.situation)
    assert exceptions.can_steward(STEWARD, world.request, world.situation)


def test_a_word_is_about_a_finding_that_waits_for_it_and_has_a_reason() -> None:
    plain = finding(Severity.E)
    world = reviewed(RECORD, plain)
    for wrong in (word(plain), word(RECORD.model_copy(update={"id": "aaaaaaaaaaaa"}))):
        assert refused(exceptions.consent, world.request, STEWARD, wrong, world.situation) is Reason.BadInput
    assert refused(exceptions.consent, world.request, STEWARD, word(why=" "), world.situation) is Reason.ContextMissing


def test_a_steward_is_not_asked_out_of_turn_nor_where_nothing_waits() -> None:
    for world in (World().with_files().checked(RECORD), World().with_files().checked().submit()):
        assert refused(exceptions.check_steward, STEWARD, world.request, world.situation) is Reason.StateForbids


def test_the_word_holds_for_the_bytes_it_was_given_for() -> None:
    world = say(reviewed(), STEWARD, word())
    changed = RECORD.model_copy(update={"id": "bbbbbbbbbbbb"})
    world.checked(changed)
    assert exceptions.awaiting_steward(world.request, world.situation) == (changed,)


def test_a_release_counts_its_exceptions() -> None:
    world = say(reviewed(RECORD, finding(Severity.A, check="S02")), STEWARD, word())
    world.request = reviewing.approve(world.request, CAROL, "1", world.situation)
    world.tick(seconds=5)
    world.request = releasing.begin_release(world.request, world.situation)
    world.request = releasing.released(world.request, world.bundle(), world.situation)
    assert world.request.release is not None
    assert world.request.release.exceptions == 1
