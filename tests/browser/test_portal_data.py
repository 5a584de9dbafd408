"""A data manager's day, in a real Chromium: datasets, what waits in quarantine, letting in, keeping out, one by one and
in bulk, by keyboard alone and without scripts.

Gateway, Hub and portal run as programs; the delivery is added by the storekeeper's own functions in this process.
`TRE_SHOTS=DIRECTORY` keeps a picture of every page at two widths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.portal_world import Installed, an_installation
from tests.browser.test_portal_airlock import look
from tests.browser.test_portal_keyboard import press, write
from tests.browser.test_portal_pages import context_of, watch
from tests.unit.portal.data_world import DATASET, PEOPLE, SECRET, SERIES, SLICE, SORT, STUDY, Data
from tre.domain.datasets import Release
from tre.domain.quarantine import QuarantineState
from tre.domain.slices.plan import Counts
from tre.store import datasets

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
S = QuarantineState
PIXELS = ("burned-in-text", "PixelData")


@dataclass
class Running:
    """An installation whose dataset has files that wait."""

    world: Installed
    data: Data

    def url(self, path: str) -> str:
        return self.world.settings.origin("desk") + path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = tmp_path_factory.mktemp("data")
    with an_installation(place / "root") as world:
        yield Running(world, Data(world, place / "delivery"))


@pytest.fixture(scope="module")
def dana(running: Running, chromium: Browser) -> Iterator[Page]:
    page = context_of(chromium).new_page()
    running.world.come_in(page, "dana")
    yield page
    page.context.close()


def furnish(running: Running) -> None:
    """A delivery with two strange files; older ones of another kind, some late, some with something worse."""
    data, now = running.data, running.world.clock.now()
    data.deliver()
    data.build()
    national = Release(
        dataset=DATASET,
        name="2026-10-01-national",
        index_digest="sha256:" + "ab" * 32,
        counts=Counts(patients=212_345, studies=1_234_567, instances=10_123_456, files=20_246_912, bytes=7 * 10**13),
        created_at=now,
    )
    with running.world.database.change(running.world.event()) as change:
        datasets.publish(change, national)
    data.wait(52, SORT, at=now - timedelta(days=3))
    data.wait(3, SORT, PIXELS, first=100, at=now - timedelta(days=15))
    data.wait(2, STUDY, first=200, at=now - timedelta(hours=5))


def test_a_data_manager_decides(running: Running, dana: Page) -> None:
    complaints, asked = watch(dana)
    dana.goto(running.url("/datasets"))
    look(dana, "datasets-empty")
    dana.goto(running.url("/quarantine"))
    look(dana, "quarantine-empty")
    furnish(running)
    dana.goto(running.url("/"))
    look(dana, "front-data-manager")
    see_the_dataset(running, dana)
    let_one_in(running, dana)
    keep_all_out(running, dana)
    see_what_was_decided(running, dana)
    assert complaints == []
    assert {url.split("/")[2] for url in asked} == {dana.url.split("/")[2]}


def see_the_dataset(running: Running, page: Page) -> None:
    page.get_by_role("main").get_by_role("link", name="Datasets").click()
    look(page, "datasets")
    page.get_by_role("link", name=re.compile("^National COVID-19")).click()
    expect(page.get_by_text("59 files wait in quarantine")).to_be_visible()
    page.get_by_text(re.compile("^What stayed out of .* earlier")).click()
    expect(page.get_by_text("63.7 TiB")).to_be_visible()
    expect(page.get_by_text(SLICE)).to_be_visible()
    look(page, "dataset")
    assert_names_nobody(page)
    page.get_by_role("link", name="See what waits").click()
    expect(page.get_by_text("late", exact=True)).to_have_count(1)
    look(page, "quarantine")
    assert_names_nobody(page)


def assert_names_nobody(page: Page) -> None:
    for name in (*PEOPLE, SECRET, "made-up"):
        assert name not in page.content()


def let_one_in(running: Running, page: Page) -> None:
    """The delivered file, by its checkbox; first with a reason forgotten."""
    page.get_by_role("link", name=re.compile(f"harmless ones in {SERIES[1]}")).click()
    look(page, "quarantined")
    assert_names_nobody(page)
    page.get_by_role("checkbox").first.check()
    chosen = page.locator("#files")
    chosen.get_by_role("radio", name="Let in").check()
    chosen.get_by_role("button", name="Decide about these files").click()
    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.locator(".nhsuk-error-summary")).to_be_focused()
    look(page, "quarantined-error")
    expect(page.get_by_role("checkbox").first).to_be_checked()
    chosen.get_by_label("Why").fill("The name of a device")
    chosen.get_by_role("button", name="Decide about these files").click()
    expect(page.get_by_text("1 file was let in")).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(1)
    (one,) = running.data.files(S.released)
    assert (one.reason, one.decided_by and one.decided_by.id) == ("The name of a device", "dana")


def keep_all_out(running: Running, page: Page) -> None:
    """Everything of one rule, by filter and a typed number; first another number."""
    page.goto(running.url(f"/quarantine/{DATASET}"))
    look(page, "quarantined-pages")
    page.get_by_label("Waits first for").select_option("image-type")
    page.get_by_role("button", name="Filter").click()
    whole = page.get_by_role("region", name="All 55 files at once")
    expect(whole.get_by_text("3: Text was found in the pixels")).to_be_visible()
    look(page, "quarantined-rule")
    whole.get_by_role("radio", name="Keep out").check()
    whole.get_by_label("Why").fill("Screenshots")
    whole.get_by_label("Type 55, the number of files").fill("5")
    whole.get_by_role("button", name="Decide about all of them").click()
    expect(page).to_have_title(re.compile("^Error: "))
    look(page, "quarantined-rule-error")
    whole.get_by_label("Type 55, the number of files").fill("55")
    whole.get_by_role("button", name="Decide about all of them").click()
    expect(page.get_by_text("55 files were kept out")).to_be_visible()
    look(page, "quarantined-none-fits")
    assert len(running.data.files(S.rejected)) == 55
    assert {one.reasons[0].rule for one in running.data.files()} == {"free-text"}


def see_what_was_decided(running: Running, page: Page) -> None:
    page.get_by_label("State").select_option(label="Kept out")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("Screenshots").first).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    look(page, "quarantined-decided")
    page.goto(running.url(f"/datasets/{DATASET}"))
    expect(page.get_by_text("55 files were kept out")).to_be_visible()
    look(page, "dataset-after")


def test_by_keyboard_alone(running: Running, dana: Page) -> None:
    running.data.wait(2, STUDY, first=300)
    before = len(running.data.files())
    dana.goto(running.url("/"))
    press(dana, dana.get_by_role("main").get_by_role("link", name="Quarantine"))
    press(dana, dana.get_by_role("link", name=re.compile(f"harmless ones in {STUDY[1]}")))
    press(dana, dana.get_by_role("checkbox").nth(1), "Space")
    chosen = dana.locator("#files")
    press(dana, chosen.get_by_role("radio", name="Let in"), "Space")
    dana.keyboard.press("ArrowDown")
    expect(chosen.get_by_role("radio", name="Keep out")).to_be_checked()
    write(dana, chosen.get_by_label("Why"), "A surname")
    press(dana, chosen.get_by_role("button", name="Decide about these files"))
    expect(dana.get_by_text("1 file was kept out")).to_be_visible()
    assert len(running.data.files()) == before - 1


def test_without_scripts_and_by_nobody_twice(running: Running, dana: Page, chromium: Browser) -> None:
    """Two pages show the same file; whoever is second is told so, and nothing else happens."""
    running.data.wait(1, SORT, first=400)
    place = f"/quarantine/{DATASET}?rule={SORT[0]}&attribute={SORT[1]}"
    without = context_of(chromium, scripts=False).new_page()
    running.world.come_in(without, "dana", place)
    dana.goto(running.url(place))
    for page, label in ((without, "Keep out"), (dana, "Let in")):
        page.get_by_role("checkbox").check()
        chosen = page.locator("#files")
        chosen.get_by_role("radio", name=label).check()
        chosen.get_by_label("Why").fill("A screenshot")
        chosen.get_by_role("button", name="Decide about these files").click()
    expect(without.get_by_text("No file fits")).to_be_visible()
    expect(dana.get_by_text("was decided already: rejected")).to_be_visible()
    look(dana, "quarantined-decided-already")
    assert [one.state for one in running.data.files(None) if one.reason == "A screenshot"] == [S.rejected]
    without.context.close()


def test_no_stranger_comes_in(running: Running, chromium: Browser) -> None:
    page = context_of(chromium).new_page()
    running.world.come_in(page, "alice")
    assert page.get_by_role("link", name="Quarantine").count() == 0
    page.goto(running.url(f"/quarantine/{DATASET}"))
    expect(page.get_by_text("It needs the role data-manager")).to_be_visible()
    page.context.close()
