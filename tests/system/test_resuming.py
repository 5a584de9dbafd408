"""A workspace whose grant was suspended and resumed, or that was stopped, opens again with all that was in it."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from tests.system.conftest import signed_in
from tests.system.waiting import until
from tre.cli.trial.lab import open_workspace
from tre.cli.trial.world import World
from tre.domain.grants.models import Suspension, SuspensionScope
from tre.domain.people import Subject
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted
from tre.store import grants, workspaces

WRITE = """
for place in ("/home/researcher", "/outbox", "/shared"):
    with open(f"{place}/kept.txt", "a") as file:
        file.write("x")
"""
READ = """
print([len(open(f"{place}/kept.txt").read()) for place in ("/home/researcher", "/outbox", "/shared")])
"""
ALICE = Subject(issuer="local", id="alice")


async def test_what_was_in_it_survives_a_suspension_and_a_stop(world: World, grant: str) -> None:
    name, here = Workspace.name_for(grant, ALICE), world.here

    def phase() -> str:
        with here.database.read() as connection:
            return workspaces.require(connection, name).phase.value

    async with contextlib.AsyncExitStack() as stack:
        browser, projects = await signed_in(stack, world, "alice")
        lab = await open_workspace(browser, projects, grant, world.shell_of)
        await lab.run([WRITE])
        whole = Suspension(scope=SuspensionScope.grant, reason="a question", by=ALICE, since=datetime.now(UTC))
        with here.database.change(here.event("suspension.added", f"grant/{grant}")) as change:
            identifier = grants.suspend(change, grant, whole)
        await until(lambda: phase() == "Stopped", 30)
        with here.database.change(here.event("suspension.lifted", f"grant/{grant}")) as change:
            grants.resume(change, [identifier], datetime.now(UTC))
        lab = await open_workspace(browser, projects, grant, world.shell_of)  # at once: nothing is built anew
        assert await lab.run([READ, WRITE]) == ["[1, 1, 1]\n", ""]
        with here.database.change(here.event("workspace.unwanted", f"workspace/{name}")) as change:
            workspaces.want(change, name, Wanted.Stopped)
        await until(lambda: phase() == "Stopped", 30)
        lab = await open_workspace(browser, projects, grant, world.shell_of)
        assert await lab.run([READ]) == ["[2, 2, 2]\n"]
