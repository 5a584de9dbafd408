"""A REMS as a source of the whole launcher: from its approval to a notebook, from its word to the end of it."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Iterator

import pytest

from tests.support.commands import Commands
from tests.support.machine import processes_of
from tests.system.waiting import until
from tre.cli.trial.elsewhere import Elsewhere
from tre.cli.trial.lab import open_workspace
from tre.cli.trial.rems import small_rems
from tre.cli.trial.world import World


@pytest.fixture(scope="module")
def elsewhere(world: World) -> Iterator[Elsewhere]:
    with small_rems() as rems:
        found = Elsewhere(world, rems)
        found.follow()
        yield found


async def test_from_an_approval_to_a_notebook_and_back(world: World, elsewhere: Elsewhere, commands: Commands) -> None:
    grant = elsewhere.approve(1, "alice")
    assert elsewhere.event("approved", 1) == 200
    await until(lambda: elsewhere.lets_in(grant, "alice"), 90)
    assert not elsewhere.lets_in(grant, "ben")
    async with world.signed_in("alice") as (browser, projects):
        lab = await open_workspace(browser, projects, grant, world.shell_of)
        async with lab.kernel() as kernel:
            await kernel.execute("import signal; signal.signal(15, signal.SIG_IGN)")
            uid = int(world.run_of(grant)[1]["plan"]["uid"])
            assert processes_of(uid)
            del elsewhere.rems.applications[1]
            assert elsewhere.event("revoked", 1) == 200
            await until(lambda: not processes_of(uid), 10)
    assert not elsewhere.lets_in(grant, "alice")
    shown = ("grant", "show", grant, "--json", "--root", str(world.root))
    await until(lambda: '"phase": "Revoked"' in commands.typed(*shown).stdout, 30)


async def test_rems_is_answered_whatever_the_controller_does(world: World, elsewhere: Elsewhere) -> None:
    grant = elsewhere.approve(2, "alice")
    assert elsewhere.event("approved", 2) == 200
    await until(lambda: elsewhere.lets_in(grant, "alice"), 90)
    controller = world.service("controller")
    _stop_between_writes(world, controller)
    try:
        begun = time.monotonic()
        assert elsewhere.event("revoked", 2) == 200
        assert time.monotonic() - begun < 2.5
        assert elsewhere.lets_in(grant, "alice"), "nobody but the controller takes it in"
    finally:
        os.kill(controller, signal.SIGCONT)
    await until(lambda: not elsewhere.lets_in(grant, "alice"), 10)
    await until(lambda: elsewhere.lets_in(grant, "alice"), 30)  # REMS states it still: what was told was not so


def test_what_is_pushed_is_asked_for_and_not_believed(world: World, elsewhere: Elsewhere, commands: Commands) -> None:
    asked = len(elsewhere.rems.asked)
    assert elsewhere.added(99, "ben") == 200
    world.wait_for(lambda: len(elsewhere.rems.asked) > asked, "REMS was not asked")
    shown = commands.typed("source", "show", "rems", "--json", "--root", str(world.root)).stdout
    assert '"kind": "added"' in shown
    assert '"99 ' not in shown


def _stop_between_writes(world: World, controller: int) -> None:
    """Stop a program where it holds no lock on the record: stopped amid a write, it would hold everybody up."""

    def stopped() -> bool:
        os.kill(controller, signal.SIGSTOP)
        with contextlib.closing(sqlite3.connect(world.here.layout.database, timeout=0.2)) as record:
            try:
                record.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                os.kill(controller, signal.SIGCONT)
                return False
        return True

    world.wait_for(stopped, "the controller never let go of the record")
