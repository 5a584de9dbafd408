"""Letters at the desk in a real Chromium: choosing how often, a wrong choice, no address, and an operator's line.

`TRE_SHOTS=DIRECTORY` keeps a picture of every page at two widths.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from tests.browser.portal_world import Installed, an_installation
from tests.browser.test_portal_pages import WIDTHS, context_of, overflow, shoot, unreachable
from tests.support.chromium import accessibility_faults
from tests.support.factories import access_grant
from tests.unit.portal.world import subject
from tre.domain.errors import Reason
from tre.domain.letters.models import Letter, LetterState, Pace
from tre.domain.letters.writing import letter_id
from tre.store import correspondents, grants, letters, sources
from tre.store.letters import Outcome
from tre.store.sources import StoredSource

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
LONG = f"{'alice.able-' * 5}x@{'mail-of-a-department.' * 6}example.org"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    mail = {"host": "smtp.example.org", "sender": "tre@example.org"}
    with an_installation(tmp_path_factory.mktemp("letters") / "root", mail=mail) as made:
        now = made.clock.now()
        with made.database.change(made.event("account.address-set", "account/alice")) as change:
            correspondents.set_address(change, subject("alice"), LONG, now)
            letters.add(change, [a_letter(made, "ab"), a_letter(made, "cd")], now)
            later = Outcome(LetterState.Failed, Reason.AddressRefused, now + timedelta(hours=1), refused=True)
            letters.settle(change, [a_letter(made, "ab")], later, now)
        yield made


def a_letter(world: Installed, mark: str) -> Letter:
    at = world.clock.now() - timedelta(hours=5)
    return Letter(
        id=letter_id(mark * 16, "local", "alice"),
        event=mark * 16,
        recipient=subject("alice"),
        subject="Project p is open",
        text="It is open.",
        page="/",
        at=at,
        next_at=at,
    )


def look(page: Page, name: str) -> None:
    """As every page: no fault, nothing wider than the screen, everything within the keyboard's reach."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        shoot(page, f"letters-{name}-{width}")
        assert overflow(page) <= 0, f"wider than {width} pixels"
    assert accessibility_faults(page) == []
    assert unreachable(page) == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_choosing_how_often(world: Installed, chromium: Browser, scripts: bool) -> None:
    page = context_of(chromium, scripts=scripts).new_page()
    world.come_in(page, "alice", "/account")
    expect(page.get_by_text(LONG)).to_be_visible()
    if scripts:
        look(page, "account")
    for label, pace in (("Once a day", Pace.daily), ("Only what waits for me", Pace.action_only)):
        page.get_by_label(label, exact=True).check()
        page.get_by_role("button", name="Save").click()
        page.wait_for_url("**/account#letters")
        expect(page.get_by_label(label, exact=True)).to_be_checked()
        with world.database.read() as connection:
            assert correspondents.get(connection, subject("alice")).pace is pace
    page.context.close()


def test_a_wrong_choice_is_named_beside_the_form(world: Installed, chromium: Browser) -> None:
    page = context_of(chromium).new_page()
    world.come_in(page, "alice", "/account")
    page.evaluate("document.querySelectorAll('[name=pace]').forEach(one => { one.value = 'never'; })")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("There is a problem")).to_be_visible()
    look(page, "wrong")
    page.get_by_role("link", name="Say how you want letters").click()
    expect(page.locator("input[name=pace]:focus")).to_have_count(1)
    page.context.close()


def test_without_an_address(world: Installed, chromium: Browser) -> None:
    page = context_of(chromium).new_page()
    world.come_in(page, "bob", "/account")
    expect(page.get_by_text("No address of yours is known here")).to_be_visible()
    look(page, "none")
    page.context.close()


def test_an_operator_sees_what_does_not_go_out(world: Installed, chromium: Browser) -> None:
    page = context_of(chromium).new_page()
    world.come_in(page, "olga", "/operate/health")
    expect(page.get_by_text("Letters do not all go out.")).to_be_visible()
    expect(page.get_by_text("The mail server refuses the address of a recipient.")).to_be_visible()
    look(page, "health")
    page.context.close()


def test_an_operator_sees_how_sources_of_approvals_stand(world: Installed, chromium: Browser) -> None:
    now, path = world.clock.now(), world.layout.root / "policies" / "sources.yaml"
    path.parent.mkdir(exist_ok=True)
    head = {"apiVersion": "tre.research/v1alpha1", "kind": "SourcePolicy", "metadata": {"name": "sources"}}
    directories = [{"name": name, "path": name} for name in ("approvals", "a-committee-beyond")]
    path.write_text(yaml.safe_dump(head | {"spec": {"directories": directories}}))
    good = StoredSource(id="directory:approvals", heard_at=now, reason=Reason.Entitled)
    bad = StoredSource(
        id="directory:a-committee-beyond", reason=Reason.BadInput, message=f"{'x' * 300} cannot be read."
    )
    with world.database.change(world.event("grant.applied", "grant/from-rems-7-x")) as change:
        sources.keep(change, good)
        sources.keep(change, bad)
        grants.apply(change, "from-rems-7-x", access_grant("from-rems-7-x").spec, "rems:nccid", now)
    page = context_of(chromium).new_page()
    world.come_in(page, "olga", "/operate/health")
    expect(page.get_by_text("No longer in the policy")).to_be_visible()
    expect(page.get_by_text("Heard", exact=True)).to_be_visible()
    look(page, "sources")
    page.context.close()
    path.unlink()
