"""Grants in the record: applied once, moved along their table, suspended by whoever may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.factories import EVE, slice_plain, spec_plain, suspension
from tests.unit.store.conftest import NOW, an_event
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrantSpec, GrantRecord, SuspensionScope
from tre.domain.grants.states import GRANT_TRANSITIONS, GrantPhase
from tre.domain.names import slice_id
from tre.store import grant_slices, grants
from tre.store.database import Change, Database
from tre.store.grant_slices import SliceState

NAME = "nccid-00123"


def spec(**changes: Any) -> AccessGrantSpec:
    return AccessGrantSpec.model_validate(spec_plain(**changes))


def do(database: Database, action: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    with database.change(an_event()) as change:
        return action(change, *arguments, **named)


def read(database: Database, name: str = NAME) -> GrantRecord:
    with database.read() as connection:
        return grants.require(connection, name)


@pytest.fixture
def applied(database: Database) -> Database:
    assert do(database, grants.apply, NAME, spec(), "file", NOW) == 1
    return database


def move(database: Database, *phases: GrantPhase) -> None:
    for number, phase in enumerate(phases):
        do(database, grants.set_phase, NAME, phase, NOW + timedelta(hours=number))


def test_a_new_grant_waits_unverified(applied: Database) -> None:
    found = read(applied)
    assert (found.phase, found.generation, found.evidence_verified) == (GrantPhase.Pending, 1, False)
    assert found.spec == spec()
    with applied.read() as connection:
        assert grants.all_names(connection) == [NAME]
        assert grants.conditions(connection, NAME) == []
        assert grants.warned_minutes(connection, NAME) is None
        assert not grants.close_asked(connection, NAME)
        slices = grant_slices.of_grant(connection, NAME)
        assert [item.slice_id for item in slices] == [slice_id(NAME, item.name) for item in slices]
        assert {item.state for item in slices} == {SliceState.Pending}


def test_the_same_content_again_changes_nothing(applied: Database) -> None:
    do(applied, grants.set_evidence, NAME, verified=True)
    assert do(applied, grants.apply, NAME, spec(), "file", NOW) == 1
    assert read(applied).evidence_verified


def test_new_content_is_a_new_generation_whose_evidence_is_unverified(applied: Database) -> None:
    do(applied, grants.set_evidence, NAME, verified=True)
    more = spec(slices=[slice_plain("ct")])
    assert do(applied, grants.apply, NAME, more, "file", NOW) == 2
    found = read(applied)
    assert (found.generation, found.evidence_verified, found.spec) == (2, False, more)
    with applied.read() as connection:
        assert [item.name for item in grant_slices.of_grant(connection, NAME)] == ["ct", "cxr"]


def test_another_source_cannot_take_a_name(applied: Database) -> None:
    with pytest.raises(TREError, match="belongs to the source file") as caught:
        do(applied, grants.apply, NAME, spec(), "rems", NOW)
    assert caught.value.reason is Reason.Conflict


@pytest.mark.parametrize(
    "way",
    [
        [GrantPhase.Expired],
        [GrantPhase.Revoked],
        [GrantPhase.Active, GrantPhase.Revoked, GrantPhase.Closed],
    ],
)
def test_what_has_ended_stays_ended(applied: Database, way: list[GrantPhase]) -> None:
    move(applied, *way)
    for content in (spec(), spec(slices=[slice_plain("ct")])):
        with pytest.raises(TREError, match="has ended") as caught:
            do(applied, grants.apply, NAME, content, "file", NOW)
        assert caught.value.reason is Reason.StateForbids
    assert read(applied).phase is way[-1]


def test_an_unknown_grant_is_named(database: Database) -> None:
    with database.read() as connection:
        assert grants.get(connection, "none") is None
    with pytest.raises(TREError, match="no grant 'none'") as caught:
        read(database, "none")
    assert caught.value.reason is Reason.GrantNotFound


@pytest.mark.parametrize("source", GrantPhase)
@pytest.mark.parametrize("target", GrantPhase)
def test_phases_move_along_their_table_only(database: Database, source: GrantPhase, target: GrantPhase) -> None:
    ways = {
        GrantPhase.Pending: [],
        GrantPhase.Active: [GrantPhase.Active],
        GrantPhase.Suspended: [GrantPhase.Active, GrantPhase.Suspended],
        GrantPhase.Expired: [GrantPhase.Expired],
        GrantPhase.Revoked: [GrantPhase.Revoked],
        GrantPhase.Closed: [GrantPhase.Revoked, GrantPhase.Closed],
    }
    do(database, grants.apply, NAME, spec(), "file", NOW)
    move(database, *ways[source])
    if GRANT_TRANSITIONS.can(source, target):
        move(database, target)
        assert read(database).phase is target
        return
    with pytest.raises(TREError, match="cannot go from"):
        move(database, target)
    assert read(database).phase is source


def test_the_first_activation_is_kept(applied: Database) -> None:
    move(applied, GrantPhase.Active, GrantPhase.Suspended, GrantPhase.Active)
    assert read(applied).activated_at == NOW


def test_revoking_keeps_when_and_why(applied: Database) -> None:
    do(applied, grants.revoke, NAME, "the ethics approval was withdrawn", NOW)
    found = read(applied)
    assert (found.phase, found.revoked_at) == (GrantPhase.Revoked, NOW)
    assert found.revoked_reason == "the ethics approval was withdrawn"
    with pytest.raises(TREError):
        do(applied, grants.revoke, NAME, "again", NOW + timedelta(hours=1))
    assert read(applied).revoked_at == NOW


def test_open_grants_are_those_that_are_not_closed(applied: Database) -> None:
    do(applied, grants.apply, "other", spec(), "file", NOW)
    move(applied, GrantPhase.Revoked, GrantPhase.Closed)
    with applied.read() as connection:
        assert grants.all_names(connection) == [NAME, "other"]
        assert grants.all_names(connection, open_only=True) == ["other"]


def test_small_facts_are_kept(applied: Database) -> None:
    do(applied, grants.set_conditions, NAME, [{"type": "Ready", "status": "True"}])
    do(applied, grants.set_warned, NAME, 60)
    with applied.read() as connection:
        assert grants.conditions(connection, NAME) == [{"type": "Ready", "status": "True"}]
        assert grants.warned_minutes(connection, NAME) == 60


def test_only_an_ended_grant_is_closed_early(applied: Database) -> None:
    with pytest.raises(TREError, match="only an ended grant") as caught:
        do(applied, grants.ask_close, NAME, NOW)
    assert caught.value.reason is Reason.StateForbids
    move(applied, GrantPhase.Revoked)
    do(applied, grants.ask_close, NAME, NOW)
    with applied.read() as connection:
        assert grants.close_asked(connection, NAME)


def test_suspensions_are_added_and_lifted_never_overwritten(applied: Database) -> None:
    first = do(applied, grants.suspend, NAME, suspension())
    second = do(applied, grants.suspend, NAME, suspension(SuspensionScope.member, "local:alice"))
    with applied.read() as connection:
        stored = grants.stored_suspensions(connection, read(applied))
        assert {item.id for item in stored} == {first, second}
        assert grants.find_suspensions(connection, first) == [(first, f"grant/{NAME}")]
        assert {item for item, _ in grants.find_suspensions(connection, NAME)} == {first, second}
    assert len(read(applied).suspensions) == 2
    assert do(applied, grants.resume, [first], NOW + timedelta(days=1)) == 1
    assert do(applied, grants.resume, [first, "none"], NOW + timedelta(days=2)) == 0
    ends = {item.scope: item.until for item in read(applied).suspensions}
    assert ends == {SuspensionScope.grant: NOW + timedelta(days=1), SuspensionScope.member: None}
    assert {item.by for item in read(applied).suspensions} == {EVE}


def test_an_organisations_suspension_touches_each_of_its_grants_also_future_ones(applied: Database) -> None:
    organisation = spec().project.organisation.id
    identifier = do(applied, grants.suspend, None, suspension(SuspensionScope.organisation, organisation))
    do(applied, grants.apply, "later", spec(), "file", NOW)
    for name in (NAME, "later"):
        assert [item.scope for item in read(applied, name).suspensions] == [SuspensionScope.organisation]
    with applied.read() as connection:
        assert grants.of_organisation(connection, organisation) == sorted([NAME, "later"])
        assert grants.of_organisation(connection, "other") == []
        assert grants.find_suspensions(connection, identifier) == [(identifier, f"organisation/{organisation}")]


@pytest.mark.parametrize(("grant", "scope"), [(None, SuspensionScope.grant), (NAME, SuspensionScope.organisation)])
def test_a_suspension_is_of_a_grant_or_of_an_organisation(
    applied: Database, grant: str | None, scope: SuspensionScope
) -> None:
    with pytest.raises(TREError) as caught:
        do(applied, grants.suspend, grant, suspension(scope, "x"))
    assert caught.value.reason is Reason.BadInput


def test_a_slices_state_is_kept(applied: Database) -> None:
    def ready(change: Change) -> None:
        grant_slices.set_state(change, NAME, "cxr", SliceState.Ready, Reason.Entitled, files=3, manifest_version=1)

    do(applied, ready)
    with applied.read() as connection:
        found = grant_slices.with_slice_id(connection, slice_id(NAME, "cxr"))
        assert found is not None
        assert (found.state, found.files, found.manifest_version) == (SliceState.Ready, 3, 1)
        assert grant_slices.with_slice_id(connection, "s-none") is None
