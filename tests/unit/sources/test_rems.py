"""A REMS as a source, whole: asked over a real socket, told of in any order, ill, silent, or wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import Backend
from tests.support.factories import NOON, access_grant
from tests.support.source_world import REMS, World, approved, name_of
from tests.support.sources import RESOURCE, template
from tre.cli.trial.rems import SmallRems, small_rems
from tre.domain.errors import Reason, TREError
from tre.domain.grants.states import GrantPhase
from tre.sources.rems.asking import Asked
from tre.sources.rems.grants import RemsGrants
from tre.sources.rems.source import LONGEST_RETRY
from tre.sources.signed import ELSEWHERE, is_evidence_good, load_signers, sign
from tre.store import grants
from tre.store.sources import Channel, MessageState

HOUR = timedelta(hours=1)
LATEST_RETRY = LONGEST_RETRY * 1.2 + timedelta(minutes=1)
"""When a source that did not answer has been asked again, whatever chance makes of its pauses."""


@pytest.fixture(scope="module")
def server() -> Iterator[SmallRems]:
    with small_rems() as found:
        yield found


@pytest.fixture
def rems(server: SmallRems) -> SmallRems:
    server.applications, server.trouble, server.status, server.asked = {7: approved("alice", "bob")}, None, 200, []
    return server


@pytest.fixture
def world(tmp_path: Path, rems: SmallRems) -> Iterator[World]:
    found = World(tmp_path)
    found.use_rems(rems)
    yield found
    found.database.close()


@pytest.fixture
def running(world: World) -> World:
    world.settle()
    assert world.verdict("alice", name_of())
    return world


def tell(world: World, value: Any, channel: Channel = Channel.event) -> None:
    world.told(channel, json.dumps(value).encode())
    world.sources.step()


def test_an_entitlement_becomes_a_grant_and_ends_with_it(running: World, rems: SmallRems) -> None:
    grant = running.grant(name_of())
    assert grant is not None
    assert (grant.phase, grant.spec.expires) == (GrantPhase.Active, NOON + timedelta(days=300))
    assert grant.spec.approval.evidence is not None
    assert grant.spec.approval.evidence.source == ELSEWHERE
    rems.applications = {}
    tell(running, rems.event("revoked", 7))
    assert not running.verdict("alice", name_of())
    running.settle()
    ended = running.grant(name_of())
    assert ended is not None
    assert (ended.phase, ended.revoked_reason) == (GrantPhase.Revoked, "The source ended it.")


@pytest.mark.parametrize("kind", ["closed", "revoked", "rejected", "deleted"])
def test_what_is_told_ends_access_before_anything_is_asked(running: World, rems: SmallRems, kind: str) -> None:
    asked = len(rems.asked)
    rems.trouble = "never"
    tell(running, rems.event(kind, 7))
    assert running.verdict("alice", name_of()).reason is Reason.SourceStale
    assert len(rems.asked) <= asked + 1
    running.pass_time(HOUR)
    assert not running.verdict("alice", name_of()), "it stays so while the source is silent"


def test_a_lie_ends_access_until_the_source_is_heard(running: World, rems: SmallRems) -> None:
    tell(running, rems.event("revoked", 7))
    assert not running.verdict("alice", name_of())
    running.settle()
    assert running.verdict("alice", name_of())
    grant = running.grant(name_of())
    assert grant is not None
    assert grant.phase is GrantPhase.Active


def test_one_member_leaves_and_the_others_stay(running: World, rems: SmallRems) -> None:
    running.granting = TREError(Reason.AuditBroken, "The log is not whole.")
    tell(running, rems.event("member-removed", 7, **{"application/member": {"userid": "bob"}}))
    assert running.verdict("bob", name_of()).reason is Reason.NotAMember
    assert running.verdict("alice", name_of())


def test_a_member_joins_by_the_answer_alone(running: World, rems: SmallRems) -> None:
    rems.applications[7].users.append("eve")
    tell(running, rems.push(7, "eve", RESOURCE, None), Channel.add)
    assert running.verdict("eve", name_of()).reason is Reason.NotAMember, "what was pushed is not believed"
    running.settle()
    assert running.verdict("eve", name_of())


def test_an_invented_approval_opens_nothing(running: World, rems: SmallRems) -> None:
    tell(running, rems.push(7, "eve", RESOURCE, None), Channel.add)
    tell(running, rems.push(99, "eve", RESOURCE, None), Channel.add)
    tell(running, rems.event("approved", 99))
    running.settle()
    assert running.verdict("eve", name_of()).reason is Reason.NotAMember
    assert running.grant(name_of(99)) is None


def test_removal_by_push_takes_one_person_out(running: World, rems: SmallRems) -> None:
    tell(running, rems.push(7, "bob", RESOURCE, NOON), Channel.remove)
    assert running.verdict("bob", name_of()).reason is Reason.NotAMember
    assert running.verdict("alice", name_of())


def test_a_repeated_removal_does_not_take_out_who_came_back(running: World, rems: SmallRems) -> None:
    removal = rems.push(7, "bob", RESOURCE, NOON)
    tell(running, removal, Channel.remove)
    running.settle()
    assert running.verdict("bob", name_of()), "the source still states it"
    tell(running, removal, Channel.remove)
    assert running.verdict("bob", name_of())
    assert [one.state for one in running.messages()] == [MessageState.taken, MessageState.repeated]


def test_events_twice_and_late_change_nothing(running: World, rems: SmallRems) -> None:
    event = rems.event("revoked", 7)
    tell(running, event)
    running.settle()
    assert running.verdict("alice", name_of())
    tell(running, event)
    assert running.verdict("alice", name_of())
    assert running.messages()[-1].state is MessageState.repeated


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"event/id": 1}',
        b"[" * 20_000,
        b'"\\ud800"',
        b'{"event/id": NaN}',
        b'{"event/id": 1, "event/type": "application.event/\\ud800", "application/id": 7}',
        b'{"event/id": 1, "event/type": "application.event/revoked", "application/id": 1e400}',
        b'{"event/id": ' + b"9" * 6000 + b"}",
    ],
)
def test_what_cannot_be_read_is_refused_told_and_changes_nothing(running: World, body: bytes) -> None:
    running.told(Channel.event, body)
    running.sources.step()
    assert running.verdict("alice", name_of())
    last = running.messages()[-1]
    assert (last.state, last.reason, last.body) == (MessageState.refused, Reason.BadInput, None)
    assert "source.message-refused" in running.kinds()


@pytest.mark.parametrize(
    "one",
    [
        {"application": 7, "resource": "\ud800", "user": "alice"},
        {"application": 7, "resource": RESOURCE, "user": "\ud800"},
        {"application": 7, "resource": RESOURCE, "user": "alice", "end": "9999-12-31T23:59:59-14:00"},
        {"application": 7, "resource": RESOURCE, "user": "alice", "end": "\ud800"},
        {"application": 7, "resource": RESOURCE, "user": "alice", "end": 1e308},
    ],
)
def test_a_push_that_cannot_be_kept_is_refused_and_stops_nothing_behind_it(
    running: World, rems: SmallRems, one: dict[str, Any]
) -> None:
    running.told(Channel.remove, json.dumps(one).encode())
    running.told(Channel.event, json.dumps(rems.event("revoked", 7)).encode())
    running.sources.step()
    assert [item.state for item in running.messages()] == [MessageState.refused, MessageState.taken]
    assert not running.verdict("alice", name_of())


@pytest.mark.parametrize("trouble", ['"\\ud800"', '[{"resource": "\\ud800"}]'])
def test_an_answer_with_halves_of_characters_is_none(running: World, rems: SmallRems, trouble: str) -> None:
    rows = json.dumps(rems.rows()).replace("local", "x")
    rems.trouble = rows.replace(RESOURCE, "\\ud800") if trouble.startswith("[") else trouble
    running.pass_time(HOUR)
    assert running.verdict("alice", name_of())
    assert running.stands().reason in {Reason.ServiceUnavailable, Reason.BadInput}


def test_a_power_cut_between_taking_in_and_ending_ends_after_the_start(
    running: World, rems: SmallRems, monkeypatch: pytest.MonkeyPatch
) -> None:
    rems.status = 500
    with monkeypatch.context() as patched:
        patched.setattr(RemsGrants, "apply", lambda *_: (_ for _ in ()).throw(OSError("the power went")))
        tell(running, rems.event("revoked", 7))
        assert running.messages()[-1].state is MessageState.taken
        assert running.verdict("alice", name_of())
    running.restart()
    running.sources.step()
    assert not running.verdict("alice", name_of())


def test_what_is_told_while_an_answer_is_under_way_is_asked_for_again(
    running: World, rems: SmallRems, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[tuple[Future[Asked], Callable[[], Asked]]] = []

    def later(work: Callable[[], Asked]) -> Future[Asked]:
        waiting.append((Future(), work))
        return waiting[-1][0]

    monkeypatch.setattr("tests.support.source_world.at_once", later)
    running.restart()
    running.settle(2)
    [(future, work)] = waiting
    future.set_result(work())
    rems.applications[7].users.remove("bob")
    tell(running, rems.event("approved", 7))
    tell(running, rems.event("member-removed", 7, **{"application/member": {"userid": "alice"}}))
    assert not running.verdict("alice", name_of()), "the answer was asked for before that was told"
    for number in (1, 2):  # one was asked for before the second word, one after it
        assert not running.verdict("alice", name_of())
        running.settle(2)
        waiting[number][0].set_result(waiting[number][1]())
        running.settle(2)
    assert len(waiting) == 3
    assert running.verdict("alice", name_of())
    assert not running.verdict("bob", name_of())


def test_a_step_that_failed_is_made_up_for(running: World, rems: SmallRems, monkeypatch: pytest.MonkeyPatch) -> None:
    rems.status = 500
    with monkeypatch.context() as patched:
        patched.setattr(RemsGrants, "apply", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
        tell(running, rems.event("revoked", 7))
    running.sources.step()
    assert not running.verdict("alice", name_of()), "at once, and not at the next look over everything"


def test_a_push_with_an_end_in_the_past_is_refused(running: World, rems: SmallRems) -> None:
    tell(running, rems.push(7, "alice", RESOURCE, NOON - HOUR), Channel.add)
    assert (running.messages()[-1].state, running.messages()[-1].reason) == (MessageState.refused, Reason.BadInput)
    assert running.verdict("alice", name_of())


def test_a_message_of_an_unknown_application_changes_nothing(running: World, rems: SmallRems) -> None:
    tell(running, rems.event("revoked", 12345))
    assert running.verdict("alice", name_of())


def test_who_is_unknown_here_is_refused_in_words(world: World) -> None:
    world.problems = [TREError(Reason.MemberNotFound, "There is no local account 'alice'.")]
    world.settle()
    assert world.grant(name_of()) is None
    found = world.outcomes()[f"7 {RESOURCE}"]
    assert (found.reason, "no local account 'alice'" in found.message) == (Reason.MemberNotFound, True)
    world.problems = []
    world.pass_time(timedelta(minutes=2))
    assert world.verdict("alice", name_of())


def test_an_unknown_newcomer_does_not_end_the_others(running: World, rems: SmallRems) -> None:
    running.problems = [TREError(Reason.MemberNotFound, "There is no local account 'eve'.")]
    rems.applications[7].users.append("eve")
    running.pass_time(timedelta(hours=30))
    assert running.verdict("alice", name_of()), "what is in force is vouched for all along"
    assert running.verdict("eve", name_of()).reason is Reason.NotAMember


def test_a_silent_source_gives_nothing_new_and_ends_what_runs_in_time(running: World, rems: SmallRems) -> None:
    rems.status = 500
    rems.applications[8] = approved("eve")
    running.pass_time(timedelta(hours=23))
    assert running.verdict("alice", name_of())
    assert running.stands().reason is Reason.ServiceUnavailable
    running.pass_time(timedelta(hours=1, minutes=1))
    assert running.verdict("alice", name_of()).reason is Reason.SourceStale
    assert running.grant(name_of(8)) is None
    rems.status = 200
    running.pass_time(LATEST_RETRY)
    assert running.verdict("alice", name_of()), "it comes back with its source"
    assert running.verdict("eve", name_of(8))


def test_a_restart_does_not_renew_an_old_word(running: World, rems: SmallRems) -> None:
    rems.status = 500
    running.clock.advance(timedelta(hours=24).total_seconds())
    running.restart()
    running.settle()
    assert running.verdict("alice", name_of()).reason is Reason.SourceStale


@pytest.mark.parametrize("trouble", ["", "[", "{}", '"x"', '[{"resource": "r"}]', "[" * 100_000, "[null]"])
def test_an_answer_that_cannot_be_read_changes_nothing(running: World, rems: SmallRems, trouble: str) -> None:
    rems.trouble = trouble
    running.pass_time(HOUR)
    assert running.verdict("alice", name_of())
    assert running.stands().reason in {Reason.ServiceUnavailable, Reason.BadInput}
    assert running.kinds().count("source.failed") == 1, "the same trouble is said once"


def test_a_redirect_is_not_followed(running: World, rems: SmallRems) -> None:
    rems.status, rems.trouble, asked = 302, "/api/jwk", len(rems.asked)
    running.pass_time(timedelta(minutes=16))
    assert "/api/jwk" not in rems.asked[asked:]
    assert running.stands().reason is Reason.ServiceUnavailable


def test_an_empty_answer_ends_access_and_nothing_for_good(running: World, rems: SmallRems) -> None:
    kept, rems.applications = rems.applications, {}
    running.pass_time(HOUR)
    assert running.verdict("alice", name_of()).reason is Reason.SourceStale
    rems.applications = kept
    running.pass_time(HOUR)
    assert running.verdict("alice", name_of())


def test_what_stays_missing_is_revoked(running: World, rems: SmallRems) -> None:
    rems.applications = {}
    running.pass_time(timedelta(hours=25), timedelta(minutes=15))
    grant = running.grant(name_of())
    assert grant is not None
    assert (grant.phase, grant.revoked_reason) == (GrantPhase.Revoked, "The source does not state it any more.")


def test_silence_is_no_absence(running: World, rems: SmallRems) -> None:
    rems.applications = {}
    running.pass_time(HOUR)
    rems.status = 500
    running.pass_time(timedelta(hours=48), timedelta(hours=1))
    grant = running.grant(name_of())
    assert grant is not None
    assert grant.phase is GrantPhase.Active


def test_what_was_revoked_here_comes_back_by_a_later_approval_alone(running: World, rems: SmallRems) -> None:
    with running.database.change(running.event("grant.revoked", f"grant/{name_of()}")) as change:
        grants.revoke(change, name_of(), "The operator ended it.", running.clock.now())
    running.pass_time(HOUR)
    assert not running.verdict("alice", name_of())
    assert running.grant(name_of(number=2)) is None
    rems.applications[7].start = running.clock.now() - timedelta(minutes=1)
    running.pass_time(HOUR)
    assert running.verdict("alice", name_of(number=2))
    assert not running.verdict("alice", name_of())


def test_an_end_that_comes_nearer_is_taken_at_once(running: World, rems: SmallRems) -> None:
    rems.applications[7].end = soon = running.clock.now() + HOUR
    running.granting = TREError(Reason.AuditBroken, "The log is not whole.")
    running.pass_time(timedelta(minutes=20))
    grant = running.grant(name_of())
    assert grant is not None
    assert grant.spec.expires == soon.replace(microsecond=0)


def test_nothing_new_while_the_log_is_in_doubt(world: World) -> None:
    world.granting = TREError(Reason.AuditBroken, "The log is not whole.")
    world.pass_time(HOUR)
    assert world.grant(name_of()) is None
    world.granting = None
    world.pass_time(timedelta(minutes=2))
    assert world.verdict("alice", name_of())


def test_nothing_is_written_by_who_does_not_lead(world: World) -> None:
    world.leading = TREError(Reason.LeadershipLost, "Another one leads.")
    world.pass_time(HOUR)
    assert world.kinds() == []


def test_a_template_that_nobody_signed_opens_nothing(world: World) -> None:
    for grant in (template(), sign(template(), world.stranger), sign(access_grant(), world.committee)):
        world.write("policies/sources/cxr.yaml", grant)
        world.pass_time(timedelta(minutes=2))
        assert world.grant(name_of()) is None
        assert world.outcomes()[f"7 {RESOURCE}"].reason is Reason.EvidenceUnverified


def test_a_template_whose_key_went_is_not_vouched_for(running: World) -> None:
    (running.layout.keys / "grant-signers" / "one.pub").unlink()
    running.pass_time(timedelta(hours=25), timedelta(minutes=15))
    assert running.verdict("alice", name_of()).reason is Reason.SourceStale


def test_a_resource_without_a_template_is_told(world: World, rems: SmallRems) -> None:
    rems.applications[9] = approved(resources=["urn:other"])
    world.settle()
    assert world.outcomes()["9 urn:other"].reason is Reason.PolicyMissing
    assert world.verdict("alice", name_of())


def test_two_templates_of_one_resource_are_told(world: World, rems: SmallRems) -> None:
    world.write("policies/sources/more.yaml", sign(template(), world.committee))
    world.use_rems(rems, templates=["policies/sources/cxr.yaml", "policies/sources/more.yaml"])
    world.settle()
    assert world.outcomes()[f"7 {RESOURCE}"].reason is Reason.Conflict


def test_without_its_key_the_source_is_not_asked(world: World, rems: SmallRems) -> None:
    path = world.layout.source_secrets / "rems.key"
    for write in (path.unlink, lambda: path.write_text("a\nb"), lambda: path.write_bytes(b"\xff")):
        write()
        world.restart()
        world.settle()
        assert rems.asked == []
        assert world.stands().reason is Reason.SetupIncomplete


def test_without_the_signing_key_nothing_comes_into_force(world: World) -> None:
    world.layout.source_key.write_text("none")
    world.settle()
    assert world.outcomes()[f"7 {RESOURCE}"].reason is Reason.SetupIncomplete


def test_a_wrong_policy_stops_asking_and_says_so(running: World, rems: SmallRems) -> None:
    path = running.layout.root / "policies" / "sources.yaml"
    path.write_text("spec: {rems: 5}")
    asked = len(rems.asked)
    running.pass_time(timedelta(hours=25), HOUR)
    assert len(rems.asked) == asked
    assert running.verdict("alice", name_of()).reason is Reason.SourceStale
    running.use_rems(rems)
    running.settle()
    assert running.verdict("alice", name_of())


def test_the_keys_of_sources_open_only_what_comes_from_them(running: World) -> None:
    grant = running.grant(name_of())
    assert grant is not None
    other = access_grant().model_copy(update={"spec": grant.spec})
    assert not is_evidence_good(other, load_signers(running.layout.keys / "grant-signers"))


def test_the_same_on_both_databases(tmp_path: Path, backend: Backend, rems: SmallRems) -> None:
    world = World(tmp_path, backend.as_role(backend.make(tmp_path / "tre.sqlite"), "controller"))
    world.use_rems(rems)
    world.settle()
    assert world.verdict("alice", name_of())
    assert (world.stands().heard_at, world.stands().reason) == (NOON, Reason.Entitled)
    assert world.outcomes(REMS)[f"7 {RESOURCE}"].grant == name_of()
