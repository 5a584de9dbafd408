"""The review desk as a checker sees it: the queue, blind votes, the consolidation, and every way a request ends."""

from __future__ import annotations

import pytest

from tests.unit.portal.exports_world import CLEAN, TABLE, Airlock, finding, member, sha
from tests.unit.portal.world import World, title_of
from tre.domain.errors import Reason, TREError
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState
from tre.portal.export_views import file_key
from tre.store import jobs

MESSAGE = {"message": "The totals give the small counts away."}


@pytest.fixture
def airlock(world: World) -> Airlock:
    return Airlock(world).furnish()


class TestQueue:
    async def test_whose_turn_and_until_when(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        chris = airlock.world.browser("chris")
        page = (await chris.get("/reviews")).text
        assert "1 request waits for you" in page
        assert export in page
        assert "<strong>You</strong>" in page
        assert "in 2 days" in page
        await airlock.review("chris", export)
        page = (await chris.get("/reviews")).text
        assert "No request waits for you." in page
        assert "Another checker" in page
        assert "1 request waits for you" in (await airlock.world.browser("chloe").get("/reviews")).text
        assert "Nothing to show" in (await chris.get("/reviews?show=mine")).text

    async def test_late_first_and_filtered(self, airlock: Airlock) -> None:
        first = await airlock.submitted()
        airlock.world.clock.advance(60 * 3600)
        second = await airlock.submitted("alice", "ages.csv")
        chris = airlock.world.browser("chris")
        page = (await chris.get("/reviews")).text
        assert "1 is late" in page
        assert page.index(first) < page.index(second)
        assert first not in (await chris.get("/reviews?q=nothing-like-it")).text
        assert first in (await chris.get("/reviews?q=table.csv")).text
        assert "Nothing to show" in (await chris.get("/reviews?show=released")).text

    async def test_drafts_are_their_authors_own(self, airlock: Airlock) -> None:
        export = await airlock.draft()
        chris = airlock.world.browser("chris")
        for path in ("/reviews", "/reviews?show=author", "/reviews?show=over", "/api/v1/exports"):
            assert export not in (await chris.get(path)).text

    async def test_own_projects_are_counted_and_not_shown(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        page = (await airlock.world.browser("molly").get("/reviews")).text
        assert export not in page
        assert "1 request is not shown: you are in their projects." in page

    async def test_for_checkers_only(self, airlock: Airlock) -> None:
        for who in ("alice", "olga", "carl"):
            assert (await airlock.world.browser(who).get("/reviews")).status_code == 403
            assert 'href="/reviews"' not in (await airlock.world.browser(who).get("/account")).text
        assert 'href="/reviews"' in (await airlock.world.browser("chris").get("/account")).text


class TestReading:
    async def test_the_next_step_is_the_first_file_without_a_vote(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        chris, path = airlock.world.browser("chris"), f"/reviews/{export}"
        [first, second] = [
            f'href="{path}/files/{file_key(file.path)}">Look at' for file in airlock.request(export).outputs
        ]
        assert first + " the first file" in (await chris.get(path)).text
        run = airlock.request(export).check_run
        assert run is not None
        output = airlock.request(export).outputs[0]
        seen = {"sha256": output.sha256, "run": run.id, "choice": "Approved", "unseen": "yes"}
        assert (await chris.post(f"{path}/files/{file_key(output.path)}", seen)).status_code == 303
        assert second + " the next file" in (await chris.get(path)).text
        assert (await airlock.review("chris", export)).status_code == 303
        assert ">Look at" not in (await chris.get(path)).text

    async def test_request_and_file(self, airlock: Airlock) -> None:
        airlock.findings = [finding(Severity.E), finding(Severity.A, CLEAN, "F10", row=1)]
        export = await airlock.submitted()
        chris = airlock.world.browser("chris")
        page = (await chris.get(f"/reviews/{export}")).text
        for words in ("Mean ages of 2,500 people", "1 needs an exception", "1 to acknowledge", "0 of 2", "By", "Alice"):
            assert words in page
        page = (await chris.get(f"/reviews/{export}/files/{file_key('table.csv')}")).text
        assert sha(TABLE) in page
        assert "row 2, column 2" in page
        assert "Nothing of this file can be shown." in page
        assert (await chris.get(f"/reviews/{export}/files/aaaaaaaaaaaa")).status_code == 404

    async def test_what_left_before_stands_beside_it(self, airlock: Airlock) -> None:
        earlier = await airlock.approved(paths=("ages.csv", "table.csv"))
        airlock.world.clock.advance(6)
        airlock.release_due()
        assert airlock.request(earlier).state is ExportState.Released
        airlock.outbox["table.csv"] = b"sex,n_patients\nF,20\nM,400\n"
        export = await airlock.submitted()
        page = (await airlock.world.browser("chris").get(f"/reviews/{export}")).text
        assert "These very bytes" in page
        assert "Under this name, other bytes" in page
        page = (await airlock.world.browser("chris").get(f"/reviews/{export}/files/{file_key('table.csv')}")).text
        assert f'href="/reviews/{earlier}"' in page
        assert "other bytes" in page

    async def test_a_checker_is_led_from_the_projects_page_to_the_desk(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        answer = await airlock.world.browser("chris").get(f"/exports/{export}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/reviews/{export}")


class TestVoting:
    async def test_file_by_file_then_submitted(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        chris = airlock.world.browser("chris")
        first, second = await airlock.vote("chris", export)
        assert first.headers["location"] == f"/reviews/{export}/files/{file_key('ages.csv')}"
        assert second.headers["location"] == f"/reviews/{export}#review"
        page = (await chris.get(f"/reviews/{export}")).text
        assert "2 of 2" in page
        handed = await chris.post(f"/reviews/{export}/submit", {"seen": airlock.seen(export)})
        assert handed.status_code == 303
        assert "Your review is in" in (await chris.get(f"/reviews/{export}")).text
        assert airlock.request(export).state is ExportState.PartiallyReviewed
        for event in airlock.world.events("export.voted") + airlock.world.events("export.reviewed"):
            assert "Approved" not in event.leaf().decode()

    async def test_an_incomplete_review_is_not_taken(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        page = await airlock.world.browser("chris").post(f"/reviews/{export}/submit", {"seen": airlock.seen(export)})
        assert page.status_code == 409
        assert "2 files lack your vote." in page.text

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"choice": ""}, "No vote is chosen."),
            ({"choice": "Perhaps"}, "No vote is chosen."),
            ({"choice": "ChangesRequested"}, "Asking for changes needs a comment."),
            ({"choice": "Approved"}, "2 findings on this file are not answered."),
            ({"choice": "Approved", "why-S01": "fine"}, "1 findings on this file are not answered."),
            ({"choice": "Approved", "seen-F10": "yes"}, "1 findings on this file are not answered."),
        ],
    )
    async def test_a_vote_that_lacks_something_comes_back(
        self, airlock: Airlock, fields: dict[str, str], words: str
    ) -> None:
        airlock.findings = [finding(Severity.E), finding(Severity.A, check="F10")]
        export = await airlock.submitted()
        run = airlock.request(export).check_run
        assert run is not None
        seen = {"sha256": sha(TABLE), "run": run.id, "comment": "kept words" if "Changes" not in str(fields) else ""}
        seen["unseen"] = "yes"
        path = f"/reviews/{export}/files/{file_key('table.csv')}"
        page = await airlock.world.browser("chris").post(path, seen | fields)
        assert page.status_code in {400, 409}
        assert title_of(page).startswith("Error: ")
        assert words in page.text
        assert airlock.request(export).reviews == ()
        if "kept words" in seen.values():
            assert "kept words</textarea>" in page.text
        if "why-S01" in fields:
            assert ">fine</textarea>" in page.text

    async def test_exceptions_one_by_one_or_together_and_acknowledgements(self, airlock: Airlock) -> None:
        small, smaller = finding(Severity.E), finding(Severity.E, row=3)
        formula = finding(Severity.A, check="F10")
        airlock.findings = [small, smaller, formula]
        export = await airlock.submitted("alice", "table.csv")
        run = airlock.request(export).check_run
        assert run is not None
        seen = {"sha256": sha(TABLE), "run": run.id, "choice": "Approved", "seen-F10": "yes", "unseen": "yes"}
        path = f"/reviews/{export}/files/{file_key('table.csv')}"
        chris = airlock.world.browser("chris")
        answers = {"why-S01": "a public total", f"why-{smaller.id}": "agreed with the steward"}
        assert (await chris.post(path, seen | answers)).status_code == 303
        [review] = airlock.request(export).reviews
        given = {item.finding: item.why for item in review.votes[0].dispositions}
        assert given == {small.id: "a public total", smaller.id: "agreed with the steward", formula.id: ""}
        page = (await chris.get(path)).text
        assert "a public total</textarea>" in page
        assert "agreed with the steward</textarea>" in page

    async def test_nobody_sees_anothers_votes_before_both_are_in(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        remark = "Chris wrote this remark"
        await airlock.review("chris", export, comment=remark)
        chloe, path = airlock.world.browser("chloe"), f"/reviews/{export}/files/{file_key('table.csv')}"
        for address in (f"/reviews/{export}", path, f"/api/v1/exports/{export}"):
            text = (await chloe.get(address)).text
            assert remark not in text
            assert "chris" not in text.lower().replace("chris checker</a>", "")
        await airlock.vote("chloe", export)
        assert remark not in (await chloe.get(path)).text
        await airlock.review("chloe", export)
        for address in (f"/reviews/{export}", path, f"/api/v1/exports/{export}"):
            assert remark in (await chloe.get(address)).text
        chad = airlock.world.browser("chad")
        for address in (f"/reviews/{export}", path, f"/api/v1/exports/{export}"):
            assert remark not in (await chad.get(address)).text

    async def test_a_disagreement_shows_and_can_be_settled(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        await airlock.review("chris", export)
        await airlock.review("chloe", export, choice="ChangesRequested", comment="Row 2 is small.")
        chris = airlock.world.browser("chris")
        page = (await chris.get(f"/reviews/{export}")).text
        assert "No agreement" in page
        assert "Row 2 is small." in page
        assert "Not possible now." in page
        assert "Type 2, the number of files" not in page
        await airlock.vote("chloe", export)
        page = (await chris.get(f"/reviews/{export}")).text
        assert "No agreement" not in page
        assert "Type 2, the number of files" in page


class TestDeciding:
    async def test_a_typed_confirmation(self, airlock: Airlock) -> None:
        export = await airlock.reviewed()
        chris, seen = airlock.world.browser("chris"), {"seen": airlock.seen(export)}
        for typed in ("", "1", "yes", "22"):
            page = await chris.post(f"/reviews/{export}/approve", seen | {"confirm": typed})
            assert page.status_code == 400
            assert "The typed confirmation is not" in page.text
        typed = airlock.request(export).code
        assert (await chris.post(f"/reviews/{export}/approve", seen | {"confirm": typed})).status_code == 303
        page = (await chris.get(f"/reviews/{export}")).text
        assert "Stop the release" in page
        assert "2026-11-24" in page

    async def test_stopped_within_the_delay(self, airlock: Airlock) -> None:
        export = await airlock.approved()
        chloe = airlock.world.browser("chloe")
        assert (await chloe.post(f"/reviews/{export}/return", MESSAGE)).status_code == 303
        airlock.world.clock.advance(60)
        airlock.release_due()
        assert airlock.request(export).state is ExportState.Returned
        assert MESSAGE["message"] in (await airlock.world.browser("alice").get(f"/exports/{export}")).text

    async def test_an_answer_that_a_clock_out_of_step_refused_is_asked_for_again(self, airlock: Airlock) -> None:
        export = await airlock.approved()
        airlock.world.clock.advance(6)
        while not (waiting := airlock._waiting()):
            airlock.control()
        now = airlock.world.clock.now()
        refused = TREError(Reason.NotYetValid, "The time in which the release can be stopped is not over.")
        with airlock.world.database.change(airlock.world.event("job.failed", waiting[0].subject)) as change:
            jobs.take(change, waiting[0].id, now)
            jobs.fail(change, waiting[0].id, refused, now)
        airlock.release_due()
        assert airlock.request(export).state is ExportState.Releasing, "not at once"
        airlock.world.clock.advance(60)
        airlock.control()
        assert airlock._waiting()[0].payload == waiting[0].payload, "the same words, signed once"
        airlock.release_due()
        assert airlock.request(export).state is ExportState.Released

    async def test_released_after_the_delay_then_recalled(self, airlock: Airlock) -> None:
        export = await airlock.approved()
        airlock.release_due()
        assert airlock.request(export).state is ExportState.Approved
        airlock.world.clock.advance(6)
        airlock.release_due()
        assert airlock.request(export).state is ExportState.Released
        chad = airlock.world.browser("chad")
        assert "Call it back" in (await chad.get(f"/reviews/{export}")).text
        silent = await chad.post(f"/reviews/{export}/recall", {"message": " "})
        assert silent.status_code == 409
        assert (await chad.post(f"/reviews/{export}/recall", MESSAGE)).status_code == 303
        page = (await airlock.world.browser("alice").get(f"/exports/{export}")).text
        assert MESSAGE["message"] in page
        assert "Download" not in page
        assert export in (await chad.get("/reviews?show=over")).text

    @pytest.mark.parametrize(("act", "state"), [("return", ExportState.Returned), ("reject", ExportState.Rejected)])
    async def test_returned_or_refused_with_words(self, airlock: Airlock, act: str, state: ExportState) -> None:
        export = await airlock.reviewed()
        chris = airlock.world.browser("chris")
        silent = await chris.post(f"/reviews/{export}/{act}", {"message": "\x00 \r\n"})
        assert silent.status_code == 409
        assert "The author must be told why." in silent.text
        assert (await chris.post(f"/reviews/{export}/{act}", MESSAGE)).status_code == 303
        assert airlock.request(export).state is state
        assert MESSAGE["message"] in (await airlock.world.browser("alice").get(f"/exports/{export}")).text

    async def test_after_the_turn_the_project_reads_what_was_said(self, airlock: Airlock) -> None:
        export = await airlock.submitted()
        await airlock.review("chris", export, choice="ChangesRequested", comment="Round row 2, please.")
        await airlock.review("chloe", export, choice="ChangesRequested", comment="I agree.")
        alice = airlock.world.browser("alice")
        assert "Round row 2" not in (await alice.get(f"/exports/{export}")).text
        await airlock.world.browser("chris").post(f"/reviews/{export}/return", MESSAGE)
        assert "Round row 2, please." in (await alice.get(f"/exports/{export}")).text

    async def test_the_grant_may_ask_for_a_third(self, airlock: Airlock) -> None:
        strict = {"export": {"policy": "default", "reviewers": 3}, "members": [member("alice")]}
        airlock.world.add_grant("strict-0001", **strict, **airlock.dates())
        export = await airlock.begin("alice", "strict-0001")
        await airlock.add(airlock.world.browser("alice"), export, "ages.csv")
        airlock.answer()
        await airlock.world.browser("alice").post(f"/exports/{export}/submit")
        for who in ("chris", "chloe"):
            await airlock.review(who, export)
        assert airlock.request(export).state is ExportState.PartiallyReviewed
        await airlock.review("chad", export)
        assert airlock.request(export).state is ExportState.Reviewed

    async def test_whoever_did_not_review_does_not_confirm(self, airlock: Airlock) -> None:
        export = await airlock.reviewed()
        chad, approval = airlock.world.browser("chad"), {"seen": airlock.seen(export), "confirm": "2"}
        assert "Confirm the release" not in (await chad.get(f"/reviews/{export}")).text
        assert (await chad.post(f"/reviews/{export}/approve", approval)).status_code == 403
        assert "approve" not in (await chad.get(f"/api/v1/exports/{export}")).json()["allowedActions"]
        assert all(done.status_code == 409 for done in await airlock.vote("chad", export)), "no seat is free"
        assert (await airlock.world.browser("chris").post(f"/reviews/{export}/approve", approval)).status_code == 303
