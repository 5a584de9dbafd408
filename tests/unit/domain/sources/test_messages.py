"""What REMS says is read strictly, and nothing that comes in between gives access."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.factories import NOON
from tests.support.sources import RESOURCE, entitlement, row, stamp
from tre.domain.errors import Reason, TREError
from tre.domain.sources.messages import Message, read_answer, read_event, read_push
from tre.domain.sources.truth import Withheld


def event(kind: str = "revoked", **changes: Any) -> dict[str, Any]:
    return {
        "event/id": 4711,
        "event/type": f"application.event/{kind}",
        "event/actor": "handler",
        "event/time": "2026-11-24T11:59:59.000Z",
        "application/id": 7,
        "event/application": {"application/state": "whatever"},
    } | changes


def pushed(**changes: Any) -> dict[str, Any]:
    one = {"application": 7, "resource": RESOURCE, "user": "alice", "mail": None, "end": stamp(NOON)}
    return one | changes


def test_an_answer_is_read() -> None:
    found = read_answer([row(), row("bob", end=None)])
    assert found.entitlements == (entitlement(), entitlement("bob", end=None))
    assert found.refused == ()


@pytest.mark.parametrize("user", ["", "a" * 256, "al\nice", " alice", 5, None])
def test_people_whom_nobody_can_name_here_are_left_out_and_told(user: Any) -> None:
    found = read_answer([row(user={"userid": user}), row("bob")])
    assert [one.user for one in found.entitlements] == ["bob"]
    assert [error.reason for error in found.refused] == [Reason.BadInput]


@pytest.mark.parametrize(
    "wrong",
    [
        {"a": 1},
        None,
        "[]",
        ["row"],
        [row(user="alice")],
        [row(start=None)],
        [row(start="yesterday")],
        [row(start=0)],
        [row(**{"application-id": "7"})],
        [row(**{"application-id": True})],
        [row(resource="")],
        [row(), row(end="never")],
    ],
)
def test_an_answer_is_taken_whole_or_not_at_all(wrong: Any) -> None:
    with pytest.raises(TREError) as caught:
        read_answer(wrong)
    assert caught.value.reason is Reason.BadInput


def test_an_answer_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tre.domain.sources.messages.MOST_ROWS", 1)
    assert len(read_answer([row()]).entitlements) == 1
    with pytest.raises(TREError, match="at most 1"):
        read_answer([row(), row("bob")])


@pytest.mark.parametrize("kind", ["closed", "revoked", "rejected", "deleted"])
def test_ends_are_of_the_whole_application(kind: str) -> None:
    assert read_event(event(kind), 3) == Message("event 4711", kind, (Withheld(number=3, application=7),))


def test_a_member_that_left_is_over_alone() -> None:
    left = event("member-removed", **{"application/member": {"userid": "bob"}})
    assert read_event(left, 3).over == (Withheld(number=3, application=7, user="bob"),)
    assert read_event(event("member-removed", **{"application/member": {}}), 3).over == (
        Withheld(number=3, application=7),
    )
    assert read_event(event("member-removed"), 3).over == ()


@pytest.mark.parametrize("kind", ["approved", "resources-changed", "licenses-accepted", "invented"])
def test_other_events_only_have_it_asked(kind: str) -> None:
    assert read_event(event(kind), 3) == Message("event 4711", kind)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        event(**{"event/id": "4711"}),
        event(**{"event/id": True}),
        event(**{"event/id": -1}),
        event(**{"event/id": 2**63}),
        event("\ud800"),
        event("Revoked"),
        event(""),
        event("a" * 61),
        event(**{"event/type": None}),
        event(**{"event/type": "other/revoked"}),
        event(**{"application/id": None}),
        event(**{"application/id": 0}),
        event("member-removed", **{"application/member": {"userid": 7}}),
    ],
)
def test_an_event_of_another_form_is_refused(wrong: Any) -> None:
    with pytest.raises(TREError) as caught:
        read_event(wrong, 1)
    assert caught.value.reason is Reason.BadInput


def test_removal_is_taken_as_a_list_and_alone() -> None:
    over = Withheld(number=3, application=7, resource=RESOURCE, user="alice")
    listed, alone = (read_push(value, 3, NOON, removed=True) for value in ([pushed()], pushed()))
    assert listed == alone
    assert (listed.kind, listed.over) == ("removed", (over,))
    assert listed.identity is not None
    documented = {"application": 7, "resource": RESOURCE, "user": "alice", "email": "a@b"}
    assert read_push(documented, 3, NOON, removed=True) == Message(None, "removed", (over,))


def test_two_removals_are_told_apart_by_their_time() -> None:
    first, later = (read_push(pushed(end=stamp(NOON + timedelta(hours=n))), 3, NOON, removed=True) for n in (0, 1))
    assert first.identity != later.identity


def test_what_was_added_is_asked_for_and_not_believed() -> None:
    coming = pushed(end=stamp(NOON + timedelta(days=1)))
    assert read_push([coming], 3, NOON, removed=False) == Message(None, "added")
    assert read_push(pushed(end=None), 3, NOON, removed=False) == Message(None, "added")


@pytest.mark.parametrize("wrong", [[], [[]], None, "x", {}, pushed(user="a\nb"), pushed(application=-1)])
@pytest.mark.parametrize("removed", [True, False])
def test_a_push_of_another_form_is_refused(wrong: Any, removed: bool) -> None:
    with pytest.raises(TREError) as caught:
        read_push(wrong, 1, NOON, removed=removed)
    assert caught.value.reason is Reason.BadInput


def test_an_end_in_the_past_is_refused() -> None:
    with pytest.raises(TREError, match="has ended"):
        read_push(pushed(end=stamp(NOON)), 1, NOON, removed=False)
