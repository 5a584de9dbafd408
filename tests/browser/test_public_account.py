"""A member of the public asks, the team answers, the answer is public: in a real Chromium, without scripts.

Gateway, Hub, portal and the public twin run as programs over one record. `TRE_SHOTS=DIRECTORY` keeps a picture of every
page at two widths.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.portal_world import DESK, Installed, an_installation
from tests.browser.test_portal_airlock import look
from tests.browser.test_portal_pages import context_of, shoot, watch
from tests.unit.portal.account_world import AFTER, BEFORE
from tests.unit.portal.committee_world import PATIENT_REASON, REASON, furnish_committee
from tests.unit.portal.world import GRANT

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
QUESTION = "Who may look at my scan, and <b>for how long</b>?\n\nI had it in 2020."
ANSWER = "Four people of one project, until the end of next year."
COMMENT = "Please keep the number as it is."


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with an_installation(tmp_path_factory.mktemp("account") / "root", (*DESK, "public")) as made:
        made.add_grant(GRANT)
        furnish_committee(made, grant=GRANT)
        yield made


@pytest.fixture(scope="module")
def stranger(chromium: Browser) -> Iterator[BrowserContext]:
    context = context_of(chromium, scripts=False)
    yield context
    context.close()


def public(world: Installed, path: str) -> str:
    return world.settings.origin() + path


def desk(world: Installed, path: str) -> str:
    return world.settings.origin("desk") + path


@pytest.fixture(scope="module")
def team(world: Installed, chromium: Browser) -> Iterator[Page]:
    page = context_of(chromium).new_page()
    world.come_in(page, "olga", "/public")
    yield page
    page.context.close()


def test_a_question_its_answer_and_nothing_unread_in_public(
    world: Installed, stranger: BrowserContext, team: Page
) -> None:
    page = stranger.new_page()
    complaints, _ = watch(page)
    page.goto(public(world, "/questions"))
    look_without_scripts(page, "account-ask")
    page.get_by_label("Your question").fill(QUESTION)
    page.get_by_role("button", name="Send the question").click()
    expect(page.get_by_role("heading", name="We have your question", level=1)).to_be_visible()
    address = page.url
    page.goto(public(world, "/questions"))
    expect(page.get_by_text("for how long")).to_have_count(0)
    team.goto(desk(world, "/public"))
    look(team, "account-queue")
    team.get_by_role("link", name="Question q-").click()
    expect(team.get_by_text("<b>for how long</b>")).to_be_visible()
    look(team, "account-item")
    team.get_by_role("textbox", name="The answer").fill(ANSWER)
    team.get_by_role("button", name="Write the answer").click()
    team.get_by_role("button", name="Publish", exact=True).click()
    expect(team.get_by_text("Published", exact=True)).to_be_visible()
    page.goto(address)
    expect(page.get_by_text(ANSWER)).to_be_visible()
    expect(page.get_by_text("<b>for how long</b>")).to_be_visible()
    assert stranger.cookies() == []
    assert complaints == []


def test_an_empty_question_comes_back(world: Installed, stranger: BrowserContext) -> None:
    page = stranger.new_page()
    page.goto(public(world, "/questions"))
    page.get_by_role("button", name="Send the question").click()
    expect(page).to_have_title("Error: Questions – Trusted research environment")
    look_without_scripts(page, "account-ask-error")


def test_a_change_is_opened_commented_and_shown_with_its_meaning(
    world: Installed, stranger: BrowserContext, team: Page
) -> None:
    team.goto(desk(world, "/public/new/consultation"))
    look(team, "account-new-change")
    team.get_by_role("button", name="Open it for comment").click()
    expect(team.get_by_text("There is a problem")).to_be_visible()
    look(team, "account-new-change-error")
    team.get_by_label("In one line").fill("Hide smaller counts")
    team.get_by_label("Why, in plain words").fill("We want to hide counts below 8 instead of 10.")
    last = world.clock.now() + timedelta(days=60)
    team.get_by_label("The last day for comments").fill(f"{last:%Y-%m-%d}")
    team.get_by_label("The file as it is").fill(BEFORE)
    team.get_by_label("The file as it would be").fill(AFTER)
    team.get_by_role("button", name="Open it for comment").click()
    expect(team.get_by_role("heading", name="Hide smaller counts", level=1)).to_be_visible()
    look(team, "account-change-desk")
    page = stranger.new_page()
    page.goto(public(world, "/consultations"))
    page.get_by_role("link", name="Hide smaller counts").click()
    expect(page.get_by_text("smaller counts need an exception")).to_be_visible()
    page.get_by_label("Your comment").fill(COMMENT)
    page.get_by_role("button", name="Send the comment").click()
    expect(page.get_by_role("heading", name="We have your comment")).to_be_visible()
    look_without_scripts(page, "account-change-thanks")
    team.goto(desk(world, "/public"))
    team.get_by_role("link", name="Comment c-").click()
    team.get_by_role("button", name="Publish", exact=True).click()
    page.goto(page.url.removesuffix("/thanks"))
    expect(page.get_by_text(COMMENT)).to_be_visible()


def test_an_incident_and_a_complaint(world: Installed, team: Page) -> None:
    day = f"{world.clock.now() - timedelta(days=2):%Y-%m-%d}"
    team.goto(desk(world, "/public/new/incident"))
    look(team, "account-new-incident")
    team.get_by_label("In one line").fill("A list was sent to the wrong project")
    team.get_by_label("The day it happened").fill(day)
    team.get_by_label("What kind").select_option("disclosure")
    team.get_by_label("The project that it concerns").fill("nothing-such")
    team.get_by_role("button", name="Publish it").click()
    expect(team.get_by_text("There is a problem")).to_be_visible()
    look(team, "account-new-incident-error")
    team.get_by_label("The project that it concerns").fill(GRANT)
    team.get_by_label("What happened, in plain words").fill("A list of scans reached people who had no right to it.")
    team.get_by_label("What was done so far").fill("They deleted it on the same day.")
    team.get_by_role("button", name="Publish it").click()
    look(team, "account-incident-desk")
    act = team.get_by_role("region", name="Correct")
    act.get_by_label("What happened, in plain words").fill("A list of twelve scans reached people who had no right.")
    act.get_by_label("What is corrected, and why").fill("The number was missing.")
    act.get_by_role("button", name="Correct").click()
    team.get_by_role("button", name="Everything is done").click()
    team.goto(desk(world, "/public/new/complaint"))
    team.get_by_label("The day it came").fill(day)
    team.get_by_role("button", name="Start the clock").click()
    look(team, "account-complaint-desk")
    team.get_by_label("What the complaint was about").fill("An answer came too late.")
    team.get_by_label("What came of it").fill("We said sorry, and put one more person on it.")
    team.get_by_role("button", name="Answered").click()
    expect(team.get_by_text("Answered", exact=True)).to_be_visible()


def test_an_outcome_from_a_member_to_the_public(world: Installed, chromium: Browser, team: Page) -> None:
    page = context_of(chromium).new_page()
    world.come_in(page, "alice", f"/projects/{GRANT}")
    look(page, "account-project")
    page.get_by_role("link", name="Tell the public what came of it").click()
    look(page, "account-report")
    page.get_by_role("button", name="Send it to the team").click()
    expect(page.get_by_text("There is a problem")).to_be_visible()
    page.get_by_label("A paper").check()
    page.get_by_label("In plain words").fill("A score tells early who will need help with breathing.")
    page.get_by_label("DOI of the paper, if there is one").fill("https://doi.org/10.1000/xyz123")
    page.get_by_role("button", name="Send it to the team").click()
    expect(page.get_by_text("Waits", exact=True)).to_be_visible()
    look(page, "account-reported")
    team.goto(desk(world, "/public"))
    team.get_by_role("link", name="Outcome o-").click()
    look(team, "account-outcome-desk")
    team.get_by_role("button", name="Publish", exact=True).click()
    expect(team.get_by_text("Published", exact=True)).to_be_visible()


PAGES = {
    "account-front": "/",
    "account-questions": "/questions",
    "account-incidents": "/incidents",
    "account-complaints": "/complaints",
    "account-changes": "/consultations",
    "account-outcomes": "/outcomes",
    "account-easy": "/easy",
    "account-glossary": "/glossary",
    "account-committee": "/committee",
    "account-declined": "/declined",
    "account-totals": "/totals",
    "account-public-project": f"/projects/{GRANT}",
}


@pytest.mark.parametrize("name", PAGES)
def test_every_public_page_with_data(world: Installed, chromium: Browser, name: str) -> None:
    context = context_of(chromium)
    page = context.new_page()
    complaints, asked = watch(page)
    page.goto(public(world, PAGES[name]))
    look(page, name)
    assert context.cookies() == []
    assert complaints == []
    assert {address.split("/")[2] for address in asked} == {world.settings.origin().split("/")[2]}
    context.close()


def test_a_stranger_finds_out_who_decides_and_what_was_declined(world: Installed, stranger: BrowserContext) -> None:
    page = stranger.new_page()
    page.goto(public(world, "/"))
    page.get_by_role("link", name="Who sits in the committee").click()
    expect(page.get_by_text("Member pat")).to_be_visible()
    page.get_by_role("link", name="what it said no to").click()
    expect(page.get_by_text(REASON)).to_be_visible()
    expect(page.get_by_text(PATIENT_REASON)).to_be_visible()
    page.goto(public(world, f"/projects/{GRANT}"))
    expect(page.get_by_text("We want to read what comes of it.")).to_be_visible()
    page.get_by_role("link", name="A list was sent to the wrong project").click()
    expect(page.get_by_text("Data reached somebody who should not have had it")).to_be_visible()
    assert stranger.cookies() == []


def test_one_question_and_one_change(world: Installed, chromium: Browser) -> None:
    context = context_of(chromium)
    page = context.new_page()
    page.goto(public(world, "/questions"))
    page.get_by_role("link", name="Question of").first.click()
    look(page, "account-question")
    page.goto(public(world, "/consultations"))
    page.get_by_role("link", name="Hide smaller counts").click()
    look(page, "account-change")
    page.goto(page.url + "/thanks")
    look(page, "account-thanks")
    assert context.cookies() == []
    context.close()


def look_without_scripts(page: Page, name: str) -> None:
    """Axe needs a script, so that here only a picture is kept; the same pages are looked at with scripts below."""
    shoot(page, name)
