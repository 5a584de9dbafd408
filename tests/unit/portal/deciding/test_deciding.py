"""The committee's desk: who sees what, votes, standing aside, closing, stopping, interests, the agenda."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.portal.applying_world import CONTENT, MEMBERS, Committee, words_of
from tests.unit.portal.world import GRANT, Browser, World
from tre.domain.applications import acts
from tre.domain.committee.models import Seat, Vote
from tre.store import committee, grants

YES = {"choice": "approve", "reasons": "A good question.", "criteria-benefit": "yes"}
SCRIPT = "<script>alert(1)</script>"


async def cast(browser: Browser, desk: Committee, name: str, **changes: str) -> Any:
    form = {key: value for key, value in (YES | changes).items() if value}
    return await browser.post(f"/committee/{name}/vote", {"matter": desk.matter(name)} | form)


def votes(world: World, name: str) -> list[Vote]:
    with world.database.read() as connection:
        return committee.votes_on(connection, name)


def seat_of(world: World, name: str) -> Seat:
    with world.database.read() as connection:
        return next(seat for seat in committee.seats(connection) if seat.subject.id == name)


async def test_what_waits_is_listed_with_who_must_still_vote(world: World, desk: Committee) -> None:
    name = desk.in_review()
    desk.draft(title="Not handed in")
    pat = world.browser("pat")
    page = words_of(await pat.get("/committee"))
    assert "1 application waits for your vote" in page
    for said in (CONTENT["title"], "Patients and the public: 0 of 1", "Clinicians: 0 of 1"):
        assert said in page
    assert "Not handed in" not in page
    assert (await cast(pat, desk, name)).status_code == 303
    page = words_of(await pat.get("/committee"))
    assert "No application waits for your vote" in page
    assert "Patients and the public: 0 of 1" not in page
    assert CONTENT["title"] not in words_of(await pat.get("/committee?show=mine"))
    assert CONTENT["title"] in words_of(await world.browser("acme").get("/committee?show=mine&q=university"))
    assert "Nothing to show" in (await pat.get("/committee?q=knees")).text
    for show in ("coming", "approved", "over", "nothing-such"):
        assert (await pat.get(f"/committee?show={show}")).status_code == 200


async def test_many_applications_are_read_page_by_page(world: World, desk: Committee) -> None:
    names = [desk.in_review(title=f"Application {number}") for number in range(3)]
    for name in names[1:]:
        desk.copy_often(name, 30)
    pat = world.browser("pat")
    first = await pat.get("/committee")
    assert "With the committee: 63" in first.text
    assert first.text.count("/committee/a-") == 50
    assert "50 applications wait for your vote on this page" in words_of(first)
    assert (await pat.get("/committee?page=2")).text.count("/committee/a-") == 13
    assert (await pat.get("/committee?show=mine&page=2")).text.count("/committee/a-") == 13
    assert "Nothing to show" in (await pat.get("/committee?page=9")).text


async def test_one_page_shows_everything_that_a_vote_needs(world: World, desk: Committee) -> None:
    earlier = desk.handed_in(title="An earlier one")
    name = desk.in_review()
    page = await world.browser("pat").get(f"/committee/{name}")
    said = words_of(page)
    for words in (
        CONTENT["laySummary"],
        "The score is read from them.",
        "What holds",
        "The summary in plain words",
        "Patients and the public : 0 of 1 votes",
        "Not yet: Pat Patient",
        "An earlier one",
    ):
        assert words in said, words
    assert f"/committee/{earlier}" in page.text
    assert "Covid2000" not in page.text
    plan = await world.browser("pat").get(f"/committee/{name}/plans/chest")
    assert "Who is represented" in plan.text
    assert (await world.browser("pat").get(f"/committee/{name}/plans/other")).status_code == 404


async def test_a_vote_is_cast_once_and_bound_to_what_was_shown(world: World, desk: Committee) -> None:
    name = desk.in_review()
    pat = world.browser("pat")
    shown = re.search(r'name="matter" value="([^"]+)"', (await pat.get(f"/committee/{name}")).text)
    assert shown is not None
    assert shown[1] == desk.matter(name)
    stale = await pat.post(f"/committee/{name}/vote", YES | {"matter": "sha256:" + "0" * 64})
    assert stale.status_code == 409
    assert "no longer what you saw" in stale.text
    assert "A good question." in stale.text
    assert (await cast(pat, desk, name)).status_code == 303
    (vote,) = votes(world, name)
    assert (vote.voter.id, vote.choice, vote.criteria, vote.constituency) == ("pat", "approve", ("benefit",), "patient")
    assert vote.session
    again = await cast(pat, desk, name, choice="decline")
    assert again.status_code == 409
    assert len(votes(world, name)) == 1
    assert "Cast the vote" not in (await pat.get(f"/committee/{name}")).text
    assert "A good question." not in str([event.as_plain() for event in world.events("committee.voted")])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"choice": ""}, "Your vote: fill this in"),
        ({"reasons": ""}, "Your reasons: fill this in"),
        ({"reasons": SCRIPT}, "markup is not allowed"),
        ({"choice": "approve-with-conditions"}, "conditions are due with approve-with-conditions"),
        ({"choice": "defer"}, "questions to the applicant are due with defer"),
        ({"choice": "perhaps"}, "Your vote: one of these is due"),
        ({"questions": "Why?"}, "questions to the applicant are due with defer"),
        ({"forThePublic": "See https://a.example"}, "What the public reads of it: no links"),
        ({"forThePublic": "x" * 1001}, "What the public reads of it: at most 1000"),
        ({"forThePublic": SCRIPT}, "markup is not allowed"),
    ],
)
async def test_a_wrong_vote_is_told_at_its_field(
    world: World, desk: Committee, changes: dict[str, str], said: str
) -> None:
    name = desk.in_review()
    answer = await cast(world.browser("pat"), desk, name, **changes)
    assert answer.status_code == 400
    assert said in words_of(answer)
    assert "nhsuk-error-summary" in answer.text
    assert SCRIPT not in answer.text
    assert votes(world, name) == []


async def test_words_for_the_public_are_kept_apart_from_reasons(world: World, desk: Committee) -> None:
    name = desk.in_review()
    pat, comm = world.browser("pat"), world.browser("comm")
    assert (await cast(pat, desk, name, forThePublic="Patients\nwill gain.")).status_code == 303
    assert (await cast(comm, desk, name, forThePublic=" ")).status_code == 303
    kept = {vote.voter.id: vote.for_the_public for vote in votes(world, name)}
    assert kept == {"pat": "Patients\nwill gain.", "comm": None}
    assert "For the public: Patients will gain." in words_of(await comm.get(f"/committee/{name}"))
    assert "Patients will gain." not in words_of(await world.browser("acme").get(f"/committee/{name}"))


async def test_who_hands_in_is_told_what_is_published(world: World, desk: Committee) -> None:
    page = words_of(await world.browser("alice").get(f"/applications/{desk.draft()}"))
    assert "What the committee decides is public" in page
    assert "without your name and without your organisation's" in page
    assert "The title of a change" not in page
    varies = desk.draft()
    desk.change(varies, lambda found: found.changed(varies=GRANT))
    assert "The title of a change" in words_of(await world.browser("alice").get(f"/applications/{varies}"))
    members = words_of(await world.browser("pat").get("/committee/members"))
    assert "They are public, like your name" in members


async def test_conditions_and_questions_are_kept(world: World, desk: Committee) -> None:
    name = desk.in_review()
    conditional = {"choice": "approve-with-conditions", "conditions-DUO:0000019": "yes", "conditionTexts": "A\nB"}
    assert (await cast(world.browser("pat"), desk, name, **conditional)).status_code == 303
    assert (await cast(world.browser("acme"), desk, name, choice="defer", questions="Why?")).status_code == 303
    kept = {vote.voter.id: vote for vote in votes(world, name)}
    assert (kept["pat"].conditions, kept["pat"].condition_texts) == (("DUO:0000019",), ("A", "B"))
    assert kept["acme"].questions == ("Why?",)
    page = words_of(await world.browser("pat").get(f"/committee/{name}"))
    assert "Results are published" in page
    refused = {"choice": "approve-with-conditions", "conditions-DUO:0000045": "yes"}
    answer = await cast(world.browser("comm"), desk, name, **refused)
    assert answer.status_code == 400
    assert "cannot hold here" in answer.text


async def test_how_others_voted_shows_after_ones_own_vote(world: World, desk: Committee) -> None:
    name = desk.in_review()
    await cast(world.browser("pat"), desk, name, reasons="Mine alone.")
    acme = world.browser("acme")
    before = await acme.get(f"/committee/{name}")
    assert "Mine alone." not in before.text
    assert "1 vote is in" in words_of(before)
    assert "Mine alone." not in (await acme.api("GET", f"/api/v1/committee/{name}")).text
    await cast(acme, desk, name)
    assert "Mine alone." in (await acme.get(f"/committee/{name}")).text


async def test_whom_it_concerns_reads_no_vote_before_it_is_over(world: World, desk: Committee) -> None:
    """Nor a member who applied, nor one with an interest; and the applicant is not told who voted when."""
    desk.add_member("tina", "Tina Tied", "academic", organisation="University")
    of_tied, of_member = desk.in_review(), desk.in_review("acme")
    for name, concerned in ((of_tied, "tina"), (of_member, "acme")):
        await cast(world.browser("pat"), desk, name, reasons="In confidence.")
        browser = world.browser(concerned)
        for page in (f"/committee/{name}", f"/api/v1/committee/{name}", f"/applications/{name}"):
            assert "In confidence." not in (await browser.get(page)).text, page
        assert "In confidence." in (await world.browser("olga").get(f"/committee/{name}")).text
        for page in ("/applications", "/api/v1/applications"):
            own = await world.browser("alice").get(f"{page}/{of_tied}")
            assert own.status_code == 200
            assert "Pat Patient" not in own.text
    assert "Voted: Pat Patient" in words_of(await world.browser("pat").get(f"/committee/{of_tied}"))


@pytest.mark.parametrize("who", ["alice", "bob", "chris"])
async def test_who_is_not_concerned_sees_nothing(world: World, desk: Committee, who: str) -> None:
    """The applicant reads the application on pages of their own, not the votes."""
    name = desk.in_review()
    browser = world.browser(who)
    pages = ["/committee", "/committee/members", "/committee/agenda", f"/committee/{name}"]
    pages += [f"/committee/{name}/plans/chest", "/api/v1/committee", f"/api/v1/committee/{name}"]
    assert {(await browser.get(page)).status_code for page in pages} == {403}
    assert (await cast(browser, desk, name)).status_code == 403
    assert (await browser.post(f"/committee/{name}/close")).status_code == 403
    assert votes(world, name) == []


async def test_readers_look_and_do_not_vote(world: World, desk: Committee) -> None:
    """An operator, a data manager, and somebody with the committee's role and no seat."""
    name, draft = desk.in_review(), desk.draft()
    for who in ("olga", "dana", "carl"):
        browser = world.browser(who)
        page = await browser.get(f"/committee/{name}")
        assert page.status_code == 200
        assert "Cast the vote" not in page.text
        assert (await cast(browser, desk, name)).status_code == 403
        assert (await browser.get(f"/committee/{draft}")).status_code == 404
        assert (await browser.get(f"/committee/{'a-' + '2' * 12}")).status_code == 404
    assert votes(world, name) == []


async def test_a_former_member_does_not_vote(world: World, desk: Committee) -> None:
    name = desk.in_review()
    pat = world.browser("pat")
    with world.database.change(world.event()) as change:
        committee.end_seat(change, seat_of(world, "pat").id, "left", world.clock.now())
    world.clock.jump(world.clock.now() + timedelta(minutes=1))
    assert "Cast the vote" not in (await pat.get(f"/committee/{name}")).text
    answer = await cast(pat, desk, name)
    assert answer.status_code == 409
    assert "Your term runs" in answer.text
    assert votes(world, name) == []


async def test_who_is_tied_to_it_takes_no_part(world: World, desk: Committee) -> None:
    desk.add_member("tina", "Tina Tied", "academic", organisation="University")
    name = desk.in_review()
    tina = world.browser("tina")
    page = words_of(await tina.get(f"/committee/{name}"))
    assert "You take no part in this application" in page
    assert "Cast the vote" not in page
    answer = await cast(tina, desk, name)
    assert answer.status_code == 409
    assert votes(world, name) == []


async def test_standing_aside_takes_the_vote_with_it(world: World, desk: Committee) -> None:
    name = desk.in_review()
    pat = world.browser("pat")
    await cast(pat, desk, name)
    assert (await pat.post(f"/committee/{name}/recuse", {"why": ""})).status_code == 400
    assert (await pat.post(f"/committee/{name}/recuse", {"why": "x" * 501})).status_code == 400
    assert (await pat.post(f"/committee/{name}/recuse", {"why": "My <b>sister</b> works there."})).status_code == 303
    page = await pat.get(f"/committee/{name}")
    assert "My &lt;b&gt;sister&lt;/b&gt; works there." in page.text
    assert "Only 0 may take part" in words_of(page)
    assert (await pat.post(f"/committee/{name}/recuse", {"why": "again"})).status_code == 409


async def test_only_the_chair_closes_and_only_with_quorum(world: World, desk: Committee) -> None:
    desk.add_member("late", "Lara Late", "academic")
    name = desk.in_review()
    chair = world.browser("cleo")
    assert "Close the vote" not in (await chair.get(f"/committee/{name}")).text
    early = await chair.post(f"/committee/{name}/close")
    assert early.status_code == 409
    for who in MEMBERS:
        assert (await cast(world.browser(who), desk, name)).status_code == 303
    assert "Close the vote" not in (await world.browser("pat").get(f"/committee/{name}")).text
    assert (await world.browser("pat").post(f"/committee/{name}/close")).status_code == 403
    assert "Close the vote" in (await chair.get(f"/committee/{name}")).text
    assert (await chair.post(f"/committee/{name}/close")).status_code == 303
    assert desk.get(name).closing is not None
    late = await cast(world.browser("late"), desk, name)
    assert late.status_code == 409
    assert "The vote is closed." in late.text


async def test_a_member_stops_a_project_at_once(world: World, desk: Committee) -> None:
    pat, carl = world.browser("pat"), world.browser("carl")
    where = f"/grants/{GRANT}/stop"
    assert "Only a member" in (await carl.get(where)).text
    assert (await carl.post(where, {"confirm": GRANT, "why": "harm"})).status_code == 403
    wrong = await pat.post(where, {"confirm": "nccid", "why": "harm"})
    assert wrong.status_code == 400
    assert 'value="harm"' in wrong.text
    assert (await pat.post(where, {"confirm": GRANT, "why": " "})).status_code == 400
    with world.database.read() as connection:
        assert not grants.stored_suspensions(connection, grants.require(connection, GRANT))
    assert (await pat.post(where, {"confirm": GRANT, "why": "harm"})).status_code == 303
    with world.database.read() as connection:
        assert grants.stored_suspensions(connection, grants.require(connection, GRANT))
    assert "You have voted to stop it" in (await pat.get(where)).text
    assert (await pat.post(where, {"confirm": GRANT, "why": "harm"})).status_code == 409
    assert (await pat.post("/grants/nothing/stop", {"confirm": "nothing", "why": "x"})).status_code == 404
    assert (await world.browser("alice").get(where)).status_code == 403


async def test_interests_are_declared_and_count(world: World, desk: Committee) -> None:
    name = desk.in_review()
    pat = world.browser("pat")
    page = await pat.get("/committee/members")
    assert "Pat Patient" in page.text
    assert (await pat.post("/committee/interests", {"interests": "University\n\n <b>B</b> "})).status_code == 303
    assert seat_of(world, "pat").interests == ("University", "<b>B</b>")
    assert "<b>B</b>" not in (await pat.get("/committee/members")).text
    assert (await cast(pat, desk, name)).status_code == 409
    too_much = await pat.post("/committee/interests", {"interests": "\n".join(str(n) for n in range(201))})
    assert too_much.status_code == 400
    assert (await world.browser("carl").post("/committee/interests", {"interests": "x"})).status_code == 403
    assert "Your interests" not in (await world.browser("olga").get("/committee/members")).text


async def test_the_agenda_prints_what_waits(world: World, desk: Committee) -> None:
    pat = world.browser("pat")
    assert "Nothing waits" in (await pat.get("/committee/agenda")).text
    desk.in_review()
    page = words_of(await pat.get("/committee/agenda"))
    assert CONTENT["laySummary"] in page
    assert "Not yet: Pat Patient" in page


async def test_a_handed_in_text_stays_text(world: World, desk: Committee) -> None:
    """Drafts take any text; what was handed in holds no markup in prose, and is escaped where it is one line."""
    name = desk.in_review(title="<i>Title</i>", funders=["<i>Funder</i>"])
    for page in ("/committee", "/committee/agenda", f"/committee/{name}"):
        assert "<i>" not in (await world.browser("pat").get(page)).text


async def test_what_was_asked_and_answered_stands_beside_the_next_round(world: World, desk: Committee) -> None:
    from tre.domain.errors import Reason

    name = desk.in_review()
    now = world.clock.now()
    person = world.session("alice")[1].person
    desk.change(name, lambda found: acts.deferred(found, ["Why?"], now, Reason.ChangesRequested))
    desk.change(name, lambda found: acts.answer(found, person, ["Because."], now))
    desk.change(name, lambda found: acts.submit(found, person, now))
    page = words_of(await world.browser("pat").get(f"/committee/{name}"))
    assert "Because." in page
    assert "round 2" in page
    assert "What it would give is being counted" in page
