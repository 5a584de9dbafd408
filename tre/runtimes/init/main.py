"""Process number 1 of a workspace, from its first instruction to its exit.

Guarantees, in this order: its memory is hidden before anything is read; its instruction is read from a
descriptor that is closed before any child exists; it is sealed, and the seal tried, before any child exists; the
clocks are looked at before anything is started; whatever goes wrong, everything dies and it exits with the code
for it (`report.ExitCode`). Nothing secret and no path of the host stands in its command line.

Does not guarantee: that it is told the truth by the launcher.

Threats it answers: see `seal` (sockets) and `reaper` (the end of time).

    python3 -I -S -B /opt/tre/init/__main__.py [--instruction FD | PATH] [--report FD | SOCKET]

(naming the directory instead of the file works too, and costs 4 ms more).

The instruction comes from descriptor 3, or from a file where the runtime can pass no descriptors; reports go to
descriptor 4, or to a unix stream socket that is connected before any child exists.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from . import instruction, kernel, reaper, seal
from .children import Child, ProbeChild
from .report import Ending, ExitCode, Report

_INSTRUCTION = "3"
_REPORT = "4"
_REPORT_KEPT = 3
_CONNECT_SECONDS = 5.0


def main(arguments: list[str]) -> int:
    """Run a workspace to its end; returns an `ExitCode`, or never (see `_leave`)."""
    started = kernel.boottime()
    if os.getpid() != 1:
        sys.stderr.write("init: not the first process of a process namespace; nothing was started\n")
        return ExitCode.NOT_FIRST_PROCESS
    try:
        kernel.hide()
        options = _options(arguments)
        report = Report(_open_report(options["--report"]))
    except (kernel.KernelError, instruction.InstructionError, OSError) as error:
        sys.stderr.write(f"init: {error}; nothing was started\n")
        return ExitCode.INSTRUCTION_REFUSED
    try:
        order = instruction.parse(_read_instruction(options["--instruction"]))
        _close_others(report)
        seal.seal()
    except (instruction.InstructionError, OSError) as error:
        report.send("refused", why=str(error))
        return ExitCode.INSTRUCTION_REFUSED
    except kernel.KernelError as error:
        report.send("refused", why=str(error))
        return ExitCode.NOT_SEALED
    report.send("sealed", workspace=order.workspace, architecture=kernel.architecture().name)
    deadline = reaper.Deadline(order.end, started, order.cap)
    try:
        ending = _run(order, deadline, report)
    except BaseException as error:  # noqa: BLE001  a fault here must end the workspace, not leave it unwatched
        ending = Ending("failed", ExitCode.INTERNAL, why=type(error).__name__)
    _leave(ending, report)
    return ending.code


def _run(order: instruction.Instruction, deadline: reaper.Deadline, report: Report) -> Ending:
    """Start the child (and the probe) unless it is already over, and hold until the end."""
    clock = deadline.passed(time.time(), kernel.boottime())
    if clock:
        return Ending("deadline", ExitCode.DEADLINE, clock=clock)
    signal.pthread_sigmask(signal.SIG_BLOCK, reaper.WATCHED)
    child = Child(order)
    report.send("started", pid=child.pid)
    probe = None if order.probe is None else ProbeChild(*order.probe)
    return reaper.hold(child, probe, deadline, report)


def _leave(ending: Ending, report: Report) -> None:
    """Kill first, tell afterwards, exit without looking back: the kernel kills whatever is left."""
    try:
        empty = reaper.kill_all()
        report.send(ending.event, **ending.details)
        report.send("ended", empty=empty)
    finally:
        os._exit(ending.code)


def _options(arguments: list[str]) -> dict[str, str]:
    """The two options; raises `InstructionError` for anything else."""
    options = {"--instruction": _INSTRUCTION, "--report": _REPORT}
    while arguments:
        name, *rest = arguments
        if name not in options or not rest:
            raise instruction.InstructionError("usage: [--instruction FD|PATH] [--report FD|SOCKET]")
        options[name], *arguments = rest
    return options


def _read_instruction(where: str) -> bytes:
    """The bytes behind a descriptor number or a path."""
    return instruction.read(int(where) if where.isdecimal() else os.open(where, os.O_RDONLY))


def _open_report(where: str) -> int:
    """A descriptor to report on: an inherited one, or a connection to a unix stream socket."""
    if where.isdecimal():
        return int(where)
    import socket  # noqa: PLC0415  costs milliseconds, and only runtimes that pass no descriptors need it

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_CONNECT_SECONDS)
        connection.connect(where)
        return connection.detach()


def _close_others(report: Report) -> None:
    """Close what the launcher may have leaked: everything but 0, 1, 2 and the report, which becomes 3."""
    if report.descriptor != _REPORT_KEPT:
        os.dup2(report.descriptor, _REPORT_KEPT, inheritable=False)
        report.descriptor = _REPORT_KEPT
    kernel.close_from(_REPORT_KEPT + 1)
