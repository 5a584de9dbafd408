"""What is sent in: where its bytes go, what is left out, and what stays of an upload that fails."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from tests.unit.portal.imports_world import FILES, WHEEL, Gate
from tests.unit.portal.world import Browser, populated
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person
from tre.gateway.app import LARGEST_TO_DESK
from tre.portal import guard, upload_bodies, uploads
from tre.portal.sessions import DESK_COOKIE
from tre.portal.upload_bodies import UploadForm
from tre.portal.uploads import Arriving, Uploads
from tre.store import jobs

BOUNDARY = "xx"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    with populated(tmp_path / "root") as world:
        yield Gate(world).furnish()


def left(gate: Gate) -> list[str]:
    return sorted(str(path.relative_to(gate.world.layout.uploads)) for path in gate.world.layout.uploads.rglob("*"))


def asked(gate: Gate, name: str) -> jobs.Job | None:
    with gate.world.database.read() as connection:
        return jobs.latest(connection, "checker", "receive", f"import/{name}")


async def test_the_bytes_lie_where_the_checker_looks(gate: Gate) -> None:
    name = await gate.begin()
    before = os.umask(0o002)
    try:
        chosen = {"tools/a.py": b"print(1)\n", "b c.py": b"", WHEEL: os.urandom(300_000)}
        assert (await gate.send(gate.world.browser("alice"), name, chosen, folder=" mine/ ")).status_code == 303
    finally:
        os.umask(before)
    job = asked(gate, name)
    assert job is not None
    place = gate.world.layout.uploads / job.payload["upload"]
    assert job.payload["paths"] == ["mine/tools/a.py", "mine/b c.py", f"mine/{WHEEL}"]
    assert {path: (place / "mine" / path).read_bytes() for path in chosen} == chosen
    for path in place.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o770 if path.is_dir() else 0o640)
    assert place.stat().st_mode & 0o777 == 0o770, "the checker removes it"
    assert Person.model_validate(job.payload["about"]["person"]).subject.id == "alice"
    assert job.payload["policy"]["name"] == "default"


NAMES = {
    "../up.py": "dot segment",
    "/etc/passwd": "empty part",
    "a/../../b.py": "dot segment",
    ".DS_Store": "hidden part",
    "a\\b.py": "backslash",
    "con.txt": "device",
    "turned\u202e.py": "nobody can see",
    "x" * 300: "too long",
    "LOOKUP.CSV": "the same name",
    "lookup.csv/x.py": "A file and a folder",
}


@pytest.mark.parametrize("path", NAMES)
async def test_a_name_that_may_not_be_is_left_out(gate: Gate, path: str) -> None:
    name = await gate.begin()
    answer = await gate.send(gate.world.browser("alice"), name, {"lookup.csv": b"a\n", path: b"x", "fine.py": b"1"})
    assert answer.status_code == 409
    assert "1 file was left out." in answer.text
    assert NAMES[path] in answer.text
    assert "The other files were taken." in answer.text
    job = asked(gate, name)
    assert job is not None
    assert job.payload["paths"] == ["lookup.csv", "fine.py"]
    place = gate.world.layout.uploads / job.payload["upload"]
    assert {path.name for path in place.rglob("*")} == {"lookup.csv", "fine.py"}
    assert not (gate.world.layout.root / "up.py").exists()


@pytest.mark.parametrize("chosen", [{}, {"": b""}, {".hidden": b"x"}])
async def test_nothing_is_asked_of_nothing(gate: Gate, chosen: dict[str, bytes]) -> None:
    name = await gate.begin()
    answer = await gate.send(gate.world.browser("alice"), name, chosen)
    assert answer.status_code in {400, 403, 409}, "a form without a file is no form with files"
    assert (asked(gate, name), left(gate)) == (None, [])


async def test_one_thing_at_a_time(gate: Gate) -> None:
    name, alice = await gate.begin(), gate.world.browser("alice")
    assert (await gate.send(alice, name)).status_code == 303
    second = await gate.send(alice, name, {"other.py": b"x"})
    assert second.status_code == 409
    assert "are being copied or checked" in second.text
    assert (await alice.post(f"/imports/{name}/submit", {"purpose": "word " * 20})).status_code == 409
    gate.answer()
    assert (await gate.send(alice, name, {"other.py": b"x"})).status_code == 303
    gate.answer()
    assert [file.path for file in gate.request(name).files] == [*FILES, "other.py"]


def test_slots_are_bounded(tmp_path: Path) -> None:
    held = Uploads(tmp_path)
    with held.slot("a"):
        with pytest.raises(TREError) as twice, held.slot("a"):
            pass
        assert twice.value.reason is Reason.StateForbids
        held._busy |= {str(number) for number in range(uploads.MOST_AT_ONCE)}
        with pytest.raises(TREError) as crowded, held.slot("b"):
            pass
        assert crowded.value.reason is Reason.RateLimited


def test_a_disk_that_is_nearly_full_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = uploads.LEAST_FREE + 1000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    Uploads(tmp_path).begin(1000).discard()
    with pytest.raises(TREError) as full:
        Uploads(tmp_path).begin(1001)
    assert full.value.reason is Reason.StorageFull
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "There is no room"), (errno.EIO, "could not be stored")])
async def test_a_disk_that_fails_leaves_nothing(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    name = await gate.begin()

    def fail(*_: Any) -> int:
        raise OSError(number, "no")

    monkeypatch.setattr("os.fsync", fail)
    answer = await gate.send(gate.world.browser("alice"), name)
    assert answer.status_code == 409
    assert words in answer.text
    assert (asked(gate, name), left(gate)) == (None, [])
    monkeypatch.undo()
    assert (await gate.send(gate.world.browser("alice"), name)).status_code == 303


# Forms.


class Kept(Arriving):
    """What would be kept, in memory."""

    def __init__(self) -> None:
        self.name, self.paths, self.left_out = "0" * 32, [], []
        self.data: dict[str, bytes] = {}

    def begin(self, path: str) -> bool:
        self.paths.append(path)
        self.data[path] = b""
        return True

    def write(self, data: bytes) -> None:
        self.data[self.paths[-1]] += data

    def finish(self) -> None:
        self.data[self.paths[-1]] += b"."


def good(token: str) -> None:
    if token != "t":
        raise TREError(Reason.NotPermitted, "No.")


def part(head: str, body: bytes) -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + body + b"\r\n"


TOKEN = part('name="csrf"', b"t")
FILE = part('name="file"; filename="a.py"', b"one\r\n--x\r\n")
END = f"--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_form_is_read_whatever_pieces_it_comes_in(size: int) -> None:
    kept = Kept()
    form = UploadForm(TYPE, good, kept)
    body = TOKEN + part('name="folder"', b"/deep//er/") + FILE + part('name="file"; filename=""', b"") + END
    for start in range(0, len(body), size):
        form.feed(body[start : start + size])
    form.finish()
    assert kept.data == {"deep/er/a.py": b"one\r\n--x\r\n."}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (FILE + TOKEN + END, Reason.NotPermitted),  # the token comes too late
        (part('name="csrf"', b"wrong") + FILE + END, Reason.NotPermitted),
        (part('name="csrf"; filename="x"', b"t") + FILE + END, Reason.NotPermitted),
        (END, Reason.NotPermitted),
        (TOKEN + FILE, Reason.BadInput),  # broken off
        (TOKEN + FILE[:-9], Reason.BadInput),
        (TOKEN + TOKEN + FILE + END, Reason.BadInput),
        (TOKEN + part('name="folder"', b"x" * 5000) + FILE + END, Reason.BadInput),
        (TOKEN + b"".join(part(f'name="f{n}"', b"") for n in range(50)) + FILE + END, Reason.BadInput),
        (TOKEN + part('name="file"; x="' + "y" * 100_000 + '"', b"") + END, Reason.BadInput),
        (b"no form at all", Reason.BadInput),
    ],
)
def test_a_form_that_is_none_keeps_nothing_unproven(body: bytes, reason: Reason) -> None:
    kept = Kept()
    with pytest.raises(TREError) as refused:  # noqa: PT012 - either step may refuse
        form = UploadForm(TYPE, good, kept)
        form.feed(body)
        form.finish()
    assert refused.value.reason is reason
    assert reason is Reason.BadInput or kept.data == {}


@pytest.mark.parametrize(
    "kind", ["", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain; boundary=xx"]
)
def test_another_type_of_body_is_a_form_without_a_token(kind: str) -> None:
    with pytest.raises(TREError) as refused:
        UploadForm(kind, good, Kept())
    assert refused.value.reason is Reason.NotPermitted


async def test_a_token_of_another_session_keeps_nothing(gate: Gate) -> None:
    name = await gate.begin()
    other = await gate.world.browser("bob").token()
    answer = await gate.send(gate.world.browser("alice"), name, csrf=other)
    assert answer.status_code == 403
    assert "out of date" in answer.text
    assert (asked(gate, name), left(gate)) == (None, [])


async def test_a_session_that_ended_meanwhile_asks_nothing(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    name, alice = await gate.begin(), gate.world.browser("alice")
    seal = Arriving.seal

    def slow(self: Arriving) -> None:
        gate.world.clock.advance(30 * 86400)
        seal(self)

    monkeypatch.setattr(Arriving, "seal", slow)
    answer = await gate.send(alice, name)
    assert answer.status_code == 401
    assert (asked(gate, name), left(gate)) == (None, [])


# How much, and how long.


class Sender:
    """A request by hand: its body in pieces, with or without a stated length."""

    def __init__(self, browser: Browser, name: str, token: str) -> None:
        self.browser, self.name, self.token = browser, name, token

    def pieces(self, count: int, size: int = 2**20) -> AsyncIterator[bytes]:
        async def made() -> AsyncIterator[bytes]:
            yield part('name="csrf"', self.token.encode())
            yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="big.csv"\r\n\r\n'.encode()
            for _ in range(count):
                yield b"0" * size
            yield b"\r\n" + END

        return made()

    async def send(self, body: AsyncIterator[bytes], path: str = "", **headers: str) -> httpx.Response:
        sent = self.browser.same_origin() | {"Content-Type": TYPE} | headers
        return await self.browser.send(
            "POST", path or f"/imports/{self.name}/files", "desk", content=body, headers=sent
        )


async def sender(gate: Gate) -> Sender:
    browser = gate.world.browser("alice")
    return Sender(browser, await gate.begin(), await browser.token())


async def test_a_body_without_a_length_is_taken_up_to_the_bound(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tuple((verb, path, 4 * 2**20) for verb, path, _ in guard.LARGER)
    monkeypatch.setattr("tre.portal.applications.LARGER", small)
    from tre.portal.applications import portal_switch

    gate.world.portal = portal_switch(gate.world.desk, gate.world.live)
    by_hand = await sender(gate)
    assert (await by_hand.send(by_hand.pieces(3))).status_code == 303
    gate.answer()
    refused = await by_hand.send(by_hand.pieces(5))
    assert refused.status_code == 413
    assert left(gate) == []
    stated = await by_hand.send(by_hand.pieces(1), **{"Content-Length": str(4 * 2**20 + 1)})
    assert stated.status_code == 413


async def test_other_addresses_keep_the_small_bound(gate: Gate) -> None:
    by_hand = await sender(gate)
    of_one = ("", "/submit", "/files/x", "/files/../submit")
    for path in ("/imports", "/imports/i-x/files", *(f"/imports/{by_hand.name}{rest}" for rest in of_one)):
        assert (await by_hand.send(by_hand.pieces(1), path)).status_code in {400, 404, 405, 413, 422}, path
        announced = await by_hand.send(by_hand.pieces(0), path, **{"Content-Length": "65537"})
        assert announced.status_code == 413, path
    assert asked(gate, by_hand.name) is None


def test_the_bounds_are_what_is_documented() -> None:
    rules = guard.Rules(origin="x", larger=guard.LARGER)
    guarded = guard.Guard(lambda *_: None, rules)  # type: ignore[arg-type]
    name = "i-abcdefghijkl"
    assert guarded._largest("POST", f"/imports/{name}/files") == 257 * 2**20
    assert guarded._largest("POST", f"/imports/{name}/files") <= LARGEST_TO_DESK, "the gateway lets it through"
    assert guarded._largest("PUT", f"/api/v1/imports/{name}/files/a/b.py") == 256 * 2**20
    for verb, path in (("PUT", f"/imports/{name}/files"), ("POST", f"/imports/{name}/files/"), ("POST", "/imports")):
        assert guarded._largest(verb, path) == 64 * 1024
    assert guard._too_large(Headers({"content-length": "-1"}), 10) is not None


async def test_who_stands_still_is_cut_off(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_bodies, "SILENCE_SECONDS", 0.05)
    by_hand = await sender(gate)
    never = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield part('name="csrf"', by_hand.token.encode())
        await never.wait()

    async with asyncio.timeout(20):
        answer = await by_hand.send(stuck())
    assert answer.status_code == 400
    assert "stood still" in answer.text
    assert left(gate) == []


async def test_a_browser_that_goes_away_leaves_nothing(gate: Gate) -> None:
    by_hand = await sender(gate)
    browser = by_hand.browser
    messages = [
        {"type": "http.request", "body": part('name="csrf"', by_hand.token.encode()) + FILE, "more_body": True},
        {"type": "http.disconnect"},
    ]
    headers = browser.same_origin() | {"Content-Type": TYPE, "Host": gate.world.host("desk")}
    headers["Cookie"] = f"{DESK_COOKIE}={browser.cookies('desk')[DESK_COOKIE]}"
    scope = {
        "type": "http", "method": "POST", "path": f"/imports/{by_hand.name}/files", "query_string": b"",
        "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
        "http_version": "1.1", "scheme": "https", "server": ("x", 1), "client": None, "root_path": "",
        "raw_path": b"", "asgi": {"version": "3.0"},
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await gate.world.portal(scope, receive, send)
    assert sent[0]["status"] == 400
    assert left(gate) == []
    assert asked(gate, by_hand.name) is None
