"""Who decides and what was declined, as the public reads of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from tests.support.pagetext import text_of
from tests.unit.portal.account_world import begin, do
from tests.unit.portal.committee_world import PATIENT_REASON, REASON, TITLE, furnish_committee, tell_decision
from tests.unit.portal.register_world import furnish
from tests.unit.portal.test_register_pages import get
from tests.unit.portal.world import GRANT, World
from tre.domain.errors import Reason, TREError
from tre.domain.publicaccount.models import Incident, IncidentType
from tre.domain.readability import PUBLIC_AGE, reading_age
from tre.portal import account_words, committee_public
from tre.portal.public_applications import public_switch
from tre.store import committee_told, publicaccount
from tre.store.database import Database

SCRIPT = "<script>alert(1)</script>"
PAGES = ("/committee", "/declined", "/totals", "/projects/told")
INCIDENT = {"title": "A wrong list", "happened": "2025-10-30", "text": "A list was sent.", "done": "It was deleted."}


async def words_of(world: World, path: str) -> str:
    answer = await get(world, path)
    assert answer.status_code == 200, answer.text
    return text_of(answer.text)


async def test_who_sits_for_whom_until_when_and_what_they_declared(world: World) -> None:
    furnish_committee(world)
    page = await words_of(world, "/committee")
    for said in (
        "Clinicians: one vote at least\nAcademics",
        "All in all: 4 votes at least",
        "It is 2 votes at least, and of them:\nPatients and the public: one vote at least\nA yes",
        "Member clara, chair",
        "Trust of pat",
        "A fund for hearts",
        "has not begun",
        "Who sat in it before",
        "Member fred",
    ):
        assert said in page, said
    for secret in ("local", "illness", "s-", "subject"):
        assert secret not in (await get(world, "/committee.json")).text
    assert "illness" not in page
    told = (await get(world, "/committee.json")).json()
    assert [one["name"] for one in told["former"]] == ["Member fred"]
    assert len(told["sitting"]) == 5
    assert set(told["sitting"][0]) == {"name", "constituency", "organisation", "chair", "begins", "ends", "interests"}


async def test_an_empty_committee_says_that_nothing_can_be_decided(world: World) -> None:
    assert "Nobody sits in the committee at this time" in await words_of(world, "/committee")
    assert "Nothing was declined so far" in await words_of(world, "/declined")
    assert "Nothing was declined so far" in await words_of(world, "/totals")
    assert (await get(world, "/declined.json")).json() == {"years": {}, "declined": []}


async def test_the_rules_are_those_of_the_sites_own_policy(world: World) -> None:
    own = world.layout.root / "policies" / "committee.yaml"
    own.parent.mkdir(exist_ok=True)
    shutil.copy("policies/committee.yaml", own)
    written = own.read_text().replace("patient: {title: Patients and the public, quorum: 1}", "patient: {title: Those")
    own.write_text(written.replace("{title: Those", "{title: Those whom it concerns, quorum: 2}"))
    assert "Those whom it concerns: 2 votes at least" in await words_of(world, "/committee")
    text = own.read_text()
    own.write_text(text[: text.index("  fastLane:")] + "  fastLane: null\n")
    page = await words_of(world, "/committee")
    assert "small change" not in page
    assert (await get(world, "/committee.json")).json()["membersSmallChange"] is None
    own.write_text("nonsense: 1")
    broken = await get(world, "/committee")
    assert broken.status_code >= 400
    assert "Traceback" not in broken.text


async def test_a_seat_whose_constituency_the_policy_has_no_more_keeps_its_name(world: World) -> None:
    furnish_committee(world)
    with world.database.read() as connection:
        found = committee_public.who_decides(world.desk, connection)
    assert found.title("patient") == "Patients and the public"
    assert found.title("ethicist") == "ethicist"


async def test_what_was_declined_is_told_with_its_reasons_and_without_who_asked(world: World) -> None:
    furnish_committee(world)
    for path in ("/declined", "/totals"):
        page = await words_of(world, path)
        for said in (TITLE, REASON, PATIENT_REASON, "A change of a project", "wrote no reasons", "academic"):
            assert said in page, (path, said)
        year = world.clock.now().year
        assert f"In {year}\n1" in page
        for secret in ("University", "Alice", "clara", "told", "It helps."):
            assert secret not in page.replace("is told so", "").replace("was told", ""), (path, secret)
    told = (await get(world, "/declined.json")).json()
    assert [one["application"] for one in told["declined"]] == ["a-bbbbbbbbbbbb", "a-aaaaaaaaaaaa"]
    assert sum(told["years"].values()) == 2


async def test_many_declined_stand_in_the_json(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish_committee(world)
    from tre.portal.routes import public_committee

    monkeypatch.setattr(public_committee, "MOST_SHOWN", 1)
    page = await words_of(world, "/declined")
    assert ": 1 older." in page
    assert TITLE not in page
    assert len((await get(world, "/declined.json")).json()["declined"]) == 2


async def test_what_members_said_stands_on_the_projects_page(world: World) -> None:
    furnish(world)
    furnish_committee(world, grant="told")
    tell_decision(
        world,
        "approve",
        world.clock.now() - timedelta(days=1),
        grant="told",
        id="a-dddddddddddd",
        varies="told",
        said=(None, None, None, "Go on."),
    )
    page = await words_of(world, "/projects/told")
    for said in (
        "A change was approved on",
        "It was approved on",
        "The question is worth it.",
        "What patient members said\nWe want to read what comes of it.",
        "Go on.",
    ):
        assert said in page, said
    assert page.index("Go on.") < page.index("The question is worth it.")
    assert REASON not in page
    told = (await get(world, "/projects/told.json")).json()
    assert [one["patients"] for one in told["decisions"]] == [["Go on."], ["We want to read what comes of it."]]
    other = (await get(world, "/projects.json")).json()
    assert told in other


async def test_what_names_somebody_is_withheld_and_says_so(world: World) -> None:
    furnish(world)
    furnish_committee(world, grant="told")
    with world.database.change(world.event()) as change:
        for digest in change.connection.exec_driver_sql("SELECT digest FROM register_decisions").scalars().all():
            committee_told.withhold(change, digest, "It named a person.")
    for path in ("/declined", "/totals", "/projects/told", "/declined.json", "/projects/told.json"):
        page = (await get(world, path)).text
        assert "It named a person." in page, path
        for gone in (TITLE, REASON, PATIENT_REASON, "The question is worth it."):
            assert gone not in page, path
    with pytest.raises(TREError) as caught, world.database.change(world.event()) as change:
        committee_told.withhold(change, "sha256:nothing", "It named a person.")
    assert caught.value.reason is Reason.ObjectNotFound


async def test_an_incident_has_a_kind_and_names_a_project_of_the_register(world: World) -> None:
    furnish(world)
    world.add_grant("hidden", active=False)
    for wrong in ({"project": "nothing-such"}, {"project": "hidden"}, {"type": "magic"}, {"project": "No name"}):
        answer = await world.browser("olga").post("/public/new/incident", INCIDENT | wrong)
        assert answer.status_code == 400, wrong
    name = await begin(world, "incident", **INCIDENT, type="disclosure", project="told")
    await begin(world, "incident", **INCIDENT | {"title": "A dark day"}, type="outage")
    await begin(world, "incident", **INCIDENT | {"title": "Another", "happened": "2026-01-02"})
    page = await words_of(world, "/totals")
    for said in (
        "2026: Something else: 1",
        "2025: Data reached somebody who should not have had it: 1",
        "2025: The service did not work: 1",
    ):
        assert said in page, said
    assert page.index("2026: Something") < page.index("2025: Data reached")
    project = (await get(world, "/projects/told")).text
    assert f'href="/incidents#{name}"' in project
    assert "we still work on it" in project
    assert "/incidents#" not in (await get(world, f"/projects/{GRANT}")).text
    listed = (await get(world, "/incidents")).text
    assert 'href="/projects/told"' in listed
    better = INCIDENT | {"text": "Two lists.", "correction": "There were two."}
    assert (await do(world, "olga", name, "correct", **better)).status_code == 303
    told = {one["id"]: one for one in (await get(world, "/incidents.json")).json()}
    assert (told[name]["type"], told[name]["project"], told[name]["text"]) == ("disclosure", "told", "Two lists.")
    gone = await do(world, "olga", name, "correct", **better | {"project": "", "type": "access"})
    assert gone.status_code == 303
    assert "/incidents#" not in (await get(world, "/projects/told")).text


async def test_an_incident_from_before_there_were_kinds_is_something_else(world: World) -> None:
    name = await begin(world, "incident", **INCIDENT)
    with world.database.read() as connection:
        body = publicaccount.get(connection, name).body
    assert isinstance(body, Incident)
    old = {key: value for key, value in body.as_plain().items() if key not in {"type", "project"}}
    assert Incident.model_validate(old).as_plain() == old
    assert set(account_words.INCIDENTS) == set(IncidentType)


async def test_markup_is_text(world: World) -> None:
    furnish(world)
    furnish_committee(world, grant="told")
    with world.database.change(world.event()) as change:
        change.connection.exec_driver_sql(
            "UPDATE register_decisions SET told = replace(replace(replace(told, ?, ?), ?, ?), ?, ?)",
            (REASON, SCRIPT, "The question is worth it.", SCRIPT, TITLE, SCRIPT),
        )
        change.connection.exec_driver_sql(
            "UPDATE committee_seats SET told = replace(replace(told, 'Member pat', ?), 'Trust of pat', ?)",
            (SCRIPT, SCRIPT),
        )
    for path in PAGES:
        page = (await get(world, path)).text
        assert SCRIPT not in page, path
        assert "&lt;script&gt;" in page, path


@pytest.mark.parametrize("path", PAGES)
async def test_a_child_of_twelve_can_read_it(world: World, path: str) -> None:
    furnish(world)
    furnish_committee(world, grant="told")
    page = await words_of(world, path)
    assert reading_age(page) <= PUBLIC_AGE, reading_age(page)


@pytest.mark.parametrize("path", [*PAGES, "/committee.json", "/declined.json"])
async def test_no_cookie_is_set_and_nothing_is_written(world: World, path: str) -> None:
    furnish(world)
    furnish_committee(world)
    reader = Database.sqlite(world.layout.database, read_only=True)
    public = public_switch(replace(world.desk, database=reader))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=public), base_url=world.settings.origin()
    ) as browser:
        answer = await browser.get(path)
    reader.close()
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert "<script" not in answer.text
