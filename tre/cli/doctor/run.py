"""Looking at everything at once, and never longer than a person waits.

Guarantees: a check that breaks, or does not end in time, is a finding and not a traceback; one that may not look is
`weak` and says so. Whatever hangs keeps nobody: it ends with the program.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Mapping

from tre.cli.doctor.finding import Check, Field, Finding, Place, Seen, State, bad, weak
from tre.cli.failures import known_failure
from tre.domain.errors import Reason, TREError
from tre.domain.model import as_line

SECONDS = 4.0
"""How long is waited after the last answer: what waits for something else waits beside the others."""

ABSENT = "not looked at: there is no"
"""How a finding begins for want of a launcher to look at."""

_AT_ONCE = 8
_LONGEST = 400
_Task = tuple[int, str, Check]


def examine(place: Place, fields: Mapping[str, Field], seconds: float = SECONDS) -> list[Finding]:
    """Every check of these fields, in their order."""
    tasks = [(name, check) for name, field in fields.items() for check in field.checks]
    seen = _seen(place, [(index, name, check) for index, (name, check) in enumerate(tasks)], seconds)
    late = bad(
        f"could not be looked at within {seconds:.0f} s", "Look at what it asks: something there does not answer."
    )
    return [_finding(name, check, seen.get(index, late)) for index, (name, check) in enumerate(tasks)]


def _seen(place: Place, tasks: list[_Task], seconds: float) -> dict[int, Seen]:
    waiting: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
    answers: queue.SimpleQueue[tuple[int, Seen]] = queue.SimpleQueue()
    for task in [*tasks, *[None] * _AT_ONCE]:
        waiting.put(task)
    for _ in range(_AT_ONCE):
        threading.Thread(target=_work, args=(place, waiting, answers), daemon=True).start()
    found: dict[int, Seen] = {}
    while len(found) < len(tasks):
        try:
            index, seen = answers.get(timeout=seconds)
        except queue.Empty:
            break
        found[index] = seen
    return found


def _work(place: Place, waiting: queue.SimpleQueue[_Task | None], answers: queue.SimpleQueue[tuple[int, Seen]]) -> None:
    while (task := waiting.get()) is not None:
        answers.put((task[0], look(task[2], place)))


def look(check: Check, place: Place) -> Seen:
    """What one check gives, whatever happens in it."""
    try:
        if lacking := place.lacks(check.needs):
            return weak(f"not looked at: {lacking}", f"Run `tre init --root {place.layout.root}`.")
        return check.look(place)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding, and the other checks go on
        return _of_error(error)


def _of_error(error: Exception) -> Seen:
    """An error that a person can act on in its words; what may not be read is no fault of the machine."""
    cause = error.__cause__ if isinstance(error, TREError) else error
    if isinstance(cause, PermissionError):
        return _forbidden(str(cause.filename or cause.strerror))
    known = error if isinstance(error, TREError) else known_failure(error)
    if known is None:
        return bad(f"could not be looked at: {type(error).__name__}: {error}", "Report this: no check should break.")
    if known is not error and known.reason is Reason.NotPermitted:
        return _forbidden("what it asks for")
    return _told(known)


def _told(error: TREError) -> Seen:
    return bad(f"{error.what} {error.why}".strip(), error.remedy)


def _forbidden(what: str) -> Seen:
    return weak(f"not looked at: {what} may not be read by this user", "Run `tre doctor` as who starts the launcher.")


def _finding(field: str, check: Check, seen: Seen) -> Finding:
    detail, remedy = as_line(seen.detail, _LONGEST), as_line(seen.remedy, _LONGEST)
    return Finding(check.what, State(seen.state), detail, remedy, field, check.means)


def worst(findings: Iterable[Finding]) -> State:
    """The worst state of several; good for none."""
    states = {one.state for one in findings}
    return next((state for state in (State.bad, State.weak) if state in states), State.good)
