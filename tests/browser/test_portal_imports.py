"""Files come in, in a real Chromium: one researcher, one checker from outside.

Gateway, Hub and portal run as programs, the controller's own reconciler in this process; checker and storekeeper are
stood in for. `TRE_SHOTS=DIRECTORY` keeps a picture of every page at two widths.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.portal_world import Installed, an_installation
from tests.browser.test_portal_airlock import look
from tests.browser.test_portal_keyboard import press, reach, write
from tests.browser.test_portal_pages import context_of, watch
from tests.unit.portal.exports_world import PROJECT, sha
from tests.unit.portal.extracts_world import grid, keep, table_extract
from tests.unit.portal.imports_world import FILES, PURPOSE, WHEEL, Gate
from tre.airlock.extract import Extract
from tre.airlock.parsed import Card
from tre.domain.exports.models import Finding, Locator, finding_id
from tre.domain.exports.severity import Severity
from tre.domain.imports.states import ImportState
from tre.system.clock import SystemClock

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
ARCHIVE = b"PK an archive that calls itself a text\n"
MESSAGE = "It holds an archive inside, which nobody could look through."


@dataclass
class Running:
    """An installation whose way in works."""

    world: Installed
    gate: Gate

    def __post_init__(self) -> None:
        self.stopping = threading.Event()
        self.broken: list[BaseException] = []
        self.thread = threading.Thread(target=self._control, name="controller")

    def _control(self) -> None:
        try:
            while not self.stopping.wait(0.2):
                self.gate.control(rounds=1)
        except BaseException as error:
            self.broken.append(error)
            raise

    def url(self, path: str) -> str:
        return self.world.settings.origin("desk") + path

    def name_on(self, page: Page) -> str:
        return page.url.rpartition("/")[2]


def what_blocks() -> Finding:
    identifier = finding_id("F04", 1, sha(ARCHIVE), Locator(), MESSAGE)
    return Finding(
        id=identifier, check="F04", check_version=1, severity=Severity.B, sha256=sha(ARCHIVE), message=MESSAGE,
        suggestion="Send the files themselves.",
    )  # fmt: skip


def keep_extracts(world: Installed) -> None:
    """What the checks would keep for the checker to look at."""
    code = Card("code", "lungs/__init__.py", "def segment(film):\n    return film > 0.5\n")
    entries = Card("note", "What is in it", "lungs/__init__.py, 41 bytes; lungs-1.2.0.dist-info/METADATA, 80 bytes")
    keep(world, FILES[WHEEL], Extract(type="wheel", size=8, cards=(entries, code)), "wheel")
    keep(world, FILES["lookup.csv"], table_extract(grid(40, 3)))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with an_installation(tmp_path_factory.mktemp("imports") / "root") as world:
        made = Running(world, Gate(world, clock=SystemClock()).furnish())
        made.gate.findings = [what_blocks()]
        keep_extracts(world)
        made.thread.start()
        try:
            yield made
        finally:
            made.stopping.set()
            made.thread.join(20)
        assert made.broken == []


@pytest.fixture(scope="module")
def people(running: Running, chromium: Browser) -> Iterator[dict[str, Page]]:
    pages = {}
    for name in ("alice", "chris"):
        pages[name] = context_of(chromium).new_page()
        running.world.come_in(pages[name], name, "/imports")
    yield pages
    for page in pages.values():
        page.context.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a researcher has on their own computer."""
    for path, data in {**FILES, "odd.txt": ARCHIVE, "tools/clean.py": b"print(1)\n"}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    return tmp_path


def send(running: Running, alice: Page, folder: Path) -> str:
    """Several files, then a whole folder; what blocks is taken out; then words, and it is submitted."""
    look(alice, "imports-list-empty")
    alice.goto(running.url(f"/imports/new?grant={PROJECT}"))
    look(alice, "imports-new")
    alice.get_by_role("button", name="Begin").click()
    alice.wait_for_url("**/imports/i-*")
    look(alice, "imports-draft-empty")
    alice.get_by_label("Files to send", exact=True).set_input_files(
        [folder / name for name in (WHEEL, "lookup.csv", "odd.txt")]
    )
    alice.get_by_role("button", name="Send and check").click()
    expect(alice.get_by_text(MESSAGE)).to_be_visible()  # no reload by hand
    expect(alice.get_by_text("Not ready yet.")).to_be_visible()
    look(alice, "imports-draft-blocked")
    alice.get_by_role("button", name="Take out odd.txt").click()
    expect(alice.get_by_text(MESSAGE)).to_have_count(0)
    alice.get_by_label("A whole folder to send").set_input_files(folder / "tools")
    alice.get_by_role("button", name="Send and check").click()
    expect(alice.get_by_role("heading", name="tools/clean.py")).to_be_visible()
    expect(alice.get_by_role("button", name="Submit to the checkers")).to_be_visible()
    alice.get_by_label("What the files are for").fill("lungs")
    alice.get_by_role("button", name="Submit to the checkers").click()
    expect(alice).to_have_title(re.compile("^Error: "))
    expect(alice.locator(".nhsuk-error-summary")).to_be_focused()
    look(alice, "imports-draft-error")
    alice.get_by_label("What the files are for").fill(PURPOSE)
    alice.get_by_role("button", name="Submit to the checkers").click()
    expect(alice.get_by_text("With the checkers").first).to_be_visible()
    look(alice, "imports-submitted")
    return running.name_on(alice)


def decide(running: Running, chris: Page, name: str) -> None:
    """Look at the content of a package and of a table; decide nothing, then yes."""
    chris.goto(running.url("/imports"))
    look(chris, "imports-queue")
    chris.get_by_role("link", name=name).click()
    look(chris, "imports-review")
    chris.get_by_role("link", name=f"Look at the content of {WHEEL}").click()
    expect(chris.get_by_text("def segment(film)")).to_be_visible()
    look(chris, "imports-file")
    chris.get_by_role("link", name="Next file: lookup.csv").click()
    look(chris, "imports-file-table")
    chris.get_by_role("link", name=f"Request {name}").click()
    chris.get_by_role("button", name="Decide").click()
    expect(chris).to_have_title(re.compile("^Error: "))
    look(chris, "imports-review-error")
    chris.get_by_label("Let them in").check()
    chris.get_by_role("button", name="Decide").click()
    expect(chris.get_by_role("heading", name="Where the files are")).to_be_visible()  # no reload by hand
    look(chris, "imports-review-placed")


@pytest.mark.soak
def test_files_come_in_and_go_again(running: Running, people: dict[str, Page], folder: Path) -> None:
    alice, chris = people["alice"], people["chris"]
    complaints = [watch(page)[0] for page in people.values()]
    name = send(running, alice, folder)
    decide(running, chris, name)
    alice.reload()
    command = f"pip install --no-index -f /inbox/{name} lungs==1.2.0"
    expect(alice.get_by_text(command, exact=True)).to_be_visible()
    expect(alice.get_by_text(f"/inbox/{name}/tools/clean.py", exact=True)).to_be_visible()
    look(alice, "imports-placed")
    alice.goto(running.url("/imports"))
    look(alice, "imports-list")
    chris.get_by_role("textbox", name="Why").fill("Its licence forbids this use.")
    chris.get_by_role("button", name="Take away").click()
    expect(chris.get_by_text("Taken away").first).to_be_visible()
    alice.goto(running.url(f"/imports/{name}"))
    expect(alice.get_by_text("Its licence forbids this use.")).to_be_visible()
    expect(alice.get_by_text(command, exact=True)).to_have_count(0)
    look(alice, "imports-taken-away")
    assert running.gate.request(name).state is ImportState.Removed
    assert complaints == [[], []]


def test_with_the_keyboard_alone(running: Running, people: dict[str, Page], folder: Path) -> None:
    alice, chris = people["alice"], people["chris"]
    alice.on("filechooser", lambda _: None)  # from now on dialogues are reported, before the first key is pressed
    alice.goto(running.url("/imports"))
    press(alice, alice.get_by_role("button", name="Bring files in"))
    choose = alice.get_by_label("Files to send", exact=True)
    reach(alice, choose)
    with alice.expect_file_chooser() as opened:
        alice.keyboard.press("Enter")
    opened.value.set_files(folder / "lookup.csv")
    press(alice, alice.get_by_role("button", name="Send and check"))
    expect(alice.get_by_text("The checks found nothing in it.")).to_be_visible()
    write(alice, alice.get_by_label("What the files are for"), PURPOSE)
    press(alice, alice.get_by_role("button", name="Submit to the checkers"))
    expect(alice.get_by_text("With the checkers").first).to_be_visible()
    name = running.name_on(alice)
    chris.goto(running.url("/imports"))
    press(chris, chris.get_by_role("link", name=name))
    press(chris, chris.get_by_role("link", name="Look at the content of lookup.csv"))
    press(chris, chris.get_by_role("link", name=f"Request {name}"))
    press(chris, chris.get_by_role("radio", name="Let them in"), "Space")
    press(chris, chris.get_by_role("button", name="Decide"))
    expect(chris.get_by_role("heading", name="Where the files are")).to_be_visible()
    write(chris, chris.get_by_role("textbox", name="Why"), "It was a rehearsal.")
    press(chris, chris.get_by_role("button", name="Take away"))
    expect(chris.get_by_text("Taken away").first).to_be_visible()


def test_without_scripts(running: Running, chromium: Browser, folder: Path) -> None:
    page = context_of(chromium, scripts=False).new_page()
    running.world.come_in(page, "alice", "/imports")
    page.get_by_role("button", name="Bring files in").click()
    page.get_by_label("Folder in the inbox").fill("mine")
    page.get_by_label("Files to send", exact=True).set_input_files(folder / "lookup.csv")
    page.get_by_role("button", name="Send and check").click()
    expect(page.get_by_role("heading", name="mine/lookup.csv")).to_be_visible()  # the page loads itself again
    page.get_by_label("What the files are for").fill(PURPOSE)
    page.get_by_role("button", name="Submit to the checkers").click()
    expect(page.get_by_text("With the checkers").first).to_be_visible()
    page.get_by_role("button", name="Withdraw the request").click()
    expect(page.get_by_text("Withdrawn", exact=True).first).to_be_visible()
    page.context.close()
