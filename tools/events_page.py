"""The page of audit events, from the code that writes them."""

from __future__ import annotations

from itertools import groupby

from event_kinds import Written, kinds
from page import code, page, table

_BY = {
    "cli": "a command",
    "controller": "controller",
    "sources": "controller",
    "portal": "desk or public pages",
    "gateway": "gateway",
    "storekeeper": "storekeeper",
    "runtimes": "launcher",
    "audit": "controller",
    "backup": "a command",
    "store": "controller",
    "domain": "storekeeper or a command",
}


def writers(written: Written) -> str:
    """The programs that write a kind."""
    return ", ".join(dict.fromkeys(_BY[path.partition("/")[0]] for path in sorted(written.programs)))


def events_page() -> str:
    """Every kind of event, by what it is about."""
    found = kinds()
    parts = []
    for about, group in groupby(found, lambda kind: kind.partition(".")[0]):
        rows = [
            (code(kind), writers(found[kind]), ", ".join(code(name) for name in sorted(found[kind].details)) or "–")
            for kind in group
        ]
        parts += [f"## {about}", table(("kind", "written by", "details, among others"), rows)]
    return page(
        "Audit events",
        f"The {len(found)} kinds of events that the [log](../auditing.md) can hold. A kind is what it is about and "
        "what happened to it, in the past; beside it stand `actor` (a person, or a program as `system:NAME`), "
        "`object`, `at` in UTC and `detail`. No detail holds the content of a file or a secret. `tre audit tail "
        "--kind KIND` and the desk's page of the log search by kind.",
        *parts,
    )
