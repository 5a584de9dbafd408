"""What is shown is what the cluster's definitions say, and nothing is written twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster_source import NAME, NAMESPACE, SourceWorld
from tests.support.factories import ALICE
from tre.cluster.conditions import Condition, stamp
from tre.cluster.resources import GrantStatus, WorkspaceResourceSpec, WorkspaceStatus
from tre.domain.errors import Reason
from tre.domain.model import Record
from tre.domain.workspaces.models import Workspace
from tre.sources.kubernetes import window
from tre.sources.kubernetes.door import Verdict
from tre.store import outlines
from tre.store.outlines import GrantOutline, WorkspaceOutline

GOOD = Verdict(Condition("Accepted", True, Reason.Entitled), Condition("EvidenceVerified", True, Reason.Entitled), True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SourceWorld]:
    found = SourceWorld(tmp_path / "record.sqlite")
    found.write(found.signed())
    found.settle(12)
    yield found
    found.close()


def outline(world: SourceWorld) -> GrantOutline:
    with world.database.read() as connection:
        found = outlines.get(connection, NAME)
    assert found is not None
    return found


def as_shown(record: Record) -> Any:
    """As the API server keeps it."""
    return _seconds(record.model_dump(by_alias=True, exclude_none=True))


def _seconds(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, dict):
        return {key: _seconds(item) for key, item in value.items()}
    return [_seconds(item) for item in value] if isinstance(value, list | tuple) else value


def test_the_status_of_a_grant_is_one_by_its_definition(world: SourceWorld) -> None:
    item, now, seen = world.item(), world.clock.now(), outline(world)
    assert item is not None
    built = seen.slices[0]._replace(content_digest="sha256:" + "ab" * 32, files=7)
    for record in (None, seen, seen._replace(confirmed_until=now + timedelta(hours=1), slices=(built, *seen.slices))):
        status = window.grant_status(item, GOOD, record, now)
        assert as_shown(GrantStatus.model_validate(status)) == status
        assert ("effectiveEnd" in status) is (record is not None)
    assert status["slices"][0]["files"] == 7
    assert status["members"] == 2


def test_nobody_is_told_that_it_stands_once_nobody_vouches_for_it(world: SourceWorld) -> None:
    item, now = world.item(), world.clock.now()
    assert item is not None
    for until, ready in ((now + timedelta(seconds=1), "True"), (now, "False")):
        record = outline(world)._replace(confirmed_until=until)
        status = window.grant_status(item, GOOD, record, now)
        assert next(one["status"] for one in status["conditions"] if one["type"] == "Confirmed") == ready


def test_a_workspace_is_one_by_its_definition(world: SourceWorld) -> None:
    name = Workspace.name_for(NAME, ALICE)
    with world.database.read() as connection:
        stopped = outlines.workspace(connection, name)
    assert stopped is not None
    now = world.clock.now()
    runs = stopped._replace(phase="Running", wanted="Running", instance=3, ready_at=now, ends=now + timedelta(hours=1))
    for one in (stopped, runs):
        spec, status = window.workspace_objects(one, NAMESPACE)
        assert WorkspaceResourceSpec.model_validate(spec["spec"]).as_plain() == spec["spec"]
        assert as_shown(WorkspaceStatus.model_validate(status["status"])) == status["status"]
    assert {"readyAt", "endsAt"} <= status["status"].keys()


def test_what_stands_there_holds_what_is_wanted(world: SourceWorld) -> None:
    shown = WorkspaceOutline("w", "g", "local", "alice", "Stopped", "Stopped", "Requested", "", 0, None, None)
    spec, status = window.workspace_objects(shown, NAMESPACE)
    item = spec | {"status": status["status"], "more": "of others"}
    assert window.holds(item, spec)
    assert window.holds(item, status)
    assert not window.holds(item, window.workspace_objects(shown._replace(message="it ended"), NAMESPACE)[1])
    assert not window.holds(None, spec)
