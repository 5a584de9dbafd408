"""Applying at the desk: the form in steps, its problems, handing in, answering, withdrawing; whose it is."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.portal.applying_world import CONTENT, Committee, form_of, version, words_of
from tests.unit.portal.world import Browser, World
from tre.domain.applications import acts
from tre.domain.applications.states import ApplicationState
from tre.domain.errors import Reason
from tre.domain.events import Event
from tre.portal.applying.steps import STEPS, UNTYPED
from tre.store import applications, grants
from tre.store.applications import MOST_DRAFTS

S = ApplicationState
SCRIPT = "<script>alert(1)</script>"


async def begin(browser: Browser) -> str:
    answer = await browser.post("/applications")
    assert answer.status_code == 303, words_of(answer)
    return str(answer.headers["location"])


def everything(world: World) -> list[Event]:
    from tre.store.events import EventSearch, search

    with world.database.read() as connection:
        return [stored.event for stored in search(connection, EventSearch())]


async def test_an_application_is_written_step_by_step_and_handed_in(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    assert "You have not applied yet" in (await alice.get("/applications")).text
    where = await begin(alice)
    page = await alice.get(where)
    assert "Untitled application" in page.text
    assert "Alice Able" in words_of(page)
    for step in STEPS:
        address = f"{where}/edit/{step.name}"
        shown = await alice.get(address)
        assert shown.status_code == 200
        if step not in UNTYPED:
            form = form_of(step.name) | {"version": await version(alice, address), "then": "next"}
            answer = await alice.post(address, form)
            assert answer.status_code == 303, words_of(answer)
    chosen = {"source": "demo r1", "modality-DX": "yes", "tier": "dates-full", "headers": "none", "onFail": "report"}
    chosen["version"] = await version(alice, f"{where}/data/0")
    assert (await alice.post(f"{where}/data/0/choices", chosen)).headers["location"] == f"{where}/data/0"
    reasons = {"name": "chest", "reason-0": "The score is read from them.", "minimisation": "Not less."}
    assert "Why DX is needed" in (await alice.get(f"{where}/data/0")).text
    reasons["version"] = await version(alice, f"{where}/data/0")
    assert (await alice.post(f"{where}/data/0/reasons", reasons)).status_code == 303
    ready = await alice.get(where)
    assert "It is complete" in ready.text
    done = await alice.post(f"{where}/submit", {"version": await version(alice, where)})
    assert done.status_code == 303, words_of(done)
    kept = desk.get(where.rpartition("/")[2])
    assert kept.state is S.Submitted
    assert kept.content is not None
    assert kept.content.title == CONTENT["title"]
    assert "Being planned" in (await alice.get("/applications")).text
    assert "Hand it in" not in (await alice.get(where)).text


async def test_every_problem_is_told_on_top_and_at_its_field(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    where = f"/applications/{desk.draft(title=None, funders=None)}"
    address = f"{where}/edit/law"
    form = form_of("law") | {"ends": "2026-02-31", "legalBasis-name": "", "version": await version(alice, address)}
    answer = await alice.post(address, form)
    assert answer.headers["location"] == f"{address}?saved=1"
    page = await alice.get(f"{address}?saved=1")
    assert "There are 2 problems" in words_of(page)
    assert 'href="#ends"' in page.text
    assert re.search(r'id="ends" name="ends" value="2026-02-31"[^>]*aria-describedby="ends-hint ends-error"', page.text)
    assert 'id="legalBasis-name-error"' in page.text
    listed = words_of(await alice.get(where))
    for said in ("Title: fill this in", "Legal basis: fill this in", "Still to do"):
        assert said in listed
    refused = await alice.post(f"{where}/submit", {"version": await version(alice, address)})
    assert refused.status_code == 409
    assert desk.get(where.rpartition("/")[2]).state is S.Draft


async def test_long_texts_fit_into_their_form(world: World, desk: Committee) -> None:
    """Twenty thousand characters a field are promised, and one of these may take nine bytes on the way."""
    alice = world.browser("alice")
    name = desk.draft()
    address = f"/applications/{name}/edit/project"
    long = "ü€" * 10_000
    form = form_of("project") | {"purpose": long, "publicBenefit": long, "technicalSummary": long}
    answer = await alice.post(address, form | {"version": await version(alice, address)})
    assert answer.status_code == 303, words_of(answer)
    assert desk.get(name).draft["purpose"] == long
    refused = await alice.post(f"/applications/{name}/submit", {"version": "x" * 70_000})
    assert refused.status_code == 413


async def test_two_windows_do_not_undo_each_other(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    name = desk.draft()
    address = f"/applications/{name}/edit/project"
    old = await version(alice, address)
    first = await alice.post(address, form_of("project") | {"title": "From one window", "version": old})
    assert first.status_code == 303
    second = await alice.post(address, form_of("project") | {"title": "From another", "version": old})
    assert second.status_code == 409
    assert "changed since you opened the page" in second.text
    assert 'value="From another"' in second.text
    assert desk.get(name).draft["title"] == "From one window"
    for strange in ("", "-1", "²", "9" * 30):
        answer = await alice.post(address, form_of("project") | {"version": strange})
        assert answer.status_code == 409


async def test_what_is_typed_stays_text(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    name = desk.draft()
    texts = {key: SCRIPT for key, value in form_of("project").items() if value}
    address = f"/applications/{name}/edit/project"
    await alice.post(address, texts | {"version": await version(alice, address)})
    people = dict.fromkeys(form_of("people"), SCRIPT)
    address = f"/applications/{name}/edit/people"
    await alice.post(address, people | {"version": await version(alice, address)})
    assert desk.get(name).draft["title"] == SCRIPT
    pages = ["/applications", f"/applications/{name}", f"/applications/{name}/edit/data"]
    pages += [f"/applications/{name}/edit/{step.name}?saved=1" for step in STEPS]
    for page in pages:
        answer = await alice.get(page)
        assert answer.status_code == 200, page
        assert SCRIPT not in answer.text
    assert "markup is not allowed" in (await alice.get(f"/applications/{name}/edit/project?saved=1")).text


@pytest.mark.parametrize("who", ["eve", "bob", "carl", "olga", "dana", "chris"])
async def test_a_draft_is_its_authors_alone(world: World, desk: Committee, who: str) -> None:
    name, nobody = desk.draft(), "a-" + "2" * 12
    browser = world.browser(who)
    seen = []
    for one in (name, nobody):
        answers = [
            await browser.get(f"/applications/{one}"),
            await browser.get(f"/applications/{one}/edit/project"),
            await browser.get(f"/applications/{one}/edit/data"),
            await browser.get(f"/applications/{one}/data/0"),
            await browser.get(f"/applications/{one}/plans/chest"),
            await browser.post(f"/applications/{one}/edit/project", form_of("project") | {"version": "1"}),
            await browser.post(f"/applications/{one}/submit", {"version": "1"}),
            await browser.post(f"/applications/{one}/withdraw", {"version": "1", "sure": "yes"}),
            await browser.post(f"/applications/{one}/answer", {"version": "1"}),
            await browser.post(f"/applications/{one}/data/0/text", {"version": "1", "spec": "slice: 1"}),
            await browser.post(f"/applications/{one}/data/0/remove", {"version": "1"}),
            await browser.post(f"/applications/{one}/data/0/preview"),
        ]
        seen.append([(answer.status_code, words_of(answer).replace(one, "ID")) for answer in answers])
    assert seen[0] == seen[1]
    assert {status for status, _ in seen[0]} == {404}
    assert "Who needs more care" not in words_of(await browser.get("/applications"))
    assert desk.get(name).version == 1


async def test_named_people_read_and_do_not_write(world: World, desk: Committee) -> None:
    bob_too = [*CONTENT["people"], CONTENT["people"][0] | {"name": "Bob", "subject": {"issuer": "local", "id": "bob"}}]
    name = desk.in_review(people=bob_too)
    bob = world.browser("bob")
    page = await bob.get(f"/applications/{name}")
    assert page.status_code == 200
    assert "Withdraw it" not in page.text
    assert "names you" in (await bob.get("/applications")).text
    refused = await bob.post(f"/applications/{name}/withdraw", {"version": "9", "sure": "yes"})
    assert refused.status_code == 403
    assert desk.get(name).state is S.InReview


async def test_only_a_form_of_this_page_counts(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    name = desk.draft()
    stolen = await alice.post(f"/applications/{name}/submit", {"version": "1", "csrf": "of somebody else"})
    assert stolen.status_code == 403
    foreign = await alice.post(f"/applications/{name}/submit", {"version": "1"}, Origin="https://evil.example")
    assert foreign.status_code == 403
    assert desk.get(name).state is S.Draft


async def test_questions_are_answered_and_it_is_handed_in_again(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    name = desk.in_review()
    asked = ["Why <b>so many</b>?", "Until when?"]
    now = world.clock.now()
    desk.change(name, lambda found: acts.deferred(found, asked, now, Reason.ChangesRequested))
    where = f"/applications/{name}"
    page = await alice.get(where)
    assert "Why &lt;b&gt;so many&lt;/b&gt;?" in page.text
    assert "2 questions are not answered" in page.text
    wrong = await alice.post(f"{where}/answer", {"answer-0": "Because.", "version": await version(alice, where)})
    assert wrong.status_code == 400
    assert "Because." in wrong.text
    answers = {"answer-0": "Because.", "answer-1": "2027.", "version": await version(alice, where)}
    assert (await alice.post(f"{where}/answer", answers)).status_code == 303
    done = await alice.post(f"{where}/submit", {"version": await version(alice, where)})
    assert done.status_code == 303
    assert (desk.get(name).round, desk.get(name).state) == (2, S.Submitted)
    repeated = await alice.post(f"{where}/submit", {"version": "3"})
    assert repeated.status_code == 409
    assert desk.get(name).round == 2


async def test_it_is_withdrawn_only_by_who_means_it(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    name = desk.in_review()
    where = f"/applications/{name}"
    form = {"version": await version(alice, where)}
    assert (await alice.post(f"{where}/withdraw", form)).status_code == 400
    assert desk.get(name).state is S.InReview
    assert (await alice.post(f"{where}/withdraw", form | {"sure": "yes"})).status_code == 303
    assert desk.get(name).state is S.Withdrawn


async def test_drafts_of_one_person_have_an_end(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    for _ in range(MOST_DRAFTS):
        desk.draft()
    answer = await alice.post("/applications")
    assert answer.status_code == 429
    assert f"You have {MOST_DRAFTS} drafts" in answer.text


async def test_what_is_typed_never_reaches_the_log(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    where = await begin(alice)
    address = f"{where}/edit/project"
    form = form_of("project") | {"title": "Quite secret", "version": await version(alice, address)}
    assert (await alice.post(address, form)).status_code == 303
    kinds = [event.kind for event in everything(world)]
    assert {"application.begun", "application.prepared", "application.edited"} <= set(kinds)
    assert "Quite secret" not in str([event.as_plain() for event in everything(world)])


async def test_a_running_project_can_be_changed_by_its_members(world: World, desk: Committee) -> None:
    """A grant that came from an application offers its change; one that did not, and a stranger, get none."""
    alice, eve = world.browser("alice"), world.browser("eve")
    assert "Ask for a change" not in (await alice.get("/applications")).text
    strange = await alice.post("/applications", {"varies": "nccid-00123"})
    assert strange.status_code == 404
    assert (await eve.post("/applications", {"varies": "nccid-00123"})).status_code == 404
    approved = desk.in_review()
    values: dict[str, Any] = {"decided_at": world.clock.now(), "grant": "nccid-00123"}
    desk.change(approved, lambda found: acts.moved(found, S.Approved, world.clock.now(), **values))
    with world.database.change(world.event()) as change:  # the grant says which application it rests on
        spec = grants.require(change.connection, "nccid-00123").spec
        approval = spec.approval.model_copy(update={"reference": f"{approved}/1"})
        rests = spec.model_copy(update={"approval": approval})
        grants.apply(change, "nccid-00123", rests, "signed-file", world.clock.now())
    assert "Ask for a change" in (await alice.get("/applications")).text
    answer = await alice.post("/applications", {"varies": "nccid-00123"})
    assert answer.status_code == 303
    made = desk.get(answer.headers["location"].rpartition("/")[2])
    assert (made.varies, made.draft["title"]) == ("nccid-00123", CONTENT["title"])
    assert (await eve.post("/applications", {"varies": "nccid-00123"})).status_code == 404


async def test_the_list_finds_by_words(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    desk.draft(title="About lungs")
    desk.draft(title="About hearts")
    page = words_of(await alice.get("/applications?q=LUNGS"))
    assert "About lungs" in page
    assert "About hearts" not in page
    assert "No application fits" in (await alice.get("/applications?q=knees")).text


async def test_the_plan_of_what_was_handed_in_is_shown_with_small_numbers_hidden(world: World, desk: Committee) -> None:
    alice = world.browser("alice")
    name = desk.in_review()
    page = await alice.get(f"/applications/{name}/plans/chest")
    assert '<div class="plan"><h1>' in page.text
    assert (await alice.get(f"/applications/{name}/plans/heart")).status_code == 404
    with world.database.read() as connection:
        assert applications.require(connection, name).plans


def test_the_issuer_of_an_account_is_the_authors_where_nobody_said(world: World, desk: Committee) -> None:
    from tre.portal.applying.actions import with_issuers

    own = world.session("alice")[1].person.subject
    draft = {"people": [{"subject": {"id": "bob"}}, {"subject": {"id": "x", "issuer": "y"}}, {"name": "N"}, 3]}
    assert with_issuers(draft, own)["people"] == [
        {"subject": {"id": "bob", "issuer": "local"}},
        {"subject": {"id": "x", "issuer": "y"}},
        {"name": "N"},
        3,
    ]
    assert with_issuers({"people": "none"}, own) == {"people": "none"}
