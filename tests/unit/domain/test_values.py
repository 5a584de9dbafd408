"""The smaller parts of the domain: transitions, events, amounts, people, clocks, errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tre.domain.canonical import canonical_bytes
from tre.domain.clock import Clock, ManualClock
from tre.domain.errors import Reason, TREError
from tre.domain.events import SYSTEM_ISSUER, Event, program
from tre.domain.people import LOCAL_ISSUER, Person, Role, Subject
from tre.domain.quantities import format_bytes, parse_bytes, parse_hourly_bytes
from tre.domain.transitions import Edge, TransitionTable
from tre.system.clock import SystemClock

NOW = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


# Transitions


class Light(StrEnum):
    red = "red"
    green = "green"
    off = "off"


LIGHTS = TransitionTable(
    kind="light",
    initial=Light.red,
    edges=(
        Edge(Light.red, Light.green, "timer", "a minute passed"),
        Edge(Light.green, Light.red, "timer", "a minute passed"),
        Edge(Light.red, Light.off, "operator", "switches off"),
    ),
)


def test_a_state_changes_along_an_edge_only() -> None:
    assert LIGHTS.targets(Light.red) == {Light.green, Light.off}
    for source in Light:
        for target in Light:
            allowed = any((edge.source, edge.target) == (source, target) for edge in LIGHTS.edges)
            assert LIGHTS.can(source, target) is allowed
            if allowed:
                LIGHTS.check(source, target)
                continue
            with pytest.raises(TREError, match=f"Light: it cannot go from {source} to {target}") as caught:
                LIGHTS.check(source, target)
            assert caught.value.reason is Reason.StateForbids


def test_a_refusal_says_where_one_can_go() -> None:
    with pytest.raises(TREError) as caught:
        LIGHTS.check(Light.red, Light.red)
    assert caught.value.why == "From red it can go to green, off."
    with pytest.raises(TREError) as caught:
        LIGHTS.check(Light.off, Light.red)
    assert "final state" in caught.value.why


def test_final_states_are_those_that_nothing_leaves() -> None:
    assert [state for state in Light if LIGHTS.is_final(state)] == [Light.off]


def test_the_diagram_shows_what_is_enforced() -> None:
    assert LIGHTS.mermaid() == (
        "stateDiagram-v2\n"
        "    [*] --> red\n"
        "    red --> green: timer, a minute passed\n"
        "    green --> red: timer, a minute passed\n"
        "    red --> off: operator, switches off\n"
        "    off --> [*]"
    )


# Events


def event(**changes: Any) -> Event:
    values: dict[str, Any] = {
        "id": "0" * 32,
        "at": NOW,
        "actor": {"issuer": "local", "id": "alice"},
        "kind": "grant.revoked",
        "object": "grant/nccid-00123",
    }
    return Event.model_validate(values | changes)


def test_the_leaf_of_an_event_is_its_canonical_form() -> None:
    made = event(detail={"b": 1, "a": [None]})
    assert made.leaf() == canonical_bytes(made.as_plain())
    assert made.leaf() == (
        b'{"actor":{"id":"alice","issuer":"local"},"at":"2026-11-01T10:00:00Z","detail":{"a":[null],"b":1},'
        b'"id":"00000000000000000000000000000000","kind":"grant.revoked","object":"grant/nccid-00123"}'
    )


def test_the_same_moment_in_another_zone_is_the_same_leaf() -> None:
    assert event(at=NOW.astimezone(timezone(timedelta(hours=9)))).leaf() == event().leaf()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", "0" * 31),
        ("id", "0" * 33),
        ("id", "A" * 32),
        ("id", "0" * 32 + "\n"),
        ("kind", "revoked"),
        ("kind", "Grant.revoked"),
        ("kind", "grant.revoked.again"),
        ("kind", "grant."),
        ("kind", "-grant.revoked"),
        ("kind", "grant.revoked\n"),
        ("kind", "a" * 80 + ".b"),
        ("object", ""),
        ("object", "a\nb"),
        ("object", "a" * 601),
        ("at", "2026-11-01T10:00:00"),
        ("actor", {"issuer": "", "id": "alice"}),
        ("actor", "alice"),
        ("detail", []),
        ("more", 1),
    ],
)
def test_an_event_that_is_none_is_refused(key: str, value: Any) -> None:
    assert event()
    with pytest.raises(ValidationError):
        event(**{key: value})


@pytest.mark.parametrize("kind", ["grant.revoked", "workspace-home.closed-early", "a.b"])
def test_kinds_of_events(kind: str) -> None:
    assert event(kind=kind).kind == kind


def test_a_float_in_the_detail_has_no_leaf() -> None:
    for value in (0.5, float("nan")):
        with pytest.raises(TREError, match="floating-point"):
            event(detail={"a": value}).leaf()


def test_a_program_is_never_a_person() -> None:
    assert program("controller") == Subject(issuer=SYSTEM_ISSUER, id="controller")
    assert program("alice") != Subject(issuer=LOCAL_ISSUER, id="alice")


# Amounts


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("1", 1),
        ("4096", 4096),
        ("1Ki", 1024),
        ("20Mi", 20 * 2**20),
        ("2Gi", 2**31),
        ("1Ti", 2**40),
        ("007", 7),
    ],
)
def test_amounts_as_people_write_them(text: str, amount: int) -> None:
    assert parse_bytes(text) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Mi",
        "2G",
        "2GB",
        "2gi",
        "-1",
        "+1",
        "1.5Gi",
        " 1",
        "1 ",
        "1Mi\n",
        "1 Mi",
        "1e3",
        "\u0661Mi",
        "1" * 16,
        "0x10",
        "1_000",
    ],
)
def test_a_guessed_amount_is_no_amount(text: str) -> None:
    with pytest.raises(TREError, match="not an amount") as caught:
        parse_bytes(text)
    assert caught.value.reason is Reason.BadInput


@given(st.integers(0, 10**15 - 1), st.sampled_from(["", "Ki", "Mi", "Gi", "Ti"]))
def test_an_amount_survives_writing_and_reading(number: int, suffix: str) -> None:
    amount = parse_bytes(f"{number}{suffix}")
    if amount < 10**15 or amount % 1024 == 0:
        assert parse_bytes(format_bytes(amount)) == amount


def test_the_shortest_exact_spelling() -> None:
    assert [format_bytes(item) for item in (0, 1, 1023, 1024, 1025, 2**20, 3 * 2**30, 2**40, 2**50)] == [
        "0",
        "1",
        "1023",
        "1Ki",
        "1025",
        "1Mi",
        "3Gi",
        "1Ti",
        "1024Ti",
    ]


def test_budgets_are_by_the_hour() -> None:
    assert parse_hourly_bytes("20Mi/h") == 20 * 2**20


@pytest.mark.parametrize("text", ["20Mi", "20Mi/", "20Mi/d", "20Mi/h/h", "/h", "20Mi /h", ""])
def test_a_budget_without_its_hour_is_none(text: str) -> None:
    with pytest.raises(TREError) as caught:
        parse_hourly_bytes(text)
    assert caught.value.reason is Reason.BadInput


# People


def test_a_subject_is_compared_exactly() -> None:
    alice = Subject(issuer="local", id="alice")
    assert alice.key == ("local", "alice")
    assert str(alice) == "local:alice"
    for other in (Subject(issuer="local", id="Alice"), Subject(issuer="Local", id="alice")):
        assert other != alice
    assert Subject(issuer="a", id="b:c") != Subject(issuer="a:b", id="c")  # though they read alike


@pytest.mark.parametrize("value", ["", " alice", "alice\n", "x" * 256, True, 7])
def test_a_subject_is_one_line(value: Any) -> None:
    with pytest.raises(ValidationError):
        Subject(issuer="local", id=value)
    with pytest.raises(ValidationError):
        Subject(issuer=value, id="alice")


def test_a_person_holds_the_roles_given() -> None:
    person = Person(subject=Subject(issuer="local", id="a"), display_name="Ann", roles=frozenset({Role.checker}))
    assert [role for role in Role if person.holds(role)] == [Role.checker]
    assert not Person(subject=person.subject, display_name="Ann").roles


# Clocks


def test_time_passes_on_both_clocks_and_jumps_on_one() -> None:
    clock = ManualClock(NOW.astimezone(timezone(timedelta(hours=3))))
    assert (clock.now(), clock.boottime()) == (NOW, 0.0)
    assert clock.now().tzinfo is UTC
    clock.advance(90)
    assert (clock.now(), clock.boottime()) == (NOW + timedelta(seconds=90), 90.0)
    clock.jump(NOW - timedelta(days=365))
    assert (clock.now(), clock.boottime()) == (NOW - timedelta(days=365), 90.0)


def test_the_machines_clock_is_a_clock_too() -> None:
    clock: Clock = SystemClock()
    before = datetime.now(tz=UTC)
    assert before <= clock.now() <= datetime.now(tz=UTC)
    assert clock.boottime() <= clock.boottime()


# Errors


def test_an_error_says_what_why_and_what_to_do() -> None:
    error = TREError(Reason.HomeFull, "The home is full.", why="It holds 10 GiB.", remedy="Delete something.")
    assert str(error) == "The home is full. It holds 10 GiB. Delete something."
    assert error.lines() == ["The home is full.", "why: It holds 10 GiB.", "what to do: Delete something."]
    assert error.as_dict() == {
        "reason": "HomeFull",
        "what": "The home is full.",
        "why": "It holds 10 GiB.",
        "remedy": "Delete something.",
    }


def test_an_error_leaves_out_what_is_not_known() -> None:
    error = TREError(Reason.Conflict, "Twice.")
    assert (str(error), error.lines()) == ("Twice.", ["Twice."])


def test_reasons_are_spelled_alike_everywhere_and_in_order() -> None:
    names = [reason.name for reason in Reason]
    assert [reason.value for reason in Reason] == names
    assert names == sorted(names)
    assert all(name.isalnum() and name[0].isupper() for name in names)
