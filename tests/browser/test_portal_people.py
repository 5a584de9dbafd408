"""People, organisations and what they hold, in a real Chromium. `TRE_SHOTS=DIRECTORY` keeps a picture of every page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.portal_world import Installed, an_installation
from tests.browser.test_portal_airlock import look
from tests.browser.test_portal_pages import context_of, watch
from tests.support.factories import spec_plain
from tests.unit.portal.world import GRANT
from tre.domain.names import hub_user_name
from tre.domain.standing.models import Requirement, StandingKind, StandingRules
from tre.store import people, standings

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
ORGANISATION = spec_plain()["project"]["organisation"]["id"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with an_installation(tmp_path_factory.mktemp("people") / "root") as made:
        made.add_grant(GRANT)
        rules = StandingRules(
            people=(
                Requirement(kind=StandingKind.training, name="safe-researcher"),
                Requirement(kind=StandingKind.agreement, name="terms-of-use"),
            ),
            organisations=(Requirement(kind=StandingKind.agreement, name="data-use"),),
        )
        with made.database.change(made.event("policy.applied", "policy/standing")) as change:
            standings.keep_rules(change, rules, made.clock.now())
            people.disable_account(change, "eve", made.clock.now())
        yield made


def page_of(world: Installed, chromium: Browser, name: str, path: str, *, scripts: bool = True) -> Page:
    page = context_of(chromium, scripts=scripts).new_page()
    world.come_in(page, name, path)
    return page


def test_training_is_recorded_and_ended_without_scripts(world: Installed, chromium: Browser) -> None:
    page = page_of(world, chromium, "olga", "/operate/people", scripts=False)
    page.get_by_role("link", name="Alice Able").click()
    expect(page.get_by_text("Missing", exact=True)).to_have_count(2)
    page.get_by_label("Its name").fill("safe-researcher")
    page.get_by_label("Last day").fill("next year")
    page.get_by_label("Number of the certificate").fill("ONS <b>4711</b>")
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_role("alert")).to_contain_text("2027-06-30")
    expect(page.get_by_label("Number of the certificate")).to_have_value("ONS <b>4711</b>")
    day = (world.clock.now() + timedelta(days=20)).date().isoformat()
    page.get_by_label("Last day").fill(day)
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_text("Missing", exact=True)).to_have_count(1)
    expect(page.get_by_role("cell", name="ONS <b>4711</b>")).to_be_visible()
    page.get_by_text("End it now: training safe-researcher").click()
    page.get_by_label("Why").fill("the course took it back")
    page.get_by_role("button", name="End it now").click()
    expect(page.get_by_text("Missing", exact=True)).to_have_count(2)
    page.context.close()


def test_every_page(world: Installed, chromium: Browser) -> None:
    """No accessibility fault, nothing wider than the screen, nothing from elsewhere."""
    olga = page_of(world, chromium, "olga", "/operate/people")
    complaints, _ = watch(olga)
    look(olga, "people-list")
    day = (world.clock.now() + timedelta(days=20)).date().isoformat()
    for path in (f"/operate/people/{hub_user_name('local', 'alice')}", f"/operate/organisation?id={ORGANISATION}"):
        olga.goto(world.settings.origin("desk") + path)
        olga.get_by_label("Its name").fill("safe-researcher")
        olga.get_by_label("Last day").fill(day)
        olga.get_by_role("button", name="Record it").click()
        look(olga, "people-person" if "people" in path else "people-organisation")
        olga.get_by_label("Last day").fill("soon")
        olga.get_by_role("button", name="Record it").click()
        look(olga, "people-person-error" if "people" in path else "people-organisation-error")
    olga.goto(world.settings.origin("desk") + f"/operate/people/{hub_user_name('local', 'olga')}")
    look(olga, "people-own")
    olga.goto(world.settings.origin("desk") + f"/operate/people/{hub_user_name('local', 'eve')}")
    look(olga, "people-disabled")
    assert complaints == []
    alice = page_of(world, chromium, "alice", "/account")
    complaints, _ = watch(alice)
    look(alice, "people-account")
    assert complaints == []
    for page in (olga, alice):
        page.context.close()
