"""The committee's pack: who gets one, what it holds and what it leaves out, that it is recorded, that it is inert."""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta
from typing import Any

import httpx
import pikepdf
import pypdfium2
import pytest

from tests.unit.portal.applying_world import CONTENT, MEMBERS, Committee
from tests.unit.portal.world import Browser, World, subject
from tre.domain.applications import acts
from tre.domain.applications.models import PlannedSlice
from tre.domain.committee.decision import decided
from tre.domain.committee.models import VoteText
from tre.domain.committee.signed import SignedDecision
from tre.domain.committee.tally import tally
from tre.domain.committee.voting import Act
from tre.domain.errors import Reason, TREError
from tre.portal.deciding import pack as packs
from tre.portal.deciding import pack_views
from tre.sources.committee_policy import load_committee
from tre.store import committee

SCRIPT = "<script>alert(1)</script> & <b>bold</b>"
NAMES = "Łukasz Ğül Ørsted-Nguyễn"


def text_of(data: bytes) -> str:
    """All that the file says, as a reader would search it."""
    document = pypdfium2.PdfDocument(data)
    return " ".join(" ".join(page.get_textpage().get_text_range() for page in document).split())


async def fetch(browser: Browser) -> httpx.Response:
    return await browser.post("/committee/pack", {})


def act(world: World, name: str) -> Act:
    return Act(world.session(name)[1].person, "a session", world.clock.now())


async def test_a_member_fetches_everything_that_a_vote_needs(world: World, desk: Committee) -> None:
    earlier = desk.in_review(title="An earlier one")
    name = desk.in_review()
    page = await world.browser("pat").get("/committee/agenda")
    assert "Fetch the pack" in page.text
    answer = await fetch(world.browser("pat"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == 'attachment; filename="committee-pack-2026-11-24.pdf"'
    said = text_of(answer.content)
    for words in (
        CONTENT["title"],
        CONTENT["laySummary"],
        "Who is represented, and who is not",
        "The score is read from them.",
        "Not yet: Pat Patient",
        "It benefits patients or the public.",
        "Patients and the public: at least 1 must vote.",
        "The summary in plain words",
        "An earlier one",
        "Nothing was decided.",
        "For committee members of Data Access Committee only. Fetched by Pat Patient (local:pat)",
        desk.matter(name),
    ):
        assert words in said, words
    assert "Covid2000" not in said
    (event,) = world.events("committee.pack-fetched")
    assert event.actor == subject("pat")
    assert event.detail["sha256"] == f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
    assert event.detail["matters"] == {one: desk.matter(one) for one in (name, earlier)}
    assert event.detail["session"]


async def test_what_a_member_stands_aside_from_is_not_in_their_pack(world: World, desk: Committee) -> None:
    secret = desk.in_review(title="Quite another question")
    name = desk.in_review()
    await world.browser("pat").post(f"/committee/{secret}/recuse", {"why": "My sister works there."})
    said = text_of((await fetch(world.browser("pat"))).content)
    assert "Quite another question" not in said  # nor among the earlier ones of the same person
    assert f"Not in this pack: {secret}." in said
    assert CONTENT["title"] in said
    others = text_of((await fetch(world.browser("acme"))).content)
    assert "Quite another question" in others
    assert "Pat Patient: stood aside: My sister works there." in others
    left = {event.actor.id: (event.detail["leftOut"], sorted(event.detail["matters"])) for event in fetched(world)}
    assert left == {"pat": (1, [name]), "acme": (0, sorted([name, secret]))}


def fetched(world: World) -> Any:
    return world.events("committee.pack-fetched")


async def test_an_interest_and_an_own_application_keep_it_out_as_well(world: World, desk: Committee) -> None:
    name = desk.in_review()
    desk.add_member("amy", "Amy Able", "academic", organisation="university")
    desk.add_member("sam", "Sam Sharp", "academic", interests=("A charity",))
    for who in ("amy", "sam"):
        said = text_of((await fetch(world.browser(who))).content)
        assert CONTENT["title"] not in said
        assert name in said
        assert "Nothing waits for your vote" in said


@pytest.mark.parametrize("name", ["alice", "olga", "dana", "chris", "carl"])
async def test_nobody_else_gets_one(world: World, desk: Committee, name: str) -> None:
    desk.in_review()
    answer = await fetch(world.browser(name))
    assert answer.status_code == 403
    assert not fetched(world)
    if name in {"olga", "dana", "carl"}:
        assert "Fetch the pack" not in (await world.browser(name).get("/committee/agenda")).text


async def test_a_former_member_gets_none(world: World, desk: Committee) -> None:
    desk.in_review()
    world.clock.advance(301 * 86_400)
    answer = await fetch(world.browser("pat"))
    assert answer.status_code == 409
    assert "Your term runs from" in answer.text
    assert "Fetch the pack" not in (await world.browser("pat").get("/committee/agenda")).text
    assert not fetched(world)


async def test_no_link_and_no_other_page_makes_one(world: World, desk: Committee) -> None:
    browser = world.browser("pat")
    assert (await browser.get("/committee/pack")).status_code == 422  # no application is called that
    assert (await browser.post("/committee/pack", {"csrf": "of another page"})).status_code == 403
    nobody = await world.browser().post("/committee/pack", {})
    assert nobody.status_code in {302, 303, 401}
    assert not fetched(world)


async def test_programs_get_the_same_file(world: World, desk: Committee) -> None:
    desk.in_review()
    browser = world.browser("pat")
    page = await fetch(browser)
    answer = await browser.api("POST", "/api/v1/committee/packs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.content == page.content  # the same content at the same moment: the same bytes
    world.clock.advance(60)
    assert (await fetch(browser)).content != page.content
    refused = await world.browser("olga").api("POST", "/api/v1/committee/packs")
    assert (refused.status_code, refused.json()["reason"]) == (403, "NotPermitted")


async def test_votes_on_what_is_open_stay_at_the_desk(world: World, desk: Committee) -> None:
    name = desk.in_review()
    form = {"matter": desk.matter(name), "choice": "decline", "reasons": "Too vague."}
    assert (await world.browser("acme").post(f"/committee/{name}/vote", form)).status_code == 303
    said = text_of((await fetch(world.browser("acme"))).content)
    assert "Voted: Ada Academic" in said
    assert "Too vague." not in said


async def test_what_people_wrote_is_text_whatever_it_is(world: World, desk: Committee) -> None:
    people = [CONTENT["people"][0] | {"name": NAMES}]
    desk.in_review(
        title="]]> /JS (app.alert) ) Tj ET & more",
        people=people,
        funders=["中文 שלום \N{LEFT-TO-RIGHT MARK}".strip("\u200e ")],
    )
    desk.add_member("evil", SCRIPT, "academic")
    data = (await fetch(world.browser("pat"))).content
    said = text_of(data)
    assert SCRIPT in said
    assert "]]> /JS (app.alert) ) Tj ET & more" in said
    assert NAMES in said
    assert "[U+4E2D][U+6587] [U+05E9]" in said
    check_inert(data)


def check_inert(data: bytes) -> None:
    """Nothing runs, links, loads or is attached."""
    with pikepdf.open(io.BytesIO(data)) as document:
        root = document.Root
        assert not {"/OpenAction", "/AA", "/AcroForm", "/Names", "/AF"} & set(root.keys())
        for one in document.objects:
            keys = set(one.keys()) if isinstance(one, pikepdf.Dictionary | pikepdf.Stream) else set()
            assert not keys & {"/JS", "/JavaScript", "/EmbeddedFiles", "/EF", "/URI", "/Annots", "/Launch"}


async def test_a_reader_of_screens_finds_its_way(world: World, desk: Committee) -> None:
    desk.in_review()
    data = (await fetch(world.browser("pat"))).content
    with pikepdf.open(io.BytesIO(data)) as document:
        root = document.Root
        assert str(root.Lang) == "en-GB"
        assert root.MarkInfo.Marked
        assert str(document.docinfo.Title) == "Data Access Committee: pack of 24 November 2026"
        with document.open_outline() as outline:
            titles = [item.title for item in outline.root]
            below = [item.title for item in outline.root[1].children]
        assert titles == ["Data Access Committee: pack for Pat Patient", f"1. {CONTENT['title']}"]
        assert "Who votes" in below
        tags = {str(one.S) for one in document.objects if isinstance(one, pikepdf.Dictionary) and "/S" in one}
        assert {"/Document", "/Sect", "/H1", "/H2", "/P", "/L", "/LI", "/Table", "/TR", "/TH", "/TD"} <= tags
    assert "Page 1 of " in text_of(data)


def decide(world: World, desk: Committee, name: str, choice: str, **changes: Any) -> None:
    """Everybody who takes part votes alike, and the controller's hand keeps what follows."""
    now, policy = world.clock.now(), load_committee(world.layout.root)
    with world.database.read() as connection:
        aside = {one.voter.id for one in committee.recusals_of(connection, name)}
    for voter in (one for one in MEMBERS if one not in aside):
        text = VoteText.model_validate({"choice": choice, "reasons": f"Reasons of {voter}."} | changes)
        voting, matter = act(world, voter), desk.matter(name)
        with world.database.change(world.event()) as change:
            committee.cast(change, name, text, matter, policy.spec, voting)
    found = desk.get(name)
    with world.database.change(world.event()) as change:
        ballot = committee.ballot(change.connection, name)
        made = decided(found, tally(found, ballot, policy.spec, now), policy, None, now)
        signed = SignedDecision(record=made.record, key="a key", signature="A" * 86 + "==")
        committee.keep_decision(change, found, made, signed)


async def test_decisions_are_minuted_and_stand_beside_the_like(world: World, desk: Committee) -> None:
    name, other = desk.in_review(title="Decided before"), desk.in_review()
    decide(world, desk, name, "decline")
    said = text_of(packs.make(world.desk, act(world, "pat")).data)
    assert "Minutes since 24 October 2026 Decided before Declined, 24 November 2026." in said
    assert "Ada Academic (Academics): Decline. Reasons of acme." in said
    assert f"Decided before ({name}): Declined, 24 November 2026. 0 of 4 approve, 4 decline" in said
    world.clock.advance(40 * 86_400)
    assert "Nothing was decided." in text_of(packs.make(world.desk, act(world, "pat")).data)
    since = world.clock.now() - timedelta(days=60)
    made = packs.make(world.desk, act(world, "pat"), since)
    assert "Reasons of acme." in text_of(made.data)
    assert made.pack.matters == {other: desk.matter(other)}


async def test_no_vote_of_an_earlier_round_leads_the_next(world: World, desk: Committee) -> None:
    name = desk.in_review()
    decide(world, desk, name, "defer", questions=["How many?"])
    person = world.session("alice")[1].person
    now = world.clock.now()
    desk.change(name, lambda one: acts.answer(one, person, ["Ten."], now))
    desk.change(name, lambda one: acts.submit(one, person, now))
    assert desk.get(name).content is not None
    plans = tuple(PlannedSlice(name=one.name, plan_digest=desk.plan(one.spec)) for one in desk.get(name).content.slices)
    desk.change(name, lambda one: acts.taken_up(one, plans, acts.Way(deadline=now), now))
    said = text_of(packs.make(world.desk, act(world, "pat")).data)
    for words in ("Round 1. Given back with questions", "How many?", "Ten.", "round 2"):
        assert words in said, words
    assert "Reasons of" not in said


async def test_what_was_given_back_is_not_minuted_for_whom_it_concerns(world: World, desk: Committee) -> None:
    desk.add_member("ann", "Ann Other", "academic")
    name, shown = desk.in_review(title="Quite another question"), desk.in_review()
    await world.browser("ann").post(f"/committee/{name}/recuse", {"why": "My sister works there."})
    decide(world, desk, name, "defer", questions=["How many?"])
    said = text_of(packs.make(world.desk, act(world, "ann")).data)
    assert "Quite another question" not in said
    assert CONTENT["title"] in said
    assert "Quite another question" in text_of(packs.make(world.desk, act(world, "pat")).data)
    assert shown in said


async def test_an_agenda_that_changes_meanwhile_gives_no_pack(
    world: World, desk: Committee, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = desk.in_review()
    make_pdf = packs.make_pdf

    def slowly(*given: Any) -> bytes:
        change = Act(world.session("pat")[1].person, "another window", world.clock.now())
        event = committee.event_of("committee.recused", f"application/{name}", change)
        with world.database.change(event) as done:
            committee.recuse(done, name, "I remembered.", change)
        return make_pdf(*given)

    monkeypatch.setattr(packs, "make_pdf", slowly)
    answer = await fetch(world.browser("pat"))
    assert answer.status_code == 409
    assert not fetched(world)
    monkeypatch.undo()
    assert (await fetch(world.browser("pat"))).status_code == 200


async def test_one_pack_at_a_time(world: World, desk: Committee) -> None:
    with packs._alone(), pytest.raises(TREError) as refused:
        packs.make(world.desk, act(world, "pat"))
    assert refused.value.reason is Reason.ServiceUnavailable
    packs.make(world.desk, act(world, "pat"))


async def test_a_long_agenda_says_what_found_no_room(
    world: World, desk: Committee, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.copy_often(desk.in_review(), 3)
    monkeypatch.setattr(pack_views, "MOST", 2)
    said = text_of((await fetch(world.browser("pat"))).content)
    assert "2 more applications are open and found no room here." in said
