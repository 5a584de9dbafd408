"""What a workspace is told of requests and jobs."""

from __future__ import annotations

from datetime import timedelta

from tests.support.factories import ALICE, BOB, NOON
from tre.domain.exports.models import ExportRequest
from tre.domain.exports.states import ExportState, Owner
from tre.domain.workspaces.batch import BatchJob, BatchState
from tre.domain.workspaces.notes import MOST_REQUESTS, notes_for


def request(number: int, state: ExportState = ExportState.Pending) -> ExportRequest:
    moment = NOON + timedelta(minutes=number)
    return ExportRequest(
        id=f"e-{'abcdefghij'[number // 10]}{'abcdefghij'[number % 10]}cdefghijkl",
        grant="g",
        workspace="w",
        author=BOB if number % 2 else ALICE,
        policy="default",
        state=state,
        created_at=moment,
        changed_at=moment + timedelta(days=1),
    )


def test_the_newest_are_told_with_whose_turn_it_is_and_no_date_that_moves() -> None:
    seen = [request(number) for number in range(MOST_REQUESTS + 5)] + [request(99, ExportState.Released)]
    notes = notes_for(ALICE, "Alice Example", seen, ())
    assert len(notes.requests) == MOST_REQUESTS
    first, second = notes.requests[:2]
    assert (first.state, first.turn, first.own, first.begun) == (ExportState.Released, None, False, seen[-1].created_at)
    assert (second.turn, second.own, second.files) == (Owner.author, True, 0)


def test_jobs_are_told_by_number_and_state_alone() -> None:
    job = BatchJob(
        workspace="w-aaaaaaaaaaaa",
        id="0123456789abcdef",
        number=3,
        instance=1,
        state=BatchState.Failed,
        begun_at=NOON,
        changed_at=NOON + timedelta(hours=1),
    )
    assert job.name == "w-aaaaaaaaaaaa.0123456789abcdef"
    (told,) = notes_for(ALICE, "Alice", (), [job]).as_plain()["jobs"]
    assert (told["number"], told["state"]) == (3, "Failed")
    assert set(told) == {"number", "state", "since"}
