"""Conditions at the desk: shown, reported on with a paper, ruled on; and everybody who may not."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from tests.unit.portal.applying_world import Committee, version, words_of
from tests.unit.portal.papers_world import PROTOCOL, Papers, digest_of
from tests.unit.portal.world import GRANT, Browser, World, subject
from tre.cli.main import app
from tre.domain.committee.tracking import ConditionParty, ConditionState, ConditionTerms, TrackedCondition
from tre.portal.guard import DOWNLOAD_POLICY
from tre.store import conditions, people
from tre.store.tables.conditions import committee_conditions

S = ConditionState
TEXT = "Tell the ethics committee <b>first</b>."
NAME = "k-abcdefghijkl"
HERE = f"/conditions/{NAME}"


@pytest.fixture
def papers(desk: Committee) -> Papers:
    return Papers(desk)


@pytest.fixture
def kept(world: World, papers: Papers) -> TrackedCondition:
    """A condition of the running project, from an application of Alice's."""
    return add(world, papers.desk.in_review())


def add(world: World, application: str, **changes: Any) -> TrackedCondition:
    from sqlalchemy import insert

    now = world.clock.now()
    values = {
        "id": NAME,
        "grant": GRANT,
        "application": application,
        "decision": digest_of(b"decision"),
        "text": TEXT,
        "created_at": now,
        "changed_at": now,
    }
    made = TrackedCondition.model_validate(values | changes)
    with world.database.change(world.event()) as change:
        change.connection.execute(insert(committee_conditions).values(conditions._row(made)))
    return made


def now_of(world: World) -> TrackedCondition:
    with world.database.read() as connection:
        return conditions.require(connection, NAME)


async def send(browser: Browser, words: str, files: dict[str, bytes] | None = None, **fields: str) -> httpx.Response:
    """What a browser sends for a report."""
    first: dict[str, str] = {} if "csrf" in fields else {"csrf": await browser.token()}
    if "version" not in fields:
        first["version"] = await version(browser, HERE)
    chosen = [("file", (name, data)) for name, data in (files or {}).items()] or [("file", ("", b""))]
    return await browser.send(
        "POST",
        f"{HERE}/report",
        "desk",
        data=first | fields | {"words": words},
        files=chosen,
        headers=browser.same_origin(),
    )


async def rule(browser: Browser, outcome: str, words: str = "So be it.", **fields: str) -> httpx.Response:
    given = fields or {"version": await version(browser, HERE)}
    return await browser.post(f"{HERE}/rule", {"outcome": outcome, "words": words} | given)


async def test_from_the_condition_over_a_report_to_the_ruling(
    world: World, papers: Papers, kept: TrackedCondition
) -> None:
    alice, cleo = world.browser("alice"), world.browser("cleo")
    project = await alice.get(f"/projects/{GRANT}")
    assert "Conditions to meet" in project.text
    assert HERE in project.text
    assert HERE in (await world.browser("olga").get(f"/grants/{GRANT}")).text
    assert "Conditions that wait for you" not in (await cleo.get("/committee")).text
    page = await alice.get(HERE)
    assert "<b>" not in page.text
    assert "Say what was done" in page.text
    assert (await send(alice, "They were told.", {"letter.pdf": PROTOCOL})).status_code == 303
    assert "It is being taken in." in (await alice.get(HERE)).text
    papers.settle(kept.application)
    assert "Conditions that wait for you" in (await cleo.get("/committee")).text
    assert "Conditions that wait for you" not in (await world.browser("pat").get("/committee")).text
    address = f"{HERE}/papers/{digest_of(PROTOCOL).removeprefix('sha256:')}"
    assert address in (await cleo.get(HERE)).text
    answer = await cleo.get(address)
    assert (answer.content, answer.headers["content-security-policy"]) == (PROTOCOL, DOWNLOAD_POLICY)
    assert (await rule(cleo, "Open", "Which one?")).status_code == 303
    assert "Which one?" in (await alice.get(HERE)).text
    assert (await send(alice, "The national one.")).status_code == 303
    assert (await rule(cleo, "Met")).status_code == 303
    assert now_of(world).state is S.Met
    over = await alice.get(HERE)
    assert "Send it to the committee" not in over.text
    assert "Rule on it" not in (await cleo.get(HERE)).text
    kinds = ("reported", "sent-back", "reported", "ruled")
    told = [event.kind for kind in dict.fromkeys(kinds) for event in world.events(f"condition.{kind}")]
    assert sorted(told) == sorted(f"condition.{kind}" for kind in kinds)
    said = "".join(str(event.detail) for kind in kinds for event in world.events(f"condition.{kind}"))
    assert "told" not in said
    assert "national" not in said
    papers.settle(kept.application)
    assert papers.stored() == [digest_of(PROTOCOL).removeprefix("sha256:")], "a paper of a report is needed still"
    assert list(world.layout.uploads.iterdir()) == []


async def test_who_sees_it_and_who_reads_what_was_shown(world: World, papers: Papers, kept: TrackedCondition) -> None:
    assert (await send(world.browser("alice"), "Done.", {"letter.pdf": PROTOCOL})).status_code == 303
    papers.settle(kept.application)
    address = f"{HERE}/papers/{digest_of(PROTOCOL).removeprefix('sha256:')}"
    page = {"alice": 200, "bob": 200, "cleo": 200, "carl": 200, "olga": 200, "dana": 200, "eve": 404, "chris": 404}
    paper = {"alice": 200, "bob": 200, "cleo": 200, "carl": 403, "olga": 403, "dana": 403, "eve": 404, "chris": 404}
    for who, status in page.items():
        browser = world.browser(who)
        assert (await browser.get(HERE)).status_code == status, who
        assert (await browser.get(address)).status_code == paper[who], who
        assert (address in (await browser.get(HERE)).text) == (paper[who] == 200), who
    eve = world.browser("eve")
    unknown = await eve.get(f"/conditions/k-{'2' * 12}")
    assert words_of(unknown) == words_of(await eve.get(HERE))
    other = await world.browser("alice").get(f"{HERE}/papers/{'0' * 64}")
    assert other.status_code == 404


@pytest.mark.parametrize("who", ["cleo", "olga", "dana", "carl", "eve"])
async def test_only_the_project_reports(world: World, kept: TrackedCondition, papers: Papers, who: str) -> None:
    answer = await send(world.browser(who), "Done.", {"letter.pdf": PROTOCOL}, version="0")
    assert answer.status_code in {403, 404}
    assert now_of(world) == kept
    assert list(world.layout.uploads.iterdir()) == []


@pytest.mark.parametrize("who", ["alice", "bob", "pat", "carl", "olga", "eve"])
async def test_only_the_chair_rules_and_arranges(world: World, kept: TrackedCondition, who: str) -> None:
    browser = world.browser(who)
    for act, fields in (("rule", {"outcome": "Met", "words": "Fine."}), ("arrange", {"party": "project"})):
        answer = await browser.post(f"{HERE}/{act}", fields | {"version": "0"})
        assert answer.status_code in {403, 404}, act
    assert now_of(world) == kept


async def test_a_chair_who_is_in_the_project_does_not_rule(world: World, papers: Papers) -> None:
    papers.desk.add_member("bob2", "Bea", "patient", chair=True, organisation="University")
    add(world, papers.desk.in_review())
    answer = await world.browser("bob2").post(f"{HERE}/rule", {"outcome": "Met", "words": "Fine.", "version": "0"})
    assert answer.status_code == 409
    assert now_of(world).state is S.Open


@pytest.mark.parametrize(
    ("outcome", "words"), [("", "x"), ("Reported", "x"), ("Missed", "x"), ("Met", ""), ("Met", "<b>x</b>"), ("No", "x")]
)
async def test_a_ruling_that_is_none_comes_back_with_its_words(
    world: World, kept: TrackedCondition, outcome: str, words: str
) -> None:
    answer = await rule(world.browser("cleo"), outcome, words)
    assert answer.status_code in {400, 409}
    assert "<b>x" not in answer.text
    assert now_of(world) == kept


@pytest.mark.parametrize("words", ["", "   ", "<script>alert(1)</script>", "x" * 5001])
async def test_a_report_that_is_none_comes_back_and_keeps_no_file(
    world: World, papers: Papers, kept: TrackedCondition, words: str
) -> None:
    answer = await send(world.browser("alice"), words, {"letter.pdf": PROTOCOL})
    assert answer.status_code in {400, 409}
    assert "<script>alert" not in answer.text
    assert now_of(world) == kept
    assert list(world.layout.uploads.iterdir()) == []
    assert papers.rows(kept.application) == []


@pytest.mark.parametrize("files", [{"run.exe": b"MZ"}, {"empty.pdf": b""}, {"a.pdf": b"1", "b.pdf": b"2"}])
async def test_a_paper_that_cannot_come_keeps_the_words_and_nothing_else(
    world: World, papers: Papers, kept: TrackedCondition, files: dict[str, bytes]
) -> None:
    answer = await send(world.browser("alice"), "They were told.", files)
    assert answer.status_code == 409
    assert now_of(world) == kept
    assert list(world.layout.uploads.iterdir()) == []


async def test_an_old_form_and_a_stolen_one(world: World, papers: Papers, kept: TrackedCondition) -> None:
    alice, cleo = world.browser("alice"), world.browser("cleo")
    assert (await send(alice, "x", csrf="stolen", version="0")).status_code == 403
    assert (await send(alice, "First.")).status_code == 303
    again = await send(alice, "Twice.", version="0")
    assert again.status_code == 409
    old = await rule(cleo, "Met", version="0")
    assert (old.status_code, "changed since you opened" in words_of(old)) == (409, True)
    assert (await cleo.post(f"{HERE}/rule", {"csrf": "x", "outcome": "Met", "words": "x"})).status_code == 403
    assert [one.words for one in now_of(world).reports] == ["First."]


async def test_the_chair_says_who_must_act_and_by_when(world: World, kept: TrackedCondition) -> None:
    cleo = world.browser("cleo")

    async def arrange(**fields: str) -> httpx.Response:
        return await cleo.post(f"{HERE}/arrange", fields | {"version": await version(cleo, HERE)})

    due = world.clock.now() + timedelta(days=20)
    done = await arrange(party="project", due=f"{due:%Y-%m-%d}", **{"suspends-yes": "yes"})
    assert done.status_code == 303, words_of(done)
    terms = now_of(world).terms
    assert terms.due is not None
    assert (terms.party, f"{terms.due:%Y-%m-%d %H:%M:%S}", terms.suspends) == (
        ConditionParty.project,
        f"{due:%Y-%m-%d} 23:59:59",
        True,
    )
    assert "If that day passes, the project is suspended." in words_of(await world.browser("alice").get(HERE))
    for wrong in (
        {"party": "project", "due": "2020-01-01"},
        {"party": "project", "due": "soon"},
        {"party": "nobody"},
        {"party": "project", "suspends-yes": "yes"},
    ):
        assert (await arrange(**wrong)).status_code in {400, 409}, wrong
    assert now_of(world).terms == terms
    assert (await arrange(party="committee")).status_code == 303
    assert now_of(world).terms == ConditionTerms(party=ConditionParty.committee)
    assert "Send it to the committee" not in (await world.browser("alice").get(HERE)).text


async def test_a_session_that_ends_reports_nothing(
    world: World, papers: Papers, kept: TrackedCondition, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = world.browser("alice")
    real = world.desk.uploads.begin

    def begin_and_end(expected: int) -> Any:
        with world.database.change(world.event()) as change:
            people.revoke_sessions_of(change, subject("alice"), world.clock.now())
        return real(expected)

    monkeypatch.setattr(world.desk.uploads, "begin", begin_and_end)
    answer = await send(alice, "Done.", {"a.pdf": b"1"})
    assert answer.status_code in {302, 303, 401}
    assert now_of(world) == kept
    assert list(world.layout.uploads.iterdir()) == []


async def test_a_program_does_the_same(world: World, papers: Papers, kept: TrackedCondition) -> None:
    alice, cleo, eve = world.browser("alice"), world.browser("cleo"), world.browser("eve")
    api = f"/api/v1{HERE}"
    assert [one["id"] for one in (await alice.get(f"/api/v1/grants/{GRANT}/tracked-conditions")).json()] == [NAME]
    assert (await eve.get(f"/api/v1/grants/{GRANT}/tracked-conditions")).status_code == 404
    assert (await eve.get(api)).status_code == 404
    assert (await alice.get(api)).json()["allowedActions"] == ["report"]
    assert (await cleo.get(api)).json()["allowedActions"] == ["rule", "arrange"]
    markup = await alice.api("POST", f"{api}/reports", {"version": 0, "words": "<b>x</b>"})
    assert (markup.status_code, markup.json()["reason"]) == (400, "BadInput")
    done = await alice.api("POST", f"{api}/reports", {"version": 0, "words": "Done."})
    assert (done.status_code, done.json()["condition"]["state"]) == (201, "Reported")
    again = await alice.api("POST", f"{api}/reports", {"version": 1, "words": "Done."})
    assert (again.status_code, again.json()["reason"]) == (409, "StateForbids")
    due = (world.clock.now() + timedelta(days=3)).isoformat()
    set_ = await cleo.api("PUT", f"{api}/terms", {"version": 1, "terms": {"party": "project", "due": due}})
    assert set_.status_code == 200, set_.text
    met = await cleo.api("POST", f"{api}/rulings", {"version": 2, "outcome": "Waived", "words": "No need."})
    assert (met.json()["condition"]["state"], met.json()["allowedActions"]) == ("Waived", [])


def test_an_operator_lists_them(world: World, kept: TrackedCondition) -> None:
    def listed(*words: str) -> Any:
        done = CliRunner().invoke(app, ["committee", "conditions", *words, "--root", str(world.layout.root)])
        assert done.exit_code == 0, done.output
        return json.loads(done.output) if "--json" in words else done.output

    assert [one["id"] for one in listed("--json")] == [one["id"] for one in listed(GRANT, "--json")] == [NAME]
    assert listed("other", "--json") == []
    assert NAME in listed()
