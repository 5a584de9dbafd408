"""Every page of the desk, for each role: who sees it, what it says, what it offers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.support.factories import suspension
from tests.unit.portal.world import GRANT, World, title_of
from tre.domain.errors import Reason
from tre.domain.grants.models import SuspensionScope
from tre.domain.workspaces.states import StartStep, Wanted, WorkspacePhase
from tre.portal.routes import operations
from tre.store import grants, listings

P = WorkspacePhase
OPERATOR_PAGES = ["/operate/workspaces", "/operate/proofs", "/operate/audit", "/operate/health"]


async def test_my_projects_says_until_when(world: World) -> None:
    page = await world.browser("alice").get("/")
    assert page.status_code == 200
    assert "Severity scoring of COVID-19" in page.text
    assert "31 October 2027" in page.text
    assert "Open workspace" in page.text


async def test_who_is_in_no_project_is_told_what_to_do(world: World) -> None:
    page = await world.browser("eve").get("/")
    assert "No project names you yet" in page.text
    assert "local:eve" in page.text


async def test_a_stranger_cannot_tell_a_grant_from_none(world: World) -> None:
    browser = world.browser("eve")
    there, nowhere = await browser.get(f"/projects/{GRANT}"), await browser.get("/projects/nothing-at-all")
    assert there.status_code == nowhere.status_code == 404
    assert there.text.replace(GRANT, "X") == nowhere.text.replace("nothing-at-all", "X")


async def test_project_page(world: World) -> None:
    page = await world.browser("alice").get(f"/projects/{GRANT}")
    assert page.status_code == 200
    for words in (
        "Committee, NCCID-00123-v1.0",
        "Alice Able, Bob Baker (lead)",
        "31,192",
        "cdcdcdcdcdcd",
        "Access began",
    ):
        assert words in page.text


async def test_an_operator_is_led_from_a_project_to_its_grant(world: World) -> None:
    page = await world.browser("olga").get(f"/projects/{GRANT}")
    assert page.status_code == 303
    assert page.headers["location"] == f"/grants/{GRANT}"


async def test_opening_sets_what_is_wanted(world: World) -> None:
    browser = world.browser("alice")
    answer = await browser.post(f"/projects/{GRANT}/open")
    workspace = world.workspace("alice")
    assert answer.headers["location"] == f"/workspaces/{workspace.name}"
    assert workspace.wanted is Wanted.Running
    event = world.events("workspace.wanted")[0]
    assert (event.actor.id, event.object, event.detail["grant"]) == ("alice", f"workspace/{workspace.name}", GRANT)
    page = await browser.get(f"/workspaces/{workspace.name}")
    assert "Waiting to start" in page.text
    assert 'http-equiv="refresh"' in page.text


async def test_opening_is_refused_in_words_where_entitlement_is_not_given(world: World) -> None:
    world.suspend(suspension())
    answer = await world.browser("alice").post(f"/projects/{GRANT}/open")
    assert answer.status_code == 409
    assert "suspended for now" in answer.text
    assert Reason.GrantSuspended.value in answer.text
    assert world.workspace("alice").wanted is Wanted.Stopped
    assert world.events("workspace.wanted") == []


async def test_nobody_opens_a_workspace_of_a_project_they_are_not_in(world: World) -> None:
    for name, status in (("eve", 404), ("olga", 403), ("carl", 403)):
        assert (await world.browser(name).post(f"/projects/{GRANT}/open")).status_code == status


async def test_stopping(world: World) -> None:
    world.want("alice", Wanted.Running)
    world.move("alice", P.Starting, P.Running)
    name = world.workspace("alice").name
    assert (await world.browser("bob").post(f"/workspaces/{name}/stop")).status_code == 404
    assert world.workspace("alice").wanted is Wanted.Running
    assert (await world.browser("alice").post(f"/workspaces/{name}/stop")).status_code == 303
    assert world.workspace("alice").wanted is Wanted.Stopped
    world.want("alice", Wanted.Running)
    answer = await world.browser("olga").post(f"/workspaces/{name}/stop", {"back": "operator"})
    assert answer.headers["location"] == "/operate/workspaces"
    assert world.workspace("alice").wanted is Wanted.Stopped


async def test_stopping_what_does_not_run(world: World) -> None:
    answer = await world.browser("alice").post(f"/workspaces/{world.workspace('alice').name}/stop")
    assert answer.status_code == 409


async def test_workspace_page_in_every_phase(world: World) -> None:
    browser, name = world.browser("alice"), world.workspace("alice").name
    world.want("alice", Wanted.Running)
    world.move("alice", P.Starting)
    world.reach("alice", StartStep.SlicesMounted)
    page = await browser.get(f"/workspaces/{name}")
    assert page.text.count('data-reached="true"') == 2
    world.reach("alice", StartStep.IsolationProven)
    world.move("alice", P.Running, reason=Reason.Entitled)
    page = await browser.get(f"/workspaces/{name}")
    assert f"https://{name}.open.tre.localhost:8443/" in page.text
    assert 'http-equiv="refresh"' not in page.text
    world.move("alice", P.Stopping, reason=Reason.GrantExpired)
    assert "Stopping" in (await browser.get(f"/workspaces/{name}")).text
    world.want("alice", Wanted.Stopped)
    world.move("alice", P.Stopped, reason=Reason.GrantExpired)
    assert "The approval has ended." in (await browser.get(f"/workspaces/{name}")).text
    assert (await world.browser("eve").get(f"/workspaces/{name}")).status_code == 404


async def test_ends_are_announced_and_a_renewal_asks_for_a_restart(world: World) -> None:
    world.want("alice", Wanted.Running)
    world.move("alice", P.Starting, P.Running, end=world.clock.now() + timedelta(hours=3))
    page = await world.browser("alice").get(f"/projects/{GRANT}")
    assert "Restart to take the new end" in page.text
    world.clock.advance(340 * 86400 - 3600 * 12)
    assert "Your approval ends in" in (await world.browser("alice").get(f"/projects/{GRANT}")).text


@pytest.mark.parametrize("path", OPERATOR_PAGES)
async def test_operator_pages_are_the_operators(world: World, path: str) -> None:
    assert (await world.browser("olga").get(path)).status_code == 200
    for name in ("alice", "carl", "chris", "dana"):
        page = await world.browser(name).get(path)
        assert page.status_code == 403
        assert f'href="{path}"' not in page.text


async def test_grants_are_for_operators_committee_and_data_managers(world: World) -> None:
    for name in ("olga", "carl", "dana"):
        for path in ("/grants", f"/grants/{GRANT}"):
            assert (await world.browser(name).get(path)).status_code == 200
    for name in ("alice", "chris"):
        for path in ("/grants", f"/grants/{GRANT}"):
            assert (await world.browser(name).get(path)).status_code == 403


async def test_grants_are_filtered(world: World) -> None:
    world.add_grant("other", active=False)
    browser = world.browser("olga")
    assert "2 of 2 grants" in (await browser.get("/grants")).text
    page = await browser.get("/grants?phase=Pending")
    assert "1 of 2 grants" in page.text
    assert "/grants/other" in page.text
    assert "1 of 2 grants" in (await browser.get("/grants?q=NCCID+university")).text
    assert "No grant fits" in (await browser.get("/grants?q=nowhere")).text
    assert "No grant fits" in (await browser.get("/grants?page=2")).text


async def test_workspaces_are_filtered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.want("bob", Wanted.Running)
    world.move("bob", P.Starting)
    browser, path = world.browser("olga"), "/operate/workspaces"
    first = await browser.get(path)
    assert "2 of 2 workspaces" in first.text
    assert first.text.index(world.workspace("bob").name) < first.text.index(world.workspace("alice").name)
    assert "1 is open now." in first.text
    assert "1 of 2 workspaces" in (await browser.get(f"{path}?phase=Starting")).text
    assert "1 of 2 workspaces" in (await browser.get(f"{path}?q=Alice+{GRANT}")).text
    assert "No workspace fits" in (await browser.get(f"{path}?q=%25")).text
    monkeypatch.setattr(listings, "PAGE", 1)
    monkeypatch.setattr(operations, "PAGE", 1)
    assert "Previous page" not in (one := await browser.get(f"{path}?q=nccid")).text
    assert "q=nccid&amp;page=2" in one.text
    two = await browser.get(f"{path}?q=nccid&page=2")
    assert "Next page" not in two.text
    assert "q=nccid&amp;page=1" in two.text
    assert world.workspace("alice").name in two.text


@pytest.mark.parametrize(
    ("target", "about"),
    [
        ("grant", f"grant/{GRANT}"),
        ("slice cxr", f"grant/{GRANT}"),
        ("member local:alice", f"grant/{GRANT}"),
        ("organisation org-1", "organisation/org-1"),
    ],
)
async def test_suspending_by_every_scope_and_lifting_it(world: World, target: str, about: str) -> None:
    browser = world.browser("olga")
    answer = await browser.post(f"/grants/{GRANT}/suspend", {"target": target, "reason": "an audit"})
    assert answer.status_code == 303, answer.text
    event = world.events("suspension.added")[0]
    assert (event.object, event.detail["reason"], event.actor.id) == (about, "an audit", "olga")
    with world.database.read() as connection:
        found = grants.stored_suspensions(connection, grants.require(connection, GRANT))
    assert [f"{item.scope} {item.ref}".strip() for item in found] == [target]
    page = await browser.get(f"/grants/{GRANT}")
    assert "an audit" in page.text
    assert "an audit" in (await world.browser("alice").get(f"/projects/{GRANT}")).text
    lifted = await browser.post(f"/grants/{GRANT}/suspensions/{found[0].id}/lift")
    assert lifted.status_code == 303
    assert world.events("suspension.lifted")[0].object == about
    assert (await browser.post(f"/grants/{GRANT}/suspensions/{found[0].id}/lift")).status_code == 409


@pytest.mark.parametrize(
    "fields",
    [
        {"target": "slice nothing", "reason": "x"},
        {"target": "planet", "reason": "x"},
        {"target": "grant", "reason": " "},
        {"target": "grant", "reason": "x", "until": "tomorrow"},
        {"target": "grant", "reason": "x", "until": "2020-01-01T00:00"},
    ],
)
async def test_a_suspension_that_says_nothing_is_refused_beside_its_form(world: World, fields: dict[str, str]) -> None:
    answer = await world.browser("olga").post(f"/grants/{GRANT}/suspend", fields)
    assert answer.status_code == 400
    assert "There is a problem" in answer.text
    assert title_of(answer).startswith("Error: ")
    if fields["target"].startswith(("slice", "grant")) and fields["reason"].strip():
        assert 'value="x"' in answer.text  # what was typed is not lost
    assert world.events("suspension.added") == []


async def test_only_operators_suspend_and_nobody_lifts_their_own(world: World) -> None:
    for name in ("carl", "dana", "chris"):
        answer = await world.browser(name).post(f"/grants/{GRANT}/suspend", {"target": "grant", "reason": "x"})
        assert answer.status_code in {403, 404}
    members = [{"subject": {"issuer": "local", "id": "olga"}}]
    world.add_grant("olgas-own", members=members)
    whole = world.suspend(suspension(SuspensionScope.organisation, "org-1"), None)
    own = world.suspend(suspension(), "olgas-own")
    browser = world.browser("olga")
    assert (await browser.post(f"/grants/olgas-own/suspensions/{own}/lift")).status_code == 403
    # By way of another grant of the same organisation it is refused as well: it would open hers too.
    assert (await browser.post(f"/grants/{GRANT}/suspensions/{whole}/lift")).status_code == 403
    assert world.events("suspension.lifted") == []


async def test_revoking_needs_the_name_and_a_reason(world: World) -> None:
    browser = world.browser("olga")
    wrong = await browser.post(f"/grants/{GRANT}/revoke", {"confirm": "nccid", "reason": "x"})
    assert wrong.status_code == 400
    assert "not the name of the grant" in wrong.text
    without = await browser.post(f"/grants/{GRANT}/revoke", {"confirm": GRANT, "reason": ""})
    assert without.status_code == 400
    assert world.events("grant.revoked") == []
    for name in ("dana", "alice", "chris"):
        fields = {"confirm": GRANT, "reason": "x"}
        assert (await world.browser(name).post(f"/grants/{GRANT}/revoke", fields)).status_code in {403, 404}
    done = await world.browser("carl").post(f"/grants/{GRANT}/revoke", {"confirm": GRANT, "reason": "misuse"})
    assert done.status_code == 303
    assert world.events("grant.revoked")[0].detail == {"reason": "misuse"}
    assert "The approval was withdrawn." in (await world.browser("alice").get("/")).text
    again = await browser.post(f"/grants/{GRANT}/revoke", {"confirm": GRANT, "reason": "x"})
    assert again.status_code == 409


async def test_closing_an_ended_grant(world: World) -> None:
    browser = world.browser("olga")
    assert (await browser.post(f"/grants/{GRANT}/close", {"confirm": GRANT})).status_code == 409
    await browser.post(f"/grants/{GRANT}/revoke", {"confirm": GRANT, "reason": "over"})
    assert (await browser.post(f"/grants/{GRANT}/close", {"confirm": "no"})).status_code == 400
    assert (await world.browser("carl").post(f"/grants/{GRANT}/close", {"confirm": GRANT})).status_code == 403
    assert (await browser.post(f"/grants/{GRANT}/close", {"confirm": GRANT})).status_code == 303
    assert world.events("grant.close-asked")[0].actor.id == "olga"


async def test_proofs_and_audit_search(world: World) -> None:
    name = world.workspace("alice").name
    sealed = world.event("workspace.progressed", f"workspace/{name}").model_copy(
        update={"detail": {"isolation": {"proven": True, "summary": "29 ways out tried and closed"}}}
    )
    dead = world.event("workspace.stopped", f"workspace/{name}").model_copy(
        update={"detail": {"proof": {"identity": f"{name}-1", "processes": [7], "mounts": [], "answers": False}}}
    )
    with world.database.change(sealed, dead):
        pass
    browser = world.browser("olga")
    page = await browser.get("/operate/proofs")
    assert "29 ways out tried and closed" in page.text
    assert ">Proven<" in page.text
    assert "Not proven" in page.text
    assert "No proof yet" in (await browser.get("/operate/proofs?workspace=w-aaaaaaaaaaaa")).text
    page = await browser.get(f"/operate/audit?object=workspace/{name}")
    assert "workspace.stopped" in page.text
    assert "grant.applied" not in page.text.split("<tbody")[1]
    assert "No event fits" in (await browser.get("/operate/audit?kind=nothing.such")).text
    assert (await browser.get("/operate/audit?before=0")).status_code == 422


async def test_what_people_typed_is_escaped_everywhere(world: World) -> None:
    nasty = "<script>alert(1)</script>"
    world.add_grant("nasty", project={
        "title": nasty, "laySummary": nasty, "publicBenefit": nasty,
        "organisation": {"name": nasty, "id": "org-2", "sector": nasty, "commercial": True},
    })  # fmt: skip
    world.suspend(suspension(reason=nasty), "nasty")
    alice, olga = world.browser("alice"), world.browser("olga")
    pages = [await alice.get("/"), await alice.get("/projects/nasty"), await olga.get("/grants/nasty")]
    pages += [await olga.get("/grants"), await olga.get("/operate/workspaces"), await olga.get(f"/grants?q={nasty}")]
    pages += [await alice.get("/projects", ""), await alice.get("/projects/nasty", "")]
    for page in pages:
        assert page.status_code == 200
        assert "<script>alert" not in page.text
    assert "&lt;script&gt;" in pages[0].text


async def test_account_and_ending_another_sign_in(world: World) -> None:
    here, there, other = world.browser("alice"), world.browser("alice"), world.browser("bob")
    page = await here.get("/account")
    assert "Another browser" in page.text
    _, bobs = world.session("bob")
    stranger = await here.post(f"/account/sessions/{bobs.id}/end")
    assert stranger.status_code == 403
    target = world.desk.sealer.open("desk", there.cookies("desk")["__Host-tre-desk"])["session"]
    assert (await here.post(f"/account/sessions/{target}/end")).status_code == 303
    assert (await there.get("/account")).status_code == 302
    assert (await other.get("/account")).status_code == 200
    assert world.events("session.revoked")[0].object == f"session/{target}"


async def test_unknown_pages_and_errors_are_plain_words(world: World) -> None:
    page = await world.browser("alice").get("/no/such/page")
    assert page.status_code == 404
    assert "There is no such page</h1>" in page.text
    assert (
        await world.browser("alice").send("DELETE", "/", "desk", headers=world.browser().same_origin())
    ).status_code == 405


async def test_health_says_what_does_not_answer(world: World) -> None:
    page = await world.browser("olga").get("/operate/health")
    assert page.text.count("Not well") == 6


async def test_what_the_portal_may_not_ask_is_not_called_unwell(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Services run apart: most keep the portal out of their sockets, and are well all the same."""

    async def refused(connector: aiohttp.UnixConnector, key: Any, *_: object) -> None:
        cause = PermissionError(13, "Permission denied")
        raise aiohttp.client_exceptions.UnixClientConnectorError(connector.path, key, cause)

    monkeypatch.setattr(aiohttp.UnixConnector, "_create_connection", refused)
    page = (await world.browser("olga").get("/operate/health")).text
    assert page.count("Not asked") == 6
    assert "Not well" not in page
    assert "Every service that can be asked from here finds nothing wrong." in page
