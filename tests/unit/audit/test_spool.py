"""The spool: an ending written once is in the log once, whatever happens between."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event as sqlalchemy_event

from tests.unit.audit.conftest import START, Log
from tre.audit.intake import Intake, SpoolReader, take_in
from tre.audit.spool import MAX_LINE, Spool, TornLineError, decode, encode, make_spool
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.domain.people import Subject
from tre.store.database import new_id
from tre.store.events import EventSearch, append_many, search


def ending(number: int = 0, **changes: Any) -> Event:
    values: dict[str, Any] = {
        "id": new_id(),
        "at": START,
        "actor": program("supervisor"),
        "kind": "workspace.ended",
        "object": f"workspace/w-{number}",
        "detail": {"reason": "DeadlineReached", "text": "ä\n"},
    }
    return Event(**(values | changes))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return make_spool(tmp_path / "endings")


def reader(spool: Path, log: Log, **more: Any) -> SpoolReader:
    return SpoolReader(spool, log.database, log.clock, **more)


def stored(log: Log) -> list[Event]:
    with log.database.read() as connection:
        return [item.event for item in reversed(search(connection, EventSearch(limit=1000)))]


def files(spool: Path) -> list[str]:
    return sorted(path.name for path in spool.iterdir() if not path.name.startswith("."))


def test_what_is_written_is_taken_in_once_and_the_files_go(spool: Path, log: Log) -> None:
    events = [ending(number) for number in range(5)]
    for number, event in enumerate(events):
        Spool(spool, f"writer-{number % 2}").append(event)
    assert files(spool) == ["writer-0.jsonl", "writer-1.jsonl"]
    assert reader(spool, log).take_in() == Intake(taken=5)
    assert sorted(stored(log), key=str) == sorted(events, key=str)
    assert files(spool) == []
    assert reader(spool, log).take_in() == Intake()
    assert log.sequencer().step() == 5
    assert log.verify().ok


def test_several_events_are_written_with_one_flush(spool: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes: list[int] = []
    real = os.fsync
    Spool(spool, "w").append(ending())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda number: (flushes.append(number), real(number))[1])
        Spool(spool, "w").append(ending(), ending(), ending())
    assert len(flushes) == 1
    assert take_in(spool, log.database) == Intake(taken=4)


def test_spools_of_several_groups_lie_in_subdirectories(spool: Path, log: Log) -> None:
    for name in ("gateway", "supervisors"):
        Spool(make_spool(spool / name), "a").append(ending())
    (spool / "link").symlink_to(spool / "gateway")
    assert reader(spool, log).take_in() == Intake(taken=2)


def test_the_directory_lets_in_its_writers_and_the_controller_only(tmp_path: Path) -> None:
    directory = make_spool(tmp_path / "spool", owner=19001, group=19004)
    assert directory.stat().st_mode & 0o7777 == 0o2770
    old = os.umask(0)
    try:
        Spool(directory, "gateway").append(ending())
    finally:
        os.umask(old)
    made = (directory / "gateway.jsonl").stat()
    assert made.st_mode & 0o777 == 0o640
    if os.geteuid() == 0:
        assert (directory.stat().st_uid, made.st_gid) == (19001, 19004)


def test_an_event_is_flushed_file_and_name_before_append_returns(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda number: (flushed.append(str(Path(f"/proc/self/fd/{number}").readlink())), real(number))[1]
    )
    Spool(spool, "w").append(ending())
    assert flushed == [str(spool / "w.jsonl"), str(spool)]
    Spool(spool, "w").append(ending())
    assert flushed[2:] == [str(spool / "w.jsonl")]


@given(st.data())
def test_a_line_torn_anywhere_is_no_event(data: st.DataObject) -> None:
    line = encode(ending())
    assert decode(line).kind == "workspace.ended"
    cut = data.draw(st.integers(0, len(line) - 2))
    with pytest.raises(TornLineError):
        decode(line[:cut])
    with pytest.raises(TornLineError):
        decode(line[:cut] + bytes(len(line) - cut))  # a block of zeros, as some file systems leave


@given(st.data())
def test_a_line_with_a_flipped_bit_is_no_event(data: st.DataObject) -> None:
    event = ending()
    line = bytearray(encode(event))
    bit = data.draw(st.integers(0, (len(line) - 1) * 8 - 1))
    line[bit // 8] ^= 1 << (bit % 8)
    with contextlib.suppress(TornLineError):
        assert decode(bytes(line)) == event  # the same value in another spelling of the line's frame


@pytest.mark.parametrize(
    "line", [b"", b"1", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000, b'{"crc32":"","length":1}']
)
def test_rubbish_is_no_event(line: bytes) -> None:
    with pytest.raises(TornLineError):
        decode(line)


def test_a_torn_last_line_is_dropped_with_a_report_and_its_neighbours_live(spool: Path, log: Log) -> None:
    first, second, third = ending(1), ending(2), ending(3)
    writer = Spool(spool, "w")
    writer.append(first)
    torn = encode(second)[:40]
    with (spool / "w.jsonl").open("ab") as file:
        file.write(torn)
    writer.append(third)  # after the power came back
    assert reader(spool, log).take_in() == Intake(taken=2, dropped=1)
    found = stored(log)
    assert [item for item in found if item.kind == "workspace.ended"] == [first, third]
    report = next(item for item in found if item.kind == "spool.line-dropped")
    assert report.object == "spool/w"
    assert report.detail["reason"] == "not a whole line"
    assert report.detail["bytes"] == 40


def test_an_event_in_a_persons_name_is_not_admitted(spool: Path, log: Log) -> None:
    forged = ending(actor=Subject(issuer="local", id="alice"), kind="grant.approved")
    Spool(spool, "w").append(forged)
    Spool(spool, "w").append(ending())
    assert reader(spool, log).take_in() == Intake(taken=1, dropped=1)
    assert "grant.approved" not in {item.kind for item in stored(log)}
    Spool(spool, "w").append(forged)
    assert reader(spool, log, admits=lambda _event: True).take_in() == Intake(taken=1)
    assert forged in stored(log)


def test_an_event_that_came_another_way_already_is_not_taken_twice(spool: Path, log: Log) -> None:
    event = ending()
    append_many(log.database, [event])
    Spool(spool, "w").append(event)
    Spool(spool, "v").append(event)
    assert reader(spool, log).take_in() == Intake()
    assert stored(log) == [event]
    assert files(spool) == []


def test_another_event_under_a_known_id_is_dropped_with_a_report(spool: Path, log: Log) -> None:
    event = ending()
    append_many(log.database, [event])
    Spool(spool, "w").append(event.model_copy(update={"object": "workspace/other"}))
    assert reader(spool, log).take_in() == Intake(dropped=1)
    twin = ending()
    Spool(spool, "v").append(twin)
    Spool(spool, "v").append(twin)
    Spool(spool, "v").append(twin.model_copy(update={"object": "workspace/other"}))
    assert reader(spool, log).take_in() == Intake(taken=1, dropped=1)
    assert [item.detail["reason"] for item in stored(log) if item.kind == "spool.line-dropped"] == [
        "another event of this id"
    ] * 2


def test_a_long_spool_is_taken_in_batches(spool: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tre.audit.intake.BATCH", 3)
    (spool / "w.jsonl").write_bytes(b"".join(encode(ending(number)) for number in range(8)) + b"\n\n")
    assert reader(spool, log).take_in() == Intake(taken=8)


def test_a_writer_that_is_overtaken_by_the_reader_begins_a_new_file(
    spool: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    Spool(spool, "w").append(ending())
    real = fcntl.flock
    rounds = {"renamed": lambda: (spool / "w.jsonl").rename(spool / "w.0.taken"), "gone": (spool / "w.jsonl").unlink}

    def overtaken(descriptor: int, operation: int) -> None:
        if rounds:
            rounds.pop(next(iter(rounds)))()
        real(descriptor, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", overtaken)
        Spool(spool, "w").append(ending())
    assert not rounds
    assert files(spool) == ["w.0.taken", "w.jsonl"]
    assert reader(spool, log).take_in() == Intake(taken=2)


def test_a_lock_that_cannot_be_had_is_an_error_and_leaves_no_descriptor(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(TREError, match="No locks available"):
        Spool(spool, "w").append(ending())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("wrong", ["", "A", "a/b", "..", "a.b", "-a", "a" * 64])
def test_a_writers_name_cannot_leave_the_directory(spool: Path, wrong: str) -> None:
    with pytest.raises(TREError, match="cannot be a name"):
        Spool(spool, wrong)


def test_an_event_too_long_is_refused(spool: Path) -> None:
    with pytest.raises(TREError, match="too long for the spool"):
        Spool(spool, "w").append(ending(detail={"text": "x" * MAX_LINE}))
    assert files(spool) == []


def test_a_line_longer_than_any_event_is_dropped_in_pieces(spool: Path, log: Log) -> None:
    (spool / "w.jsonl").write_bytes(b"x" * (MAX_LINE + 5) + b"\n" + encode(ending()))
    assert reader(spool, log).take_in() == Intake(taken=1, dropped=2)


def test_a_planted_link_or_pipe_is_left_and_named(spool: Path, log: Log, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(encode(ending()))
    (spool / "link.jsonl").symlink_to(secret)
    (spool / "link.0123.taken").symlink_to(secret)
    os.mkfifo(spool / "pipe.jsonl")
    (spool / "folder.jsonl").mkdir()
    done = reader(spool, log).take_in()
    assert done == Intake(refused_files=("folder.jsonl", "link.jsonl", "pipe.jsonl", "link.0123.taken"))
    assert stored(log) == []
    with pytest.raises(TREError, match="could not be written") as caught:
        Spool(spool, "link").append(ending())
    assert caught.value.reason is Reason.ServiceUnavailable


def test_a_full_disk_leaves_the_file_as_it_was(spool: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Spool(spool, "w")
    writer.append(ending(1))
    before = (spool / "w.jsonl").read_bytes()
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda number, data: real(number, data[:10]))
        with pytest.raises(TREError, match="disk is full") as caught:
            writer.append(ending(2))
    assert caught.value.reason is Reason.ServiceUnavailable
    assert (spool / "w.jsonl").read_bytes() == before

    def broken(_number: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(TREError, match="Input/output error"):
            writer.append(ending(2))
    assert (spool / "w.jsonl").read_bytes() == before
    writer.append(ending(3))
    assert reader(spool, log).take_in() == Intake(taken=2)


@pytest.mark.parametrize("step", ["rename", "insert", "commit", "unlink", "flush_directory"])
def test_a_failure_at_any_step_loses_nothing_and_doubles_nothing(
    spool: Path, log: Log, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    events = [ending(number) for number in range(3)]
    writer = Spool(spool, "w")
    for event in events:
        writer.append(event)
    with (spool / "w.jsonl").open("ab") as file:
        file.write(b"torn")
    hits: list[str] = []

    def fail(*_arguments: Any) -> None:
        hits.append(step)
        raise OSError(step)

    with monkeypatch.context() as patch:
        if step in {"rename", "unlink"}:
            patch.setattr(Path, step, fail)
        elif step == "flush_directory":
            patch.setattr("tre.audit.intake.flush_directory", fail)
        else:
            name = "before_cursor_execute" if step == "insert" else "commit"
            sqlalchemy_event.listen(log.database.engine, name, fail)
        with pytest.raises(OSError, match=step):
            reader(spool, log).take_in()
        if step in {"insert", "commit"}:
            sqlalchemy_event.remove(log.database.engine, name, fail)
    assert hits
    late = ending(9)
    writer.append(late)  # the writer goes on meanwhile
    reader(spool, log).take_in()
    found = stored(log)
    assert sorted(item.id for item in found if item.kind == "workspace.ended") == sorted(
        item.id for item in [*events, late]
    )
    assert len(found) == 5
    assert files(spool) == []


def test_two_readers_do_not_meet(spool: Path, log: Log) -> None:
    Spool(spool, "w").append(ending())
    seen: list[TREError] = []

    def meet(_event: Event) -> bool:
        with pytest.raises(TREError) as caught:
            reader(spool, log).take_in()
        seen.append(caught.value)
        return True

    assert reader(spool, log, admits=meet).take_in() == Intake(taken=1)
    assert [error.reason for error in seen] == [Reason.Conflict]


def test_an_event_committed_another_way_at_the_same_moment_is_tried_again(
    spool: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = ending()
    Spool(spool, "w").append(event)
    with monkeypatch.context() as patch:
        patch.setattr("tre.audit.intake.known", lambda *_: {})
        append_many(log.database, [event])
        with pytest.raises(TREError, match="at the same moment") as caught:
            reader(spool, log).take_in()
    assert caught.value.reason is Reason.Conflict
    assert reader(spool, log).take_in() == Intake()
    assert stored(log) == [event]


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tre.audit.spool import Spool
from tre.domain.events import Event, program
for number in range(int(sys.argv[2])):
    Spool(Path(sys.argv[1]), "busy").append(Event(
        id=f"{int(sys.argv[3]) * 1000 + number:032x}",
        at=datetime(2026, 11, 1, tzinfo=UTC),
        actor=program("supervisor"),
        kind="workspace.ended", object=f"workspace/w-{number}"))
assert "sqlalchemy" not in sys.modules
"""


def test_taking_in_under_busy_writers_loses_nothing(spool: Path, log: Log) -> None:
    """Two other processes write to one file while it is taken in again and again."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(spool), "200", str(number)]) for number in (1, 2)]
    taken = rounds = 0
    while any(writer.poll() is None for writer in writers):
        taken += reader(spool, log).take_in().taken
        rounds += 1
    taken += reader(spool, log).take_in().taken
    assert [writer.returncode for writer in writers] == [0, 0]
    assert rounds > 2
    assert taken == 400
    assert len(stored(log)) == 400
