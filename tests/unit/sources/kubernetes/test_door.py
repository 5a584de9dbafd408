"""Resources as approvals: what counts, what does not, and what happens when they change or go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.cluster_source import NAME, NAMESPACE, STALENESS, SourceWorld
from tests.support.factories import ALICE, BOB, EVE, access_grant
from tre.cluster.events import EVENT
from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import Key
from tre.cluster.resources import ACCESS_GRANT, DATASET, WORKSPACE
from tre.domain.canonical import digest
from tre.domain.datasets import Dataset
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import Workspace, WorkspacePlan
from tre.domain.workspaces.states import WorkspacePhase
from tre.sources.admission import admit
from tre.sources.kubernetes.service import Look
from tre.sources.signed import SOURCE, sign
from tre.store import datasets, grants, workspaces

LATER = "2026-11-20T10:00:00Z"
ONLY_ALICE = [{"subject": {"issuer": "local", "id": "alice"}, "role": "lead"}]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SourceWorld]:
    found = SourceWorld(tmp_path / "record.sqlite")
    yield found
    found.close()


def approval(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = access_grant().as_plain()["spec"]["approval"]
    return plain | changes


def narrower(world: SourceWorld) -> dict[str, Any]:
    """A later approval without bob."""
    return world.signed(members=ONLY_ALICE, approval=approval(approvedAt=LATER))


def test_a_signed_resource_becomes_a_grant(world: SourceWorld) -> None:
    world.write(world.signed())
    world.settle()
    assert world.allows(ALICE)
    assert world.allows(BOB)
    assert not world.allows(EVE)
    status = world.status()
    assert (status["phase"], status["recordGeneration"], status["members"]) == ("Active", 1, 2)
    assert world.condition("Ready")["status"] == "True"
    assert world.condition("EvidenceVerified")["status"] == "True"
    assert world.is_held()


@pytest.mark.parametrize("by", ["nobody", "a stranger", "an editor"])
def test_without_the_committees_signature_it_waits_and_leaves_no_trace_in_the_record(
    world: SourceWorld, by: str
) -> None:
    content = {
        "nobody": world.resource(access_grant()),
        "a stranger": world.signed(world.stranger),
        "an editor": world.signed() | {"spec": world.signed()["spec"] | {"expires": "2028-10-31T23:59:59Z"}},
    }[by]
    world.write(content)
    world.settle()
    assert world.grant() is None
    assert world.status()["phase"] == "Pending"
    for kind in ("Ready", "Accepted", "EvidenceVerified"):
        assert world.condition(kind)["reason"] == "EvidenceUnverified"
    assert world.condition("Stalled")["status"] == "True"
    world.write(world.signed(approval=approval(approvedAt=LATER)))
    world.settle()
    assert world.allows(ALICE)


def test_what_the_domain_refuses_gets_a_sentence(world: SourceWorld) -> None:
    content = world.signed()
    content["spec"]["members"] = []
    content["spec"]["project"]["laySummary"] = "word " * 251
    world.write(content)
    world.settle()
    assert world.grant() is None
    accepted = world.condition("Accepted")
    assert accepted["reason"] == "BadInput"
    assert "at most 250 words" in accepted["message"]
    assert "spec.members" in accepted["message"]


def test_what_the_checks_refuse_gets_their_sentence(world: SourceWorld) -> None:
    world.problems.append(TREError(Reason.DatasetNotFound, "There is no dataset 'nccid'."))
    world.write(world.signed())
    world.settle()
    assert world.grant() is None
    assert world.condition("Accepted")["reason"] == "DatasetNotFound"
    assert world.condition("EvidenceVerified")["status"] == "True"
    assert world.condition("Reconciling")["status"] == "True"
    world.problems.clear()
    world.write(world.signed(approval=approval(approvedAt=LATER)))
    world.settle()
    assert world.allows(ALICE)


def test_an_edit_that_nobody_signed_changes_nothing(world: SourceWorld) -> None:
    world.write(world.signed())
    world.settle()
    wider = world.signed()
    wider["spec"]["members"].append({"subject": {"issuer": "local", "id": "eve"}, "role": "lead"})
    world.write(wider)
    world.settle()
    assert world.allows(ALICE)
    assert not world.allows(EVE)
    assert world.status()["recordGeneration"] == 1
    assert world.condition("Accepted")["reason"] == "EvidenceUnverified"
    assert "stays as it was signed" in world.condition("Accepted")["message"]


def test_a_signed_edit_comes_into_force(world: SourceWorld) -> None:
    world.write(world.signed())
    world.settle()
    assert world.allows(BOB)
    world.write(narrower(world))
    world.settle()
    assert world.allows(ALICE)
    assert not world.allows(BOB)
    assert world.status()["recordGeneration"] == 2


def test_the_same_content_signed_anew_is_taken(world: SourceWorld) -> None:
    """As when a signer's key is replaced."""
    world.write(world.signed())
    world.settle()
    world.committee = Ed25519PrivateKey.generate()
    world.restart()
    world.settle()
    assert world.condition("EvidenceVerified")["status"] == "False"
    world.write(world.signed())
    world.settle()
    assert world.condition("Accepted")["status"] == "True"
    assert world.allows(ALICE)
    assert world.status()["recordGeneration"] == 2


@pytest.mark.parametrize("approved", ["earlier", "the same day"])
def test_what_was_replaced_does_not_come_back_by_its_old_signature(world: SourceWorld, approved: str) -> None:
    first = world.signed()
    world.write(first)
    world.settle()
    changes = {} if approved == "the same day" else {"approval": approval(approvedAt=LATER)}
    world.write(world.signed(members=ONLY_ALICE, **changes))
    world.settle()
    assert not world.allows(BOB)
    world.write(first)
    world.settle()
    assert not world.allows(BOB)
    assert world.condition("Accepted")["reason"] == "StateForbids"
    anew = "2026-11-21T10:00:00Z"
    world.write(world.signed(approval=approval(approvedAt=anew)))
    world.settle()
    assert world.allows(BOB)


def test_deletion_is_revocation_and_the_resource_stays_until_it_is_done(world: SourceWorld) -> None:
    world.write(world.signed())
    world.settle()
    name = Workspace.name_for(NAME, ALICE)
    plan = WorkspacePlan(
        workspace=name,
        instance=1,
        grant=NAME,
        subject=ALICE,
        uid=60000,
        mounts=(),
        end=world.clock.now(),
        cap_seconds=9,
    )
    with world.database.change(world.event("workspace.started", f"workspace/{name}")) as change:
        workspaces.begin_start(change, plan, world.clock.now())
    world.delete()
    world.settle()
    found = world.grant()
    assert found is not None
    assert found.phase == "Revoked"
    assert not world.allows(ALICE)
    assert world.is_held()  # a workspace is still alive
    for phase in (WorkspacePhase.Stopping, WorkspacePhase.Stopped):
        with world.database.change(world.event("workspace.ended", f"workspace/{name}")) as change:
            workspaces.set_phase(change, name, phase, Reason.GrantRevoked, world.clock.now())
    world.settle()
    assert world.item() is None


def test_a_resource_made_anew_does_not_continue_the_grant(world: SourceWorld) -> None:
    world.write(world.signed())
    world.settle()
    world.delete()
    world.settle()
    world.write(world.signed())
    world.settle()
    assert not world.allows(ALICE)
    assert world.condition("Accepted")["reason"] == "StateForbids"
    assert world.condition("Stalled")["status"] == "True"


@pytest.mark.parametrize("restarted", [True, False])
def test_a_resource_exchanged_behind_our_back_ends_the_grant(world: SourceWorld, restarted: bool) -> None:
    world.write(world.signed())
    world.settle()
    world.cluster.remove_by_force(ACCESS_GRANT, Key(NAMESPACE, NAME))
    world.write(world.signed())
    if restarted:
        world.restart()
    world.settle()
    assert not world.allows(ALICE)
    found = world.grant()
    assert found is not None
    assert found.phase == "Revoked"


def test_a_deletion_while_nobody_watched_is_not_missed(world: SourceWorld) -> None:
    world.write(world.signed())
    world.settle()
    world.delete()
    world.restart()
    world.settle()
    found = world.grant()
    assert found is not None
    assert found.phase == "Revoked"
    assert world.item() is None


def test_a_resource_that_is_missing_ends_access_and_its_return_brings_it_back(world: SourceWorld) -> None:
    """As when the definition is removed, or a kubeconfig names the wrong cluster."""
    world.write(world.signed())
    world.settle()
    there, world.client.behind = world.client.behind, MemoryCluster(world.clock.now)
    world.restart()
    world.settle()
    assert not world.allows(ALICE)
    found = world.grant()
    assert found is not None
    assert found.phase == "Active"
    assert found.confirmed_until is not None
    world.client.behind = there
    world.restart()
    world.settle()
    assert world.allows(ALICE)


def test_a_source_that_cannot_be_reached_gives_nothing_new_and_ends_access_in_time(world: SourceWorld) -> None:
    world.write(world.signed())
    world.settle()
    world.pass_time(2 * STALENESS.total_seconds())
    assert world.allows(ALICE)  # as long as it answers, it goes on
    world.client.lists = ["silent"] * 1000
    world.client.watches = ["silent"] * 1000
    world.write(world.signed(name="second"))
    world.pass_time(STALENESS.total_seconds() / 2)
    assert world.allows(ALICE)
    world.pass_time(STALENESS.total_seconds())
    assert not world.allows(ALICE)
    assert world.grant("second") is None
    world.client.lists, world.client.watches = [], []
    world.settle()
    assert world.allows(ALICE)
    assert world.allows(ALICE, "second")


def test_vouching_costs_few_events(world: SourceWorld) -> None:
    for number in range(20):
        world.write(world.signed(name=f"grant-{number}"))
    world.settle()
    before = world.kinds()
    world.pass_time(4 * STALENESS.total_seconds())
    fresh = world.kinds()[len(before) :]
    assert set(fresh) == {"source.confirmed"}
    assert len(fresh) <= 16


def test_a_name_that_another_source_owns_is_refused(world: SourceWorld) -> None:
    grant = sign(access_grant(), world.committee)
    content = digest(grant.signed_content())
    with world.database.change(world.event("grant.applied", f"grant/{NAME}", digest=content)) as change:
        admit(change, grant, SOURCE, world.clock.now(), verified=True)
    world.write(world.signed())
    world.settle()
    assert world.condition("Accepted")["reason"] == "Conflict"
    assert world.status()["phase"] == "Pending"
    assert "recordGeneration" not in world.status()
    world.delete()
    world.settle()
    assert world.item() is None
    assert world.allows(ALICE)  # the other source's grant goes on


def test_what_ended_otherwise_is_shown(world: SourceWorld) -> None:
    world.write(world.signed())
    world.settle()
    with world.database.change(world.event("grant.revoked", f"grant/{NAME}")) as change:
        grants.revoke(change, NAME, "the committee says so", world.clock.now())
    world.settle()
    assert world.status()["phase"] == "Revoked"
    assert world.condition("Ready")["status"] == "False"
    assert world.condition("Stalled")["status"] == "True"
    told = [one["reason"] for one in world.cluster.list(EVENT, NAMESPACE).items]
    assert "Entitled" in told
    assert "GrantRevoked" in told


def test_a_clock_out_of_step_lets_nothing_new_in(world: SourceWorld) -> None:
    world.clock_trouble = TREError(Reason.ClockOutOfStep, "Clocks differ.")
    world.write(world.signed())
    world.settle()
    assert world.grant() is None
    assert world.condition("Accepted")["reason"] == "ClockOutOfStep"
    world.delete()
    world.settle()
    assert world.item() is None  # endings do not wait for clocks


def test_who_does_not_lead_writes_nothing(world: SourceWorld) -> None:
    world.leading = TREError(Reason.LeadershipLost, "Another replica leads.")
    world.write(world.signed())
    before = world.kinds()
    for watcher in world.source.watchers.values():
        watcher.step()
    world.source.step()
    world.source.step()
    assert world.grant() is None
    assert world.kinds() == before
    world.leading = None
    world.settle()
    assert world.allows(ALICE)


def test_nothing_is_written_twice(world: SourceWorld) -> None:
    world.write(world.signed())
    world.settle()
    before = list(world.client.calls)
    world.pass_time(1200)
    verbs = {verb for verb, _ in world.client.calls[len(before) :]}
    # confirmedUntil moves, four times in the time that it covers: that is all.
    writes = [call for call in world.client.calls[len(before) :] if call[0] in {"apply", "create", "status"}]
    assert verbs <= {"list", "watch", "status"}
    assert len(writes) <= 4


def test_workspaces_and_datasets_are_shown_and_strangers_removed(world: SourceWorld) -> None:
    world.write(world.signed())
    with world.database.change(world.event("dataset.registered", "dataset/nccid")) as change:
        new = Dataset(name="nccid", title="Chest images", data_group=60100, created_at=world.clock.now())
        datasets.register(change, new)
    misleading = {"metadata": {"name": "w-invented", "namespace": NAMESPACE}, "spec": {"grant": NAME}}
    world.cluster.create(WORKSPACE, misleading)
    world.settle()
    shown = {item["metadata"]["name"]: item for item in world.cluster.list(WORKSPACE, NAMESPACE).items}
    assert set(shown) == {Workspace.name_for(NAME, ALICE), Workspace.name_for(NAME, BOB)}
    assert shown[Workspace.name_for(NAME, ALICE)]["status"]["phase"] == "Stopped"
    (dataset,) = world.cluster.list(DATASET, NAMESPACE).items
    assert dataset["spec"]["title"] == "Chest images"


def test_a_deletion_overtakes_everything_that_waits(world: SourceWorld) -> None:
    for number in range(20):
        world.write(world.signed(name=f"waits-{number}"))
    world.write(world.signed())
    world.settle()
    watcher = world.source.watchers["grant"]
    for number in range(20):
        world.source.queue.add(Look("grant", f"waits-{number}"))
    world.delete()
    watcher.step()
    assert world.source.queue.get(0.0) == Look("grant", NAME)
