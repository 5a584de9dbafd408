"""The public pages in a language whose texts are a third longer: in a real Chromium, at two widths, without scripts.

`TRE_SHOTS=DIRECTORY` keeps a picture of every page at two widths.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.portal_world import Installed, an_installation
from tests.browser.test_portal_airlock import look
from tests.browser.test_portal_pages import context_of, furnish, watch
from tests.support.pseudo import CODE, OWN_NAME, speak_pseudo, unmarked
from tests.unit.portal.committee_world import furnish_committee
from tests.unit.portal.world import GRANT

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
PAGES = {
    "front": "/",
    "projects": "/projects",
    "none-fits": "/projects?q=nowhere&state=ended",
    "project": f"/projects/{GRANT}",
    "told": "/projects/told",
    "data": "/data",
    "dataset": "/data/nccid",
    "hospitals": "/hospitals?q=RXX",
    "totals": "/totals",
    "log": "/log",
    "questions": "/questions",
    "changes": "/consultations",
    "incidents": "/incidents",
    "complaints": "/complaints",
    "outcomes": "/outcomes",
    "committee": "/committee",
    "declined": "/declined",
    "easy": "/easy",
    "glossary": "/glossary",
    "404": "/nothing",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    root = tmp_path_factory.mktemp("languages") / "root"
    speak_pseudo(root)
    with an_installation(root, ("public", "gateway"), languages=["en", CODE]) as made:
        furnish(made)
        furnish_committee(made, grant="told")
        yield made


@pytest.fixture(scope="module")
def reader(chromium: Browser) -> Iterator[Page]:
    context = context_of(chromium)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(reader: Page) -> Iterator[Page]:
    """A reader's page; nothing is kept in the browser."""
    yield reader
    assert reader.context.cookies() == []


@pytest.mark.parametrize("name", PAGES)
def test_every_page_with_longer_words(world: Installed, page: Page, name: str) -> None:
    complaints, asked = watch(page)
    page.goto(f"{world.settings.origin()}/{CODE}{PAGES[name]}")
    assert unmarked(page.content()) == []
    look(page, f"language-{name}")
    assert [text for text in complaints if "404" not in text] == []
    assert {address.split("/")[2] for address in asked} == {world.settings.origin().split("/")[2]}


def test_a_reader_chooses_goes_on_in_it_and_comes_back(world: Installed, page: Page) -> None:
    page.goto(world.settings.origin() + "/projects?q=chest")
    expect(page.locator("html")).to_have_attribute("lang", "en-GB")
    page.get_by_role("link", name=OWN_NAME).click()
    expect(page.locator("html")).to_have_attribute("lang", CODE)
    expect(page.locator("#q")).to_have_value("chest")
    page.get_by_role("link", name="Severity scoring").click()
    expect(page).to_have_url(f"{world.settings.origin()}/{CODE}/projects/{GRANT}")
    page.goto(f"{world.settings.origin()}/{CODE}/questions")
    page.locator("button[type=submit]").click()
    expect(page.locator("html")).to_have_attribute("lang", CODE)
    assert unmarked(page.content()) == []
    look(page, "language-error")
    page.goto(f"{world.settings.origin()}/{CODE}/")
    page.get_by_role("link", name="English").click()
    expect(page).to_have_url(f"{world.settings.origin()}/en/")


def test_a_browser_is_answered_in_its_language(world: Installed, chromium: Browser) -> None:
    for locale, expected in ((f"{CODE}-GB", CODE), ("fr-FR", "en-GB")):
        context = chromium.new_context(locale=locale)
        page = context.new_page()
        page.goto(world.settings.origin() + "/")
        expect(page.locator("html")).to_have_attribute("lang", expected)
        context.close()
