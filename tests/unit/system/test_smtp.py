"""Giving messages to real mail servers: good ones, and ones that hang, lie and hang up."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.factories import NOON
from tests.support.mail_server import (
    Mailbox,
    bad_server,
    drips,
    drops_in_data,
    free_port,
    good_server,
    is_silent,
    pair_in,
)
from tre.domain.errors import Reason, TREError
from tre.domain.letters.writing import Message
from tre.system import smtp
from tre.system.mail_settings import MailSettings
from tre.system.smtp import MailServer, RefusedError

MESSAGE = Message("ab" * 16, "[tre.example.org] Project p is open", "It is open.\n\n.\nQUIT\n-- \nFoot\n")
TO = "alice@example.org"


def server(tmp_path: Path, port: int, **changes: Any) -> MailServer:
    plain = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "tre@example.org", "timeoutSeconds": 2}
    return MailServer(MailSettings.model_validate(plain | changes), "tre.example.org", tmp_path)


def send(found: MailServer, to: str = TO) -> None:
    with found.connection() as session:
        session.deliver(to, MESSAGE, NOON)


def unavailable(found: MailServer) -> str:
    with pytest.raises(TREError) as refused:
        send(found)
    assert refused.value.reason is Reason.MailUnavailable
    return refused.value.why


def test_a_letter_arrives_as_it_was_written(tmp_path: Path) -> None:
    box = Mailbox()
    with good_server(box) as port:
        send(server(tmp_path, port))
    [(sender, recipients, mail)] = box.taken
    assert (sender, recipients) == ("tre@example.org", [TO])
    assert mail["From"] == "tre@example.org"
    assert mail["To"] == TO
    assert mail["Subject"] == MESSAGE.subject
    assert mail["Message-ID"] == f"<{MESSAGE.identity}@tre.example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == NOON
    assert mail.get_content_type() == "text/plain"
    assert mail["Content-Transfer-Encoding"] == "7bit"
    assert mail.get_content().replace("\r\n", "\n") == MESSAGE.body


def test_no_address_brings_a_second_recipient_or_a_header(tmp_path: Path) -> None:
    box = Mailbox()
    with good_server(box) as port:
        for hostile in ("a@b.org\r\nRCPT TO:<c@d.org>", "a@b.org\nBcc: c@d.org", "a@b.org, c@d.org", "<a@b.org>"):
            with pytest.raises(TREError) as refused:
                send(server(tmp_path, port), hostile)
            assert refused.value.reason is Reason.BadInput
    assert box.taken == []


def test_a_refused_recipient_is_told_apart_from_one_who_is_to_wait(tmp_path: Path) -> None:
    box = Mailbox(refused={"gone@example.org": "550 gone@example.org is unknown", "full@example.org": "452 full"})
    with good_server(box) as port, server(tmp_path, port).connection() as session:
        for address, for_good in (("gone@example.org", True), ("full@example.org", False)):
            with pytest.raises(RefusedError) as refused:
                session.deliver(address, MESSAGE, NOON)
            assert refused.value.reason is Reason.AddressRefused
            assert refused.value.for_good is for_good
            assert address not in str(refused.value)
        session.deliver(TO, MESSAGE, NOON)
        box.data_answer = "554 no"
        with pytest.raises(RefusedError) as refused:
            session.deliver(TO, MESSAGE, NOON)
        assert refused.value.reason is Reason.MailRefused
        assert not refused.value.for_good
    assert len(box.taken) == 1


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    assert "nobody listens" in unavailable(server(tmp_path, free_port()))


def test_a_server_that_says_nothing_holds_nobody_up(tmp_path: Path) -> None:
    with bad_server(is_silent) as port:
        begun = time.monotonic()
        assert "in time" in unavailable(server(tmp_path, port, timeoutSeconds=1))
        assert time.monotonic() - begun < 50  # it would go on for ever; a busy machine takes its time


def test_a_server_that_answers_for_ever_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "CONNECTION_TIMES", 1)
    with bad_server(drips) as port:
        begun = time.monotonic()
        unavailable(server(tmp_path, port, timeoutSeconds=1))
        assert time.monotonic() - begun < 50  # it would go on for ever; a busy machine takes its time


def test_what_was_mistyped_is_told_in_words(tmp_path: Path) -> None:
    with bad_server(is_silent) as port:  # a server that waits for TLS from the first byte
        assert "from the first byte" in unavailable(server(tmp_path, port, timeoutSeconds=1))
    with good_server(Mailbox()) as port:
        assert "no TLS comes about" in unavailable(server(tmp_path, port, security="tls"))
    assert "hold letters" in unavailable(server(tmp_path, 25, host="smtp..example.org", security="tls"))


def test_a_name_that_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_given: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)  # no test asks a real name server
    assert "no name server knows its name" in unavailable(server(tmp_path, 25, host="smtp.example.org", security="tls"))


def test_a_server_that_hangs_up_in_the_middle(tmp_path: Path) -> None:
    with bad_server(drops_in_data) as port:
        assert "connection failed" in unavailable(server(tmp_path, port))


@pytest.mark.parametrize("greeting", [b"554 go away\r\n", b"\x1b[2J\r\n", b"\r\n" * 10, b"220 x\r\n500 \xff\r\n"])
def test_a_server_that_speaks_something_else(tmp_path: Path, greeting: bytes) -> None:
    def talk(found: socket.socket) -> None:
        found.sendall(greeting)

    with bad_server(talk) as port:
        why = unavailable(server(tmp_path, port))
    assert why.isprintable()


class TestTls:
    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_nothing_is_said_to_a_server_that_offers_none(self, tmp_path: Path, security: str) -> None:
        box = Mailbox()
        with good_server(box) as port:
            unavailable(server(tmp_path, port, security=security))
        assert box.taken == []

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    def test_starttls(self, tmp_path: Path, host: str) -> None:
        pair, box = pair_in(tmp_path), Mailbox()
        with good_server(box, tls_context=pair.context, require_starttls=True) as port:
            said = {"host": host, "security": "starttls"}
            assert "certificate" in unavailable(server(tmp_path, port, **said))
            assert box.taken == []
            send(server(tmp_path, port, **said, authorities="mail.pem"))
        assert len(box.taken) == 1

    def test_tls_from_the_first_byte(self, tmp_path: Path) -> None:
        pair, box = pair_in(tmp_path), Mailbox()
        with good_server(box, ssl_context=pair.context) as port:
            assert "certificate" in unavailable(server(tmp_path, port, security="tls"))
            send(server(tmp_path, port, security="tls", authorities=str(pair.certificate)))
        assert len(box.taken) == 1

    def test_a_certificate_of_another_name_does_not_hold(self, tmp_path: Path) -> None:
        pair, box = pair_in(tmp_path), Mailbox()
        with good_server(box, ssl_context=pair.context) as port:
            other = server(tmp_path, port, host="127.0.0.2", security="tls", authorities=str(pair.certificate))
            unavailable(other)  # 127.0.0.2 reaches nobody, or somebody whose certificate names 127.0.0.1
        assert box.taken == []

    def test_authorities_that_are_none(self, tmp_path: Path) -> None:
        (tmp_path / "empty.pem").write_text("nothing")
        for name in ("empty.pem", "missing.pem"):
            with pytest.raises(TREError) as refused:
                send(server(tmp_path, free_port(), security="tls", authorities=name))
            assert refused.value.reason is Reason.SetupIncomplete


class TestPassword:
    def signing_in(self, box: Mailbox, tmp_path: Path) -> Any:
        result = pytest.importorskip("aiosmtpd.smtp").AuthResult

        def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> Any:
            return result(success=(given.login, given.password) == (b"tre", b"secret word"), handled=False)

        pair = pair_in(tmp_path)
        return good_server(
            box, tls_context=pair.context, require_starttls=True, auth_required=True, authenticator=check
        )

    def test_the_password_comes_from_its_file_and_is_said_under_tls_only(self, tmp_path: Path) -> None:
        box, secret = Mailbox(), tmp_path / "keys" / "mail-password"
        secret.parent.mkdir()
        said = {"security": "starttls", "authorities": "mail.pem", "user": "tre"}
        with self.signing_in(box, tmp_path) as port:
            with pytest.raises(TREError) as refused:
                send(server(tmp_path, port, **said))
            assert refused.value.reason is Reason.SetupIncomplete
            assert "chmod 600" in refused.value.remedy
            assert "tre init" not in str(refused.value)  # which makes no such file
            secret.write_text("secret word\n")
            secret.chmod(0o644)
            with pytest.raises(TREError) as refused:
                send(server(tmp_path, port, **said))
            assert refused.value.reason is Reason.SetupIncomplete
            secret.chmod(0o600)
            send(server(tmp_path, port, **said))
            secret.write_text("another word")
            why = unavailable(server(tmp_path, port, **said))
            assert "password" in why
            assert "another" not in why
        assert len(box.taken) == 1


class TestSettings:
    def settings(self, **changes: Any) -> MailSettings:
        return MailSettings.model_validate({"host": "smtp.example.org", "sender": "tre@example.org"} | changes)

    def test_what_is_not_said_is_safe(self) -> None:
        found = self.settings()
        assert (found.security, found.port) == ("starttls", 587)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"security": "none"},
            {"security": "ssl"},
            {"sender": "tre@example.org\nBcc: x@y.org"},
            {"sender": "TRE <tre@example.org>"},
            {"host": "smtp.example.org:25"},
            {"host": "a b"},
            {"host": ""},
            {"port": 0},
            {"digestHour": 24},
            {"password": "secret"},
        ],
    )
    def test_what_cannot_be_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            self.settings(**wrong)

    def test_only_this_machine_may_speak_plainly(self) -> None:
        assert self.settings(security="none", host="127.0.0.1").security == "none"
