"""From a plan to a running sandbox: everything between the fork and bubblewrap's first instruction.

Guarantees: the sandbox' user is set before bubblewrap starts, with the plan's data groups and no capability; what
the sandbox is told travels by descriptor, so neither `ps` nor `/proc/1/cmdline` shows a path, a person or a date;
only the descriptors meant for it are open in it; it dies with its supervisor.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tre.domain.model import as_line
from tre.domain.workspaces.models import MountKind, WorkspacePlan
from tre.runtimes.bubblewrap import sandbox
from tre.runtimes.bubblewrap.limits import LimitMeans, rlimits
from tre.runtimes.bubblewrap.program import Program
from tre.runtimes.bubblewrap.staging import Staging
from tre.runtimes.bubblewrap.state import DOOR
from tre.system.process import become, die_with_parent

OUTPUT_BYTES = 256 * 1024
INSTRUCTION_FD, REPORT_FD, ARGUMENTS_FD, PASSWD_FD, GROUP_FD, STATUS_FD = 3, 4, 5, 6, 7, 8


@dataclass(frozen=True)
class Machine:
    """What of the machine every run needs, whatever its plan: paths and the identities of our services."""

    run: Path
    environment: Path
    init: Path
    program: Program
    endings: Path
    controller_uid: int
    gateway_group: int
    loopback_ports: tuple[int, ...]
    server: tuple[str, ...] = tuple(sandbox.lab_command())


@dataclass(frozen=True)
class Started:
    """A sandbox that was begun: bubblewrap's process, what speaks of it (and hears of an earlier end), its output."""

    pid: int
    report: int
    status: int
    output: int


@dataclass(frozen=True)
class Prepared:
    """Everything a sandbox needs, in place."""

    command: list[str]
    arguments: bytes
    instruction: bytes
    means: dict[str, str]


def prepare(plan: WorkspacePlan, machine: Machine, staging: Staging, limits: LimitMeans, probe: Any) -> Prepared:
    """Put everything where the sandbox' user can reach it. Raises `TREError`."""
    directory = machine.run / "workspaces" / plan.identity
    placed, home_means = _place_mounts(plan, staging)
    prefix = sandbox.interpreter_prefix(machine.environment)
    spec = sandbox.SandboxSpec(
        environment=staging.place("environment", machine.environment, read_only=True),
        interpreter_prefix=None if prefix is None else staging.place("python", prefix, read_only=True),
        init=staging.place("init", machine.init, read_only=True),
        door=staging.place("door", directory / DOOR, read_only=False),
        mounts=placed,
        limits=plan.limits,
        passwd_descriptor=PASSWD_FD,
        group_descriptor=GROUP_FD,
        status_descriptor=STATUS_FD,
        devices=plan.devices,
    )
    limits.create(plan.identity, plan.limits)
    interpreter = sandbox.interpreter(machine.environment)
    return Prepared(
        command=[
            _program(machine.program, staging),
            *("--args", str(ARGUMENTS_FD), "--", interpreter, "-I", "-S", "-B", f"{sandbox.INIT}/__main__.py"),
        ],
        arguments=b"\0".join(item.encode() for item in sandbox.arguments(spec)) + b"\0",
        instruction=_instruction(plan, machine, rlimits(plan.limits, limits), probe),
        means=limits.means() | {"home": home_means},
    )


def _place_mounts(plan: WorkspacePlan, staging: Staging) -> tuple[tuple[sandbox.Placed, ...], str]:
    found = []
    home_means = "none"
    for number, mount in enumerate(plan.mounts):
        source = Path(mount.source)
        if mount.kind is MountKind.home:
            path, home_means = staging.place_home(source, plan.limits.home_bytes, plan.uid)
        else:
            programs = mount.kind is MountKind.shared
            path = staging.place(f"mount-{number}", source, read_only=mount.read_only, programs=programs)
        found.append(sandbox.Placed(mount, path))
    return tuple(found), home_means


def _program(program: Program, staging: Staging) -> str:
    """bubblewrap where the sandbox' user can run it; a bundled one looks for its libraries beside itself."""
    if program.libraries is None:
        return str(program.path)
    packages = program.path.parent.parent.parent
    return str(staging.place("tools", packages, read_only=True) / program.path.relative_to(packages))


def _instruction(plan: WorkspacePlan, machine: Machine, resource_limits: dict[str, list[int]], probe: Any) -> bytes:
    return json.dumps(
        {
            "version": 1,
            "workspace": plan.identity,
            "end": plan.end.timestamp(),
            "cap": float(plan.cap_seconds),
            "argv": list(machine.server),
            "env": sandbox.lab_environment(plan.grant, plan.end.isoformat()),
            "cwd": sandbox.HOME,
            "probe": probe,
            "rlimits": resource_limits,
            "umask": 0o027,
        }
    ).encode()


def start(plan: WorkspacePlan, prepared: Prepared, limits: LimitMeans) -> Started:
    """Fork and become bubblewrap."""
    report, report_inside = (end.detach() for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM))
    status_read, status_write = os.pipe2(os.O_CLOEXEC)
    given = {
        INSTRUCTION_FD: _memory_file("instruction", prepared.instruction),
        REPORT_FD: report_inside,
        ARGUMENTS_FD: _memory_file("arguments", prepared.arguments),
        PASSWD_FD: _memory_file("passwd", sandbox.passwd(plan.uid)),
        GROUP_FD: _memory_file("group", sandbox.group(plan.uid)),
        STATUS_FD: status_write,
    }
    output = _output_file()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.dup2(output, 1)
        os.dup2(output, 2)
        _become_sandbox(plan, prepared, limits, given, parent)
    for descriptor in given.values():
        os.close(descriptor)
    return Started(pid, report, status_read, output)


def _become_sandbox(
    plan: WorkspacePlan, prepared: Prepared, limits: LimitMeans, given: dict[int, int], parent: int
) -> None:
    """Runs in the child and never returns: an exception here must not run the supervisor's code twice."""
    try:
        die_with_parent(parent)
        limits.enter(plan.identity)
        _arrange_descriptors(given)
        if os.geteuid() == 0:
            become(plan.uid, plan.uid, plan.data_groups)
            die_with_parent(parent)  # a change of user takes the promise back
        os.execve(  # noqa: S606 - no shell is wanted
            prepared.command[0], ["bwrap", *prepared.command[1:]], {"PATH": "/usr/bin:/bin"}
        )
    except BaseException as error:  # noqa: BLE001 - told by the exit code and the supervisor's log
        os.write(2, f"the sandbox could not be started: {error}\n".encode())
    finally:
        os._exit(71)


def _arrange_descriptors(given: dict[int, int]) -> None:
    """Give each descriptor its number, through numbers above all of them, and close everything else."""
    high = {number: os.dup2(descriptor, 100 + number) for number, descriptor in given.items()}
    for number, descriptor in high.items():
        os.dup2(descriptor, number, inheritable=True)
    os.closerange(max(given) + 1, 1 << 16)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0, inheritable=True)
    if null > max(given):
        os.close(null)


def _output_file() -> int:
    """Where the sandbox' standard output goes: a file in memory that cannot grow, so nobody can fill a disk with it."""
    descriptor = os.memfd_create("output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, OUTPUT_BYTES)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return descriptor


def last_words(output: int) -> str:
    """The last line that the sandbox printed, made harmless; empty where it printed nothing."""
    text = os.pread(output, OUTPUT_BYTES, 0).rstrip(b"\0").decode(errors="replace").strip()
    line = text.rpartition("\n")[2]
    return as_line("".join(character if character.isprintable() else " " for character in line), 200)


def _memory_file(name: str, content: bytes) -> int:
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
