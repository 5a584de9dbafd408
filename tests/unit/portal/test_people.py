"""An operator's pages of people and organisations, and what a person sees of themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.support.factories import NOON, spec_plain
from tests.unit.portal.world import GRANT, PEOPLE, World, subject, title_of
from tre.domain.errors import Reason
from tre.domain.names import hub_user_name
from tre.domain.people import Role
from tre.domain.standing.models import Holder, Requirement, StandingKind, StandingRules
from tre.store import people, standings
from tre.store.people import Account
from tre.store.standings import StoredStanding

ORGANISATION = spec_plain()["project"]["organisation"]["id"]
TRAINING = Requirement(kind=StandingKind.training, name="safe-researcher")
FIELDS = {
    "kind": "training",
    "name": "safe-researcher",
    "until": "2027-06-30",
    "since": "",
    "reference": "ONS <b>1</b>",
}


def page(name: str) -> str:
    return f"/operate/people/{hub_user_name('local', name)}"


def require(world: World) -> None:
    rules = StandingRules(people=(TRAINING,), organisations=(TRAINING,))
    with world.database.change(world.event("policy.applied", "policy/standing")) as change:
        standings.keep_rules(change, rules, world.clock.now())


def held(world: World, **holder: Any) -> list[StoredStanding]:
    with world.database.read() as connection:
        return standings.of(connection, [Holder(**holder)])


async def record(world: World, who: str, path: str, **changes: str) -> httpx.Response:
    return await world.browser(who).post(path, FIELDS | changes)


async def test_everybody_and_who_is_kept_out(world: World) -> None:
    with world.database.change(world.event("account.disabled", "account/bob")) as change:
        people.disable_account(change, "bob", NOON)
    shown = await world.browser("olga").get("/operate/people")
    assert title_of(shown).startswith("People")
    assert "This account is disabled" in shown.text
    assert shown.text.count("This account is disabled") == 1
    assert page("bob") in shown.text
    assert f"/operate/organisation?id={ORGANISATION}" in shown.text
    assert "No training, accreditation or agreement is required here" in shown.text
    assert f"{len(PEOPLE)} of {len(PEOPLE)} people" in shown.text


async def test_people_are_filtered(world: World) -> None:
    with world.database.change(world.event("account.disabled", "account/bob")) as change:
        people.disable_account(change, "bob", NOON)
    browser = world.browser("olga")
    found = await browser.get("/operate/people?q=BAKER")
    assert f"1 of {len(PEOPLE)} people" in found.text
    assert page("bob") in found.text
    kept_out = await browser.get("/operate/people?out=yes")
    assert f"1 of {len(PEOPLE)} people" in kept_out.text
    assert page("alice") not in kept_out.text
    assert "Nobody fits" in (await browser.get("/operate/people?out=yes&q=alice")).text
    require(world)
    again = await world.browser("olga").get("/operate/people")
    assert (
        "Required of each person: training safe-researcher. Required of each organisation: training safe-researcher."
        in again.text
    )
    one = await world.browser("olga").get(page("bob"))
    assert "This account is disabled" in one.text


async def test_what_is_held_is_recorded_shown_and_ended(world: World) -> None:
    require(world)
    olga = world.browser("olga")
    before = await olga.get(page("alice"))
    assert "Missing" in before.text
    added = await olga.post(f"{page('alice')}/standings", FIELDS)
    assert (added.status_code, added.headers["location"]) == (303, page("alice"))
    [training] = held(world, person=subject("alice"))
    assert (training.reference, training.until.isoformat()) == ("ONS <b>1</b>", "2027-07-01T00:00:00+00:00")
    event = world.events("standing.added")[0]
    assert (event.actor.id, event.object, event.detail["what"]) == (
        "olga", "person/local:alice", "training safe-researcher",
    )  # fmt: skip
    after = await olga.get(page("alice"))
    assert "Missing" not in after.text
    assert "ONS &lt;b&gt;1&lt;/b&gt;" in after.text
    ended = await olga.post(f"{page('alice')}/standings/{training.id}/end", {"reason": "the course took it back"})
    assert ended.status_code == 303
    assert held(world, person=subject("alice"))[0].until == world.clock.now()
    assert world.events("standing.ended")[0].detail["reason"] == "the course took it back"
    assert "Missing" in (await olga.get(page("alice"))).text
    twice = await olga.post(f"{page('alice')}/standings/{training.id}/end", {"reason": "again"})
    assert twice.status_code == 409


async def test_an_organisation_holds_what_is_its_own(world: World) -> None:
    require(world)
    olga = world.browser("olga")
    path = f"/operate/organisation?id={ORGANISATION}"
    shown = await olga.get(path)
    assert "University" in shown.text
    assert GRANT in shown.text
    added = await olga.post(f"/operate/organisation/standings?id={ORGANISATION}", FIELDS)
    assert (added.status_code, added.headers["location"]) == (303, path)
    [agreement] = held(world, organisation=ORGANISATION)
    wrong = await olga.post(f"{page('alice')}/standings/{agreement.id}/end", {"reason": "not hers"})
    assert wrong.status_code == 404
    assert held(world, organisation=ORGANISATION) == [agreement]
    ended = await olga.post(
        f"/operate/organisation/standings/{agreement.id}/end?id={ORGANISATION}", {"reason": "it was cancelled"}
    )
    assert ended.status_code == 303
    assert held(world, organisation=ORGANISATION)[0].until == world.clock.now()


@pytest.mark.parametrize("who", ["alice", "chris", "carl", "dana"])
async def test_only_operators_see_or_change_anything(world: World, who: str) -> None:
    browser = world.browser(who)
    for path in ("/operate/people", page("alice"), page("zoe"), "/operate/organisation?id=x"):
        assert (await browser.get(path)).status_code == 403
    for path in (f"{page('bob')}/standings", f"/operate/organisation/standings?id={ORGANISATION}"):
        assert (await browser.post(path, FIELDS)).status_code == 403
        end = path.replace("/standings", f"/standings/{'a' * 32}/end")
        assert (await browser.post(end, {"reason": "x"})).status_code == 403
    assert world.events("standing.added") == []


async def test_nobody_records_or_ends_their_own(world: World) -> None:
    """An operator is no exception, on the page or past it."""
    path = page("olga")
    shown = await world.browser("olga").get(path)
    assert "What you hold yourself is recorded by another operator" in shown.text
    assert "Record what is held" not in shown.text
    answer = await record(world, "olga", f"{path}/standings")
    assert answer.status_code == 403
    assert held(world, person=subject("olga")) == []
    with world.database.change(world.event()) as change:
        second = Account(name="otto", display_name="Otto", roles=frozenset({Role.operator}), created_at=NOON)
        people.add_account(change, second, "hash")
    assert (await record(world, "otto", f"{path}/standings")).status_code == 303
    [training] = held(world, person=subject("olga"))
    assert (await world.browser("olga").post(f"{path}/standings/{training.id}/end", {"reason": "x"})).status_code == 403
    assert held(world, person=subject("olga")) == [training]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "wisdom"}, "Choose what it is."),
        ({"kind": ""}, "Choose what it is."),
        ({"name": "Safe Researcher"}, "Write its name in lower-case"),
        ({"name": "<script>alert(1)</script>"}, "name"),
        ({"until": ""}, "Write the last day as"),
        ({"until": "30/06/2027"}, "2027-06-30"),
        ({"until": "2020-01-01"}, "end before it begins"),
        ({"until": "2026-11-01", "since": "2026-01-01"}, "over already"),
        ({"until": "2999-01-01"}, "twenty years"),
        ({"since": "soon"}, "Write the first day as"),
        ({"reference": "x" * 201}, "Write the number on one line"),
        ({"reference": "a\nb"}, "reference"),
    ],
)
async def test_mistakes_are_shown_and_change_nothing(world: World, changes: dict[str, str], told: str) -> None:
    for path in (f"{page('alice')}/standings", f"/operate/organisation/standings?id={ORGANISATION}"):
        answer = await record(world, "olga", path, **changes)
        assert answer.status_code == 400, answer.text
        assert told in answer.text
        assert "<script>alert" not in answer.text
        if "reference" not in changes:
            assert "ONS &lt;b&gt;1&lt;/b&gt;" in answer.text  # what was typed stays
    assert world.events("standing.added") == []


async def test_who_is_not_there_is_not_there(world: World) -> None:
    olga = world.browser("olga")
    for path in (page("zoe"), "/operate/organisation?id=nobody"):
        assert (await olga.get(path)).status_code == 404
    assert (await olga.post(f"{page('zoe')}/standings", FIELDS)).status_code == 404
    assert (await olga.post("/operate/organisation/standings?id=nobody", FIELDS)).status_code == 404
    assert (await olga.post(f"{page('alice')}/standings/{'a' * 32}/end", {"reason": "x"})).status_code == 404
    assert (await olga.post(f"{page('alice')}/standings/{'a' * 32}/end", {"reason": " "})).status_code == 400
    assert (await olga.get("/operate/people/Alice")).status_code == 422


async def test_a_form_from_elsewhere_changes_nothing(world: World) -> None:
    olga = world.browser("olga")
    path = f"{page('alice')}/standings"
    assert (await olga.post(path, FIELDS | {"csrf": "stolen"})).status_code == 403
    assert (
        await olga.post(path, FIELDS, **{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"})
    ).status_code == 403
    assert world.events("standing.added") == []


async def test_people_see_what_they_lack_and_their_own_alone(world: World) -> None:
    nothing = await world.browser("alice").get("/account")
    assert "What must be held" not in nothing.text
    require(world)
    lacking = await world.browser("alice").get("/account")
    assert "Workspaces stay closed to you until nothing is missing" in lacking.text
    refused = await world.browser("alice").post(f"/projects/{GRANT}/open")
    assert "is missing, or has ended" in refused.text
    await record(world, "olga", f"{page('bob')}/standings")
    assert "Workspaces stay closed" in (await world.browser("alice").get("/account")).text
    await record(world, "olga", f"{page('alice')}/standings")
    await record(world, "olga", f"{page('alice')}/standings", since="2027-07-01", until="2028-06-30")
    met = await world.browser("alice").get("/account")
    assert "Workspaces stay closed" not in met.text
    assert "1 Jul 2028" in met.text  # the renewal goes on without a gap
    assert "ONS" not in met.text


async def test_the_providers_word_is_shown(world: World) -> None:
    with world.database.change(world.event()) as change:
        people.confirm(change, subject("alice"), fresh_until=NOON, confirmed_until=NOON + timedelta(hours=1))
    assert "it is asked again before then" in (await world.browser("alice").get("/account")).text
    assert "24 November 2026, 13:00" in (await world.browser("olga").get(page("alice"))).text
    world.clock.advance(3600)
    assert "has not confirmed this person lately" in (await world.browser("olga").get(page("alice"))).text


async def test_a_disabled_account_is_out_of_the_desk_at_once(world: World) -> None:
    browser = world.browser("alice")
    assert (await browser.get("/account")).status_code == 200
    with world.database.change(world.event("account.disabled", "account/alice")) as change:
        people.disable_account(change, "alice", NOON)
    assert (await browser.get("/account")).status_code == 302
    with world.database.read() as connection:
        found = people.by_subject(connection, subject("alice"))
    assert found is not None
    assert found.barred is Reason.AccountDisabled


async def test_the_api_has_the_same_rules(world: World) -> None:
    require(world)
    olga, alice = world.browser("olga"), world.browser("alice")
    people_of = (await olga.get("/api/v1/people")).json()
    assert {one["subject"]["id"] for one in people_of} >= {"alice", "olga"}
    path = f"/api/v1/people/{hub_user_name('local', 'alice')}"
    before = (await olga.get(path)).json()
    assert (before["required"], before["allowedActions"]) == ([{"what": "training safe-researcher"}], ["add", "end"])
    body = {"kind": "training", "name": "safe-researcher", "until": "2027-06-30"}
    added = await olga.api("POST", f"{path}/standings", body)
    assert (added.status_code, added.json()["required"][0]["until"]) == (201, "2027-07-01T00:00:00Z")
    [held_now] = added.json()["held"]
    assert (await alice.get("/api/v1/standing")).json()["held"] == [held_now]
    assert (await alice.get("/api/v1/standing")).json()["allowedActions"] == []
    for wrong in (body | {"until": "soon"}, body | {"extra": 1}, {"kind": "training"}):
        assert (await olga.api("POST", f"{path}/standings", wrong)).status_code == 422
    assert (await olga.api("POST", f"{path}/standings", body | {"until": "2020-01-01"})).status_code == 400
    own = f"/api/v1/people/{hub_user_name('local', 'olga')}"
    assert (await olga.get(own)).json()["allowedActions"] == []
    assert (await olga.api("POST", f"{own}/standings", body)).status_code == 403
    end = f"{path}/standings/{held_now['id']}/end"
    assert (await alice.api("POST", end, {"reason": "x"})).status_code == 403
    assert (await olga.api("POST", end, {"reason": "x"})).json()["required"] == [{"what": "training safe-researcher"}]
    assert (await olga.api("POST", end, {"reason": "x"})).status_code == 409
    organisation = f"/api/v1/organisation/standings?id={ORGANISATION}"
    made = await olga.api("POST", organisation, body)
    assert (made.status_code, made.json()["holder"]) == (201, {"organisation": ORGANISATION})
    identifier = made.json()["held"][0]["id"]
    assert (await olga.api("POST", f"{path}/standings/{identifier}/end", {"reason": "x"})).status_code == 404
    done = await olga.api("POST", organisation.replace("?", f"/{identifier}/end?"), {"reason": "x"})
    assert done.status_code == 200
    assert (await olga.get(f"/api/v1/organisation?id={ORGANISATION}")).json()["held"][0]["id"] == identifier
    for closed in ("/api/v1/people", path, "/api/v1/organisation?id=nobody"):
        assert (await alice.get(closed)).status_code == 403
    assert (await olga.get("/api/v1/organisation?id=nobody")).status_code == 404
