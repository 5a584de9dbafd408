"""Plans hold together or are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.factories import ALICE
from tre.domain.workspaces.models import Mount, MountKind, Workspace, WorkspacePlan
from tre.domain.workspaces.states import ALIVE_PHASES, WORKSPACE_TRANSITIONS, WorkspacePhase


def mount(target: str, kind: MountKind = MountKind.slice, name: str = "cxr") -> Mount:
    return Mount(kind=kind, source="/srv/x", target=target, name=name)


def plan(*mounts: Mount, **changes: Any) -> WorkspacePlan:
    values: dict[str, Any] = {
        "workspace": "w-aaaaaaaaaaaa",
        "instance": 3,
        "grant": "g",
        "subject": ALICE,
        "uid": 20000,
        "mounts": mounts,
        "end": datetime(2027, 1, 1, tzinfo=UTC),
        "cap_seconds": 60,
    }
    return WorkspacePlan.model_validate(values | changes)


def test_a_plan_names_its_run_and_its_slices() -> None:
    found = plan(mount("/data/cxr"), mount("/home/researcher", MountKind.home, ""))
    assert found.identity == "w-aaaaaaaaaaaa-3"
    assert found.slices == {"cxr"}
    assert found.digest() == plan(*found.mounts).digest()
    assert found.digest() != plan(*found.mounts, instance=4).digest()


def test_slices_and_the_inbox_are_read_only_and_nothing_else() -> None:
    assert {kind for kind in MountKind if mount("/x", kind).read_only} == {MountKind.slice, MountKind.inbox}


@pytest.mark.parametrize("targets", [("/data/a", "/data/a"), ("/data", "/data/a"), ("/home", "/home/researcher")])
def test_a_mount_inside_another_is_refused(targets: tuple[str, str]) -> None:
    with pytest.raises(ValidationError, match="lies inside"):
        plan(*(mount(target) for target in targets))


def test_neighbours_with_a_common_beginning_are_fine() -> None:
    assert len(plan(mount("/data/a"), mount("/data/ab")).mounts) == 2


@pytest.mark.parametrize("path", ["relative", "/a/../b", "/a/./b", "/a//b", "//a", "/a/", "/a\nb"])
def test_paths_that_could_mean_another_are_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        mount(path)


def test_the_name_of_a_workspace_depends_on_grant_and_member() -> None:
    name = Workspace.name_for("g", ALICE)
    assert plan(workspace=name).workspace == name
    assert name != Workspace.name_for("h", ALICE)


def test_stopped_is_reached_only_through_stopping_once_something_ran() -> None:
    for phase in ALIVE_PHASES - {WorkspacePhase.Stopping}:
        assert not WORKSPACE_TRANSITIONS.can(phase, WorkspacePhase.Stopped)
        assert WORKSPACE_TRANSITIONS.can(phase, WorkspacePhase.Stopping)
