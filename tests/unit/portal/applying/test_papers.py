"""Papers at the desk: sent, kept, read by those who may, exchanged, removed; and everybody who may not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.portal.applying_world import CONTENT, Committee, version, words_of
from tests.unit.portal.papers_world import PROTOCOL, Papers, address_of, digest_of
from tests.unit.portal.world import World, subject
from tre.airlock.spool import Spool
from tre.checker.service import CheckerService
from tre.controller.checker_relay import CheckerRelay
from tre.domain.applications import acts
from tre.domain.applications.models import PlannedSlice
from tre.domain.applications.papers import drafted
from tre.domain.applications.states import ApplicationState
from tre.domain.committee.models import Recusal
from tre.domain.committee.policy import CommitteeTerms
from tre.domain.committee.tally import tally
from tre.portal.guard import DOWNLOAD_POLICY
from tre.store import applications, committee, people
from tre.store import papers as store

PAGE = b"<html><script>alert(1)</script>"


@pytest.fixture
def papers(desk: Committee) -> Papers:
    return Papers(desk)


def in_review(papers: Papers, name: str) -> None:
    """Hand it in and have it planned."""
    alice = papers.world.session("alice")[1].person
    now = papers.world.clock.now()
    papers.desk.change(name, lambda found: acts.submit(found, alice, now))
    found = papers.desk.get(name)
    assert found.content is not None
    plans = tuple(PlannedSlice(name=one.name, plan_digest=papers.desk.plan(one.spec)) for one in found.content.slices)
    papers.desk.change(name, lambda one: acts.taken_up(one, plans, acts.Way(now + timedelta(days=28)), now))


async def test_a_paper_is_sent_kept_and_read(world: World, papers: Papers) -> None:
    alice, name = world.browser("alice"), papers.desk.draft()
    empty = await alice.get(f"/applications/{name}/edit/papers")
    assert "No document is attached." in empty.text
    assert "At most 20 files of 20MiB each" in empty.text
    assert (await papers.send(alice, name, {"The protocol.pdf": PROTOCOL})).status_code == 303
    assert [(one.name, one.digest, one.bytes) for one in drafted(papers.desk.get(name))] == [
        ("The protocol.pdf", digest_of(PROTOCOL), len(PROTOCOL))
    ]
    waiting = await alice.get(f"/applications/{name}/edit/papers")
    assert "It is being taken in." in waiting.text
    assert address_of(name) not in waiting.text
    early = await alice.get(address_of(name))
    assert (early.status_code, "being taken in" in early.text) == (503, True)
    papers.settle(name)
    assert papers.stored() == [digest_of(PROTOCOL).removeprefix("sha256:")]
    assert list(world.layout.uploads.iterdir()) == []
    assert address_of(name) in (await alice.get(f"/applications/{name}/edit/papers")).text
    assert address_of(name) in (await alice.get(f"/applications/{name}")).text
    answer = await alice.get(address_of(name))
    assert (answer.status_code, answer.content) == (200, PROTOCOL)
    told = [event.detail["paper"] for event in world.events("application.paper-read")]
    assert told == [digest_of(PROTOCOL)]
    words = "".join(
        str(event) for kind in ("attached", "kept", "read") for event in world.events(f"application.paper-{kind}")
    )
    assert "protocol.pdf" not in words


async def test_a_paper_is_a_download_and_nothing_that_a_browser_opens(world: World, papers: Papers) -> None:
    name = papers.desk.draft()
    await papers.attached(name, {"a;<i>\u00e9.txt": PAGE})
    answer = await world.browser("alice").get(address_of(name, PAGE))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == DOWNLOAD_POLICY
    assert answer.headers["content-disposition"].startswith('attachment; filename="paper-')
    assert answer.headers["content-disposition"].endswith("filename*=UTF-8''a%3B%3Ci%3E%C3%A9.txt")
    assert answer.headers["cache-control"] == "no-store"
    page = await world.browser("alice").get(f"/applications/{name}/edit/papers")
    assert "<i>" not in page.text
    assert "a;&lt;i&gt;\u00e9.txt" in page.text


async def test_who_reads_it(world: World, papers: Papers) -> None:
    named = {**CONTENT["people"][0], "name": "Bob Baker", "subject": {"issuer": "local", "id": "bob"}}
    name = papers.desk.draft(people=[CONTENT["people"][0], named])
    await papers.attached(name)
    for who in ("bob", "cleo", "olga", "dana", "eve", "chris"):
        assert (await world.browser(who).get(address_of(name))).status_code == 404, who
    in_review(papers, name)
    expected = {"alice": 200, "bob": 200, "cleo": 200, "pat": 200, "carl": 403, "olga": 403, "dana": 403, "eve": 404}
    for who, status in expected.items():
        answer = await world.browser(who).get(address_of(name))
        assert answer.status_code == status, who
        assert (PROTOCOL in answer.content) == (status == 200), who
    assert {event.actor.id for event in world.events("application.paper-read")} == {"alice", "bob", "cleo", "pat"}
    linked = {
        who: address_of(name) in (await world.browser(who).get(f"/committee/{name}")).text for who in ("cleo", "olga")
    }
    assert linked == {"cleo": True, "olga": False}
    unknown = await world.browser("eve").get(f"/applications/a-{'a' * 12}/papers/{'0' * 64}")
    hidden = await world.browser("eve").get(address_of(name))
    assert words_of(unknown) == words_of(hidden)


async def test_a_member_who_stands_aside_or_whose_seat_ended_reads_no_more(world: World, papers: Papers) -> None:
    name = papers.desk.draft()
    await papers.attached(name)
    in_review(papers, name)
    assert (await world.browser("pat").get(address_of(name))).status_code == 200
    assert (await world.browser("pat").post(f"/committee/{name}/recuse", {"why": "A friend."})).status_code == 303
    assert (await world.browser("pat").get(address_of(name))).status_code == 409
    with world.database.read() as connection:
        cleo = next(one for one in committee.seats(connection) if one.subject == subject("cleo"))
        assert [type(one) for one in committee.recusals_of(connection, name)] == [Recusal]
    with world.database.change(world.event()) as change:
        committee.end_seat(change, cleo.id, "Left.", world.clock.now())
    assert (await world.browser("cleo").get(address_of(name))).status_code == 409


async def test_a_digest_alone_gives_nothing(world: World, papers: Papers) -> None:
    """Whoever knows what another's paper hashes to can name it, and has it no more than before."""
    await papers.attached(papers.desk.draft())
    guess = {"name": "mine.pdf", "digest": digest_of(PROTOCOL), "bytes": len(PROTOCOL)}
    other = papers.desk.draft("bob", attachments=[guess])
    answer = await world.browser("bob").get(address_of(other))
    assert answer.status_code == 404
    assert PROTOCOL not in answer.content
    page = await world.browser("bob").get(f"/applications/{other}/edit/papers")
    assert "its bytes were not sent to this service" in words_of(page)


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "link", "directory"])
async def test_bytes_that_are_not_those_of_the_record_are_not_handed_out(
    world: World, papers: Papers, damage: str
) -> None:
    name = papers.desk.draft()
    await papers.attached(name)
    path = world.layout.papers / papers.stored()[0]
    assert (await world.browser("alice").get(address_of(name))).status_code == 200
    path.unlink()
    if damage == "changed":
        path.write_bytes(PROTOCOL.replace(b"a", b"b"))
    elif damage == "cut":
        path.write_bytes(PROTOCOL[:-1])
    elif damage == "link":
        path.symlink_to(world.layout.root / "tre.yaml")
    elif damage == "directory":
        path.mkdir()
    answer = await world.browser("alice").get(address_of(name))
    assert answer.status_code in {409, 503}
    assert "Tell an operator" in answer.text
    assert len(world.events("application.paper-read")) == 1


async def test_a_paper_that_was_damaged_is_healed_by_sending_it_again(world: World, papers: Papers) -> None:
    name = papers.desk.draft()
    await papers.attached(name)
    (world.layout.papers / papers.stored()[0]).write_bytes(b"other")
    await papers.attached(name)
    assert (await world.browser("alice").get(address_of(name))).content == PROTOCOL


async def test_another_paper_voids_the_votes(world: World, papers: Papers) -> None:
    name = papers.desk.draft()
    await papers.attached(name)
    in_review(papers, name)
    before = papers.desk.matter(name)
    ballot = {"matter": before, "choice": "approve", "reasons": "Sound."}
    assert (await world.browser("cleo").post(f"/committee/{name}/vote", ballot)).status_code == 303
    papers.desk.change(name, lambda found: acts.deferred(found, ["Which?"], world.clock.now(), found.reason))
    await papers.attached(name, {"protocol.pdf": b"another"})
    alice = world.session("alice")[1].person
    papers.desk.change(name, lambda found: acts.answer(found, alice, ["This."], world.clock.now()))
    in_review(papers, name)
    assert papers.desk.matter(name) != before
    late = await world.browser("pat").post(f"/committee/{name}/vote", ballot)
    assert late.status_code == 409
    assert "no longer what you saw" in words_of(late)
    with world.database.read() as connection:
        found = tally(papers.desk.get(name), committee.ballot(connection, name), CommitteeTerms(), world.clock.now())
    assert (found.counted, [one.why for one in found.void]) == ((), ["it is about an earlier content or plan"])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "No file is chosen."),
        ({"run.exe": b"MZ"}, "A file of this kind cannot be attached"),
        ({"empty.pdf": b""}, "The file is empty."),
        ({"..": b"x"}, "The file has no name."),
        ({"a.pdf": b"1", "b.pdf": b"2"}, "More than one file was sent."),
        ({"large.pdf": b"x" * (20 * 2**20 + 1)}, "larger than a document may be"),
    ],
)
async def test_what_cannot_be_attached_leaves_nothing(
    world: World, papers: Papers, files: dict[str, bytes], said: str
) -> None:
    name = papers.desk.draft()
    answer = await papers.send(world.browser("alice"), name, files)
    assert answer.status_code == 409, answer.text
    assert said in words_of(answer)
    assert list(world.layout.uploads.iterdir()) == []
    assert drafted(papers.desk.get(name)) == []
    assert papers.rows(name) == []


async def test_names_lead_nowhere(world: World, papers: Papers) -> None:
    name = papers.desk.draft()
    await papers.attached(name, {"../../../keys/portal-session.pdf": PROTOCOL})
    assert [one.name for one in drafted(papers.desk.get(name))] == ["portal-session.pdf"]
    assert list(world.layout.root.rglob("*.pdf")) == []
    for path in ("..%2f..%2ftre.yaml", "x", "A" * 64, "0" * 63):
        answer = await world.browser("alice").get(f"/applications/{name}/papers/{path}")
        assert answer.status_code in {404, 422}, path


async def test_an_old_form_a_stolen_one_and_one_of_somebody_else(world: World, papers: Papers) -> None:
    alice, name = world.browser("alice"), papers.desk.draft()
    old = await version(alice, f"/applications/{name}/edit/papers")
    await papers.attached(name)
    for given in (old, "", "x", "-1", "9" * 30):
        again = await papers.send(alice, name, {"second.pdf": b"2"}, version=given)
        assert (again.status_code, "changed since you opened" in words_of(again)) == (409, True)
    stolen = await papers.send(alice, name, {"second.pdf": b"2"}, csrf="stolen")
    assert stolen.status_code == 403
    eve = await papers.send(world.browser("eve"), name, {"second.pdf": b"2"}, version="1")
    unknown = await papers.send(world.browser("eve"), f"a-{'b' * 12}", {"second.pdf": b"2"}, version="1")
    assert (eve.status_code, words_of(eve)) == (404, words_of(unknown))
    cross = await alice.send("POST", f"/applications/{name}/papers", "desk", headers={"Sec-Fetch-Site": "same-site"})
    assert cross.status_code == 403
    assert [one.name for one in drafted(papers.desk.get(name))] == ["protocol.pdf"]
    assert list(world.layout.uploads.iterdir()) == []


async def test_what_was_handed_in_takes_no_further_paper(world: World, papers: Papers) -> None:
    name = papers.desk.handed_in()
    answer = await papers.send(world.browser("alice"), name, {"a.pdf": b"1"}, version="1")
    assert answer.status_code == 409
    removal = await world.browser("alice").post(f"/applications/{name}/papers/remove", {"version": "1", "paper": "a"})
    assert removal.status_code == 409


async def test_a_session_that_ends_while_it_is_sent_keeps_nothing(
    world: World, papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, name = world.browser("alice"), papers.desk.draft()
    real = world.desk.uploads.begin

    def begin_and_end(expected: int) -> Any:
        with world.database.change(world.event()) as change:
            people.revoke_sessions_of(change, subject("alice"), world.clock.now())
        return real(expected)

    monkeypatch.setattr(world.desk.uploads, "begin", begin_and_end)
    sent = await papers.send(alice, name, {"a.pdf": b"1"})
    assert sent.status_code in {302, 303, 401}
    assert drafted(papers.desk.get(name)) == []
    assert list(world.layout.uploads.iterdir()) == []


async def test_it_is_handed_in_when_its_papers_have_arrived(world: World, papers: Papers) -> None:
    alice, name = world.browser("alice"), papers.desk.draft()
    assert (await papers.send(alice, name, {"protocol.pdf": PROTOCOL})).status_code == 303
    form = {"version": await version(alice, f"/applications/{name}")}
    early = await alice.post(f"/applications/{name}/submit", form)
    assert (early.status_code, "These documents have not arrived: protocol.pdf." in words_of(early)) == (409, True)
    papers.settle(name)
    assert (await alice.post(f"/applications/{name}/submit", form)).status_code == 303


async def test_a_paper_that_does_not_arrive_is_told_and_can_be_sent_again(world: World, papers: Papers) -> None:
    alice, name = world.browser("alice"), papers.desk.draft()
    assert (await papers.send(alice, name, {"protocol.pdf": PROTOCOL})).status_code == 303
    for upload in world.layout.uploads.iterdir():
        (upload / "paper").write_bytes(b"something else")
    papers.settle(name)
    assert papers.states(name) == {digest_of(PROTOCOL): "lost"}
    assert "It did not arrive. Send it again." in (await alice.get(f"/applications/{name}/edit/papers")).text
    assert (await alice.get(address_of(name))).status_code == 404
    await papers.attached(name)
    assert papers.states(name) == {digest_of(PROTOCOL): "kept"}


async def test_what_is_taken_out_goes_unless_somebody_needs_the_same_bytes(world: World, papers: Papers) -> None:
    alice, first, second = world.browser("alice"), papers.desk.draft(), papers.desk.draft("bob")
    await papers.attached(first)
    await papers.attached(second, {"same.pdf": PROTOCOL}, "bob")

    async def take_out(who: str, name: str, paper: str) -> None:
        browser = world.browser(who)
        form = {"version": await version(browser, f"/applications/{name}/edit/papers"), "paper": paper}
        assert (await browser.post(f"/applications/{name}/papers/remove", form)).status_code == 303
        papers.settle(name)

    await take_out("alice", first, "protocol.pdf")
    assert (await alice.get(address_of(first))).status_code == 404
    assert (await world.browser("bob").get(address_of(second))).content == PROTOCOL
    await take_out("bob", second, "same.pdf")
    assert papers.stored() == []
    again = {"version": await version(alice, f"/applications/{first}/edit/papers"), "paper": "protocol.pdf"}
    gone = await alice.post(f"/applications/{first}/papers/remove", again)
    assert (gone.status_code, "There is no such document" in words_of(gone)) == (404, True)


@pytest.mark.parametrize("ending", ["withdrawn", "declined"])
async def test_what_ended_keeps_its_papers_for_the_policy_s_days(world: World, papers: Papers, ending: str) -> None:
    name = papers.desk.draft()
    await papers.attached(name)
    in_review(papers, name)
    alice = world.session("alice")[1].person
    if ending == "withdrawn":
        papers.desk.change(name, lambda found: acts.withdraw(found, alice, world.clock.now()))
    else:
        declined = ApplicationState.Declined
        papers.desk.change(name, lambda found: acts.moved(found, declined, world.clock.now()))
    again = papers.keeper.reconcile(name)
    assert again == world.clock.now() + timedelta(days=90)
    world.clock.advance(90 * 86400 - 1)
    papers.settle(name)
    assert len(papers.stored()) == 1
    world.clock.advance(1)
    with world.database.read() as connection:
        assert store.watched(connection) == [name]
    papers.settle(name)
    assert papers.stored() == []
    assert papers.states(name) == {digest_of(PROTOCOL): "removed"}
    assert papers.keeper.reconcile(name) is None
    page = await world.browser("alice").get(f"/applications/{name}")
    assert "It was removed when its time was over." in page.text


async def test_bytes_that_come_again_while_they_are_to_be_removed_stay(world: World, papers: Papers) -> None:
    alice, name = world.browser("alice"), papers.desk.draft()
    await papers.attached(name)
    form = {"version": await version(alice, f"/applications/{name}/edit/papers"), "paper": "protocol.pdf"}
    assert (await alice.post(f"/applications/{name}/papers/remove", form)).status_code == 303
    papers.keeper.reconcile(name)  # the removal is asked for, and not done yet
    assert (await papers.send(alice, name, {"protocol.pdf": PROTOCOL})).status_code == 303
    papers.settle(name)
    assert (await alice.get(address_of(name))).content == PROTOCOL


async def test_a_change_of_a_project_begins_with_its_papers(world: World, papers: Papers) -> None:
    name = papers.desk.draft()
    await papers.attached(name)
    in_review(papers, name)
    person = world.session("alice")[1].person
    with world.database.change(world.event()) as change:
        made = applications.begin(change, person, world.clock.now())
        store.inherit(change, name, made.id)
    assert papers.states(made.id) == {digest_of(PROTOCOL): "kept"}


@pytest.mark.parametrize("called", ["run.exe", "a/b.exe", "protocol.pdf.html", ".."])
async def test_a_name_typed_into_a_draft_is_not_passed_on(world: World, papers: Papers, called: str) -> None:
    """Who writes the draft by a program names a paper as they like: its readers get no program by that name."""
    name = papers.desk.draft()
    await papers.attached(name)
    alice = world.session("alice")[1].person
    typed = [{"name": called, "digest": digest_of(PROTOCOL), "bytes": 7}]
    papers.desk.change(name, lambda found: acts.edit(found, alice, {"attachments": typed}, world.clock.now()))
    answer = await world.browser("alice").get(address_of(name))
    assert (answer.status_code, answer.content) == (200, PROTOCOL), "its size is the record's word too"
    assert answer.headers["content-length"] == str(len(PROTOCOL))
    assert ".exe" not in answer.headers["content-disposition"]
    assert ".html" not in answer.headers["content-disposition"]


async def test_a_paper_goes_through_the_checkers_only_door(world: World, papers: Papers) -> None:
    """The record's jobs, the controller's relay, the spool, and the checker's own loop."""
    spool = Spool(world.layout.checker_spool)
    spool.make()
    relay, checker = CheckerRelay(papers.context, spool), CheckerService(papers.bench, spool)
    relay.appliers |= papers.keeper.appliers

    def go_round() -> None:
        relay.step()
        checker.work_once()
        relay.step()

    alice, name = world.browser("alice"), papers.desk.draft()
    assert (await papers.send(alice, name, {"protocol.pdf": PROTOCOL})).status_code == 303
    go_round()
    assert papers.states(name) == {digest_of(PROTOCOL): "kept"}
    assert (await alice.get(address_of(name))).content == PROTOCOL
    assert (await papers.send(alice, name, {"letter.pdf": b"letter"})).status_code == 303
    for upload in world.layout.uploads.iterdir():
        (upload / "paper").write_bytes(b"LETTER")
    go_round()
    papers.keeper.reconcile(name)
    assert papers.states(name)[digest_of(b"letter")] == "lost"
    form = {"version": await version(alice, f"/applications/{name}/edit/papers"), "paper": "protocol.pdf"}
    assert (await alice.post(f"/applications/{name}/papers/remove", form)).status_code == 303
    papers.keeper.reconcile(name)
    go_round()
    assert papers.stored() == []
