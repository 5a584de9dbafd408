"""Services are kept: one that cannot be started for a moment is started later, and the others go on."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.support.machine import wait_for
from tre.system import processes
from tre.system.processes import Keeper, ServiceSpec

SLEEP = ("/bin/sleep", "60")


def test_a_service_that_cannot_be_started_for_a_moment_takes_no_other_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_LONGEST_PAUSE", 0.1)
    names = ("one", "other")
    keeper = Keeper([ServiceSpec(name, SLEEP, uid=os.geteuid()) for name in names], tmp_path)
    keeping = threading.Thread(target=keeper.run)
    keeping.start()
    try:
        wait_for(lambda: len(keeper.pids()) == len(names))
        before = keeper.pids()
        log = tmp_path / "one.log"
        log.unlink()
        log.mkdir()  # its words can be written nowhere
        os.kill(before["one"], signal.SIGKILL)
        wait_for(lambda: keeper.failures["one"] > 1)
        assert keeper.pids() == {"other": before["other"]}
        log.rmdir()
        wait_for(lambda: "one" in keeper.pids())
        assert keeper.pids()["other"] == before["other"]
    finally:
        keeper.stop()
        keeping.join()
