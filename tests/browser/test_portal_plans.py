"""Plans before and after an approval, and people who opt out, in a real Chromium; the storekeeper is the real program.

Gateway, Hub, portal and storekeeper run as programs over one record. `TRE_SHOTS=DIRECTORY` keeps a picture of every
page at two widths.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.portal_world import DESK, Installed, an_installation
from tests.browser.test_portal_airlock import SOON, look
from tests.browser.test_portal_keyboard import press, reach, write
from tests.browser.test_portal_pages import context_of, shoot, watch
from tests.unit.portal.world import CHEAP, GRANT, PASSWORD
from tests.unit.slices.conftest import Maker
from tre.domain.errors import Reason
from tre.domain.events import program
from tre.domain.people import Role
from tre.domain.slices.spec import SliceSpec
from tre.store import grant_slices, people
from tre.store.grant_slices import SliceState
from tre.store.people import Account
from tre.storekeeper.deliveries import Delivery, add
from tre.storekeeper.office import Office
from tre.storekeeper.slices import BuildRequest, build_slice
from tre.system.clock import SystemClock
from tre.system.resources import read_text

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
PATIENTS = [f"Covid20{number:04}" for number in range(60)]
LIMIT = 2
TEXT = """\
slice: 1
dataset: demo
release: r1
images:
  - modality: [DX, CR]
exclude:
  - manufacturer: [ACME]
patients: {age: {from: 30}}
tables:
  clinical:
    columns: [pseudonym, age_band, sex, ethnicity_group]
    derive: {age_band: {from: age, band: 10, top: 90}}
privacy: {k: 5, over: [age_band, sex, ethnicity_group], on_fail: report}
"""


def furnish(world: Installed, place: Path) -> None:
    """A dataset of sixty people, a project whose slice is built from it, and a second data manager."""
    for path in (world.layout.datasets, world.layout.slices, world.layout.homes):
        path.mkdir(parents=True, exist_ok=True)
    policy = world.layout.root / "policies" / "datasets" / "demo.yaml"
    policy.parent.mkdir(parents=True)
    head = "apiVersion: tre.research/v1alpha1\nkind: DisclosurePolicy\nmetadata: {name: demo}\n"
    policy.write_text(f"{head}spec: {{previewsPerHour: {LIMIT}, population: england-and-wales-2021}}\n")
    maker = Maker(place)
    for number, name in enumerate(PATIENTS):
        more = {"Ethnicity": "ABCS"[number % 4]} if number % 5 else {}
        maker.record(name, Sex=number % 2, Age=20 + number, **more)
        maker.image(name, f"1.{number}", f"1.{number}.1", Modality=("DX", "CR", "CT")[number % 3])
    office = Office(world.layout, world.settings, world.database, SystemClock(), program("storekeeper"))
    add(office, Delivery("demo", place, "r1", "A demonstration of chest images"))
    world.add_grant(GRANT)
    with world.database.read() as connection:
        (item,) = grant_slices.of_grant(connection, GRANT)
    spec = read_text(SliceSpec, TEXT).record
    built = build_slice(office, BuildRequest(grant=GRANT, slice=item.name, slice_id=item.slice_id, spec=spec))
    dora = Account(
        name="dora", display_name="Dora Data", roles=frozenset({Role.data_manager}), created_at=world.clock.now()
    )
    with world.database.change(world.event()) as change:
        people.add_account(change, dora, CHEAP.hash(PASSWORD))
        values = {"plan_digest": built.plan_digest, "content_digest": built.content_digest, "files": built.files}
        grant_slices.set_state(change, GRANT, item.name, SliceState.Ready, Reason.Entitled, **values)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    place = tmp_path_factory.mktemp("plans")
    rules = {"holdDays": 0, "graceDays": 0}
    with an_installation(place / "root", (*DESK, "storekeeper"), withdrawals=rules) as made:
        furnish(made, place / "delivery")
        yield made


def page_of(world: Installed, chromium: Browser, name: str, path: str, *, scripts: bool = True) -> Page:
    page = context_of(chromium, scripts=scripts).new_page()
    world.come_in(page, name, path)
    return page


def url(world: Installed, path: str) -> str:
    return world.settings.origin("desk") + path


def has_a_plan(page: Page) -> None:
    expect(page.get_by_role("heading", name="What this request would give", level=1)).to_be_visible(timeout=SOON)


def test_a_text_its_mistakes_and_its_plan(world: Installed, chromium: Browser) -> None:
    page = page_of(world, chromium, "dana", "/plans")
    complaints, asked = watch(page)
    look(page, "plans-write")
    box = page.get_by_label("The specification")
    wrong = TEXT.replace("images", "imagse").replace("[DX, CR]", "[DX, CRX]")
    box.fill(wrong)
    page.get_by_role("button", name="Show the plan").click()
    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.locator(".nhsuk-error-summary")).to_be_focused()
    expect(page.locator(".nhsuk-error-summary")).to_contain_text("Line 4: imagse: no such key; did you mean 'images'?")
    expect(box).to_have_value(wrong)
    look(page, "plans-mistake")
    box.fill(wrong.replace("imagse", "images"))
    page.get_by_role("button", name="Show the plan").click()
    expect(page.locator("#spec-error")).to_contain_text("did you mean CR?")
    box.fill(TEXT)
    page.get_by_role("button", name="Show the plan").click()
    has_a_plan(page)
    for heading in ("Who is represented, and who is not", "Could somebody be recognised?", "What stays out, and why"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.get_by_text("One step coarser", exact=False)).to_be_visible()
    expect(page.locator(".plan code").last).to_have_text(re.compile("^sha256:[0-9a-f]{64}$"))
    assert page.locator(".plan svg").count() > 10
    assert not re.search("Covid20[0-9]", page.content())
    look(page, "plans-plan")
    page.emulate_media(media="print")
    expect(page.locator("header")).to_be_hidden()
    expect(page.get_by_role("link", name="Change it")).to_be_hidden()
    has_a_plan(page)
    shoot(page, "plans-print")
    page.emulate_media(media="screen")
    with page.expect_download() as kept:
        page.get_by_role("link", name="For machines (JSON)").click()
    assert json.loads(kept.value.path().read_text())["kReport"]["k"] == 5
    with page.expect_download() as kept:
        page.get_by_role("link", name="Keep it as one file").click()
    assert kept.value.suggested_filename == "plan.html"
    page.get_by_role("link", name="Change it").click()
    expect(box).to_have_value(re.compile("manufacturer"))
    assert complaints == []
    assert {one.split("/")[2] for one in asked} == {page.url.split("/")[2]}
    page.context.close()


def test_a_plan_with_the_keyboard_alone(world: Installed, chromium: Browser) -> None:
    """The storekeeper is away for a while: the page waits, and says so."""
    assert world.stop("storekeeper") == 0
    page = page_of(world, chromium, "alice", "/plans")
    box = page.get_by_label("The specification")
    reach(page, box)
    page.keyboard.press("Control+a")
    page.keyboard.type("slice: 1\ndataset: demo\nrelease: r1\nimages:\n- modality: [DX]\n")
    press(page, page.get_by_role("button", name="Show the plan"))
    expect(page.get_by_text("In the queue", exact=True)).to_be_visible()
    look(page, "plans-waiting")
    world.start(["storekeeper"])
    has_a_plan(page)
    page.context.close()


def test_without_scripts_until_it_is_enough(world: Installed, chromium: Browser) -> None:
    """The page loads itself again; the third within an hour is refused with the moment of the next."""
    page = page_of(world, chromium, "carl", "/plans", scripts=False)
    for layout in ("nccid", "patient", "flat"):
        page.goto(url(world, "/plans"))
        page.get_by_label("The specification").fill(f"{TEXT}layout: {layout}\n")
        page.get_by_role("button", name="Show the plan").click()
        if page.title().startswith("Error"):
            break
        has_a_plan(page)
    expect(page.locator(".nhsuk-error-summary")).to_contain_text(re.compile("possible again from [0-9:]{8} UTC"))
    expect(page.get_by_text(f"Asked within the hour: {LIMIT}")).to_be_visible()
    shoot(page, "plans-refused")
    page.context.close()


def test_the_plan_of_a_project(world: Installed, chromium: Browser) -> None:
    page = page_of(world, chromium, "alice", f"/projects/{GRANT}")
    press(page, page.get_by_role("link", name="What it holds"))
    expect(page.get_by_text("as it is now.")).to_be_visible()
    expect(page.get_by_role("heading", name="What this slice holds", level=1)).to_be_visible()
    expect(page.get_by_text("Nothing has been built")).to_have_count(0)
    look(page, "plans-grant")
    page.context.close()


def files_of(world: Installed, name: str) -> list[Path]:
    return [path for path in world.layout.slices.rglob(f"*{name}*") if path.name != "tombstones.csv"]


def test_two_people_leave(world: Installed, chromium: Browser, tmp_path: Path) -> None:
    """A file, the dry run, a number mistyped, a second person, the work of the storekeeper, the receipt."""
    leaving = [name for name in PATIENTS if files_of(world, name)][:2]
    assert len(leaving) == 2
    (tmp_path / "list.csv").write_text("pseudonym,reason\n" + "".join(f"{name},SecretIllness\n" for name in leaving))
    dana = page_of(world, chromium, "dana", "/optouts")
    complaints, asked = watch(dana)
    look(dana, "optouts-list-empty")
    dana.get_by_role("group", name="How far").get_by_label("erase").check()
    dana.get_by_label("Who sent it").fill("The custodian")
    dana.get_by_role("button", name="Count it").click()
    expect(dana.locator(".nhsuk-error-summary")).to_contain_text("The list names nobody.")
    expect(dana.get_by_label("Who sent it")).to_have_value("The custodian")
    expect(dana.get_by_label("erase")).to_be_checked()
    look(dana, "optouts-list-error")
    dana.get_by_label("The list, as a file").set_input_files(tmp_path / "list.csv")
    dana.get_by_role("button", name="Count it").click()
    expect(dana.get_by_role("heading", name="Waits to be confirmed")).to_be_visible(timeout=SOON)  # no reload by hand
    look(dana, "optouts-dry-run")
    where = dana.url
    dana.get_by_label("Type the number of people").fill("20")
    dana.get_by_role("button", name="Withdraw").click()
    expect(dana.locator(".nhsuk-error-summary")).to_contain_text("not the number of people")
    look(dana, "optouts-mistyped")
    press(dana, dana.get_by_label("Type the number of people"), "2")
    press(dana, dana.get_by_role("button", name="Withdraw"))
    expect(dana.get_by_role("heading", name="A second person is waited for")).to_be_visible()
    look(dana, "optouts-second-waited-for")
    assert all(files_of(world, name) for name in leaving)
    dora = page_of(world, chromium, "dora", "/optouts")
    dora.goto(where)
    expect(dora.get_by_role("heading", name="Confirm as the second person")).to_be_visible()
    write(dora, dora.get_by_label("Type the number of people"), "2")
    press(dora, dora.get_by_role("button", name="Withdraw"))
    expect(dora.get_by_role("heading", name="Done", level=1)).to_be_visible(timeout=SOON)  # no reload by hand
    assert not any(files_of(world, name) for name in leaving)
    look(dora, "optouts-done")
    with dora.expect_download() as kept:
        dora.get_by_role("link", name="For machines (JSON)").click()
    receipt = json.loads(kept.value.path().read_text())
    assert (receipt["complete"], receipt["filesRemoved"]) == (True, 2)
    dana.goto(url(world, "/optouts"))
    look(dana, "optouts-list")
    for page in (dana, dora):
        assert not [name for name in (*leaving, "SecretIllness") if name in page.content()]
    assert not [one for one in asked if any(name in one for name in leaving)]
    told = "".join(world.log(name) + world.ask(name, "/metrics")[1] for name in ("portal", "storekeeper"))
    assert 'tre_optouts{state="Held"} 0.0' in told
    assert not [name for name in leaving if name in told + world.log("gateway")]
    assert complaints == []
    dana.context.close()
    dora.context.close()
