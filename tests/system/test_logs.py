"""A day's logs of every service: a machine reads each line, and none names a person, a file or a patient."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.system.conftest import signed_in
from tre.cli.services import MODULES
from tre.cli.trial.browser import Browser
from tre.cli.trial.lab import Lab, open_workspace
from tre.cli.trial.world import World
from tre.cli.user import put_into_record
from tre.domain.errors import TREError
from tre.domain.people import Role
from tre.portal.passwords import hash_password
from tre.store.people import Account

NAME = "quillfeather"
DISPLAYED = "Zoë Marchbanks"
ADDRESS = "z.marchbanks@university.example"
FILE = "wintersweet-counts"
WORK = f"""
import os, pathlib, subprocess
os.umask(0o007)
for name, text in (('{FILE}.csv', 'sex,n_patients\\nF,3\\nM,400\\n'), ('{FILE}.bin', chr(0) * 20)):
    path = pathlib.Path('/outbox', name)
    path.write_text(text)
    path.chmod(0o640)
done = subprocess.run(['tre-check', '{FILE}.csv', '--wait', '90'], capture_output=True, text=True,
                      cwd='/workspace/outbox')
print(done.returncode)
"""


def lines(world: World) -> Iterator[tuple[str, str]]:
    for path in sorted((world.root / "log").glob("*.log")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield path.stem, line


def patients(world: World) -> set[str]:
    """The pseudonyms of the dataset's patients: the folders of the delivery."""
    found = {path.name for path in (world.home / "nccid").rglob("*") if path.is_dir() and len(path.name) > 6}
    assert len(found) > 30
    return found


@pytest.fixture
async def day(world: World) -> AsyncIterator[Lab]:
    """Somebody mistypes her password, signs in, works, has a file checked, asks for what is not there, and leaves."""
    account = Account(
        name=NAME, display_name=DISPLAYED, roles=frozenset({Role.researcher}), created_at=world.here.clock.now()
    )
    put_into_record(world.here, account, hash_password(world.password))
    world._tre("user", "email", NAME, ADDRESS)
    grant = world.grant("logs-of-a-day", members=[{"subject": {"issuer": "local", "id": NAME}, "role": "researcher"}])
    async with Browser() as stranger:
        form = (await stranger.get(world.desk + "/")).form("login")
        page = await stranger.get(world.desk + "/")
        for name in (NAME, ADDRESS, DISPLAYED):
            await stranger.submit(page, form, username=name, password="wrong")
    async with contextlib.AsyncExitStack() as stack:
        browser, projects = await signed_in(stack, world, NAME)
        lab = await open_workspace(browser, projects, grant, world.shell_of)
        assert await lab.run([WORK]) == ["1\n"]
        for path in (f"/projects/{FILE}.csv", f"/exports/{FILE}.csv", f"/{ADDRESS}"):
            await browser.get(world.desk + path)
        with contextlib.suppress(TREError):
            await lab.call("GET", f"/api/contents/{FILE}.csv?content=1")
        yield lab


async def test_lines_are_read_by_machines_and_name_nobody(world: World, day: Lab) -> None:
    del day
    named = {NAME, ADDRESS, "Marchbanks", FILE, *patients(world)}
    seen: set[str] = set()
    for service, line in lines(world):
        said: dict[str, Any] = json.loads(line)
        assert {"timestamp", "level", "event", "service"} <= said.keys(), (service, line)
        assert said["service"] == service, line
        assert datetime.fromisoformat(said["timestamp"]).utcoffset() is not None
        text = json.dumps(said, ensure_ascii=False)
        assert not [name for name in named if name.casefold() in text.casefold()], (service, line)
        seen.add(service)
    assert seen >= {"gateway", "checker", "storekeeper", "hub"}
    assert seen <= set(MODULES)
    keeper = [line for line in (world.home / "up.log").read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    assert all(json.loads(line)["service"] == "keeper" for line in keeper)
