"""What several walks of applications share: a site with a committee and data, people at its pages, votes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Protocol

from playwright.sync_api import Browser, Page, expect

from tests.browser.portal_world import Installed
from tests.browser.test_portal_pages import context_of, sign_in
from tests.unit.portal.applying_world import CONTENT, MEMBERS
from tests.unit.portal.world import CHEAP, PASSWORD, subject
from tests.unit.slices.conftest import Maker
from tre.audit import keys as audit_keys
from tre.cli.installing import _make_grant_key
from tre.domain.applications.models import Application
from tre.domain.clock import Clock
from tre.domain.committee.models import Seat
from tre.domain.committee.policy import CommitteeTerms
from tre.domain.events import Event, program
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Role
from tre.store import applications, committee, correspondents, grants, people
from tre.store.database import Database
from tre.store.people import Account
from tre.storekeeper.deliveries import Delivery, add
from tre.storekeeper.office import Office
from tre.system.clock import SystemClock
from tre.system.settings import Settings


class Place(Protocol):
    """An installation that people walk in: the record is looked at, and prepared, behind their backs."""

    settings: Settings

    @property
    def database(self) -> Database: ...

    @property
    def clock(self) -> Clock: ...

    def event(self) -> Event: ...


PATIENCE = 120.0
"""Seconds for what the controller and the storekeeper do."""


def furnish(world: Installed, place: Path) -> None:
    """A dataset of forty people, four members of a committee, and the keys that `tre init` makes."""
    _make_grant_key(world.layout)
    audit_keys.complete_keys(world.layout.keys, world.settings.base)
    spool = world.layout.checker_spool
    for path in (world.layout.datasets, world.layout.slices, world.layout.homes, spool / "in", spool / "out"):
        path.mkdir(parents=True, exist_ok=True)
    maker = Maker(place)
    for number in range(40):
        maker.record(f"Covid20{number:04}", Sex=number % 2, Age=20 + number)
        maker.image(f"Covid20{number:04}", f"1.{number}", f"1.{number}.1", Modality=("DX", "CR")[number % 2])
    add(
        Office(world.layout, world.settings, world.database, SystemClock(), program("storekeeper")),
        Delivery("demo", place, "r1", "A demonstration of chest images"),
    )
    for name, (shown, _) in MEMBERS.items():
        account = Account(
            name=name, display_name=shown, roles=frozenset({Role.committee}), created_at=world.clock.now()
        )
        with world.database.change(world.event()) as change:
            people.add_account(change, account, CHEAP.hash(PASSWORD))
    seat_members(world)
    for name in ("alice", "olga", *MEMBERS):
        with world.database.change(world.event()) as change:
            correspondents.set_address(change, subject(name), f"{name}@example.org", world.clock.now())


def seat_members(world: Place) -> None:
    """The four members sit, one for each constituency; the clinician is in the chair."""
    for name, (shown, constituency) in MEMBERS.items():
        seat = Seat(
            id=committee.new_seat_id(),
            subject=subject(name),
            name=shown,
            constituency=constituency,
            organisation="Elsewhere",
            chair=name == "cleo",
            begins=world.clock.now() - timedelta(days=30),
            ends=world.clock.now() + timedelta(days=300),
        )
        with world.database.change(world.event()) as change:
            committee.add_seat(change, seat, CommitteeTerms())


def url(world: Place, path: str) -> str:
    return world.settings.origin("desk") + path


def page_of(world: Place, chromium: Browser, name: str, path: str, *, scripts: bool = True) -> Page:
    page = context_of(chromium, scripts=scripts).new_page()
    sign_in(world, page, name, path)
    return page


def get(world: Place, name: str) -> Application:
    with world.database.read() as connection:
        return applications.require(connection, name)


def go_on(page: Page) -> None:
    page.get_by_role("button", name="Save and go on").click()


def fill(page: Page, *labels: str, text: str) -> None:
    for label in labels:
        page.get_by_label(label, exact=True).first.fill(text)


def phase(world: Place, grant: str) -> GrantPhase | None:
    with world.database.read() as connection:
        return grants.phase_of(connection, grant)


def without_scripts(world: Place, chromium: Browser, voter: str, name: str) -> None:
    page = page_of(world, chromium, voter, "/committee", scripts=False)
    page.get_by_role("link", name=CONTENT["title"]).click()
    page.get_by_label("Approve", exact=True).check()
    page.get_by_label("Your reasons").fill("Yes.")
    page.get_by_label("What the public reads of it").fill(f"We say yes: {voter}.")
    page.get_by_role("button", name="Cast the vote").click()
    expect(page.get_by_role("button", name="Cast the vote")).to_have_count(0)
