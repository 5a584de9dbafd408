"""Fix it for me, from the button to the checked new file: real checker, real child, both doors."""

from __future__ import annotations

import pytest

from tests.unit.portal.exports_world import CLEAN, TABLE, WORDS, Airlock, sha
from tests.unit.portal.world import World
from tre.domain.exports.fixes import Provenance
from tre.domain.exports.models import FileKind
from tre.store.provenance import provenance_of

API = "/api/v1/exports"


@pytest.fixture
def airlock(world: World) -> Airlock:
    return Airlock(world).furnish()


async def checked(airlock: Airlock) -> str:
    """A request with a table that has a small count, and one that is clean, really checked."""
    airlock.fill_outbox("alice")
    export = await airlock.begin()
    await airlock.add(airlock.world.browser("alice"), export, "table.csv", "ages.csv")
    airlock.settle()
    return export


async def test_a_small_count_is_rounded_away_and_the_old_file_taken_back(airlock: Airlock) -> None:
    export = await checked(airlock)
    alice = airlock.world.browser("alice")
    (offered,) = (await alice.get(f"{API}/{export}/fixes")).json()
    assert (offered["path"], offered["sha256"]) == ("table.csv", sha(TABLE))
    assert [fix["id"] for fix in offered["fixes"]] == ["round-counts", "midpoint-counts", "suppress-counts"]
    assert offered["fixes"][0]["parameters"] == {"base": 5, "threshold": 10}
    page = (await alice.get(f"/exports/{export}")).text
    assert page.count('name="fix" value="round-counts"') == 1
    wish = {"path": "table.csv", "sha256": sha(TABLE), "fix": "round-counts"}
    asked = await alice.api("POST", f"{API}/{export}/fixes", wish)
    assert (asked.status_code, asked.json()["busy"]) == (202, True)
    again = await alice.api("POST", f"{API}/{export}/fixes", wish)
    assert again.status_code == 409, "one thing at a time"
    airlock.settle()
    request = airlock.request(export)
    kinds = {file.path: file.kind for file in request.files}
    assert kinds == {
        "table.csv": FileKind.withdrawn,
        "ages.csv": FileKind.output,
        "table_rounded5.csv": FileKind.output,
    }
    run = request.check_run
    assert run is not None
    (made,) = (file for file in request.files if file.path == "table_rounded5.csv")
    assert run.covers(made)
    assert run.of(made.sha256) == ()
    with airlock.world.database.read() as connection:
        known = provenance_of(connection, export)
    assert known == {
        made.sha256: Provenance(
            transformation="round-counts",
            version=1,
            parameters={"base": 5, "threshold": 10},
            from_sha256=sha(TABLE),
            to_sha256=made.sha256,
        )
    }
    assert (await alice.get(f"{API}/{export}/fixes")).json() == []
    page = (await alice.get(f"/exports/{export}")).text
    assert "New files were made of one" in page
    assert "Counts: n_patients. 1 cells changed, 1 of them hidden." in page


async def test_the_button_does_the_same_and_can_keep_the_old_file_beside(airlock: Airlock) -> None:
    export = await checked(airlock)
    alice = airlock.world.browser("alice")
    fields = {"path": "table.csv", "sha256": sha(TABLE), "fix": "suppress-counts", "afterwards": "supporting"}
    assert (await alice.post(f"/exports/{export}/fix", fields)).status_code == 303
    airlock.settle()
    kinds = {file.path: file.kind for file in airlock.request(export).files}
    assert kinds["table.csv"] is FileKind.supporting
    assert kinds["table_suppressed.csv"] is FileKind.output


async def test_what_is_not_offered_cannot_be_asked_for(airlock: Airlock) -> None:
    export = await checked(airlock)
    refused: dict[int, list[dict[str, object]]] = {
        400: [
            {"fix": "strip-metadata"},
            {"fix": "nonsense"},
            {"path": "ages.csv", "sha256": sha(CLEAN)},
            {"path": "elsewhere.csv"},
            {"parameters": {"threshold": 1}},
            {"parameters": {"base": 1}},
            {"parameters": {"nonsense": 1}},
        ],
        409: [{"sha256": sha(b"other")}],
        422: [{"afterwards": "output"}],
    }
    for status, changes in refused.items():
        for change in changes:
            wish = {"path": "table.csv", "sha256": sha(TABLE), "fix": "round-counts"} | change
            answer = await airlock.world.browser("alice").api("POST", f"{API}/{export}/fixes", wish)
            assert answer.status_code == status, answer.text
    fields = {"path": "table.csv", "sha256": sha(TABLE), "fix": "round-counts"}
    for afterwards in ("output", "nonsense"):
        answer = await airlock.world.browser("alice").post(
            f"/exports/{export}/fix", fields | {"afterwards": afterwards}
        )
        assert answer.status_code == 400


async def test_nobody_else_is_offered_anything_nor_the_author_once_it_is_submitted(airlock: Airlock) -> None:
    export = await checked(airlock)
    for who in ("bob", "chris"):
        browser = airlock.world.browser(who)
        assert (await browser.get(f"{API}/{export}/fixes")).json() == []
        wish = {"path": "table.csv", "sha256": sha(TABLE), "fix": "round-counts"}
        assert (await browser.api("POST", f"{API}/{export}/fixes", wish)).status_code == 403
    assert (await airlock.world.browser("eve").get(f"{API}/{export}/fixes")).status_code == 404
    alice = airlock.world.browser("alice")
    assert (await alice.post(f"/exports/{export}/submit")).status_code == 303
    assert (await alice.get(f"{API}/{export}/fixes")).json() == []


async def test_a_file_for_which_nothing_can_be_done_says_why_on_the_page(airlock: Airlock) -> None:
    """The finding is there, but the file's counts are what another check made of them: the child refuses."""
    airlock.outbox = {"table.csv": b"sex,n_patients\nF,<10\nM,400\nX,7\n"}
    export = await checked_one(airlock)
    alice = airlock.world.browser("alice")
    (offered,) = (await alice.get(f"{API}/{export}/fixes")).json()
    place = airlock.world.layout.vault / offered["sha256"][:2] / offered["sha256"][2:]
    place.unlink()
    wish = {"path": "table.csv", "sha256": offered["sha256"], "fix": "round-counts"}
    assert (await alice.api("POST", f"{API}/{export}/fixes", wish)).status_code == 202
    airlock.settle()
    page = (await alice.get(f"/exports/{export}")).text
    assert "no longer in the vault" in page
    assert WORDS in page


async def checked_one(airlock: Airlock) -> str:
    airlock.fill_outbox("alice")
    export = await airlock.begin()
    await airlock.add(airlock.world.browser("alice"), export, *airlock.outbox)
    airlock.settle()
    return export
