"""Taking results out as a researcher sees it: every state, every refusal, and what a project's other members see."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.factories import suspension
from tests.unit.portal.exports_world import CLEAN, OTHER, PROJECT, TABLE, WORDS, Airlock, finding, sha
from tests.unit.portal.world import World, title_of
from tre.airlock.bundle import verify_bundle
from tre.audit.keys import PUBLIC_KEY_FILE, load_public
from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import Choice, FileKind
from tre.domain.exports.policies import Decision
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState, Owner
from tre.portal import export_words
from tre.portal.export_actions import find
from tre.portal.export_progress import message_of
from tre.portal.export_views import export_view, file_key
from tre.store import jobs


@pytest.fixture
def airlock(world: World) -> Airlock:
    return Airlock(world).furnish()


def view_of(airlock: Airlock, export: str, who: str = "alice"):  # type: ignore[no-untyped-def]
    _, session = airlock.world.session(who)
    with airlock.world.database.read() as connection:
        found = find(airlock.world.desk, connection, session.person, export)
        return export_view(airlock.world.desk, connection, session.person, found)


def test_every_word_of_the_domain_has_its_words() -> None:
    assert set(export_words.STATES) == set(export_words.STATE_COLOURS) == set(ExportState)
    assert set(export_words.SEVERITIES) == set(export_words.SEVERITY_COLOURS) == set(Severity)
    assert set(export_words.KINDS) == set(FileKind)
    assert set(export_words.CHOICES) == set(export_words.CHOICE_COLOURS) == set(Choice)
    assert set(export_words.DECISIONS) == set(export_words.DECISION_COLOURS) == set(Decision)
    assert set(export_words.OWNERS) == set(Owner)


async def test_a_new_request_shows_what_lies_in_the_outbox(airlock: Airlock) -> None:
    airlock.refuse["pipe.csv"] = "It is not a plain file."
    airlock.outbox["pipe.csv"] = b""
    alice = airlock.world.browser("alice")
    assert "Take results out" in (await alice.get("/exports")).text
    assert "Begin" in (await alice.get(f"/exports/new?grant={PROJECT}")).text
    made = await alice.post("/exports", {"grant": PROJECT})
    page = await alice.get(made.headers["location"])
    assert "is being looked into" in page.text
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in page.text
    assert "Copy and check these files" not in page.text
    airlock.answer()
    page = await alice.get(made.headers["location"])
    assert "Copy and check these files" in page.text
    assert 'value="table.csv"' in page.text
    assert 'value="pipe.csv"' not in page.text
    assert "It is not a plain file." in page.text
    assert "refresh" not in page.text
    asked = [event.detail for event in airlock.world.events("export.created")]
    assert [item["grant"] for item in asked] == [PROJECT]


async def test_files_are_copied_checked_and_shown_with_findings(airlock: Airlock) -> None:
    airlock.findings = [finding(Severity.E)]
    export = await airlock.begin()
    alice = airlock.world.browser("alice")
    assert (await airlock.add(alice, export, "table.csv", "ages.csv")).status_code == 303
    page = (await alice.get(f"/exports/{export}")).text
    assert "Copying files" in page
    assert "Submit to the checkers" not in page
    airlock.answer()
    page = (await alice.get(f"/exports/{export}")).text
    assert "row 2, column 2" in page
    assert "Suppress or round the count." in page
    assert "Needs an exception" in page
    assert "The checks found nothing in it." in page
    assert sha(TABLE)[:12] in page
    assert "Everything that the rules ask for is there." in page
    for event in airlock.world.events("export.files-asked") + airlock.world.events("export.files-added"):
        assert "table.csv" not in event.leaf().decode()


async def test_what_could_not_be_taken_is_explained(airlock: Airlock) -> None:
    airlock.refuse["ages.csv"] = "It has more than one name (hard links)."
    export = await airlock.begin()
    alice = airlock.world.browser("alice")
    await airlock.add(alice, export, "table.csv", "ages.csv")
    airlock.answer()
    page = (await alice.get(f"/exports/{export}")).text
    assert "1 file was not taken" in page
    assert "more than one name" in page
    assert [file.path for file in airlock.request(export).files] == ["table.csv"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"group": ""}, "is not a valid FileGroup"),
        ({"group": "x" * 101}, "is not a valid FileGroup"),
        ({"context": "x" * 20_001}, "is not a valid FileGroup"),
    ],
)
async def test_a_wrong_form_comes_back_with_what_was_typed(
    airlock: Airlock, fields: dict[str, str], reason: str
) -> None:
    export = await airlock.begin()
    page = await airlock.add(airlock.world.browser("alice"), export, "table.csv", **({"controls": "kept"} | fields))
    assert page.status_code == 400
    assert title_of(page).startswith("Error: ")
    assert reason in page.text
    assert ">kept</textarea>" in page.text
    assert airlock.request(export).groups == ()


async def test_nothing_ticked_is_said_at_the_outbox(airlock: Airlock) -> None:
    export = await airlock.begin()
    page = await airlock.add(airlock.world.browser("alice"), export)
    assert page.status_code == 400
    assert re.search('<a href="#path-1">\\s*No file is chosen. Tick at least one', page.text)
    assert ">" + WORDS + "</textarea>" in page.text


async def test_submitting_needs_words_and_says_so_before_and_after(airlock: Airlock) -> None:
    export = await airlock.draft("alice", context="too short")
    alice = airlock.world.browser("alice")
    before = (await alice.get(f"/exports/{export}")).text
    assert "Not ready yet." in before
    refused = await alice.post(f"/exports/{export}/submit")
    assert refused.status_code == 409
    assert "needs its context, at least 5 words" in refused.text
    assert airlock.request(export).state is ExportState.Pending
    words = {"group": "Table 1", "context": WORDS, "controls": WORDS}
    assert (await alice.post(f"/exports/{export}/groups", words)).status_code == 303
    assert (await alice.post(f"/exports/{export}/submit")).status_code == 303
    assert airlock.request(export).state is ExportState.Submitted
    page = (await alice.get(f"/exports/{export}")).text
    assert "With the checkers" in page
    assert "Copy and check these files" not in page


async def test_what_blocks_cannot_be_submitted_until_it_is_taken_back(airlock: Airlock) -> None:
    airlock.findings = [finding(Severity.B)]
    export = await airlock.draft()
    alice = airlock.world.browser("alice")
    page = (await alice.get(f"/exports/{export}")).text
    assert "Nobody can release this." in page
    assert "block the release" in page
    assert (await alice.post(f"/exports/{export}/submit")).status_code == 409
    kind = {"path": "table.csv", "kind": "withdrawn"}
    assert (await alice.post(f"/exports/{export}/kind", kind)).status_code == 303
    assert (await alice.post(f"/exports/{export}/submit")).status_code == 303
    assert (await alice.post(f"/exports/{export}/kind", kind)).status_code == 409


async def test_nothing_else_happens_while_files_are_copied(airlock: Airlock) -> None:
    export = await airlock.draft()
    alice = airlock.world.browser("alice")
    assert (await airlock.add(alice, export, "table.csv")).status_code == 303
    again = await airlock.add(alice, export, "ages.csv", group="Table 2")
    assert again.status_code == 409
    assert "are being copied or checked" in again.text
    assert (await alice.post(f"/exports/{export}/submit")).status_code == 409
    assert len(airlock.request(export).groups) == 1
    airlock.answer()
    assert (await alice.post(f"/exports/{export}/submit")).status_code == 303


async def test_a_check_that_failed_can_be_asked_for_again(airlock: Airlock) -> None:
    export = await airlock.begin()
    alice = airlock.world.browser("alice")
    await airlock.add(alice, export, "table.csv")
    now = airlock.world.clock.now()
    [copying] = airlock._waiting()
    airlock._answer(copying)
    with airlock.world.database.read() as connection:
        checking = jobs.latest(connection, "checker", "check", f"export/{export}")
    assert checking is not None
    with airlock.world.database.change(airlock.world.event("job.failed")) as change:
        jobs.take(change, checking.id, now)
        error = TREError(Reason.BadInput, "The checker is out of order.", remedy="Try again.")
        jobs.fail(change, checking.id, error, now)
    page = (await alice.get(f"/exports/{export}")).text
    assert "The checker is out of order." in page
    assert "Check again" in page
    assert "It has not been checked yet." in page
    assert (await alice.post(f"/exports/{export}/recheck")).status_code == 303
    airlock.answer()
    page = (await alice.get(f"/exports/{export}")).text
    assert "Check again" not in page
    assert (await alice.post(f"/exports/{export}/recheck")).status_code == 409


async def test_after_a_change_of_the_rules_the_checks_run_again(airlock: Airlock) -> None:
    export = await airlock.draft()
    alice = airlock.world.browser("alice")
    site = airlock.world.layout.root / "policies" / "airlock"
    site.mkdir(parents=True)
    shipped = (Path(__file__).parents[3] / "policies" / "airlock" / "default.yaml").read_text()
    (site / "default.yaml").write_text(shipped.replace("threshold: 10", "threshold: 8"))
    page = await alice.post(f"/exports/{export}/submit")
    assert page.status_code == 409
    assert "The policy changed since the checks ran." in page.text
    assert (await alice.post(f"/exports/{export}/recheck")).status_code == 303
    airlock.answer()
    assert (await alice.post(f"/exports/{export}/submit")).status_code == 303


async def test_withdrawing_is_for_good(airlock: Airlock) -> None:
    export = await airlock.submitted()
    alice = airlock.world.browser("alice")
    assert "Withdraw the request" in (await alice.get(f"/exports/{export}")).text
    assert (await alice.post(f"/exports/{export}/withdraw")).status_code == 303
    page = (await alice.get(f"/exports/{export}")).text
    assert "Nothing of it leaves." in page
    assert "Withdraw the request" not in page
    assert (await alice.post(f"/exports/{export}/withdraw")).status_code == 409


async def test_returned_with_words_changed_and_submitted_again(airlock: Airlock) -> None:
    export = await airlock.submitted()
    await airlock.vote("chris", export, choice="ChangesRequested", comment="Round the counts, please.")
    words = {"message": "Please round all counts to 5."}
    assert (await airlock.world.browser("chris").post(f"/reviews/{export}/return", words)).status_code == 303
    alice = airlock.world.browser("alice")
    page = (await alice.get(f"/exports/{export}")).text
    assert "Please round all counts to 5." in page
    assert "Changes asked for" in page
    assert "Submit again" in page
    assert "Round the counts, please." not in page  # returned early: that review was never handed in
    airlock.outbox["table.csv"] = b"sex,n_patients\nF,15\nM,400\n"
    await alice.post(f"/exports/{export}/look")
    airlock.answer()
    assert "replaces the one in the request" in (await alice.get(f"/exports/{export}")).text
    await airlock.add(alice, export, "table.csv", context="", controls="")
    airlock.answer()
    request = airlock.request(export)
    assert {file.sha256 for file in request.files} == {sha(airlock.outbox["table.csv"]), sha(CLEAN)}
    assert request.groups[0].context == WORDS
    assert (await alice.post(f"/exports/{export}/submit")).status_code == 303
    assert airlock.request(export).turn == 2


async def test_the_clock_and_the_state_tell_nothing_of_a_blind_vote(airlock: Airlock) -> None:
    export = await airlock.submitted()
    alice = airlock.world.browser("alice")
    path = f"/exports/{export}"
    before = (await alice.get(path)).text, (await alice.get(f"/api/v1{path}")).text, (await alice.get("/exports")).text
    await airlock.review("chris", export)
    assert airlock.request(export).state is ExportState.PartiallyReviewed
    after = (await alice.get(path)).text, (await alice.get(f"/api/v1{path}")).text, (await alice.get("/exports")).text
    assert before == after


async def test_late_is_said_to_the_author_too(airlock: Airlock) -> None:
    export = await airlock.submitted()
    airlock.world.clock.advance(60 * 3600)
    page = (await airlock.world.browser("alice").get("/exports")).text
    assert "Late" in page
    assert view_of(airlock, export).clock.reason is Reason.DeadlineReached


async def test_that_the_checkers_time_was_up_is_told_to_checkers(airlock: Airlock) -> None:
    """When it is up depends on the first review: the author's side is told by its own clock."""
    export = await airlock.submitted()
    airlock.world.clock.advance(60 * 3600)
    airlock.reconciler.reconcile(export)
    assert "Its time was up" in (await airlock.world.browser("chris").get(f"/reviews/{export}")).text
    page = (await airlock.world.browser("alice").get(f"/exports/{export}")).text
    assert "Its time was up" not in page
    assert "Late:" in page


async def test_other_members_read_and_change_nothing(airlock: Airlock) -> None:
    export = await airlock.draft()
    bob = airlock.world.browser("bob")
    page = (await bob.get(f"/exports/{export}")).text
    assert "table.csv" in page
    for button in ("Submit to the checkers", "Copy and check", "Withdraw the request", "Change these words"):
        assert button not in page
    for act in ("submit", "withdraw", "recheck", "look"):
        assert (await bob.post(f"/exports/{export}/{act}")).status_code == 403
    assert (await airlock.add(bob, export, "table.csv")).status_code == 403
    assert export in (await bob.get("/exports")).text


async def test_a_stranger_cannot_tell_a_request_from_none(airlock: Airlock) -> None:
    export = await airlock.draft()
    eve, nothing = airlock.world.browser("eve"), "e-abcdefghijkl"
    for path in ("/exports/{}", "/api/v1/exports/{}", "/exports/{}/release.zip", "/exports/{}/events"):
        there, nowhere = await eve.get(path.format(export)), await eve.get(path.format(nothing))
        assert there.status_code == nowhere.status_code == 404
        assert there.text.replace(export, "X") == nowhere.text.replace(nothing, "X")
    assert export not in (await eve.get("/exports")).text


async def test_without_access_nothing_is_looked_up_copied_or_submitted(airlock: Airlock) -> None:
    export = await airlock.draft()
    alice = airlock.world.browser("alice")
    airlock.world.suspend(suspension(), PROJECT)
    page = (await alice.get(f"/exports/{export}")).text
    assert "Copy and check these files" not in page
    for answer in (
        await alice.post(f"/exports/{export}/look"),
        await airlock.add(alice, export, "table.csv"),
        await alice.post(f"/exports/{export}/submit"),
        await alice.post("/exports", {"grant": PROJECT}),
    ):
        assert answer.status_code == 409
        assert "GrantSuspended" in answer.text or "suspended" in answer.text
    assert airlock._waiting() == []
    assert "Begin</button>" not in (await alice.get(f"/exports/new?grant={PROJECT}")).text


async def test_nobody_begins_out_of_anothers_project(airlock: Airlock) -> None:
    alice = airlock.world.browser("alice")
    assert (await alice.post("/exports", {"grant": OTHER})).status_code == 404
    assert (await alice.get(f"/exports/new?grant={OTHER}")).status_code == 404
    assert (await airlock.world.browser("olga").post("/exports", {"grant": PROJECT})).status_code == 403
    assert airlock.world.events("export.created") == []


async def test_the_list_filters_by_state_and_words(airlock: Airlock) -> None:
    first, second = await airlock.submitted(), await airlock.draft("alice", "ages.csv")
    alice = airlock.world.browser("alice")
    page = (await alice.get("/exports?state=Submitted")).text
    assert first in page
    assert second not in page
    assert second in (await alice.get("/exports?q=ages.csv&state=Pending")).text
    assert "No request fits" in (await alice.get("/exports?q=nowhere")).text
    assert "Nothing has been taken out yet" in (await airlock.world.browser("eve").get("/exports")).text


async def test_news_of_what_moves(airlock: Airlock) -> None:
    export = await airlock.begin()
    assert message_of(view_of(airlock, export))["done"] is True
    alice = airlock.world.browser("alice")
    await airlock.add(alice, export, "table.csv")
    news = message_of(view_of(airlock, export))
    assert (news["label"], news["done"]) == ("Copying files", False)
    assert [step["reached"] for step in news["steps"]] == [False, False]
    [copying] = airlock._waiting()
    airlock._answer(copying)
    news = message_of(view_of(airlock, export))
    assert (news["label"], [step["reached"] for step in news["steps"]]) == ("Checking files", [True, False])
    airlock.answer()
    assert message_of(view_of(airlock, export))["done"] is True
    stream = await alice.get(f"/exports/{export}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert '"done": true' in stream.text
    await alice.post(f"/exports/{export}/look")
    assert message_of(view_of(airlock, export))["label"] == "Looking into the outbox"
    assert message_of(view_of(airlock, export, "bob"))["done"] is True  # the outbox is its owner's alone


async def test_the_whole_way_and_the_bundle_verifies(airlock: Airlock, tmp_path: Path) -> None:
    """Real relay, real checker, real log; two people; the downloaded bytes verify with the public key alone."""
    airlock.fill_outbox("alice")
    alice = airlock.world.browser("alice")
    export = (await alice.post("/exports", {"grant": PROJECT})).headers["location"].removeprefix("/exports/")
    airlock.settle()
    await airlock.add(alice, export, "table.csv", "ages.csv")
    airlock.settle()
    run = airlock.request(export).check_run
    assert run is not None
    assert [item.check for item in run.findings] == ["S01"]
    airlock.findings = list(run.findings)
    assert (await alice.post(f"/exports/{export}/submit")).status_code == 303
    for who in ("chris", "chloe"):
        assert (await airlock.review(who, export)).status_code == 303
    approval = {"seen": airlock.seen(export), "confirm": "2"}
    assert (await airlock.world.browser("chloe").post(f"/reviews/{export}/approve", approval)).status_code == 303
    waiting = (await alice.get(f"/exports/{export}")).text
    assert "Delay over, decision on record" in waiting
    assert "Download" not in waiting
    assert (await alice.get(f"/exports/{export}/release.zip")).status_code == 409
    airlock.world.clock.advance(6)
    airlock.settle()
    assert airlock.request(export).state is ExportState.Released
    page = (await alice.get(f"/exports/{export}")).text
    release = airlock.request(export).release
    assert release is not None
    assert release.bundle_sha256 in page
    assert f"tre bundle verify {export}.zip" in page
    assert airlock.signer.public.line() in page
    got = await alice.get(f"/exports/{export}/release.zip")
    assert got.headers["content-disposition"] == f'attachment; filename="{export}.zip"'
    assert sha(got.content) == release.bundle_sha256
    (tmp_path / "got.zip").write_bytes(got.content)
    keys = load_public(airlock.world.layout.keys / PUBLIC_KEY_FILE)
    report = verify_bundle(tmp_path / "got.zip", keys)
    assert {file.path: file.sha256 for file in report.files} == {"table.csv": sha(TABLE), "ages.csv": sha(CLEAN)}
    assert {checker.id for checker in report.checkers} == {"chris", "chloe"}
    assert [event.actor.id for event in airlock.world.events("export.downloaded")] == ["alice"]
    assert (await airlock.world.browser("bob").get(f"/exports/{export}/release.zip")).status_code == 200


def test_keys_of_files_are_safe_in_addresses() -> None:
    for path in ("a.csv", "figures/é b.csv", "../../etc/passwd", "x" * 1024, "?#&%"):
        assert file_key(path).isalnum()
