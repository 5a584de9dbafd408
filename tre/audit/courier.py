"""Shows checkpoints to the places elsewhere, and remembers what each has.

Guarantees: level-triggered: what a place is due follows from the last checkpoint and from what it has, so a restart, a
power cut or a week without network loses nothing; a place that fails is tried again later each time and holds up no
other one. What is behind stands in a file that `tre status`, `tre doctor` and the metrics read.

Does not guarantee: that nothing goes on while a place is behind. A grant does not wait for a mail server.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from tre.audit.checkpoint import SignedCheckpoint, parse
from tre.audit.keys import PUBLIC_KEY_FILE, load_public
from tre.audit.places import Means, Place, place_of
from tre.audit.records import last_checkpoint
from tre.domain.clock import Clock
from tre.domain.errors import TREError
from tre.domain.model import Line, Record, UtcTime, as_line, parse_record
from tre.store.database import Database
from tre.system.files import write_json
from tre.system.layout import Layout
from tre.system.settings import Settings
from tre.system.smtp import MailServer
from tre.system.witness_settings import WitnessSettings

log = structlog.get_logger()

LOOK_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=1)
GRACE = timedelta(minutes=10)
"""How long after it was due a checkpoint may come before a place counts as behind."""


class Kept(Record):
    """What a place has: the size of the last checkpoint it took and when, and why it did not take the next one."""

    size: int = -1
    kept_at: UtcTime | None = None
    due_at: UtcTime | None = None
    """Since when it should have another one; nothing where it has all it should."""
    failures: int = 0
    tried_at: UtcTime | None = None
    trouble: Line = ""

    def behind(self, now: datetime) -> timedelta:
        """How long it has been without what it should have, beyond the grace."""
        late = timedelta() if self.due_at is None else now - self.due_at - GRACE
        return max(late, timedelta())


class _File(Record):
    places: dict[str, Kept] = {}


def state_path(root: Path) -> Path:
    """Where it stands what each place has, below the launcher's root."""
    return root / "audit" / "places.json"


def read_state(path: Path) -> dict[str, Kept]:
    """What each place has; a file that is missing or damaged says nothing, and all is sent again."""
    try:
        text = path.read_text(encoding="utf-8")
        return parse_record(_File, json.loads(text), source=str(path)).places
    except (OSError, ValueError, TREError):
        return {}


Stop = tuple[WitnessSettings, Place]
"""One place of the round."""


class Courier:
    """Goes round the places; call `step` every few seconds."""

    def __init__(
        self, database: Database, clock: Clock, path: Path, round_: Sequence[tuple[WitnessSettings, Place]]
    ) -> None:
        self._database, self._clock, self._path, self._round = database, clock, path, round_

    def step(self) -> int:
        """Show the last checkpoint to each place that is due one; how many took it."""
        with self._database.read() as connection:
            row = last_checkpoint(connection)
        if row is None:
            return 0
        before = read_state(self._path)
        after = {
            settings.name: self._visit(settings, place, before.get(settings.name, Kept()), parse(row.note))
            for settings, place in self._round
        }
        if after != before:
            self._path.parent.mkdir(exist_ok=True)
            write_json(self._path, _File(places=after).as_plain())
        return sum(after[name].kept_at != before.get(name, Kept()).kept_at for name in after)

    def _visit(self, settings: WitnessSettings, place: Place, kept: Kept, signed: SignedCheckpoint) -> Kept:
        now, size = self._clock.now(), signed.checkpoint.size
        if kept.size == size:
            return kept.model_copy(update={"due_at": None, "failures": 0, "trouble": ""})
        if kept.size > size:
            words = f"It has a checkpoint of {kept.size} events, and the log has {size} now: the log was shortened."
            return kept.model_copy(update={"due_at": kept.due_at or now, "trouble": words})
        if not _is_over(kept.kept_at, settings.every, now):
            return kept
        due = kept.due_at or now
        if not _is_over(kept.tried_at, min(FIRST_PAUSE * 2 ** min(kept.failures, 20), LONGEST_PAUSE), now):
            return kept
        try:
            place.keep(signed)
        except TREError as error:
            if str(error) != kept.trouble:
                log.error("witness", place=settings.name, reason=error.reason, error=str(error))
            failed = {"due_at": due, "failures": kept.failures + 1, "tried_at": now, "trouble": as_line(str(error))}
            return kept.model_copy(update=failed)
        return Kept(size=size, kept_at=now)

    def run(self, stop: threading.Event, check: Callable[[], None]) -> None:
        """Go round until told to stop; `check` raises where this program does not lead."""
        trouble = ""
        while not stop.wait(LOOK_SECONDS):
            try:
                check()
                self.step()
                trouble = ""
            except Exception as error:  # noqa: BLE001 - a place must not end the controller, nor end with one failure
                if str(error) != trouble:
                    log.error("witnesses", error=f"{type(error).__name__}: {error}")
                trouble = str(error)


def courier_of(layout: Layout, settings: Settings, database: Database, clock: Clock) -> Courier:
    """The courier of an installation."""
    mail = None if settings.mail is None else MailServer(settings.mail, settings.base, layout.root)
    means = Means(layout.root, mail, load_public(layout.keys / PUBLIC_KEY_FILE), clock)
    round_ = [(one, place_of(one, means)) for one in settings.witnesses]
    return Courier(database, clock, state_path(layout.root), round_)


def _is_over(since: datetime | None, span: timedelta, now: datetime) -> bool:
    """Whether a span has passed; a moment that lies ahead was written by a clock that was wrong."""
    return since is None or not since <= now < since + span


def standing(state: Mapping[str, Kept], names: Sequence[str], now: datetime) -> dict[str, str]:
    """In words, how each place stands: `ok`, or what is wrong."""
    found = {}
    for name in names:
        kept = state.get(name, Kept())
        late = kept.behind(now)
        if kept.trouble and late:
            found[name] = f"behind by {int(late.total_seconds())} s: {kept.trouble}"
        elif kept.kept_at is None:
            found[name] = f"has nothing yet{': ' if kept.trouble else ''}{kept.trouble}"
        else:
            found[name] = "ok"
    return found
