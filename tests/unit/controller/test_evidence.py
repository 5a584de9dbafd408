"""Evidence counts as long as it holds: a key that is taken away, a record that somebody edited."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import select, update

from tests.support.factories import BOB, END
from tests.unit.controller.conftest import World
from tre.domain.errors import Reason
from tre.domain.workspaces.states import Wanted
from tre.store.tables.grants import grants

MINUTE = 61.0
"""Nothing in the record says that a key file is gone: the look once a minute finds it."""


def signer(world: World) -> Path:
    return world.layout.keys / "grant-signers" / "committee.pub"


def test_a_key_that_is_taken_away_ends_what_rests_on_it_and_gives_it_back(world: World, tmp_path: Path) -> None:
    world.apply()
    name = world.run()
    kept = shutil.move(signer(world), tmp_path / "kept")
    world.advance(MINUTE)
    assert not world.grant().evidence_verified
    assert world.workspace(name).phase == "Stopped"
    assert world.workspace(name).reason is Reason.EvidenceUnverified
    world.want()
    world.settle()
    assert world.workspace(name).phase == "Refused"
    shutil.move(kept, signer(world))
    world.advance(MINUTE)
    assert world.grant().evidence_verified
    assert world.workspace(name).phase == "Refused", "a person decides whether there is another run"
    world.run()
    told = [kind for kind in world.kinds() if kind.startswith("grant.evidence")]
    assert told == ["grant.evidence-verified"] * told.index("grant.evidence-lost") + [
        "grant.evidence-lost",
        "grant.evidence-verified",
    ]


@pytest.mark.parametrize("harm", ["directory", "file"])
def test_keys_that_nobody_can_read_take_nothing_away(world: World, harm: str) -> None:
    """A broken restore is not a decision; nothing new is granted meanwhile."""
    world.apply()
    name = world.run()
    if harm == "directory":
        shutil.rmtree(signer(world).parent)
    else:
        signer(world).write_text("no key")
    world.advance(MINUTE)
    assert world.workspace(name).phase == "Running"
    assert world.grant().evidence_verified
    with world.database.read() as connection:
        found = connection.execute(select(grants.c.conditions)).scalar_one()
    assert [item["reason"] for item in found if item["type"] == "EvidenceVerified"] == ["SetupIncomplete"]


@pytest.mark.parametrize("change", ["expires", "members"])
def test_a_record_that_somebody_edited_entitles_nobody(world: World, change: str) -> None:
    world.apply()
    name = world.run()
    with world.database.change(world.event("test.edited", "grant/nccid-00123")) as edit:
        spec = dict(edit.connection.execute(select(grants.c.spec)).scalar_one())
        if change == "expires":
            spec["expires"] = END.replace(year=END.year + 5).isoformat().replace("+00:00", "Z")
        else:
            spec["members"] = [item for item in spec["members"] if item["subject"]["id"] != BOB.id]
        edit.connection.execute(update(grants).values(spec=spec))
    world.advance(MINUTE)
    assert not world.grant().evidence_verified
    assert world.workspace(name).phase == "Stopped"
    assert world.workspace(name).wanted is Wanted.Stopped
