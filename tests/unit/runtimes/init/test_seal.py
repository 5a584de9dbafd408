"""The seal on both architectures (in a machine of our own) and on the kernel that runs here."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.runtimes.init.sandbox import run_python
from tre.runtimes.init import seal
from tre.runtimes.init.numbers import ARCHITECTURES, HIGHEST_KNOWN, NUMBERS, Architecture
from tre.runtimes.init.rules import AF_NETLINK, AF_UNIX, RULES, SOCKET_RULES, TIOCSTI, Rule

BOTH = pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=lambda one: one.name)
AF_INET = 2
CLONE_NEWUSER = 0x10000000
KILL = "kill"


def judge(filter_: list[seal.Instruction], audit: int, number: int, arguments: tuple[int, ...] = ()) -> int | str:
    """What the kernel's filter machine answers: 0 for allow, an errno, or "kill"."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = {0: number & 0xFFFFFFFF, 4: audit} | {16 + 8 * i: v & 0xFFFFFFFF for i, v in enumerate(padded)}
    accumulator, position = 0, 0
    while True:
        opcode, if_true, if_false, operand = filter_[position]
        position += 1
        if opcode == seal.RETURN:
            if operand == seal.ANSWER_KILL_PROCESS:
                return KILL
            return 0 if operand == seal.ANSWER_ALLOW else operand ^ seal.ANSWER_ERRNO
        if opcode == seal.LOAD_WORD:
            accumulator = data[operand]
            continue
        holds = {
            seal.JUMP_EQUAL: accumulator == operand,
            seal.JUMP_GREATER: accumulator > operand,
            seal.JUMP_GREATER_OR_EQUAL: accumulator >= operand,
            seal.JUMP_ANY_BIT: bool(accumulator & operand),
        }[opcode]
        position += if_true if holds else if_false


def number(architecture: Architecture, name: str) -> int:
    found = NUMBERS[name][architecture.column]
    assert found is not None
    return found


@BOTH
@given(family=st.integers(0, 64), kind=st.integers(0, 10), protocol=st.integers(0, 300), high=st.integers(0, 2**31))
def test_only_unix_and_routing_sockets(
    architecture: Architecture, family: int, kind: int, protocol: int, high: int
) -> None:
    filter_ = seal.program(architecture)
    for name in ("socket", "socketpair"):
        # The kernel ignores the upper half of the argument, and so must the filter.
        arguments = (family | high << 32, kind, protocol)
        answer = judge(filter_, architecture.audit, number(architecture, name), arguments)
        allowed = family == AF_UNIX or (family == AF_NETLINK and protocol == 0)
        assert answer == (0 if allowed else errno.EAFNOSUPPORT)


@BOTH
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_refuses_and_only_that_rule(architecture: Architecture, rule: Rule) -> None:
    arguments = {
        "sockets": (AF_INET,),
        "new namespaces": (CLONE_NEWUSER,),
        "clone into new namespaces": (CLONE_NEWUSER,),
        "terminal injection": (0, TIOCSTI),
    }.get(rule.name, ())
    without = tuple(other for other in RULES if other is not rule)
    for name in rule.calls:
        call = NUMBERS[name][architecture.column]
        if call is not None:
            assert judge(seal.program(architecture), architecture.audit, call, arguments) == rule.answer
            assert judge(seal.program(architecture, without), architecture.audit, call, arguments) == 0


@BOTH
@given(call=st.integers(0, HIGHEST_KNOWN))
def test_calls_without_a_rule_are_allowed(architecture: Architecture, call: int) -> None:
    ruled = {NUMBERS[name][architecture.column] for rule in RULES for name in rule.calls}
    if call not in ruled:
        assert judge(seal.program(architecture), architecture.audit, call) == 0


@BOTH
def test_conditions_leave_ordinary_use_alone(architecture: Architecture) -> None:
    filter_, audit = seal.program(architecture), architecture.audit
    thread = 0x003D0F00  # CLONE_VM | CLONE_FS | … as a thread is made
    assert judge(filter_, audit, number(architecture, "clone"), (thread,)) == 0
    assert judge(filter_, audit, number(architecture, "clone"), (0x01200000 | 17,)) == 0
    assert judge(filter_, audit, number(architecture, "unshare"), (0x400,)) == 0
    assert judge(filter_, audit, number(architecture, "ioctl"), (0, 0x5401)) == 0
    assert judge(filter_, audit, number(architecture, "clone3")) == errno.ENOSYS


@BOTH
@given(call=st.integers(HIGHEST_KNOWN + 1, 0x3FFFFFFF))
def test_calls_of_the_future_do_not_exist(architecture: Architecture, call: int) -> None:
    assert judge(seal.program(architecture), architecture.audit, call) == errno.ENOSYS


def test_foreign_calls_kill() -> None:
    x86, arm = ARCHITECTURES["x86_64"], ARCHITECTURES["aarch64"]
    i386 = 0x40000003
    assert judge(seal.program(x86), i386, 20) == KILL
    assert judge(seal.program(x86), x86.audit, 0x40000000 | 41, (AF_UNIX,)) == KILL
    assert judge(seal.program(arm), 0x40000028, 20) == KILL
    assert judge(seal.program(arm), x86.audit, 20) == KILL


def test_no_call_stands_in_two_rules_and_each_rule_has_a_reason() -> None:
    calls = [name for rule in RULES for name in rule.calls]
    assert len(calls) == len(set(calls))
    assert all(len(rule.reason) > 20 for rule in RULES)
    assert set(SOCKET_RULES) <= set(RULES)


@BOTH
def test_the_filter_fits(architecture: Architecture) -> None:
    filter_ = seal.program(architecture)
    assert len(filter_) < 4096
    for place, (opcode, if_true, if_false, _) in enumerate(filter_):
        if opcode not in {seal.RETURN, seal.LOAD_WORD}:
            assert place + 1 + max(if_true, if_false) < len(filter_)


@pytest.mark.parametrize(
    ("column", "header"),
    [(0, "x86_64-linux-gnu/asm/unistd_64.h"), (1, "asm-generic/unistd.h")],
    ids=["x86_64", "aarch64"],
)
def test_numbers_are_the_kernels(column: int, header: str) -> None:
    path = Path("/usr/include") / header
    if not path.exists():
        pytest.skip(f"the kernel's headers ({path}) are not installed")
    defined = {
        name: int(value)
        for name, value in re.findall(r"#define __NR(?:3264)?_(\w+) (?:\\\n\s*)?(\d+)", path.read_text())
    }
    compared = {name: numbers[column] for name, numbers in NUMBERS.items() if name in defined}
    assert len(compared) > 50
    assert compared == {name: defined[name] for name in compared}


# For each rule a call that is harmless: let through, the kernel refuses it for another reason or it does nothing.
HARMLESS = {
    "sockets": "call('socket', 2, 2, 0)",
    "io_uring": "call('io_uring_enter', -1, 0, 0, 0, 0)",
    "new namespaces": f"call('unshare', {CLONE_NEWUSER} | 1)",
    "clone into new namespaces": f"call('clone', {CLONE_NEWUSER} | 0x200, 0, 0, 0, 0)",
    "clone3": "call('clone3', 0, 0)",
    "entering namespaces": "call('setns', -1, 0)",
    "mounts": "call('open_tree', -1, 0, 2)",
    "file handles": "call('name_to_handle_at', -1, 0, 0, 0, 2)",
    "other processes": "call('process_vm_readv', 1, 0, 0, 0, 0, 1)",
    "keyrings": "call('keyctl', 9999, 0, 0, 0, 0)",
    "programs in the kernel": "call('perf_event_open', 0, 0, -1, -1, -1)",
    "terminal injection": f"call('ioctl', -1, {TIOCSTI}, 0)",
    "clocks": "call('adjtimex', 0)",
    "watching whole file systems": "call('fanotify_init', 0x200, 0x7FFFFFFF)",
    "kernel and machine": "call('quotactl', 0xFF, 0, 0, 0)",
    "bare hardware": "call('iopl', 4)",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_on_this_kernel(rule: Rule) -> None:
    if rule.name == "bare hardware" and run_python("import os; print(json.dumps(os.uname().machine))") != "x86_64":
        pytest.skip("these calls exist on x86_64 only")
    answers = {
        left_out: run_python(
            "from tre.runtimes.init import kernel, rules, seal\n"
            "from tre.runtimes.init.kernel import call\n"
            f"kept = tuple(r for r in rules.RULES if r.name != {left_out!r})\n"
            "seal.install(seal.program(kernel.architecture(), kept))\n"
            f"print(json.dumps({HARMLESS[rule.name]}))"
        )
        for left_out in ("", rule.name)
    }
    assert answers[""] == -rule.answer
    assert answers[rule.name] != -rule.answer


def test_harmless_calls_cover_every_rule() -> None:
    assert HARMLESS.keys() == {rule.name for rule in RULES}


def test_what_a_sealed_process_can_still_do() -> None:
    done = run_python(
        "import socket, subprocess, threading, multiprocessing, faulthandler, sys\n"
        "from tre.runtimes.init import seal\n"
        "seal.seal()\n"
        "faulthandler.enable()\n"
        "left, right = socket.socketpair(); left.send(b'x'); assert right.recv(1) == b'x'\n"
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()\n"
        "t = threading.Thread(target=print, kwargs={'file': sys.stderr}); t.start(); t.join()\n"
        "said = subprocess.run([sys.executable, '-I', '-c', 'print(6*7)'], capture_output=True).stdout\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool: squares = pool.map(abs, [-1, -2])\n"
        "print(json.dumps([said.decode(), squares]))"
    )
    assert done == ["42\n", [1, 2]]


def test_a_seal_that_does_not_hold_is_noticed() -> None:
    said = run_python(
        "from tre.runtimes.init import kernel, seal\n"
        "seal.RULES = ()\n"
        "program = seal.program\n"
        "seal.program = lambda architecture: program(architecture, ())\n"
        "try: seal.seal(); said = 'sealed'\n"
        "except kernel.KernelError as error: said = str(error)\n"
        "print(json.dumps(said))"
    )
    assert "does not hold" in said


def test_an_unknown_architecture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from tre.runtimes.init import kernel

    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "", "", "", "riscv64")))
    with pytest.raises(kernel.KernelError, match="riscv64"):
        kernel.architecture()
