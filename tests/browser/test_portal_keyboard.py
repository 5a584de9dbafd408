"""What people come to do, done with the keyboard alone: opening, asking, voting, releasing, suspending.

Every step goes by Tab to where it acts, as somebody without a pointer does it, and the place must show that it has
the focus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_portal_airlock import DONE, SHOWN, SOON, Running, running
from tests.browser.test_portal_pages import context_of
from tests.unit.portal.exports_world import OTHER, PROJECT

__all__ = ["running"]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
MOST_TABS = 80
LOOK = """place => { const style = getComputedStyle(place.matches('input[type=radio], input[type=checkbox]')
    ? place.parentElement : place); const box = getComputedStyle(place.labels?.[0] ?? place, '::before');
    return [style, box].map(s => [s.outline, s.boxShadow, s.backgroundColor, s.border].join()).join(); }"""


@pytest.fixture(scope="module")
def pages(running: Running, chromium: Browser) -> Iterator[dict[str, Page]]:
    found = {}
    for name in ("alice", "chris", "chloe", "olga"):
        found[name] = context_of(chromium).new_page()
        running.world.come_in(found[name], name)
    yield found
    for page in found.values():
        page.context.close()


def reach(page: Page, place: Locator) -> None:
    """Press Tab until the place has the focus, and see that it shows."""
    expect(place).to_be_visible()
    before = place.evaluate(LOOK)
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if place.evaluate("place => place === document.activeElement"):
            assert place.evaluate(LOOK) != before, "the focus cannot be seen"
            return
    raise AssertionError(f"{place} cannot be reached by keyboard")


def press(page: Page, place: Locator, key: str = "Enter") -> None:
    reach(page, place)
    page.keyboard.press(key)


def write(page: Page, place: Locator, text: str) -> None:
    reach(page, place)
    page.keyboard.type(text)


def test_a_researcher_opens_a_workspace(running: Running, pages: dict[str, Page]) -> None:
    page = pages["alice"]
    page.goto(running.url("/"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    press(page, page.get_by_role("button", name="Open workspace").first)
    expect(page.get_by_text("Waiting to start")).to_be_visible()
    press(page, page.get_by_role("button", name="Stop the start"))
    expect(page.get_by_role("button", name="Open it")).to_be_visible()


def ask(running: Running, page: Page) -> str:
    page.goto(running.url(f"/exports/new?grant={PROJECT}"))
    press(page, page.get_by_role("button", name="Begin"))
    expect(page.get_by_role("group", name="Files in your outbox")).to_be_visible()
    press(page, page.get_by_label(re.compile("^ages.csv")), "Space")
    write(page, page.get_by_role("textbox", name="Group"), "Ages")
    write(page, page.get_by_role("textbox", name="What the files show"), SHOWN)
    write(page, page.get_by_role("textbox", name="What was done"), DONE)
    write(page, page.get_by_role("textbox", name="From how many people"), "2500")
    write(page, page.get_by_role("textbox", name="How it relates"), "Nothing left before.")
    press(page, page.get_by_role("button", name="Copy and check these files"))
    expect(page.get_by_text("Everything that the rules ask for is there.")).to_be_visible()
    press(page, page.get_by_role("button", name="Submit to the checkers"))
    expect(page.get_by_text("With the checkers").first).to_be_visible()
    return page.url.rpartition("/")[2]


def vote(running: Running, page: Page, export: str) -> None:
    page.goto(running.url("/reviews"))
    press(page, page.get_by_role("link", name=export))
    press(page, page.get_by_role("link", name="Look at the file"))
    press(page, page.get_by_role("radio", name="Approve"), "Space")
    press(page, page.get_by_role("button", name="Keep this vote"))
    press(page, page.get_by_role("button", name="Submit your review"))
    expect(page.get_by_text("Your review is in")).to_be_visible()


def test_results_leave(running: Running, pages: dict[str, Page]) -> None:
    alice, chris = pages["alice"], pages["chris"]
    export = ask(running, alice)
    vote(running, chris, export)
    vote(running, pages["chloe"], export)
    chris.goto(running.url(f"/reviews/{export}"))
    write(chris, chris.get_by_label("Type 1, the number of files"), "1")
    press(chris, chris.get_by_role("button", name="Release", exact=True))
    expect(chris.get_by_role("heading", name="Call it back")).to_be_visible(timeout=SOON)
    alice.goto(running.url(f"/exports/{export}"))
    with alice.expect_download() as started:
        press(alice, alice.get_by_role("link", name=f"Download {export}.zip"))
    assert started.value.suggested_filename == f"{export}.zip"


def test_an_operator_suspends_and_lifts(running: Running, pages: dict[str, Page]) -> None:
    page = pages["olga"]
    page.goto(running.url("/grants"))
    press(page, page.get_by_role("link", name=OTHER))
    suspend = page.get_by_role("region", name="Suspend")
    write(page, suspend.get_by_label("Why"), "Training has run out")
    press(page, suspend.get_by_role("button", name="Suspend"))
    expect(page.get_by_text("Suspended").first).to_be_visible()
    press(page, page.get_by_role("button", name="Lift the suspension of grant"))
    expect(page.get_by_role("button", name="Lift the suspension of grant")).to_have_count(0)
