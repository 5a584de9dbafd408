"""From an application over the votes of different people to what came of the project, in a real Chromium.

Six people take part: a researcher, four members of the committee, an operator; and a stranger reads what was
published. Gateway, Hub, portal, its public twin, storekeeper and controller run as programs over one record, and a real
mail server takes their letters: nobody signs a file, and nothing is typed twice. `TRE_SHOTS=DIRECTORY` keeps a picture
of every page at two widths.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

import pikepdf
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.applying_walk import (
    PATIENCE,
    fill,
    furnish,
    get,
    go_on,
    page_of,
    phase,
    url,
    without_scripts,
)
from tests.browser.portal_world import WAY_IN, Installed, an_installation, until
from tests.browser.test_portal_airlock import look
from tests.browser.test_portal_keyboard import press, reach, write
from tests.browser.test_portal_pages import context_of
from tests.support.mail_server import Mailbox, good_server
from tests.unit.portal.applying_world import CONTENT, MEMBERS
from tre.domain.applications.states import ApplicationState
from tre.domain.grants.states import GrantPhase

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
S = ApplicationState
FOUND = "A score tells early who will need help with breathing."


class Letterbox(NamedTuple):
    """A mail server, what it took, and its port."""

    box: Mailbox
    port: int

    def told(self, name: str, words: str) -> bool:
        """Whether somebody got a letter with these words in its subject."""
        taken = [message["Subject"] for _, to, message in self.box.taken if to == [f"{name}@example.org"]]
        return any(words in str(subject) for subject in taken)


@pytest.fixture(scope="module")
def letterbox() -> Iterator[Letterbox]:
    box = Mailbox()
    with good_server(box) as port:
        yield Letterbox(box, port)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, letterbox: Letterbox) -> Iterator[Installed]:
    place = tmp_path_factory.mktemp("applying")
    mail = {"host": "127.0.0.1", "port": letterbox.port, "security": "none", "sender": "tre@example.org"}
    with an_installation(place / "root", (*WAY_IN, "storekeeper"), mail=mail) as made:
        furnish(made, place / "delivery")
        made.start(("controller",))
        yield made


def write_it(world: Installed, page: Page) -> str:
    """The whole form, step by step; the identifier of the application."""
    look(page, "applying-none")
    page.get_by_role("button", name="Begin an application").click()
    expect(page.get_by_role("heading", name="Untitled application")).to_be_visible()
    name = page.url.rpartition("/")[2]
    look(page, "applying-draft")
    page.get_by_role("link", name="The project", exact=True).click()
    page.get_by_role("button", name="Save and check").click()
    expect(page.locator(".nhsuk-error-summary")).to_be_focused()
    look(page, "applying-problems")
    page.get_by_role("link", name="Title: fill this in").click()
    expect(page.get_by_label("Title", exact=True)).to_be_focused()
    fill(page, "Title", text=CONTENT["title"])
    fill(page, "Summary in plain words", text=CONTENT["laySummary"])
    fill(page, "Who benefits, and how", "What the data are for", "How it is done", text="To find ill people sooner.")
    page.get_by_label("Kind of research").select_option("disease")
    go_on(page)
    _people(page)
    _data(page)
    _law(world, page)
    return name


def _people(page: Page) -> None:
    expect(page.get_by_role("heading", name="The people", level=1)).to_be_visible()
    page.locator("#organisation-name").fill("University")
    page.locator("#organisation-id").fill("org-1")
    page.locator("#organisation-sector").fill("academic")
    page.get_by_role("group", name="Is it a company").get_by_label("No").check()
    expect(page.locator("#people-0-name")).to_have_value("Alice Able")
    page.locator("#people-0-jobTitle").fill("Researcher")
    page.locator("#people-0-organisation").fill("University")
    page.locator("#people-1-name").fill("Bob Baker")
    page.locator("#people-1-jobTitle").fill("Statistician")
    page.locator("#people-1-organisation").fill("University")
    page.locator("#people-1-subject-id").fill("bob")
    page.get_by_role("button", name="Add a person").click()
    expect(page.locator("#people-1-subject-issuer")).to_have_value("local")
    expect(page.locator("#people-2-name")).to_have_value("")
    look(page, "applying-people")
    go_on(page)


def _data(page: Page) -> None:
    expect(page.get_by_role("heading", name="The data", level=1)).to_be_visible()
    look(page, "applying-data-none")
    page.get_by_role("link", name="Choose the data").click()
    look(page, "applying-choices")
    page.get_by_role("button", name="Keep these choices").click()
    expect(page.locator(".nhsuk-error-summary")).to_contain_text("tick at least one kind of image")
    look(page, "applying-choices-wrong")
    page.get_by_label("X-ray, digital (DX)").check()
    page.get_by_label("Sex", exact=True).last.check()
    page.get_by_role("button", name="Keep these choices").click()
    page.get_by_label("Name of this part").fill("chest")
    page.get_by_label("Why DX is needed").fill("The score is read from them.")
    page.get_by_label("Why less would not do").fill("One view of each person is the least.")
    page.get_by_role("button", name="Keep the reasons").click()
    expect(page.get_by_role("heading", name="chest")).to_be_visible()
    look(page, "applying-data")
    page.get_by_role("link", name="Change chest").click()
    look(page, "applying-part")
    page.get_by_role("button", name="Show what it would give").click()
    expect(page.get_by_role("heading", name="What this request would give")).to_be_visible(timeout=60_000)
    page.go_back()
    page.get_by_role("link", name="The data").first.click()
    page.get_by_role("link", name="Go on to time, law and money").click()


def _law(world: Installed, page: Page) -> None:
    now = world.clock.now()
    page.get_by_label("Access from").fill(f"{now:%Y-%m-%d}")
    page.get_by_label("Access until").fill(f"{now + timedelta(days=300):%Y-%m-%d}")
    fill(page, "Legal basis", "UK GDPR, Article 6", "UK GDPR, Article 9", "Duty of confidentiality", text="As agreed")
    page.get_by_label("It ends on").fill(f"{now + timedelta(days=400):%Y-%m-%d}")
    page.get_by_label("Ethics approval", exact=True).fill("REC 1/23")
    page.get_by_label("Who pays").fill("A charity")
    look(page, "applying-law")
    go_on(page)
    page.get_by_label("What", exact=True).first.fill("A paper")
    page.get_by_label("By", exact=True).first.fill(f"{now + timedelta(days=200):%Y-%m-%d}")
    look(page, "applying-outputs")
    go_on(page)
    expect(page.get_by_role("heading", name="Documents", level=1)).to_be_visible()
    page.get_by_role("link", name="Look the application through").click()


def test_from_an_application_to_what_came_of_it(world: Installed, chromium: Browser, letterbox: Letterbox) -> None:
    alice = page_of(world, chromium, "alice", "/applications")
    name = write_it(world, alice)
    expect(alice.get_by_text("It is complete.")).to_be_visible()
    look(alice, "applying-complete")
    alice.get_by_role("button", name="Hand it in").click()
    until(lambda: get(world, name).state is S.InReview, "the application is planned", PATIENCE)
    alice.reload()
    look(alice, "applying-review")
    look_at_the_desk(world, chromium, name)
    by_keyboard(world, chromium, name)
    for voter in ("comm", "pat"):
        without_scripts(world, chromium, voter, name)
    until(lambda: get(world, name).state is S.Approved, "it is decided", PATIENCE)
    made = get(world, name).grant
    assert made is not None
    until(lambda: phase(world, made) is GrantPhase.Active, "the project is in force", PATIENCE)
    alice.goto(url(world, f"/applications/{name}"))
    look(alice, "applying-approved")
    alice.goto(url(world, "/"))
    expect(alice.get_by_role("link", name=CONTENT["title"], exact=True)).to_be_visible()
    publish_outcome(world, chromium, alice, made)
    cleo = page_of(world, chromium, "cleo", f"/committee/{name}")
    look(cleo, "deciding-decided")
    stop_it(world, cleo, made)
    check_letters(letterbox, name, made)


def publish_outcome(world: Installed, chromium: Browser, alice: Page, grant: str) -> None:
    """A member tells what came of it, an operator looks and publishes, a stranger without scripts reads."""
    alice.goto(url(world, f"/projects/{grant}"))
    alice.get_by_role("link", name="Tell the public what came of it").click()
    alice.get_by_label("A paper").check()
    alice.get_by_label("In plain words").fill(FOUND)
    alice.get_by_role("button", name="Send it to the team").click()
    expect(alice.get_by_text("Waits", exact=True)).to_be_visible()
    olga = page_of(world, chromium, "olga", "/public")
    olga.get_by_role("link", name="Outcome o-").click()
    olga.get_by_role("button", name="Publish", exact=True).click()
    expect(olga.get_by_text("Published", exact=True)).to_be_visible()
    stranger = context_of(chromium, scripts=False)
    page = stranger.new_page()
    page.goto(f"{world.settings.origin()}/projects/{grant}")
    expect(page.get_by_text(FOUND)).to_be_visible()
    expect(page.get_by_text(CONTENT["laySummary"])).to_be_visible()
    for words in ("What patient members said", "We say yes: pat.", "What members said", "We say yes: comm."):
        expect(page.get_by_text(words)).to_be_visible()
    expect(page.get_by_text("A question worth asking.")).to_have_count(0)
    page.goto(f"{world.settings.origin()}/committee")
    expect(page.get_by_text("Pat Patient")).to_be_visible()
    assert stranger.cookies() == []


def check_letters(letterbox: Letterbox, name: str, grant: str) -> None:
    """Everybody whom it concerns was told, and no letter says more than where to look."""
    asked, approved = f"Application {name} waits for votes", f"Application {name} was approved"
    until(lambda: all(letterbox.told(one, asked) for one in MEMBERS), "the committee is told", PATIENCE)
    until(lambda: letterbox.told("alice", approved), "the applicant is told", PATIENCE)
    until(lambda: letterbox.told("olga", f"Project {grant} is suspended"), "the operator is told", PATIENCE)
    assert not letterbox.told("alice", asked)
    assert not letterbox.told("olga", asked)
    written = "".join(message.as_string() for _, _, message in letterbox.box.taken)
    assert not [words for words in (CONTENT["title"], FOUND, "Sound.", "A complaint.") if words in written]


def look_at_the_desk(world: Installed, chromium: Browser, name: str) -> None:
    """The chair looks at everything and votes."""
    page = page_of(world, chromium, "cleo", "/committee")
    expect(page.get_by_text("1 application waits for your vote")).to_be_visible()
    look(page, "deciding-list")
    for path, shot in (("agenda", "agenda"), ("members", "members"), (f"{name}/plans/chest", "plan")):
        page.goto(url(world, f"/committee/{path}"))
        look(page, f"deciding-{shot}")
    fetch_pack(world, page, name)
    page.goto(url(world, f"/committee/{name}"))
    look(page, "deciding-application")
    page.get_by_role("button", name="Cast the vote").click()
    expect(page.locator(".nhsuk-error-summary")).to_be_focused()
    look(page, "deciding-wrong")
    page.get_by_label("Approve", exact=True).check()
    page.get_by_label("Your reasons").fill("A question worth asking.")
    page.get_by_label("It benefits patients or the public.").check()
    page.get_by_role("button", name="Cast the vote").click()
    expect(page.get_by_text("A question worth asking.")).to_be_visible()
    look(page, "deciding-voted")


def fetch_pack(world: Installed, page: Page, name: str) -> None:
    """The pack is a file that is kept, and the agenda stays where it is."""
    page.goto(url(world, "/committee/agenda"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Fetch the pack").click()
    assert download.value.suggested_filename.startswith("committee-pack-")
    with pikepdf.open(download.value.path()) as document, document.open_outline() as outline:
        assert [item.title for item in outline.root][1:] == [f"1. {CONTENT['title']}"]
    expect(page.get_by_role("heading", name="agenda")).to_be_visible()
    (event,) = world.events("committee.pack-fetched")
    assert list(event.detail["matters"]) == [name]


def by_keyboard(world: Installed, chromium: Browser, name: str) -> None:
    page = page_of(world, chromium, "acme", f"/committee/{name}")
    expect(page.get_by_text("A question worth asking.")).to_have_count(0)
    reach(page, page.get_by_label("Approve", exact=True))
    page.keyboard.press("Space")
    write(page, page.get_by_label("Your reasons"), "Sound.")
    press(page, page.get_by_role("button", name="Cast the vote"))
    expect(page.get_by_text("Sound.")).to_be_visible()


def stop_it(world: Installed, page: Page, grant: str) -> None:
    page.get_by_role("link", name="Stop the project at once").click()
    look(page, "deciding-stop")
    page.get_by_label("Why").fill("A complaint.")
    page.get_by_label(f"Type {grant}").fill(grant)
    page.get_by_role("button", name="Stop it").click()
    expect(page.get_by_text("You have voted to stop it.")).to_be_visible()
    until(lambda: phase(world, grant) is GrantPhase.Suspended, "the project is suspended", PATIENCE)
