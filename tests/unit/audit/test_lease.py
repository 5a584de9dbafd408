"""The lease: one leads, a silent one is followed, and who was followed writes nothing any more."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.support.machine import wait_for
from tests.unit.audit.conftest import START, Log
from tre.audit import keys
from tre.audit.lease import LEASE_SECONDS, Lease
from tre.audit.sequencer import Sequencer, Terms
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason, TREError
from tre.store.tables.audit import audit_leaves
from tre.store.tables.jobs import leases


class Controller:
    """A sequencer with a lease and a clock of its own."""

    def __init__(self, log: Log) -> None:
        self.clock = ManualClock(START)
        self.lease = Lease(log.backend.again(log.database), self.clock)
        self.sequencer = Sequencer(
            log.backend.again(log.database), log.signer, self.clock, Terms(lease=self.lease, batch=2)
        )

    def step(self) -> int:
        return self.sequencer.step() if self.lease.keep() else -1


@pytest.fixture
def controller(log: Log) -> Callable[[], Controller]:
    return lambda: Controller(log)


def leaves(log: Log) -> list[int]:
    with log.database.read() as connection:
        return list(connection.execute(select(audit_leaves.c.event_number).order_by(audit_leaves.c.position)).scalars())


def test_of_two_controllers_exactly_one_sequences(log: Log, controller: Callable[[], Controller]) -> None:
    one, other = controller(), controller()
    log.append(6)
    assert one.step() == 2
    assert other.step() == -1
    for _ in range(30):  # far longer than the lease: signs of life are seen
        one.clock.advance(1)
        other.clock.advance(1)
        assert other.step() == -1
        assert one.step() in {0, 2}
    assert sorted(leaves(log)) == list(range(1, 7))
    assert log.verify().ok


def test_a_silent_leader_is_followed_after_the_lease_by_ones_own_clock(
    log: Log, controller: Callable[[], Controller]
) -> None:
    one, other = controller(), controller()
    assert one.lease.keep()
    assert not other.lease.keep()
    one.clock.jump(START + timedelta(days=1))  # whatever the leader's clock says
    other.clock.advance(LEASE_SECONDS - 0.1)
    assert not other.lease.keep()
    other.clock.advance(0.1)
    assert other.lease.keep()


def test_a_leader_that_slept_and_wakes_writes_nothing(log: Log, controller: Callable[[], Controller]) -> None:
    one, other = controller(), controller()
    log.append(4)
    assert one.step() == 2
    assert other.step() == -1
    other.clock.advance(LEASE_SECONDS)
    assert other.step() == 2
    log.append(2)
    before = leaves(log)
    with pytest.raises(TREError, match="Another controller leads") as caught:
        one.sequencer.step()  # it knows of nothing and goes straight on
    assert caught.value.reason is Reason.Conflict
    assert leaves(log) == before
    assert one.step() == -1
    assert other.step() == 2
    assert log.verify().ok


def test_without_the_lease_a_leader_that_woke_would_write(log: Log, controller: Callable[[], Controller]) -> None:
    """The other side: with exactly that guard away both of them sequence."""
    one, other = controller(), controller()
    log.append(4)
    assert one.step() == 2
    assert other.step() == -1
    other.clock.advance(LEASE_SECONDS)
    assert other.lease.keep()
    unguarded = Sequencer(log.database, log.signer, one.clock, Terms(batch=2))
    assert unguarded.step() == 2


def test_who_leaves_in_order_is_followed_at_once(controller: Callable[[], Controller]) -> None:
    one, other = controller(), controller()
    assert one.lease.keep()
    assert not other.lease.keep()
    one.lease.release()
    one.lease.release()
    assert other.lease.keep()
    assert not one.lease.keep()


def test_two_who_take_over_at_once_are_one_leader(log: Log, controller: Callable[[], Controller]) -> None:
    one, other, third = controller(), controller(), controller()
    assert one.lease.keep()
    for waiting in (other, third):
        assert not waiting.lease.keep()
        waiting.clock.advance(LEASE_SECONDS)
    seen = (1, 0)
    other.lease._take(seen, 0.0)  # both have read the same row
    third.lease._take(seen, 0.0)
    assert (other.lease._token, third.lease._token) == (2, None)
    first, second = controller(), controller()
    with log.database.extend_log() as connection:
        connection.execute(leases.delete())
    first.lease._take(None, 0.0)
    second.lease._take(None, 0.0)
    assert (first.lease._token, second.lease._token) == (1, None)


def test_a_sign_of_life_costs_one_write_in_a_third_of_the_lease(log: Log, controller: Callable[[], Controller]) -> None:
    one = controller()
    beats = []
    for _ in range(20):
        assert one.lease.keep()
        one.clock.advance(LEASE_SECONDS / 10)
        with log.database.read() as connection:
            beats.append(connection.execute(select(leases.c.beats)).scalar_one())
    assert beats[-1] == 4  # every fourth tenth: the first at or after a third


PROCESS = """
import os, signal, sys, time
from pathlib import Path
from tre.audit import keys
from tre.audit.lease import Lease
from tre.audit.sequencer import Sequencer, Terms
from tre.domain.errors import TREError
from tre.store.database import Database
from tre.system.clock import SystemClock
database, clock = Database(sys.argv[1]), SystemClock()
lease = Lease(database, clock, seconds=1.0)
signer = keys.load_private(Path(sys.argv[2]) / keys.PRIVATE_KEY_FILE)
sleep = Path(sys.argv[2]) / f"sleep-{os.getpid()}"
sequencer = Sequencer(database, signer, clock, Terms(lease=lease, batch=3))
while True:
    try:
        if lease.keep():
            sequencer.step()
            print("leads", flush=True)
    except TREError as error:
        print(error.reason, flush=True)
    if sleep.exists():
        sleep.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(0.02)
"""
"""It falls asleep when it is asked to, between two steps: whoever sleeps within one keeps everybody from writing, as
long as the database lets it (tests/unit/store/test_postgres.py)."""


def state_of(pid: int) -> str:
    """A process' state, as the kernel writes it: T is one that was stopped."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


def test_killed_and_paused_leaders_are_followed_within_seconds_and_no_leaf_is_doubled(log: Log, tmp_path: Path) -> None:
    log.signer = keys.make_keys(tmp_path, "tre.example.org/audit")
    log.keys = (log.signer.public,)
    log.clock.jump(START - timedelta(days=3650))
    command = [sys.executable, "-c", PROCESS, log.database.url, str(tmp_path)]
    running: dict[int, subprocess.Popen[bytes]] = {}
    written = 0

    def start() -> None:
        with (tmp_path / f"{len(running)}.log").open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file)
        running[process.pid] = process

    def write_and_wait() -> None:
        nonlocal written
        written += len(log.append(10))
        wait_for(lambda: len(leaves(log)) == written, 30)

    def leader() -> tuple[subprocess.Popen[bytes], int]:
        """Who led last, and by which change of leader: a busy machine may make more of them."""
        with log.database.read() as connection:
            row = connection.execute(select(leases)).one()
        return running[int(row.holder.split("/")[1])], row.token

    try:
        start()
        write_and_wait()
        start()
        killed, before = leader()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        write_and_wait()
        assert leader()[0] is not killed
        assert leader()[1] > before
        start()
        paused, before = leader()
        (tmp_path / f"sleep-{paused.pid}").touch()
        wait_for(lambda: state_of(paused.pid) == "T", 30)
        write_and_wait()
        assert leader()[0] is not paused
        assert leader()[1] > before
        paused.send_signal(signal.SIGCONT)
        write_and_wait()
        assert [process.poll() for process in running.values() if process is not killed] == [None, None]
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    assert sorted(leaves(log)) == list(range(1, written + 1))
    assert log.verify().ok
