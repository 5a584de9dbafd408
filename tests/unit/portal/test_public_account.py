"""What the public asks and reads, what the team does with it, and what members report."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from tests.unit.portal.account_world import AFTER, BEFORE, QUESTION, Stranger, begin, do, item, taking_in
from tests.unit.portal.world import GRANT, World
from tre.domain.desk.attempts import WINDOW
from tre.domain.errors import Reason, TREError
from tre.domain.publicaccount.models import LONGEST_QUESTION, OutcomeType
from tre.domain.publicaccount.policies import MOST_WAITING, AccountPolicy
from tre.domain.publicaccount.states import ItemKind, ItemState
from tre.domain.readability import PUBLIC_AGE, reading_age
from tre.portal import account_words, glossary, handing_in
from tre.portal import intake as intake_module
from tre.portal.metrics import AccountNumbers
from tre.portal.public_program import make_public
from tre.portal.routes import public_account
from tre.register import account_policy
from tre.store import people
from tre.store import publicaccount as store
from tre.system.local_http import Answer

MARKUP = '<script>alert(1)</script><a href="https://evil.example">x</a>'
PAGES = ("/questions", "/incidents", "/complaints", "/consultations", "/outcomes", "/easy", "/glossary")
INCIDENT = {"title": "A wrong list", "happened": "2026-10-30", "text": "A list was sent.", "done": "It was deleted."}
CHANGE = {"title": "Smaller counts", "text": "We want to.", "closes": "2027-01-31", "before": BEFORE, "after": AFTER}


async def shown(world: World, path: str) -> str:
    answer = await Stranger(world).get(path)
    assert answer.status_code == 200, answer.text
    assert "set-cookie" not in answer.headers
    return answer.text


class TestQuestions:
    async def test_asked_answered_published_corrected_taken_down(self, world: World) -> None:
        async with taking_in(world):
            name = await Stranger(world).ask()
        page = await shown(world, f"/questions/{name}")
        assert "We have your question" in page
        assert QUESTION not in page + await shown(world, "/questions") + await shown(world, "/questions.json")
        assert (await do(world, "dana", name, "answer", reply="Four people.")).status_code == 303
        assert "Four people." not in await shown(world, f"/questions/{name}")
        assert (await do(world, "olga", name, "publish")).status_code == 303
        for path in (f"/questions/{name}", "/questions", "/questions.json"):
            text = await shown(world, path)
            assert QUESTION in text
            assert "Four people." in text
        await do(world, "olga", name, "answer", reply="Five people.")
        (told,) = json.loads(await shown(world, "/questions.json"))["questions"]
        assert (told["reply"], told["earlier"][0]["reply"]) == ("Five people.", "Four people.")
        assert (await do(world, "olga", name, "refuse", refusal="personal")).status_code == 303
        gone = await shown(world, f"/questions/{name}") + await shown(world, "/questions")
        assert "It tells something about a person." in gone
        assert QUESTION not in gone
        assert QUESTION.encode() not in b"".join(
            str(event.detail).encode() for event in world.events("enquiry.asked") + world.events("enquiry.published")
        )

    async def test_markup_is_text_everywhere(self, world: World) -> None:
        async with taking_in(world):
            name = await Stranger(world).ask(MARKUP)
        desk = await world.browser("olga").get(f"/public/{name}")
        queue = await world.browser("olga").get("/public")
        await do(world, "olga", name, "answer", reply=MARKUP)
        await do(world, "olga", name, "publish")
        for text in (desk.text, queue.text, await shown(world, "/questions"), await shown(world, f"/questions/{name}")):
            assert "<script>alert" not in text
            assert 'href="https://evil' not in text
            assert "&lt;script&gt;" in text

    @pytest.mark.parametrize("text", ["", " \n\x00 ", "x" * (LONGEST_QUESTION + 1)])
    async def test_a_mistyped_question_comes_back_with_what_was_typed(self, world: World, text: str) -> None:
        answer = await Stranger(world).post("/questions", {"text": text})
        assert answer.status_code == 400
        assert "There is a problem" in answer.text
        assert text.strip("\n\x00 ")[:50] in answer.text

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"text=%ED%A0%80%FF%00", "application/x-www-form-urlencoded"),
            (b"text=" + b"%F0%9F%98%80" * 3000, "application/x-www-form-urlencoded"),
            (b'{"text": "x"}', "application/json"),
            (
                b'--b\r\nContent-Disposition: form-data; name="text"; filename="x"\r\n\r\nx\r\n--b--',
                "multipart/form-data; boundary=b",
            ),
            (b"a=1&b=2&c=3&d=4&e=5&text=x", "application/x-www-form-urlencoded"),
            (b"text=" + b"x" * 70_000, "application/x-www-form-urlencoded"),
        ],
    )
    async def test_a_form_that_no_page_sends(self, world: World, body: bytes, kind: str) -> None:
        stranger = Stranger(world)
        headers = stranger.browser.same_origin("") | {"Content-Type": kind}
        async with taking_in(world):
            answer = await stranger.browser.send("POST", "/questions", "", content=body, headers=headers)
        assert answer.status_code in {303, 400, 413}
        with world.database.read() as connection:
            assert all(
                "\ud800" not in str(one.body) and "\x00" not in str(one.body) for one in store.waiting(connection)
            )

    async def test_many_answers_stand_on_the_page_and_all_in_its_json(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(public_account, "MOST_SHOWN", 1)
        async with taking_in(world):
            for number in range(3):
                name = await Stranger(world).ask(f"Question {number}?")
                await do(world, "olga", name, "answer", reply="Yes.")
                await do(world, "olga", name, "publish")
        page = await shown(world, "/questions")
        assert (page.count("Our answer"), "2 older ones" in page) == (1, True)
        assert len(json.loads(await shown(world, "/questions.json"))["questions"]) == 3

    async def test_a_form_sent_twice_is_one_question(self, world: World) -> None:
        async with taking_in(world):
            assert await Stranger(world).ask() == await Stranger(world, "192.0.2.8").ask(f" {QUESTION}\r\n")
            world.clock.advance(timedelta(days=2).total_seconds())
            assert len({await Stranger(world).ask(), await Stranger(world).ask("Another?")}) == 2
        assert len(world.events("enquiry.asked")) == 3

    async def test_a_form_from_elsewhere_is_refused(self, world: World) -> None:
        stranger = Stranger(world)
        for headers in ({"Origin": "https://desk.tre.localhost:8443"}, {"Sec-Fetch-Site": "same-site"}):
            assert (await stranger.post("/questions", {"text": QUESTION}, **headers)).status_code == 403

    async def test_one_address_has_to_wait_and_others_do_not(self, world: World) -> None:
        async with taking_in(world):
            for number in range(5):
                await Stranger(world).ask(f"Question {number}?")
            refused = await Stranger(world).post("/questions", {"text": "One more?"})
            assert refused.status_code == 429
            assert "Wait 15 minutes" in refused.text
            assert "One more?" in refused.text
            await Stranger(world, "192.0.2.8").ask("And I?")
            world.clock.advance((WINDOW + timedelta(seconds=1)).total_seconds())
            await Stranger(world).ask("One more?")
        with world.database.read() as connection:  # addresses of an hour ago are forgotten
            assert (
                len(people.attempts_since(connection, "account/address/192.0.2.8", world.clock.now() - 9 * WINDOW)) == 0
            )

    async def test_everybody_together_and_the_queue_are_bounded(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with taking_in(world):
            for number in range(60):
                await Stranger(world, f"192.0.2.{number}").ask(f"Question {number}?")
            assert (await Stranger(world, "198.51.100.1").post("/questions", {"text": "x"})).status_code == 429
            world.clock.advance((WINDOW + timedelta(seconds=1)).total_seconds())
            monkeypatch.setattr(store, "strangers_waiting", lambda _connection: MOST_WAITING)
            full = await Stranger(world, "198.51.100.1").post("/questions", {"text": "x"})
        assert full.status_code == 429
        assert "We cannot take more questions" in full.text

    async def test_while_the_portal_is_away_the_text_comes_back(self, world: World) -> None:
        answer = await Stranger(world).post("/questions", {"text": QUESTION})
        assert answer.status_code == 503
        assert QUESTION in answer.text
        assert str(world.layout.root) not in answer.text

    async def test_a_question_that_is_none(self, world: World) -> None:
        for name in ("q-aaaaaaaaaaaa", "q-AAAAAAAAAAAA", "x", "%00", "q-aaaaaaaaaaaa%0A", "'"):
            for path in (f"/questions/{name}", f"/consultations/{name}", f"/consultations/{name}/thanks"):
                assert (await Stranger(world).get(path)).status_code == 404
            sent = await Stranger(world).post(f"/consultations/{name}/comments", {"text": "x"})
            assert sent.status_code == 404


class TestIntake:
    async def send(self, world: World, path: str, body: object) -> httpx.Response:
        transport = httpx.ASGITransport(app=world.intake, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(path, json=body)

    async def test_only_questions_and_comments_come_in(self, world: World) -> None:
        for kind in set(ItemKind) - {ItemKind.enquiry, ItemKind.comment}:
            body = {"kind": kind, "text": "x", "address": "192.0.2.1"}
            assert (await self.send(world, "/intake", body)).status_code == 422
        for path in ("/internal/people", "/internal/login", "/internal/tickets"):
            assert (await self.send(world, path, {})).status_code == 404

    async def test_a_comment_on_what_is_none(self, world: World) -> None:
        for about in ("", "v-aaaaaaaaaaaa"):
            body = {"kind": "comment", "about": about, "text": "x", "address": "192.0.2.1"}
            assert (await self.send(world, "/intake", body)).json()["reason"] == "ObjectNotFound"

    @pytest.mark.parametrize("answer", ['{"id": "<b>"}', "[]", "{}", '{"reason": "AuditBroken", "what": "secret"}'])
    @pytest.mark.parametrize("status", [200, 500])
    async def test_a_senseless_answer_is_not_shown(
        self, world: World, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
    ) -> None:
        async def said(*_: object, **__: object) -> Answer:
            return Answer(status, json.loads(answer))

        monkeypatch.setattr(handing_in, "ask", said)
        page = await Stranger(world).post("/questions", {"text": QUESTION})
        assert page.status_code == 503
        assert "secret" not in page.text

    def test_the_socket_is_not_the_one_that_signs_people_in(self) -> None:
        assert handing_in.SOCKET == "portal-intake"
        assert {route.path for route in intake_module.router.routes} == {"/intake"}  # type: ignore[attr-defined]


class TestTeam:
    @pytest.mark.parametrize("who", ["alice", "carl", "chris"])
    async def test_others_see_and_do_nothing(self, world: World, who: str) -> None:
        async with taking_in(world):
            name = await Stranger(world).ask()
        browser = world.browser(who)
        for path in ("/public", f"/public/{name}", "/public/new/incident", "/public/q-aaaaaaaaaaaa"):
            assert (await browser.get(path)).status_code == 403
        assert (await browser.post("/public/new/incident", INCIDENT)).status_code == 403
        assert (await do(world, who, name, "refuse", refusal="abusive")).status_code == 403
        assert item(world, name).state is ItemState.Waiting

    async def test_a_form_without_its_token_or_from_an_old_page_changes_nothing(self, world: World) -> None:
        async with taking_in(world):
            name = await Stranger(world).ask()
        browser = world.browser("olga")
        assert (await browser.post(f"/public/{name}/answer", {"csrf": "x", "version": "1"})).status_code == 403
        await do(world, "dana", name, "answer", reply="From Dana.")
        stale = await browser.post(f"/public/{name}/answer", {"version": "1", "reply": "From Olga."})
        assert stale.status_code == 409
        assert "From Olga." in stale.text
        assert item(world, name).body.reply == "From Dana."  # type: ignore[union-attr]
        await do(world, "dana", name, "publish")
        assert (await do(world, "dana", name, "publish")).status_code == 409
        assert (await do(world, "dana", name, "nonsense")).status_code == 409
        assert (await do(world, "dana", name, "refuse", refusal="nonsense")).status_code == 400

    async def test_a_flood_is_refused_at_one_go_or_not_at_all(self, world: World) -> None:
        async with taking_in(world):
            names = [await Stranger(world).ask(f"Buy {number}!") for number in range(3)]
        browser = world.browser("olga")
        assert "Many that will not be published" in (await browser.get("/public")).text
        chosen = {f"item-{name}": "1" for name in names}
        for fields in ({}, chosen, {"refusal": "unrelated"}, chosen | {"refusal": "nonsense"}):
            assert (await browser.post("/public/refuse", fields)).status_code == 400
        assert (
            await world.browser("alice").post("/public/refuse", chosen | {"refusal": "unrelated"})
        ).status_code == 403
        await do(world, "dana", names[0], "answer", reply="No.")
        stale = await browser.post("/public/refuse", chosen | {"refusal": "unrelated"})
        assert stale.status_code == 409
        assert [item(world, name).state for name in names[1:]] == [ItemState.Waiting] * 2
        rest = {f"item-{name}": "1" for name in names[1:]}
        assert (await browser.post("/public/refuse", rest | {"refusal": "unrelated"})).status_code == 303
        assert [item(world, name).state for name in names[1:]] == [ItemState.Refused] * 2
        assert len(world.events("enquiry.refused")) == 2
        other = await begin(world, "incident", **INCIDENT)
        wrong = await browser.post("/public/refuse", {f"item-{other}": "1", "refusal": "unrelated"})
        assert wrong.status_code == 404

    async def test_an_incident_is_public_at_once_with_a_role_and_its_corrections(self, world: World) -> None:
        name = await begin(world, "incident", "dana", **INCIDENT)
        page = await shown(world, "/incidents")
        assert "A wrong list" in page
        assert "a data manager of this service" in page
        assert "Dana" not in page
        refused = await do(world, "olga", name, "correct", **INCIDENT)
        assert (refused.status_code, "what is corrected" in refused.text) == (400, True)
        better = INCIDENT | {"text": "Two lists were sent.", "correction": "There were two."}
        assert (await do(world, "olga", name, "correct", **better)).status_code == 303
        await do(world, "olga", name, "resolve")
        (told,) = json.loads(await shown(world, "/incidents.json"))
        assert (told["text"], told["correction"]) == ("Two lists were sent.", "There were two.")
        assert told["earlier"][0]["text"] == "A list was sent."
        assert told["happenedAt"].startswith("2026-10-30")
        assert told["resolvedAt"]
        await do(world, "olga", name, "reopen")
        assert "Earlier wording" in await shown(world, "/incidents")

    @pytest.mark.parametrize(
        ("kind", "fields"),
        [
            ("incident", INCIDENT | {"happened": "30/10/2026"}),
            ("incident", INCIDENT | {"happened": "2030-01-01"}),
            ("incident", INCIDENT | {"happened": "0001-01-01"}),
            ("incident", INCIDENT | {"title": ""}),
            ("incident", INCIDENT | {"text": "x" * 7000}),
            ("complaint", {"received": ""}),
            ("complaint", {"received": "2030-01-01"}),
            ("consultation", CHANGE | {"after": BEFORE}),
            ("consultation", CHANGE | {"after": "- a list"}),
            ("consultation", CHANGE | {"after": "a: [1"}),
            ("consultation", CHANGE | {"before": ""}),
            ("consultation", CHANGE | {"closes": "2026-11-20"}),
            ("consultation", CHANGE | {"after": "\n".join(f"key{number}: 1" for number in range(300))}),
        ],
    )
    async def test_a_mistyped_form_comes_back(self, world: World, kind: str, fields: dict[str, str]) -> None:
        answer = await world.browser("olga").post(f"/public/new/{kind}", fields)
        assert answer.status_code == 400, answer.text
        assert "There is a problem" in answer.text
        assert answer.text.count("A list was sent.") == (1 if fields.get("text") == "A list was sent." else 0)
        with world.database.read() as connection:
            assert store.waiting(connection) == []

    async def test_a_complaint_runs_by_its_clock_and_is_told_in_words_that_name_nobody(self, world: World) -> None:
        name = await begin(world, "complaint", received=f"{world.clock.now():%Y-%m-%d}")
        assert "late" not in (await world.browser("olga").get("/public")).text
        world.clock.advance(timedelta(days=30).total_seconds())
        assert "late" in (await world.browser("olga").get("/public")).text
        assert json.loads(await shown(world, "/complaints.json"))["figures"]["late"] == "*"
        await do(world, "olga", name, "acknowledge")
        assert (await do(world, "olga", name, "close", text="", reply="x")).status_code == 400
        assert (await do(world, "olga", name, "close", text="Late.", reply="Sorry.")).status_code == 303
        page = await shown(world, "/complaints")
        assert "Late." in page
        assert "Sorry." in page
        told = json.loads(await shown(world, "/complaints.json"))
        assert (told["figures"]["came"], told["figures"]["done"]) == ("*", "*")

    async def test_operators_watch_what_waits_and_what_is_late(self, world: World) -> None:
        registry = CollectorRegistry()
        registry.register(AccountNumbers(world.database, world.clock))
        assert registry.get_sample_value("tre_public_account", {"kind": "complaint"}) == 0
        name = await begin(world, "complaint", received=f"{world.clock.now():%Y-%m-%d}")
        assert registry.get_sample_value("tre_public_account", {"kind": "complaint"}) == 1
        assert registry.get_sample_value("tre_public_account_overdue") == 0
        world.clock.advance(timedelta(days=30).total_seconds())
        assert registry.get_sample_value("tre_public_account_overdue") == 1
        await do(world, "olga", name, "close", text="Late.", reply="Sorry.")
        assert registry.get_sample_value("tre_public_account_overdue") == 0

    async def test_the_queue_shows_projects_that_owe_a_word(self, world: World) -> None:
        assert "owe a word" not in (await world.browser("olga").get("/public")).text
        world.clock.advance(timedelta(days=800).total_seconds())
        assert "owe a word" in (await world.browser("olga").get("/public")).text
        assert "waiting for a word since" in (await world.browser("alice").get(f"/projects/{GRANT}")).text


class TestProgram:
    async def test_what_waits_and_what_may_be_done(self, world: World) -> None:
        async with taking_in(world):
            name = await Stranger(world).ask()
        dana = world.browser("dana")
        (waiting,) = (await dana.get("/api/v1/public-account")).json()
        assert (waiting["id"], waiting["allowedActions"]) == (name, ["answer", "refuse"])
        url = f"/api/v1/public-account/{name}"
        done = await dana.api("POST", f"{url}/answer", {"version": 1, "reply": "Four."})
        assert (done.status_code, done.json()["allowedActions"]) == (200, ["answer", "publish", "refuse"])
        assert (await dana.api("POST", f"{url}/publish", {"version": 1})).status_code == 409
        assert (await dana.api("POST", f"{url}/publish", {"version": 2})).json()["state"] == "Published"
        assert (await dana.api("POST", f"{url}/refuse", {"version": 3})).status_code == 400
        assert (await dana.api("POST", f"{url}/explode", {"version": 3})).status_code == 422
        gone = await dana.api("POST", f"{url}/refuse", {"version": 3, "refusal": "personal"})
        assert (gone.json()["state"], gone.json()["body"]["text"]) == ("Refused", "")
        assert (await dana.get(url)).json() == gone.json()
        for who in ("alice", "carl"):
            assert (await world.browser(who).get("/api/v1/public-account")).status_code == 403
            assert (await world.browser(who).get(url)).status_code == 403
            assert (await world.browser(who).api("POST", f"{url}/publish", {"version": 4})).status_code == 403


class TestChanges:
    async def test_open_commented_decided(self, world: World) -> None:
        name = await begin(world, "consultation", **CHANGE)
        page = await shown(world, f"/consultations/{name}")
        assert "smaller counts need an exception" in page
        assert "csv, png" in page
        (change,) = json.loads(await shown(world, "/consultations.json"))
        assert change["changes"][0] == {
            "key": "spec.counts.threshold",
            "before": "10",
            "after": "8",
            "meaning": "smaller counts need an exception",
        }
        async with taking_in(world):
            sent = await Stranger(world).post(f"/consultations/{name}/comments", {"text": MARKUP})
            assert sent.headers["location"] == f"/consultations/{name}/thanks"
            assert (await Stranger(world).post(f"/consultations/{name}/comments", {"text": ""})).status_code == 400
            missing = await Stranger(world).post("/consultations/v-aaaaaaaaaaaa/comments", {"text": "x"})
            assert missing.status_code == 404
        assert "We have your comment" in await shown(world, f"/consultations/{name}/thanks")
        assert "alert(1)" not in await shown(world, f"/consultations/{name}")
        with world.database.read() as connection:
            (comment,) = store.of_object(connection, ItemKind.comment, name)
        assert comment.id in (await world.browser("olga").get(f"/public/{name}")).text
        await do(world, "olga", comment.id, "publish")
        await do(world, "olga", comment.id, "answer", reply="Thank you.")
        assert "Thank you." in await shown(world, f"/consultations/{name}")
        assert "<script>alert" not in await shown(world, f"/consultations/{name}")
        assert len(json.loads(await shown(world, f"/consultations/{name}.json"))["comments"]) == 1
        assert (await do(world, "olga", name, "decide", reply="Yes.")).status_code == 409
        world.clock.advance(timedelta(days=100).total_seconds())
        async with taking_in(world):
            late = await Stranger(world).post(f"/consultations/{name}/comments", {"text": "Too late?"})
        assert (late.status_code, "The time for comments is over." in late.text) == (409, True)
        assert "Being decided" in await shown(world, "/consultations")
        assert (await do(world, "olga", name, "decide", reply="We keep ten.")).status_code == 303
        page = await shown(world, f"/consultations/{name}")
        assert "We keep ten." in page
        assert "Earlier wording" not in page
        assert (await Stranger(world).get("/consultations/v-aaaaaaaaaaaa")).status_code == 404


class TestOutcomes:
    async def report(self, world: World, who: str = "alice", **fields: str) -> httpx.Response:
        given = {"type": "paper", "text": "Scores help.", "doi": "https://doi.org/10.1000/abc"} | fields
        return await world.browser(who).post(f"/projects/{GRANT}/outcomes", given)

    async def test_reported_looked_at_published(self, world: World) -> None:
        assert (await self.report(world)).status_code == 303
        with world.database.read() as connection:
            (found,) = store.of_object(connection, ItemKind.outcome, GRANT)
        assert "Scores help." not in await shown(world, "/outcomes") + await shown(world, f"/projects/{GRANT}")
        assert "Scores help." in (await world.browser("alice").get(f"/projects/{GRANT}/outcomes")).text
        await do(world, "olga", found.id, "publish")
        for path in ("/outcomes", "/outcomes.json", f"/projects/{GRANT}"):
            text = await shown(world, path)
            assert "Scores help." in text
            assert "10.1000/abc" in text

    @pytest.mark.parametrize(
        "fields",
        [
            {"type": ""},
            {"text": ""},
            {"doi": "nonsense"},
            {"doi": '10.1000/a"onclick=1'},
            {"link": "javascript:alert(1)"},
            {"text": "x" * 7000},
        ],
    )
    async def test_a_mistyped_report_comes_back(self, world: World, fields: dict[str, str]) -> None:
        answer = await self.report(world, **fields)
        assert answer.status_code == 400
        assert "There is a problem" in answer.text

    async def test_nothing_yet_needs_no_words(self, world: World) -> None:
        assert (await self.report(world, type="nothing", text="", doi="")).status_code == 303

    async def test_a_stranger_to_the_project_cannot_tell_it_from_none(self, world: World) -> None:
        browser = world.browser("eve")
        real, none = [await browser.get(f"/projects/{name}/outcomes") for name in (GRANT, "none-00000")]
        assert (real.status_code, none.status_code) == (404, 404)
        assert real.text.replace(GRANT, "x") == none.text.replace("none-00000", "x")
        assert (await self.report(world, "eve")).status_code == 404
        assert (await self.report(world, "olga")).status_code == 403

    async def test_nobody_publishes_what_their_own_project_says(self, world: World) -> None:
        members = [{"subject": {"issuer": "local", "id": "olga"}, "role": "researcher"}]
        world.add_grant("nccid-00999", members=members)
        assert (
            await world.browser("olga").post("/projects/nccid-00999/outcomes", {"type": "nothing"})
        ).status_code == 303
        with world.database.read() as connection:
            (found,) = store.of_object(connection, ItemKind.outcome, "nccid-00999")
        page = await world.browser("olga").get(f"/public/{found.id}")
        assert (page.status_code, "Publish</button>" in page.text) == (200, False)
        assert (await do(world, "olga", found.id, "publish")).status_code == 403
        assert (await do(world, "dana", found.id, "publish")).status_code == 303


HEAD = "apiVersion: tre.research/v1alpha1\nkind: PublicAccountPolicy\nmetadata: {name: public-account}\n"


class TestPolicy:
    def test_what_comes_with_the_launcher_says_the_defaults(self, world: World) -> None:
        assert world.desk.account == AccountPolicy()

    def test_without_one_nothing_is_promised(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(account_policy, "POLICY_FILE", Path("policies") / "nothing.yaml")
        with pytest.raises(TREError) as caught:
            account_policy.load_account_policy(tmp_path)
        assert caught.value.reason is Reason.PolicyMissing

    async def test_a_sites_own_is_what_the_pages_say(self, world: World) -> None:
        path = world.layout.root / "policies" / "public-account.yaml"
        path.parent.mkdir()
        path.write_text(f"{HEAD}spec: {{complaintsTo: Telephone 01632 960000, clocks: {{answerEnquiry: 7}}}}\n")
        assert "within 7 working days" in await shown(world, "/questions")
        assert "Telephone 01632 960000" in await shown(world, "/complaints")

    @pytest.mark.parametrize("spec", ["{clocks: {answerEnquiry: 0}}", "{clock: {}}", "{limits: {byAddress: yes}}"])
    def test_a_mistake_in_it_stops_the_programs(self, world: World, spec: str) -> None:
        path = world.layout.root / "policies" / "public-account.yaml"
        path.parent.mkdir()
        path.write_text(f"{HEAD}spec: {spec}\n")
        with pytest.raises(TREError) as caught:
            make_public(world.layout, world.settings)
        assert caught.value.reason is Reason.BadInput


class TestPages:
    @pytest.mark.parametrize("path", PAGES)
    async def test_without_anything_they_say_so_and_set_no_cookie(self, world: World, path: str) -> None:
        assert "<h1" in await shown(world, path)
        if path != "/easy":
            json.loads(await shown(world, f"{path}.json"))

    @pytest.mark.parametrize("path", PAGES)
    async def test_a_child_of_twelve_reads_them(self, world: World, path: str) -> None:
        main = (await shown(world, path)).partition("<main")[2].partition("</main>")[0]
        words = re.sub(r"<(?:/?(?:p|li|h\d|dt|dd|div|label|a href)\b)[^>]*>", "\n", main)
        text = html.unescape(re.sub(r"<[^>]+>", "", words))
        assert reading_age(text) <= PUBLIC_AGE
        assert reading_age(text) > 0

    def test_each_word_is_explained_in_words_that_a_child_of_twelve_reads(self) -> None:
        ages = {entry.word: reading_age(entry.meaning) for entry in glossary.WORDS}
        assert {word: age for word, age in ages.items() if age > PUBLIC_AGE} == {}
        assert len({entry.anchor for entry in glossary.WORDS}) == len(glossary.WORDS)

    async def test_the_team_is_told_when_its_words_are_hard(self, world: World) -> None:
        hard = INCIDENT | {"text": "Pseudonymisation infrastructure misconfiguration necessitated remediation."}
        for fields, warned in ((INCIDENT, False), (hard, True)):
            name = await begin(world, "incident", **fields)
            page = (await world.browser("olga").get(f"/public/{name}")).text
            assert ("use shorter words" in page) is warned

    def test_everything_has_its_words(self) -> None:
        assert set(account_words.KINDS) == set(ItemKind)
        assert set(account_words.STATES) == set(account_words.COLOURS) == set(ItemState)
        assert set(account_words.OUTCOMES) == set(OutcomeType)
