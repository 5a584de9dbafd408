"""Applications and votes by programs: the same rules, the same refusals, what may be done in every answer."""

from __future__ import annotations

from typing import Any

from tests.unit.portal.applying_world import CONTENT, MEMBERS, Committee
from tests.unit.portal.world import GRANT, Browser, World
from tre.domain.applications.states import ApplicationState

APPLICATIONS = "/api/v1/applications"
COMMITTEE = "/api/v1/committee"


async def begun(browser: Browser) -> dict[str, Any]:
    answer = await browser.api("POST", APPLICATIONS, {})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_program_applies(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    made = await begun(alice)
    where = f"{APPLICATIONS}/{made['id']}"
    assert made["allowedActions"] == ["edit", "submit", "withdraw"]
    half = await alice.api("PUT", f"{where}/draft", {"version": made["version"], "draft": {"title": "T"}})
    assert half.status_code == 200
    assert {"where": "slices", "expected": "fill this in"} in half.json()["problems"]
    early = await alice.api("POST", f"{where}/submit", {"version": half.json()["version"]})
    assert (early.status_code, early.json()["reason"]) == (409, "ApplicationIncomplete")
    whole = await alice.api("PUT", f"{where}/draft", {"version": half.json()["version"], "draft": CONTENT})
    assert (whole.json()["problems"], whole.json()["content"]) == ([], CONTENT)
    assert whole.json()["laySummary"]["readingAge"] > 5
    stale = await alice.api("POST", f"{where}/submit", {"version": made["version"]})
    assert (stale.status_code, stale.json()["reason"]) == (409, "Conflict")
    done = await alice.api("POST", f"{where}/submit", {"version": whole.json()["version"]})
    assert (done.status_code, done.json()["state"]) == (200, "Submitted")
    assert [one["id"] for one in (await alice.get(APPLICATIONS)).json()] == [made["id"]]
    gone = await alice.api("POST", f"{where}/withdraw", {"version": done.json()["version"]})
    assert (gone.json()["state"], gone.json()["allowedActions"]) == ("Withdrawn", [])


async def test_another_s_application_is_none(world: World, desk: Committee) -> None:
    name, eve = desk.draft(), world.browser("eve")
    for one in (name, "a-" + "2" * 12):
        where = f"{APPLICATIONS}/{one}"
        answers = [
            await eve.get(where),
            await eve.api("PUT", f"{where}/draft", {"version": 1, "draft": {}}),
            await eve.api("PUT", f"{where}/answers", {"version": 1, "answers": []}),
            await eve.api("POST", f"{where}/submit", {"version": 1}),
            await eve.api("POST", f"{where}/withdraw", {"version": 1}),
        ]
        assert {(answer.status_code, answer.json()["reason"]) for answer in answers} == {(404, "ApplicationNotFound")}
    assert (await eve.get(APPLICATIONS)).json() == []


async def test_strange_drafts_are_refused(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    made = await begun(alice)
    for draft in (
        {"nothing": 1},
        {"title": "x" * 500_000},
        {"title": {"a": [[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]}},
    ):
        answer = await alice.api(
            "PUT", f"{APPLICATIONS}/{made['id']}/draft", {"version": made["version"], "draft": draft}
        )
        assert answer.status_code == 400, answer.text[:300]
    odd: dict[str, Any] = {
        "title": 3,
        "people": [[1], {"subject": 4}],
        "slices": {"a": 1},
        "ethics": [],
        "starts": True,
    }
    kept = await alice.api("PUT", f"{APPLICATIONS}/{made['id']}/draft", {"version": made["version"], "draft": odd})
    assert kept.status_code == 200
    for page in ("", "/edit/project", "/edit/people", "/edit/data", "/edit/law", "/edit/outputs", "/data/0"):
        assert (await alice.get(f"/applications/{made['id']}{page}")).status_code == 200, page


async def test_a_program_votes(world: World, desk: Committee) -> None:
    name = desk.in_review()
    where = f"{COMMITTEE}/{name}"
    for who in MEMBERS:
        browser = world.browser(who)
        before = (await browser.get(where)).json()
        assert set(before["allowedActions"]) == {"vote", "recuse"}
        ballot = {"choice": "approve", "reasons": "Good.", "matter": before["application"]["matter"]}
        linked = await browser.api("POST", f"{where}/votes", ballot | {"forThePublic": "https://a.example"})
        assert linked.status_code == 422
        ballot["forThePublic"] = f"Said by {who}."
        answer = await browser.api("POST", f"{where}/votes", ballot)
        assert answer.status_code == 201, answer.text
        again = await browser.api("POST", f"{where}/votes", ballot)
        assert again.json()["reason"] == "AlreadyVoted"
    found = (await world.browser("cleo").get(where)).json()
    assert (found["count"]["outcome"], found["hidden"], len(found["votes"])) == ("approved", 0, 4)
    assert {one["forThePublic"] for one in found["votes"]} == {f"Said by {who}." for who in MEMBERS}
    assert "close" in found["allowedActions"]
    assert found["plans"]["chest"]["patients"] == 10
    closed = await world.browser("cleo").api("POST", f"{where}/close")
    assert closed.status_code == 200
    assert desk.get(name).state is ApplicationState.InReview


async def test_the_rest_of_what_members_do(world: World, desk: Committee) -> None:
    name = desk.in_review()
    pat = world.browser("pat")
    assert [one["id"] for one in (await pat.get(COMMITTEE)).json()] == [name]
    declared = await pat.api("PUT", f"{COMMITTEE}/interests", {"interests": ["Somebody"]})
    assert declared.json()["interests"] == ["Somebody"]
    seats = (await pat.get(f"{COMMITTEE}/members")).json()["seats"]
    assert {seat["name"] for seat in seats} == {shown for shown, _ in MEMBERS.values()}
    aside = await pat.api("POST", f"{COMMITTEE}/{name}/recusals", {"why": "A friend"})
    assert aside.status_code == 201
    assert aside.json()["count"]["standingAside"] == [{"member": "Pat Patient", "why": "stood aside: A friend"}]
    wrong = await pat.api("POST", f"/api/v1/grants/{GRANT}/emergency-votes", {"why": "harm", "confirm": "x"})
    assert wrong.status_code == 400
    stopped = await pat.api("POST", f"/api/v1/grants/{GRANT}/emergency-votes", {"why": "harm", "confirm": GRANT})
    assert stopped.json() == {"stopped": True}
    nothing = await pat.api("POST", "/api/v1/grants/none/emergency-votes", {"why": "harm", "confirm": "none"})
    assert nothing.status_code == 404


async def test_half_a_character_is_refused_and_not_a_crash(world: World, desk: Committee) -> None:
    """JSON can write it, and nothing can keep it."""
    name = desk.in_review()
    half = '"\\ud800"'
    orders = [
        ("alice", "POST", APPLICATIONS, f'{{"varies": {half}}}'),
        ("alice", "PUT", f"{APPLICATIONS}/{name}/draft", f'{{"version": 1, "draft": {{"title": {half}}}}}'),
        ("alice", "PUT", f"{APPLICATIONS}/{name}/answers", f'{{"version": 1, "answers": [{half}]}}'),
        ("pat", "POST", f"{COMMITTEE}/{name}/recusals", f'{{"why": {half}}}'),
        ("pat", "PUT", f"{COMMITTEE}/interests", f'{{"interests": [{half}]}}'),
        (
            "pat",
            "POST",
            f"{COMMITTEE}/{name}/votes",
            f'{{"choice": "approve", "reasons": {half}, "matter": "{desk.matter(name)}"}}',
        ),
    ]
    for who, method, path, body in orders:
        browser = world.browser(who)
        headers = browser.same_origin() | {"X-CSRF-Token": await browser.token(), "Content-Type": "application/json"}
        answer = await browser.send(method, path, "desk", content=body.encode(), headers=headers)
        assert answer.status_code == 422, (path, answer.text)
    assert (await world.browser("alice").api("POST", APPLICATIONS, {"varies": "\U0010fa7f¨"})).status_code == 404


async def test_an_order_needs_the_pages_token(world: World, desk: Committee) -> None:
    name = desk.in_review()
    pat = world.browser("pat")
    ballot = {"choice": "approve", "reasons": "Good.", "matter": desk.matter(name)}
    answer = await pat.api("POST", f"{COMMITTEE}/{name}/votes", ballot, **{"X-CSRF-Token": "stolen"})
    assert answer.status_code == 403
    assert (await world.browser("olga").api("POST", f"{COMMITTEE}/{name}/votes", ballot)).status_code == 403
