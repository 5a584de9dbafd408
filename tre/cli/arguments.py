"""What people type as arguments, read strictly: people, reasons, lengths of time.

Guarantees: a word that names nobody, nothing or no time is refused before anything is changed, with what was expected.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import Field

from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record, parse_record
from tre.domain.people import LOCAL_ISSUER, Person, Subject
from tre.system.settings import Settings

_LONGEST_WAIT = 86_400.0


class Remark(Record):
    """Why something is done, as people will read it."""

    reason: Annotated[Line, Field(min_length=1, max_length=500)]


def check_reason(text: str) -> str:
    """A reason that people can read. Raises `TREError(BadInput)`."""
    return parse_record(Remark, {"reason": text}, source="what was typed").reason


AsOption = Annotated[str, typer.Option("--as", metavar="ISSUER:ID", help="who acts, for example local:alice")]


def person_of(text: str, settings: Settings) -> Person:
    """Whoever acts, as ISSUER:ID. Raises `TREError(BadInput)`."""
    subject = subject_of(text, settings)
    return Person(subject=subject, display_name=subject.id)


def subject_of(text: str, settings: Settings) -> Subject:
    """A person as ISSUER:ID, for example `local:alice`; an issuer is often an address and holds colons itself.

    Raises `TREError(BadInput)`.
    """
    known = [LOCAL_ISSUER, *([settings.oidc.issuer] if settings.oidc is not None else [])]
    issuer = next((name for name in known if text.startswith(f"{name}:")), None)
    if issuer is None:
        issuer = text.rpartition(":")[0] if "://" in text else text.partition(":")[0]
    identifier = text.removeprefix(issuer).removeprefix(":")
    if not issuer or not identifier:
        raise TREError(
            Reason.BadInput,
            f"{text!r} names nobody.",
            why="A person is who vouches for them and what they are called there.",
            remedy=f"Write ISSUER:ID, for example {known[-1]}:alice.",
        )
    value = {"issuer": issuer, "id": identifier}
    return parse_record(Subject, value, source=repr(text))


def _seconds(value: float) -> float:
    if not (math.isfinite(value) and 0 <= value <= _LONGEST_WAIT):
        raise typer.BadParameter(f"a number of seconds from 0 to {_LONGEST_WAIT:.0f} is due")
    return value


Seconds = Annotated[float, typer.Option("--wait", callback=_seconds, help="Seconds to wait; 0 does not wait.")]


def coming(moment: datetime | None, now: datetime) -> datetime | None:
    """A time to come, in UTC where nothing else was said. Raises `TREError(BadInput)` for one that has passed."""
    if moment is None:
        return None
    found = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if found <= now:
        raise TREError(
            Reason.BadInput,
            f"{found:%Y-%m-%d %H:%M:%S}Z has passed already.",
            why=f"It is {now:%Y-%m-%d %H:%M:%S}Z.",
            remedy="Give a time to come, in UTC or with its zone.",
        )
    return found
