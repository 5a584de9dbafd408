"""The audit log at the desk: what is found, who may look, and what is taken away."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.unit.portal.world import World
from tre.audit import keys
from tre.domain.desk.questions import QUESTIONS
from tre.portal import audit_search
from tre.portal.routes.exports import public_key_lines
from tre.store.events import EventSearch, search

GRANT = "nccid-00123"


def put(world: World, kind: str, about: str, at: datetime | None = None, **detail: Any) -> None:
    event = world.event(kind, about).model_copy(update={"detail": detail} | ({"at": at} if at else {}))
    with world.database.change(event):
        pass


async def rows(world: World, **fields: str) -> str:
    page = await world.browser("olga").get(f"/operate/audit?{urlencode(fields)}")
    assert page.status_code == 200, page.text
    return page.text.partition("<tbody")[2].partition("</tbody")[0]


async def test_a_question_about_a_project_finds_what_belongs_to_it(world: World) -> None:
    name = world.workspace("alice").name
    person = {"issuer": "local", "id": "alice"}
    put(world, "workspace.entered", f"workspace/{name}", person=person, mark="this one")
    put(world, "workspace.entered", "workspace/w-other", person=person, mark="another project")
    put(world, "grant.suspended", f"grant/{GRANT}", mark="another kind")
    found = await rows(world, question="saw", object=f"grant/{GRANT}")
    assert "this one" in found
    assert "another project" not in found
    assert "another kind" not in found
    both = await rows(world, question="saw")
    assert "this one" in both
    assert "another project" in both


async def test_a_person_is_found_as_actor_and_as_the_one_a_program_speaks_of(world: World) -> None:
    put(world, "workspace.entered", "workspace/w-1", person={"issuer": "local", "id": "zoe"}, mark="entered")
    for who in ("zoe", "local:zoe"):
        assert "entered" in await rows(world, who=who)
    for who in ("zo", "idp:zoe", "%", "local:", "z_e"):
        assert "entered" not in await rows(world, who=who)


async def test_days_bound_what_is_found_the_last_one_included(world: World) -> None:
    now = world.clock.now()
    put(world, "grant.suspended", "grant/x", at=now - timedelta(days=3), mark="three days ago")
    day = f"{now - timedelta(days=3):%Y-%m-%d}"
    assert "three days ago" in await rows(world, since=day, until=day)
    assert "three days ago" not in await rows(world, since=f"{now - timedelta(days=2):%Y-%m-%d}")
    assert "three days ago" not in await rows(world, until=f"{now - timedelta(days=4):%Y-%m-%d}")


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "9999-12-31", "1", "2026-11-01T00:00:00"])
@pytest.mark.parametrize("field", ["since", "until"])
async def test_a_day_that_is_none_is_refused(world: World, field: str, day: str) -> None:
    page = await world.browser("olga").get(f"/operate/audit?{field}={day}")
    if (field, day) == ("since", "9999-12-31"):
        assert page.status_code == 200
        return
    assert page.status_code in {400, 409, 422}
    assert "holds no day" in page.text


async def test_a_question_that_is_none_finds_nothing(world: World) -> None:
    put(world, "grant.suspended", "grant/x")
    assert "grant.suspended" not in await rows(world, question="everything")
    assert "grant.suspended" not in await rows(world, question="left", kind="grant.suspended")
    assert "grant.suspended" in await rows(world, kind="grant.suspended")


@pytest.mark.parametrize("name", [question.name for question in QUESTIONS])
@pytest.mark.parametrize("about", ["", f"grant/{GRANT}", "grant/none", "slice/none", "else", "grant/", "/"])
async def test_every_question_has_an_answer(world: World, name: str, about: str) -> None:
    put(world, "export.submitted", "export/e-elsewhere", mark="of another project")
    found = await rows(world, question=name, object=about)
    assert not about or "of another project" not in found


async def test_markup_in_a_field_is_shown_as_text(world: World) -> None:
    nasty = '"><script>alert(1)</script>'
    fields = dict.fromkeys(("object", "kind", "who", "question"), nasty)
    page = await world.browser("olga").get(f"/operate/audit?{urlencode(fields)}")
    assert "<script>alert" not in page.text
    put(world, "workspace.entered", "workspace/w-1", person={"issuer": nasty, "id": nasty})
    page = await world.browser("olga").get("/operate/audit")
    assert "<script>alert" not in page.text
    for odd in ("x", 7, ["a"], {"id": 3}, None):
        put(world, "workspace.entered", "workspace/w-1", person=odd)
    assert (await world.browser("olga").get("/operate/audit?who=alice")).status_code == 200


async def test_a_damaged_row_hides_no_other_one(world: World) -> None:
    put(world, "workspace.entered", "workspace/w-1", person={"issuer": "local", "id": "zoe"})
    with world.database.engine.connect() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_events_refuse_update")
        connection.exec_driver_sql("UPDATE audit_events SET detail = '{' WHERE number = 1")
        connection.commit()
        found = search(connection, EventSearch(who="zoe"))
    assert [item.event.kind for item in found] == ["workspace.entered"]


async def test_pages_keep_what_was_asked(world: World) -> None:
    for _ in range(audit_search.PAGE + 1):
        put(world, "workspace.entered", "workspace/w-1")
    page = await world.browser("olga").get("/operate/audit?question=saw&since=2020-01-01")
    assert "question=saw&amp;since=2020-01-01&amp;before=" in page.text


class TestTakenAway:
    async def taken(self, world: World, who: str = "olga", **fields: str) -> list[dict[str, Any]]:
        answer = await world.browser(who).post("/operate/audit/lines", fields)
        assert answer.status_code == 200, answer.text
        assert "attachment" in answer.headers["content-disposition"]
        return [json.loads(line) for line in answer.text.splitlines()]

    async def test_the_lines_are_what_the_page_shows_and_all_of_it(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit_search, "MAX_PAGE", 7)
        for number in range(20):
            put(world, "workspace.entered", f"workspace/w-{number}")
        found = await self.taken(world, question="saw")
        assert [item["event"]["object"] for item in found] == [f"workspace/w-{number}" for number in range(19, -1, -1)]

    async def test_that_they_were_taken_is_an_event_with_what_was_asked(self, world: World) -> None:
        await self.taken(world, question="left", object=f"grant/{GRANT}")
        found = (await self.taken(world, question="log"))[1]  # the newest is this very look
        assert found["event"]["actor"]["id"] == "olga"
        assert found["event"]["detail"] == {"asked": {"question": "left", "about": f"grant/{GRANT}"}}

    async def test_what_is_refused_is_not_put_on_record(self, world: World) -> None:
        answer = await world.browser("olga").post("/operate/audit/lines", {"since": "never"})
        assert answer.status_code in {400, 409, 422}
        with world.database.read() as connection:
            assert search(connection, EventSearch(kind="log.handed-out")) == []

    @pytest.mark.parametrize("who", ["alice", "chris"])
    async def test_nobody_but_operators(self, world: World, who: str) -> None:
        browser = world.browser(who)
        assert (await browser.get("/operate/audit?question=saw")).status_code == 403
        assert (await browser.post("/operate/audit/lines", {})).status_code == 403
        with world.database.read() as connection:
            assert search(connection, EventSearch(kind="log.handed-out")) == []

    async def test_a_form_of_somebody_else_takes_nothing(self, world: World) -> None:
        answer = await world.browser("olga").post("/operate/audit/lines", {"csrf": "stolen"})
        assert answer.status_code == 403


def test_every_key_that_a_release_may_be_signed_with_is_shown(world: World) -> None:
    path = world.desk.layout.keys / keys.PUBLIC_KEY_FILE
    path.unlink(missing_ok=True)
    assert public_key_lines(world.desk) == []
    made = [keys.generate("tre.localhost/audit").public for _ in range(2)]
    path.parent.mkdir(exist_ok=True)
    keys.write_public(path.parent, made)
    assert public_key_lines(world.desk) == [key.line() for key in made]
