"""Datasets at the desk: what a data manager sees of releases, of what stayed out, of slices; and nobody else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.unit.portal.data_world import DATASET, PEOPLE, SECRET, SLICE, TITLE, Data
from tests.unit.portal.world import World
from tre.domain.datasets import Release
from tre.domain.slices.plan import Counts
from tre.portal import data_words
from tre.slices.gate.rules import RULES, reason
from tre.store import datasets
from tre.storekeeper.retirements import retire


@pytest.fixture
def data(world: World, tmp_path: Path) -> Data:
    made = Data(world, tmp_path / "delivery")
    made.register()
    return made


@pytest.fixture
def delivered(world: World, tmp_path: Path) -> Data:
    made = Data(world, tmp_path / "delivery")
    made.deliver()
    made.build()
    return made


async def test_a_dataset_is_shown_with_its_releases_and_what_stayed_out(world: World, delivered: Data) -> None:
    dana = world.browser("dana")
    listed = (await dana.get("/datasets")).text
    assert TITLE in listed
    assert f'href="/quarantine?dataset={DATASET}">2<' in listed
    page = (await dana.get(f"/datasets/{DATASET}")).text
    with world.database.read() as connection:
        (release,) = datasets.releases_of(connection, DATASET)
    assert release.index_digest in page
    for words in ("It cannot be read as DICOM", "Put into quarantine", "exact, by month", SLICE):
        assert words in page
    assert "A release was published" in page
    assert "2 files wait in quarantine" in page
    assert "none: built by hand" in page
    for name in (*PEOPLE, SECRET):
        assert name not in page + listed


async def test_a_release_without_an_event_of_ours_shows_what_is_known(world: World, data: Data) -> None:
    made = Release(
        dataset=DATASET, name="r0", index_digest="sha256:" + "ab" * 32, counts=Counts(), created_at=world.clock.now()
    )
    with world.database.change(world.event()) as change:
        datasets.publish(change, made)
    page = (await world.browser("dana").get(f"/datasets/{DATASET}")).text
    assert "There is no record of what stayed out of r0" in page
    (one,) = (item for item in (await answer(world))["releases"] if item["name"] == "r0")
    assert (one["tiers"], one["refused"]) == ([], {})


@pytest.mark.parametrize("release", ["r1", None])
async def test_what_is_retired_is_called_so_and_not_offered(world: World, delivered: Data, release: str | None) -> None:
    before = (await world.browser("dana").get("/plans")).text
    retire(dataclasses.replace(delivered.office, database=world.database), DATASET, release, "A better one is there.")
    page = (await world.browser("dana").get(f"/datasets/{DATASET}")).text
    assert "retired</strong>" in page
    assert ("A better one is there." in page.partition("What happened")[0]) is (release is None)
    assert "Nothing new is given from it" in page
    assert [one["retired"] for one in (await answer(world))["releases"]] == [True]
    after = (await world.browser("dana").get("/plans")).text
    assert ("<code>r1</code>" in before, "<code>r1</code>" in after) == (True, False)


async def answer(world: World) -> dict[str, Any]:
    found: dict[str, Any] = (await world.browser("dana").get(f"/api/v1/datasets/{DATASET}")).json()
    return found


async def test_the_api_tells_the_same(world: World, delivered: Data) -> None:
    (listed,) = (await world.browser("dana").get("/api/v1/datasets")).json()
    one = await answer(world)
    assert listed == one
    assert (one["waiting"], one["late"], one["withdrawn"]) == (2, 0, 0)
    assert one["allowedActions"] == ["withdraw", "decide"]
    (release,) = one["releases"]
    assert release["quarantined"] == {"free-text": 2}
    assert release["refused"] == {"not-dicom": 1}
    assert release["counts"]["instances"] == 3
    assert [item["slice"] for item in one["slices"]] == [SLICE]


async def test_a_release_that_took_everything_says_so(world: World, tmp_path: Path) -> None:
    clean = Data(world, tmp_path / "delivery")
    clean.maker.record(PEOPLE[0])
    clean.maker.image(PEOPLE[0])
    clean.add("r1")
    assert "Nothing stayed out of r1" in (await world.browser("dana").get(f"/datasets/{DATASET}")).text


async def test_the_pages_before_there_is_anything(world: World) -> None:
    dana = world.browser("dana")
    assert "There is no dataset yet" in (await dana.get("/datasets")).text
    assert "Nothing waits" in (await dana.get("/quarantine")).text
    for path in ("/datasets/nothing", "/quarantine/nothing", "/api/v1/datasets/nothing"):
        assert (await dana.get(path)).status_code == 404


async def test_the_pages_are_a_data_managers(world: World, data: Data) -> None:
    paths = ["/datasets", f"/datasets/{DATASET}", "/quarantine", f"/quarantine/{DATASET}"]
    api = ["/api/v1/datasets", f"/api/v1/datasets/{DATASET}", f"/api/v1/datasets/{DATASET}/quarantine"]
    for name, status in {"dana": 200, "alice": 403, "olga": 403, "carl": 403, "chris": 403}.items():
        browser = world.browser(name)
        for path in paths + api:
            assert (await browser.get(path)).status_code == status, (name, path)
        front = (await browser.get("/")).text
        for shown in ('href="/datasets"', 'href="/quarantine"', "Files that the header gate wants a person to look at"):
            assert (shown in front) is (name == "dana"), (name, shown)
    assert (await world.browser("olga").get("/datasets/nothing")).status_code == 403, "strangers learn no names"


class TestWords:
    def test_every_rule_of_the_gate_has_its_words(self) -> None:
        waits = {rule for rule in RULES if not reason(rule).refuses}
        assert waits <= set(data_words.RULES)
        assert RULES - waits <= set(data_words.REFUSALS)
        for words in data_words.RULES.values():
            assert words.advice.endswith(".")
            assert not words.text.endswith(".")

    def test_every_rule_that_a_delivery_is_refused_by_has_its_words(self) -> None:
        import re

        import tre.slices

        (place,) = tre.slices.__path__
        named = re.compile(r'(?:UnfitError|Refusal)\((?:[a-z./"]+\.path, |path, |"/"\.join\(here[^)]*\), )?"([a-z-]+)"')
        found = {rule for path in Path(place).rglob("*.py") for rule in named.findall(path.read_text())}
        assert {"withdrawn", "truncated", "path", "unknown-file"} <= found
        assert found <= set(data_words.REFUSALS)

    def test_a_rule_without_words_is_shown_by_name(self) -> None:
        assert data_words.rule_words("brand-new") == "brand-new"
        assert data_words.rule_words("withdrawn") == "Its person opted out"
        assert data_words.advice("brand-new") == data_words.advice("form")
        assert [data_words.files_words(count) for count in (1, 1200)] == ["1 file", "1,200 files"]
        assert data_words.size_words(3 * 2**40 + 2**39) == "3.5 TiB"
