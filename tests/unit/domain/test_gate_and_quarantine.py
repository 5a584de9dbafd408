"""What the gate says of a file, and what a person decides about one that waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tre.domain.errors import Reason, TREError
from tre.domain.gate import GateReason, Verdict, verdict_of
from tre.domain.people import Subject
from tre.domain.quarantine import (
    LOOKED_AT_WITHIN,
    Decision,
    QuarantinedFile,
    QuarantineState,
    check_seen,
    decide,
    decision_event,
    kept,
)

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MANAGER = Subject(issuer="local", id="dora")
REFUSES = GateReason("birth-date", "PatientBirthDate", "must be empty or the first of January")
WAITS = GateReason("free-text", "StudyDescription", "holds words", refuses=False)
OTHER = GateReason("image-type", "ImageType", "not an original", refuses=False)


def waiting(*reasons: GateReason) -> QuarantinedFile:
    return QuarantinedFile(
        dataset="demo",
        sha256="ab" * 32,
        pseudonym="Covid1",
        path="training/xray/a.dcm",
        kind="image",
        bytes=10,
        reasons=kept(reasons or (WAITS,)),
        found_at=NOW,
    )


def test_the_severest_reason_decides() -> None:
    assert verdict_of(()) is Verdict.passed
    assert verdict_of([WAITS]) is Verdict.quarantine
    assert verdict_of([WAITS, REFUSES]) is Verdict.refuse


def test_a_reason_is_printed_in_three_parts_and_known_by_two() -> None:
    assert WAITS.as_plain() == {"rule": "free-text", "attribute": "StudyDescription", "message": "holds words"}
    assert kept((WAITS,))[0].key == WAITS.key == ("free-text", "StudyDescription")


def test_a_decision_is_kept_with_who_when_and_why() -> None:
    done = decide(waiting(), Decision(QuarantineState.released, MANAGER, NOW, " harmless "))
    assert (done.state, done.decided_by, done.decided_at, done.reason) == ("released", MANAGER, NOW, "harmless")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001, "two\nlines", "\u202eback to front"])
def test_a_decision_without_a_reason_is_none(reason: str) -> None:
    with pytest.raises(TREError) as caught:
        decide(waiting(), Decision(QuarantineState.rejected, MANAGER, NOW, reason))
    assert caught.value.reason is Reason.BadInput


def test_waiting_is_no_decision_and_nobody_decides_twice() -> None:
    with pytest.raises(TREError) as caught:
        decide(waiting(), Decision(QuarantineState.waiting, MANAGER, NOW, "later"))
    assert caught.value.reason is Reason.BadInput
    done = decide(waiting(), Decision(QuarantineState.rejected, MANAGER, NOW, "no"))
    with pytest.raises(TREError) as caught:
        decide(done, Decision(QuarantineState.released, MANAGER, NOW, "yes after all"))
    assert caught.value.reason is Reason.StateForbids


def test_a_released_file_comes_in_with_the_reasons_that_were_seen_and_no_other() -> None:
    file = waiting(WAITS)
    assert not file.lets_in((WAITS,))
    released = decide(file, Decision(QuarantineState.released, MANAGER, NOW, "harmless"))
    assert released.lets_in((WAITS,))
    assert released.lets_in(())
    assert not released.lets_in((WAITS, OTHER))
    assert not decide(file, Decision(QuarantineState.rejected, MANAGER, NOW, "no")).lets_in((WAITS,))


def test_a_mark_says_what_a_file_waits_for_and_nothing_else() -> None:
    file = waiting(WAITS, OTHER)
    for same in (waiting(OTHER, WAITS), file.model_copy(update={"path": "elsewhere", "found_at": NOW + timedelta(1)})):
        assert same.mark == file.mark
        check_seen(file, same.mark)
    for other in (waiting(WAITS), file.model_copy(update={"sha256": "cd" * 32})):
        with pytest.raises(TREError) as caught:
            check_seen(file, other.mark)
        assert caught.value.reason is Reason.Conflict


def test_who_waits_for_too_long_is_late_until_somebody_decides() -> None:
    file = waiting()
    assert file.due_at == NOW + LOOKED_AT_WITHIN
    assert not file.is_late(file.due_at - timedelta(seconds=1))
    assert file.is_late(file.due_at)
    assert not decide(file, Decision(QuarantineState.rejected, MANAGER, NOW, "no")).is_late(file.due_at)


def test_a_decision_is_one_event_that_names_all_its_files() -> None:
    decision = Decision(QuarantineState.released, MANAGER, NOW, " harmless ")
    one = decision_event("demo", ["b", "a", "b"], decision, "0" * 32)
    assert (one.kind, one.object, one.actor, one.at) == ("quarantine.released", "dataset/demo", MANAGER, NOW)
    assert (one.detail["files"], one.detail["reason"]) == (2, "harmless")
    assert decision_event("demo", ["a", "b"], decision, "0" * 32) == one
    assert decision_event("demo", ["a"], decision, "0" * 32).detail["digest"] != one.detail["digest"]
    for named, reason, due in ((["a"], " ", Reason.BadInput), ([], "harmless", Reason.ObjectNotFound)):
        with pytest.raises(TREError) as caught:
            decision_event("demo", named, Decision(QuarantineState.released, MANAGER, NOW, reason), "0" * 32)
        assert caught.value.reason is due
