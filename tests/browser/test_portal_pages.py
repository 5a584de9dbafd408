"""The portal in a real Chromium, through the real gateway and the real Hub.

`TRE_SHOTS=DIRECTORY` keeps a picture of every page at two widths.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.portal_world import WAY_IN, Installed, an_installation
from tests.support.chromium import accessibility_faults
from tests.support.factories import suspension
from tests.unit.portal.register_world import furnish as furnish_register
from tests.unit.portal.test_costs import used as furnish_costs
from tests.unit.portal.world import GRANT, PASSWORD, subject
from tre.domain.costs.budgets import Budget, Measure
from tre.domain.errors import Reason
from tre.domain.grants.models import SuspensionScope
from tre.domain.workspaces.states import StartStep, Wanted, WorkspacePhase
from tre.portal.api import docs
from tre.portal.applications import DESK_GROUPS
from tre.portal.public_applications import PUBLIC_GROUPS
from tre.store import costs, grants

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
WIDTHS = (1280, 390)
P = WorkspacePhase
SUMMARY = (
    "COVID-19 can damage the lungs. Doctors see the damage on an X-ray, but two doctors may judge the same picture "
    "differently. We want to teach a computer to score how badly the lungs are affected, from X-rays of people who "
    "were treated in hospitals across the country, and to find out whether the score tells who will need more care."
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with an_installation(tmp_path_factory.mktemp("portal") / "root", WAY_IN, capacity={"memory": "4Gi"}) as made:
        furnish(made)
        yield made


def project(title: str, **changes: Any) -> dict[str, Any]:
    organisation = {"name": "University of Somewhere", "id": "org-1", "sector": "Academic", "commercial": False}
    benefit = "People who will need intensive care could be found earlier, and beds planned better."
    values = {"title": title, "laySummary": SUMMARY, "publicBenefit": benefit, "organisation": organisation}
    return values | changes


def furnish(world: Installed) -> None:
    """A desk with a running workspace, a project that waits, one that is suspended, one that ended soon."""
    now = world.clock.now()
    dates = {"notBefore": (now - timedelta(days=200)).isoformat(), "expires": (now + timedelta(days=200)).isoformat()}
    world.add_grant(GRANT, project=project("Severity scoring of COVID-19 on chest X-rays"), **dates)
    soon = dates | {"expires": (now + timedelta(days=3)).isoformat()}
    world.add_grant("lung-ct-0007", project=project("Early signs of fibrosis in chest CT"), **soon)
    world.add_grant("heart-00031", active=False, project=project("Heart size as a by-product"), **dates)
    firm = {"name": "Imaging Company Ltd", "id": "org-9", "sector": "Industry", "commercial": True}
    world.add_grant("triage-0100", project=project("Triage of X-rays at night", organisation=firm), **dates)
    pause = suspension(SuspensionScope.grant, since=now, reason="An audit of the approval is under way.")
    world.suspend(pause, "triage-0100")
    furnish_register(world, sites=True)
    world.want("bob", Wanted.Running)
    world.move("bob", P.Starting, P.Running, reason=Reason.Entitled)
    furnish_costs(world, GRANT, "bob", 900)
    furnish_costs(world, GRANT, "alice", 26, known=False)
    furnish_costs(world, "lung-ct-0007", "alice", 400_000)
    limit = Budget(
        grant=GRANT,
        measure=Measure.cpu_reserved,
        limit=Decimal(2000),
        by=subject("olga"),
        at=now,
        reason="Agreed with the sponsor for the first year; more can be had before the summer.",
    )
    with world.database.change(world.event("grant.budget-set", f"grant/{GRANT}")) as change:
        costs.set_budget(change, limit)
        costs.set_budget(change, limit.model_copy(update={"measure": Measure.memory, "limit": Decimal(100)}))
    name = world.workspace("bob").name
    sealed = {"isolation": {"proven": True, "summary": "29 ways out tried and closed, each open to the control"}}
    dead = {"proof": {"identity": f"{name}-1", "processes": [], "mounts": [], "answers": False}}
    with world.database.change(
        world.event("workspace.progressed", f"workspace/{name}").model_copy(update={"detail": sealed}),
        world.event("workspace.stopped", f"workspace/{name}").model_copy(update={"detail": dead}),
    ):
        pass


def context_of(chromium: Browser, *, scripts: bool = True) -> BrowserContext:
    context = chromium.new_context(
        viewport={"width": WIDTHS[0], "height": 900}, java_script_enabled=scripts, reduced_motion="reduce"
    )
    context.set_default_timeout(20_000)
    return context


def sign_in(world: Installed, page: Page, name: str, path: str = "/") -> None:
    """From a page of the desk through enter and the Hub's form and back, as a person does it."""
    page.goto(world.settings.origin("desk") + path)
    expect(page).to_have_title(re.compile("^Sign in"))
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(world.settings.origin("desk") + path)


@pytest.fixture(scope="module")
def signed_in(world: Installed, chromium: Browser) -> Iterator[dict[str | None, Page]]:
    """One browser for each person whose pages are looked at, and one of a stranger, who has no name."""
    pages: dict[str | None, Page] = {None: context_of(chromium).new_page()}
    for name in ("alice", "bob", "eve", "olga"):
        pages[name] = context_of(chromium).new_page()
        world.come_in(pages[name], name)
    yield pages
    for page in pages.values():
        page.context.close()


PAGES = [
    ("public-front", None, "/"),
    ("public-projects", None, "/projects"),
    ("public-project", None, f"/projects/{GRANT}"),
    ("public-projects-none-fits", None, "/projects?q=nowhere&state=ended"),
    ("public-project-told", None, "/projects/told"),
    ("public-data", None, "/data"),
    ("public-dataset", None, "/data/nccid"),
    ("public-hospitals", None, "/hospitals?q=RXX"),
    ("public-totals", None, "/totals"),
    ("public-log", None, "/log"),
    ("public-404", None, "/nothing"),
    ("projects", "alice", "/"),
    ("projects-empty", "eve", "/"),
    ("project", "alice", f"/projects/{GRANT}"),
    ("project-ends-soon", "alice", "/projects/lung-ct-0007"),
    ("project-suspended", "alice", "/projects/triage-0100"),
    ("project-running", "bob", f"/projects/{GRANT}"),
    ("workspace-running", "bob", "/workspaces/{bob}"),
    ("workspace-stopped", "alice", "/workspaces/{alice}"),
    ("account", "alice", "/account"),
    ("not-found", "alice", "/projects/nothing"),
    ("not-permitted", "alice", "/operate/audit"),
    ("grants", "olga", "/grants"),
    ("grants-none-fits", "olga", "/grants?q=nowhere"),
    ("grant", "olga", f"/grants/{GRANT}"),
    ("grant-suspended", "olga", "/grants/triage-0100"),
    ("grant-costs", "olga", f"/grants/{GRANT}/costs"),
    ("project-costs", "alice", f"/grants/{GRANT}/costs"),
    ("project-costs-none", "alice", "/grants/lung-ct-0007/costs"),
    ("operate-costs", "olga", "/operate/costs?sort=money"),
    ("operate-costs-none-fits", "olga", "/operate/costs?q=nowhere"),
    ("operate-workspaces", "olga", "/operate/workspaces"),
    ("operate-proofs", "olga", "/operate/proofs"),
    ("operate-audit", "olga", "/operate/audit"),
    ("operate-audit-question", "olga", f"/operate/audit?question=rights&object=grant/{GRANT}"),
    ("operate-health", "olga", "/operate/health"),
    ("api", "alice", "/api"),
]


@pytest.mark.parametrize(("name", "who", "path"), PAGES, ids=[name for name, _, _ in PAGES])
def test_every_page(world: Installed, signed_in: dict[str | None, Page], name: str, who: str | None, path: str) -> None:
    """No accessibility fault, nothing wider than the screen, nothing out of the keyboard's reach, nothing refused by
    the policy, nothing from elsewhere."""
    page = signed_in[who]
    complaints, asked = watch(page)
    for member in ("alice", "bob"):
        path = path.replace(f"{{{member}}}", world.workspace(member).name)
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    page.goto(world.settings.origin("desk" if who else "") + path)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        shoot(page, f"portal-{name}-{width}")
        assert overflow(page) <= 0, f"wider than {width} pixels"
    assert accessibility_faults(page) == []  # where it is narrow: everything is nearer together
    assert unreachable(page) == []
    assert complaints == []
    assert {url.split("/")[2] for url in asked} == {page.url.split("/")[2]}
    assert who or page.context.cookies() == []


ELSEWHERE = {
    "/exports", "/exports/new", "/exports/{export}", "/reviews", "/reviews/{export}", "/reviews/{export}/files/{key}",
    "/files/{export}/{key}", "/reviewers", "/consents", "/checks", "/release/{token}", "/imports", "/imports/new",
    "/imports/{name}", "/imports/{name}/files/{key}",
    "/datasets", "/datasets/{name}", "/quarantine", "/quarantine/{name}",
    "/plans", "/plans/{identifier}", "/grants/{name}/slices/{slice_name}/plan", "/optouts", "/optouts/{identifier}",
    "/applications", "/applications/{name}", "/applications/{name}/plans/{part}", "/applications/{name}/edit/{step}",
    "/applications/{name}/data/{number}", "/committee", "/committee/agenda", "/committee/members", "/committee/{name}",
    "/committee/{name}/plans/{part}", "/grants/{grant}/stop",
    "/operate/people", "/operate/people/{hub_name}", "/operate/organisation",
    "/public", "/public/{name}", "/public/new/{kind}", "/projects/{name}/outcomes", "/questions", "/questions/{name}",
    "/outcomes", "/incidents", "/complaints", "/consultations", "/consultations/{name}", "/consultations/{name}/thanks",
    "/easy", "/glossary", "/declined", "/conditions/{name}",
}  # fmt: skip
"""Pages that `test_portal_airlock`, `_applying`, `_data`, `_imports`, `_papers`, `_people`, `_plans`, `test_preview`
and `test_public_account` look at, in every state."""

NO_PAGE = re.compile(
    r"/api/|/\.tre/|.*(\.json|\.zip|\.html|\.css|\.csv|\.xlsx|\.rss|\.txt|/events|/papers/\{sha256\})$"
)
"""Addresses for programs, streams, downloads, and the way in."""


def test_no_page_is_forgotten() -> None:
    """Whoever adds a page adds it to the ones that are looked at."""
    looked_at = [path.replace("{bob}", "w-x").replace("{alice}", "w-x").partition("?")[0] for _, _, path in PAGES]
    every: dict[str, re.Pattern[str]] = {
        route.path: route.path_regex
        for router in (*(group.router for group in (*DESK_GROUPS, *PUBLIC_GROUPS)), docs.router)
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in route.methods and not NO_PAGE.match(route.path)
    }
    assert {"/", "/account", "/api", "/grants/{name}", "/workspaces/{name}"} <= every.keys()
    forgotten = {path for path, regex in every.items() if not any(regex.match(seen) for seen in looked_at)}
    assert forgotten == ELSEWHERE


def watch(page: Page) -> tuple[list[str], list[str]]:
    """What the browser complains of (refusals by policy among it), and every address it asks for."""
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if _is_complaint(message) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    return complaints, asked


def _is_complaint(message: Any) -> bool:
    return message.type in {"error", "warning"} and "status of 40" not in message.text


TOO_WIDE = """
    Math.max(...[...document.querySelectorAll('html, .app-table-frame, .app-panel')]
        .map(place => place.scrollWidth - place.clientWidth - (place.localName === 'html' ? 0 : 4)))
"""
"""The design system lets tables reach two pixels beyond their text on either side."""


LISTEN = "() => { window.seen = new Set(); document.addEventListener('focusin', event => seen.add(event.target)); }"
LEFT = """() => {
    const acts = 'a[href], button, input:not([type=hidden]), select, textarea, summary, iframe, [onclick]';
    const radios = new Set([...seen].filter(one => one.type === 'radio').map(one => one.name));
    const left = one => one.checkVisibility() && !one.disabled && !seen.has(one) && !radios.has(one.name);
    return [...document.querySelectorAll(acts)].filter(left).map(one => one.outerHTML.slice(0, 200));
}"""
MOST_TABS = 600


def unreachable(page: Page) -> list[str]:
    """What acts on a page and is not come by with Tab alone; of a group of radio buttons one is, arrows do the rest."""
    page.evaluate(LISTEN)
    for _ in range(MOST_TABS // 30):
        for _ in range(30):
            page.keyboard.down("Tab")
        if not (left := page.evaluate(LEFT)):
            break
    return [str(one) for one in left]


def test_what_no_key_reaches_is_found(chromium: Browser) -> None:
    page = context_of(chromium).new_page()
    radios = '<input type="radio" name="a"><input type="radio" name="a">'
    page.set_content(
        f'<a href="#">one</a><button>two</button>{radios}<details><summary>three</summary><a>x</a></details>'
    )
    assert unreachable(page) == []
    page.set_content('<a href="#">one</a><a href="#" tabindex="-1">two</a><div onclick="">three</div>')
    assert [text[:4] for text in unreachable(page)] == ["<a h", "<div"]
    page.context.close()


def test_letters_that_do_not_stand_out_are_found_once_others_were_looked_at(chromium: Browser) -> None:
    page = context_of(chromium).new_page()
    for ground, faults in (("#fff", 0), ("#fff", 0), ("#767676", 1), ("#767676", 1)):
        page.set_content(
            f'<html lang="en"><title>A page</title><main style="background: {ground}"><h1>A page</h1>'
            '<p style="color: #555">grey</p><p style="color: #555">as grey</p></main></html>'
        )
        found = accessibility_faults(page)
        assert [rule for rule, _ in found] == ["color-contrast"] * faults
    page.context.close()


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the screen, or a part of it wider than its place beside another."""
    page.wait_for_load_state()
    return int(page.evaluate(TOO_WIDE))


def shoot(page: Page, name: str) -> None:
    if directory := os.environ.get("TRE_SHOTS"):
        page.screenshot(path=str(Path(directory) / f"{name}.png"), full_page=True)


def test_a_start_is_shown_live_and_leads_to_the_notebook(
    world: Installed, signed_in: dict[str | None, Page], chromium: Browser
) -> None:
    page = signed_in["alice"]
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(world.settings.origin("desk") + f"/projects/{GRANT}")
    page.get_by_role("button", name="Open workspace").click()
    name = world.workspace("alice").name
    page.wait_for_url(f"**/workspaces/{name}")
    expect(page.get_by_text("Waiting to start")).to_be_visible()
    world.clock.jump(world.clock.now() + timedelta(seconds=1))
    world.move("alice", P.Queued, reason=Reason.WaitingForRoom)
    place = page.get_by_role("heading", name="Number 1 of 1 in the queue")
    expect(place).to_be_visible()
    expect(page.locator("[data-live-status]")).to_have_text("Number 1 of 1 in the queue")
    expect(page.get_by_text("This usually takes a few seconds")).to_be_hidden()
    expect(page.get_by_role("button", name="Leave the queue")).to_be_visible()
    expect(page.locator('[data-step="GrantChecked"]')).to_be_hidden()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.reload()
        expect(page.get_by_role("button", name="Leave the queue")).to_be_visible()
        assert overflow(page) <= 0
        shoot(page, f"portal-workspace-queued-{width}")
    assert accessibility_faults(page) == []
    signed_in["olga"].goto(world.settings.origin("desk") + "/operate/workspaces?phase=Queued")
    expect(signed_in["olga"].get_by_text("1 waits for room")).to_be_visible()
    shoot(signed_in["olga"], "portal-operator-queue")
    world.move("alice", P.Starting)
    expect(place).to_be_hidden()
    expect(page.get_by_role("button", name="Stop the start")).to_be_visible()
    expect(page.locator('[data-step="GrantChecked"]')).to_have_attribute("data-reached", "true")
    world.reach("alice", StartStep.SlicesMounted)
    expect(page.locator('[data-step="SlicesMounted"]')).to_contain_text("Done")
    expect(page.locator("[data-live-status]")).to_have_text("Data mounted, read-only: done")
    assert accessibility_faults(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        shoot(page, f"portal-workspace-starting-{width}")
    page.route("**/*.open.tre.localhost*/**", lambda route: route.fulfill(body="<title>Shell</title>"))
    world.reach("alice", StartStep.IsolationProven)
    world.reach("alice", StartStep.ServerReady)
    world.move("alice", P.Running, reason=Reason.Entitled)
    page.wait_for_url(f"**//{name}.open.tre.localhost:*/")
    page.unroute_all()
    without = context_of(chromium, scripts=False).new_page()
    world.come_in(without, "alice", f"/workspaces/{name}")
    expect(without.get_by_role("link", name="Go to the notebook")).to_be_visible()
    without.get_by_role("button", name="Stop").click()
    without.wait_for_url(f"**/workspaces/{name}")
    assert world.workspace("alice").wanted is Wanted.Stopped
    without.context.close()


def test_without_scripts_a_waiting_page_loads_itself_again(world: Installed, chromium: Browser) -> None:
    page = context_of(chromium, scripts=False).new_page()
    world.want("bob", Wanted.Stopped)
    world.move("bob", P.Stopping)
    name = world.workspace("bob").name
    sign_in(world, page, "bob", f"/workspaces/{name}")
    expect(page.get_by_text("Stopping", exact=True)).to_be_visible()
    world.move("bob", P.Stopped)
    expect(page.get_by_role("button", name="Open it")).to_be_visible()
    page.context.close()


def test_an_operator_suspends_and_lifts_and_sees_errors_beside_the_form(
    world: Installed, signed_in: dict[str | None, Page]
) -> None:
    page = signed_in["olga"]
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(world.settings.origin("desk") + "/grants/lung-ct-0007")
    suspend = page.get_by_role("region", name="Suspend")
    suspend.get_by_role("button", name="Suspend").click()
    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.locator(".nhsuk-error-summary")).to_be_focused()
    assert accessibility_faults(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        shoot(page, f"portal-grant-error-{width}")
    suspend.get_by_label("What").select_option(label="Member Alice Able")
    suspend.get_by_label("Why").fill("Training has run out")
    suspend.get_by_role("button", name="Suspend").click()
    expect(page.get_by_role("cell", name="Training has run out")).to_be_visible()
    page.get_by_role("button", name="Lift the suspension of member local:alice").click()
    expect(page.get_by_role("button", name="Lift the suspension of member local:alice")).to_have_count(0)
    with world.database.read() as connection:
        grant = grants.require(connection, "lung-ct-0007")
    assert [item.until is not None for item in grant.suspensions] == [True]


def test_signing_out_ends_it_everywhere(world: Installed, chromium: Browser) -> None:
    page = context_of(chromium).new_page()
    sign_in(world, page, "eve")
    other = page.context.new_page()
    other.goto(world.settings.origin("desk") + "/account")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title(re.compile("^(Signed out|Sign in)"))
    other.reload()
    expect(other).to_have_title(re.compile("^Sign in"))
    page.context.close()


def test_a_notebooks_page_cannot_act_at_the_desk(world: Installed, signed_in: dict[str | None, Page]) -> None:
    """Script on a sibling host, in the browser of an operator who is signed in: the cookies go along, the act not."""
    page = signed_in["olga"]
    lab = world.settings.origin("w-aaaaaaaaaaaa.lab")
    page.context.route(lab + "/**", lambda route: route.fulfill(body="<title>Lab</title>", content_type="text/html"))
    page.goto(lab + "/")
    target = world.settings.origin("desk") + f"/grants/{GRANT}/revoke"
    page.evaluate(
        """async target => {
            const body = new URLSearchParams({csrf: "x", confirm: "nccid-00123", reason: "x"});
            await fetch(target, {method: "POST", mode: "no-cors", credentials: "include", body}).catch(() => {});
        }""",
        target,
    )
    with page.expect_navigation():
        page.evaluate(
            """target => {
                const form = Object.assign(document.createElement("form"), {method: "post", action: target});
                document.body.append(form);
                form.submit();
            }""",
            target,
        )
    assert "does not come from a page of this host" in page.content()
    assert world.events("grant.revoked") == []
    page.context.unroute_all()


def test_the_programs_end_when_they_are_told(tmp_path: Path) -> None:
    with an_installation(tmp_path / "root", ("portal", "public")) as made:
        assert made.stop("portal") == 0, made.log("portal")
        assert made.stop("public") == 0, made.log("public")
        assert made.log("portal") == made.log("public") == ""
