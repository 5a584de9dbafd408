"""Which slices a check compares files with: those that may have been mounted in the request's project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import sqlite_with_tables
from tests.support.factories import access_grant
from tests.unit.domain.exports.world import World
from tre.airlock.asking import _mounted
from tre.domain.errors import Reason
from tre.domain.events import program
from tre.store import exports, grant_slices, grants
from tre.store.grant_slices import SliceState


@pytest.mark.parametrize(
    ("state", "digest", "named"),
    [
        (SliceState.Ready, "sha256:" + "a" * 64, True),
        (SliceState.Failed, "sha256:" + "a" * 64, True),
        (SliceState.Gone, "sha256:" + "a" * 64, False),
        (SliceState.Pending, None, False),
    ],
)
def test_slices_that_were_built_and_are_there_are_named(
    tmp_path: Path, state: SliceState, digest: str | None, named: bool
) -> None:
    database = sqlite_with_tables(tmp_path / "tre.sqlite")
    world = World()
    event = exports.event_of("created", world.request, program("controller"), world.now)
    with database.change(event) as change:
        grants.apply(change, world.request.grant, access_grant(world.request.grant).spec, "test", world.now)
        (one,) = grant_slices.of_grant(change.connection, world.request.grant)
        grant_slices.set_state(change, one.grant, one.name, state, Reason.Entitled, content_digest=digest)
        assert _mounted(change.connection, world.request.grant) == ((one.slice_id,) if named else ())
