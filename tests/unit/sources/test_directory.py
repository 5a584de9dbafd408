"""A directory of signed grants: what lies there is granted, what is taken out revoked, what is broken left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.databases import Backend
from tests.support.factories import access_grant
from tests.support.source_world import GIT, World
from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant
from tre.domain.grants.states import GrantPhase
from tre.sources.signed import sign
from tre.store import grants

NAME, OTHER = "nccid-00123", "nccid-00124"
ALICE = [{"subject": {"issuer": "local", "id": "alice"}}]
LATER = "2026-11-20T10:00:00Z"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    found.use_directory()
    yield found
    found.database.close()


def signed(world: World, name: str = NAME, **changes: Any) -> AccessGrant:
    return sign(access_grant(name, **changes), world.committee)


def later(**changes: Any) -> dict[str, Any]:
    approval = access_grant().spec.approval.as_plain() | {"approvedAt": LATER}
    return {"approval": approval} | changes


@pytest.fixture
def running(world: World) -> World:
    world.write("git/one.yaml", signed(world))
    world.settle()
    assert world.verdict("alice", NAME)
    return world


def phase(world: World, name: str = NAME) -> GrantPhase | None:
    found = world.grant(name)
    return None if found is None else found.phase


def test_a_signed_file_is_granted_and_its_removal_revokes(running: World) -> None:
    assert running.stands(GIT).reason is Reason.Entitled
    (running.layout.root / "git" / "one.yaml").unlink()
    running.settle()
    found = running.grant(NAME)
    assert found is not None
    assert (found.phase, found.revoked_reason) == (GrantPhase.Revoked, "Its file was taken out of the directory.")


def test_a_file_below_and_one_of_several_grants(world: World) -> None:
    world.write("git/below/two.yml", signed(world), signed(world, OTHER))
    world.settle()
    assert world.verdict("alice", NAME)
    assert world.verdict("alice", OTHER)
    world.write("git/below/two.yml", signed(world))
    world.settle()
    assert (phase(world), phase(world, OTHER)) == (GrantPhase.Active, GrantPhase.Revoked)


def test_a_file_that_is_replaced_by_taking_it_away_first_goes_on(running: World) -> None:
    path = running.layout.root / "git" / "one.yaml"
    text = path.read_bytes()
    path.unlink()
    running.settle(1)
    path.write_bytes(text)
    running.settle()
    assert running.verdict("alice", NAME)


def test_a_file_that_moves_goes_on(running: World) -> None:
    (running.layout.root / "git" / "one.yaml").rename(running.layout.root / "git" / "two.yaml")
    running.settle()
    assert running.verdict("alice", NAME)


@pytest.mark.parametrize("key", [None, "stranger"])
def test_without_the_evidence_nothing_is_granted(world: World, key: str | None) -> None:
    grant = access_grant() if key is None else sign(access_grant(), world.stranger)
    world.write("git/one.yaml", grant)
    world.settle()
    assert world.grant(NAME) is None
    assert world.outcomes(GIT)[NAME].reason is Reason.EvidenceUnverified


def test_an_edit_needs_a_later_approval(running: World) -> None:
    both = running.grant(NAME)
    assert both is not None
    running.write("git/one.yaml", signed(running, **later(members=ALICE)))
    running.settle()
    assert running.verdict("bob", NAME).reason is Reason.NotAMember
    running.write("git/one.yaml", signed(running))
    running.settle()
    assert running.verdict("bob", NAME).reason is Reason.NotAMember, "an old signature brings nobody back"
    assert running.outcomes(GIT)[NAME].reason is Reason.StateForbids


def test_an_edit_without_evidence_changes_nothing(running: World) -> None:
    path = running.layout.root / "git" / "one.yaml"
    plain = yaml.safe_load(path.read_text())
    plain["spec"]["members"].append({"subject": {"issuer": "local", "id": "eve"}})
    path.write_text(yaml.safe_dump(plain))
    running.settle()
    assert running.verdict("alice", NAME)
    assert running.verdict("eve", NAME).reason is Reason.NotAMember
    assert running.outcomes(GIT)[NAME].reason is Reason.EvidenceUnverified
    running.pass_time(timedelta(hours=24))
    assert running.verdict("alice", NAME).reason is Reason.SourceStale, "what nobody can verify is not vouched for"


@pytest.mark.parametrize("text", ["", "{", "spec: [", "a: 1", "\x00", "- x\n" * 10, "a: &a [*a]"])
def test_a_half_written_file_changes_nothing_and_is_told(running: World, text: str) -> None:
    path = running.layout.root / "git" / "one.yaml"
    kept = path.read_text()
    path.write_text(text)
    running.settle(8)
    assert running.verdict("alice", NAME)
    assert running.stands(GIT).reason is Reason.BadInput
    assert running.outcomes(GIT)["file:one.yaml"].reason is not Reason.Entitled
    path.write_text(kept)
    running.settle()
    assert running.verdict("alice", NAME)
    assert running.stands(GIT).reason is Reason.Entitled
    assert running.outcomes(GIT)["file:one.yaml"].reason is Reason.Entitled


def test_a_broken_file_holds_no_other_revocation_up(running: World) -> None:
    running.write("git/two.yaml", signed(running, OTHER))
    running.settle()
    (running.layout.root / "git" / "two.yaml").write_text("{")
    (running.layout.root / "git" / "one.yaml").unlink()
    running.settle()
    assert running.verdict("alice", NAME).reason is Reason.SourceStale
    assert running.verdict("alice", OTHER), "which may still stand in the broken one"
    (running.layout.root / "git" / "two.yaml").unlink()
    running.settle(5)
    assert (phase(running), phase(running, OTHER)) == (GrantPhase.Revoked, GrantPhase.Revoked)


def test_a_file_too_large_to_read_is_told(running: World) -> None:
    path = running.layout.root / "git" / "one.yaml"
    path.write_text("#" * (2**20 + 1))
    running.settle(8)
    assert running.verdict("alice", NAME)
    assert "larger" in running.outcomes(GIT)["file:one.yaml"].message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads whatever it likes")
def test_a_file_that_may_not_be_read_changes_nothing(running: World) -> None:
    (running.layout.root / "git" / "one.yaml").chmod(0)
    os.utime(running.layout.root / "git" / "one.yaml", (1, 1))
    running.settle(8)
    assert running.verdict("alice", NAME)
    assert running.stands(GIT).reason is Reason.BadInput


@pytest.mark.parametrize("loss", ["mark", "name", "all"])
def test_a_directory_without_its_mark_revokes_nothing(running: World, loss: str) -> None:
    place = running.layout.root / "git"
    kept = {path: path.read_text() for path in place.iterdir()}
    if loss == "name":
        (place / ".tre-source").write_text("other")
    elif loss == "mark":
        (place / ".tre-source").unlink()
        (place / "one.yaml").unlink()
    else:
        for path in kept:
            path.unlink()
        place.rmdir()
    running.settle(8)
    assert running.verdict("alice", NAME)
    assert running.stands(GIT).reason is Reason.SetupIncomplete
    running.pass_time(timedelta(hours=24))
    assert running.verdict("alice", NAME).reason is Reason.SourceStale
    place.mkdir(exist_ok=True)
    for path, text in kept.items():
        path.write_text(text)
    running.settle()
    assert running.verdict("alice", NAME)


def test_two_files_of_one_grant_change_nothing(running: World) -> None:
    running.write("git/two.yaml", signed(running, **later(members=ALICE)))
    running.settle()
    assert running.verdict("bob", NAME)
    assert running.outcomes(GIT)[NAME].reason is Reason.Conflict


def test_what_ended_stays_ended(running: World) -> None:
    with running.database.change(running.event("grant.revoked", f"grant/{NAME}")) as change:
        grants.revoke(change, NAME, "The operator ended it.", running.clock.now())
    running.settle()
    running.write("git/one.yaml", signed(running, **later()))
    running.settle()
    assert phase(running) is GrantPhase.Revoked
    assert running.outcomes(GIT)[NAME].reason is Reason.StateForbids


def test_a_grant_of_another_source_is_left_alone(world: World) -> None:
    grant = signed(world)
    content = digest(grant.signed_content())
    with world.database.change(world.event("grant.applied", f"grant/{NAME}", digest=content)) as change:
        grants.apply(change, NAME, grant.spec, "signed-file", world.clock.now())
    path = world.write("git/one.yaml", grant)
    world.settle()
    assert world.outcomes(GIT)[NAME].reason is Reason.Conflict
    path.unlink()
    world.settle()
    assert phase(world) is not GrantPhase.Revoked


def test_nothing_new_while_the_log_is_in_doubt_and_endings_go_on(running: World) -> None:
    running.granting = TREError(Reason.AuditBroken, "The log is not whole.")
    running.write("git/two.yaml", signed(running, OTHER))
    (running.layout.root / "git" / "one.yaml").unlink()
    running.settle()
    assert running.grant(OTHER) is None
    assert phase(running) is GrantPhase.Revoked


def test_it_is_quiet_while_nothing_changes(running: World) -> None:
    count = len(running.kinds())
    running.settle(100)
    assert len(running.kinds()) == count


def test_a_restart_goes_on(running: World) -> None:
    (running.layout.root / "git" / "one.yaml").unlink()
    running.restart()
    running.settle()
    assert phase(running) is GrantPhase.Revoked


def test_the_same_on_both_databases(tmp_path: Path, backend: Backend) -> None:
    world = World(tmp_path, backend.as_role(backend.make(tmp_path / "tre.sqlite"), "controller"))
    path = world.use_directory() / "one.yaml"
    world.write("git/one.yaml", signed(world))
    world.settle()
    assert world.verdict("alice", NAME)
    path.unlink()
    world.settle()
    assert phase(world) is GrantPhase.Revoked
