"""Giving the network up, by the program itself: whatever the machine's rules are.

Guarantees: from here on this process and all its descendants open no socket but unix sockets and netlink (through
which a fresh namespace brings up its loopback), and no ring that would open them unseen.

Threat: hostile bytes that take over the program which looks at them, and then call home.
"""

from __future__ import annotations

import os

from tre.airlock.child.walls import (
    ALLOW,
    ARCHITECTURES,
    JUMP_AT_LEAST,
    JUMP_EQUAL,
    KILL,
    LOAD,
    RETURN,
    Instruction,
    Room,
    install,
    no_new_privileges,
)
from tre.domain.errors import Reason, TREError

_SOCKET, _IO_URING_SETUP = (41, 198), 425
_AF_UNIX, _AF_NETLINK = 1, 16
_REFUSE_FAMILY, _REFUSE = 0x00050000 | 97, 0x00050000 | 1  # EAFNOSUPPORT, EPERM
_NUMBER_AT, _ARCHITECTURE_AT, _FAMILY_AT = 0, 4, 16


def program(machine: str) -> list[Instruction]:
    """The filter, as classic BPF."""
    audit, column, foreign = ARCHITECTURES[machine]
    steps: list[Instruction] = [(LOAD, 0, 0, _ARCHITECTURE_AT), (JUMP_EQUAL, 1, 0, audit), (RETURN, 0, 0, KILL)]
    steps.append((LOAD, 0, 0, _NUMBER_AT))
    if foreign:
        steps += [(JUMP_AT_LEAST, 0, 1, foreign), (RETURN, 0, 0, KILL)]
    steps += [
        (JUMP_EQUAL, 0, 1, _IO_URING_SETUP),
        (RETURN, 0, 0, _REFUSE),
        (JUMP_EQUAL, 1, 0, _SOCKET[column]),
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, _FAMILY_AT),
        (JUMP_EQUAL, 2, 0, _AF_UNIX),
        (JUMP_EQUAL, 1, 0, _AF_NETLINK),
        (RETURN, 0, 0, _REFUSE_FAMILY),
        (RETURN, 0, 0, ALLOW),
    ]
    return steps


def give_up_network() -> None:
    """Put the filter on, for good. Raises `TREError(IsolationUnavailable)` where this machine has none."""
    machine = os.uname().machine
    if machine not in ARCHITECTURES:
        raise TREError(Reason.IsolationUnavailable, f"No system call filter is known for {machine}.")
    no_new_privileges(Room(0, 0))
    install(program(machine))
