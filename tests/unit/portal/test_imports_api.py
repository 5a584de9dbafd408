"""The way in through the API: the same acts by the same rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.portal.exports_world import OTHER, PROJECT, sha
from tests.unit.portal.imports_world import FILES, PURPOSE, WHEEL, Gate
from tests.unit.portal.world import Browser, populated
from tre.domain.imports.states import ImportState

API = "/api/v1/imports"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    with populated(tmp_path / "root") as world:
        yield Gate(world).furnish()


async def put(
    browser: Browser, name: str, path: str, data: bytes = b"x", *, given: dict[str, str] | None = None
) -> httpx.Response:
    own = browser.same_origin() | {"X-CSRF-Token": await browser.token()}
    return await browser.send("PUT", f"{API}/{name}/files/{path}", "desk", content=data, headers=own | (given or {}))


async def begun(browser: Browser) -> str:
    made = await browser.api("POST", API, {"grant": PROJECT})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def test_the_whole_way(gate: Gate) -> None:
    alice, chris = gate.world.browser("alice"), gate.world.browser("chris")
    name = await begun(alice)
    for path, data in FILES.items():
        sent = await put(alice, name, f"tools/{path}", data)
        assert (sent.status_code, sent.json()["busy"]) == (202, True)
        assert (await put(alice, name, "more.py")).status_code == 409, "one thing at a time"
        gate.answer()
    shown = (await alice.get(f"{API}/{name}")).json()
    assert {item["path"]: item["sha256"] for item in shown["contents"]} == {
        f"tools/{path}": sha(data) for path, data in FILES.items()
    }
    assert shown["allowedActions"] == ["upload", "remove-file", "submit", "withdraw"]
    assert (await alice.api("POST", f"{API}/{name}/submit", {"purpose": "no"})).json()["reason"] == "ContextMissing"
    assert (await alice.api("POST", f"{API}/{name}/submit", {"purpose": PURPOSE})).json()["owner"] == "checker"
    seen = (await chris.get(f"{API}/{name}")).json()
    assert (seen["allowedActions"], seen["purpose"]) == (["decide"], PURPOSE)
    old = {"manifest": "sha256:" + "0" * 64, "approves": True}
    assert (await chris.api("POST", f"{API}/{name}/decide", old)).json()["reason"] == "ContentChanged"
    said = await chris.api("POST", f"{API}/{name}/decide", {"manifest": seen["manifest"], "approves": True})
    assert (said.json()["state"], said.json()["votes"][0]["by"]["id"]) == ("Approved", "chris")
    assert "by" not in (await alice.get(f"{API}/{name}")).json()["votes"][0]
    gate.control()
    placed = (await alice.get(f"{API}/{name}")).json()["placed"]
    assert placed[0] == {
        "path": f"/inbox/{name}/tools/{WHEEL}",
        "install": f"pip install --no-index -f /inbox/{name}/tools lungs==1.2.0",
    }
    assert placed[1] == {"path": f"/inbox/{name}/tools/lookup.csv"}
    gone = await chris.api("POST", f"{API}/{name}/take-away", {"message": "Not needed any more."})
    assert (gone.json()["state"], gone.json()["placed"]) == ("Removed", [])


async def test_files_go_and_requests_end(gate: Gate) -> None:
    alice, name = gate.world.browser("alice"), await gate.draft()
    left = await alice.api("DELETE", f"{API}/{name}/files/{WHEEL}")
    assert [item["path"] for item in left.json()["contents"]] == ["lookup.csv"]
    assert (await alice.api("DELETE", f"{API}/{name}/files/{WHEEL}")).status_code == 400
    assert (await alice.api("POST", f"{API}/{name}/withdraw")).json()["state"] == "Withdrawn"
    assert (await put(alice, name, "a.py")).status_code == 409


@pytest.mark.parametrize("path", ["../a.py", "%2e%2e/a.py", ".hidden", "a%5Cb", "a//b", "con.txt", "%00", "x" * 250])
async def test_names_that_may_not_be(gate: Gate, path: str) -> None:
    alice = gate.world.browser("alice")
    name = await begun(alice)
    answer = await put(alice, name, path)
    assert answer.status_code in {404, 405, 409}, answer.text
    assert list(gate.world.layout.uploads.iterdir()) == []


@pytest.mark.parametrize(
    ("who", "edit", "decide"),
    [("bob", 403, 403), ("arthur", 403, 403), ("chris", 403, None), ("eve", 404, 404), ("olga", 404, 404)],
)
async def test_both_sides_of_each_permission(gate: Gate, who: str, edit: int, decide: int | None) -> None:
    draft, waiting = await gate.draft(), await gate.submitted()
    browser, manifest = gate.world.browser(who), gate.request(waiting).manifest
    assert (await put(browser, draft, "a.py")).status_code == edit
    calls: list[tuple[str, str, Any]] = [
        ("DELETE", f"{API}/{draft}/files/{WHEEL}", None),
        ("POST", f"{API}/{draft}/submit", {"purpose": PURPOSE}),
        ("POST", f"{API}/{draft}/withdraw", None),
    ]
    for method, path, body in calls:
        assert (await browser.api(method, path, body)).status_code == edit, path
    answer = await browser.api("POST", f"{API}/{waiting}/decide", {"manifest": manifest, "approves": True})
    assert answer.status_code == (decide or 200)
    assert gate.request(draft).state is ImportState.Pending
    assert gate.request(waiting).state is (ImportState.Submitted if decide else ImportState.Approved)
    assert list(gate.world.layout.uploads.iterdir()) == []


async def test_lists(gate: Gate) -> None:
    draft, waiting = await gate.draft(), await gate.submitted()
    for who, shown in {"alice": {draft, waiting}, "arthur": {draft, waiting}, "chris": {waiting}, "eve": set()}.items():
        assert {item["id"] for item in (await gate.world.browser(who).get(API)).json()} == shown
    alice = gate.world.browser("alice")
    assert [item["id"] for item in (await alice.get(f"{API}?state=Pending")).json()] == [draft]
    assert (await alice.get(f"{API}?grant={OTHER}")).json() == []
    assert (await alice.get(f"{API}?state=Flying")).status_code == 422


async def test_a_token_is_needed_before_anything_is_read(gate: Gate) -> None:
    alice = gate.world.browser("alice")
    name = await begun(alice)
    for token in ("", "x", await gate.world.browser("bob").token()):
        assert (await put(alice, name, "a.py", given={"X-CSRF-Token": token})).status_code == 403
    assert (await put(alice, name, "a.py", given={"Sec-Fetch-Site": "same-site"})).status_code == 403
    assert (await put(alice, name, "a.py")).status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "", {}),
        ("POST", "/{}/submit", {"purpose": "\x00"}),
        ("POST", "/{}/submit", {"purpose": "x" * 4001}),
        ("POST", "/{}/decide", {"approves": True}),
        ("POST", "/{}/decide", {"manifest": "x", "approves": "maybe"}),
        ("POST", "/{}/take-away", {"message": ""}),
        ("GET", "/i-1", None),
        ("GET", "/e-aaaaaaaaaaaa", None),
    ],
)
async def test_what_is_not_understood_is_refused(gate: Gate, method: str, path: str, body: Any) -> None:
    answer = await gate.world.browser("alice").api(method, API + path.format("i-" + "a" * 12), body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "BadInput"), answer.text


async def test_of_two_who_decide_at_once_one_is_told(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    from tre.portal import import_actions

    name = await gate.submitted()
    _, chloe = gate.world.session("chloe")
    before = import_actions.found_now(gate.world.desk, chloe.person, name)
    assert (await gate.decide("chris", name, "no", comment="No.")).status_code == 303
    monkeypatch.setattr(import_actions, "found_now", lambda *_: before)
    body = {"manifest": before.request.manifest, "approves": True}
    answer = await gate.world.browser("chloe").api("POST", f"{API}/{name}/decide", body)
    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert gate.world.events("import.approved") == []
