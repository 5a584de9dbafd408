"""Letters the whole way: from events to a real mail server, with restarts, power cuts and bad servers between."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.factories import ALICE, BOB, NOON
from tests.support.mail_server import Mailbox, bad_server, drops_in_data, free_port, good_server, is_silent
from tests.unit.controller.conftest import World
from tre.controller import letters as subject
from tre.controller.letters import Letters, LetterSender, LetterWriter, Terms
from tre.domain.errors import Reason, TREError
from tre.domain.letters.models import Letter, Pace
from tre.domain.letters.pace import REFUSALS
from tre.domain.letters.writing import letter_id
from tre.domain.people import Role, Subject
from tre.store import correspondents, people
from tre.store import letters as store
from tre.store.people import Account
from tre.store.tables.letters import letters as table
from tre.system.mail_settings import MailSettings
from tre.system.settings import Settings
from tre.system.smtp import MailServer


def mail(port: int, **changes: Any) -> MailSettings:
    plain = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "tre@example.org", "timeoutSeconds": 2}
    return MailSettings.model_validate(plain | changes)


class Post:
    """A controller's letters, and people who can be written to."""

    def __init__(self, world: World, port: int = 0) -> None:
        self.world = world
        self.port = port or free_port()
        self.start()

    def start(self, **changes: Any) -> None:
        """A controller that remembers nothing."""
        settings = Settings(mail=mail(self.port, **changes))
        self.terms = Terms(dataclasses.replace(self.world.context, settings=settings))
        self.writer = LetterWriter(self.terms.context)
        found = settings.mail
        assert found is not None
        self.sender = LetterSender(self.terms, MailServer(found, settings.base, self.world.layout.root))

    def known(self, who: Subject, *roles: Role, pace: Pace = Pace.at_once) -> None:
        new = Account(name=who.id, display_name=who.id, roles=frozenset(roles), created_at=NOON)
        with self.world.database.change(self.world.event("account.added", f"account/{who.id}")) as change:
            people.add_account(change, new, "hash")
            correspondents.set_address(change, who, f"{who.id}@example.org", NOON)
            correspondents.set_pace(change, who, pace, NOON)

    def happens(self, kind: str = "grant.suspended", about: str = "grant/nccid-00123") -> None:
        with self.world.database.change(self.world.event(kind, about)):
            pass

    def put(self, count: int, who: Subject = ALICE) -> list[Letter]:
        """So many letters in the outbox."""
        made = []
        for number in range(count):
            event = f"{number:032x}"
            made.append(
                Letter(
                    id=letter_id(event, *who.key),
                    event=event,
                    recipient=who,
                    subject=f"Number {number}",
                    text="It is so.",
                    page="/",
                    at=NOON,
                    next_at=NOON,
                )
            )
        with self.world.database.change(self.world.event("letters.written", "letters/all")) as change:
            store.add(change, made, NOON)
        return made

    def rows(self) -> list[dict[str, Any]]:
        with self.world.database.read() as connection:
            return [dict(row) for row in connection.execute(table.select().order_by(table.c.id)).mappings()]

    def states(self) -> Counter[str]:
        return Counter(row["state"] for row in self.rows())

    def send_all(self) -> int:
        """Until nothing is due any more; how many messages."""
        sent = 0
        while (more := self.sender.step()) > 0:
            sent += more
        return sent


@pytest.fixture
def post(world: World) -> Post:
    made = Post(world)
    made.known(ALICE)
    made.known(BOB)
    world.apply()
    assert made.writer.step() == 0  # what happened before is nobody's news
    return made


class TestWriting:
    def test_what_happens_is_told_once_whoever_reads_it_how_often(self, post: Post) -> None:
        post.world.settle()
        assert post.writer.step() > 0
        assert post.writer.step() == 0
        told = {(row["recipient"], row["subject"]) for row in post.rows()}
        assert ("alice", "Project nccid-00123 is open") in told
        before = post.rows()
        post.start()
        assert post.writer.step() == 0
        assert post.rows() == before

    def test_a_power_cut_loses_nothing_and_doubles_nothing(self, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("add", "keep_read", "tidy"):
            post.happens()
            whole = getattr(store, name)

            def cut(*_given: Any) -> None:
                raise OSError("the power is gone")

            monkeypatch.setattr(store, name, cut)
            with pytest.raises(OSError, match="power"):
                post.writer.step()
            monkeypatch.setattr(store, name, whole)
            post.start()
            assert post.writer.step() == len(members(post))
        assert len(post.rows()) == 3 * len(members(post))

    def test_letters_of_their_own_events_are_never_written(self, post: Post) -> None:
        for kind in ("letter.sent", "letter.failed", "letters.written"):
            post.happens(kind, "letter/x")
        assert post.writer.step() == 0
        assert post.rows() == []

    def test_nothing_is_kept_while_no_mail_is_sent(self, post: Post) -> None:
        without = LetterWriter(dataclasses.replace(post.terms.context, settings=Settings()))
        assert without.step() == 0
        post.happens()
        assert without.step() == 0
        assert post.rows() == []
        assert post.world.kinds().count("letters.stopped") == 1
        post.start()
        assert post.writer.step() == 0  # mail begins again, with what happens from now on
        post.happens()
        assert post.writer.step() == len(members(post))

    def test_who_has_no_address_or_no_account_any_more_is_not_written_to(self, post: Post) -> None:
        with post.world.database.change(post.world.event("account.disabled", "account/alice")) as change:
            people.disable_account(change, "alice", NOON)
            correspondents.set_address(change, BOB, None, NOON)
        post.happens()
        assert post.writer.step() == 0

    def test_what_somebody_wants(self, post: Post) -> None:
        with post.world.database.change(post.world.event("person.letters-changed", "person/local:alice")) as change:
            correspondents.set_pace(change, ALICE, Pace.action_only, NOON)
        post.happens("grant.activated")
        post.happens("grant.suspended")
        post.writer.step()
        assert [row["subject"] for row in post.rows() if row["recipient"] == "alice"] == [
            "Project nccid-00123 is suspended"
        ]

    def test_many_events_of_no_concern_are_passed_and_not_read_again(
        self, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(subject, "PART", 10)
        for _ in range(35):
            post.happens("job.asked", "job/1")
        assert post.writer.step() == 0
        assert post.world.kinds().count("letters.written") <= 4
        post.happens()
        assert post.writer.step() == len(members(post))

    def test_the_ends_of_a_grant_are_told_days_ahead(self, post: Post) -> None:
        post.world.settle()
        end = post.world.grant().spec.expires
        told = set()
        for days in (30, 14, 7, 1):
            post.world.clock.jump(end - timedelta(days=days) + timedelta(seconds=1))
            post.world.settle()
            post.writer.step()
            subjects = [row["subject"] for row in post.rows() if "ends on" in row["subject"]]
            told.add((days, len(subjects)))
        count = len(members(post))
        assert told == {(30, count), (14, 2 * count), (7, 3 * count), (1, 4 * count)}


def members(post: Post) -> list[str]:
    return [member.subject.id for member in post.world.grant().spec.members if member.subject in (ALICE, BOB)]


class TestSending:
    def test_from_an_event_to_the_mailbox(self, post: Post) -> None:
        box = Mailbox()
        post.happens()
        post.writer.step()
        with good_server(box, post.port):
            assert post.send_all() == len(members(post))
        assert {recipient for _, [recipient], _ in box.taken} == {f"{name}@example.org" for name in members(post)}
        assert set(box.subjects) == {"[tre.localhost] Project nccid-00123 is suspended"}
        assert "http://desk.tre.localhost:8000/projects/nccid-00123" in box.taken[0][2].get_content()
        assert post.states() == {"Sent": len(members(post))}
        assert post.world.kinds().count("letter.sent") == len(members(post))

    @pytest.mark.timeout(240)
    @pytest.mark.parametrize("many", [150, pytest.param(1000, marks=pytest.mark.soak)])
    def test_many_letters_go_out_once_each(self, post: Post, many: int) -> None:
        box = Mailbox()
        made = post.put(many)
        with good_server(box, post.port):
            assert post.send_all() == many
            post.start()
            assert post.send_all() == 0
        assert sorted(box.identities) == sorted(f"<{letter.id}@tre.localhost>" for letter in made)

    def test_a_dead_server_loses_nothing(self, post: Post) -> None:
        box = Mailbox()
        post.put(5)
        for _ in range(4):
            assert post.sender.step() == 0
            post.world.clock.advance(20 * 60)
        rows = post.rows()
        assert {(row["state"], row["reason"]) for row in rows} == {("Failed", "MailUnavailable")}
        assert {row["attempts"] for row in rows} == {4}
        post.start()
        post.put(1, BOB)
        with good_server(box, post.port):
            assert post.send_all() == 6
        assert post.states() == {"Sent": 6}

    def test_after_an_outage_letters_come_in_the_order_of_what_happened(self, post: Post) -> None:
        box = Mailbox()
        post.happens("grant.activated")
        post.writer.step()
        assert post.sender.step() == 0  # tried in vain: due later than what is written next
        post.world.clock.advance(1)
        post.happens("grant.revoked")
        post.writer.step()
        post.world.clock.advance(3600)
        with good_server(box, post.port):
            post.send_all()
        alice = [subject for subject, (_, to, _) in zip(box.subjects, box.taken, strict=True) if "alice" in to[0]]
        assert alice == [
            "[tre.localhost] Project nccid-00123 is open",
            "[tre.localhost] The approval of project nccid-00123 was withdrawn",
        ]

    def test_a_server_that_is_away_is_asked_less_and_less(self, post: Post) -> None:
        asked = 0

        def talk(found: Any) -> None:
            nonlocal asked
            asked += 1
            found.sendall(b"421 not now\r\n")

        post.put(1)
        with bad_server(talk) as port:
            post.port = port
            post.start()
            for _ in range(120):
                post.sender.step()
                post.world.clock.advance(60)
        assert 8 <= asked <= 20

    def test_a_clock_that_was_wrong_for_a_while_stops_nothing(self, post: Post) -> None:
        post.put(1)
        post.world.clock.jump(NOON + timedelta(days=3650))
        assert post.sender.step() == 0
        post.world.clock.jump(NOON)
        with good_server(Mailbox(), post.port):
            assert post.send_all() == 1

    def test_one_refused_recipient_delays_nobody_and_is_given_up_at_last(self, post: Post) -> None:
        box = Mailbox(refused={"bob@example.org": "550 no such person bob@example.org"})
        post.put(2)
        post.put(1, BOB)
        with good_server(box, post.port):
            assert post.send_all() == 2
            for _ in range(60):
                post.world.clock.advance(3600)
                assert post.sender.step() == 0
        [row] = [row for row in post.rows() if row["recipient"] == "bob"]
        assert (row["state"], row["reason"], row["refusals"]) == ("Abandoned", "AddressRefused", REFUSALS)
        assert post.world.kinds().count("letter.abandoned") == 1
        assert "example.org" not in "".join(event_details(post))

    def test_one_letter_that_breaks_the_connection_delays_no_other(self, post: Post) -> None:
        box = Mailbox()
        bad, *_ = post.put(4)

        async def handle_data(server: Any, session: Any, envelope: Any) -> str:
            if b"Subject: [tre.localhost] Number 0" in envelope.content:
                server.transport.abort()
            return await Mailbox.handle_DATA(box, server, session, envelope)

        broken = Mailbox()
        broken.handle_DATA = handle_data  # type: ignore[method-assign]
        with good_server(broken, post.port):
            post.sender.step()
            post.sender.step()
        states = {row["id"]: row["state"] for row in post.rows()}
        assert states.pop(bad.id) == "Failed"
        assert set(states.values()) == {"Sent"}

    @pytest.mark.parametrize("talk", [drops_in_data, is_silent])
    def test_a_server_that_breaks_every_connection_is_left_alone(self, post: Post, talk: Any) -> None:
        post.put(10)
        with bad_server(talk) as port:
            post.port = port
            post.start(timeoutSeconds=1)
            assert post.sender.step() == 0
            assert post.sender.step() == 0
        assert post.states() == {"Failed": 10}
        with good_server(Mailbox(), post.port):
            post.world.clock.advance(3600)
            assert post.send_all() == 10

    def test_a_days_letters_go_out_in_one_message(self, post: Post) -> None:
        box = Mailbox()
        with post.world.database.change(post.world.event("person.letters-changed", "person/local:alice")) as change:
            correspondents.set_pace(change, ALICE, Pace.daily, NOON)
        for _ in range(3):
            post.happens("grant.activated")
        post.happens("grant.suspended")
        post.writer.step()
        with good_server(box, post.port):
            post.send_all()
            at_once = [
                subject for _, [to], mail in box.taken if to == "alice@example.org" for subject in [mail["Subject"]]
            ]
            assert at_once == ["[tre.localhost] Project nccid-00123 is suspended"]
            box.taken.clear()
            post.world.clock.advance(24 * 3600)
            assert post.send_all() == 1
        [(_, recipients, message)] = box.taken
        assert recipients == ["alice@example.org"]
        assert message["Subject"] == "[tre.localhost] Your letters of the day"
        assert message.get_content().count("You have access to project nccid-00123") == 3
        assert set(post.states()) == {"Sent"}

    def test_who_lost_the_lead_sends_nothing(self, post: Post) -> None:
        def lost() -> None:
            raise TREError(Reason.LeadershipLost, "This controller does not lead.")

        box = Mailbox()
        post.put(3)
        found = post.terms.context.settings.mail
        assert found is not None
        terms = dataclasses.replace(post.terms, check=lost)
        sender = LetterSender(terms, MailServer(found, "tre.localhost", post.world.layout.root))
        with good_server(box, post.port), pytest.raises(TREError):
            sender.step()
        assert box.taken == []
        assert post.states() == {"Waiting": 3}

    def test_an_address_that_went_meanwhile_is_not_written_to(self, post: Post) -> None:
        box = Mailbox()
        post.put(1)
        with post.world.database.change(post.world.event("account.disabled", "account/alice")) as change:
            people.disable_account(change, "alice", NOON)
        with good_server(box, post.port):
            assert post.send_all() == 0
        assert box.taken == []
        assert {row["reason"] for row in post.rows()} == {"AddressRefused"}


def event_details(post: Post) -> list[str]:
    from tre.store.events import after

    with post.world.database.read() as connection:
        return [item.event.model_dump_json() for item in after(connection, 0)]


KILLED = """
import sys
from tests.unit.controller.test_letters import run_killed
run_killed(sys.argv[1], sys.argv[2], int(sys.argv[3]))
"""


def run_killed(url: str, root: str, port: int) -> None:
    """A sender in a program of its own, which somebody kills."""
    from tests.support.memory_runtime import MemoryRuntime
    from tre.controller.context import Context
    from tre.domain.clock import ManualClock
    from tre.store.database import Database
    from tre.system.layout import Layout

    clock = ManualClock(NOON)
    context = Context(
        database=Database(url),
        layout=Layout(Path(root)),
        settings=Settings(mail=mail(port)),
        clock=clock,
        runtime=MemoryRuntime(clock),
        publish=lambda _message: None,
        own_users=True,
    )
    found = context.settings.mail
    assert found is not None
    sender = LetterSender(Terms(context), MailServer(found, "tre.localhost", Path(root)))
    while sender.step():
        pass


def test_killed_between_yes_and_record_only_that_one_letter_comes_twice(post: Post) -> None:
    """The most that SMTP allows: the second copy carries the same Message-ID."""
    if post.world.database.is_postgres:
        pytest.skip("the program would need the test server's password; the record's part is the same code")
    box = Mailbox()
    made = post.put(12)
    running: list[subprocess.Popen[bytes]] = []

    def kill_at_the_seventh() -> None:
        if len(box.taken) == 7:
            os.kill(running[0].pid, signal.SIGKILL)
            running[0].wait(30)

    box.on_data = kill_at_the_seventh
    with good_server(box, post.port):
        command = [sys.executable, "-c", KILLED, post.world.database.url, str(post.world.layout.root), str(post.port)]
        running.append(subprocess.Popen(command))
        assert running[0].wait(50) == -signal.SIGKILL
        assert len(box.taken) == 7
        assert post.states() == {"Sent": 6, "Waiting": 6}
        assert post.send_all() == 6
    counted = Counter(box.identities)
    assert counted.keys() == {f"<{letter.id}@tre.localhost>" for letter in made}
    assert sorted(counted.values()) == [1] * 11 + [2]
    assert counted[box.identities[6]] == 2


def test_nothing_of_the_controller_waits_for_a_server_that_hangs(post: Post) -> None:
    stop, talked = threading.Event(), threading.Event()

    def talk(found: Any) -> None:
        talked.set()
        is_silent(found)

    post.put(1)
    with bad_server(talk) as port:
        post.port = port
        post.start(timeoutSeconds=30)
        letters = Letters(dataclasses.replace(post.terms, stop=stop))
        thread = letters.begin()
        assert talked.wait(20)
        post.world.settle(2)
        assert "grant.activated" in post.world.kinds()
        stop.set()
    thread.join(40)  # the server is gone now, and with it what the thread waited for
    assert not thread.is_alive()


def test_a_launcher_without_mail_has_no_thread_for_it(post: Post) -> None:
    context = dataclasses.replace(post.terms.context, settings=Settings())
    letters = Letters(Terms(context))
    letters.run()  # comes back by itself
    assert post.world.kinds().count("letters.stopped") == 1


def test_trouble_stays_in_the_thread_and_is_told_once(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_given: Any) -> None:
        raise RuntimeError("broken")

    letters = Letters(post.terms)
    assert letters.step()
    monkeypatch.setattr(store, "read_up_to", broken)
    assert not letters.step()
    assert not letters.step()
    monkeypatch.undo()
    assert letters.step()
