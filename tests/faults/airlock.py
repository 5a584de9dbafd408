"""One file's way out, in steps that can each be asked again."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from tests.faults.opened import open_in
from tests.faults.site import FaultWorld
from tre.cli.demonstration.airlock import CONTEXT, CONTROLS, FILE, RELATION
from tre.cli.trial.desk import Desk
from tre.domain.errors import Reason, TREError
from tre.store import exports, workspaces

GRANT = "airlock"
TEXT = "sex,patients\nF,45\nM,40\n"
LOOK_SECONDS = 0.1
PATIENCE = 20.0


class Airlock:
    """Asks of one grant, which alice is in, judged by carol and chris. `asking` is the ask in hand."""

    def __init__(self, world: FaultWorld) -> None:
        self.world = world
        self.asking: dict[str, Any] | None = None

    async def prepare(self) -> None:
        """A grant, a workspace that was opened once, and a file in its outbox."""
        if "outbox" in self.world.kept:
            return
        await asyncio.to_thread(self.world.grant, GRANT)
        opened = (await self.world.again(lambda: open_in(self.world, GRANT)))[0]
        path = self.world.here.layout.outboxes / opened.workspace / FILE
        path.write_text(TEXT)
        uid = opened.run["plan"]["uid"]
        os.chown(path, uid, uid)
        self.world.kept["outbox"] = path
        self.world.kept.setdefault("running", []).insert(0, opened)

    async def _until(self, desk: Desk, path: str, ready: Any) -> Any:
        async with asyncio.timeout(PATIENCE):
            while not ready(found := await desk.call("GET", path)):
                await asyncio.sleep(LOOK_SECONDS)
        return found

    async def ask(self) -> None:
        """Begin a request, choose the file, say what it is, submit: from wherever an earlier try came."""
        desk, asking = await self.world.desk_of("alice"), self.asking
        assert asking is not None
        if not asking:
            asking |= await desk.call("POST", "/exports", {"grant": GRANT})
        path = f"/exports/{asking['id']}"
        found = await desk.call("GET", path)
        if not found["groups"]:
            outbox = await self._until(desk, f"{path}/outbox", lambda seen: not seen["waiting"])
            if all(item["path"] != FILE for item in outbox["files"]):
                raise TREError(Reason.BadInput, f"{FILE} is not in the outbox.")
            if not found["busy"]:
                await desk.call("POST", f"{path}/files", {"group": "counts", "paths": [FILE]})
        found = await self._until(desk, path, lambda seen: not seen["busy"])
        if not found.get("run"):
            if "recheck" in found["allowedActions"]:  # the checks broke: they are asked for again
                await desk.call("POST", f"{path}/recheck")
            raise TREError(Reason.CheckerFailed, "It was not looked into.", why=str(found.get("trouble")))
        if found["state"] == "Pending":
            words = {"name": "counts", "context": CONTEXT, "controls": CONTROLS, "relation": RELATION, "people": 85}
            await desk.call("PUT", f"{path}/groups", words)
            found = await desk.call("POST", f"{path}/submit")
        self.asking = found

    async def asked(self) -> str:
        """A request that waits for its checkers: one of before, else a new one."""
        if kept := self.world.kept.setdefault("asked", []):
            return str(kept.pop())
        self.asking = {}
        await self.world.again(self.ask)
        return str(self.asking["id"])

    async def vote(self, name: str, export: str) -> None:
        """Somebody's vote on every file."""
        desk = await self.world.desk_of(name)
        found = await desk.call("GET", f"/exports/{export}")
        for file in (file for group in found["groups"] for file in group["files"]):
            answers = {item["id"]: "seen and understood" for item in file["findings"] if item["severity"] in "EA"}
            vote = {"path": file["path"], "sha256": file["sha256"], "run": found["run"], "choice": "Approved"}
            await desk.call("PUT", f"/exports/{export}/vote", vote | {"answers": answers, "looked": "covered"})

    async def hand_in(self, name: str, export: str) -> None:
        """Hand the review in, unless it was."""
        if name in self.reviewers(export):
            return
        desk = await self.world.desk_of(name)
        found = await desk.call("GET", f"/exports/{export}")
        await desk.call("POST", f"/exports/{export}/review", {"seen": found["seen"]})

    async def reviewed(self) -> str:
        """A request that both agreed to."""
        kept = self.world.kept.setdefault("reviewed", [])
        export = str(kept.pop()) if kept else await self.asked()

        async def both() -> None:
            for name in ("carol", "chris"):
                if name not in self.reviewers(export):
                    await self.vote(name, export)
                    await self.hand_in(name, export)

        await self.world.again(both)
        return export

    async def confirm(self, export: str) -> None:
        """Type the confirmation, unless that was done."""
        if self.state(export) in {"Approved", "Releasing", "Released"}:
            return
        desk = await self.world.desk_of("carol")
        found = await desk.call("GET", f"/exports/{export}")
        await desk.call("POST", f"/exports/{export}/approve", {"seen": found["seen"], "confirm": str(found["outputs"])})

    async def received(self, export: str) -> bytes:
        """The bundle, as the researcher downloads it."""
        desk = await self.world.desk_of("alice")
        found = await desk.call("GET", f"/exports/{export}")
        return await desk.download(found["release"]["url"])

    def state(self, export: str) -> str:
        """As the record has it."""
        with self.world.here.database.read() as connection:
            return exports.require(connection, export).state.value

    def reviewers(self, export: str) -> list[str]:
        """Who handed a review in."""
        with self.world.here.database.read() as connection:
            found = exports.require(connection, export)
        return sorted(one.checker.id for one in found.reviews if one.submitted_at is not None)

    def workspace(self) -> str:
        """Its only workspace."""
        with self.world.here.database.read() as connection:
            return workspaces.of_grant(connection, GRANT)[0].name
