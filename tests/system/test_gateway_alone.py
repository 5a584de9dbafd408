"""The gateway without its controller: it goes on deciding by what it heard last, and after a time it lets nobody in."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator

import pytest

from tests.support.machine import processes_of
from tests.system.endings import moment, scenes
from tests.system.waiting import until
from tre.cli.services import listens
from tre.cli.trial.world import World
from tre.domain.errors import TREError
from tre.system.settings import SETTINGS_FILE

LIMIT = 5
"""Seconds of silence after which nobody is let in: the shortest that can be set."""


async def restart_gateway(world: World) -> None:
    """Kill it; its keeper starts it again with the settings of that moment."""
    old = world.service("gateway")
    os.kill(old, signal.SIGKILL)

    def is_back() -> bool:
        with contextlib.suppress(TREError):
            return world.service("gateway") != old and listens(world.here.layout.socket("gateway"))
        return False

    await until(is_back, 60)


@pytest.fixture
async def impatient(world: World) -> AsyncIterator[None]:
    """A gateway that does not trust a silent controller for long."""
    path = world.root / SETTINGS_FILE
    usual = path.read_text(encoding="utf-8")
    path.write_text(f"{usual}streamStalenessSeconds: {LIMIT}\n", encoding="utf-8")
    try:
        await restart_gateway(world)
        yield
    finally:
        path.write_text(usual, encoding="utf-8")
        await restart_gateway(world)


@pytest.mark.usefixtures("impatient")
async def test_the_gateway_decides_alone_for_a_time_and_then_lets_nobody_in(world: World) -> None:
    async with scenes(world, ["alone", "alone-ending"]) as (staying, ending):
        before = ending.run["end"]
        ending.sign_anew(legalBasis={"name": "COPI", "ends": moment(2.5).isoformat()})
        await until(lambda: world.run_of(ending.grant)[1]["end"] != before)
        controller = world.service("controller")
        os.kill(controller, signal.SIGSTOP)
        try:
            assert await staying.answer() == (200, "")
            await ending.closed()
            assert await ending.answer() == (403, "LegalBasisEnded")  # by the gateway's own clock
            await until(lambda: not processes_of(ending.run["plan"]["uid"]), 5)  # and without its controller
            assert await staying.answer() == (200, "")  # the other side: nothing is cut before its time
            assert await until(staying.reading.done, 30) < LIMIT + 3
            assert await staying.answer() == (403, "StreamStale")
        finally:
            os.kill(controller, signal.SIGCONT)
        while await staying.answer() != (200, ""):
            assert staying.state()[0] == "Running"
