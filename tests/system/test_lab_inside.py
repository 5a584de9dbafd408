"""A researcher's day inside real sandboxes: a job without a browser, the project's folder of two people, git without
network, and what the workspace is told.

Every service has a user of its own here, so that this is also the test of who may read and write what.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import FrameLocator, Page, expect

from tests.support.chromium import CHROMIUM_MISSING, launched
from tre.cli.trial.lab import Lab, open_workspace
from tre.cli.trial.world import World
from tre.domain.people import Subject
from tre.domain.workspaces.models import Workspace
from tre.store import batches

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRANT = "lab-inside"
RUN = """
import json, os, pathlib, subprocess
def run(*words, cwd='/home/researcher', **more):
    done = subprocess.run(words, capture_output=True, text=True, cwd=cwd, **more)
    return [done.returncode, (done.stdout + done.stderr).strip()]
def sh(script):
    print(json.dumps(run('sh', '-ec', script)))
"""
NOTEBOOK = """
pathlib.Path('/home/researcher/night.ipynb').write_text(json.dumps({'nbformat': 4, 'nbformat_minor': 5, 'metadata': {
    'kernelspec': {'name': 'python3', 'display_name': 'Python 3', 'language': 'python'}}, 'cells': [
    {'cell_type': 'code', 'id': 'one', 'metadata': {}, 'outputs': [], 'execution_count': None,
     'source': "import pathlib, time\\nprint('counted', len(list(pathlib.Path('/data').rglob('*'))) > 0)"},
    {'cell_type': 'code', 'id': 'two', 'metadata': {}, 'outputs': [], 'execution_count': None,
     'source': "while not pathlib.Path('/home/researcher/go').exists(): time.sleep(0.1)\\nprint('to the', 'end')"}]}))
"""


class Pair(NamedTuple):
    """Two members of one project, each in a workspace of their own."""

    alice: Lab
    ben: Lab


def names() -> dict[str, str]:
    return {who: Workspace.name_for(GRANT, Subject(issuer="local", id=who)) for who in ("alice", "ben")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(world: World) -> AsyncIterator[Pair]:
    members = [{"subject": {"issuer": "local", "id": who}, "role": "researcher"} for who in ("alice", "ben")]
    grant = world.grant(GRANT, members=members)
    async with world.signed_in("alice") as (one, projects), world.signed_in("ben") as (other, others):
        alice = await open_workspace(one, projects, grant, world.shell_of)
        yield Pair(alice, await open_workspace(other, others, grant, world.shell_of))


async def printed(lab: Lab, *scripts: str) -> list[Any]:
    """What shell scripts inside printed: exit code and words of each."""
    found = await lab.run([RUN, *(f"sh({script!r})" for script in scripts)])
    return [json.loads(text) for text in found[1:]]


async def until(world: World, state: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        with world.here.database.read() as connection:
            found = [job.state.value for job in batches.newest(connection, names()["alice"])]
        if found == [state]:
            return
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.2)


async def test_a_notebook_runs_to_its_end_without_a_browser_and_is_seen_to_live(pair: Pair, world: World) -> None:
    began = await pair.alice.run([RUN, NOTEBOOK, "print(json.dumps(run('tre-batch', 'run', '--json', 'night.ipynb')))"])
    code, said = json.loads(began[2])
    assert (code, json.loads(said)) == (0, {"number": 1, "result": "night.job-1.ipynb"})
    for kernel in (await pair.alice.call("GET", "/api/kernels")).json():
        await pair.alice.call("DELETE", f"/api/kernels/{kernel['id']}")  # as a browser that is closed
    await until(world, "Running")
    waiting = "until grep -q 'counted True' night.job-1.ipynb; do sleep 0.2; done 2>/dev/null; tre-batch list"
    (state,) = await printed(pair.alice, waiting)
    assert state == [0, "Job 1: running"], "what was done so far is kept"
    await printed(pair.alice, "touch go")
    await until(world, "Finished")
    (result,) = await printed(pair.alice, "grep -c 'to the end' night.job-1.ipynb; cat /outbox/.batch/job-1-*")
    assert result[0] == 0
    assert result[1].splitlines()[0] == "1"
    assert result[1].splitlines()[-1] == "finished"


async def test_the_workspace_is_told_of_its_job_and_its_name(pair: Pair) -> None:
    deadline = time.monotonic() + 30
    while True:
        (told,) = await printed(pair.alice, "cat /inbox/.desk/notes.json")
        if '"Finished"' in told[1] or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.5)
    notes = json.loads(told[1])
    assert notes["person"] == "alice"
    assert [(job["number"], job["state"]) for job in notes["jobs"]] == [(1, "Finished")]
    (forging,) = await printed(pair.alice, "echo x > /inbox/.desk/notes.json")
    assert forging[0] != 0, "what it is told it cannot write"


async def test_both_write_in_the_projects_folder_and_each_sees_the_others(pair: Pair) -> None:
    (made,) = await printed(pair.alice, "mkdir /shared/plans; echo from alice > /shared/plans/a.txt; umask")
    assert made == [0, "0027"], "with the mask that everybody has"
    (seen,) = await printed(pair.ben, "cat /shared/plans/a.txt; echo from ben >> /shared/plans/a.txt; touch /shared/b")
    assert seen == [0, "from alice"]
    (both,) = await printed(pair.alice, "cat /shared/plans/a.txt; rm /shared/b; ls /shared")
    assert both == [0, "from alice\nfrom ben\nplans"]


async def test_git_goes_through_the_projects_folder_and_nowhere_else(pair: Pair) -> None:
    origin = "git init -q --bare --shared=group /shared/project.git"
    begin = (
        "git clone -q /shared/project.git work; cd work; echo 1 > plan.py; git add .; git commit -qm first; git push -q"
    )
    first = await printed(pair.alice, origin, begin, "git -C work log --format='%an <%ae>'")
    assert [item[0] for item in first] == [0, 0, 0], first
    assert first[2][1] == f"alice <{names()['alice']}@tre.invalid>"
    answer = (
        "git clone -q /shared/project.git work; cd work; cat plan.py; echo 2 >> plan.py; git commit -qam 2; git push -q"
    )
    (second,) = await printed(pair.ben, answer)
    assert second[0] == 0, second
    (pulled,) = await printed(pair.alice, "cd work; git pull -q; cat plan.py; git log --format=%an")
    assert pulled == [0, "1\n2\nben\nalice"]
    (outside,) = await printed(pair.alice, "git clone https://example.org/x.git")
    assert outside[0] != 0
    assert "transport 'https' not allowed" in outside[1]


async def test_a_repository_brings_no_hook_along_and_another_one_is_not_trusted(pair: Pair) -> None:
    hook = "printf '#!/bin/sh\\ntouch /home/researcher/hooked\\n' > /shared/project.git/hooks/post-receive"
    await printed(pair.alice, f"{hook}; chmod 755 /shared/project.git/hooks/post-receive")
    (pushed,) = await printed(pair.ben, "cd work; echo 3 >> plan.py; git commit -qam third; git push -q; ls ~")
    assert pushed[0] == 0
    assert "hooked" not in pushed[1]
    (other,) = await printed(pair.alice, "git init -q --bare --shared=group /shared/other.git")
    assert other[0] == 0
    (distrusted,) = await printed(pair.ben, "git clone /shared/other.git other")
    assert distrusted[0] != 0
    assert "dubious ownership" in distrusted[1]


async def signed_in(page: Page, world: World) -> None:
    await page.goto(world.desk + "/")
    await page.get_by_label("User name").fill("alice")
    await page.fill("input[name=password]", world.password)
    await page.press("input[name=password]", "Enter")
    await page.wait_for_url(world.desk + "/**")


async def choose(lab: FrameLocator, file: str, entry: str) -> None:
    await lab.locator(".jp-DirListing-item", has_text=file).click(button="right")
    await lab.locator(".lm-Menu-item", has_text=entry).click()


async def seen(page: Page, name: str) -> None:
    """Kept for eyes where somebody asks for it."""
    if (folder := os.environ.get("TRE_SCREENSHOTS")) is not None:
        await page.screenshot(path=f"{folder}/inside-{name}.png")


@pytest.mark.browser
@CHROMIUM_MISSING
async def test_from_the_menu_of_a_file_to_the_page_of_its_request(pair: Pair, world: World) -> None:
    table = "sex,n_patients\\nF,3\\nM,400\\n"
    await printed(pair.alice, f"printf '{table}' > /outbox/table.csv; chmod 640 /outbox/table.csv")
    async with launched() as browser:
        page = await (await browser.new_context()).new_page()
        page.set_default_timeout(60_000)
        await page.set_viewport_size({"width": 1280, "height": 800})
        await signed_in(page, world)
        await page.goto(world.shell_of(names()["alice"]) + "/")
        lab = page.frame_locator("iframe")
        await expect(lab.locator(".tre-end")).to_contain_text("left", timeout=90_000)
        await lab.locator(".tre-end").click()
        await expect(lab.locator("#tre-jobs")).to_contain_text("Job 1: finished.", timeout=60_000)
        await lab.locator(".jp-BreadCrumbs-home").click()
        await lab.locator(".jp-DirListing-item", has_text="outbox").dblclick()
        await choose(lab, "table.csv", "Check before it leaves")
        await expect(lab.locator("#tre-checked")).to_contain_text("“n_patients” shows 3, below 10.", timeout=90_000)
        await seen(page, "checked")
        await choose(lab, "table.csv", "Ask for it to leave")
        async with page.expect_popup() as opening:
            await page.locator("#chosen a").click()
        desk = await opening.value
        await expect(desk.locator("main")).to_contain_text("You chose in JupyterLab: table.csv")
        await seen(desk, "new")
        await desk.get_by_role("button", name="Begin").click()
        await expect(desk.locator("input[name=path][value='table.csv']")).to_be_checked(timeout=60_000)
        await seen(desk, "ticked")
        await expect(lab.locator("#tre-requests")).to_contain_text("Draft. e-", timeout=90_000)
        await seen(page, "told")
