"""People are told that the public account waits for them, from the record to a real mail server."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.factories import ALICE, BOB, NOON, access_grant
from tests.support.mail_server import Mailbox, good_server
from tests.unit.controller.conftest import World
from tests.unit.controller.test_letters import Post
from tests.unit.domain.publicaccount.test_account import CHANGE, INCIDENT
from tre.controller.account_notices import PART, AccountNotices
from tre.domain.errors import Reason, TREError
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Role, Subject
from tre.domain.publicaccount import acts
from tre.domain.publicaccount.models import Body, Comment, Complaint, Enquiry, Item, Outcome
from tre.domain.publicaccount.policies import AccountPolicy
from tre.domain.publicaccount.states import ItemKind, RefusalClass
from tre.store import account_notices, grants
from tre.store import publicaccount as store
from tre.store.database import Change

DAY = timedelta(days=1)
OLGA, DORA, CONNIE = (Subject(issuer="local", id=name) for name in ("olga", "dora", "connie"))
SECRET = "Mrs Miller of ward 7"
TEAM = {"olga", "dora"}
POLICY = AccountPolicy()


class Site:
    """An installation with a team, a committee and a project; mail is on."""

    def __init__(self, world: World) -> None:
        self.world, self.post, self.box = world, Post(world), Mailbox()
        for who, role in ((OLGA, Role.operator), (DORA, Role.data_manager), (CONNIE, Role.committee)):
            self.post.known(who, role)
        for who in (ALICE, BOB):
            self.post.known(who, Role.researcher)
        self.start()
        self.post.writer.step()

    def start(self) -> None:
        """A controller that remembers nothing."""
        self.notices = AccountNotices(self.world.context)

    def keeps(self, body: Body, verb: str, actor: Subject | None = None, about: str = "") -> Item:
        """Something comes in, or is written by somebody."""
        item = acts.begin(store.new_item_id(body.kind), body, about, POLICY, self.world.clock.now())
        with self.world.database.change(store.event_of(verb, item, actor or OLGA, self.world.clock.now())) as change:
            return store.create(change, item)

    def does(self, before: Item, after: Item, verb: str, actor: Subject = OLGA) -> Item:
        now = self.world.clock.now()
        with self.world.database.change(store.event_of(verb, after, actor, now)) as change:
            return store.save(change, before, after, now)

    def asks(self, text: str = SECRET) -> Item:
        return self.keeps(Enquiry(text=text), "asked", Subject(issuer="system", id="public"))

    def mails(self) -> dict[str, set[str]]:
        """Look once, and send; the subjects that arrived, and at whom."""
        self.box.taken.clear()
        self.notices.reconcile("all")
        self.post.writer.step()
        with good_server(self.box, self.post.port):
            self.post.send_all()
        found: dict[str, set[str]] = {}
        for _, [recipient], message in self.box.taken:
            assert "Miller" not in message.as_string()
            subject = str(message["Subject"]).strip().removeprefix("[tre.localhost] ")
            found.setdefault(subject, set()).add(recipient.partition("@")[0])
        return found

    def at(self, moment: datetime) -> None:
        self.world.clock.jump(moment)


@pytest.fixture
def site(world: World) -> Site:
    return Site(world)


def test_a_question_is_told_to_the_team_and_its_clock_before_and_after_it_runs_out(site: Site) -> None:
    item = site.asks()
    assert site.mails() == {"A question from the public waits": TEAM}
    assert site.mails() == {}
    assert item.due_at is not None
    site.at(item.due_at - 3 * DAY)
    assert site.mails() == {"A question from the public: the time is nearly up": TEAM}
    assert site.mails() == {}
    site.at(item.due_at)
    site.start()
    assert site.mails() == {"A question from the public waits for longer than was promised": TEAM}
    answered = site.does(item, acts.answer(item, "So.", NOON), "answered")
    site.does(answered, acts.publish(answered, NOON), "published")
    site.at(item.due_at + 30 * DAY)
    assert site.mails() == {}


def test_five_hundred_questions_are_one_letter_a_day(site: Site) -> None:
    for number in range(60):
        site.asks(f"Why {number}?")
    assert site.mails() == {"A question from the public waits": TEAM}
    site.asks("And why?")
    assert site.mails() == {}
    site.world.clock.advance(24 * 3600)
    assert site.mails() == {"A question from the public waits": TEAM}
    assert site.world.kinds().count("enquiry.waiting") == 2


def test_a_comment_and_an_outcome_that_wait_are_told_apart(site: Site) -> None:
    site.keeps(Comment(text="No."), "asked", Subject(issuer="system", id="public"))
    site.keeps(Outcome(type="paper", text="A paper."), "reported", ALICE, "nccid-00123")
    assert site.mails() == {"A comment on a change waits": TEAM, "An outcome of a project waits": TEAM}


def test_a_complaint_has_two_clocks(site: Site) -> None:
    item = site.keeps(Complaint(), "received", OLGA)
    assert site.mails() == {"A complaint came in": {"dora"}}
    assert item.due_at is not None
    site.at(item.due_at - timedelta(hours=1))
    assert site.mails() == {"A complaint: the time is nearly up": TEAM}
    after = site.does(item, acts.acknowledge(item, POLICY, site.world.clock.now()), "acknowledged")
    assert after.due_at is not None
    assert after.due_at > item.due_at
    site.at(after.due_at)
    assert site.mails() == {"A complaint waits for longer than was promised": TEAM}


def test_an_incident_is_told_to_team_and_committee_at_once(site: Site) -> None:
    item = site.keeps(INCIDENT, "declared", OLGA)
    assert site.mails() == {"An incident was declared": {"dora", "connie"}}
    now = site.world.clock.now()
    corrected = acts.correct(item, INCIDENT.model_copy(update={"correction": SECRET}), now)
    item = site.does(item, corrected, "corrected", DORA)
    assert site.mails() == {"The account of an incident was corrected": {"olga", "connie"}}
    item = site.does(item, acts.resolve(item, now), "resolved")
    assert site.mails() == {"An incident is resolved": {"dora", "connie"}}
    site.does(item, acts.reopen(item, POLICY, now), "reopened")
    assert site.mails() == {"An incident was opened again": {"dora", "connie"}}


def test_a_change_is_told_when_it_opens_closes_and_is_decided(site: Site) -> None:
    closes = site.world.clock.now() + 40 * DAY
    item = site.keeps(CHANGE.model_copy(update={"closes_at": closes}), "opened")
    assert site.mails() == {"A change is open for comment": {"dora", "connie"}}
    site.at(closes - 7 * DAY)
    assert site.mails() == {"The time for comments on a change is nearly over": {"olga", "dora", "connie"}}
    assert site.mails() == {}
    site.at(closes)
    assert site.mails() == {"The time for comments on a change is over": TEAM}
    site.does(item, acts.decide(item, "We do it.", closes), "decided")
    assert site.mails() == {"A change that was open for comment is decided": {"dora", "connie"}}
    site.at(closes + 100 * DAY)
    assert site.mails() == {}


def test_a_project_is_asked_what_came_of_it_and_told_what_became_of_its_word(site: Site) -> None:
    grant = access_grant(expires=(NOON + 1000 * DAY).isoformat())
    name = site.world.apply(grant)
    with site.world.database.change(site.world.event("grant.moved", f"grant/{name}")) as change:
        grants.set_phase(change, name, GrantPhase.Active, NOON)
    site.at(NOON + 365 * DAY)
    assert site.mails() == {f"Project {name}: what came of it?": {"alice", "bob"}}
    assert site.mails() == {}
    site.at(NOON + 395 * DAY)
    assert site.mails() == {f"Project {name}: what came of it is still not told": {"alice", "bob"}}
    item = site.keeps(Outcome(type="paper", text=SECRET), "reported", ALICE, name)
    assert site.mails() == {"An outcome of a project waits": TEAM}
    item = site.does(item, acts.publish(item, NOON), "published")
    assert site.mails() == {f"Project {name}: what came of it is public": {"alice", "bob"}}
    site.does(item, acts.refuse(item, RefusalClass.incorrect, NOON), "refused")
    assert site.mails() == {f"Project {name}: what was told is not public": {"alice", "bob"}}
    assert f"/projects/{name}/outcomes" in site.box.taken[0][2].get_content()


def test_the_controller_looks_by_itself_each_minute(site: Site) -> None:
    site.world.reconciler.handlers["public-account"] = site.notices.reconcile
    site.world.settle()
    site.asks()
    site.world.advance(61)
    assert site.world.kinds().count("enquiry.waiting") == 1
    site.world.advance(61)
    assert site.world.kinds().count("enquiry.waiting") == 1


def test_many_projects_are_looked_at_part_by_part_and_none_is_left_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PART > 2
    monkeypatch.setattr("tre.controller.account_notices.PART", 2)
    for number in range(5):
        name = site.world.apply(access_grant(f"p-{number}", expires=(NOON + 1000 * DAY).isoformat()))
        with site.world.database.change(site.world.event("grant.moved", f"grant/{name}")) as change:
            grants.set_phase(change, name, GrantPhase.Active, NOON)
    site.at(NOON + 365 * DAY)
    for count in (2, 4, 5, 5, 5, 5):
        site.notices.reconcile("all")
        assert site.world.kinds().count("outcome.due") == count


def test_nothing_is_told_while_no_mail_is_sent_and_all_of_it_when_mail_begins(world: World) -> None:
    alone = AccountNotices(world.context)
    site = Site.__new__(Site)
    site.world = world
    item = acts.begin(store.new_item_id(ItemKind.enquiry), Enquiry(text=SECRET), "", POLICY, NOON)
    with world.database.change(store.event_of("asked", item, ALICE, NOON)) as change:
        store.create(change, item)
    alone.reconcile("all")
    assert "enquiry.waiting" not in world.kinds()
    assert Site(world).mails() == {"A question from the public waits": TEAM}


def test_a_power_cut_between_two_writes_loses_nothing_and_doubles_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.asks()
    whole = account_notices.keep

    def cut(change: Change, found: Any) -> None:
        whole(change, found)
        raise OSError("the power is gone")

    monkeypatch.setattr(account_notices, "keep", cut)
    with pytest.raises(OSError, match="power"):
        site.notices.reconcile("all")
    assert "enquiry.waiting" not in site.world.kinds()
    monkeypatch.setattr(account_notices, "keep", whole)
    site.start()
    assert site.mails() == {"A question from the public waits": TEAM}
    assert site.mails() == {}


def test_a_policy_that_is_wrong_keeps_no_letter_of_the_team_back(site: Site) -> None:
    path = site.world.layout.root / "policies" / "public-account.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("spec: [")
    site.start()
    site.asks()
    with pytest.raises(TREError) as caught:
        site.notices.reconcile("all")
    assert caught.value.reason is Reason.BadInput
    assert site.world.kinds().count("enquiry.waiting") == 1


def test_the_controller_reads_no_word_that_is_not_public(site: Site, world: World) -> None:
    site.asks()
    context = dataclasses.replace(world.context)
    if not context.database.is_postgres:
        pytest.skip("SQLite knows no roles")
    with pytest.raises(Exception, match="permission denied"), context.database.read() as connection:
        store.waiting(connection)
