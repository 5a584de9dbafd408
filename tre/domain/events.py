"""What the audit log is made of.

Guarantees: an event says who did what to which object, when, and why, in a form whose canonical bytes are the leaf
of the Merkle log. Who changes a state must bring the event along: the repositories take it as an argument.

Does not guarantee: order. Events commit unordered; the sequencer gives each its place (see `tre.audit`).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from tre.domain.canonical import canonical_bytes
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject

SYSTEM_ISSUER = "system"
"""The issuer of the launcher's own programs, so that a program is never mistaken for a person."""


def program(name: str) -> Subject:
    """A program of the launcher as the actor of an event."""
    return Subject(issuer=SYSTEM_ISSUER, id=name)


class Event(Record):
    """One thing that happened.

    `kind` is `object.verb-in-the-past` (`grant.revoked`); `object` names what it happened to (`grant/nccid-00123`);
    `detail` holds JSON values without floats, no file content and no secret. `id` is random and makes the taking-in
    of a spooled event idempotent.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    at: UtcTime
    actor: Subject
    kind: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$", max_length=80)]
    object: Annotated[Line, Field(min_length=1, max_length=600)]
    detail: dict[str, Any] = {}

    def leaf(self) -> bytes:
        """The canonical bytes that the log commits to."""
        return canonical_bytes(self.as_plain())
