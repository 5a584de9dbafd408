"""The isolation probe: try, from where it runs, everything that a workspace must not be able to do.

Guarantees: one answer for each target, in the order of the targets: `open` (it was possible: isolation has
failed), `closed` (the kernel refused, or nothing answered in time), or `error` (the attempt could not be made).
The same code runs sealed in a workspace and unsealed as its control. Nothing is changed: no file is written,
removed or altered where it would be possible, and what could change the process happens in a fork of its own. All
attempts that wait do so side by side, within the given seconds.

Does not guarantee: that `closed` means isolated. A wrong address is closed to everybody; `verdict` counts an
answer only where the control found the same target open.

Threat it answers: a host or cluster that isolates less than its configuration says.

A target is an object with `item` (its name), `kind` (a key of `ATTEMPTS` or `WAITING`), the arguments of that
kind, and `optional` (true where a kernel may lack the thing altogether). As a program: targets as JSON on
standard input, answers as JSON on standard output.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from . import attempts, network
from .attempts import CLOSED, ERROR, OPEN, Answer

_SECONDS = 1.2

ATTEMPTS: dict[str, Callable[[attempts.Target], Answer]] = {
    "absent": attempts.absent,
    "append": attempts.append,
    "chmod": attempts.chmod,
    "clone": attempts.clone,
    "create": attempts.create,
    "foreign-32-bit": attempts.foreign_32_bit,
    "foreign-x32": attempts.foreign_x32,
    "io_uring": attempts.io_uring,
    "memory": attempts.memory,
    "mount": attempts.mount,
    "ptrace": attempts.ptrace,
    "remount": attempts.remount,
    "socket": attempts.socket_family,
    "socketpair": attempts.socket_pair,
    "unix": attempts.unix,
    "unlink": attempts.unlink,
    "unshare": attempts.unshare,
}
WAITING: dict[str, Callable[[attempts.Target], network.Waiting]] = {
    "dns": network.Dns,
    "resolve": network.Resolve,
    "tcp": network.Tcp,
    "udp": network.Udp,
}


def run(targets: list[object], seconds: float = _SECONDS) -> list[dict[str, object]]:
    """Try every target; returns `{"item", "outcome", "detail", "optional"}` for each, in order."""
    until = time.monotonic() + seconds
    waiting: dict[int, network.Waiting] = {}
    answers: dict[int, Answer] = {}
    for position, target in enumerate(targets):
        try:
            kind = target["kind"]  # type: ignore[index]
            if kind in WAITING:
                waiting[position] = WAITING[kind](target)  # type: ignore[arg-type]
            else:
                answers[position] = ATTEMPTS[kind](target)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001  an attempt that breaks is an answer: `error` fails the verdict
            answers[position] = Answer(ERROR, f"{type(error).__name__}: {error}"[:120])
    answers |= network.collect(waiting, until)
    return [_told(target, answers[position]) for position, target in enumerate(targets)]


def _told(target: object, answer: Answer) -> dict[str, object]:
    known = target if isinstance(target, dict) else {}
    return {
        "item": str(known.get("item", "unnamed")),
        "outcome": answer.outcome,
        "detail": answer.detail,
        "optional": known.get("optional") is True,
    }


def main(arguments: list[str]) -> int:
    """Targets on standard input, answers on standard output; 0 all closed, 1 something open or not tried."""
    if arguments:
        sys.stderr.write("probe: targets come as JSON on standard input; there are no arguments\n")
        return 2
    answers = run(json.load(sys.stdin))
    json.dump(answers, sys.stdout)
    return 0 if all(answer["outcome"] == CLOSED for answer in answers) else 1


__all__ = ["ATTEMPTS", "CLOSED", "ERROR", "OPEN", "WAITING", "main", "run"]
