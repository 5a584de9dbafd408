"""Which of our hosts a request names: the first decision about it.

Guarantees: a `Host` header is one of ours, spelled as a browser spells it (lower case, no dot at the end, at most a
port after it), or it is nothing. Each workspace has a host of its own for the shell and another for the Lab, so the
browser's same-origin rule keeps workspaces apart from each other and from the pages where people decide things.

Does not guarantee: that the workspace exists. Threat: DNS rebinding and host confusion, where a page elsewhere makes
the browser speak to this address under a name that another program would serve.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_SLUG = re.compile(r"w-[a-z2-7]{12}")
_PORT = re.compile(r"[0-9]{1,5}")


class Door(StrEnum):
    """What stands behind a host."""

    public = "public"
    desk = "desk"
    enter = "enter"
    hub = "hub"
    preview = "preview"
    sources = "sources"
    shell = "shell"
    lab = "lab"


_OURS = (Door.desk, Door.enter, Door.hub, Door.preview, Door.sources)
_NAMED = {"": Door.public, **{door.value: door for door in _OURS}}
_OF_A_WORKSPACE = {"open": Door.shell, "lab": Door.lab}


@dataclass(frozen=True)
class Place:
    """A host of ours: what it serves, its name without the port, and its workspace where it has one."""

    door: Door
    host: str
    workspace: str = ""


def find_place(host_header: str, base: str) -> Place | None:
    """The place that a `Host` header names under the base domain; `None` for any other host."""
    host, colon, port = host_header.lower().partition(":")
    if colon and _PORT.fullmatch(port) is None:
        return None
    if host == base:
        return Place(Door.public, host)
    prefix, dot, rest = host.partition(f".{base}")
    if not dot or rest:
        return None
    if (door := _NAMED.get(prefix)) is not None and prefix:
        return Place(door, host)
    slug, _, kind = prefix.partition(".")
    if kind in _OF_A_WORKSPACE and _SLUG.fullmatch(slug):
        return Place(_OF_A_WORKSPACE[kind], host, slug)
    return None
