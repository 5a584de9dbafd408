"""Practice data from one command to a notebook: nobody approves anything, and nobody's data are in it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.support.commands import Commands
from tre.cli.trial.lab import open_workspace
from tre.cli.trial.world import World
from tre.system.paths import CHECKOUT

LOOK = """
import json, tre_data
images = tre_data.images()
array, _ = tre_data.load(images.iloc[0])
print(json.dumps([tre_data.folders(), sorted({name[:13] for name in images.pseudonym}), array.ndim, len(images)]))
"""


async def test_a_person_opens_a_workspace_on_practice_data_without_an_approval(
    world: World, commands: Commands
) -> None:
    root = ("--root", str(world.root))
    spec = str(CHECKOUT / "examples" / "slices" / "chest-xray.yaml")
    words = ("slice", "practice", spec, "--for", "alice", "--patients", "20", "--days", "2", "--json")
    done = await asyncio.to_thread(commands.typed, *words, *root)
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    assert made["grant"] == "practice-chest-xray"

    def active() -> bool:
        found = commands.typed("grant", "show", made["grant"], "--json", *root)
        return json.loads(found.stdout)["status"]["phase"] == "Active"

    await asyncio.to_thread(world.wait_for, active, "the practice grant did not come into force")
    async with world.signed_in("alice") as (browser, projects):
        lab = await open_workspace(browser, projects, made["grant"], world.shell_of)
        folders, people, dimensions, count = json.loads((await lab.run([LOOK]))[0])
    assert (folders, people, dimensions, count) == (["chest-xray"], ["CovidPractice"], 2, made["instances"])
