"""The two processes that the first process starts: the workspace's own program, and the isolation probe.

Guarantees: neither receives a descriptor beyond 0, 1 and 2, an ignored signal or a blocked signal of the first
process. The program runs with exactly the environment, working directory, file mask and limits of the
instruction. The probe runs under the seal, as the same user, and keeps its memory hidden, so that the program
beside it cannot write its answers; it can only kill it, and a probe that was killed has proven nothing.

Does not guarantee: that the program is benign; it belongs to the researcher from its first instruction on.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import time
from importlib import import_module
from typing import NoReturn

from . import kernel
from .instruction import Instruction
from .report import Ending, ExitCode

_RESULT_LIMIT = 1 << 20
_PROBE_MARGIN = 5.0
"""Seconds beyond those in which answers count: a busy machine may be slow to try, and a try cut short is no proof."""


class Child:
    """The workspace's own process, and the descriptor on which it says why it could not start."""

    def __init__(self, instruction: Instruction) -> None:
        self._why, why_not = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _become(instruction, why_not)
        os.close(why_not)

    def ending(self, status: int) -> Ending:
        """What its end means, from its wait status."""
        os.set_blocking(self._why, False)
        try:
            why_not = os.read(self._why, 200).decode()
        except BlockingIOError:
            why_not = ""
        if why_not:
            return Ending("start_failed", ExitCode.CHILD_NOT_STARTED, why=why_not)
        code = os.waitstatus_to_exitcode(status)
        outcome = ExitCode.CHILD_FAILED if code else ExitCode.CHILD_SUCCEEDED
        if code < 0:
            return Ending("child_exited", outcome, status=None, signal=-code)
        return Ending("child_exited", outcome, status=code, signal=None)


class ProbeChild:
    """A forked, sealed process that runs `probe` beside the program, and what came of it."""

    def __init__(self, targets: list[object], seconds: float) -> None:
        self._started = time.monotonic()
        self.due = self._started + seconds + _PROBE_MARGIN
        self._answers = os.memfd_create("probe", os.MFD_CLOEXEC)
        self.pid = os.fork()
        if self.pid == 0:
            _probe(targets, seconds, self._answers)

    def stop_if_due(self) -> None:
        """End a probe that takes too long; it is then reaped like any other process."""
        if time.monotonic() >= self.due:
            os.kill(self.pid, signal.SIGKILL)

    def answers(self, status: int) -> dict[str, object]:
        """The details of the `probe` event: `results`, or `error` where there are none."""
        data = os.pread(self._answers, _RESULT_LIMIT, 0)
        os.close(self._answers)
        took = round(time.monotonic() - self._started, 4)
        if status != 0:
            return {"results": [], "error": "the probe did not come to its end", "seconds": took}
        return {"results": json.loads(data), "seconds": took}


def _become(instruction: Instruction, why_not: int) -> NoReturn:
    """Turn this forked process into the workspace's own; never returns."""
    step = "separation"
    try:
        _separate(why_not)
        step = "limits"
        os.umask(instruction.umask)
        for name, limits in instruction.rlimits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), limits)
        step = "working directory"
        os.chdir(instruction.cwd)
        step = "program"
        os.execve(instruction.argv[0], instruction.argv, instruction.env)  # noqa: S606
    except BaseException as error:  # noqa: BLE001  whatever it is, this copy of the first process must end
        code = error.errno if isinstance(error, OSError) and error.errno else errno.EINVAL
        os.write(3, f"{step}: {errno.errorcode.get(code, code)}".encode())
    finally:
        os._exit(127)


def _probe(targets: list[object], seconds: float, answers: int) -> NoReturn:
    """Run the probe in this forked process; never returns."""
    status = 1
    try:
        _separate(answers)
        results = import_module(".probe", __package__).run(targets, seconds)
        os.write(3, json.dumps(results).encode())
        status = 0
    finally:
        os._exit(status)


def _separate(kept: int) -> None:
    """Leave the first process: an own session, its signals undone, no descriptor but `kept`, which becomes 3."""
    os.setsid()
    os.dup2(kept, 3, inheritable=False)
    kernel.close_from(4)
    for one in signal.valid_signals():  # those that Python ignores, and those of whoever began us in the background
        if signal.getsignal(one) is signal.SIG_IGN:
            signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
