"""Keeping the Hub's picture of the world right: what runs, for whom.

Guarantees: level-triggered; a Hub that forgot or was away is told again within `PASS_SECONDS`, a change at once.
Nothing waits for the Hub: while it is away everything else goes on.
"""

from __future__ import annotations

import asyncio

import structlog

from tre.controller.context import Context
from tre.controller.hub_mirror import HubMirror
from tre.domain.workspaces.states import WorkspacePhase
from tre.store import people, workspaces

log = structlog.get_logger()

PASS_SECONDS = 10.0
LEAST_SECONDS = 0.5
"""How much lies between two tellings at least: the first change is told at once, those right after it together."""
FIRST_AGAIN_SECONDS = 1.0
"""How soon a Hub is told again that could not be told; twice as long each time after that, up to `PASS_SECONDS`."""
_SHOWN = {WorkspacePhase.Starting: True, WorkspacePhase.Running: True}


def desired(context: Context) -> dict[str, dict[str, bool]]:
    """Hub user → server → whether it runs, for everybody who may meet the Hub."""
    found: dict[str, dict[str, bool]] = {}
    with context.database.read() as connection:
        names = {person.subject.key: person.hub_name for person in people.everybody(connection)}
        for owner, workspace, phase in workspaces.phases(connection):
            hub_name = names.get(owner)
            if hub_name is not None:
                found.setdefault(hub_name, {})[workspace] = _SHOWN.get(phase, False)
    return found


async def keep_mirror(context: Context, mirror: HubMirror, changed: asyncio.Event) -> None:
    """Tell the Hub, for ever: when something changed, and now and then in any case."""
    agreed, again, loop = True, FIRST_AGAIN_SECONDS, asyncio.get_running_loop()
    while True:
        told_at = loop.time()
        report = await mirror.agree(await asyncio.to_thread(desired, context))
        if report.agreed != agreed:
            agreed = report.agreed
            log.info("hub-mirror", agreed=agreed, problems=report.problems[:3])
        pause, again = (PASS_SECONDS, FIRST_AGAIN_SECONDS) if agreed else (again, min(PASS_SECONDS, 2 * again))
        try:
            await asyncio.wait_for(changed.wait(), pause)
        except TimeoutError:
            continue
        changed.clear()
        if (left := told_at + LEAST_SECONDS - loop.time()) > 0:
            await asyncio.sleep(left)  # many changes in a row are told together
