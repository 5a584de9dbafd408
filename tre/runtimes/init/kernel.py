"""The few doors to the kernel that Python does not open by itself.

Guarantees: every call returns the kernel's answer as a number, `-errno` when it refused; nothing is retried and
nothing is hidden. Numbers of system calls come from `numbers`, for the architecture that this process runs on.

Does not guarantee: anything on an architecture that is not listed there; `architecture` says so by raising, and
a process that cannot seal itself must not start a child.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

from .numbers import ARCHITECTURES, NUMBERS, Architecture

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_GET_SECCOMP = 21
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class KernelError(Exception):
    """The kernel, or the architecture, does not offer what the first process cannot do without."""


def architecture() -> Architecture:
    """The architecture of this process.

    Raises `KernelError` where the project has no table for it, and for a 32-bit interpreter.
    """
    machine = os.uname().machine
    if machine not in ARCHITECTURES or sys.maxsize < 2**32 or sys.byteorder != "little":
        raise KernelError(f"no seal is known for {machine} ({sys.maxsize.bit_length() + 1} bit)")
    return ARCHITECTURES[machine]


def number(name: str) -> int:
    """The number of a system call on this architecture; raises `KernelError` where it has none."""
    found = NUMBERS[name][architecture().column]
    if found is None:
        raise KernelError(f"{name} does not exist on {architecture().name}")
    return found


def call(name_or_number: str | int, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """Make a system call with up to six integers, buffers or null pointers; returns `-errno` when refused."""
    wanted = number(name_or_number) if isinstance(name_or_number, str) else name_or_number
    passed = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    answer = int(_libc.syscall(ctypes.c_long(wanted), *passed))
    return -ctypes.get_errno() if answer == -1 else answer


def prctl(option: int, value: int, pointer: object = None) -> int:
    """`prctl(2)` with one number and one pointer; returns `-errno` when refused."""
    rest = (pointer, ctypes.c_ulong(0), ctypes.c_ulong(0))
    answer = int(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), *rest))
    return -ctypes.get_errno() if answer == -1 else answer


def mount(source: str, target: str, kind: str, flags: int) -> int:
    """`mount(2)` without data; returns 0 or `-errno`."""
    names = (source.encode(), target.encode(), kind.encode())
    answer = int(_libc.mount(*names, ctypes.c_ulong(flags), None))
    return -ctypes.get_errno() if answer == -1 else answer


def hide() -> None:
    """Refuse others of the same user the memory, environment, descriptors and tracing of this process.

    Inherited by a forked child and lifted by its `execve`. Raises `KernelError` when refused.
    """
    if prctl(PR_SET_DUMPABLE, 0) != 0:
        raise KernelError("the memory of the first process cannot be hidden")


def die_with_parent(parent: int) -> None:
    """Be killed when the thread that started this process ends; raises `KernelError` if it already has."""
    prctl(PR_SET_PDEATHSIG, 9)
    if os.getppid() != parent:
        raise KernelError("the starting process is gone")


def close_from(lowest: int) -> None:
    """Close every descriptor from `lowest` upwards."""
    if call("close_range", lowest, 0x7FFFFFFF, 0) != 0:
        os.closerange(lowest, 1 << 16)


def boottime() -> float:
    """Seconds since the machine started, sleep included; nobody can set this clock back."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
