"""What the gateway knows, as the stream tells it."""

from __future__ import annotations

import pytest

from tests.unit.gateway.world import ALICE, GRANT, WORKSPACE, grant_message, route_message, utc
from tre.domain.errors import Reason
from tre.gateway.decisions import LEAD, Moment, Session, decide
from tre.gateway.table import StreamError, Table

SESSION = Session("s1", ALICE, "Alice", utc(hours=8))
AT = Moment(utc(), 100.0)
ROUTE = route_message(socket="/run/lab.sock")


def synced(at: Moment = AT) -> Table:
    table = Table(60)
    for message in ({"type": "reset"}, grant_message(), ROUTE, {"type": "synced"}):
        table.apply(message, at)
    return table


def reason(table: Table, at: Moment = AT) -> Reason:
    return decide(table.standing(WORKSPACE, SESSION), SESSION, at).reason


def test_nothing_is_known_before_the_first_whole_picture() -> None:
    table = Table(60)
    for message in ({"type": "reset"}, grant_message(), ROUTE):
        assert table.apply(message, AT) == frozenset()
    assert reason(table) is Reason.StreamStale
    assert table.apply({"type": "synced"}, AT) is None
    assert reason(table) is Reason.Entitled


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (grant_message(phase="Revoked", revokedAt="2026-01-01T00:00:00Z"), Reason.GrantRevoked),
        ({"type": "grant-gone", "name": GRANT}, Reason.GrantNotFound),
        ({"type": "route-gone", "workspace": WORKSPACE}, Reason.NotPermitted),
        (route_message(phase="Stopping", reason="Requested"), Reason.Requested),
        ({"type": "ending", "workspace": WORKSPACE, "reason": "MemberRemoved"}, Reason.MemberRemoved),
        ({"type": "ending", "workspace": WORKSPACE, "reason": "Unheard"}, Reason.StateForbids),
        ({"type": "session-revoked", "session": "s1"}, Reason.LoginRequired),
        ({"type": "grant", "record": {"name": GRANT, "unreadable": 1}}, Reason.GrantNotFound),
        ({"type": "route", "record": {"workspace": WORKSPACE, "unreadable": 1}}, Reason.NotPermitted),
    ],
)
def test_a_change_ends_access_and_names_whom_it_touches(message: dict[str, object], expected: Reason) -> None:
    table = synced()
    assert table.apply(message, AT) == frozenset({WORKSPACE})
    assert reason(table) is expected


@pytest.mark.parametrize(
    "message",
    [
        {"type": "grant"},
        {"type": "grant", "record": {"spec": {}}},
        {"type": "route", "record": []},
        {"type": "route-gone"},
        {"type": "news"},
        {},
    ],
)
def test_what_names_nothing_breaks_the_stream(message: dict[str, object]) -> None:
    with pytest.raises(StreamError):
        synced().apply(message, AT)


def test_synced_without_a_beginning_breaks_the_stream() -> None:
    with pytest.raises(StreamError):
        synced().apply({"type": "synced"}, AT)


def test_the_old_picture_decides_while_a_new_one_is_filled() -> None:
    table = synced()
    table.apply({"type": "reset"}, AT)
    table.apply(grant_message(phase="Expired"), AT)
    assert reason(table) is Reason.Entitled
    table.apply({"type": "synced"}, AT)
    assert reason(table) is Reason.NotPermitted  # the new picture has no such workspace


def test_a_broken_refill_changes_nothing() -> None:
    table = synced()
    table.apply({"type": "reset"}, AT)
    table.lost()
    assert reason(table) is Reason.Entitled


def test_an_ending_is_heeded_during_a_refill_and_survives_it() -> None:
    table = synced()
    table.apply({"type": "reset"}, AT)
    table.apply({"type": "ending", "workspace": WORKSPACE, "reason": "GrantSuspended"}, AT)
    assert reason(table) is Reason.GrantSuspended
    for message in (grant_message(), ROUTE, {"type": "synced"}):
        table.apply(message, AT)
    assert reason(table) is Reason.GrantSuspended


def test_an_ending_is_of_one_run() -> None:
    table = synced()
    table.apply({"type": "ending", "workspace": WORKSPACE, "reason": "Requested"}, AT)
    assert reason(table) is Reason.Requested
    table.apply(ROUTE, AT)
    assert reason(table) is Reason.Requested  # the same run, told late
    table.apply(route_message(socket="/run/lab.sock", instance=2), AT)
    assert reason(table) is Reason.Entitled


def test_beats_keep_the_picture_good_and_a_refill_does_not() -> None:
    table = synced()
    later = Moment(AT.now, 159.0)
    assert table.apply({"type": "beat"}, later) == frozenset()
    assert table.trusted_until == 219.0
    table.apply({"type": "reset"}, Moment(AT.now, 200.0))
    table.apply(grant_message(), Moment(AT.now, 218.0))
    assert table.trusted_until == 219.0
    assert reason(table, Moment(AT.now, 219.0)) is Reason.StreamStale


def test_the_end_is_kept_on_the_boot_time_clock_from_the_first_sight() -> None:
    table = synced()
    first = table.standing(WORKSPACE, None).boottime_end
    assert first == pytest.approx(100 + 5 * 3600, abs=2)
    table.apply(ROUTE, Moment(utc(hours=-3), 200.0))  # the wall clock was set back
    assert table.standing(WORKSPACE, None).boottime_end == first


def test_an_earlier_boot_time_end_of_the_controller_holds() -> None:
    table = synced()
    table.apply(route_message(socket="/run/lab.sock", boottimeEndMs=150_000), AT)
    assert table.standing(WORKSPACE, None).boottime_end == 150.0
    assert reason(table, Moment(AT.now, 150.0 - LEAD)) is Reason.GrantExpired
