"""The real service as its own user with three capabilities, and real workspaces' users trying what they may not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.unit.slices.conftest import Maker, dicom, make_spec
from tre.domain.events import Event, program
from tre.store import jobs
from tre.store.database import Database, new_id
from tre.store.jobs import JobRequest, JobState
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import Settings

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(os.geteuid() != 0, reason="starting a service as another user needs root"),
]

START = """
import signal, sys
from pathlib import Path
from tre.cli.services import CAPABILITIES, GROUPS
from tre.store.database import Database
from tre.store.migrate import migrate
from tre.system.installation import Owners, arrange, initialise, make_secrets
from tre.system.layout import Layout
from tre.system.processes import Keeper, ServiceSpec, python
from tre.system.service import configure_log
from tre.system.settings import load_settings

configure_log("test")
layout = Layout(Path(sys.argv[1]))
initialise(layout, "tre.localhost", 8000)
make_secrets(layout)
settings = load_settings(layout.root)
layout.database.parent.mkdir(parents=True, exist_ok=True)
migrate(Database.sqlite(layout.database))
arrange(layout, settings)
owners = Owners.of(settings)
spec = ServiceSpec(
    "storekeeper",
    python("tre.storekeeper", "--root", str(layout.root)),
    owners.uid("storekeeper"),
    tuple(owners.group(name) for name in GROUPS["storekeeper"]),
    CAPABILITIES["storekeeper"],
    {"PYTHONPATH": str(Path.cwd())},
    ready=layout.socket("storekeeper").exists,
)
keeper = Keeper([spec], layout.logs)
signal.signal(signal.SIGTERM, lambda *_: keeper.stop())
keeper.run(lambda: print("up", keeper.pids()["storekeeper"], flush=True))
"""
HOME, SLICE, MEMBER, STRANGER = "w-aaaaaaaaaaaa", "s-aaaaaaaaaaaa", 20001, 20002


@dataclass
class Real:
    layout: Layout
    database: Database
    pid: int

    def do(self, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        event = Event(id=new_id(), at=SystemClock().now(), actor=program("test"), kind="job.asked", object="test/x")
        request = JobRequest(program="storekeeper", kind=kind, subject=f"test/{new_id()}", payload=payload)
        with self.database.change(event) as change:
            job = jobs.ask(change, request, SystemClock().now())
        deadline = time.monotonic() + 30
        while True:
            with self.database.read() as connection:
                found = jobs.get(connection, job)
            assert found is not None
            if found.state is JobState.done:
                return found.result or {}
            assert found.state is not JobState.failed, found.error
            assert time.monotonic() < deadline, (self.layout.logs / "storekeeper.log").read_text()
            time.sleep(0.01)


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    """One service for all tests here: each touches its own dataset or workspace."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        Path(made).chmod(0o711)
        root = Path(made) / "root"
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(root)],
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        layout = Layout(root)
        try:
            line = process.stdout.readline().split()
            assert line[:1] == ["up"], "the service did not start"
            database = Database.sqlite(layout.database)
            yield Real(layout, database, int(line[1]))
            database.close()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            process.stdout.close()
            shutil.rmtree(layout.run)


def run_as(user: int, groups: list[int], code: str, *args: str) -> list[str]:
    done = subprocess.run(
        ["sh", "-c", code, "sh", *args], cwd="/", user=user, group=user, extra_groups=groups,
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    return [str(done.returncode), done.stdout, done.stderr]


def deliver(real: Real, tmp_path: Path) -> dict[str, Any]:
    maker = Maker(tmp_path / "delivery")
    maker.root.mkdir()
    maker.record(Sex=0)
    maker.image()
    real.do("dataset.add", {"dataset": "demo", "path": str(maker.root), "release": "r1"})
    spec = make_spec(tables={"clinical": {"columns": ["pseudonym", "sex"]}}).as_plain()
    return real.do("slice.build", {"sliceId": SLICE, "spec": spec})


def test_it_runs_as_its_own_user_with_three_capabilities(real: Real) -> None:
    status = dict(
        line.split(":\t") for line in Path(f"/proc/{real.pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert set(status["Uid"].split()) == {str(Settings().services.storekeeper)}
    assert int(status["CapEff"], 16) == 1 << 0 | 1 << 1 | 1 << 3


async def test_its_health_and_numbers_are_on_its_socket(real: Real) -> None:
    connector = aiohttp.UnixConnector(str(real.layout.socket("storekeeper")))
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get("http://storekeeper/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        async with session.get("http://storekeeper/metrics") as answer:
            assert "tre_storekeeper_busy" in await answer.text()


def test_a_member_reads_the_slice_and_can_change_nothing(real: Real, tmp_path: Path) -> None:
    built = deliver(real, tmp_path)
    here = real.layout.slices / SLICE
    group = built["dataGroup"]
    image = str(next((here / "data").rglob("*.dcm")))
    assert run_as(MEMBER, [group], 'cat "$1"/README.md "$1"/clinical.parquet "$2"', str(here), image)[0] == "0"
    for attempt in (
        'echo x >> "$2"',
        'rm "$2"',
        'touch "$1/data/new"',
        'chmod 0666 "$2"',
        'mv "$1" "$1.moved"',
        'ln "$2" /var/tmp/tre-test-kept-image',
    ):
        assert run_as(MEMBER, [group], attempt, str(here), image)[0] != "0", attempt
    for user, groups in ((STRANGER, []), (MEMBER, [])):
        assert run_as(user, groups, 'ls "$1"', str(here))[0] != "0"
    store = real.layout.datasets / "demo" / "store"
    assert run_as(MEMBER, [group], 'ls "$1"', str(store))[0] != "0"


def test_a_home_is_made_for_its_user_and_destroyed_whatever_that_user_did(real: Real) -> None:
    order = {"workspace": HOME, "grant": "grant-1", "uid": MEMBER}
    real.do("workspace.provision", order)
    home = real.layout.homes / HOME
    shared = real.layout.shared / "grant-1"
    outbox = real.layout.outboxes / HOME
    assert run_as(MEMBER, [], 'ls "$1"', str(home))[0] != "0"  # on the machine not even its own user gets there
    for path in (real.layout.homes, real.layout.shared, real.layout.outboxes, real.layout.inboxes):
        path.chmod(0o711)  # in its sandbox the way is a mount
    locked = 'cd "$1" && mkdir -p a/b && echo 1 > a/b/f && ln -s / up && chmod 0 a/b a && chmod 0 .'
    assert run_as(MEMBER, [], 'echo 1 > "$1/x" && echo 2 > "$2/y"', str(shared), str(outbox))[0] == "0"
    assert run_as(STRANGER, [], 'ls "$1"', str(home))[0] != "0"
    assert run_as(STRANGER, [], 'ls "$1"', str(shared))[0] != "0"
    assert run_as(STRANGER, [], 'ls "$1"', str(outbox))[0] != "0"
    assert run_as(MEMBER, [], 'touch "$1/z"', str(real.layout.inboxes / HOME))[0] != "0"
    checker = Settings().services.checker
    assert run_as(checker, [], 'ls "$1"', str(outbox))[1] == "y\n"
    assert run_as(MEMBER, [], locked, str(home))[0] == "0"
    receipt = real.do("workspace.destroy", {"workspace": HOME, "grant": "grant-1"})
    assert receipt["home"]["files"] == 2, json.dumps(receipt)
    assert not home.exists()
    assert not outbox.exists()


def test_many_headers_are_read_by_processes_of_its_own(real: Real, tmp_path: Path) -> None:
    """The service starts fresh interpreters; they must work, and must not become services themselves."""
    maker = Maker(tmp_path / "many")
    maker.root.mkdir()
    maker.record()
    for number in range(2001):
        data = dicom(
            PatientID="Covid1",
            StudyInstanceUID="1.1",
            SeriesInstanceUID="1.1.1",
            SOPInstanceUID=f"1.9.{number}",
            Modality="CT",
        )
        maker.file(f"training/ct/Covid1/1.1/1.1.1/i{number}.dcm", data)
    added = real.do("dataset.add", {"dataset": "many", "path": str(maker.root), "release": "r1"})
    assert added["instances"] == 2001
