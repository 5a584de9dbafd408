"""A package on its whole way in, and as a researcher uses it: installed from the inbox without any network, imported.

Every service takes its part: the desk, the checker, the controller, the storekeeper, and a person who approves.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.assets.airlock.wheels import FILES, INFO, METADATA, NAME, package
from tre.cli.trial.desk import Desk
from tre.cli.trial.lab import Lab, open_workspace
from tre.cli.trial.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEEDS = METADATA.replace(b"Summary", b"Requires-Dist: pandas\nSummary")
POINTS = b"[console_scripts]\ndemo-answer = demo_tool:main\n"
SOURCE = FILES["demo_tool/__init__.py"] + b"def main():\n    print(ANSWER)\n"
DATA = package({"demo_tool/__init__.py": SOURCE, f"{INFO}/entry_points.txt": POINTS}, METADATA=NEEDS)

RUN = """
import json, os, subprocess, sys
def run(*words, **more):
    done = subprocess.run(words, capture_output=True, text=True, **more)
    return [done.returncode, done.stdout, done.stderr]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(world: World) -> AsyncIterator[Lab]:
    grant = world.grant("packages-inside")
    async with world.signed_in("alice") as (browser, projects):
        yield await open_workspace(browser, projects, grant, world.shell_of)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def inside(lab: Lab, world: World) -> AsyncIterator[str]:
    """The request by which the package came into the running workspace: uploaded, checked, approved, placed."""
    async with world.signed_in("alice") as (browser, _):
        alice = Desk(browser, world.desk)
        name = (await alice.call("POST", "/imports", {"grant": "packages-inside"}))["id"]
        await alice.call("PUT", f"/imports/{name}/files/{NAME}", DATA)
        checked = await alice.until(f"/imports/{name}", lambda answer: not answer["busy"])
        assert [file["path"] for file in checked["contents"]] == [NAME]
        await alice.call("POST", f"/imports/{name}/submit", {"purpose": "A package that answers every question"})
        async with world.signed_in("carol") as (other, _):
            carol = Desk(other, world.desk)
            seen = await carol.call("GET", f"/imports/{name}")
            vote = {"approves": True, "comment": "", "manifest": seen["manifest"]}
            await carol.call("POST", f"/imports/{name}/decide", vote)
            await alice.until(f"/imports/{name}", lambda answer: answer["state"] == "Placed")
            yield name


async def test_a_package_is_installed_from_the_inbox_and_imported(lab: Lab, inside: str) -> None:
    install = f"run('pip', 'install', '--no-index', '-f', '/inbox/{inside}', 'demo-tool')"
    printed = await lab.run([RUN + f"print(json.dumps({install}))"])
    code, out, err = json.loads(printed[0])
    assert code == 0, out + err
    assert "Successfully installed demo-tool-1.0" in out
    printed = await lab.run(  # each list runs in a kernel of its own
        [
            "import demo_tool, pandas; print(demo_tool.ANSWER, demo_tool.__file__, pandas.__file__)",
            "import subprocess; print(subprocess.run(['demo-answer'], capture_output=True, text=True).stdout)",
        ]
    )
    answer, ours, theirs = printed[0].split()
    assert answer == "42"
    assert ours.startswith("/home/researcher/.local/lib/python3.")
    assert theirs.startswith("/opt/tre/workspace/"), "what the home holds replaces nothing of the environment"
    assert printed[1].strip() == "42"


async def test_an_isolated_program_and_the_server_do_without_the_home(lab: Lab, inside: str) -> None:
    printed = await lab.run(
        [
            RUN + "print(run(sys.executable, '-I', '-c', 'import sys; print(sys.path)')[1])",
            "from pathlib import Path\n"
            "def server(words): return b'jupyterlab' in words and b'--no-browser' in words\n"
            "found = [p for p in Path('/proc').glob('[0-9]*') if server((p / 'cmdline').read_bytes().split(b'\\0'))]\n"
            "print(len(found), [b'/.local/' in (p / 'maps').read_bytes() for p in found])",
        ]
    )
    assert ".local" not in printed[0]
    assert printed[1] in {"1 [False]\n", "1 []\n"}


async def test_the_inbox_cannot_be_written(lab: Lab, inside: str) -> None:
    attempt = (
        "import os\n"
        "def tried(act, *words):\n"
        "    try:\n        act(*words)\n        return 0\n"
        "    except OSError as error:\n        return error.errno\n"
        f"print([tried(open, '/inbox/{inside}/{NAME}', 'ab'), tried(open, '/inbox/{inside}/x', 'w'),"
        f" tried(os.unlink, '/inbox/{inside}/{NAME}'), tried(os.mkdir, '/inbox/x'),"
        f" tried(os.rename, '/inbox/{inside}', '/inbox/x'), tried(os.chmod, '/inbox/{inside}/{NAME}', 0o777)])"
    )
    printed = await lab.run([attempt])
    assert set(json.loads(printed[0])) <= {1, 13, 30}
    digest = f"import hashlib; print(hashlib.sha256(open('/inbox/{inside}/{NAME}', 'rb').read()).hexdigest())"
    assert (await lab.run([digest]))[0].strip() == hashlib.sha256(DATA).hexdigest()


async def test_what_is_taken_away_is_gone_from_a_running_workspace(lab: Lab, inside: str, world: World) -> None:
    async with world.signed_in("carol") as (browser, _):
        carol = Desk(browser, world.desk)
        await carol.call("POST", f"/imports/{inside}/take-away", {"message": "The trial is over."})
    look = "import os; print([name for name in os.listdir('/inbox') if name.startswith('i-')])"
    async with asyncio.timeout(60), lab.kernel() as kernel:
        while (await kernel.execute(look)).strip() != "[]":
            await asyncio.sleep(0.1)
    assert not list(world.here.layout.handover.iterdir())
