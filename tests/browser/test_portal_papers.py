"""Documents of an application and conditions of an approval, in a real Chromium.

Alice attaches a protocol, the chair downloads exactly its bytes and votes; another protocol voids that vote. After the
approval Alice reports on a condition with a letter, and the chair accepts it. Portal, Hub and gateway run as programs;
the checker's and the controller's parts are played over the same record. `TRE_SHOTS=DIRECTORY` keeps pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser.portal_world import Installed, an_installation
from tests.browser.test_portal_airlock import look
from tests.browser.test_portal_pages import context_of
from tests.unit.portal.applying.test_papers import in_review
from tests.unit.portal.applying_world import CONTENT, Committee
from tests.unit.portal.deciding.test_conditions import NAME, TEXT, add, now_of
from tests.unit.portal.papers_world import Papers
from tests.unit.portal.world import GRANT
from tre.domain.applications import acts
from tre.domain.committee.tracking import ConditionState

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
FIRST, SECOND = b"%PDF-1.7 the first protocol\n" * 400, b"%PDF-1.7 the second protocol\n" * 400
CALLED = "Protocol, <i>version 1; Überblick.pdf"


class Place(NamedTuple):
    """What runs, and the hands that play the other programs."""

    world: Installed
    papers: Papers


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = tmp_path_factory.mktemp("papers")
    with an_installation(made / "root") as world:
        committee = Committee(world)
        committee.furnish(made / "delivery")
        papers = Papers(committee)
        now = world.clock.now()
        begins, ends = now - timedelta(days=20), now + timedelta(days=200)
        world.add_grant(notBefore=begins.isoformat(), expires=ends.isoformat())
        yield Place(world, papers)


def page_of(place: Place, chromium: Browser, name: str, path: str, *, scripts: bool = True) -> Page:
    page = context_of(chromium, scripts=scripts).new_page()
    place.world.come_in(page, name, path)
    return page


def url(place: Place, path: str) -> str:
    return place.world.settings.origin("desk") + path


def draft(place: Place) -> str:
    now = place.world.clock.now()
    basis = CONTENT["legalBasis"] | {"ends": (now + timedelta(days=400)).isoformat()}
    return place.papers.desk.draft(
        starts=now.isoformat(),
        ends=(now + timedelta(days=300)).isoformat(),
        legalBasis=basis,
        outputs=[{"what": "A paper", "due": f"{now + timedelta(days=200):%Y-%m-%d}"}],
    )


def choose(page: Page, name: str, data: bytes, button: str) -> None:
    page.get_by_label("File to send").set_input_files({"name": name, "mimeType": "text/html", "buffer": data})
    page.get_by_role("button", name=button).click()


def downloaded(page: Page, link: str) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.get_by_role("link", name=link).click()
    found = waiting.value
    return found.suggested_filename, Path(found.path()).read_bytes()


def test_a_paper_from_its_author_to_the_committee_and_another_voids_the_vote(place: Place, chromium: Browser) -> None:
    name = draft(place)
    alice = page_of(place, chromium, "alice", f"/applications/{name}")
    alice.get_by_role("link", name="Documents").click()
    look(alice, "papers-none")
    choose(alice, "run.exe", b"MZ", "Attach it")
    expect(alice.locator(".nhsuk-error-summary")).to_contain_text("A file of this kind cannot be attached")
    look(alice, "papers-refused")
    choose(alice, CALLED, FIRST, "Attach it")
    expect(alice.get_by_text("It is being taken in.")).to_be_visible()
    look(alice, "papers-arriving")
    place.papers.settle(name)
    alice.get_by_role("link", name="Look again").click()
    look(alice, "papers-kept")
    assert downloaded(alice, f"Download {CALLED}")[1] == FIRST
    in_review(place.papers, name)
    cleo = page_of(place, chromium, "cleo", f"/committee/{name}")
    look(cleo, "papers-committee")
    called, data = downloaded(cleo, CALLED)
    assert data == FIRST
    assert called.endswith("Überblick.pdf")
    cleo.get_by_label("Approve", exact=True).check()
    cleo.get_by_label("Your reasons").fill("Sound.")
    cleo.get_by_role("button", name="Cast the vote").click()
    expect(cleo.get_by_role("button", name="Cast the vote")).to_have_count(0)

    place.papers.desk.change(
        name, lambda found: acts.deferred(found, ["Which one?"], place.world.clock.now(), found.reason)
    )
    alice.goto(url(place, f"/applications/{name}/edit/papers"))
    choose(alice, CALLED, SECOND, "Attach it")
    place.papers.settle(name)
    alice.goto(url(place, f"/applications/{name}"))
    alice.get_by_label("Which one?").fill("This one.")
    alice.get_by_role("button", name="answer").click()
    in_review(place.papers, name)
    cleo.goto(url(place, f"/committee/{name}"))
    expect(cleo.get_by_role("button", name="Cast the vote")).to_be_visible()
    assert downloaded(cleo, CALLED)[1] == SECOND
    dana = page_of(place, chromium, "dana", f"/committee/{name}")
    expect(dana.get_by_text(CALLED)).to_be_visible()
    expect(dana.get_by_role("link", name=CALLED)).to_have_count(0)


@pytest.mark.parametrize("scripts", [True, False])
def test_a_condition_is_reported_on_and_accepted(place: Place, chromium: Browser, scripts: bool) -> None:
    identifier = NAME if scripts else "k-" + "2" * 12
    application = draft(place)
    in_review(place.papers, application)
    add(place.world, application, id=identifier)
    cleo = page_of(place, chromium, "cleo", f"/conditions/{identifier}", scripts=scripts)
    soon = place.world.clock.now() + timedelta(days=20)
    cleo.get_by_label("By", exact=True).fill(f"{soon:%Y-%m-%d}")
    cleo.get_by_label("Suspend the project").check()
    cleo.get_by_role("button", name="Keep it").click()
    expect(cleo.get_by_text("If that day passes, the project is suspended.")).to_be_visible()
    if scripts:
        look(cleo, "conditions-chair")
    alice = page_of(place, chromium, "alice", f"/projects/{GRANT}", scripts=scripts)
    if scripts:
        look(alice, "conditions-project")
    alice.locator(f'a[href="/conditions/{identifier}"]').click()
    alice.get_by_role("button", name="Send it to the committee").click()
    expect(alice.locator(".nhsuk-error-summary")).to_be_visible()
    if scripts:
        look(alice, "conditions-wrong")
    alice.get_by_label("What was done, and when").fill("They were told on Monday.")
    letter = FilePayload(name="letter.txt", mimeType="text/plain", buffer=b"Dear committee")
    alice.get_by_label("A document that shows it").set_input_files(letter)
    alice.get_by_role("button", name="Send it to the committee").click()
    expect(alice.get_by_text("They were told on Monday.")).to_be_visible()
    place.papers.settle(application)
    if scripts:
        look(alice, "conditions-reported")
    cleo.goto(url(place, "/committee"))
    expect(cleo.get_by_role("heading", name="Conditions that wait for you")).to_be_visible()
    if scripts:
        look(cleo, "conditions-waiting")
    cleo.locator(f'a[href="/conditions/{identifier}"]').click()
    expect(cleo.get_by_text(TEXT)).to_be_visible()
    assert downloaded(cleo, "letter.txt") == ("letter.txt", b"Dear committee")
    cleo.get_by_label("It is met", exact=True).check()
    cleo.get_by_label("Why").fill("That is what we asked for.")
    if scripts:
        look(cleo, "conditions-ruling")
    cleo.get_by_role("button", name="Rule on it").click()
    expect(cleo.get_by_role("button", name="Rule on it")).to_have_count(0)
    if scripts:
        look(cleo, "conditions-met")
        assert now_of(place.world).state is ConditionState.Met
