"""Cookies and tickets: what they are good for, and that they are good for nothing else."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.gateway.world import ALICE, KEY, utc
from tre.domain.clock import ManualClock
from tre.domain.errors import TREError
from tre.gateway.decisions import Session
from tre.gateway.sessions import (
    TICKET_SECONDS,
    CookieKind,
    LabTickets,
    Sessions,
    Signer,
    as_value,
    create_session_key,
    from_value,
    read_session_key,
)

NOW = utc()
SESSION = Session("s1", ALICE, "Alice Ærø", NOW + timedelta(hours=8))
A, B = "w-aaaaaaaaaaaa.lab.tre.localhost", "w-bbbbbbbbbbbb.lab.tre.localhost"


def read(cookie: str, kind: CookieKind = CookieKind.lab, host: str = A, *, later: float = 0) -> Session | None:
    clock = ManualClock(NOW)
    clock.advance(later)
    request = make_mocked_request("GET", "/", headers={"Cookie": cookie})
    return Sessions(Signer(KEY), clock).read(request, kind, host)


def cookie_of(kind: CookieKind = CookieKind.lab, host: str = A) -> str:
    response = web.Response()
    Sessions(Signer(KEY), ManualClock(NOW)).set(response, kind, host, SESSION)
    return response.cookies[kind.cookie_name].OutputString()


def test_a_cookie_gives_its_session_back_on_its_host() -> None:
    assert read(cookie_of().partition(";")[0]) == SESSION


def test_a_cookie_of_one_workspace_is_worthless_on_another() -> None:
    cookie = cookie_of().partition(";")[0]
    assert read(cookie, host=A) == SESSION
    assert read(cookie, host=B) is None


def test_the_shells_cookie_does_not_open_the_lab() -> None:
    value = cookie_of(CookieKind.shell).partition(";")[0].partition("=")[2]
    assert read(f"{CookieKind.shell.cookie_name}={value}", CookieKind.shell) == SESSION
    assert read(f"{CookieKind.lab.cookie_name}={value}", CookieKind.lab) is None


def test_a_cookie_ends_with_its_session() -> None:
    cookie = cookie_of().partition(";")[0]
    assert read(cookie, later=8 * 3600 - 1) == SESSION
    assert read(cookie, later=8 * 3600) is None


class CountingSigner(Signer):
    """Counts what it was asked to open."""

    asked = 0

    def open(self, purpose: str, host: str, sealed: str) -> dict[str, Any] | None:
        self.asked += 1
        return super().open(purpose, host, sealed)


def test_a_remembered_cookie_is_good_for_no_more_and_no_longer() -> None:
    clock, signer = ManualClock(NOW), CountingSigner(KEY)
    sessions = Sessions(signer, clock)
    value = cookie_of().partition(";")[0].partition("=")[2]

    def read_here(value: str, kind: CookieKind = CookieKind.lab, host: str = A) -> Session | None:
        request = make_mocked_request("GET", "/", headers={"Cookie": f"{kind.cookie_name}={value}"})
        return sessions.read(request, kind, host)

    assert [read_here(value) for _ in range(3)] == [SESSION] * 3
    assert signer.asked == 1
    changed = value[:-1] + ("A" if value[-1] != "A" else "E")
    for _ in range(2):  # what is worthless is looked at each time
        assert read_here(value, host=B) is None
        assert read_here(value, CookieKind.shell) is None
        assert read_here(changed) is None
    assert signer.asked == 7
    clock.advance(8 * 3600 - 1)
    assert read_here(value) == SESSION
    clock.advance(1)
    assert read_here(value) is None
    assert signer.asked == 7


@pytest.mark.parametrize(("kind", "same_site"), [(CookieKind.shell, "Lax"), (CookieKind.lab, "Strict")])
def test_cookie_attributes(kind: CookieKind, same_site: str) -> None:
    text = cookie_of(kind)
    assert text.startswith("__Host-tre-")
    assert {"Secure", "HttpOnly", "Path=/", f"SameSite={same_site}"} <= set(text.split("; "))
    assert "Domain" not in text


@given(position=st.integers(min_value=0, max_value=10_000), bit=st.integers(min_value=0, max_value=5))
def test_no_changed_cookie_is_read(position: int, bit: int) -> None:
    sealed = Signer(KEY).seal("lab", A, as_value(SESSION))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    place = position % len(sealed)
    other = alphabet[(alphabet.index(sealed[place]) + 1 + bit) % len(alphabet)]
    changed = sealed[:place] + other + sealed[place + 1 :]
    opened = Signer(KEY).open("lab", A, changed)
    assert opened is None


@given(text=st.text(max_size=200))
def test_no_made_up_cookie_is_read(text: str) -> None:
    assert Signer(KEY).open("lab", A, text) is None


def test_another_key_reads_nothing() -> None:
    sealed = Signer(KEY).seal("lab", A, as_value(SESSION))
    assert Signer(KEY).open("lab", A, sealed) == as_value(SESSION)
    assert Signer(bytes(32)).open("lab", A, sealed) is None


def test_a_session_survives_sealing() -> None:
    assert from_value(as_value(SESSION)) == SESSION


def test_a_ticket_is_good_once() -> None:
    tickets = LabTickets(Signer(KEY), ManualClock(NOW))
    ticket = tickets.mint(SESSION, A)
    assert tickets.redeem(ticket, A) == SESSION
    assert tickets.redeem(ticket, A) is None


def test_a_ticket_is_for_one_host() -> None:
    tickets = LabTickets(Signer(KEY), ManualClock(NOW))
    ticket = tickets.mint(SESSION, A)
    assert tickets.redeem(ticket, B) is None
    assert tickets.redeem(ticket, A) == SESSION


@pytest.mark.parametrize(("age", "good"), [(TICKET_SECONDS - 1, True), (TICKET_SECONDS, False)])
def test_a_ticket_ages(age: float, good: bool) -> None:
    clock = ManualClock(NOW)
    tickets = LabTickets(Signer(KEY), clock)
    ticket = tickets.mint(SESSION, A)
    clock.advance(age)
    assert (tickets.redeem(ticket, A) is not None) is good


def test_tickets_of_before_a_restart_are_refused() -> None:
    clock = ManualClock(NOW)
    ticket = LabTickets(Signer(KEY), clock).mint(SESSION, A)
    clock.advance(1)
    assert LabTickets(Signer(KEY), clock).redeem(ticket, A) is None


def test_a_cookie_is_no_ticket() -> None:
    tickets = LabTickets(Signer(KEY), ManualClock(NOW))
    assert tickets.redeem(Signer(KEY).seal("lab", A, as_value(SESSION)), A) is None


def test_the_key_file_is_private_and_kept(tmp_path: Path) -> None:
    path = create_session_key(tmp_path)
    key = read_session_key(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(key) == 32
    create_session_key(tmp_path)
    assert read_session_key(tmp_path) == key


def test_a_missing_or_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TREError):
        read_session_key(tmp_path)
    (tmp_path / "gateway-session.key").write_bytes(b"short")
    with pytest.raises(TREError):
        read_session_key(tmp_path)
