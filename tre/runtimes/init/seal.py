"""The seal: a filter of system calls that this process and all its descendants can never take off.

Guarantees: after `seal()` returned, the kernel refuses what `rules.RULES` names to this process and to everything
it ever starts, and kills a process that uses the numbers of another architecture (32-bit calls, x32). It needs
no capability, no setting of the node, and nothing of the network. One forbidden call is tried before
`seal()` returns.

Does not guarantee: anything for processes that started before it. Descriptors that were inherited stay usable;
`main` closes them.

Threat it answers: a cluster or host whose network isolation is missing, late, or forgotten.
"""

from __future__ import annotations

import ctypes
import os
import struct

from . import kernel
from .numbers import HIGHEST_KNOWN, NUMBERS, Architecture
from .rules import AF_UNIX, EAFNOSUPPORT, ENOSYS, RULES, AnyBit, OneOf, Rule, Unless

# Opcodes of classic BPF (linux/bpf_common.h) and answers of a filter (linux/seccomp.h).
LOAD_WORD = 0x20
JUMP_EQUAL = 0x15
JUMP_GREATER = 0x25
JUMP_GREATER_OR_EQUAL = 0x35
JUMP_ANY_BIT = 0x45
RETURN = 0x06
ANSWER_ALLOW = 0x7FFF0000
ANSWER_ERRNO = 0x00050000
ANSWER_KILL_PROCESS = 0x80000000

# struct seccomp_data: number, architecture, instruction pointer, six arguments of 8 bytes. The kernel reads the
# arguments judged here as 32-bit values, so the low word (first on a little-endian machine) is what counts.
_OFFSET_NUMBER = 0
_OFFSET_ARCHITECTURE = 4
_OFFSET_ARGUMENTS = 16

_AF_INET = 2
_SOCK_DGRAM = 2

Instruction = tuple[int, int, int, int]  # opcode, jump if true, jump if false, operand


def program(architecture: Architecture, rules: tuple[Rule, ...] = RULES) -> list[Instruction]:
    """The filter for an architecture, as classic BPF instructions. Tests build it with a rule left out."""
    filter_: list[Instruction] = [
        (LOAD_WORD, 0, 0, _OFFSET_ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, architecture.audit),
        (RETURN, 0, 0, ANSWER_KILL_PROCESS),
        (LOAD_WORD, 0, 0, _OFFSET_NUMBER),
    ]
    if architecture.foreign_from is not None:
        filter_ += [
            (JUMP_GREATER_OR_EQUAL, 0, 1, architecture.foreign_from),
            (RETURN, 0, 0, ANSWER_KILL_PROCESS),
        ]
    filter_ += [
        (JUMP_GREATER, 0, 1, HIGHEST_KNOWN),
        (RETURN, 0, 0, ANSWER_ERRNO | ENOSYS),
    ]
    for rule in rules:
        body = _body(rule)
        for name in rule.calls:
            number = NUMBERS[name][architecture.column]
            if number is not None:
                filter_ += [(JUMP_EQUAL, 0, len(body), number), *body]
    return [*filter_, (RETURN, 0, 0, ANSWER_ALLOW)]


def _body(rule: Rule) -> list[Instruction]:
    """What happens once the number of a call has matched: every path ends in an answer."""
    refuse = (RETURN, 0, 0, ANSWER_ERRNO | rule.answer)
    allow = (RETURN, 0, 0, ANSWER_ALLOW)
    match rule.when:
        case None:
            return [refuse]
        case AnyBit(argument=argument, bits=bits):
            return [_argument(argument), (JUMP_ANY_BIT, 0, 1, bits), refuse, allow]
        case OneOf(argument=argument, values=values):
            tests = [step for value in values for step in ((JUMP_EQUAL, 0, 1, value), refuse)]
            return [_argument(argument), *tests, allow]
        case Unless(allowed=allowed):
            body: list[Instruction] = []
            for value, further in allowed.items():
                body.append(_argument(0))
                if further is None:
                    body += [(JUMP_EQUAL, 0, 1, value), allow]
                else:
                    argument, exactly = further
                    body += [
                        (JUMP_EQUAL, 0, 3, value),
                        _argument(argument),
                        (JUMP_EQUAL, 0, 1, exactly),
                        allow,
                    ]
            return [*body, refuse]


def _argument(position: int) -> Instruction:
    """Load the low word of an argument."""
    return (LOAD_WORD, 0, 0, _OFFSET_ARGUMENTS + 8 * position)


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(instructions: list[Instruction]) -> None:
    """Give up gaining privileges and put the filter on; raises `KernelError` when the kernel refuses."""
    if kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1) != 0:
        raise kernel.KernelError("no_new_privs was refused")
    packed = b"".join(struct.pack("=HBBI", *one) for one in instructions)
    memory = ctypes.create_string_buffer(packed, len(packed))
    described = _Program(len(instructions), ctypes.cast(memory, ctypes.c_void_p))
    mode = kernel.SECCOMP_MODE_FILTER
    answer = kernel.prctl(kernel.PR_SET_SECCOMP, mode, ctypes.byref(described))
    if answer != 0:
        raise kernel.KernelError(f"the filter was refused (errno {-answer})")


def seal() -> None:
    """Seal this process for good, and try it: a network socket must be refused, a unix socket granted.

    Raises `KernelError` where the seal cannot be put on or does not hold; no child may start then.
    """
    install(program(kernel.architecture()))
    if kernel.call("socket", _AF_INET, _SOCK_DGRAM, 0) != -EAFNOSUPPORT:
        raise kernel.KernelError("the filter does not hold: a network socket was not refused")
    descriptor = kernel.call("socket", AF_UNIX, _SOCK_DGRAM, 0)
    if descriptor < 0:
        raise kernel.KernelError("the filter refuses unix sockets, without which nothing can be reached")
    os.close(descriptor)
