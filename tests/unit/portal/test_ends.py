"""Until when: the end stands on every page at every moment, warnings come before it, a restart takes a new one."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import httpx
import pytest

from tests.support.factories import END, NOON, spec_plain
from tests.unit.portal.world import GRANT, World
from tre.domain.errors import Reason
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.policies import WARNINGS
from tre.domain.grants.states import GrantPhase
from tre.domain.workspaces.states import Wanted
from tre.domain.workspaces.states import WorkspacePhase as P
from tre.portal.words import words_for
from tre.store import grants

WAY = (P.Starting, P.Running, P.Stopping, P.Stopped)
"""The phases of one run, in order."""


def times(page: httpx.Response) -> set[str]:
    """Every moment that a page shows."""
    return set(re.findall(r'<time datetime="([^"]+)">', page.text))


def shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def amend(world: World, end: datetime) -> None:
    """The committee moves the end of the approval."""
    spec = AccessGrantSpec.model_validate(spec_plain(expires=end.isoformat()))
    with world.database.change(world.event("grant.applied", f"grant/{GRANT}")) as change:
        grants.apply(change, GRANT, spec, "signed-file", world.clock.now())
        grants.set_evidence(change, GRANT, verified=True)


async def pages(world: World) -> list[httpx.Response]:
    browser = world.browser("alice")
    name = world.workspace("alice").name
    return [await browser.get(path) for path in ("/", f"/projects/{GRANT}", f"/workspaces/{name}")]


@pytest.mark.parametrize("moved", range(len(WAY) + 1))
async def test_every_page_of_a_member_shows_the_end_in_every_phase(world: World, moved: int) -> None:
    world.want("alice", Wanted.Running)
    world.move("alice", *WAY[:moved])
    projects, project, workspace = await pages(world)
    assert shown(END) in times(projects)
    assert shown(END) in times(project)
    assert shown(END) in times(workspace)


async def test_a_run_shows_its_own_end_beside_that_of_the_approval(world: World) -> None:
    world.want("alice", Wanted.Running)
    world.move("alice", P.Starting, P.Running)
    _, project, workspace = await pages(world)
    ends = {shown(END), shown(world.clock.now() + timedelta(days=7))}
    assert ends <= times(project)
    assert ends <= times(workspace)


async def test_an_approval_cut_short_shows_the_earlier_end_at_once(world: World) -> None:
    world.want("alice", Wanted.Running)
    world.move("alice", P.Starting, P.Running)
    sooner = world.clock.now() + timedelta(hours=5)
    amend(world, sooner)
    for page in await pages(world):
        assert shown(sooner) in times(page)
        assert shown(world.clock.now() + timedelta(days=7)) not in times(page), "the run ends with its approval"
    answer = await world.browser("alice").api("GET", f"/api/v1/workspaces/{world.workspace('alice').name}")
    assert datetime.fromisoformat(answer.json()["runEnds"]) == sooner


@pytest.mark.parametrize("before", WARNINGS, ids=str)
async def test_a_warning_appears_at_every_threshold_and_stays(world: World, before: timedelta) -> None:
    world.clock.jump(END - before)
    _, project, workspace = await pages(world)
    assert "Your approval ends in" in project.text
    assert "Your approval ends in" in workspace.text
    world.clock.jump(END - timedelta(seconds=1))
    assert "Your approval ends in" in (await pages(world))[1].text


async def test_no_warning_before_the_first_threshold_and_none_after_the_end(world: World) -> None:
    world.clock.jump(END - max(WARNINGS) - timedelta(seconds=1))
    assert "Your approval ends in" not in (await pages(world))[1].text
    world.clock.jump(END)
    project = (await pages(world))[1]
    assert "Your approval ends in" not in project.text
    assert words_for(Reason.GrantExpired).text in project.text


async def restart_offered(world: World, who: str = "alice") -> bool:
    name = world.workspace("alice").name
    page = await world.browser(who).get(f"/workspaces/{name}")
    assert page.status_code == 200
    return f'action="/workspaces/{name}/restart"' in page.text


async def test_a_renewal_says_so_to_who_still_works_under_the_old_end_and_offers_a_restart(world: World) -> None:
    old = world.clock.now() + timedelta(days=2)
    amend(world, old)
    world.want("alice", Wanted.Running)
    world.move("alice", P.Starting, P.Running, end=old)
    assert not await restart_offered(world), "nothing was renewed yet"
    amend(world, END)
    _, project, workspace = await pages(world)
    for page in (project, workspace):
        assert "Restart to take the new end" in page.text
        assert {shown(old), shown(END)} <= times(page), "the end of this run, and the new end"
    assert await restart_offered(world)
    assert not await restart_offered(world, "olga"), "an operator stops, and does not restart"


async def test_the_restart_takes_the_new_end(world: World) -> None:
    old = world.clock.now() + timedelta(days=2)
    world.want("alice", Wanted.Running)
    world.move("alice", P.Starting, P.Running, end=old)
    answer = await world.browser("alice").post(f"/workspaces/{world.workspace('alice').name}/restart")
    assert answer.status_code == 303
    assert world.workspace().wanted is Wanted.Restart
    assert "Restarting" in (await pages(world))[2].text
    assert not await restart_offered(world), "one click is enough"
    world.move("alice", P.Stopping, P.Stopped)
    assert world.workspace().wanted is Wanted.Restart, "it is not forgotten between the two runs"
    world.move("alice", P.Starting, P.Running)
    workspace = (await pages(world))[2]
    assert world.workspace().wanted is Wanted.Running
    assert "Restart to take the new end" not in workspace.text
    assert shown(world.clock.now() + timedelta(days=7)) in times(workspace)


async def test_a_run_near_its_own_end_is_offered_a_restart(world: World) -> None:
    world.want("alice", Wanted.Running)
    world.move("alice", P.Starting, P.Running)
    world.clock.jump(NOON + timedelta(days=6) - timedelta(seconds=1))
    assert not await restart_offered(world)
    world.clock.jump(NOON + timedelta(days=6))
    assert await restart_offered(world)


async def test_who_may_restart(world: World) -> None:
    name = world.workspace("alice").name
    assert (await world.browser("alice").post(f"/workspaces/{name}/restart")).status_code == 409, "it does not run"
    world.want("alice", Wanted.Running)
    world.move("alice", P.Starting, P.Running)
    assert (await world.browser("eve").post(f"/workspaces/{name}/restart")).status_code == 404
    assert (await world.browser("bob").post(f"/workspaces/{name}/restart")).status_code == 404
    assert (await world.browser("olga").post(f"/workspaces/{name}/restart")).status_code == 403
    world.clock.jump(END)
    assert (await world.browser("alice").post(f"/workspaces/{name}/restart")).status_code == 409
    assert world.workspace().wanted is Wanted.Running
    assert not world.events("workspace.restart-wanted")


async def test_the_api_restarts_as_the_page_does(world: World) -> None:
    name = world.workspace("alice").name
    world.want("alice", Wanted.Running)
    world.move("alice", P.Starting, P.Running)
    answer = await world.browser("alice").api("PUT", f"/api/v1/workspaces/{name}", {"wanted": "Restart"})
    assert answer.status_code in {200, 202}, answer.text
    assert world.workspace().wanted is Wanted.Restart
    assert len(world.events("workspace.restart-wanted")) == 1


async def test_a_closed_project_has_its_certificate_for_whoever_sees_the_project_and_nobody_else(world: World) -> None:
    alice, eve = world.browser("alice"), world.browser("eve")
    for path in ("certificate.html", "certificate.json"):
        assert (await alice.get(f"/grants/{GRANT}/{path}")).status_code == 409
    assert "certificate" not in (await alice.get(f"/projects/{GRANT}")).text
    with world.database.change(world.event("grant.revoked", f"grant/{GRANT}")) as change:
        grants.revoke(change, GRANT, "over", world.clock.now())
    closed = world.event("grant.closed", f"grant/{GRANT}").model_copy(update={"detail": {"certificate": {}}})
    with world.database.change(closed) as change:
        grants.set_phase(change, GRANT, GrantPhase.Closed, world.clock.now())
    assert f"/grants/{GRANT}/certificate.html" in (await alice.get(f"/projects/{GRANT}")).text
    page = await alice.get(f"/grants/{GRANT}/certificate.html")
    assert "attachment" in page.headers["content-disposition"]
    assert "Certificate of destruction" in page.text
    assert (await alice.get(f"/grants/{GRANT}/certificate.json")).json()["event"] == closed.id
    stranger, nobody = (
        await eve.get(f"/grants/{GRANT}/certificate.json"),
        await eve.get("/grants/none/certificate.json"),
    )
    assert stranger.status_code == nobody.status_code == 404
