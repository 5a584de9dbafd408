"""`tre workspace list`, `start` and `tre status` of workspaces that wait for room."""

from __future__ import annotations

import json

from tests.support.factories import ALICE, BOB, NOON, access_grant
from tests.unit.cli.conftest import Here
from tre.cli.common import Installation
from tre.cli.workspace import _still_waits
from tre.domain.errors import Reason
from tre.domain.events import Event, program
from tre.domain.workspaces.admission import Place
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.store import grants, workspaces
from tre.store.database import new_id

GRANT = "nccid-00123"


def test_who_waits_is_listed_with_the_place(here: Here) -> None:
    assert json.loads(here.tre("status", "--json").out)["queue"] == "empty"
    opened = Installation.open(here.root)
    event = Event(id=new_id(), at=NOON, actor=program("test"), kind="test.prepared", object=f"grant/{GRANT}")
    with opened.database.change(event) as change:
        grants.apply(change, GRANT, access_grant().spec, "signed-file", NOON)
        for subject in (ALICE, BOB):
            name = workspaces.ensure(change, GRANT, subject, NOON)
            workspaces.want(change, name, Wanted.Running)
            workspaces.set_phase(change, name, WorkspacePhase.Queued, Reason.WaitingForRoom, NOON)
    first = min(Workspace.name_for(GRANT, one) for one in (ALICE, BOB))
    shown = here.done("workspace", "list")
    assert "Queued, 1 of 2" in shown.shown
    assert "WaitingForRoom" in shown.shown
    listed = {one["name"]: one for one in json.loads(here.done("workspace", "list", "--json").out)}
    place = listed[first]["queue"]
    assert (place["position"], place["of"], place["since"]) == (1, 2, NOON.isoformat())
    assert "roomBy" in place  # nothing is open here
    assert "2 wait for room, the first for" in json.loads(here.tre("status", "--json").out)["queue"]


def test_a_start_that_still_waits_says_where_and_what_to_type() -> None:
    error = _still_waits("w-aaaaaaaaaaaa", Place(2, 5, NOON, None))
    assert error.reason is Reason.WaitingForRoom
    assert str(error).startswith("w-aaaaaaaaaaaa is number 2 of 5 in the queue.")
    assert "`tre workspace stop w-aaaaaaaaaaaa`" in error.remedy
    assert _still_waits("w-aaaaaaaaaaaa", None).what == "w-aaaaaaaaaaaa is in the queue."
