"""The airlock through its API: the same acts by the same rules, and what each person may do at each moment."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.portal.exports_world import PROJECT, TABLE, WORDS, Airlock, finding, sha
from tests.unit.portal.world import World
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState

API = "/api/v1/exports"
WHILE_SEATED = ["comment", "label", "give-back"]


@pytest.fixture
def airlock(world: World) -> Airlock:
    return Airlock(world).furnish()


async def actions_of(airlock: Airlock, who: str, export: str) -> list[str]:
    answer = await airlock.world.browser(who).get(f"{API}/{export}")
    actions: list[str] = answer.json()["allowedActions"]
    return actions


async def test_the_whole_way(airlock: Airlock) -> None:
    airlock.findings = [finding(Severity.E)]
    alice = airlock.world.browser("alice")
    made = await alice.api("POST", API, {"grant": PROJECT})
    assert made.status_code == 201, made.text
    export = made.json()["id"]
    assert (await alice.get(f"{API}/{export}/outbox")).json() == {"waiting": True, "problem": "", "files": []}
    airlock.answer()
    outbox = (await alice.get(f"{API}/{export}/outbox")).json()
    assert [file["path"] for file in outbox["files"]] == ["table.csv", "ages.csv"]
    wanted = {"group": "Table 1", "context": WORDS, "controls": WORDS, "paths": ["table.csv", "ages.csv"]}
    wanted |= {"relation": "Nothing left before.", "people": 2500}
    asked = await alice.api("POST", f"{API}/{export}/files", wanted)
    assert (asked.status_code, asked.json()["busy"]) == (202, True)
    airlock.answer()
    shown = (await alice.get(f"{API}/{export}")).json()
    assert shown["allowedActions"] == ["edit", "submit", "withdraw", "label"]
    assert shown["groups"][0]["files"][0]["findings"][0]["locator"] == {"row": 2, "column": 2}
    assert (await alice.api("POST", f"{API}/{export}/submit")).json()["state"] == "Submitted"
    for who in ("chris", "chloe"):
        checker = airlock.world.browser(who)
        seen = (await checker.get(f"{API}/{export}")).json()
        assert seen["reviews"] == []
        for file in seen["groups"][0]["files"]:
            answers = {item["id"]: "agreed with the steward" for item in file["findings"]}
            ballot = {"path": file["path"], "sha256": file["sha256"], "run": seen["run"], "choice": "Approved"}
            unsaid = await checker.api("PUT", f"{API}/{export}/vote", ballot | {"answers": answers})
            assert (unsaid.status_code, unsaid.json()["reason"]) == (400, "ConfirmationWrong")
            said = {"answers": answers, "looked": "stated"}
            voted = await checker.api("PUT", f"{API}/{export}/vote", ballot | said)
            assert voted.status_code == 200, voted.text
        handed = await checker.api("POST", f"{API}/{export}/review", {"seen": seen["seen"]})
        assert handed.status_code == 200, handed.text
    approval = {"seen": handed.json()["seen"], "confirm": "2"}
    done = await airlock.world.browser("chris").api("POST", f"{API}/{export}/approve", approval)
    assert (done.json()["state"], done.json()["owner"]) == ("Approved", "system")
    airlock.world.clock.advance(6)
    airlock.release_due()
    left = (await alice.get(f"{API}/{export}")).json()
    assert left["release"]["sha256"] == sha(b"bundle")
    assert left["release"]["url"] == f"/exports/{export}/release.zip"
    assert left["allowedActions"] == ["download", "link"]
    recalled = await airlock.world.browser("chad").api("POST", f"{API}/{export}/recall", {"message": "A mistake."})
    assert recalled.json()["state"] == "Recalled"
    assert "release" not in (await alice.get(f"{API}/{export}")).json()


async def test_what_each_may_do_at_each_moment(airlock: Airlock) -> None:
    export = await airlock.draft("arthur")
    assert await actions_of(airlock, "arthur", export) == ["edit", "submit", "withdraw", "label"]
    for who in ("alice", "molly", "chris"):
        assert await actions_of(airlock, who, export) == []
    await airlock.world.browser("arthur").post(f"/exports/{export}/submit")
    assert await actions_of(airlock, "arthur", export) == ["withdraw"]
    assert await actions_of(airlock, "molly", export) == []
    assert await actions_of(airlock, "chris", export) == ["vote", "return", "comment", "label", "claim"]
    await airlock.vote("chris", export)
    assert await actions_of(airlock, "chris", export) == ["vote", "submit-review", "return", *WHILE_SEATED]
    for who in ("chris", "chloe"):
        await airlock.review(who, export)
    assert await actions_of(airlock, "chris", export) == ["vote", "approve", "return", "reject", "comment", "label"]
    assert await actions_of(airlock, "chad", export) == ["return", "reject", "comment", "label"], "no seat is free"
    assert await actions_of(airlock, "arthur", export) == ["withdraw"]
    approval = {"seen": airlock.seen(export), "confirm": "2"}
    await airlock.world.browser("chris").api("POST", f"{API}/{export}/approve", approval)
    assert await actions_of(airlock, "chris", export) == ["return"]
    assert await actions_of(airlock, "arthur", export) == ["withdraw"]
    airlock.world.clock.advance(6)
    airlock.release_due()
    assert await actions_of(airlock, "alice", export) == ["download", "link"]
    assert await actions_of(airlock, "chad", export) == ["recall"]


async def test_lists_and_filters(airlock: Airlock) -> None:
    first, second = await airlock.submitted(), await airlock.draft()
    alice, chris = airlock.world.browser("alice"), airlock.world.browser("chris")
    assert {item["id"] for item in (await alice.get(API)).json()} == {first, second}
    assert [item["id"] for item in (await chris.get(API)).json()] == [first]
    assert [item["id"] for item in (await alice.get(f"{API}?state=Pending")).json()] == [second]
    assert (await alice.get(f"{API}?grant=nothing")).json() == []
    assert (await airlock.world.browser("eve").get(API)).json() == []


async def test_words_kinds_withdrawing_and_looking_again(airlock: Airlock) -> None:
    export = await airlock.draft()
    alice = airlock.world.browser("alice")
    other = await alice.api("PUT", f"{API}/{export}/groups", {"name": "Table 1", "context": "x", "controls": "y"})
    assert (other.json()["groups"][0]["context"], other.json()["allowedActions"]) == (
        "x",
        ["edit", "withdraw", "label"],
    )
    assert (
        await alice.api("PUT", f"{API}/{export}/groups", {"name": "No", "context": "x", "controls": "y"})
    ).status_code == 400
    kind = await alice.api("PUT", f"{API}/{export}/files", {"path": "table.csv", "kind": "supporting"})
    assert (kind.json()["outputs"], kind.json()["bytes"]) == (1, len(airlock.outbox["ages.csv"]))
    assert (await alice.api("POST", f"{API}/{export}/outbox")).json()["waiting"] is True
    assert (await airlock.world.browser("bob").get(f"{API}/{export}/outbox")).status_code == 403
    assert (await alice.api("POST", f"{API}/{export}/recheck")).status_code == 409
    assert (await alice.api("POST", f"{API}/{export}/withdraw")).json()["state"] == "Withdrawn"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "", {}),
        ("POST", "", {"grant": "x", "more": 1}),
        ("POST", "/{}/files", {"group": "a", "paths": []}),
        ("POST", "/{}/files", {"group": "a\n", "paths": ["x"]}),
        ("POST", "/{}/files", {"group": "a", "context": "\x00", "paths": ["x"]}),
        ("PUT", "/{}/vote", {"path": "x", "sha256": "no", "run": "x", "choice": "Approved"}),
        ("PUT", "/{}/vote", {"path": "x", "sha256": sha(TABLE), "run": "x", "choice": "Yes"}),
        ("PUT", "/{}/vote", {"path": "x", "sha256": sha(TABLE), "run": "x", "choice": "Approved", "looked": "shown"}),
        ("POST", "/{}/return", {"message": ""}),
        ("POST", "/{}/return", {"message": "x" * 2001}),
        ("GET", "/e-1", None),
    ],
)
async def test_what_is_not_understood_is_refused(airlock: Airlock, method: str, path: str, body: Any) -> None:
    export = await airlock.draft()
    answer = await airlock.world.browser("alice").api(method, API + path.format(export), body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["reason"] == "BadInput"


async def test_of_two_who_decide_at_once_one_is_told(airlock: Airlock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second decision was made on an older version: it is refused, and nothing of it is kept."""
    from tre.portal import export_actions, review_actions

    export = await airlock.submitted()
    _, chloe = airlock.world.session("chloe")
    before = export_actions.found_now(airlock.world.desk, chloe.person, export)
    await airlock.review("chris", export)
    monkeypatch.setattr(review_actions, "found_now", lambda *_: before)
    answer = await airlock.world.browser("chloe").api("POST", f"{API}/{export}/return", {"message": "Too late."})
    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert airlock.request(export).state is ExportState.PartiallyReviewed
    assert airlock.world.events("export.returned") == []
