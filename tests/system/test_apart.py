"""Workspaces and people kept apart: other grants, other people, other hosts."""

from __future__ import annotations

import json

from tre.cli.trial.browser import Browser, sign_in
from tre.cli.trial.lab import Lab, open_workspace
from tre.cli.trial.world import PASSWORD, World
from tre.domain.people import Subject
from tre.domain.workspaces.models import Workspace

ALICE = Subject(issuer="local", id="alice")


async def test_a_stranger_gets_no_further_than_a_refusal(world: World, grant: str, lab: Lab) -> None:
    shell = world.shell_of(Workspace.name_for(grant, ALICE))
    async with Browser() as browser:
        page = await sign_in(browser, world.desk + "/", "ben", PASSWORD)
        assert grant not in page.text
        page = await browser.get(f"{shell}/")
        assert page.status == 403
        assert (await browser.call("POST", f"{shell}/.tre/lab", origin=shell)).status == 403
        assert (await browser.call("GET", f"{lab.origin}/api/contents/", origin=lab.origin)).status == 403


async def test_without_signing_in_nothing_of_a_workspace_answers(world: World, grant: str, lab: Lab) -> None:
    async with Browser() as browser:
        for path in ("/lab", "/api/contents/", "/api/kernels", "/static/lab/index.html"):
            answer = await browser.call("GET", lab.origin + path, origin=lab.origin)
            assert answer.status in {302, 403}, path


async def test_one_workspace_does_not_reach_another_of_the_same_person(world: World, grant: str, lab: Lab) -> None:
    other = world.grant(f"{grant}-other")
    async with world.signed_in("alice") as (browser, projects):
        second = await open_workspace(browser, projects, other, world.shell_of)
        await lab.run(["open('/home/researcher/mine', 'w').write('secret of the first')"])
        found = await second.run(
            [
                "import os, json; print(json.dumps([os.listdir('/home/researcher'), os.listdir('/data'), "
                "sum(name.isdigit() for name in os.listdir('/proc'))]))"
            ]
        )
        home, data, processes = json.loads(found[0])
        assert "mine" not in home
        assert data == ["chest-xray"]
        assert processes < 10
        assert (await browser.call("GET", f"{lab.origin}/api/contents/", origin=lab.origin)).status == 403


async def test_a_workspace_cannot_act_in_the_portal(world: World, grant: str, lab: Lab) -> None:
    """What a page of the workspace could make the reader's browser send: cookies yes, the right origin no."""
    async with world.signed_in("olga") as (browser, _):
        session = (await browser.call("GET", f"{world.desk}/api/v1/session", origin=world.desk)).json()
        body = {"confirm": grant, "reason": "forged"}
        for headers in (
            {"Origin": lab.origin, "Sec-Fetch-Site": "same-site", "X-CSRF-Token": session["csrfToken"]},
            {"Origin": lab.origin, "X-CSRF-Token": session["csrfToken"]},
            {"Origin": world.desk},
        ):
            answer = await browser.call(
                "POST", f"{world.desk}/api/v1/grants/{grant}/revoke", origin=world.desk, body=body, headers=headers
            )
            assert answer.status == 403, headers
    assert await lab.run(["print('alive')"]) == ["alive\n"]
