"""Changes of a running project in a real Chromium: more time by the short way, and beyond it by the whole committee.

The whole launcher runs as people run it. A researcher has a notebook open while the end of the project moves: nothing
is restarted, and the register says it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.applying_walk import PATIENCE, get, page_of, phase, seat_members, url, without_scripts
from tests.browser.portal_world import until
from tests.browser.test_portal_airlock import look
from tests.browser.test_portal_pages import context_of
from tests.support.applications import content_plain, slice_of
from tests.support.machine import lacking_for_workspaces
from tests.unit.portal.applying_world import MEMBERS
from tests.unit.portal.world import subject
from tre.cli.trial.world import World, running_world
from tre.domain.applications import acts
from tre.domain.applications.models import Lane
from tre.domain.applications.states import ApplicationState
from tre.domain.clock import Clock
from tre.domain.committee.models import VoteText
from tre.domain.committee.policy import CommitteeTerms
from tre.domain.committee.voting import Act
from tre.domain.events import Event
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Person, Role
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import WorkspacePhase
from tre.store import applications, committee, grants, workspaces
from tre.store.database import Database

LACKING = lacking_for_workspaces()
pytestmark = [
    pytest.mark.soak,  # an installation of its own; its rules and pages are tried one by one in every run
    pytest.mark.browser,
    pytest.mark.services,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(LACKING), reason=LACKING),
]
S = ApplicationState
TITLE = "Who needs more care"


class Site(World):
    """The launcher with a committee."""

    accounts = World.accounts | dict.fromkeys(MEMBERS, "committee")

    @property
    def database(self) -> Database:
        return self.here.database

    @property
    def clock(self) -> Clock:
        return self.here.clock

    def event(self) -> Event:
        return self.here.event("test.prepared", "test/world")


@pytest.fixture(scope="module")
def world() -> Iterator[Site]:
    with running_world(Site) as made:
        assert isinstance(made, Site)
        seat_members(made)
        yield made


def day(world: Site, days: int) -> date:
    return (world.clock.now() + timedelta(days=days)).date()


def person(name: str, role: Role) -> Person:
    return Person(subject=subject(name), display_name=name, roles=frozenset({role}))


def approved(world: Site) -> str:
    """A running project that everybody voted for; nobody types it here, since another walk does."""
    database, now, alice = world.database, world.clock.now(), person("alice", Role.researcher)
    asked = content_plain(title=TITLE, slices=[slice_of("chest")], starts=f"{day(world, -1)}T00:00:00Z")
    asked |= {"ends": f"{day(world, 300)}T23:59:59Z", "outputs": [{"what": "A paper", "due": str(day(world, 200))}]}
    asked |= {"people": [asked["people"][0] | {"role": "lead"}]}
    asked["legalBasis"]["ends"] = f"{day(world, 3000)}T23:59:59Z"
    with database.change(world.event()) as change:
        made = applications.begin(change, alice, now)
        written = acts.edit(made, alice, asked, now)
        name = applications.save(change, made, acts.submit(written, alice, now)).id
    wait_for_review(world, name)
    for voter in MEMBERS:
        act = Act(person(voter, Role.committee), f"session of {voter}", world.clock.now())
        text, matter = VoteText(choice="approve", reasons="Yes."), get(world, name).matter or ""
        with database.change(committee.event_of("committee.voted", f"application/{name}", act)) as change:
            committee.cast(change, name, text, matter, CommitteeTerms(), act)
    return in_force(world, name)


def wait_for_review(world: Site, name: str) -> None:
    until(lambda: get(world, name).state is not S.Submitted, "it is planned", PATIENCE)
    assert get(world, name).state is S.InReview, get(world, name).message


def in_force(world: Site, name: str) -> str:
    """Wait until what was approved is in force; the grant."""
    until(lambda: get(world, name).state is S.Approved, "it is decided", PATIENCE)
    grant = get(world, name).grant
    assert grant is not None
    until(lambda: phase(world, grant) is GrantPhase.Active, "the project is in force", PATIENCE)
    return grant


def end_of(world: Site, grant: str) -> date:
    with world.database.read() as connection:
        return grants.require(connection, grant).spec.expires.date()


def workspace(world: Site, grant: str) -> Workspace:
    with world.database.read() as connection:
        return workspaces.require(connection, Workspace.name_for(grant, subject("alice")))


def open_notebook(world: Site, page: Page, grant: str) -> None:
    page.goto(url(world, f"/projects/{grant}"))
    page.get_by_role("button", name="Open workspace").click()
    until(lambda: workspace(world, grant).phase is WorkspacePhase.Running, "the notebook runs", PATIENCE)
    page.goto(world.shell_of(workspace(world, grant).name))
    expect(page.locator("iframe")).to_be_visible(timeout=60_000)
    page.evaluate("window.opened = 'once'")  # gone as soon as the page is loaded anew


def ask_until(world: Site, page: Page, last: date) -> str:
    """Ask for more time in the form, and for nothing else; the identifier of the application."""
    page.goto(url(world, "/applications"))
    page.get_by_role("button", name=f"Ask for a change of {TITLE}").click()
    page.wait_for_url("**/applications/a-*")
    name = page.url.rpartition("/")[2]
    look(page, "varying-draft")
    page.get_by_role("link", name="Time, law and money", exact=True).click()
    page.get_by_label("Access until").fill(str(last))
    page.get_by_role("button", name="Save and check").click()
    page.goto(url(world, f"/applications/{name}"))
    page.get_by_role("button", name="Hand it in").click()
    wait_for_review(world, name)
    return name


def closed_by_the_chair(world: Site, chromium: Browser, name: str) -> Page:
    """A patient member and the chair vote; what the chair then sees."""
    for voter in ("pat", "cleo"):
        without_scripts(world, chromium, voter, name)
    page = page_of(world, chromium, "cleo", f"/committee/{name}")
    rows = page.get_by_role("region", name="What it changes").get_by_role("row")
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text("Access until")
    look(page, "varying-committee")
    return page


def register_says(world: Site, chromium: Browser, grant: str, last: date) -> None:
    page = context_of(chromium, scripts=False).new_page()
    page.goto(f"{world.settings.origin()}/projects/{grant}")
    expect(page.get_by_text(f"to {last.day} {last:%B %Y}")).to_be_visible()
    page.context.close()


def test_more_time_by_the_short_way_and_beyond_it(world: Site, chromium: Browser) -> None:
    grant = approved(world)
    alice = page_of(world, chromium, "alice", "/")
    notebook = alice.context.new_page()
    open_notebook(world, notebook, grant)
    _, run = world.run_of(grant)
    register_says(world, chromium, grant, day(world, 300))

    def goes_on() -> bool:
        same = world.run_of(grant)[1]["supervisor"] == run["supervisor"]
        return same and notebook.evaluate("window.opened") == "once"

    soon = day(world, 500)
    name = ask_until(world, alice, soon)
    assert (get(world, name).lane, get(world, name).lane_why) == (Lane.fast, ("it ends later",))
    chair = closed_by_the_chair(world, chromium, name)
    expect(chair.get_by_text("The short way: a small change of a running project: it ends later")).to_be_visible()
    assert end_of(world, grant) == day(world, 300)
    chair.get_by_role("button", name="Close the vote").click()
    assert in_force(world, name) == grant
    until(lambda: end_of(world, grant) == soon, "the end moves", PATIENCE)
    register_says(world, chromium, grant, soon)
    assert goes_on()
    alice.goto(url(world, f"/projects/{grant}"))
    look(alice, "varying-project")

    late = day(world, 500 + 367)
    name = ask_until(world, alice, late)
    asked = get(world, name)
    assert (asked.lane, asked.lane_why) == (Lane.full, ("it ends more than 366 days later",))
    chair = closed_by_the_chair(world, chromium, name)
    expect(chair.get_by_text("The whole committee: it ends more than 366 days later")).to_be_visible()
    expect(chair.get_by_text("Academics: 0 of 1 votes.")).to_be_visible()
    expect(chair.get_by_role("button", name="Close the vote")).to_have_count(0)
    assert end_of(world, grant) == soon
    for voter in ("acme", "comm"):
        without_scripts(world, chromium, voter, name)
    assert in_force(world, name) == grant
    until(lambda: end_of(world, grant) == late, "the end moves again", PATIENCE)
    register_says(world, chromium, grant, late)
    assert goes_on()
