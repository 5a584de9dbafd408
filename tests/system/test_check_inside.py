"""`tre-check` as a researcher runs it: in a sealed workspace, by its name, answered by the real services.

Every service has a user of its own here, so that this is also the test of who may read and write what.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tre.cli.trial.lab import Lab, open_workspace
from tre.cli.trial.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

PREPARE = """
import os, pathlib, subprocess
os.umask(0o077)
pathlib.Path('/outbox/results').mkdir()
os.chmod('/outbox/results', 0o750)
for name, text in (('table.csv', 'sex,n_patients\\nF,3\\nM,400\\n'), ('results/ages.csv', 'sex,mean_age\\nF,44.5\\n')):
    path = pathlib.Path('/outbox', name)
    path.write_text(text)
    path.chmod(0o640)
def run(*words):
    done = subprocess.run(['tre-check', *words], capture_output=True, text=True, cwd='/workspace/outbox')
    return [done.returncode, done.stdout, done.stderr]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(world: World) -> AsyncIterator[Lab]:
    grant = world.grant("check-inside")
    async with world.signed_in("alice") as (browser, projects):
        yield await open_workspace(browser, projects, grant, world.shell_of)


async def test_a_table_is_checked_from_inside_without_any_network(lab: Lab, world: World) -> None:
    printed = await lab.run(
        [PREPARE, "import json; print(json.dumps(run('table.csv', 'results/ages.csv', '--json', '--wait', '90')))"]
    )
    code, out, err = json.loads(printed[1])
    assert (code, err) == (1, ""), out
    answer = json.loads(out)
    assert {file["path"]: file.get("worst") for file in answer["files"]} == {"table.csv": "E", "results/ages.csv": None}
    (finding,) = answer["files"][0]["findings"]
    assert (finding["check"], finding["locator"]["row"]) == ("S01", 2)
    assert answer["remaining"] == 19
    left = await lab.run(
        [
            "import os; print(os.listdir('/outbox/.preflight'))",
            "try:\n    open('/inbox/.preflight/mine', 'w')\nexcept OSError as error:\n    print(error.errno)",
        ]
    )
    assert left[0] == "[]\n", "the ask is gone again"
    assert left[1] in {"13\n", "30\n"}, "answers come in, and nothing of the workspace's does"
    vault = world.here.layout.vault
    world.wait_for(lambda: not any(path.is_file() for path in vault.rglob("*")), "the vault kept a pre-flight's bytes")
