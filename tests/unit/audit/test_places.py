"""Places that keep checkpoints: real files, a real host, a real mail server; and the round that goes to them."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.mail_server import Mailbox, bad_server, free_port, good_server
from tests.unit.audit.conftest import Log
from tre.audit import places
from tre.audit.checkpoint import SignedCheckpoint, open_note, parse
from tre.audit.courier import GRACE, LONGEST_PAUSE, Courier, Kept, read_state, standing
from tre.audit.places import FilePlace, MailPlace, Means, Place, UrlPlace, line_of, place_of, read_notes
from tre.audit.records import last_checkpoint
from tre.domain.errors import Reason, TREError
from tre.system.mail_settings import MailSettings
from tre.system.settings import Settings
from tre.system.smtp import MailServer
from tre.system.witness_settings import WitnessSettings


def signed(log: Log) -> SignedCheckpoint:
    with log.database.read() as connection:
        row = last_checkpoint(connection)
    assert row is not None
    return parse(row.note)


def kept_in(path: Path) -> list[int]:
    return [found.checkpoint.size for found in read_notes(path.read_text())]


class TestAFile:
    def test_holds_each_checkpoint_once_and_verifies(self, log: Log, tmp_path: Path) -> None:
        path = tmp_path / "kept.jsonl"
        place = FilePlace(path, log.keys)
        for count in (3, 2):
            log.grow(count)
            place.keep(signed(log))
            place.keep(signed(log))
        assert kept_in(path) == [3, 5]
        seen = tuple(open_note(found.note(), log.keys) for found in read_notes(path.read_text()))
        assert log.verify(seen=seen).ok
        assert path.read_text().isascii()

    @pytest.mark.parametrize("cut", [1, 15, 16, 100, 300])
    def test_a_line_torn_by_a_power_cut_is_written_again(self, log: Log, tmp_path: Path, cut: int) -> None:
        path = tmp_path / "kept.jsonl"
        place = FilePlace(path, log.keys)
        log.grow(3)
        place.keep(signed(log))
        log.grow(2)
        with path.open("a") as file:
            file.write(line_of(signed(log))[:cut])
        place.keep(signed(log))
        assert kept_in(path) == [3, 5]

    def test_that_knows_more_than_the_log_is_left_as_it_is(self, log: Log, tmp_path: Path) -> None:
        path = tmp_path / "kept.jsonl"
        log.grow(3)
        early = signed(log)
        log.grow(2)
        FilePlace(path, log.keys).keep(signed(log))
        before = path.read_bytes()
        with pytest.raises(TREError) as caught:
            FilePlace(path, log.keys).keep(early)
        assert caught.value.reason is Reason.AuditBroken
        assert path.read_bytes() == before

    def test_of_another_log_is_left_as_it_is(self, log: Log, make_log: Callable[[], Log], tmp_path: Path) -> None:
        path = tmp_path / "kept.jsonl"
        other = make_log()
        other.grow(3)
        FilePlace(path, other.keys).keep(signed(other))
        before = path.read_bytes()
        log.grow(5)
        with pytest.raises(TREError):
            FilePlace(path, log.keys).keep(signed(log))
        assert path.read_bytes() == before

    @pytest.mark.parametrize(
        "text", ["somebody's diary", "somebody's diary\n", '{"checkpoint": "x"}\n', "{", "x" * 9000]
    )
    def test_of_something_else_is_left_as_it_is(self, log: Log, tmp_path: Path, text: str) -> None:
        path = tmp_path / "kept.jsonl"
        path.write_text(text)
        log.grow(3)
        if text == "{":  # what a line begins with: a torn one
            FilePlace(path, log.keys).keep(signed(log))
            assert kept_in(path) == [3]
            return
        with pytest.raises(TREError):
            FilePlace(path, log.keys).keep(signed(log))
        assert path.read_text() == text

    def test_is_not_made_where_the_volume_is_away(self, log: Log, tmp_path: Path) -> None:
        log.grow(3)
        with pytest.raises(TREError) as caught:
            FilePlace(tmp_path / "volume" / "kept", log.keys).keep(signed(log))
        assert caught.value.reason is Reason.ServiceUnavailable
        assert not (tmp_path / "volume").exists()

    @pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
    def test_that_is_none_is_refused(self, log: Log, tmp_path: Path, kind: str) -> None:
        path, target = tmp_path / "kept", tmp_path / "target"
        target.write_text("")
        {"link": lambda: path.symlink_to(target), "pipe": lambda: os.mkfifo(path), "directory": path.mkdir}[kind]()
        log.grow(3)
        with pytest.raises(TREError) as caught:
            FilePlace(path, log.keys).keep(signed(log))
        assert caught.value.reason is Reason.ServiceUnavailable
        assert target.read_text() == ""


class Host:
    """A host that takes what is PUT to it, or answers something else."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.status = 201
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                if 200 <= host.status < 300:
                    host.taken.append((self.path, body))
                self.send_response(host.status)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/kept?log=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.server.shutdown()
    made.server.server_close()


class TestAHost:
    def test_gets_the_note(self, log: Log, host: Host) -> None:
        log.grow(3)
        UrlPlace(host.address).keep(signed(log))
        assert host.taken == [("/kept?log=1", signed(log).note())]

    @pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 404, 409, 500, 503])
    def test_that_does_not_take_it_is_not_believed_nor_followed(self, log: Log, host: Host, status: int) -> None:
        log.grow(3)
        host.status = status
        with pytest.raises(TREError, match=f"answered {status}") as caught:
            UrlPlace(host.address).keep(signed(log))
        assert caught.value.reason is Reason.ServiceUnavailable
        assert host.taken == []

    @pytest.mark.parametrize("said", [b"", b"what?\r\n\r\n", b"HTTP/1.1 20"])
    def test_that_talks_otherwise_or_hangs_up_is_away(self, log: Log, said: bytes) -> None:
        log.grow(3)

        def talk(found: socket.socket) -> None:
            found.recv(65536)
            found.sendall(said)

        with bad_server(talk) as port, pytest.raises(TREError) as caught:
            UrlPlace(f"http://127.0.0.1:{port}/").keep(signed(log))
        assert caught.value.reason is Reason.ServiceUnavailable

    def test_that_answers_letter_by_letter_is_cut_off(self, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(places, "ANSWER_SECONDS", 0.5)
        log.grow(3)
        stop = threading.Event()

        def talk(found: socket.socket) -> None:
            found.recv(65536)
            with contextlib.suppress(OSError):
                found.sendall(b"HTTP/1.1 20")
                while not stop.wait(0.05):
                    found.sendall(b"0")

        with bad_server(talk) as port, pytest.raises(TREError):
            UrlPlace(f"http://127.0.0.1:{port}/").keep(signed(log))
        stop.set()

    def test_that_is_not_there(self, log: Log) -> None:
        log.grow(1)
        with pytest.raises(TREError) as caught:
            UrlPlace(f"http://127.0.0.1:{free_port()}/").keep(signed(log))
        assert caught.value.reason is Reason.ServiceUnavailable


def test_a_mail_holds_a_line_that_verifies(log: Log, tmp_path: Path) -> None:
    box = Mailbox()
    log.grow(3)
    with good_server(box) as port:
        plain = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "tre@example.org"}
        server = MailServer(MailSettings.model_validate(plain), "tre.example.org", tmp_path)
        MailPlace(server, "owner@example.org", log.clock).keep(signed(log))
    ((_, to, message),) = box.taken
    assert to == ["owner@example.org"]
    assert box.subjects == ["[tre.example.org] Checkpoint of the audit log: 3 events"]
    line = str(message.get_content()).strip().splitlines()[-1]
    assert read_notes(line)[0] == signed(log)


class Shelf:
    """A place that can be told to fail."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.tried = 0
        self.fails = False

    def keep(self, found: SignedCheckpoint) -> None:
        self.tried += 1
        if self.fails:
            raise TREError(Reason.ServiceUnavailable, "It is away.")
        self.sizes.append(found.checkpoint.size)


def hourly(name: str) -> WitnessSettings:
    return WitnessSettings.model_validate({"name": name, "url": "https://example.org/"})


class TestTheRound:
    @pytest.fixture
    def shelf(self) -> Shelf:
        return Shelf()

    def courier(self, log: Log, tmp_path: Path, *shelves: Place) -> Courier:
        named = [(hourly(f"p{number}"), shelf) for number, shelf in enumerate(shelves)]
        return Courier(log.database, log.clock, tmp_path / "audit" / "places.json", named)

    def state(self, tmp_path: Path) -> dict[str, Kept]:
        return read_state(tmp_path / "audit" / "places.json")

    def test_nothing_is_sent_before_there_is_a_checkpoint(self, log: Log, tmp_path: Path, shelf: Shelf) -> None:
        assert self.courier(log, tmp_path, shelf).step() == 0
        assert shelf.tried == 0

    def test_at_most_one_an_hour_and_none_while_nothing_happens(self, log: Log, tmp_path: Path, shelf: Shelf) -> None:
        courier = self.courier(log, tmp_path, shelf)
        log.grow(3)
        assert courier.step() == 1
        log.grow(2)
        assert courier.step() == 0
        log.clock.advance(3600)
        assert courier.step() == 1
        log.clock.advance(99999)
        assert courier.step() == 0
        assert shelf.sizes == [3, 5]

    def test_a_restart_goes_on_where_it_was(self, log: Log, tmp_path: Path, shelf: Shelf) -> None:
        log.grow(3)
        self.courier(log, tmp_path, shelf).step()
        assert self.courier(log, tmp_path, shelf).step() == 0
        (tmp_path / "audit" / "places.json").write_text("{")  # damaged: it is sent again
        assert self.courier(log, tmp_path, shelf).step() == 1

    def test_one_that_fails_holds_up_no_other_and_is_tried_less_and_less(self, log: Log, tmp_path: Path) -> None:
        bad, good = Shelf(), Shelf()
        bad.fails = True
        courier = self.courier(log, tmp_path, bad, good)
        log.grow(3)
        for _ in range(24 * 60):
            courier.step()
            log.clock.advance(60)
        assert good.sizes == [3]
        assert 24 <= bad.tried <= 40
        late = self.state(tmp_path)["p0"].behind(log.clock.now())
        assert timedelta(hours=23) < late < timedelta(hours=24)
        words = standing(self.state(tmp_path), ["p0", "p1", "p2"], log.clock.now())
        assert "behind by" in words["p0"]
        assert "It is away." in words["p0"]
        assert (words["p1"], words["p2"]) == ("ok", "has nothing yet")
        bad.fails = False
        log.clock.advance(LONGEST_PAUSE.total_seconds())
        assert courier.step() == 1
        assert standing(self.state(tmp_path), ["p0"], log.clock.now()) == {"p0": "ok"}

    def test_a_place_is_not_behind_within_the_grace(self, log: Log, tmp_path: Path, shelf: Shelf) -> None:
        shelf.fails = True
        log.grow(3)
        self.courier(log, tmp_path, shelf).step()
        now = log.clock.now()
        assert not self.state(tmp_path)["p0"].behind(now + GRACE)
        assert self.state(tmp_path)["p0"].behind(now + GRACE + timedelta(seconds=1))

    def test_a_log_that_became_shorter_is_told(self, log: Log, make_log: Callable[[], Log], tmp_path: Path) -> None:
        shelf = Shelf()
        log.grow(8)
        self.courier(log, tmp_path, shelf).step()
        older = make_log()
        older.grow(3)
        for _ in range(2):
            self.courier(older, tmp_path, shelf).step()
            older.clock.advance(3600)
        assert shelf.sizes == [8]
        assert "the log was shortened" in standing(self.state(tmp_path), ["p0"], older.clock.now())["p0"]

    def test_a_clock_that_was_wrong_holds_nothing_up(self, log: Log, tmp_path: Path, shelf: Shelf) -> None:
        courier = self.courier(log, tmp_path, shelf)
        log.grow(3)
        right = log.clock.now()
        log.clock.jump(right + timedelta(days=900))
        courier.step()
        log.clock.jump(right)
        log.grow(2)
        assert courier.step() == 1


class TestSettings:
    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"file": "/a", "url": "https://x.org/"},
            {"url": "http://x.org/"},
            {"url": "ftp://x.org/"},
            {"url": "https://me:secret@x.org/"},
            {"url": "https:///x"},
            {"mail": "nobody"},
            {"file": "/a", "name": "A B"},
            {"file": "/a", "everyMinutes": 0},
        ],
    )
    def test_what_is_no_place_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError):
            WitnessSettings.model_validate({"name": "a"} | wrong)

    def test_names_are_different_and_mail_needs_a_server(self) -> None:
        one = {"name": "a", "url": "https://x.org/"}
        Settings.model_validate({"witnesses": [one, one | {"name": "b"}]})
        with pytest.raises(ValueError, match="a name of its own"):
            Settings.model_validate({"witnesses": [one, one]})
        with pytest.raises(ValueError, match="no section mail"):
            Settings.model_validate({"witnesses": [{"name": "a", "mail": "a@example.org"}]})

    def test_each_kind_becomes_its_place(self, log: Log, tmp_path: Path) -> None:
        mail = MailServer(MailSettings(host="127.0.0.1", sender="tre@example.org"), "x", tmp_path)
        means = Means(tmp_path, mail, log.keys, log.clock)
        kinds = {"file": "/a", "url": "https://x.org/", "mail": "a@example.org"}
        made = [
            place_of(WitnessSettings.model_validate({"name": "a", key: value}), means) for key, value in kinds.items()
        ]
        assert [type(one) for one in made] == [FilePlace, UrlPlace, MailPlace]
        with pytest.raises(TREError):
            place_of(
                WitnessSettings.model_validate({"name": "a", "mail": "a@b.org"}), Means(tmp_path, None, (), log.clock)
            )


@pytest.mark.parametrize("text", ["", "x", "{", "{}", '{"checkpoint": 1}', '{"checkpoint": "x"}\n', "[" * 99999])
def test_a_file_without_checkpoints_is_none(text: str) -> None:
    with pytest.raises(TREError) as caught:
        read_notes(text)
    assert caught.value.reason is Reason.BadInput
