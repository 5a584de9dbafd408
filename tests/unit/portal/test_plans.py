"""Plans at the desk: a text, its mistakes by line, the plan; how often; whose; and the plan of a grant's slice."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.factories import spec_plain
from tests.unit.portal.world import GRANT, Browser, World, subject
from tests.unit.slices.conftest import Maker, make_spec
from tre.domain.datasets import Counts, Dataset, Release
from tre.domain.errors import Reason, TREError
from tre.domain.events import program
from tre.domain.slices.previews import KIND, PROGRAM, asker_of
from tre.domain.slices.shown import SmallNumbers
from tre.domain.slices.spec import SliceSpec
from tre.domain.withdrawals import Withdrawal, WithdrawalLevel
from tre.portal.plan_actions import MOST_TEXT, spec_text
from tre.portal.plan_views import problem_lines
from tre.store import datasets, grant_slices, jobs
from tre.store.grant_slices import SliceState
from tre.storekeeper import service
from tre.storekeeper.deliveries import Delivery, add
from tre.storekeeper.office import Office
from tre.storekeeper.slices import make_plan
from tre.system.resources import read_text

TEXT = """\
slice: 1
dataset: demo
release: r1
images:
  - modality: [DX]
tables:
  clinical:
    columns: [pseudonym, sex]
"""


class Keeper:
    """A dataset of twelve people, and the storekeeper's hand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.office = Office(world.layout, world.settings, world.database, world.clock, program("storekeeper"))

    def deliver(self, place: Path) -> None:
        """Take the dataset in."""
        for path in (self.world.layout.datasets, self.world.layout.slices):
            path.mkdir(parents=True, exist_ok=True)
        maker = Maker(place)
        for number in range(12):
            maker.record(f"Covid2000{number:02}", Sex=number % 2)
            maker.image(f"Covid2000{number:02}", f"1.{number}", f"1.{number}.1")
        add(self.office, Delivery("demo", place, "r1"))

    def work(self) -> None:
        """Do what the desk asked for."""
        with self.world.database.read() as connection:
            waiting = jobs.waiting(connection, PROGRAM, self.world.clock.now())
        for job in waiting:
            service.Service(self.office).do(job, service.LANES["slices"][job.kind])

    def limit(self, previews: int) -> None:
        policy = self.world.layout.root / "policies" / "datasets" / "demo.yaml"
        policy.parent.mkdir(parents=True)
        head = "apiVersion: tre.research/v1alpha1\nkind: DisclosurePolicy\nmetadata: {name: demo}\n"
        policy.write_text(f"{head}spec: {{previewsPerHour: {previews}}}\n")


@pytest.fixture
def keeper(world: World, tmp_path: Path) -> Keeper:
    made = Keeper(world)
    made.deliver(tmp_path / "delivery")
    return made


async def ask(browser: Browser, text: str = TEXT) -> str:
    """Ask; the address of the preview."""
    answer = await browser.post("/plans", {"spec": text})
    assert answer.status_code == 303, words_of(answer)
    return answer.headers["location"]


def words_of(answer: httpx.Response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


async def test_a_text_becomes_a_plan(world: World, keeper: Keeper) -> None:
    alice = world.browser("alice")
    form = await alice.get("/plans")
    assert "dataset: demo" in form.text
    where = await ask(alice)
    waiting = await alice.get(where)
    assert "The plan is being made" in waiting.text
    assert f'data-live="{where}/events"' in waiting.text
    assert '<noscript><meta http-equiv="refresh"' in waiting.text
    keeper.work()
    page = await alice.get(where)
    assert '<div class="plan"><h1>What this request would give</h1>' in page.text
    assert "refresh" not in page.text
    assert "data-live" not in page.text
    for words in (
        "people 10",
        "Who is represented",
        "What stays out",
        "What is approved is exactly this plan: sha256:",
    ):
        assert words in words_of(page), words
    assert "Covid2000" not in page.text
    assert "Ready" in (await alice.get("/plans")).text


async def test_small_numbers_stay_hidden_everywhere(world: World, keeper: Keeper) -> None:
    """Of twelve people six are of either sex: no page, file or stream says so."""
    alice = world.browser("alice")
    where = await ask(alice, TEXT + "patients: {sex: [female]}\n")
    keeper.work()
    page, file, plain = [await alice.get(f"{where}{end}") for end in ("", "/plan.html", "/plan.json")]
    assert "people fewer than 8" in words_of(page)
    assert (plain.json()["patients"], plain.json()["instances"]) == ("*", "*")
    assert plain.json()["smallNumbers"] == SmallNumbers().as_plain()
    assert "rowIds" not in plain.text
    for answer in (file, plain):
        assert answer.headers["content-disposition"].startswith("attachment; ")
    assert "fewer than 8" in file.text


async def test_the_first_text_is_one_that_works(world: World, keeper: Keeper) -> None:
    alice = world.browser("alice")
    found = re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", (await alice.get("/plans")).text, re.S)
    assert found is not None
    where = await ask(alice, found[1].replace("&#34;", '"').replace("\n", "\r\n"))
    keeper.work()
    assert "Could somebody be recognised?" in (await alice.get(where)).text


MISTAKES = (
    (TEXT.replace("images", "imagse"), ["Line 4: imagse: no such key; did you mean 'images'?"]),
    (TEXT.replace("[DX]", "[DXX]"), ["Line 5: images[0].modality: not known here: DXX", "did you mean DX?"]),
    (TEXT.replace("demo", "domo"), ["Line 2: dataset: not known here: domo; did you mean demo?"]),
    (TEXT.replace("r1", "r11"), ["Line 3: release: not known here: r11; did you mean r1?"]),
    (TEXT.replace("slice: 1", "slice: 2"), ["Line 1: slice: one of these is due here: 1"]),
    (TEXT.replace("[DX]", "[DX"), ["this is not YAML that can be read here."]),
    (TEXT.replace("slice: 1", "slice: &a 1"), ["anchors and aliases are not allowed"]),
    (TEXT + "slice: 1\n", ["Line 9: the key 'slice' stands twice."]),
    (TEXT + "---\n" + TEXT, ["Line 10: a second document begins here"]),
    (TEXT.replace("[DX]", "[true]"), ["a truth value"]),
    ("", ["The text is empty."]),
    ("[" * 5000, ["nested too deeply"]),
    ("slice: 1\n" + "x: 1\n" * 3900, ["the key 'x' stands twice"]),
    ("slice: 1\n" + "".join(f"k{n}: 1\n" for n in range(1500)), ["Line 2: k0: no such key", "and 14"]),
    (TEXT + "#" * MOST_TEXT, ["longer than 20,000 characters"]),
    (TEXT.replace("imag", "<script>"), ["Line 4: <script>es: no such key"]),
)


@pytest.fixture
def shelf(world: World) -> None:
    """A release in the record, without files."""
    now, digest = world.clock.now(), "sha256:" + "ab" * 32
    release = Release(dataset="demo", name="r1", index_digest=digest, counts=Counts(), created_at=now)
    with world.database.change(world.event()) as change:
        datasets.register(change, Dataset(name="demo", title="Demo", data_group=60100, created_at=now))
        datasets.publish(change, release)


@pytest.mark.usefixtures("shelf")
async def test_mistakes_are_told_by_line(world: World) -> None:
    alice = world.browser("alice")
    for text, words in MISTAKES:
        answer = await alice.post("/plans", {"spec": text})
        assert answer.status_code == 400, text
        assert "<title>Error: " in answer.text
        said = words_of(answer).replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'")
        for one in words:
            assert one in said, (text, one)
        assert "<script" not in answer.text
    with world.database.read() as connection:
        assert jobs.waiting(connection, PROGRAM, world.clock.now()) == []


async def test_more_than_may_be_sent_is_not_read(world: World) -> None:
    answer = await world.browser("alice").post("/plans", {"spec": "x" * 70_000})
    assert answer.status_code == 413


def test_every_problem_has_its_line() -> None:
    with pytest.raises(Exception, match="line 4") as caught:
        read_text(SliceSpec, TEXT.replace("images", "imagse").replace("sex", "sax"))
    found = problem_lines(caught.value, TEXT.replace("images", "imagse"))  # type: ignore[arg-type]
    assert [(one.number, one.line) for one in found] == [(4, "imagse:"), (7, "  clinical:")]
    assert all("line" not in one.words for one in found)


async def test_what_the_storekeeper_finds_wrong_is_told_by_line_too(world: World, keeper: Keeper) -> None:
    alice = world.browser("alice")
    where = await ask(alice, TEXT + "patients:\n  list: {file: /etc/passwd}\n")
    keeper.work()
    page = await alice.get(where)
    assert page.status_code == 200
    assert "<title>Error: " in page.text
    assert "by its digest" in page.text
    assert "/etc/passwd" in page.text
    assert "Refused" in page.text
    assert (await alice.get(f"{where}/plan.json")).status_code == 404


async def test_one_person_gets_only_so_many_and_is_told_when_there_are_more(world: World, keeper: Keeper) -> None:
    keeper.limit(2)
    alice = world.browser("alice")
    first = world.clock.now()
    for layout in ("nccid", "patient"):
        await ask(alice, TEXT + f"layout: {layout}\n")
        keeper.work()
        world.clock.advance(60)
    again = (first.replace(hour=first.hour + 1)).strftime("%H:%M:%S")
    for _ in range(3):  # to be refused does not put it off
        refused = await alice.post("/plans", {"spec": TEXT + "layout: flat\n"})
        assert (refused.status_code, f"possible again from {again} UTC" in refused.text) == (429, True)
        assert "layout: flat" in refused.text
    assert "Asked within the hour: 2" in words_of(refused)
    await ask(world.browser("carl"), TEXT)
    world.clock.advance(3600 - 120)
    assert (await alice.post("/plans", {"spec": TEXT})).status_code == 303


async def test_what_is_asked_is_written_down(world: World, keeper: Keeper) -> None:
    await ask(world.browser("alice"))
    keeper.work()
    (asked,), (looked,) = world.events("slice.preview-asked"), world.events("slice.previewed")
    assert (asked.actor, asked.object) == (subject("alice"), "dataset/demo")
    assert asked.detail["asker"] == looked.detail["asker"] == asker_of(subject("alice"))
    assert looked.detail["planDigest"].startswith("sha256:")
    with world.database.read() as connection:
        (job,) = jobs.of_subject(connection, PROGRAM, KIND, asker_of(subject("alice")))
    assert job.payload["spec"]["images"] == [{"modality": ["DX"]}]


async def test_a_later_one_takes_the_place_of_one_that_waits(world: World, keeper: Keeper) -> None:
    alice = world.browser("alice")
    first, second = await ask(alice), await ask(alice, TEXT + "layout: flat\n")
    assert first != second
    keeper.work()
    assert "A later one took its place." in (await alice.get(first)).text
    assert "What this request would give" in (await alice.get(second)).text


@pytest.mark.usefixtures("shelf")
async def test_one_that_is_late_says_so(world: World) -> None:
    alice = world.browser("alice")
    where = await ask(alice)
    world.clock.advance(61)
    assert "The answer should have come by now." in (await alice.get(where)).text


async def test_a_waiting_page_is_told_how_far_it_is(world: World, keeper: Keeper) -> None:
    alice = world.browser("alice")
    where = await ask(alice)
    stream = asyncio.create_task(alice.get(f"{where}/events", **{"Sec-Fetch-Site": "same-origin"}))
    await asyncio.sleep(0)
    keeper.work()
    told = [json.loads(line[6:]) for line in (await stream).text.splitlines() if line.startswith("data:")]
    assert (told[-1]["label"], told[-1]["done"]) == ("Ready", True)
    assert [step["reached"] for step in told[-1]["steps"]] == [True] * 3


async def test_a_preview_is_its_askers_alone(world: World, keeper: Keeper) -> None:
    where = await ask(world.browser("alice"))
    keeper.work()
    for name in ("bob", "carl", "dana"):
        other = world.browser(name)
        for end in ("", "/events", "/plan.html", "/plan.json"):
            assert (await other.get(f"{where}{end}")).status_code == 404
        assert (await other.get(f"/plans?again={where.rpartition('/')[2]}")).status_code == 404
        assert where not in (await other.get("/plans")).text
    alice = world.browser("alice")
    again = await alice.get(f"/plans?again={where.rpartition('/')[2]}")
    assert "columns:" in again.text
    assert where in again.text
    world.clock.advance(7 * 86400 + 1)
    alice = world.browser("alice")
    assert (await alice.get(where)).status_code == 404
    assert where not in (await alice.get("/plans")).text


@pytest.mark.usefixtures("shelf")
async def test_one_in_the_language_of_before_spoils_nothing(world: World) -> None:
    """An old order that is understood no more has a page that says so; the list stands."""
    asker = asker_of(subject("alice"))
    payload = {"asker": asker, "spec": {"slice": 0, "dataset": "demo"}}
    request = jobs.JobRequest(program=PROGRAM, kind=KIND, subject=asker, payload=payload)
    with world.database.change(world.event()) as change:
        identifier = jobs.ask(change, request, world.clock.now())
    alice = world.browser("alice")
    assert f"/plans/{identifier}" in (await alice.get("/plans")).text
    assert (await alice.get(f"/plans/{identifier}")).status_code == 400


async def test_no_other_job_is_shown(world: World, keeper: Keeper) -> None:
    request = jobs.JobRequest(program=PROGRAM, kind="slice.plan", subject=asker_of(subject("alice")), payload={})
    with world.database.change(world.event()) as change:
        identifier = jobs.ask(change, request, world.clock.now())
    assert (await world.browser("alice").get(f"/plans/{identifier}")).status_code == 404


@pytest.mark.parametrize(("name", "may"), [("alice", 200), ("dana", 200), ("carl", 200), ("chris", 403), ("olga", 403)])
@pytest.mark.usefixtures("shelf")
async def test_who_may_ask(world: World, name: str, may: int) -> None:
    browser = world.browser(name)
    assert (await browser.get("/plans")).status_code == may
    answer = await browser.post("/plans", {"spec": TEXT})
    assert answer.status_code == (303 if may == 200 else 403)
    assert ('href="/plans"' in (await browser.get("/account")).text) is (may == 200)


async def test_how_it_looks_is_the_plans_own(world: World, keeper: Keeper) -> None:
    alice = world.browser("alice")
    where = await ask(alice)
    keeper.work()
    found = re.search(r'href="(/plans/style-[0-9a-f]+\.css)"', (await alice.get(where)).text)
    assert found is not None
    style = await alice.get(found[1])
    assert (style.headers["content-type"], "immutable" in style.headers["cache-control"]) == (
        "text/css; charset=utf-8",
        True,
    )
    rules = [line for line in style.text.splitlines() if line.strip().startswith((".", "@")) or "{" in line]
    assert all(line.strip().startswith((".plan", "@media")) for line in rules)
    assert " style=" not in (await alice.get(where)).text


class TestTheApi:
    async def test_ask_and_look(self, world: World, keeper: Keeper) -> None:
        keeper.limit(1)
        alice = world.browser("alice")
        made = await alice.api("POST", "/api/v1/plans", {"spec": TEXT})
        assert (made.status_code, made.json()["state"], made.json()["allowedActions"]) == (202, "open", [])
        keeper.work()
        where = f"/api/v1/plans/{made.json()['id']}"
        found = (await alice.get(where)).json()
        assert (found["state"], found["plan"]["patients"], found["late"]) == ("done", 10, False)
        assert [one["id"] for one in (await alice.get("/api/v1/plans")).json()] == [found["id"]]
        again = await alice.api("POST", "/api/v1/plans", {"spec": TEXT})
        assert (again.status_code, again.json()["reason"]) == (429, "RateLimited")
        world.clock.advance(3600)
        assert (await alice.get(where)).json()["allowedActions"] == ["ask"]
        assert (await world.browser("bob").get(where)).status_code == 404
        assert (await world.browser("bob").get("/api/v1/plans")).json() == []

    @pytest.mark.usefixtures("shelf")
    async def test_what_is_wrong_is_told_by_line(self, world: World) -> None:
        alice = world.browser("alice")
        wrong = await alice.api("POST", "/api/v1/plans", {"spec": TEXT.replace("images", "imagse")})
        assert (wrong.status_code, wrong.json()["what"]) == (400, "line 4: imagse: no such key; did you mean 'images'?")
        assert (await alice.api("POST", "/api/v1/plans", {"spec": "x" * (MOST_TEXT + 1)})).status_code == 422
        asked = (
            await alice.api(
                "POST", "/api/v1/plans", {"spec": json.dumps({"slice": 1, "dataset": "demo", "release": "r1"})}
            )
        ).json()
        error = TREError(Reason.BadInput, "tier: the release has no such tier")
        with world.database.change(world.event()) as change:
            jobs.take(change, asked["id"], world.clock.now())
            jobs.fail(change, asked["id"], error, world.clock.now())
        found = (await alice.get(f"/api/v1/plans/{asked['id']}")).json()
        assert (found["state"], found["error"]["what"]) == ("failed", "line 1: tier: the release has no such tier")

    @pytest.mark.usefixtures("shelf")
    @pytest.mark.parametrize("name", ["chris", "olga"])
    async def test_who_may_not(self, world: World, name: str) -> None:
        other = world.browser(name)
        assert (await other.get("/api/v1/plans")).status_code == 403
        assert (await other.get(f"/api/v1/plans/{'0' * 32}")).status_code == 403
        assert (await other.api("POST", "/api/v1/plans", {"spec": TEXT})).status_code == 403


def plain_specs() -> st.SearchStrategy[dict[str, Any]]:
    words = st.sampled_from(["YES", "NO", "unknown"])
    image = st.fixed_dictionaries(
        {},
        optional={
            "modality": st.just(["DX"]),
            "burned_in_annotation": st.lists(words, min_size=1, max_size=3, unique=True),
            "manufacturer": st.lists(st.text(alphabet="aé:#'\"-?! 0", min_size=1, max_size=6), min_size=1, max_size=2),
            "study_date": st.just({"from": "2020-03-01"}),
        },
    ).filter(bool)
    return st.fixed_dictionaries(
        {"images": st.lists(image, max_size=3)},
        optional={
            "headers": st.sampled_from(["none", "full"]),
            "release": st.sampled_from(["2026-10-01", "010", "1e3"]),
        },
    )


@settings(max_examples=60, deadline=None)
@given(plain_specs())
def test_a_specification_is_the_same_when_it_is_written_and_read_again(changes: dict[str, Any]) -> None:
    try:
        spec = make_spec(**changes)
    except ValueError:
        return  # no specification
    assert read_text(SliceSpec, spec_text(spec)).record == spec


class TestTheGrantsPlan:
    def build(self, world: World, keeper: Keeper, **changes: Any) -> str:
        """As if a grant's slice was built from a plan; its digest."""
        planned = make_plan(keeper.office, make_spec(**changes))
        with world.database.change(world.event()) as change:
            values = {"plan_digest": planned.plan_digest}
            grant_slices.set_state(change, GRANT, self.name(world), SliceState.Ready, Reason.Entitled, **values)
        return planned.plan_digest

    def name(self, world: World) -> str:
        with world.database.read() as connection:
            return grant_slices.of_grant(connection, GRANT)[0].name

    async def test_the_project_and_who_reads_the_record_see_it(self, world: World, keeper: Keeper) -> None:
        digest = self.build(world, keeper)
        where = f"/grants/{GRANT}/slices/{self.name(world)}/plan"
        for name, page in (("alice", f"/projects/{GRANT}"), ("carl", f"/grants/{GRANT}"), ("olga", f"/grants/{GRANT}")):
            browser = world.browser(name)
            assert f'href="{where}"' in (await browser.get(page)).text
            found = await browser.get(where)
            assert found.status_code == 200
            assert digest in found.text
            assert "approved another one" in found.text
            assert '<div class="plan"><h1>What this slice holds</h1>' in found.text
            assert f'href="{page}"' in found.text
            file = await browser.get(f"{where}.html")
            assert (file.status_code, "attachment" in file.headers["content-disposition"]) == (200, True)
        for end in ("", ".html"):
            assert (await world.browser("eve").get(where + end)).status_code == 404
            assert (await world.browser("chris").get(where + end)).status_code == 404

    async def test_what_was_signed_is_told_from_what_was_not(self, world: World, keeper: Keeper) -> None:
        digest = make_plan(keeper.office, make_spec()).plan_digest
        world.add_grant("signed", approval=spec_plain()["approval"] | {"planDigest": digest})
        page = await world.browser("carl").get(f"/grants/signed/slices/{self.name(world)}/plan")
        assert "This is what was approved" in page.text
        assert "approved another one" not in page.text
        assert "Nothing has been built." in page.text

    async def test_one_that_was_not_planned_has_no_page(self, world: World, keeper: Keeper) -> None:
        olga = world.browser("olga")
        for slice_name in (self.name(world), "nothing"):
            answer = await olga.get(f"/grants/{GRANT}/slices/{slice_name}/plan")
            assert answer.status_code == 404
        assert "/plan" not in re.sub(r'href="/plans"', "", (await olga.get(f"/grants/{GRANT}")).text)

    async def test_small_numbers_are_hidden_there_too(self, world: World, keeper: Keeper) -> None:
        found = [
            Withdrawal(pseudonym="Covid200000", level=WithdrawalLevel.no_use, source="x", received_at=world.clock.now())
        ]
        with world.database.change(world.event()) as change:
            datasets.withdraw(change, "demo", found)
        self.build(world, keeper)
        page = await world.browser("carl").get(f"/grants/{GRANT}/slices/{self.name(world)}/plan")
        assert "fewer than 8 people who meet these conditions have opted out" in words_of(page)
        assert "Covid2000" not in page.text
