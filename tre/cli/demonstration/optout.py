"""The demonstration's opt-outs: one that a running notebook sees at once, and one that a notebook holds on to."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from tre.cli.demonstration.stage import PASSWORD, Stage, demand
from tre.cli.trial.browser import Browser, sign_in
from tre.cli.trial.lab import Kernel, Lab
from tre.system.layout import Layout

DATASET = "nccid"
PREAMBLE = 132
"""Bytes before the first attribute of a DICOM file (PS3.10 section 7.1)."""

LOOK = """
import json, pathlib
images = sorted(str(path) for path in pathlib.Path('/data/chest-xray/data').rglob('*.dcm'))
print(json.dumps(images))
"""
STILL = """
import json, pathlib
print(json.dumps(sum(pathlib.Path(path).exists() for path in {paths!r})))
"""
HOLD = """
held = open({path!r}, 'rb')
print(len(held.read(132)))
"""
"""A cell that keeps a patient's image open, as a reader of many images does."""


class OptOut:
    """Patients of one grant's slice opt out while its researcher works."""

    def __init__(self, stage: Stage, grant: str) -> None:
        self.stage, self.grant = stage, grant

    def run(self) -> None:
        """One whose files vanish in a running notebook; one whose file a notebook holds open."""
        with self.stage.step("A patient opts out while a notebook reads") as say:
            say(asyncio.run(self.vanish()))
        with self.stage.step("Another one opts out while a notebook holds an image open") as say:
            say(asyncio.run(self.hold_on()))

    async def vanish(self) -> str:
        """The same kernel sees the files, and then not; the slice still is as recorded."""
        async with Browser() as browser:
            lab = await self._lab(browser)
            async with lab.kernel() as kernel:
                person, paths = _of_one(await _printed(kernel, LOOK))
                begun = time.monotonic()
                found = await asyncio.to_thread(self._withdraw, person)
                seconds = time.monotonic() - begun
                left = await _printed(kernel, STILL.format(paths=paths))
        demand(left == 0, f"{left} images of a patient who opted out are still in the workspace")
        differences = [item for one in self.stage.json("slice", "verify") for item in one["differences"]]
        demand(not differences, "a slice is not what the record says after the opt-out")
        receipt = self.stage.json("withdraw", "--receipt", found["id"])
        files = receipt["filesRemoved"]
        return f"{len(paths)} images gone from the running kernel, {files} files in all, {seconds:.1f} s with the sweep"

    async def hold_on(self) -> str:
        """The workspace begins anew by itself, and says why."""
        before = self._workspace()
        async with Browser() as browser:
            lab = await self._lab(browser)
            async with lab.kernel() as kernel:
                person, paths = _of_one(await _printed(kernel, LOOK))
                read = await _printed(kernel, HOLD.format(path=paths[0]))
                demand(read == PREAMBLE, "the notebook could not read an image")
                await asyncio.to_thread(self._withdraw, person)
        self.stage.wait_for(lambda: self._began_anew(before), 60, "a workspace that holds an image open goes on")
        notes = list((Layout(self.stage.root).inboxes / before["name"]).glob("WITHDRAWAL-*.md"))
        demand(bool(notes), "nobody was told in the inbox")
        return "the workspace was ended for DataWithdrawn and started again by itself; a note lies in the inbox"

    async def _lab(self, browser: Browser) -> Lab:
        """The workspace that runs since the notebook was opened."""
        await sign_in(browser, self.stage.desk + "/", "alice", PASSWORD)
        lab = Lab(browser, self.stage.shell_of(self._workspace()["name"]))
        await lab.enter()
        return lab

    def _withdraw(self, person: str) -> Any:
        """As a data manager does: the list in a file, the count typed."""
        listed = self.stage.home / "opt-out.csv"
        listed.write_text(f"pseudonym\n{person}\n", encoding="utf-8")
        return self.stage.json("withdraw", DATASET, str(listed), "--yes", "1", "--level", "erase")

    def _workspace(self) -> Any:
        return self.stage.json("workspace", "list", "--grant", self.grant)[0]

    def _began_anew(self, before: Any) -> bool:
        found = self._workspace()
        return bool(found["instance"] > before["instance"] and found["phase"] == "Running")


async def _printed(kernel: Kernel, source: str) -> Any:
    """What a cell printed, as JSON."""
    return json.loads(await kernel.execute(source))


def _of_one(images: list[str]) -> tuple[str, list[str]]:
    """The person of the first image, and all images of that person."""
    person = images[0].split("/")[5]
    return person, [path for path in images if f"/{person}/" in path]
