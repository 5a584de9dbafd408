"""Results leave, in a real Chromium: one researcher, two checkers, the real checker program, the real log.

Gateway, Hub and portal run as programs; the controller's own relay, reconciler and sequencer run in this process.
`TRE_SHOTS=DIRECTORY` keeps a picture of every page at two widths.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.portal_world import REPOSITORY, Installed, an_installation
from tests.browser.test_portal_pages import WIDTHS, context_of, overflow, shoot, unreachable, watch
from tests.support.chromium import accessibility_faults
from tests.support.indexes import keep_indexes
from tests.unit.portal.exports_world import CLEAN, PROJECT, TABLE, Airlock, sha
from tre.airlock.bundle import verify_bundle
from tre.audit.keys import PUBLIC_KEY_FILE, load_public
from tre.domain.exports.states import ExportState
from tre.store import exports
from tre.system.clock import SystemClock

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
SHOWN = "Numbers of 403 people by sex, from the whole slice"
DONE = "Nothing suppressed: both counts are published in the national report"
SOON = 20_000
"""Milliseconds: a release waits out its delay, its place in the log, and the checker."""

WHY = "Both counts stand in the published national report."


class Running:
    """An installation whose airlock works: the checker as a program, the controller's parts in a thread."""

    def __init__(self, world: Installed) -> None:
        self.world = world
        self.airlock = Airlock(world, clock=SystemClock()).furnish()
        self.airlock.spool.make()
        keep_indexes(world.layout, world.database, PROJECT)
        self.stopping = threading.Event()
        self.broken: list[BaseException] = []

    def start(self) -> None:
        command = [sys.executable, "-m", "tre.checker", "--root", str(self.world.layout.root)]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)}
        with (self.world.layout.logs / "checker.log").open("ab") as log:
            self.checker = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.thread = threading.Thread(target=self._control, name="controller")
        self.thread.start()

    def _control(self) -> None:
        try:
            while not self.stopping.wait(0.2):  # looking costs, too
                self.airlock.relay.step()
                self.airlock.control()
        except BaseException as error:
            self.broken.append(error)
            raise

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join(20)
        self.checker.terminate()
        assert self.checker.wait(20) == 0, self.world.log("checker")
        assert self.broken == []

    def url(self, path: str) -> str:
        return self.world.settings.origin("desk") + path

    def state(self, export: str) -> ExportState:
        with self.world.database.read() as connection:
            return exports.require(connection, export).state


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with an_installation(tmp_path_factory.mktemp("airlock") / "root") as world:
        made = Running(world)
        made.airlock.outbox["model.pkl"] = b"\x80\x04K\x01."
        made.airlock.fill_outbox("alice")
        box = world.layout.outboxes / world.workspace("alice", PROJECT).name
        (box / "shortcut.csv").symlink_to("/etc/passwd")
        made.start()
        try:
            yield made
        finally:
            made.stop()


def look(page: Page, name: str) -> None:
    """Nothing wider than the screen, at two widths, no accessibility fault, nothing out of the keyboard's reach."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        shoot(page, f"airlock-{name}-{width}")
        assert overflow(page) <= 0, f"{name} is wider than {width} pixels"
    assert accessibility_faults(page) == [], name  # where it is narrow: everything is nearer together
    assert unreachable(page) == [], name
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})


@pytest.fixture(scope="module")
def people(running: Running, chromium: Browser) -> Iterator[dict[str, Page]]:
    """Alice, who works in the project, and two checkers from outside, each in a browser of their own."""
    pages = {}
    for name, path in (("alice", "/exports"), ("chris", "/reviews"), ("chloe", "/reviews")):
        pages[name] = context_of(chromium).new_page()
        running.world.come_in(pages[name], name, path)
    yield pages
    for page in pages.values():
        page.context.close()


def begin(running: Running, page: Page) -> str:
    """A new request, its outbox shown without loading the page again by hand."""
    page.goto(running.url("/exports"))
    page.get_by_role("button", name="Take results out").click()
    page.wait_for_url("**/exports/e-*")
    expect(page.get_by_role("group", name="Files in your outbox")).to_be_visible()
    return page.url.rpartition("/")[2]


def review(running: Running, page: Page, export: str, name: str) -> None:
    """Open the request from the queue, vote on each file, submit."""
    page.goto(running.url("/reviews"))
    look(page, f"queue-{name}")
    page.get_by_role("link", name=export).click()
    look(page, f"request-{name}")
    page.get_by_role("link", name="table.csv").click()
    look(page, f"file-{name}")
    vote = page.get_by_role("region", name="Your vote")
    vote.get_by_label("Approve").check()
    vote.get_by_role("button", name="Keep this vote").click()
    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.locator(".nhsuk-error-summary")).to_be_focused()
    look(page, f"file-error-{name}")
    vote.get_by_label("Why an exception is right").fill(WHY)
    vote.get_by_role("button", name="Keep this vote").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("ages.csv")
    vote.get_by_label("Approve").check()
    vote.get_by_role("button", name="Keep this vote").click()
    expect(page.get_by_text("2 of 2 files have your vote")).to_be_visible()
    page.get_by_role("button", name="Submit your review").click()
    expect(page.get_by_text("Your review is in")).to_be_visible()


def ask(running: Running, alice: Page) -> str:
    """A request with a small count, through every refusal, until it is submitted."""
    look(alice, "list-empty")
    alice.goto(running.url(f"/exports/new?grant={PROJECT}"))
    look(alice, "new")
    export = begin(running, alice)
    expect(alice.get_by_label(re.compile("shortcut.csv"))).to_have_count(0)
    look(alice, "choose")
    for path in ("table.csv", "ages.csv", "model.pkl"):
        alice.get_by_label(re.compile(f"^{path}")).check()
    alice.get_by_role("textbox", name="Group").fill("Table 1")
    alice.get_by_role("textbox", name="What the files show").fill("Table 1")
    alice.get_by_role("textbox", name="What was done").fill(DONE)
    alice.get_by_role("textbox", name="From how many people").fill("2,500")
    alice.get_by_role("textbox", name="How it relates").fill("Nothing left before.")
    alice.get_by_role("button", name="Copy and check these files").click()
    expect(alice.get_by_text("row 2, column 2")).to_be_visible()
    expect(alice.get_by_text("Not ready yet.")).to_be_visible()
    look(alice, "draft-blocked")
    alice.get_by_label("What model.pkl is", exact=True).select_option("withdrawn")
    alice.get_by_role("button", name="Set what model.pkl is").click()
    alice.get_by_role("button", name="Submit to the checkers").click()
    expect(alice).to_have_title(re.compile("^Error: "))
    look(alice, "draft-error")
    change = alice.get_by_role("region", name="Table 1")
    change.get_by_label("What the files show").fill(SHOWN)
    change.get_by_role("button", name="Keep these words").click()
    expect(alice.get_by_text("Everything that the rules ask for is there.")).to_be_visible()
    look(alice, "draft-ready")
    alice.get_by_role("button", name="Submit to the checkers").click()
    expect(alice.get_by_text("With the checkers").first).to_be_visible()
    look(alice, "submitted")
    return export


def confirm(running: Running, chris: Page, export: str) -> None:
    """Mistype the confirmation, then type it."""
    chris.goto(running.url(f"/reviews/{export}"))
    chris.get_by_label("Type 2, the number of files").fill("3")
    chris.get_by_role("button", name="Release", exact=True).click()
    expect(chris).to_have_title(re.compile("^Error: "))
    look(chris, "confirm-error")
    chris.get_by_label("Type 2, the number of files").fill("2")
    chris.get_by_role("button", name="Release", exact=True).click()
    expect(chris.get_by_role("heading", name="Stop the release")).to_be_visible()


def return_a_second(running: Running, alice: Page, chloe: Page) -> None:
    """The same bytes once more: the desk says that they left before; it goes back with words."""
    alice.goto(running.url("/exports"))
    look(alice, "list")
    second = begin(running, alice)
    alice.get_by_label(re.compile("^ages.csv")).check()
    alice.get_by_role("textbox", name="Group").fill("Table 1 again")
    alice.get_by_role("textbox", name="What the files show").fill(SHOWN)
    alice.get_by_role("textbox", name="What was done").fill(DONE)
    alice.get_by_role("textbox", name="From how many people").fill("2,500")
    alice.get_by_role("textbox", name="How it relates").fill("Nothing left before.")
    alice.get_by_role("button", name="Copy and check these files").click()
    expect(alice.get_by_text("Everything that the rules ask for is there.")).to_be_visible()
    alice.get_by_role("button", name="Submit to the checkers").click()
    chloe.goto(running.url(f"/reviews/{second}"))
    expect(chloe.get_by_text("These very bytes")).to_be_visible()
    chloe.get_by_role("link", name="ages.csv").first.click()
    look(chloe, "file-left-before")
    chloe.goto(running.url(f"/reviews/{second}"))
    chloe.get_by_label("What should change").fill("Please say how this differs from the first table.")
    chloe.get_by_role("button", name="Return", exact=True).click()
    expect(chloe.get_by_text("Written to the researcher")).to_be_visible()
    alice.goto(running.url(f"/exports/{second}"))
    expect(alice.get_by_text("Please say how this differs")).to_be_visible()
    look(alice, "returned")


def recall(running: Running, chris: Page, alice: Page, export: str) -> None:
    """Called back: the words reach the project, the download is gone."""
    chris.goto(running.url(f"/reviews/{export}"))
    chris.get_by_label("Why, and what to do with copies").fill("Destroy every copy: a count was wrong.")
    chris.get_by_role("button", name="Recall").click()
    expect(chris.get_by_text("Recalled").first).to_be_visible()
    alice.goto(running.url(f"/exports/{export}"))
    expect(alice.get_by_text("Destroy every copy")).to_be_visible()
    expect(alice.get_by_role("link", name=f"Download {export}.zip")).to_have_count(0)
    look(alice, "recalled")


def test_two_people_let_results_out(running: Running, people: dict[str, Page], tmp_path: Path) -> None:
    alice, chris, chloe = people["alice"], people["chris"], people["chloe"]
    complaints = [watch(page)[0] for page in people.values()]
    export = ask(running, alice)
    review(running, chris, export, "first")
    look(chris, "request-submitted")
    review(running, chloe, export, "second")
    expect(chloe.get_by_role("heading", name="The votes side by side")).to_be_visible()
    look(chloe, "consolidation")
    alice.goto(running.url(f"/exports/{export}"))
    look(alice, "being-decided")

    confirm(running, chris, export)
    alice.reload()
    expect(alice.get_by_text("Files packed and released")).to_be_visible()
    shoot(alice, "airlock-leaving-1280")
    expect(alice.get_by_role("link", name=f"Download {export}.zip")).to_be_visible(timeout=SOON)  # no reload by hand
    expect(chris.get_by_role("heading", name="Call it back")).to_be_visible(timeout=SOON)
    assert running.state(export) is ExportState.Released
    look(alice, "released")
    look(chris, "review-released")

    with alice.expect_download() as started:
        alice.get_by_role("link", name=f"Download {export}.zip").click()
    got = tmp_path / started.value.suggested_filename
    started.value.save_as(got)
    assert alice.locator("code", has_text=sha(got.read_bytes())).count() == 1
    report = verify_bundle(got, load_public(running.world.layout.keys / PUBLIC_KEY_FILE))
    assert {file.path: file.sha256 for file in report.files} == {"table.csv": sha(TABLE), "ages.csv": sha(CLEAN)}
    assert {checker.id for checker in report.checkers} == {"chris", "chloe"}

    return_a_second(running, alice, chloe)
    recall(running, chris, alice, export)
    assert complaints == [[], [], []]


ROUNDED = b"sex,n_patients\nF,<10\nM,400\n"


def vote_on(page: Page, running: Running, export: str, path: str, words: str = "") -> None:
    """Approve one file, or ask for changes with words."""
    page.goto(running.url(f"/reviews/{export}"))
    page.get_by_role("link", name=path).first.click()
    if (box := page.get_by_label("Why an exception is right")).count():
        box.first.fill(WHY)
    page.get_by_role("radio", name="Ask for changes" if words else "Approve").check()
    page.get_by_label("Comment", exact=True).fill(words)
    page.get_by_role("button", name="Keep this vote").click()


def hand_in(page: Page, running: Running, export: str) -> None:
    page.goto(running.url(f"/reviews/{export}"))
    page.get_by_role("button", name="Submit your review").click()


def disagree(running: Running, chris: Page, chloe: Page, export: str) -> None:
    """Chris takes it and approves both; Chloe writes a comment and asks for changes; the desk names the file."""
    chris.goto(running.url(f"/reviews/{export}"))
    chris.get_by_role("button", name="Take it").click()
    expect(chris.get_by_text("You have it in hand until")).to_be_visible()
    for path in ("table.csv", "ages.csv"):
        vote_on(chris, running, export, path)
    hand_in(chris, running, export)
    vote_on(chloe, running, export, "ages.csv")
    vote_on(chloe, running, export, "table.csv", "Three women are too few to show.")
    chloe.goto(running.url(f"/reviews/{export}"))
    chloe.get_by_role("link", name="table.csv").first.click()
    chloe.locator("summary", has_text="Comment").click()
    chloe.get_by_label("Words").fill("Is this the count after linkage?")
    chloe.get_by_label("Who reads it").select_option("public")
    chloe.get_by_role("button", name="Keep this comment").click()
    expect(chloe.get_by_text("Is this the count after linkage?")).to_be_visible()
    look(chloe, "file-commented")
    hand_in(chloe, running, export)
    expect(chloe.get_by_text("The reviews disagree.")).to_be_visible()
    look(chloe, "conflict")


def change_and_submit_again(running: Running, alice: Page, export: str) -> None:
    """The author reads the comment, answers it, exchanges the file and submits once more."""
    alice.goto(running.url(f"/exports/{export}"))
    expect(alice.get_by_text("Is this the count after linkage?")).to_be_visible()
    alice.locator("summary", has_text="Answer the checkers on table.csv").click()
    alice.get_by_label("Words").locator("visible=true").fill("Yes. It is suppressed now.")
    alice.get_by_role("button", name="Keep this comment on table.csv").click()
    look(alice, "answered")
    box = running.world.layout.outboxes / running.world.workspace("alice", PROJECT).name
    (box / "table.csv").write_bytes(ROUNDED)
    alice.get_by_role("button", name="Look into the outbox again").click()
    alice.locator("summary", has_text="Choose more, or newer").click()
    alice.get_by_label(re.compile("^table.csv")).check()
    alice.get_by_label("Group", exact=True).fill("Table 1")
    alice.get_by_role("button", name="Copy and check these files").click()
    expect(alice.get_by_text("Everything that the rules ask for is there.")).to_be_visible()
    alice.get_by_role("button", name="Submit to the checkers").click()
    expect(alice.get_by_text("With the checkers").first).to_be_visible()


@pytest.mark.soak
def test_a_conflict_and_a_second_round(running: Running, people: dict[str, Page], tmp_path: Path) -> None:
    """Votes disagree, one file is changed, the vote on the other is kept and confirmed, and a link hands it out."""
    alice, chris, chloe = people["alice"], people["chris"], people["chloe"]
    export = begin(running, alice)
    for path in ("table.csv", "ages.csv"):
        alice.get_by_label(re.compile(f"^{path}")).check()
    for name, words in (
        ("Group", "Table 1"),
        ("What the files show", SHOWN),
        ("What was done", DONE),
        ("From how many people", "403"),
        ("How it relates", "The first table again."),
    ):
        alice.get_by_role("textbox", name=name).fill(words)
    alice.get_by_role("button", name="Copy and check these files").click()
    expect(alice.get_by_text("Everything that the rules ask for is there.")).to_be_visible()
    alice.get_by_role("button", name="Submit to the checkers").click()
    expect(alice.get_by_text("With the checkers").first).to_be_visible()
    disagree(running, chris, chloe, export)
    chloe.get_by_label("Begin with").first.select_option("Small counts")
    chloe.get_by_role("button", name="Use these words to return").click()
    expect(chloe.get_by_label("What should change")).to_have_value(re.compile("below the threshold"))
    chloe.get_by_role("button", name="Return", exact=True).click()
    change_and_submit_again(running, alice, export)
    for page in (chris, chloe):
        page.goto(running.url(f"/reviews/{export}"))
        expect(page.get_by_text("1 vote of yours is kept")).to_be_visible()
        look(page, "kept")
        page.get_by_role("button", name="Confirm the kept votes").click()
        vote_on(page, running, export, "table.csv")
        hand_in(page, running, export)
    confirm(running, chris, export)
    expect(chris.get_by_role("heading", name="Call it back")).to_be_visible(timeout=SOON)
    alice.goto(running.url(f"/exports/{export}"))
    alice.get_by_role("button", name="Make a one-time link").click()
    look(alice, "link")
    chloe.goto(alice.get_by_label("Address").input_value())
    look(chloe, "release-by-link")
    with chloe.expect_download() as started:
        chloe.get_by_role("button", name="Download").click()
    got = tmp_path / started.value.suggested_filename
    started.value.save_as(got)
    report = verify_bundle(got, load_public(running.world.layout.keys / PUBLIC_KEY_FILE))
    assert {file.path: file.sha256 for file in report.files} == {"table.csv": sha(ROUNDED), "ages.csv": sha(CLEAN)}
    chloe.goto(running.url("/checks"))
    look(chloe, "checks")


@pytest.mark.parametrize(("name", "path"), [("olga", "/reviewers"), ("dana", "/consents")])
def test_pages_of_operators_and_data_managers(running: Running, chromium: Browser, name: str, path: str) -> None:
    page = context_of(chromium).new_page()
    running.world.come_in(page, name, path)
    expect(page).to_have_url(running.url(path))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    look(page, path.strip("/"))
    page.context.close()


def test_without_scripts_the_outbox_comes_by_itself(running: Running, chromium: Browser) -> None:
    page = context_of(chromium, scripts=False).new_page()
    running.world.come_in(page, "alice", "/exports")
    page.get_by_role("button", name="Take results out").click()
    page.wait_for_url("**/exports/e-*")
    expect(page.get_by_role("group", name="Files in your outbox")).to_be_visible()
    page.get_by_label(re.compile("^ages.csv")).check()
    page.get_by_role("textbox", name="Group").fill("Ages")
    page.get_by_role("button", name="Copy and check these files").click()
    expect(page.get_by_text("The checks found nothing in it.")).to_be_visible()
    page.get_by_role("button", name="Withdraw the request").click()
    expect(page.get_by_text("Nothing of it leaves.")).to_be_visible()
    page.context.close()
