"""Whether all this would come back: the last backup, and whether anybody has tried one."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from tre.backup.drill import DRILLED
from tre.backup.make import BACKED_UP
from tre.cli.doctor.finding import Check, Field, Need, Place, Seen, good, weak
from tre.store.events import last_of_kind

_MAKE = "`tre backup DIR --passphrase-file FILE`, from a timer (docs/backup.md)."
_TRY = "`tre backup DIR --drill --passphrase-file FILE` restores the newest one beside, looks at it and removes it."


def _backup(place: Place) -> Seen:
    return _judged(place, BACKED_UP, place.settings.backup.warn_after_days, "backup", _MAKE)


def _drill(place: Place) -> Seen:
    return _judged(place, DRILLED, place.settings.backup.drill_after_days, "restore drill", _TRY)


def _judged(place: Place, kind: str, days: int, what: str, remedy: str) -> Seen:
    def ask(connection: Connection) -> datetime | None:
        return last_of_kind(connection, kind)

    last = place.asked(ask)
    if last is None:
        return weak(f"no {what} was ever made", remedy)
    age = place.now - last
    words = f"the last {what} is of {last:%Y-%m-%d %H:%M}Z"
    return weak(f"{words}, {age.days} days ago", remedy) if age > timedelta(days=days) else good(words)


FIELD = Field(
    "Recovery",
    (
        Check("backup", "What happened since the last one is lost with the machine.", _backup, Need.record),
        Check("restore drill", "A backup that nobody ever restored is a hope.", _drill, Need.record),
    ),
)
