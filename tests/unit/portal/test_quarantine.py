"""Quarantine at the desk: what waits is seen and decided, singly and in bulk, once, by data managers alone."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.unit.portal.data_world import DATASET, PEOPLE, SECRET, SERIES, SORT, STUDY, Data, sha, ticked
from tests.unit.portal.world import World, subject, title_of
from tre.domain.quarantine import LOOKED_AT_WITHIN, Kept, QuarantineState
from tre.domain.withdrawals import Withdrawal, WithdrawalLevel
from tre.portal.dataset_views import PAGE
from tre.slices.gate.rules import reason
from tre.store import datasets
from tre.storekeeper import quarantine as storekeeper

PLACE = f"/quarantine/{DATASET}"
DECIDE, ALL = f"{PLACE}/decide", f"{PLACE}/decide-all"
ONE_RULE = f"?rule={SORT[0]}&attribute={SORT[1]}"
S = QuarantineState


@pytest.fixture
def data(world: World, tmp_path: Path) -> Data:
    made = Data(world, tmp_path / "delivery")
    made.register()
    return made


def moment(page: httpx.Response) -> str:
    found = re.search(r'name="until" value="([^"]+)"', page.text)
    assert found is not None
    return html.unescape(found[1])


def in_bulk(page: httpx.Response, count: str, state: str = "rejected", why: str = "screenshots") -> dict[str, str]:
    return {"until": moment(page), "count": count, "state": state, "reason": why}


async def test_what_waits_is_shown_with_why_and_since_when_and_names_nobody(world: World, data: Data) -> None:
    world.clock.advance(3 * 86400)
    data.wait(2, SORT)
    dana = world.browser("dana")
    groups = (await dana.get("/quarantine")).text
    for words in ("Not an original, primary image", "SeriesDescription", "3 days ago", "4 files wait"):
        assert words in groups
    page = (await dana.get(PLACE)).text
    for one in data.files():
        assert one.sha256 in page
        assert one.mark in page
    for words in ("Words or numbers that are not on the list of harmless ones", "1.2 MiB", "3 days ago"):
        assert words in page
    for text in (groups, page):
        for name in (*PEOPLE, SECRET, "made-up"):
            assert name not in text


async def test_it_is_filtered_by_dataset_rule_attribute_and_state(world: World, data: Data) -> None:
    data.wait(1, SORT)
    data.wait(1, STUDY, first=1)
    dana = world.browser("dana")
    for query, due in (
        ("", 4),
        ("?rule=free-text", 3),
        ("?rule=free-text&attribute=StudyDescription", 1),
        ("?attribute=ImageType", 1),
        ("?rule=nothing", 0),
        ("?state=released", 0),
    ):
        page = (await dana.get(PLACE + query)).text
        assert len(re.findall(r'name="file-', page)) == due, query
    assert "Nothing waits" in (await dana.get("/quarantine?dataset=other")).text
    assert "4 files wait" in (await dana.get(f"/quarantine?dataset={DATASET}")).text
    for wrong in ("state=lost", "rule=a%00b", "attribute=%0a", "first=-1"):
        assert (await dana.get(f"{PLACE}?{wrong}")).status_code == 422
    assert (await dana.get("/quarantine/a%00b")).status_code == 422


async def test_one_is_let_in_with_the_event_of_the_command_line(world: World, tmp_path: Path) -> None:
    data = Data(world, tmp_path / "delivery")
    data.deliver()
    dana = world.browser("dana")
    assert SECRET not in (await dana.get(PLACE)).text
    first, second = data.files()
    answer = await dana.post(DECIDE, ticked([first], reason="a colleague's\r\nword, harmless"))
    assert (answer.status_code, answer.headers["location"]) == (303, PLACE)
    (event,) = world.events("quarantine.released")
    storekeeper.decide(data.office, DATASET, [second.sha256], S.released, "the same", by=subject("dana"))
    by_hand = world.events("quarantine.released")[0]
    assert (event.actor, event.object, event.detail.keys()) == (by_hand.actor, by_hand.object, by_hand.detail.keys())
    assert event.detail["files"] == 1
    assert event.detail["digest"] != by_hand.detail["digest"]
    (one,) = (one for one in data.files(S.released) if one.sha256 == first.sha256)
    assert (one.decided_by, one.decided_at) == (subject("dana"), world.clock.now())
    assert one.reason == "a colleague's word, harmless"
    page = (await dana.get(f"{PLACE}?state=released")).text
    assert "Let in by Dana Data" in page
    assert "1 file was let in" in page
    assert 'type="checkbox"' not in page
    data.add("r2")
    assert data.files() == []
    listed = (await dana.get(f"/api/v1/datasets/{DATASET}")).json()["releases"]
    assert [item["counts"]["instances"] for item in listed] == [5, 3], "the next addition takes what was let in"


async def test_some_are_kept_out_together(world: World, data: Data) -> None:
    files = data.wait(3, SORT)
    answer = await world.browser("dana").post(DECIDE + ONE_RULE, ticked(files[:2], "rejected", "screenshots"))
    assert answer.headers["location"] == f"{PLACE}{ONE_RULE}"
    assert {one.sha256 for one in data.files(S.rejected)} == {one.sha256 for one in files[:2]}
    assert "2 files were kept out" in (await world.browser("dana").get(PLACE)).text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reason": " "}, "chosen-reason"),
        ({"reason": "x" * 1001}, "chosen-reason"),
        ({"state": ""}, "chosen-released"),
        ({"state": "waiting"}, "chosen-released"),
    ],
)
async def test_a_form_that_says_too_little_comes_back(
    world: World, data: Data, changes: dict[str, str], field: str
) -> None:
    files = data.files()
    answer = await world.browser("dana").post(DECIDE, ticked(files[:1]) | changes)
    assert answer.status_code == 400
    assert title_of(answer).startswith("Error: ")
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}"' in answer.text
    assert len(re.findall(r'name="file-[0-9a-f]{64}" value="[0-9a-f]{16}" checked', answer.text)) == 1
    assert len(data.files()) == 2


async def test_nothing_ticked_or_too_much(world: World, data: Data) -> None:
    dana = world.browser("dana")
    answer = await dana.post(DECIDE, ticked([]))
    assert (answer.status_code, 'href="#files"' in answer.text) == (400, True)
    many = data.wait(101, SORT)
    assert (await dana.post(DECIDE, ticked(many))).status_code == 400
    assert (await dana.post(DECIDE, ticked(many[:100]))).status_code == 303


async def test_nobody_decides_twice_and_all_are_decided_or_none(world: World, data: Data) -> None:
    dana = world.browser("dana")
    files = data.files()
    await dana.post(DECIDE, ticked(files[:1]))
    again = await dana.post(DECIDE, ticked(files, "rejected"))
    assert (again.status_code, "decided already" in again.text) == (409, True)
    assert [one.sha256 for one in data.files()] == [files[1].sha256]
    strange = files[1].model_copy(update={"sha256": "0" * 64})
    assert (await dana.post(DECIDE, ticked([files[1], strange]))).status_code == 404
    assert len(data.files()) == 1
    assert len(world.events("quarantine.released")) == 1
    assert world.events("quarantine.rejected") == []


async def test_a_decision_is_about_the_reasons_that_the_page_showed(world: World, data: Data) -> None:
    (seen,) = data.wait(1, SORT)
    (now,) = data.wait(1, SORT, ("burned-in-text", "PixelData"))
    assert now.mark != seen.mark
    dana = world.browser("dana")
    stale = await dana.post(DECIDE, ticked([seen]))
    assert (stale.status_code, "found again in the meantime" in stale.text) == (409, True)
    assert f'value="{now.mark}"' in stale.text, "the page shows what it waits for now"
    assert 'type="checkbox"' in stale.text
    assert not re.search(r'name="file-[^>]* checked', stale.text), "and has it chosen anew"
    assert now.sha256 in {one.sha256 for one in data.files()}
    assert (await dana.post(DECIDE, ticked([now]))).status_code == 303


async def test_all_of_a_rule_by_a_typed_number(world: World, data: Data) -> None:
    data.wait(60, SORT)
    dana = world.browser("dana")
    assert "decide-all" not in (await dana.get(PLACE)).text, "only of one rule"
    assert "may show a name" in (await dana.get(PLACE + ONE_RULE)).text
    page = await dana.get(PLACE + ONE_RULE)
    assert "Type 60, the number of files" in page.text
    assert len(re.findall(r'name="file-', page.text)) == PAGE
    for wrong in ("", "all", "59", "61", "-60", "6 0", "\uff16\uff10", "9" * 13):
        answer = await dana.post(ALL + ONE_RULE, in_bulk(page, wrong))
        assert (answer.status_code, 'href="#count"' in answer.text) == (400, True), wrong
    assert (await dana.post(ALL, in_bulk(page, "62"))).status_code == 400, "of no rule"
    assert (await dana.post(ALL + ONE_RULE, in_bulk(page, "60", why=""))).status_code == 400
    assert world.events("quarantine.rejected") == []
    assert (await dana.post(ALL + ONE_RULE, in_bulk(page, " 60 "))).status_code == 303
    (event,) = world.events("quarantine.rejected")
    assert (event.detail["files"], event.detail["reason"]) == (60, "screenshots")
    assert [one.reasons[0].rule for one in data.files()] == ["free-text", "free-text"]
    again = await dana.post(ALL + ONE_RULE, in_bulk(page, "60"))
    assert (again.status_code, "Nothing that your page showed" in again.text) == (409, True)


async def test_files_that_come_in_after_the_page_was_opened_go_on_waiting(world: World, data: Data) -> None:
    data.wait(3, SORT)
    dana = world.browser("dana")
    page = await dana.get(PLACE + ONE_RULE)
    world.clock.advance(1)
    data.wait(1, SORT, first=10)
    assert (await dana.post(ALL + ONE_RULE, in_bulk(page, "4"))).status_code == 400
    assert (await dana.post(ALL + ONE_RULE, in_bulk(page, "3"))).status_code == 303
    assert sha(10) in {one.sha256 for one in data.files()}


async def test_a_file_that_was_swapped_for_another_is_noticed_in_bulk(world: World, data: Data) -> None:
    """One is found again with something worse while another comes in: the number is the same, the files are not."""
    data.wait(3, SORT)
    dana = world.browser("dana")
    page = await dana.get(PLACE + ONE_RULE)
    world.clock.advance(1)
    data.wait(1, SORT, ("burned-in-text", "PixelData"))
    data.wait(1, SORT, first=10)
    answer = await dana.post(ALL + ONE_RULE, in_bulk(page, "3", "released"))
    assert (answer.status_code, "not the number of files" in answer.text) == (400, True)
    assert world.events("quarantine.released") == []


async def test_the_moment_of_a_bulk_decision_is_due(world: World, data: Data) -> None:
    data.wait(2, SORT)
    dana = world.browser("dana")
    page = await dana.get(PLACE + ONE_RULE)
    for wrong in ("", "yesterday", "2026-11-01T10:00:00", "2026-11-01", "0001-01-01T00:00:00+14:00"):
        answer = await dana.post(ALL + ONE_RULE, in_bulk(page, "2") | {"until": wrong})
        assert (answer.status_code, world.events("quarantine.rejected")) == (400, []), wrong


async def test_what_a_bulk_decision_covers_beside_its_rule_is_said(world: World, data: Data) -> None:
    dana = world.browser("dana")
    data.wait(2, SORT)
    assert "Some wait for more than this" not in (await dana.get(PLACE + ONE_RULE)).text
    data.wait(4, SORT, ("burned-in-text", "PixelData"), first=5)
    page = (await dana.get(PLACE + ONE_RULE)).text
    assert "Some wait for more than this" in page
    assert "4: Text was found in the pixels" in page


async def test_who_waits_for_too_long_is_late(world: World, data: Data) -> None:
    world.clock.advance(LOOKED_AT_WITHIN.total_seconds() - 1)
    for due in (False, True):
        dana = world.browser("dana")
        for path in ("/quarantine", PLACE, "/datasets", f"/datasets/{DATASET}"):
            page = await dana.get(path)
            assert (page.status_code, "app-late" in page.text) == (200, due), path
        world.clock.advance(1)
    dana = world.browser("dana")
    assert (await dana.get(f"/api/v1/datasets/{DATASET}")).json()["late"] == 2
    found = (await dana.get(f"/api/v1/datasets/{DATASET}/quarantine")).json()["files"]
    assert [one["late"] for one in found] == [True, True]


async def test_who_opted_out_is_not_waited_for(world: World, data: Data) -> None:
    """Their files stay out whatever is decided, so nothing is there to decide."""
    dana = world.browser("dana")
    page = await dana.get(f"{PLACE}?rule=free-text")
    left = Withdrawal(pseudonym=PEOPLE[0], level=WithdrawalLevel.no_use, source="site", received_at=world.clock.now())
    with world.database.change(world.event()) as change:
        datasets.withdraw(change, DATASET, [left])
    assert "Nothing waits" in (await dana.get("/quarantine")).text
    assert "No file ever waited" in (await dana.get(PLACE)).text
    assert (await dana.get(f"/api/v1/datasets/{DATASET}")).json()["waiting"] == 0
    answer = await dana.post(f"{ALL}?rule=free-text", in_bulk(page, "2", "released"))
    assert (answer.status_code, world.events("quarantine.released")) == (409, [])


async def test_pages_of_many_files(world: World, data: Data) -> None:
    data.wait(PAGE + 3, SORT)
    dana = world.browser("dana")
    first = await dana.get(PLACE)
    assert f"{PAGE + 5} files, 1 to {PAGE}" in first.text
    assert f"?first={PAGE}" in first.text
    second = await dana.get(f"{PLACE}?first={PAGE}")
    assert len(re.findall(r'name="file-', second.text)) == 5
    shown = re.findall(r'name="file-([0-9a-f]{64})', first.text + second.text)
    assert sorted(shown) == sorted(one.sha256 for one in data.files())
    assert "There are fewer files than that" in (await dana.get(f"{PLACE}?first=900")).text


async def test_only_data_managers_decide(world: World, data: Data) -> None:
    files = data.files()
    until, api = world.clock.now().isoformat(), f"/api/v1/datasets/{DATASET}/quarantine"
    bulk = {"until": until, "count": "2", "state": "released", "reason": "x"}
    named = {"state": "released", "reason": "x", "files": [{"sha256": files[0].sha256, "mark": files[0].mark}]}
    rule = {"state": "released", "reason": "x", "rule": "free-text", "until": until, "count": 2}
    for name in ("alice", "olga", "carl", "chris"):
        other = world.browser(name)
        assert (await other.post(DECIDE, ticked(files))).status_code == 403
        assert (await other.post(f"{ALL}?rule=free-text", bulk)).status_code == 403
        assert (await other.api("POST", f"{api}/decisions", named)).status_code == 403
        assert (await other.api("POST", f"{api}/decisions-by-rule", rule)).status_code == 403
    assert len(data.files()) == 2
    dana = world.browser("dana")
    assert (await dana.api("POST", f"{api}/decisions", named)).status_code == 200
    assert (await dana.post(f"{ALL}?rule=free-text", bulk | {"count": "1"})).status_code == 303


async def test_a_form_without_its_token_decides_nothing(world: World, data: Data) -> None:
    answer = await world.browser("dana").post(DECIDE, ticked(data.files()) | {"csrf": "x"})
    assert (answer.status_code, len(data.files())) == (403, 2)


async def test_the_api_decides_as_the_page_does(world: World, data: Data) -> None:
    data.wait(3, SORT)
    dana, api = world.browser("dana"), f"/api/v1/datasets/{DATASET}/quarantine"
    listed = (await dana.get(f"{api}?rule=free-text")).json()
    assert listed["total"] == 2
    first, second = listed["files"]
    assert first["allowedActions"] == ["release", "reject"]
    assert first["reasons"] == [Kept(**reason(*SERIES).as_plain()).as_plain()]
    assert PEOPLE[0] not in str(listed)
    body = {"state": "released", "reason": "harmless", "files": [{"sha256": first["sha256"], "mark": first["mark"]}]}
    done = await dana.api("POST", f"{api}/decisions", body)
    assert (done.status_code, done.json()) == (200, {"state": "released", "files": 1})
    again = await dana.api("POST", f"{api}/decisions", body)
    assert (again.status_code, again.json()["reason"]) == (409, "StateForbids")
    stale = body | {"files": [{"sha256": second["sha256"], "mark": "0" * 16}]}
    assert (await dana.api("POST", f"{api}/decisions", stale)).json()["reason"] == "Conflict"
    whole = (await dana.get(f"{api}?rule=image-type")).json()
    rule = {"state": "rejected", "reason": "screenshots", "rule": "image-type", "until": whole["newest"]}
    for count, status in ((2, 400), (3, 200), (3, 409)):
        assert (await dana.api("POST", f"{api}/decisions-by-rule", rule | {"count": count})).status_code == status
    (told,) = (await dana.get(f"{api}?state=released")).json()["files"]
    assert (told["decidedBy"]["id"], told["reason"], told["allowedActions"]) == ("dana", "harmless", [])
    for wrong in ({"files": list[str]()}, {"reason": ""}, {"state": "lost"}, {"more": 1}):
        assert (await dana.api("POST", f"{api}/decisions", body | wrong)).status_code == 422
    assert (await dana.api("POST", f"{api}/decisions", body | {"state": "waiting"})).status_code == 400
    assert (await dana.api("POST", "/api/v1/datasets/other/quarantine/decisions", body)).status_code == 404


async def test_what_was_typed_is_escaped(world: World, data: Data) -> None:
    nasty = "<script>alert(1)</script>"
    dana = world.browser("dana")
    refused = await dana.post(DECIDE, ticked([], reason=nasty))
    await dana.post(DECIDE, ticked(data.files(), reason=nasty))
    pages = [
        refused,
        await dana.get(f"{PLACE}?state=released"),
        await dana.get(f"{PLACE}?rule={nasty}&attribute={nasty}"),
    ]
    for page in pages:
        assert "<script>alert" not in page.text
    assert "&lt;script&gt;" in pages[1].text


async def test_decisions_on_the_command_line_are_told_as_such(world: World, data: Data) -> None:
    by = subject("root").model_copy(update={"issuer": "machine"})
    storekeeper.decide(data.office, DATASET, [data.files()[0].sha256], S.rejected, "names a colleague", by=by)
    page = (await world.browser("dana").get(PLACE)).text
    assert "root, on the command line" in page
    assert "names a colleague" in page
    world.clock.advance(timedelta(days=1).total_seconds())
    assert "What happened" in (await world.browser("dana").get(f"/datasets/{DATASET}")).text
