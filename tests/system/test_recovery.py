"""A machine is lost, and everything comes back elsewhere: the drill of docs/backup.md, with its commands."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select

from tests.support.commands import Commands
from tests.system.test_failures import phase_of
from tests.system.waiting import until
from tre.audit.witness import witness_path
from tre.cli.common import Installation
from tre.cli.demonstration.airlock import FILE, Airlock
from tre.cli.demonstration.optout import LOOK
from tre.cli.trial.lab import open_workspace
from tre.cli.trial.world import World, running_world
from tre.domain.events import Event
from tre.domain.people import Subject
from tre.store.database import Database, new_id
from tre.store.tables.audit import audit_waiting

WRITES_PER_SECOND = 40
"""Two hundred for each second are what `tre bench backup` writes."""
WRITE = f"""
import pathlib
pathlib.Path('/outbox/{FILE}').write_text('sex,patients\\nF,45\\nM,40\\n')
"""


@pytest.fixture
def lost() -> Iterator[World]:
    """A world of its own: it is destroyed in the middle of the test."""
    with running_world() as found:
        yield found


class Drill:
    """The commands of the page, and what is compared."""

    def __init__(self, world: World, commands: Commands) -> None:
        self.world, self._commands = world, commands
        self.passphrase = world.home / "passphrase"
        self.passphrase.write_text("correct horse battery staple\n")
        self.passphrase.chmod(0o600)

    def tre(self, *words: str, root: bool = True, fails: bool = False) -> str:
        """Type a command in a process of its own; what it printed."""
        where = ("--root", str(self.world.root)) if root else ()
        done = self._commands.typed(*words, *where)
        assert (done.returncode != 0) == fails, (words, done.stdout, done.stderr)
        return done.stdout if not fails else done.stderr

    def verify_to_the_end(self) -> None:
        """Every event has its place in the log, and the log is as it was signed."""
        self.world.wait_for(self._all_signed, "the log was not signed")
        assert "Waiting: 0." in self.tre("audit", "verify")

    def _all_signed(self) -> bool:
        with self.world.here.database.read() as connection:
            return connection.execute(select(audit_waiting)).first() is None

    def withdraw(self, person: str) -> None:
        """A custodian's list of one."""
        file = self.world.home / f"{person}.csv"
        file.write_text(f"pseudonym\n{person}\n")
        self.tre("withdraw", "nccid", str(file), "--yes", "1")

    async def look(self, grant: str, *, write: bool = False) -> set[str]:
        """Open the workspace as alice, perhaps leave a file to take out; the patients whose images lie in it."""
        async with self.world.signed_in("alice") as (browser, projects):
            lab = await open_workspace(browser, projects, grant, self.world.shell_of)
            async with lab.kernel() as kernel:
                if write:
                    await kernel.execute(WRITE)
                paths = json.loads(await kernel.execute(LOOK))
        return {Path(path).relative_to("/data/chest-xray/data").parts[1] for path in paths}

    def back_up_while_others_write(self) -> tuple[dict[str, Any], int, int]:
        """A backup under load; its answer, and how many writes were done before and after it."""
        stop, done = threading.Event(), [0]
        database = Database.sqlite(self.world.here.layout.database)

        def write() -> None:
            due = time.monotonic()
            while not stop.wait(max(0.0, due - time.monotonic())):
                who, now = Subject(issuer="machine", id="load"), self.world.here.clock.now()
                with database.change(Event(id=new_id(), at=now, actor=who, kind="load.happened", object="load/1")):
                    due += 1 / WRITES_PER_SECOND
                done[0] += 1

        with closing(database):
            writer = threading.Thread(target=write)
            writer.start()
            try:
                self.world.wait_for(lambda: done[0] > WRITES_PER_SECOND, "nothing is written")
                before = done[0]
                answer = self.tre("backup", str(self.place), "--passphrase-file", str(self.passphrase), "--json")
                after = done[0]
            finally:
                stop.set()
                writer.join()
        return json.loads(answer), before, after

    @property
    def place(self) -> Path:
        return self.world.home / "backups"

    @property
    def data(self) -> Path:
        return self.world.root / "data" / "datasets"

    def lose(self) -> None:
        """The storage's own backup has the stores; everything else of the machine is gone."""
        subprocess.run(["cp", "-a", str(self.data), str(self.world.home / "storage")], check=True)
        self.world.kill_services()
        self.world._end_runs()
        shutil.rmtree(self.world.root)

    def come_back(self, *terms: str) -> None:
        """Restore below another root."""
        self.world.root = self.world.home / "elsewhere"
        self.tre("restore", str(self.place), "--passphrase-file", str(self.passphrase), *terms)
        for path in (self.world.home / "storage").iterdir():
            subprocess.run(["cp", "-a", str(path), str(self.data)], check=True)
        self.world.here = Installation.open(self.world.root)


def patients_of(directory: Path) -> set[str]:
    return {path.parts[1] for path in (one.relative_to(directory) for one in directory.rglob("*.dcm"))}


@pytest.mark.timeout(900)
async def test_a_lost_machine_comes_back_elsewhere(lost: World, commands: Commands) -> None:
    drill = Drill(lost, commands)
    grant = lost.grant("recovery")
    people = sorted(await drill.look(grant, write=True))
    airlock = Airlock(cast("Any", lost), grant)
    export, _ = await airlock.ask()
    await airlock.review(export)
    bundle = hashlib.sha256((lost.here.layout.releases / f"{export}.zip").read_bytes()).hexdigest()
    drill.withdraw(people[0])

    answer, before, after = drill.back_up_while_others_write()
    assert before < after, "nothing was written while the backup was made"
    assert (answer["missing"], answer["denySets"]) == ([], {"nccid": 1})

    drill.withdraw(people[1])  # after the backup: nobody restores this
    seen = lost.home / "seen"
    drill.verify_to_the_end()
    shutil.copyfile(witness_path(lost.root), seen)
    drill.lose()

    with_seen = ("--seen", str(seen))
    lost.root = lost.home / "elsewhere"
    refused = drill.tre("restore", str(drill.place), "--passphrase-file", str(drill.passphrase), *with_seen, fails=True)
    loss = refused.partition("--accept-loss ")[2].split(".")[0]
    assert not lost.root.exists()
    drill.come_back(*with_seen, "--accept-loss", loss)

    assert "is closed" in drill.tre("up", fails=True)
    assert "nccid=1" in drill.tre("reopen", "nccid=2", fails=True)
    drill.withdraw(people[1])
    drill.tre("reopen", "nccid=2")
    lost.start()
    lost.wait_for(lambda: "Ready" in slice_states(lost), "the slice was not built again")
    await until(lambda: phase_of(lost, grant)[0] == "Stopped", 60)

    assert set(people[2:]) == await drill.look(grant)
    slices = [path for path in lost.here.layout.slices.iterdir() if path.name.startswith("s-")]
    assert len(slices) == 1
    assert not {people[0], people[1]} & patients_of(slices[0] / "data")
    async with airlock.desk_of("alice") as desk:
        found = await desk.call("GET", f"/exports/{export}")
        downloaded = await desk.download(found["release"]["url"])
    assert hashlib.sha256(downloaded).hexdigest() == bundle
    drill.verify_to_the_end()
    drill.tre("audit", "verify", "--seen", str(seen), fails=True)  # whoever kept it sees that an older state came back


def slice_states(world: World) -> str:
    with world.here.database.read() as connection:
        return str(connection.exec_driver_sql("SELECT group_concat(state) FROM grant_slices").scalar())
