"""The data of an application: ticking, writing, reasons, a plan before anybody decides; nothing wrong is kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.portal.applying_world import CONTENT, Committee, version, words_of
from tests.unit.portal.test_plans import TEXT
from tests.unit.portal.world import Browser, World
from tre.domain.errors import TREError
from tre.portal.applying import parts

PART = "/data/0"
TICKED = {"source": "demo r1", "modality-DX": "yes", "tier": "dates-full", "headers": "none", "onFail": "report"}
BEYOND = TEXT + "patients: {sample: {n: 5, seed: s}}\n"


async def send(browser: Browser, where: str, form: dict[str, str]) -> Any:
    page = where.rpartition("/")[0]
    return await browser.post(where, form | {"version": await version(browser, page)})


async def test_what_is_ticked_becomes_the_specification(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    name = desk.draft(slices=None)
    part = f"/applications/{name}{PART}"
    page = await alice.get(part)
    assert "A demonstration" in words_of(page) or "demo" in words_of(page)
    ticked = TICKED | {"columns-sex": "yes", "columns-age_band": "yes"}
    assert (await send(alice, f"{part}/choices", ticked)).status_code == 303
    kept = desk.get(name).draft["slices"][0]
    assert kept["spec"]["tables"]["clinical"]["columns"] == ["pseudonym", "age_band", "sex"]
    assert kept["name"] == "part-1"
    again = await alice.get(part)
    assert 'id="modality-DX" name="modality-DX" value="yes" checked' in again.text
    assert "Why DX is needed" in again.text


async def test_wrong_choices_are_told_at_their_place_and_not_kept(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    name = desk.draft(slices=None)
    part = f"/applications/{name}{PART}"
    nothing = await send(alice, f"{part}/choices", {"source": "demo r1"})
    assert nothing.status_code == 400
    assert "Kinds of image: tick at least one kind of image" in words_of(nothing)
    wrong = await send(alice, f"{part}/choices", TICKED | {"since": "2021-01-01", "until": "2020-01-01"})
    assert 'id="since-error"' in wrong.text
    assert 'value="2021-01-01"' in wrong.text
    unknown = await send(alice, f"{part}/choices", TICKED | {"source": "other r1"})
    assert unknown.status_code == 400
    assert "not known here: other" in unknown.text
    assert "slices" not in desk.get(name).draft


async def test_a_text_says_what_cannot_be_ticked(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    name = desk.draft()
    part = f"/applications/{name}{PART}"
    wrong = await send(alice, f"{part}/text", {"spec": TEXT.replace("images", "imagse") + "<script>x</script>: 1\n"})
    assert wrong.status_code == 400
    assert "Line 4: imagse: no such key; did you mean &#39;images&#39;?" in wrong.text
    assert "<script>x" not in wrong.text
    assert (await send(alice, f"{part}/text", {"spec": BEYOND})).status_code == 303
    page = await alice.get(part)
    assert "says more than can be ticked" in page.text
    assert "seed: s" in page.text
    assert desk.get(name).draft["slices"][0]["justifications"] == CONTENT["slices"][0]["justifications"]


async def test_reasons_follow_the_kinds(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    name = desk.draft()
    part = f"/applications/{name}{PART}"
    said = {"name": "lungs", "reason-0": "Because.", "reason-1": "of nothing", "minimisation": "Less."}
    answer = await send(alice, f"{part}/reasons", said)
    assert answer.headers["location"] == f"/applications/{name}/edit/data"
    kept = desk.get(name).draft["slices"][0]
    assert (kept["name"], kept["justifications"]) == ("lungs", {"DX": "Because."})
    await send(alice, f"{part}/choices", TICKED | {"modality-CT": "yes"})
    assert desk.get(name).draft["slices"][0]["justifications"] == {"DX": "Because."}
    assert "Why CT is needed" in (await alice.get(part)).text
    listed = words_of(await alice.get(f"/applications/{name}/edit/data?saved=1"))
    assert "a justification is due for CT" in listed


async def test_parts_are_added_and_taken_out(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    name = desk.draft()
    where = f"/applications/{name}"
    assert (await send(alice, f"{where}/data/1/choices", TICKED | {"modality-CT": "yes"})).status_code == 303
    assert [part["name"] for part in desk.get(name).draft["slices"]] == ["chest", "part-2"]
    assert (await alice.get(f"{where}/data/3")).status_code == 404
    assert (await alice.get(f"{where}/data/100")).status_code == 422
    old = await version(alice, f"{where}/data/0")
    assert (await send(alice, f"{where}/data/0/remove", {})).status_code == 303
    assert [part["name"] for part in desk.get(name).draft["slices"]] == ["part-2"]
    assert (await alice.post(f"{where}/data/0/remove", {"version": old})).status_code == 409
    assert len(desk.get(name).draft["slices"]) == 1


async def test_what_a_part_would_give_is_asked_as_on_the_page_of_plans(world: World, desk: Committee) -> None:
    desk.keeper.limit(1)
    alice = world.browser("alice")
    name = desk.draft()
    part = f"/applications/{name}{PART}"
    assert (await alice.post(f"/applications/{name}/data/1/preview")).status_code == 404
    asked = await alice.post(f"{part}/preview")
    assert asked.headers["location"].startswith("/plans/")
    desk.keeper.work()
    page = await alice.get(part)
    assert f'href="{asked.headers["location"]}"' in page.text
    assert "Ready" in page.text
    assert len(world.events("slice.preview-asked")) == 1
    refused = await alice.post(f"{part}/preview")
    assert refused.status_code == 429
    assert len(world.events("slice.preview-asked")) == 1


async def test_what_was_handed_in_is_not_changed(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    name = desk.in_review()
    answers = [
        await alice.get(f"/applications/{name}{PART}"),
        await alice.post(f"/applications/{name}{PART}/text", {"spec": TEXT, "version": "3"}),
        await alice.post(f"/applications/{name}{PART}/remove", {"version": "3"}),
        await alice.get(f"/applications/{name}/edit/project"),
    ]
    assert {answer.status_code for answer in answers} == {409}


def test_shapes_that_are_no_parts_count_as_none() -> None:
    assert parts.parts_of({"slices": "none"}) == []
    strange = {"slices": [3, {"name": 4, "spec": {"slice": 9}, "justifications": "x"}]}
    (found,) = parts.parts_of(strange)
    assert (found.name, found.spec, found.kinds, found.reasons) == ("", None, (), {"name": 4})
    assert "slice: 9" in found.text
    assert parts.part_at({}, 0).text == ""
    with pytest.raises(TREError):
        parts.part_at({}, 1)
