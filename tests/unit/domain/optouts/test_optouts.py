"""Lists read strictly, counts confirmed by the right people, and steps that cannot be skipped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.domain.errors import Reason, TREError
from tre.domain.optouts.batches import (
    Batch,
    Counted,
    batch_actions,
    can_confirm,
    check_cancel,
    check_confirmation,
    needs_second_person,
    takes_most,
)
from tre.domain.optouts.lists import MOST_BYTES, ListKind, deepest, read_list, select
from tre.domain.optouts.states import AT_WORK, BATCH_TRANSITIONS, ENDED, WAITING, BatchState
from tre.domain.people import Subject
from tre.domain.withdrawals import MEANINGS, WithdrawalLevel

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ANNA, BEN = Subject(issuer="local", id="anna"), Subject(issuer="local", id="ben")
L, K, S = WithdrawalLevel, ListKind, BatchState


def counted(people: int, patients: int = 1000) -> Counted:
    return Counted(people=people, patients=patients, listed=people, unknown=0, already=0)


def batch(**changes: Any) -> Batch:
    values: dict[str, Any] = {
        "id": "0" * 32,
        "dataset": "demo",
        "state": S.Proposed,
        "kind": K.withdraw,
        "level": L.no_use,
        "source": "site",
        "list_digest": "sha256:" + "0" * 64,
        "counted": counted(3),
        "proposed_by": ANNA,
        "proposed_at": NOW,
        "changed_at": NOW,
        "reason": Reason.AwaitingConfirmation,
    }
    return Batch.model_validate(values | changes)


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("Covid1\nCovid2\n", {"Covid1": L.no_use, "Covid2": L.no_use}),
        ("pseudonym\nCovid1\n\n", {"Covid1": L.no_use}),
        ("\ufeffPatient ID,level\r\nA1,erase\r\nB1,\r\nC1", {"A1": L.erase, "B1": L.no_use, "C1": L.no_use}),
        ("reason,pseudonym\nhe is ill,Covid1\n", {"Covid1": L.no_use}),
        ("pseudonym,level\nCovid1,no_new\nCovid1,erase\nCovid1,no_use\n", {"Covid1": L.erase}),
    ],
)  # fmt: skip
def test_lists_that_are_understood(text: str, people: dict[str, L]) -> None:
    assert dict(read_list(text.encode(), K.withdraw, L.no_use).people) == people


def test_what_is_not_read_is_counted_and_goes_no_further() -> None:
    found = read_list(b"reason,pseudonym,level\nSecretIllness,Covid1,erase\nx,Covid1,erase\n", K.withdraw, L.no_use)
    assert (found.columns_not_read, found.repeated) == (1, 1)
    assert "SecretIllness" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "", "\n\n", "pseudonym\n", "Covid1,Covid2\n", "pseudonym,patient\nA1,A1\n", "pseudonym,level,level\nA1,,\n",
        "../../etc\n", "pseudonym,level\nCovid1,gone\n", "level,pseudonym\nerase\n", '"Covid1\n', "Covid 1\n",
    ],
)  # fmt: skip
def test_lists_that_are_refused_whole(text: str) -> None:
    with pytest.raises(TREError) as caught:
        read_list(text.encode(), K.withdraw, L.no_use)
    assert caught.value.reason is Reason.BadInput
    assert "etc" not in str(caught.value)


def test_more_lists_that_are_refused() -> None:
    for data, kind in (
        (b"\xff\xfe", K.withdraw),
        (b"a" * (MOST_BYTES + 1), K.withdraw),
        (b"pseudonym,level\nA1,\n", K.keep),
    ):
        with pytest.raises(TREError):
            read_list(data, kind, L.no_use)


def test_a_withdraw_list_concerns_who_is_on_it() -> None:
    listed = {"A1": L.erase, "B1": L.no_use, "C1": L.no_new, "X1": L.no_use}
    found = select(K.withdraw, listed, L.no_use, {"A1", "B1", "C1", "D1"}, {"A1": L.no_use, "B1": L.erase})
    assert found.people == {"A1": L.erase, "C1": L.no_new, "X1": L.no_use}
    assert (found.patients, found.listed, found.unknown, found.already) == (4, 4, 1, 1)


def test_a_keep_list_concerns_everybody_else() -> None:
    found = select(K.keep, {"A1": L.no_use, "X1": L.no_use}, L.erase, {"A1", "B1", "C1"}, {"C1": L.erase})
    assert found.people == {"B1": L.erase}
    assert (found.unknown, found.already) == (1, 1)


def test_a_keep_list_of_strangers_would_withdraw_everybody() -> None:
    with pytest.raises(TREError) as caught:
        select(K.keep, {"X1": L.no_use}, L.no_use, {"A1", "B1"}, {})
    assert caught.value.reason is Reason.BadInput


@given(st.sets(st.sampled_from("abcdefgh"), min_size=1), st.sets(st.sampled_from("abcdefgh")))
def test_the_two_kinds_are_each_others_opposite(listed: set[str], known: set[str]) -> None:
    gone = set(select(K.withdraw, dict.fromkeys(listed, L.no_use), L.no_use, known, {}).people) & known
    try:
        kept = known - set(select(K.keep, dict.fromkeys(listed, L.no_use), L.no_use, known, {}).people)
    except TREError:
        kept = set()
    assert gone == kept


@pytest.mark.parametrize(
    ("people", "patients", "due"),
    [(1, 10, False), (0, 0, False), (2, 200, False), (2, 199, True), (10, 1000, False), (11, 1000, True)],
)  # fmt: skip
def test_who_needs_a_second_person(people: int, patients: int, due: bool) -> None:
    assert needs_second_person(counted(people, patients)) is due


def test_few_people_need_one_person() -> None:
    assert check_confirmation(batch(), ANNA, 3) is S.Accepted


def test_many_people_need_two() -> None:
    many = batch(counted=counted(30))
    assert check_confirmation(many, ANNA, 30) is S.Proposed
    confirmed = many.model_copy(update={"confirmed_by": ANNA})
    assert not can_confirm(confirmed, ANNA)
    with pytest.raises(TREError) as caught:
        check_confirmation(confirmed, ANNA, 30)
    assert caught.value.reason is Reason.NotPermitted
    assert check_confirmation(confirmed, BEN, 30) is S.Accepted
    assert can_confirm(confirmed, BEN)


@pytest.mark.parametrize(
    ("changes", "typed", "reason"),
    [
        ({}, 4, Reason.ConfirmationWrong),
        ({"state": S.Accepted}, 3, Reason.StateForbids),
        ({"counted": None}, 3, Reason.StateForbids),
        ({"counted": counted(0)}, 0, Reason.StateForbids),
    ],
)
def test_confirmations_that_do_not_count(changes: dict[str, Any], typed: int, reason: Reason) -> None:
    with pytest.raises(TREError) as caught:
        check_confirmation(batch(**changes), ANNA, typed)
    assert caught.value.reason is reason


def test_whom_nothing_was_counted_for_nobody_can_confirm() -> None:
    assert not can_confirm(batch(counted=None), ANNA)


@pytest.mark.parametrize("state", list(S))
def test_an_accepted_opt_out_is_not_taken_back(state: BatchState) -> None:
    found = batch(state=state)
    if state in {S.Counting, S.Proposed}:
        check_cancel(found)
        return
    with pytest.raises(TREError):
        check_cancel(found)


def test_every_state_waits_or_ends() -> None:
    assert set(WAITING) == set(S) - ENDED
    assert {state for state in S if BATCH_TRANSITIONS.is_final(state)} == ENDED
    assert all(WAITING[state].owner == "storekeeper" for state in AT_WORK)
    assert set(MEANINGS) == set(L)


def test_the_order_cannot_be_cut_short() -> None:
    work = [S.Accepted, S.Denied, S.Unmounted, S.Swept, S.Held, S.Destroyed, S.Receipted]
    for place, state in enumerate(work):
        later = set(work[place + 2 :])
        assert not BATCH_TRANSITIONS.targets(state) & (later | {S.Cancelled})


def test_clocks() -> None:
    assert batch(state=S.Receipted).due_at is None
    assert not batch(state=S.Receipted).is_late(NOW)
    assert batch(state=S.Accepted).due_at == NOW + timedelta(minutes=10)
    assert batch(state=S.Accepted).is_late(NOW + timedelta(minutes=12))
    held = batch(state=S.Held, hold_until=NOW + timedelta(days=28))
    assert held.due_at == NOW + timedelta(days=28)
    assert not held.is_late(NOW + timedelta(days=27))


def test_the_deeper_level_wins() -> None:
    assert deepest(L.erase, L.no_new) is L.erase
    assert deepest(L.no_new, L.no_use) is L.no_use


def test_what_may_be_done_with_a_list() -> None:
    found = counted(20)
    assert batch_actions(batch(state=S.Counting, counted=None), ANNA) == ["cancel"]
    assert batch_actions(batch(state=S.Proposed, counted=found), ANNA) == ["confirm", "cancel"]
    once = batch(state=S.Proposed, counted=found, confirmed_by=ANNA)
    assert (batch_actions(once, ANNA), batch_actions(once, BEN)) == (["cancel"], ["confirm", "cancel"])
    assert batch_actions(batch(state=S.Accepted, counted=found), BEN) == []


@pytest.mark.parametrize(
    ("people", "patients", "most"), [(50, 100, False), (51, 100, True), (1, 1, True), (0, 0, False)]
)
def test_a_list_that_takes_most_is_asked_about(people: int, patients: int, most: bool) -> None:
    assert takes_most(counted(people, patients)) is most
