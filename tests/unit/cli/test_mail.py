"""`tre mail` and addresses of accounts, typed, with a real mail server beside."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import yaml

from tests.support.mail_server import Mailbox, free_port, good_server
from tests.unit.cli.conftest import PASSWORD, Here
from tre.domain.errors import Reason
from tre.domain.events import Event, program
from tre.domain.letters.models import Letter, LetterState
from tre.domain.letters.writing import letter_id
from tre.domain.people import Subject
from tre.store import correspondents, letters
from tre.store.database import Database, new_id
from tre.store.letters import Outcome
from tre.system.clock import SystemClock

ALICE = Subject(issuer="local", id="alice")


def with_mail(here: Here, port: int, **changes: Any) -> None:
    """A section `mail` in the settings."""
    path = here.root / "tre.yaml"
    plain = yaml.safe_load(path.read_text()) or {}
    plain["mail"] = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "tre@example.org"} | changes
    path.write_text(yaml.safe_dump(plain))


def put(here: Here, *steps: LetterState) -> None:
    """A letter to Alice, brought through these states."""
    database, now = Database.sqlite(here.layout.database), SystemClock().now()
    letter = Letter(
        id=letter_id("ab" * 16, *ALICE.key),
        event="ab" * 16,
        recipient=ALICE,
        subject="Project p is open",
        text="It is open.",
        page="/",
        at=now - timedelta(hours=3),
        next_at=now,
    )
    event = Event(id=new_id(), at=now, actor=program("test"), kind="letters.written", object="letters/all")
    with database.change(event) as change:
        letters.add(change, [letter], now)
        for step in steps:
            letters.settle(change, [letter], Outcome(step, Reason.AddressRefused, now, refused=True), now)
    database.close()


def address_of(here: Here, name: str) -> str | None:
    database = Database.sqlite(here.layout.database)
    with database.read() as connection:
        found = correspondents.get(connection, Subject(issuer="local", id=name)).address
    database.close()
    return found


def test_a_launcher_without_mail(here: Here) -> None:
    found = json.loads(here.done("mail", "status", "--json").out)
    assert found["server"] is None
    assert found["waiting"] == 0
    assert "no section mail" in here.done("mail", "status").shown
    assert "no section mail" in here.refused("mail", "test", "alice@example.org").shown


def test_a_test_letter_arrives(here: Here) -> None:
    box, port = Mailbox(), free_port()
    with_mail(here, port)
    assert "MailUnavailable" in here.refused("mail", "test", "alice@example.org").shown
    with good_server(box, port):
        assert "took the letter" in here.done("mail", "test", "alice@example.org").shown
        assert json.loads(here.done("mail", "test", "alice@example.org", "--json").out)["taken"] is True
        box.refused["bob@example.org"] = "550 no bob@example.org here"
        refused = here.tre("mail", "test", "bob@example.org")
        assert refused.code == 1
        assert "550" in refused.err
    assert box.subjects == ["[tre.localhost] A test"] * 2


@pytest.mark.parametrize("address", ["alice", "a@b", "a@b.org\nBcc: c@d.org", "Alice <a@b.org>", "a@b.org c@d.org"])
def test_no_other_word_is_an_address(shared: Here, address: str) -> None:
    for words in (
        ("mail", "test", address),
        ("user", "email", "alice", address),
        ("user", "add", "zoe", "--email", address, "--password-stdin"),
    ):
        assert "BadInput" in shared.refused(*words, typed=PASSWORD + "\n").shown


def test_what_waits_and_what_was_given_up(here: Here) -> None:
    with_mail(here, free_port())
    put(here, LetterState.Failed, LetterState.Abandoned)
    found = here.tre("mail", "status", "--json")
    assert found.code == 1
    told = json.loads(found.out)
    assert (told["abandoned"], told["waiting"], told["reasons"]) == (1, 0, {"AddressRefused": 1})
    assert told["peopleWithoutAddress"] == 2
    assert "example.org" not in found.out
    assert "AddressRefused: 1" in here.tre("mail", "status").shown
    assert "1 letters are tried again" in here.done("mail", "again").shown
    told = json.loads(here.done("mail", "status", "--json").out)
    assert (told["abandoned"], told["waiting"]) == (0, 1)
    assert told["oldestSeconds"] >= 3 * 3600
    assert "The oldest that should have been sent" in here.done("mail", "status").shown


def test_addresses_of_accounts(here: Here) -> None:
    here.done("user", "add", "zoe", "--email", "zoe@example.org", "--password-stdin", typed=PASSWORD + "\n")
    assert address_of(here, "zoe") == "zoe@example.org"
    here.done("user", "email", "zoe", "zoe@example.com")
    assert address_of(here, "zoe") == "zoe@example.com"
    here.done("user", "email", "zoe", "")
    assert address_of(here, "zoe") is None
    assert "MemberNotFound" in here.refused("user", "email", "nobody", "a@example.org").shown
    assert "example" not in str(here.dump()["audit_events"])
