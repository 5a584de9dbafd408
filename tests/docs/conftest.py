"""A launcher as the demonstration leaves it: its data, its people, its first grant, and a terminal beside it."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.documents import CHECKOUT
from tests.docs.terminal import Terminal
from tests.support.commands import Commands
from tests.support.machine import lacking_for_workspaces
from tre.cli.demonstration.stage import ACCOUNTS, PASSWORD
from tre.cli.trial.world import World
from tre.domain.people import LOCAL_ISSUER, Subject
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.store import workspaces

GRANT, ALICE = "nccid-00001", Subject(issuer=LOCAL_ISSUER, id="alice")
WIDTH = "120"
"""Characters of a line, as the tutorials tell their readers to set it."""


class DemoWorld(World):
    """Looks like the directory in which somebody typed `make demo`."""

    accounts = ACCOUNTS
    password = PASSWORD

    def __init__(self, place: Path) -> None:
        super().__init__(place / ".demo")
        self.place = place

    def furnish(self) -> None:
        """Everything but the services."""
        self.home.mkdir(mode=0o711)
        self._offer_commands()
        for name in ("examples", "policies"):
            (self.place / name).symlink_to(CHECKOUT / name)
        self.make()

    def _offer_commands(self) -> None:
        """Where a checkout has its environment: the `tre` command."""
        self._commands = Commands(self.place, {"COLUMNS": WIDTH})  # the width of tables is read once
        command = self.place / ".venv" / "bin" / "tre"
        command.parent.mkdir(parents=True)
        command.write_text(f'#!/bin/sh\nexec {shlex.join(self._commands.line())} "$@"\n', encoding="ascii")
        command.chmod(0o755)

    def open_workspace(self) -> None:
        """The first grant's workspace runs, as after its researcher worked in it."""
        name = Workspace.name_for(GRANT, ALICE)
        with self.here.database.change(self.here.event("workspace.wanted", f"workspace/{name}")) as change:
            workspaces.want(change, name, Wanted.Running)
        self.wait_for(lambda: self._runs(name), "the workspace did not start")

    def _runs(self, name: str) -> bool:
        with self.here.database.read() as connection:
            return workspaces.require(connection, name).phase is WorkspacePhase.Running

    def leave(self) -> None:
        """End everything, at once, and remove it."""
        self.kill_services()
        self.stop()
        self._commands.close()
        shutil.rmtree(self.place)


@pytest.fixture(scope="module")
def world() -> Iterator[DemoWorld]:
    """Such a launcher, running."""
    if reason := lacking_for_workspaces():
        pytest.skip(reason)
    place = Path(tempfile.mkdtemp(prefix="tre-docs-", dir="/var/tmp"))
    place.chmod(0o711)
    found = DemoWorld(place)
    try:
        found.furnish()
        found.start()
        found.grant(GRANT)
        found.open_workspace()
        yield found
    finally:
        found.leave()


@pytest.fixture(scope="module")
def terminal(world: DemoWorld) -> Iterator[Terminal]:
    """A terminal in that directory."""
    with Terminal(world.place, dict(os.environ)) as found:
        yield found
