"""A person's own letters at the desk, the address that a provider vouches for, and an operator's line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.unit.portal.world import BASE_SETTINGS, World, subject
from tre.domain.errors import Reason
from tre.domain.letters.models import Letter, LetterState, Pace
from tre.domain.letters.writing import letter_id
from tre.domain.people import Subject
from tre.store import correspondents, letters
from tre.store.letters import Outcome

MAIL = {"mail": {"host": "smtp.example.org", "sender": "tre@example.org", "digestHour": 6}}
ADDRESS = "alice@example.org"
IDP = "https://idp.example"
OIDC = {
    "auth": "oidc",
    "oidc": {
        "issuer": IDP,
        "clientId": "tre",
        **dict.fromkeys(("authorizeUrl", "tokenUrl", "userinfoUrl"), f"{IDP}/x"),
    },
}


@pytest.fixture
def mailing(tmp_path: Any) -> Any:
    made = World(tmp_path / "mailing", BASE_SETTINGS | MAIL)
    made.add_people()
    made.add_grant()
    with made.database.change(made.event("account.address-set", "account/alice")) as change:
        correspondents.set_address(change, subject("alice"), ADDRESS, made.clock.now())
    yield made
    made.close()


def pace_of(world: World, name: str) -> Pace:
    with world.database.read() as connection:
        return correspondents.get(connection, subject(name)).pace


def put(world: World, state: LetterState | None = None, reason: Reason = Reason.AddressRefused) -> None:
    """A letter to Alice in a state."""
    now = world.clock.now()
    letter = Letter(
        id=letter_id("ab" * 16, "local", "alice"),
        event="ab" * 16,
        recipient=subject("alice"),
        subject="Project p is open",
        text="It is open.",
        page="/",
        at=now,
        next_at=now,
    )
    with world.database.change(world.event("letters.written", "letters/all")) as change:
        letters.add(change, [letter], now)
        if state is not None:
            letters.settle(change, [letter], Outcome(state, reason, now + timedelta(hours=1)), now)


async def test_the_page_shows_the_own_address_to_its_owner_only(mailing: World) -> None:
    page = await mailing.browser("alice").get("/account")
    assert ADDRESS in page.text
    assert "at 6:00 UTC" in page.text
    for who in ("bob", "olga", "dana", "carl"):
        assert ADDRESS not in (await mailing.browser(who).get("/account")).text
    for path in ("/operate/health", "/operate/audit", "/grants/nccid-00123"):
        assert ADDRESS not in (await mailing.browser("olga").get(path)).text


async def test_how_letters_are_wanted_is_kept_with_its_event(mailing: World) -> None:
    alice = mailing.browser("alice")
    answer = await alice.post("/account/letters", {"pace": "daily"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account#letters")
    assert pace_of(mailing, "alice") is Pace.daily
    assert pace_of(mailing, "bob") is Pace.at_once
    [event] = mailing.events("person.letters-changed")
    assert event.detail == {"pace": "daily"}
    assert ADDRESS not in event.model_dump_json()
    page = await alice.get("/account")
    assert 'value="daily" checked' in page.text


@pytest.mark.parametrize("pace", ["", "never", "DAILY", "<script>alert(1)</script>", "daily\n", "off"])
async def test_another_word_is_refused_on_the_page(mailing: World, pace: str) -> None:
    answer = await mailing.browser("alice").post("/account/letters", {"pace": pace})
    assert answer.status_code == 400
    assert "There is a problem" in answer.text
    assert 'id="pace-at-once"' in answer.text
    assert "<script>alert" not in answer.text
    assert mailing.events("person.letters-changed") == []


async def test_a_stolen_form_changes_nothing(mailing: World) -> None:
    alice, bob = mailing.browser("alice"), mailing.browser("bob")
    for fields in ({"pace": "daily", "csrf": await bob.token()}, {"pace": "daily", "csrf": ""}):
        assert (await alice.post("/account/letters", fields)).status_code == 403
    foreign = {"Sec-Fetch-Site": "same-site", "Origin": mailing.settings.origin("preview")}
    assert (await alice.post("/account/letters", {"pace": "daily"}, **foreign)).status_code == 403
    assert (await mailing.browser().post("/account/letters", {"pace": "daily", "csrf": "x"})).status_code != 303
    assert pace_of(mailing, "alice") is Pace.at_once


async def test_without_an_address_there_is_nothing_to_choose(mailing: World) -> None:
    bob = mailing.browser("bob")
    page = await bob.get("/account")
    assert "No address of yours is known" in page.text
    assert 'name="pace"' not in page.text
    assert (await bob.post("/account/letters", {"pace": "daily"})).status_code == 409
    assert mailing.events("person.letters-changed") == []


async def test_a_launcher_without_mail_says_so(world: World) -> None:
    alice = world.browser("alice")
    assert "sends no letters" in (await alice.get("/account")).text
    assert (await alice.post("/account/letters", {"pace": "daily"})).status_code == 409
    assert "has no section <code>mail</code>" in (await world.browser("olga").get("/operate/health")).text


async def test_the_api_does_the_same(mailing: World) -> None:
    alice, bob = mailing.browser("alice"), mailing.browser("bob")
    found = (await alice.api("GET", "/api/v1/account/letters")).json()
    assert found == {
        "address": ADDRESS,
        "pace": "at-once",
        "notArrived": 0,
        "sentHere": True,
        "allowedActions": ["choose"],
    }
    changed = await alice.api("PUT", "/api/v1/account/letters", {"pace": "action-only"})
    assert changed.json()["pace"] == "action-only"
    assert (await alice.api("PUT", "/api/v1/account/letters", {"pace": "never"})).status_code == 422
    assert (await bob.api("GET", "/api/v1/account/letters")).json()["allowedActions"] == []
    assert (await bob.api("PUT", "/api/v1/account/letters", {"pace": "daily"})).status_code == 409
    assert (await mailing.browser().send("GET", "/api/v1/account/letters", "desk")).status_code == 401


async def test_who_did_not_get_a_letter_reads_it_at_the_desk(mailing: World) -> None:
    put(mailing, LetterState.Failed, Reason.MailUnavailable)
    assert "could not be delivered" not in (await mailing.browser("alice").get("/account")).text
    put(mailing, LetterState.Failed)
    assert "1 letter could not be delivered" in (await mailing.browser("alice").get("/account")).text
    assert "could not be delivered" not in (await mailing.browser("bob").get("/account")).text


async def test_an_operator_sees_that_letters_wait_and_since_when(mailing: World) -> None:
    olga = mailing.browser("olga")
    assert "Letters go out." in (await olga.get("/operate/health")).text
    put(mailing)
    assert "Letters go out." in (await olga.get("/operate/health")).text
    mailing.clock.advance(2 * 3600)
    page = (await mailing.browser("olga").get("/operate/health")).text
    assert "Letters do not all go out." in page
    assert "The oldest that should have been sent is of" in page


async def test_an_operator_sees_why(mailing: World) -> None:
    put(mailing, LetterState.Failed, Reason.MailUnavailable)
    page = (await mailing.browser("olga").get("/operate/health")).text
    assert "The mail server cannot be reached." in page
    assert "1 tried in vain" in page


class TestProvider:
    async def sign_in(self, world: World, **more: Any) -> httpx.Response:
        body = {"issuer": IDP, "id": "ada", "displayName": "Ada", "groups": []} | more
        transport = httpx.ASGITransport(app=world.internal)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/internal/people", json=body)

    @pytest.fixture
    def provided(self, tmp_path: Any) -> Any:
        made = World(tmp_path / "oidc", OIDC | MAIL)
        yield made
        made.close()

    def address(self, world: World) -> str | None:
        with world.database.read() as connection:
            return correspondents.get(connection, Subject(issuer=IDP, id="ada")).address

    async def test_the_address_is_what_the_provider_says_now(self, provided: World) -> None:
        for email, kept in (("ada@example.org", "ada@example.org"), ("a@b.example", "a@b.example"), (None, None)):
            answer = await self.sign_in(provided, **({} if email is None else {"email": email}))
            assert answer.status_code == 200
            assert self.address(provided) == kept
        assert "example.org" not in "".join(event.model_dump_json() for event in provided.events("login.succeeded"))

    @pytest.mark.parametrize("email", ["ada", "a@b.org\nBcc: c@d.org", "a@b.org,c@d.org", "å@b.org", 7, True])
    async def test_no_other_text_is_taken(self, provided: World, email: Any) -> None:
        assert (await self.sign_in(provided, email=email)).status_code == 422
        assert self.address(provided) is None
