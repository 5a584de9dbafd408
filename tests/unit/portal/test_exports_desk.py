"""Comments, seats, kept votes, labels, stewards, links and a release past the quorum, as people meet them."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.portal.exports_world import PROJECT, Airlock, finding, sha
from tests.unit.portal.world import World
from tre.domain.exports.models import Finding
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState
from tre.portal.export_views import file_key
from tre.store import export_desk

API = "/api/v1/exports"
SECRET = "No. 7 in Ward 3"
RETURN = {"message": "Round the counts, please."}


@pytest.fixture
def airlock(world: World) -> Airlock:
    return Airlock(world).furnish()


async def shown(airlock: Airlock, who: str, export: str) -> dict[str, Any]:
    answer = await airlock.world.browser(who).get(f"{API}/{export}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def do(airlock: Airlock, who: str, export: str, act: str, body: Any = None, method: str = "POST") -> Any:
    return await airlock.world.browser(who).api(method, f"{API}/{export}/{act}", body)


async def returned(airlock: Airlock) -> str:
    """Both approve both files, and it is given back."""
    export = await airlock.reviewed()
    done = await airlock.world.browser("chris").post(f"/reviews/{export}/return", RETURN)
    assert done.status_code == 303
    return export


class TestComments:
    async def test_blind_then_open_and_never_in_the_log(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        said = {"group": "Table 1", "path": "table.csv", "readers": "public", "text": SECRET}
        private = {"group": "Table 1", "readers": "private", "text": "Ask Dana."}
        for body in (said, private):
            assert (await do(airlock, "chris", export, "comments", body)).status_code == 200
        assert len((await shown(airlock, "chris", export))["comments"]) == 2
        for who in ("chloe", "alice", "molly"):
            assert (await shown(airlock, who, export))["comments"] == []
        for who in ("chris", "chloe"):
            await airlock.review(who, export)
        assert len((await shown(airlock, "chloe", export))["comments"]) == 2
        assert (await shown(airlock, "alice", export))["comments"] == []
        await airlock.world.browser("chris").post(f"/reviews/{export}/return", RETURN)
        (seen,) = (await shown(airlock, "alice", export))["comments"]
        assert (seen["text"], "by" in seen) == (SECRET, False)
        page = (await airlock.world.browser("alice").get(f"/exports/{export}")).text
        assert SECRET in page
        assert "Chris Checker" not in page.partition("What happened")[0]
        answer = await airlock.world.browser("alice").post(
            f"/exports/{export}/comments", {"group": "Table 1", "path": "table.csv", "text": "It is a typo."}
        )
        assert answer.status_code == 303
        key = file_key("table.csv")
        await airlock.world.browser("alice").post(f"/exports/{export}/submit")
        assert "It is a typo." in (await airlock.world.browser("chloe").get(f"/reviews/{export}/files/{key}")).text
        log = json.dumps([event.as_plain() for event in airlock.world.events("export.commented")])
        assert len(airlock.world.events("export.commented")) == 3
        assert SECRET not in log
        assert "table.csv" not in log

    async def test_on_the_pages_a_checker_writes_and_opens(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        chris, key = airlock.world.browser("chris"), file_key("table.csv")
        fields = {"group": "Table 1", "path": "table.csv", "key": key, "readers": "private", "text": "Hm."}
        done = await chris.post(f"/reviews/{export}/comments", fields)
        assert done.headers["location"] == f"/reviews/{export}/files/{key}#comments"
        page = (await chris.get(f"/reviews/{export}/files/{key}")).text
        assert "for checkers only" in page
        action = re.findall(r'action="(/reviews/[^"]+/public)"', page)[0]
        assert (await chris.post(html.unescape(action))).status_code == 303
        assert airlock.request(export).comments[0].readers == "public"
        empty = await chris.post(f"/reviews/{export}/comments", fields | {"text": " "})
        assert empty.status_code == 409
        assert "A comment has words" in empty.text
        strange = await chris.post(f"/reviews/{export}/comments", fields | {"key": "//evil.example"})
        assert strange.headers["location"] == f"/reviews/{export}#comments"


class TestKeptVotes:
    async def test_votes_on_the_same_bytes_wait_for_one_act(self, airlock: Airlock) -> None:
        export = await returned(airlock)
        alice, chris = airlock.world.browser("alice"), airlock.world.browser("chris")
        airlock.outbox["table.csv"] = b"sex,n_patients\nF,<10\nM,400\n"
        await airlock.add(alice, export, "table.csv")
        airlock.answer()
        assert (await alice.post(f"/exports/{export}/submit")).status_code == 303
        seen = await shown(airlock, "chris", export)
        assert seen["kept"] == ["ages.csv"]
        assert "confirm-kept" in seen["allowedActions"]
        assert (await shown(airlock, "chloe", export))["reviews"][-1]["checker"]["id"] == "chloe"
        page = (await chris.get(f"/reviews/{export}")).text
        assert "1 vote of yours is kept from the last round" in html.unescape(page)
        assert "kept, to be confirmed" in page
        assert (await chris.post(f"/reviews/{export}/submit", {"seen": airlock.seen(export)})).status_code == 409
        assert (await chris.post(f"/reviews/{export}/seat/confirm-kept")).status_code == 303
        assert (await shown(airlock, "chris", export))["kept"] == []
        assert (await shown(airlock, "chris", export))["reviews"][-1]["votes"][0]["path"] == "ages.csv"
        for who in ("chris", "chloe"):
            await airlock.review(who, export)
        assert airlock.request(export).state is ExportState.Reviewed

    async def test_the_author_is_not_told_of_kept_votes(self, airlock: Airlock) -> None:
        export = await returned(airlock)
        await airlock.world.browser("alice").post(f"/exports/{export}/submit")
        seen = await shown(airlock, "alice", export)
        assert {review["turn"] for review in seen["reviews"]} == {1}
        assert "seats" not in seen
        assert seen["kept"] == []


class TestSeats:
    async def test_taken_given_back_and_shown_to_checkers_only(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        for who in ("chris", "chloe"):
            assert (await do(airlock, who, export, "claim")).status_code == 200
        refused = await do(airlock, "chad", export, "claim")
        assert (refused.status_code, refused.json()["reason"]) == (409, "StateForbids")
        seats = (await shown(airlock, "chad", export))["seats"]
        assert (seats["needed"], seats["free"], len(seats["claims"])) == (2, 0, 2)
        assert "seats" not in await shown(airlock, "molly", export)
        page = (await airlock.world.browser("chad").get(f"/reviews/{export}")).text
        assert "Chris Checker has it in hand until" in page
        assert "2 have it in hand" in (await airlock.world.browser("chad").get("/reviews")).text
        assert (await airlock.world.browser("chloe").post(f"/reviews/{export}/seat/give-back")).status_code == 303
        assert (await airlock.world.browser("chad").post(f"/reviews/{export}/seat/claim")).status_code == 303
        assert (await airlock.world.browser("chad").post(f"/reviews/{export}/seat/nothing")).status_code == 400

    async def test_an_operator_gives_it_to_somebody_who_is_there(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        olga, chad = airlock.world.browser("olga"), airlock.world.browser("chad")
        page = (await olga.get("/reviewers")).text
        assert export in page
        assert "Nobody" in page
        assert "table.csv" not in page
        now = airlock.world.clock.now()
        days = {"since": f"{now - timedelta(days=2):%Y-%m-%d}", "until": f"{now + timedelta(days=7):%Y-%m-%d}"}
        assert (await chad.post("/reviewers/away", days)).status_code == 303
        refused = await olga.api("POST", f"{API}/{export}/assign", {"checker": {"issuer": "local", "id": "chad"}})
        assert refused.json()["what"] == "That checker is away."
        for nobody in ("alice", "zoe"):
            body = {"checker": {"issuer": "local", "id": nobody}}
            assert (await olga.api("POST", f"{API}/{export}/assign", body)).status_code == 400
        given = await olga.post(f"/reviews/{export}/assign", {"checker": "local chloe", "from": "waiting"})
        assert given.headers["location"] == "/reviewers"
        assert [claim.checker.id for claim in airlock.request(export).claims] == ["chloe"]
        assert (await olga.post(f"/reviews/{export}/assign", {"checker": "x"})).status_code == 400
        for who in ("alice", "chris"):
            body = {"checker": {"issuer": "local", "id": "chris"}}
            assert (await airlock.world.browser(who).api("POST", f"{API}/{export}/assign", body)).status_code == 403
        waiting = (await olga.get("/api/v1/reviews/waiting")).json()
        assert [(row["id"], row["free"]) for row in waiting] == [(export, 1)]
        assert (await chad.get("/api/v1/reviews/waiting")).status_code == 403
        assert (await airlock.world.browser("eve").get("/reviewers")).status_code == 403

    async def test_who_goes_away_gives_back_what_they_have(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        await do(airlock, "chris", export, "claim")
        chris = airlock.world.browser("chris")
        now = airlock.world.clock.now()
        body = {"since": now.isoformat(), "until": (now + timedelta(days=20)).isoformat()}
        assert (await chris.api("POST", "/api/v1/reviews/away", body)).json() == {"givenBack": 1}
        assert airlock.request(export).claims == ()
        for wrong in (
            {"since": body["until"], "until": body["since"]},
            {"since": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z"},
        ):
            assert (await chris.api("POST", "/api/v1/reviews/away", wrong)).status_code == 400
        assert (await chris.post("/reviewers/away", {"since": "tomorrow", "until": ""})).status_code == 400
        assert (await airlock.world.browser("alice").api("POST", "/api/v1/reviews/away", body)).status_code == 403

    async def test_a_conflict_is_named_and_a_third_is_asked(self, airlock: Airlock) -> None:
        export = await airlock.submitted("alice", "ages.csv")
        await airlock.review("chris", export)
        await airlock.review("chloe", export, choice="ChangesRequested", comment="Why?")
        seats = (await shown(airlock, "chris", export))["seats"]
        assert (seats["third"], seats["conflicted"], seats["free"]) == (True, ["ages.csv"], 1)
        assert (await shown(airlock, "chad", export))["seats"]["conflicted"] == []
        assert (await shown(airlock, "chad", export))["reviews"] == []
        page = (await airlock.world.browser("chris").get(f"/reviews/{export}")).text
        assert "The reviews disagree." in page
        done = await airlock.world.browser("chris").post(f"/reviews/{export}/assign", {"checker": "local chad"})
        assert done.status_code == 303
        await airlock.review("chad", export)
        assert len((await shown(airlock, "chad", export))["reviews"]) == 3
        approval = {"seen": airlock.seen(export), "confirm": "1"}
        assert (await do(airlock, "chris", export, "approve", approval)).json()["state"] == "Approved"


class TestLabels:
    async def test_said_once_and_sent_with_every_check(self, airlock: Airlock) -> None:
        export = await airlock.draft()
        body = {"title": "n_patients", "role": "count"}
        said = await do(airlock, "alice", export, "labels", body, "PUT")
        assert said.json()["busy"] is True
        with airlock.world.database.read() as connection:
            from tre.store import jobs

            job = jobs.latest(connection, "checker", "check", f"export/{export}")
        assert job is not None
        assert job.payload["labels"] == {"n_patients": "count"}
        assert [(file["path"], file["group"]) for file in job.payload["files"]] == [
            ("table.csv", "Table 1"),
            ("ages.csv", "Table 1"),
        ]
        airlock.answer()
        assert (await do(airlock, "alice", export, "labels", body | {"role": "harmless"}, "PUT")).status_code == 400
        assert (await do(airlock, "molly", export, "labels", body, "PUT")).status_code == 403
        await airlock.world.browser("alice").post(f"/exports/{export}/submit")
        key = file_key("table.csv")
        fields = {"title": "n_patients", "role": "mean", "key": key}
        done = await airlock.world.browser("chris").post(f"/reviews/{export}/labels", fields)
        assert done.status_code == 303
        page = (await airlock.world.browser("chris").get(f"/reviews/{export}/files/{key}")).text
        assert "a mean, said by a checker" in page
        assert "n_patients" not in json.dumps([e.as_plain() for e in airlock.world.events("export.labelled")])

    async def test_beside_a_finding_of_an_unknown_column(self, airlock: Airlock) -> None:
        airlock.findings = [finding(Severity.A, check="S12")]
        export = await airlock.draft()
        page = (await airlock.world.browser("alice").get(f"/exports/{export}")).text
        assert "Title of the column, as in the file" in page
        done = await airlock.world.browser("alice").post(
            f"/exports/{export}/labels", {"title": "n_patients", "role": "count"}
        )
        assert done.status_code == 303


def secret(row: int, check: str = "P01", case: str = "") -> Finding:
    plain = finding(Severity.E, check=check, row=row)
    return plain.model_copy(update={"case": case, "message": f"Pseudonym {SECRET} in row {row}."})


class TestAudience:
    async def test_the_project_reads_the_rule_and_checkers_the_finding(self, airlock: Airlock) -> None:
        airlock.findings = [secret(2), secret(3), secret(4, "S04", "sibling")]
        export = await airlock.submitted()
        for who in ("alice", "molly"):
            browser = airlock.world.browser(who)
            texts = [(await browser.get(path)).text for path in (f"/exports/{export}", f"{API}/{export}", "/exports")]
            assert all(SECRET not in text for text in texts)
            findings = [
                f
                for group in (await shown(airlock, who, export))["groups"]
                for file in group["files"]
                for f in file["findings"]
            ]
            assert [(f["check"], "row" in f["locator"]) for f in findings] == [("P01", False)]
        seen = await shown(airlock, "chris", export)
        assert sum(len(file["findings"]) for group in seen["groups"] for file in group["files"]) == 3
        run = airlock.request(export).check_run
        assert run is not None
        assert run.id not in json.dumps(await shown(airlock, "alice", export))
        assert airlock.seen(export) != (await shown(airlock, "alice", export))["seen"]

    async def test_attempts_are_counted_for_checkers_and_bounded(self, airlock: Airlock) -> None:
        airlock.findings = [secret(2)]
        export = await airlock.submitted()
        assert (await shown(airlock, "chris", export))["attempts"] == {"runs": 1, "met": 1}
        assert "attempts" not in await shown(airlock, "alice", export)
        page = (await airlock.world.browser("chris").get(f"/reviews/{export}")).text
        assert "with records or identifiers of the data" in page
        other = await airlock.draft()
        from tre.domain.exports.attempts import Attempt

        request, now = airlock.request(other), airlock.world.clock.now()
        with airlock.world.database.change(airlock.world.event()) as change:
            for _ in range(100):
                export_desk.note_attempt(change, request, Attempt(at=now))
        refused = await airlock.add(airlock.world.browser("alice"), other, "ages.csv")
        assert refused.status_code == 429
        assert "within a day" in refused.text
        airlock.world.clock.advance(24 * 3600)
        assert (await airlock.add(airlock.world.browser("alice"), other, "ages.csv")).status_code == 303


class TestStewards:
    async def test_a_data_manager_outside_has_the_last_word(self, airlock: Airlock) -> None:
        airlock.findings = [secret(2, "P02")]
        export = await airlock.submitted("alice", "table.csv")
        dana = airlock.world.browser("dana")
        page = (await dana.get("/consents")).text
        assert SECRET in page
        assert export in page
        for who in ("chris", "chloe"):
            await airlock.review(who, export)
        assert (await shown(airlock, "chris", export))["awaitingSteward"] == [airlock.findings[0].id]
        approval = {"seen": airlock.seen(export), "confirm": "1"}
        refused = await do(airlock, "chris", export, "approve", approval)
        assert refused.json()["reason"] == "FindingBlocks"
        fields = {"finding": airlock.findings[0].id, "why": "Cleared with the hospital."}
        assert (await dana.post(f"/consents/{export}", fields)).status_code == 400
        assert (await dana.post(f"/consents/{export}", fields | {"word": "no"})).status_code == 303
        assert (await do(airlock, "chris", export, "approve", approval)).status_code == 409
        body = {"finding": fields["finding"], "agrees": True, "why": fields["why"]}
        said = await dana.api("PUT", f"{API}/{export}/consents", body)
        assert said.json()["findings"][0]["said"][0]["agrees"] is True
        assert (await do(airlock, "chris", export, "approve", approval)).json()["state"] == "Approved"
        assert (await dana.get(f"{API}/{export}")).status_code == 404, "she sees the finding, not the request"

    @pytest.mark.parametrize("who", ["alice", "chris", "olga"])
    async def test_nobody_else_is_asked(self, airlock: Airlock, who: str) -> None:
        airlock.findings = [secret(2)]
        export = await airlock.submitted()
        browser = airlock.world.browser(who)
        assert (await browser.get("/consents")).status_code == 403
        assert (await browser.get("/api/v1/consents")).status_code == 403
        body = {"finding": airlock.findings[0].id, "agrees": True, "why": "So."}
        assert (await browser.api("PUT", f"{API}/{export}/consents", body)).status_code == 404


class TestLinks:
    async def released(self, airlock: Airlock) -> str:
        export = await airlock.approved()
        airlock.world.clock.advance(6)
        airlock.release_due()
        airlock.world.layout.releases.mkdir(parents=True, exist_ok=True)
        (airlock.world.layout.releases / f"{export}.zip").write_bytes(b"bundle")
        return export

    async def link(self, airlock: Airlock, export: str, who: str = "bob") -> str:
        made = await do(airlock, who, export, "links")
        assert made.status_code == 201, made.text
        return str(made.json()["url"]).partition("/release/")[2]

    async def test_it_opens_once_for_anybody_and_stands_in_the_log(self, airlock: Airlock) -> None:
        export = await self.released(airlock)
        token = await self.link(airlock, export)
        stranger = airlock.world.browser(None)
        page = await stranger.get(f"/release/{token}")
        assert page.status_code == 200
        assert "This link works once." in page.text
        got = await stranger.post(f"/release/{token}", {"csrf": ""})
        assert (got.status_code, got.content) == (200, b"bundle")
        for again in (await stranger.get(f"/release/{token}"), await stranger.post(f"/release/{token}", {"csrf": ""})):
            assert again.status_code == 404
            assert b"bundle" not in again.content
        events = airlock.world.events("export.downloaded")
        assert events[-1].detail["by_link"] == sha(token.encode())[:12]
        assert token not in json.dumps([event.as_plain() for event in events])

    async def test_a_recall_kills_it_at_once(self, airlock: Airlock) -> None:
        export = await self.released(airlock)
        token = await self.link(airlock, export)
        await do(airlock, "chad", export, "recall", {"message": "A mistake."})
        stranger = airlock.world.browser(None)
        assert (await stranger.get(f"/release/{token}")).status_code == 404
        assert (await stranger.post(f"/release/{token}", {"csrf": ""})).status_code == 404

    async def test_time_ends_it_and_a_damaged_bundle_spends_nothing(self, airlock: Airlock) -> None:
        export = await self.released(airlock)
        stranger, token = airlock.world.browser(None), await self.link(airlock, export)
        path = airlock.world.layout.releases / f"{export}.zip"
        path.write_bytes(b"bundle!")
        assert (await stranger.post(f"/release/{token}", {"csrf": ""})).status_code == 409
        path.write_bytes(b"bundle")
        assert (await stranger.get(f"/release/{token}")).status_code == 200, "it was not spent"
        airlock.world.clock.advance(24 * 3600)
        assert (await stranger.get(f"/release/{token}")).status_code == 404
        assert (await stranger.get("/release/anything")).status_code == 404

    async def test_only_members_make_one_and_the_page_shows_it_once(self, airlock: Airlock) -> None:
        export = await self.released(airlock)
        for who in ("chris", "chad"):
            assert (await do(airlock, who, export, "links")).status_code == 403
        made = await airlock.world.browser("alice").post(f"/exports/{export}/links")
        assert "/release/" in made.text
        token = re.findall(r"/release/([A-Za-z0-9_-]{20,})", made.text)[0]
        page = (await airlock.world.browser("alice").get(f"/exports/{export}")).text
        assert token not in page
        assert "open until" in page
        assert (await shown(airlock, "alice", export))["links"][0].get("url", "") == ""
        assert (await shown(airlock, "bob", export))["links"] == []


class TestPastTheQuorum:
    async def test_two_people_when_it_is_late(self, airlock: Airlock) -> None:
        export = await airlock.submitted("alice", "ages.csv")
        await airlock.review("chris", export)
        early = await do(airlock, "chris", export, "emergency", {"reason": "Tonight."})
        assert early.json()["reason"] == "NotYetValid"
        airlock.world.clock.advance(60 * 3600)
        chris, olga = airlock.world.browser("chris"), airlock.world.browser("olga")
        assert "No second reviewer in time" in (await chris.get(f"/reviews/{export}")).text
        assert (await olga.post(f"/reviewers/{export}/second", {"confirm": "1"})).status_code == 404
        asked = await chris.post(f"/reviews/{export}/emergency", {"message": "An outbreak report is due."})
        assert asked.status_code == 303
        assert "An outbreak report is due." in (await olga.get("/reviewers")).text
        assert (await olga.post(f"/reviewers/{export}/second", {"confirm": "yes"})).status_code == 400
        assert (await airlock.world.browser("chloe").post(f"/reviewers/{export}/second", {})).status_code == 404
        done = await olga.api("POST", f"{API}/{export}/emergency/second", {"confirm": "1"})
        assert done.status_code == 204
        airlock.world.clock.advance(6)
        airlock.release_due()
        assert airlock.request(export).state is ExportState.Released
        log = json.dumps(
            [e.as_plain() for kind in ("asked", "seconded") for e in airlock.world.events(f"export.emergency-{kind}")]
        )
        assert "outbreak" not in log
        assert log.count("export.emergency-") == 2
        told = (await airlock.world.browser(None).get(f"/projects/{PROJECT}.json", "")).json()
        assert (told["releasedPastQuorum"], told["exceptionsMade"]) == (1, 0)
        public = (await airlock.world.browser(None).get(f"/projects/{PROJECT}", "")).text
        assert "could not wait for a second reviewer" in public


class TestFigures:
    async def test_marks_become_figures_without_content(self, airlock: Airlock) -> None:
        airlock.findings = [finding(Severity.E)]
        export = await airlock.submitted("alice", "table.csv")
        for response in await airlock.vote("chris", export, **{"mark-S01": "false-alarm"}):
            assert response.status_code == 303
        key = file_key("table.csv")
        page = (await airlock.world.browser("chris").get(f"/reviews/{export}/files/{key}")).text
        assert '<option value="false-alarm" selected>' in page
        await airlock.world.browser("chris").post(f"/reviews/{export}/submit", {"seen": airlock.seen(export)})
        for who in ("chris", "olga"):
            browser = airlock.world.browser(who)
            (row,) = (await browser.get("/api/v1/checks")).json()
            assert (row["check"], row["found"], row["falseAlarms"]) == ("S01", 1, 1)
            assert "How right each check was" in (await browser.get("/checks")).text
        assert (await airlock.world.browser("alice").get("/checks")).status_code == 403


async def test_words_at_hand(airlock: Airlock) -> None:
    export = await airlock.submitted()
    page = (await airlock.world.browser("chris").get(f"/reviews/{export}?reply=Small+counts")).text
    assert "Some counts are below the threshold." in page
    assert "Some counts are below" not in (await airlock.world.browser("chris").get(f"/reviews/{export}")).text


async def test_how_many_people_is_a_number(airlock: Airlock) -> None:
    export = await airlock.begin()
    alice = airlock.world.browser("alice")
    for wrong in ("many", "-3", "9" * 11, "1.5"):
        assert (await airlock.add(alice, export, "ages.csv", people=wrong)).status_code == 400
    assert (await airlock.add(alice, export, "ages.csv", people="2,500")).status_code == 303
    airlock.answer()
    assert airlock.request(export).groups[0].people == 2500
