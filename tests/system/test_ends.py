"""Each way in which access ends, on running workspaces: what ends it, in which order, and with what word."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from tests.support.machine import processes_of
from tests.system.endings import BEN, LATE_SECONDS, SOON, Scene, Stopwatch, moment, mounts_left, scenes
from tests.system.waiting import until
from tre.cli.trial.world import World
from tre.domain.grants.models import SuspensionScope

STUBBORN = """
import signal
for number in (1, 2, 15):
    signal.signal(number, signal.SIG_IGN)
held = open('/home/researcher/held', 'a')
"""

CAUSES: dict[str, tuple[Callable[[Scene], None], str]] = {
    "expiry": (lambda s: s.sign_anew(expires=moment(SOON).isoformat(), legalBasis=None), "GrantExpired"),
    "an earlier legal end": (
        lambda s: s.sign_anew(legalBasis={"name": "COPI", "ends": moment(SOON).isoformat()}),
        "LegalBasisEnded",
    ),
    "revocation": (Scene.revoke, "GrantRevoked"),
    "removal of the member": (lambda s: s.sign_anew(members=[BEN]), "NotAMember"),
    "suspension of the grant": (lambda s: s.suspend(SuspensionScope.grant, ""), "GrantSuspended"),
    "suspension of the slice": (lambda s: s.suspend(SuspensionScope.slice, "chest-xray"), "SliceSuspended"),
    "suspension of the member": (lambda s: s.suspend(SuspensionScope.member, "local:alice"), "MemberSuspended"),
    "suspension of the organisation": (
        lambda s: s.suspend(SuspensionScope.organisation, f"org-{s.grant}"),
        "OrganisationSuspended",
    ),
}
"""What is done, and the reason that the record, the log and the person are given."""


async def check_order(scene: Scene, watch: Stopwatch, reason: str, *, told: bool = True, held: bool = True) -> None:
    """Gateway, processes, mounts, record: by the log and by the kernel."""
    await until(lambda: scene.state()[0] == "Stopped", 30)
    assert scene.state() == ("Stopped", reason)
    await until(lambda: len(watch.ended) == 2 and bool(scene.events("workspace.ended") or not told), 10)
    # The supervisor holds the mounts; one that was killed has let go of them before the kernel kills its sandbox.
    gone = [watch.ended["init"], watch.ended["supervisor"]]
    stopped = scene.events("workspace.stopped")[-1][0].timestamp() + LATE_SECONDS
    moments = [*(gone if held else sorted(gone)), stopped]
    if told:
        await until(lambda: bool(scene.events("workspace.connections-cut")), 10)
        cut, detail = scene.events("workspace.connections-cut")[0]
        assert detail["reason"] == reason
        moments = [cut.timestamp(), scene.events("workspace.ended")[-1][0].timestamp(), *moments]
    assert moments == sorted(moments), moments
    assert processes_of(scene.run["plan"]["uid"]) == []
    assert mounts_left(scene.run) == []
    assert (await scene.answer())[0] == 403


async def test_each_way_ends_access_in_order_and_says_why(world: World) -> None:
    names = [f"ends-{number}" for number in range(len(CAUSES))]
    async with scenes(world, names) as opened_ones:
        for scene, (cause, reason) in zip(opened_ones, CAUSES.values(), strict=True):
            assert await scene.answer() == (200, "")
            with Stopwatch(scene.run) as watch:
                cause(scene)
                await scene.closed()
                await check_order(scene, watch, reason)


async def kill(scene: Scene, *services: str) -> None:
    """As a fault would: without a word, and not waiting for anything."""
    for name in services:
        os.kill(scene.world.service(name), signal.SIGKILL)


KILLED = ("controller", "hub", "gateway")


async def test_access_ends_although_a_service_is_killed_in_that_moment(world: World) -> None:
    """The keeper starts it again; until then the others do their part."""
    async with scenes(world, [f"killed-{name}" for name in KILLED]) as opened_ones:
        for scene, name in zip(opened_ones, KILLED, strict=True):
            with Stopwatch(scene.run) as watch:
                await kill(scene, name)
                scene.revoke()
                await scene.closed()
                # A gateway that was killed has cut everything by that, and nobody was there to write it down.
                await check_order(scene, watch, "GrantRevoked", told=name != "gateway")


async def test_access_ends_with_everything_killed_and_what_ended_meanwhile_stays_ended(world: World) -> None:
    """All services and their keeper, and in one workspace its supervisor too; the approvals end while nobody lives."""
    async with scenes(world, ["dead-clock", "dead-revoked", "dead-supervisor"]) as (clock, revoked, alone):
        await clock.lab.run([STUBBORN])
        end = moment(SOON)
        clock.sign_anew(legalBasis={"name": "COPI", "ends": end.isoformat()})
        await until(lambda: world.run_of("dead-clock")[1]["end"] != clock.run["end"])
        with Stopwatch(clock.run) as by_clock, Stopwatch(revoked.run) as by_word, Stopwatch(alone.run) as by_kernel:
            world.kill_services()
            os.kill(alone.run["supervisor"]["pid"], signal.SIGKILL)
            try:
                for scene in (clock, revoked, alone):
                    await scene.closed()  # the only door is gone
                await until(lambda: len(by_clock.ended) == len(by_kernel.ended) == 2, 20)
                assert 0 <= by_clock.ended["init"] - end.timestamp() < 1.5
                assert by_word.ended == {}  # nobody has heard of its revocation yet, and nobody can get in
                revoked.revoke()
                alone.revoke()
            finally:
                world.start()
            await check_order(clock, by_clock, "LegalBasisEnded", told=False)
            await check_order(revoked, by_word, "GrantRevoked", told=False)
            await check_order(alone, by_kernel, "GrantRevoked", told=False, held=False)
