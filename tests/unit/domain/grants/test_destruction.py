"""The certificate of destruction: from the log's events alone, and only for a closed grant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.factories import END, NOON, grant_record
from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.domain.grants.destruction import LIMIT, access_ended, certificate
from tre.domain.grants.states import GrantPhase

DAY = timedelta(days=1)
HOME = {"home": {"files": 12, "bytes": 99}, "finishedAt": "2026-11-05T10:00:00+00:00"}


def happened(kind: str, days: float = 0, **detail: Any) -> Event:
    at = NOON + timedelta(days=days)
    return Event(
        id=f"{abs(hash((kind, days))):032x}"[:32],
        at=at,
        actor=program("controller"),
        kind=kind,
        object="grant/nccid-00123",
        detail=detail,
    )


def removed(name: str, days: float, files: int) -> Event:
    return happened("slice.removed", days, slice=name, receipt={"removed": {"files": files}})


def revoked_grant(**changes: Any) -> Any:
    return grant_record(phase=GrantPhase.Closed, revoked_at=NOON, **changes)


def test_it_says_what_went_when_and_whether_in_time() -> None:
    course = [removed("cxr", 0.1, 7), happened("grant.closed", 5, certificate={"w-2": {"old": 1}, "w-1": HOME})]
    found = certificate(revoked_grant(), course)
    assert (found["accessEnded"], found["daysAfterEnd"], found["inTime"]) == (NOON.isoformat(), 5, True)
    assert [(one["slice"], one["files"]) for one in found["slices"]] == [("cxr", 7)]
    assert [(one["workspace"], one["files"], one["destroyedAt"]) for one in found["homes"]] == [
        ("w-1", 12, HOME["finishedAt"]),
        ("w-2", None, None),
    ]
    assert found["event"] == course[-1].id
    assert found["digest"] == digest({key: value for key, value in found.items() if key != "digest"})


def test_of_a_slice_that_was_built_again_the_last_removal_counts() -> None:
    course = [removed("cxr", 0.1, 7), removed("ct", 0.2, 1), removed("cxr", 0.3, 5)]
    found = certificate(revoked_grant(), [*course, happened("grant.closed", 1, certificate={})])
    assert {one["slice"]: one["files"] for one in found["slices"]} == {"cxr": 5, "ct": 1}


@pytest.mark.parametrize(("after", "in_time"), [(LIMIT, True), (LIMIT + timedelta(seconds=1), False)])
def test_the_limit_is_28_days_after_the_end(after: timedelta, in_time: bool) -> None:
    closed = happened("grant.closed", after / DAY, certificate={})
    assert certificate(revoked_grant(), [closed])["inTime"] is in_time


@pytest.mark.parametrize("revoked", [None, END + DAY])
def test_access_ends_when_the_approval_does(revoked: Any) -> None:
    assert access_ended(grant_record(revoked_at=revoked)) == END


def test_access_ends_when_the_approval_is_withdrawn_before() -> None:
    assert access_ended(grant_record(revoked_at=NOON)) == NOON


@pytest.mark.parametrize(
    ("phase", "course"),
    [(GrantPhase.Revoked, [happened("grant.closed", certificate={})]), (GrantPhase.Closed, [])],
)
def test_there_is_none_before_the_grant_is_closed(phase: GrantPhase, course: list[Event]) -> None:
    with pytest.raises(TREError) as refused:
        certificate(grant_record(phase=phase), course)
    assert refused.value.reason is Reason.StateForbids
