"""Costs at the desk: what a project used, for whom that is; budgets, and who may not set them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.unit.portal.world import GRANT, World, subject
from tre.domain.costs import meters
from tre.domain.costs.meters import RunMeter, Used
from tre.domain.costs.prices import Prices, Unit
from tre.domain.workspaces.models import Workspace
from tre.store import costs
from tre.system.cost_settings import CostSettings


def used(world: World, grant: str = GRANT, who: str = "alice", hours: int = 4, *, known: bool = True) -> None:
    began = world.clock.now() - timedelta(hours=hours)
    meter = RunMeter(
        workspace=Workspace.name_for(grant, subject(who)),
        instance=1,
        grant=grant,
        cpu_millis=2000,
        memory_mib=4096,
        began_at=began,
        counted_to=began,
        known_to=began,
    )
    reading = Used(cpu_us=3_600_000_000, peak_bytes=2**31) if known else None
    with world.database.change(world.event()) as change:
        costs.keep_run(change, *meters.close(meter, reading, world.clock.now()))


def limits(world: World) -> dict[str, Decimal]:
    with world.database.read() as connection:
        return {one.measure.value: one.limit for one in costs.budgets(connection, GRANT)}


def form(measure: str = "cpu-hours-reserved", limit: str = "10", reason: str = "agreed") -> dict[str, str]:
    return {"measure": measure, "limit": limit, "reason": reason}


async def test_members_see_what_their_project_uses_and_strangers_cannot_tell_it_from_none(world: World) -> None:
    used(world)
    page = await world.browser("alice").get(f"/projects/{GRANT}")
    assert "An open workspace sets aside 2 processors and 4 GiB of memory." in page.text
    assert "This month 8 processor hours were set aside, 8 in all" in page.text
    page = await world.browser("bob").get(f"/grants/{GRANT}/costs")
    assert page.status_code == 200
    for words in ("Processor hours computed", "Alice Able", "2,048 MiB", "It has no limit."):
        assert words in page.text
    assert 'action="/grants' not in page.text  # no form for who may not
    stranger = world.browser("eve")
    there, nowhere = await stranger.get(f"/grants/{GRANT}/costs"), await stranger.get("/grants/nothing-at-all/costs")
    assert there.status_code == nowhere.status_code == 404
    assert there.text.replace(GRANT, "X") == nowhere.text.replace("nothing-at-all", "X")
    there, nowhere = [await stranger.post(f"/grants/{name}/budget", form()) for name in (GRANT, "nothing-at-all")]
    assert there.status_code == nowhere.status_code == 404


async def test_what_nobody_could_measure_is_called_not_known(world: World) -> None:
    used(world, known=False)
    page = await world.browser("alice").get(f"/grants/{GRANT}/costs")
    assert "not known" in page.text
    assert "For 4.0 hours" in page.text
    answer = (await world.browser("alice").api("GET", f"/api/v1/grants/{GRANT}/costs")).json()
    assert answer["account"]["whole"]["cpu-hours-used"] is None
    assert answer["allowedActions"] == []


async def test_an_operator_sees_all_in_any_order_and_as_a_file(world: World) -> None:
    world.add_grant("second-2")
    used(world, hours=2)
    used(world, "second-2", "bob", hours=3)
    olga = world.browser("olga")
    page = (await olga.get("/operate/costs")).text
    assert page.index("second-2/costs") < page.index(f"{GRANT}/costs")
    page = (await olga.get("/operate/costs?sort=project&period=whole")).text
    assert page.index(f"{GRANT}/costs") < page.index("second-2/costs")
    assert "second-2/costs" not in (await olga.get(f"/operate/costs?q={GRANT}")).text
    assert "No project fits" in (await olga.get("/operate/costs?q=%3Cscript%3E&sort=nonsense&page=9")).text
    prices = Prices(currency="GBP", units={Unit.cpu_reserved: Decimal("0.5")})
    object.__setattr__(world.desk, "settings", world.settings.model_copy(update={"costs": CostSettings(prices=prices)}))
    for sort in ("money", "budget", "gpu-hours"):
        assert "3.00 GBP" in (await olga.get(f"/operate/costs?sort={sort}")).text
    page = (await olga.get(f"/grants/{GRANT}/costs")).text
    assert "2.00 GBP" in page
    assert "which costs 1.00 GBP an hour" in page
    file = await olga.get("/operate/costs.csv")
    assert file.headers["content-disposition"] == 'attachment; filename="costs.csv"'
    assert [line.split(",")[0] for line in file.text.splitlines()] == ["grant", GRANT, "second-2"]


@pytest.mark.parametrize("name", ["alice", "carl", "chris", "dana"])
async def test_the_pages_of_all_projects_are_operators(world: World, name: str) -> None:
    browser = world.browser(name)
    assert [(await browser.get(path)).status_code for path in ("/operate/costs", "/operate/costs.csv")] == [403, 403]


async def test_a_budget_is_set_raised_and_lifted_by_an_operator_with_a_reason(world: World) -> None:
    used(world)
    olga = world.browser("olga")
    assert (await olga.post(f"/grants/{GRANT}/budget", form(reason="<b>agreed</b>"))).status_code == 303
    assert limits(world) == {"cpu-hours-reserved": 10}
    page = (await world.browser("alice").get(f"/grants/{GRANT}/costs")).text
    assert "8 of 10 (80 %)" in page
    assert "&lt;b&gt;agreed" in page
    assert "<b>agreed" not in page
    assert "nearly spent" in (await world.browser("alice").get(f"/projects/{GRANT}")).text
    assert "A number, or none for no limit." in (await olga.get(f"/grants/{GRANT}/costs")).text
    assert "80 % spent" in (await olga.get("/operate/costs")).text
    assert (await olga.post(f"/grants/{GRANT}/budget", form(limit="8"))).status_code == 303
    assert "Nothing new is started" in (await olga.get(f"/grants/{GRANT}/costs")).text
    assert "nothing new is started" in (await world.browser("alice").get(f"/projects/{GRANT}")).text
    assert (await olga.post(f"/grants/{GRANT}/budget", form(limit="none"))).status_code == 303
    assert limits(world) == {}
    assert [one.detail.get("limit") for one in reversed(world.events("grant.budget-set"))] == ["10", "8"]
    assert world.events("grant.budget-lifted")[0].detail["reason"] == "agreed"


@pytest.mark.parametrize(
    "wrong",
    [
        form(limit=""),  # an empty field lifts nothing
        form(limit="-1"),
        form(limit="1e9"),
        form(limit="10 h"),
        form(limit="none"),  # there is none to lift
        form(reason=""),
        form(reason="x" * 501),
        form(measure="hours"),
        {"limit": "5"},
        form(reason="a\u202eb"),
    ],
)
async def test_what_is_mistyped_changes_nothing_and_comes_back(world: World, wrong: dict[str, str]) -> None:
    found = await world.browser("olga").post(f"/grants/{GRANT}/budget", wrong)
    assert found.status_code == 400
    assert "There is a problem" in found.text
    lacks = not 1 <= len(wrong.get("reason", "")) <= 500
    assert f'id="{"budget-reason" if lacks else "limit"}-error"' in found.text  # beside the field that is wrong
    assert limits(world) == {}
    assert world.events("grant.budget-set") == []


@pytest.mark.parametrize("name", ["alice", "carl", "chris", "dana"])
async def test_nobody_else_sets_a_budget(world: World, name: str) -> None:
    found = await world.browser(name).post(f"/grants/{GRANT}/budget", form())
    assert found.status_code in {403, 404}
    assert limits(world) == {}


async def test_a_budget_of_somebody_elses_form_is_refused(world: World) -> None:
    olga = world.browser("olga")
    stolen = form() | {"csrf": await world.browser("alice").token()}
    assert (await olga.post(f"/grants/{GRANT}/budget", stolen)).status_code == 403
    cross = await olga.post(f"/grants/{GRANT}/budget", form(), Origin="https://evil.example")
    assert cross.status_code == 403
    assert limits(world) == {}


async def test_programs_do_the_same(world: World) -> None:
    used(world)
    olga = world.browser("olga")
    answer = await olga.api("POST", f"/api/v1/grants/{GRANT}/budget", form(limit="12.5"))
    assert answer.status_code == 200
    assert answer.json()["account"]["budgets"][0]["percent"] == 64
    assert answer.json()["allowedActions"] == ["budget"]
    assert (await olga.api("POST", f"/api/v1/grants/{GRANT}/budget", form(limit="x"))).status_code == 400
    refused = await world.browser("alice").api("POST", f"/api/v1/grants/{GRANT}/budget", form())
    assert refused.status_code == 403
    assert limits(world) == {"cpu-hours-reserved": Decimal("12.5")}
