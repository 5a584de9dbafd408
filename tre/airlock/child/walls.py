"""The walls around a process that looks at untrusted bytes.

Guarantees, once `raise_walls` returned: the process can read descriptor 0, write descriptor 1, use memory up to its
limit, and end. Any other call to the kernel kills it at once (seccomp, allow-list, both supported architectures);
it can make no memory executable; it may open nothing (Landlock without a single rule, where the kernel has it); it
is nobody's root; and it gains nothing by starting a set-id program (no_new_privs).

Does not guarantee: honest answers about the file it was given. Namespaces are added from outside (see `confine`).

Threat: a file that takes over its parser.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
NOBODY = 65534
PROT_EXEC = 4

LOAD, JUMP_EQUAL, JUMP_ANY_BIT, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, KILL = 0x7FFF0000, 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16

# Architecture: its audit number (linux/audit.h), the column of its call numbers, and where x32 numbers begin.
ARCHITECTURES = {"x86_64": (0xC000003E, 0, 0x40000000), "aarch64": (0xC00000B7, 1, 0)}


@dataclass(frozen=True)
class Argument:
    """A condition on one argument's low word: equal to a value, or without a bit."""

    position: int
    equals: int | None = None
    without: int = 0


@dataclass(frozen=True)
class Call:
    """A permitted call: its number on x86_64 and on aarch64, and on what condition."""

    numbers: tuple[int, int]
    only: Argument | None = None


PERMITTED: dict[str, Call] = {
    "read": Call((0, 63), Argument(0, equals=0)),
    "write": Call((1, 64), Argument(0, equals=1)),
    "mmap": Call((9, 222), Argument(2, without=PROT_EXEC)),
    "mprotect": Call((10, 226), Argument(2, without=PROT_EXEC)),
    "munmap": Call((11, 215)),
    "brk": Call((12, 214)),
    "rt_sigreturn": Call((15, 139)),
    "mremap": Call((25, 216)),
    "madvise": Call((28, 233)),
    "futex": Call((202, 98)),
    "clock_gettime": Call((228, 113)),
    "restart_syscall": Call((219, 128)),
    "exit": Call((60, 93)),
    "exit_group": Call((231, 94)),
}

LANDLOCK_CREATE, LANDLOCK_RESTRICT, LANDLOCK_VERSION = 444, 446, 1
_FILE_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights over files each version of Landlock handles (linux/landlock.h)."""


class WallError(Exception):
    """A wall that must stand could not be raised."""


@dataclass(frozen=True)
class Room:
    """How much the process may use: seconds of processor time, bytes of address space."""

    seconds: int
    memory: int


def _errno_of(result: int) -> int:
    return ctypes.get_errno() if result == -1 else 0


def _prctl(option: int, value: int, pointer: object = None) -> None:
    zero = ctypes.c_ulong(0)
    result = _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), pointer, zero, zero)
    if error := _errno_of(result):
        raise WallError(f"prctl {option}: {os.strerror(error)}")


def no_new_privileges(room: Room) -> bool:  # noqa: ARG001 - one shape for all walls
    """Starting a program never gives more rights than the process has."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    return True


def identity(room: Room) -> bool:  # noqa: ARG001
    """Root becomes nobody, for good; whoever is not root stays."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    return True


def limits(room: Room) -> bool:
    """Processor time, memory, no file growth, no process, no further descriptor, no core dump."""
    bounds = {
        resource.RLIMIT_CPU: room.seconds,
        resource.RLIMIT_AS: room.memory,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: 0,
    }
    for kind, bound in bounds.items():
        resource.setrlimit(kind, (bound, bound))
    return True


def landlock(room: Room) -> bool:  # noqa: ARG001
    """No file, no TCP port, no abstract socket, no signal outside; false where the kernel has no Landlock."""
    version = _libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(LANDLOCK_VERSION))
    if version < 1:
        return False
    files = (1 << _FILE_RIGHTS_BY_ABI.get(version, 16)) - 1
    words = [files] + ([3] if version >= 4 else []) + ([3] if version >= 6 else [])
    packed = struct.pack(f"={len(words)}Q", *words)
    ruleset = _libc.syscall(LANDLOCK_CREATE, packed, ctypes.c_size_t(len(packed)), ctypes.c_uint(0))
    if ruleset < 0:
        raise WallError(f"landlock: {os.strerror(ctypes.get_errno())}")
    try:
        if error := _errno_of(_libc.syscall(LANDLOCK_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint(0))):
            raise WallError(f"landlock: {os.strerror(error)}")
    finally:
        os.close(ruleset)
    return True


Instruction = tuple[int, int, int, int]


def program(machine: str, permitted: Mapping[str, Call]) -> list[Instruction]:
    """The filter as classic BPF: what is not permitted kills the process."""
    audit, column, foreign = ARCHITECTURES[machine]
    kill: Instruction = (RETURN, 0, 0, KILL)
    allow: Instruction = (RETURN, 0, 0, ALLOW)
    steps: list[Instruction] = [(LOAD, 0, 0, _ARCHITECTURE_AT), (JUMP_EQUAL, 1, 0, audit), kill]
    steps.append((LOAD, 0, 0, _NUMBER_AT))
    if foreign:
        steps += [(JUMP_AT_LEAST, 0, 1, foreign), kill]
    for call in permitted.values():
        body = [allow] if call.only is None else [*_condition(call.only), allow]
        steps += [(JUMP_EQUAL, 0, len(body), call.numbers[column]), *body]
    return [*steps, kill]


def _condition(argument: Argument) -> list[Instruction]:
    load: Instruction = (LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument.position)
    kill: Instruction = (RETURN, 0, 0, KILL)
    if argument.equals is not None:
        return [load, (JUMP_EQUAL, 1, 0, argument.equals), kill]
    return [load, (JUMP_ANY_BIT, 0, 1, argument.without), kill]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(instructions: list[Instruction]) -> None:
    """Put a filter on this process, for good. Raises `WallError`."""
    packed = b"".join(struct.pack("=HBBI", *one) for one in instructions)
    memory = ctypes.create_string_buffer(packed, len(packed))
    described = _Program(len(instructions), ctypes.cast(memory, ctypes.c_void_p))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(described))


def system_calls(room: Room) -> bool:  # noqa: ARG001
    """The allow-list of calls. Raises `WallError` where this machine has none."""
    machine = os.uname().machine
    if machine not in ARCHITECTURES or sys.maxsize < 2**32 or sys.byteorder != "little":
        raise WallError(f"no filter is known for {machine}")
    install(program(machine, PERMITTED))
    return True


WALLS: dict[str, Callable[[Room], bool]] = {
    "no-new-privileges": no_new_privileges,
    "identity": identity,
    "landlock": landlock,
    "limits": limits,
    "system-calls": system_calls,
}
"""Every wall in the order in which they are raised: the last one forbids raising more."""


def raise_walls(room: Room) -> list[str]:
    """Put up every wall; returns the names of those that stand. Raises `WallError` or `OSError`."""
    return [name for name, wall in WALLS.items() if wall(room)]
