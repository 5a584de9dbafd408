"""Letters: written from the record, given to the mail server, by a thread that nothing else waits for.

Guarantees: what is written for an event and how far the log was read are one transaction, so a power cut loses no
letter and doubles none; a letter counts as sent when the server said that it has it, and that is recorded before the
next one is begun; whatever the server does, letters are kept, and tried again later each time. One letter that the
server chokes on delays no other. Only the leading controller writes and sends; one that lost the lead is refused by
the record.

Does not guarantee: that nobody gets a letter twice. Killed between the server's yes and the record of it, the sender
sends that one message again, under the same Message-ID. No protocol of mail can do better (RFC 1047).

Threat: a mail server that is down for a week, or hangs, and with it everything that people wait for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from tre.controller.context import Context
from tre.domain.errors import Reason, TREError
from tre.domain.letters.models import Correspondent, Draft, Letter, LetterState
from tre.domain.letters.pace import (
    LONGEST_SERVER_PAUSE,
    goes_out,
    is_given_up,
    is_together,
    pause_after,
    pause_after_refusal,
    server_pause,
)
from tre.domain.letters.table import KINDS, TOPICS
from tre.domain.letters.topics import drafts
from tre.domain.letters.writing import letter_id, message_of
from tre.store import circles, correspondents
from tre.store import letters as store
from tre.store.events import StoredEvent, after, last_number
from tre.store.letters import Outcome
from tre.system.smtp import MailServer, RefusedError, Session

log = structlog.get_logger()

LOOK_SECONDS = 2.0
"""How often it is looked whether anything happened or is due: two reads of the record."""
PART = 500
"""Events that are read at once."""
BATCH = 100
"""Messages of one pass; what is left is the next one's."""
TOGETHER = 200
"""Most letters in the one message of a day."""
BREAKS = 3
"""How many messages in a row may break the connection until the server itself counts as away."""


@dataclass(frozen=True)
class Terms:
    """What writer and sender work with; `check` raises where this controller does not lead."""

    context: Context
    stop: threading.Event = field(default_factory=threading.Event)
    check: Callable[[], None] = lambda: None


class LetterWriter:
    """Turns events into letters."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._read: int | None = None

    def step(self) -> int:
        """Write what the events since the last time ask for; how many letters that were."""
        mail = self._context.settings.mail
        if mail is None:
            self._stop()
            return 0
        written = 0
        while (found := self._next()) is not None:
            written += self._write(found, mail.digest_hour)
        return written

    def _stop(self) -> None:
        with self._context.database.read() as connection:
            if store.read_up_to(connection) is None:
                return
        with self._context.database.change(self._context.event("letters.stopped", "letters/all")) as change:
            store.stop_reading(change)

    def _next(self) -> list[StoredEvent] | None:
        """The next events, `None` where there are none; mail that begins now begins with what happens from now on."""
        with self._context.database.read() as connection:
            kept = store.read_up_to(connection)
            if kept is None:
                number = last_number(connection)
            else:
                self._read = max(kept, self._read or 0)
                return after(connection, self._read, PART) or None
        with self._context.database.change(self._context.event("letters.begun", "letters/all")) as change:
            store.keep_read(change, number)
        self._read = number
        return None

    def _write(self, found: list[StoredEvent], digest_hour: int) -> int:
        """Keep the letters of these events, and that they were read; where they concern nobody, only in mind.

        An event that may concern somebody is read once: what it leads to depends on what is so when it is read.
        """
        last = found[-1].number
        concerning = [item for item in found if item.event.kind in KINDS]
        if not concerning and len(found) < PART:
            self._read = last
            return 0
        written = self._letters(concerning, digest_hour)
        event = self._context.event("letters.written", "letters/all", letters=len(written))
        now = self._context.clock.now()
        with self._context.database.change(event) as change:
            count = store.add(change, written, now)
            store.keep_read(change, last)
            store.tidy(change, now)
        self._read = last
        return count

    def _letters(self, concerning: list[StoredEvent], digest_hour: int) -> list[Letter]:
        now = self._context.clock.now()
        found: list[Letter] = []
        with self._context.database.read() as connection:
            for item in concerning:
                told = drafts(item.event, circles.around(connection, item.event, now), TOPICS)
                reached = correspondents.reachable(connection, [draft.recipient for draft in told])
                for draft in told:
                    who = reached.get(draft.recipient.key)
                    due = None if who is None else goes_out(draft, who.pace, now, digest_hour)
                    if who is not None and due is not None:
                        found.append(_letter(item, draft, who, due))
        return found


def _letter(item: StoredEvent, draft: Draft, who: Correspondent, due: datetime) -> Letter:
    return Letter(
        id=letter_id(item.event.id, *draft.recipient.key),
        event=item.event.id,
        recipient=draft.recipient,
        subject=draft.subject,
        text=draft.text,
        page=draft.page,
        at=item.event.at,
        together=is_together(draft, who.pace),
        next_at=due,
    )


class LetterSender:
    """Gives letters to the mail server."""

    def __init__(self, terms: Terms, server: MailServer) -> None:
        self._context, self._terms, self._server = terms.context, terms, server
        self._failures = 0
        self._next_try: datetime | None = None

    def step(self) -> int:
        """Send what is due; how many messages the server took."""
        now = self._context.clock.now()
        if self._next_try is not None and now < self._next_try <= now + LONGEST_SERVER_PAUSE:
            return 0
        with self._context.database.read() as connection:
            left = sorted(store.due(connection, now, BATCH), key=_in_order)
        sent = breaks = 0
        while left and not self._terms.stop.is_set():
            before = len(left)
            try:
                sent += self._connect(left)
                self._failures, self._next_try = 0, None
            except TREError as error:
                if error.reason not in {Reason.MailUnavailable, Reason.SetupIncomplete}:
                    raise
                breaks += 1
                if len(left) == before or breaks == BREAKS:  # not one letter is at fault: the server is
                    self._away(error, left)
                    break
        return sent

    def _away(self, error: TREError, left: Sequence[Letter]) -> None:
        """Leave the server alone for a while, longer each time; what was to be sent says why it was not."""
        if self._failures == 0:
            log.warning("mail-server", reason=error.reason, error=str(error))
        self._failures += 1
        now = self._context.clock.now()
        self._next_try = now + server_pause(self._failures)
        if left:
            event = self._context.event("letters.delayed", "letters/all", reason=error.reason.value)
            with self._context.database.change(event) as change:
                store.settle(change, left, Outcome(LetterState.Failed, error.reason, self._next_try), now)

    def _connect(self, left: list[Letter]) -> int:
        """Send over one connection, taking from the list what was tried; raises where the connection is lost."""
        sent = 0
        with self._server.connection() as session:
            while left and not self._terms.stop.is_set():
                self._terms.check()
                sent += self._deliver(session, left)
        return sent

    def _deliver(self, session: Session, left: list[Letter]) -> int:
        """One message: the first letter, or all of its recipient's that go out together; whether it was sent."""
        first, now = left.pop(0), self._context.clock.now()
        with self._context.database.read() as connection:
            who = correspondents.reachable(connection, [first.recipient]).get(first.recipient.key)
            parts = store.together_with(connection, first.recipient, now, TOGETHER) if first.together else [first]
        left[:] = [letter for letter in left if letter.id not in {part.id for part in parts}]
        if not parts:
            return 0
        if who is None or who.address is None:
            self._settle(parts, Reason.AddressRefused, refused=True)
            return 0
        settings = self._context.settings
        message = message_of(parts, settings.base, settings.origin("desk"))
        try:
            session.deliver(who.address, message, now)
        except RefusedError as error:
            self._settle(parts, error.reason, refused=error.for_good)
            return 0
        except TREError as error:
            self._settle(parts, error.reason)
            raise
        event = self._context.event("letter.sent", f"letter/{message.identity}", letters=[part.id for part in parts])
        with self._context.database.change(event) as change:
            store.settle(change, parts, Outcome(LetterState.Sent, Reason.Requested, now), self._context.clock.now())
        return 1

    def _settle(self, parts: Sequence[Letter], reason: Reason, *, refused: bool = False) -> None:
        """Keep that a message was not taken, when it is tried again, or that it was given up."""
        now = self._context.clock.now()
        for part in parts:
            refusals, attempts = part.refusals + refused, part.attempts + 1
            given_up = refused and is_given_up(refusals)
            state = LetterState.Abandoned if given_up else LetterState.Failed
            pause = pause_after_refusal(refusals) if refused else pause_after(attempts)
            kind = "letter.abandoned" if given_up else "letter.failed"
            event = self._context.event(kind, f"letter/{part.id}", reason=reason.value, attempts=attempts)
            with self._context.database.change(event) as change:
                store.settle(change, [part], Outcome(state, reason, now + pause, refused), now)


def _in_order(letter: Letter) -> tuple[datetime, str]:
    """As things happened: after an outage nobody reads that access ended before they read that it began."""
    return (letter.at, letter.id)


class Letters:
    """Writer and sender, and the thread in which they work."""

    def __init__(self, terms: Terms) -> None:
        self._terms, self._writer = terms, LetterWriter(terms.context)
        settings = terms.context.settings
        root, mail = terms.context.layout.root, settings.mail
        self._sender = None if mail is None else LetterSender(terms, MailServer(mail, settings.base, root))
        self._trouble = ""

    def begin(self) -> threading.Thread:
        """Work beside everything else until told to stop."""
        thread = threading.Thread(target=self.run, daemon=True, name="letters")
        thread.start()
        return thread

    def run(self) -> None:
        """Work until told to stop, or where no mail is sent, until that is known."""
        while not (self.step() and self._sender is None) and not self._terms.stop.wait(LOOK_SECONDS):
            pass

    def step(self) -> bool:
        """Write, then send; trouble is told once, and nothing of it reaches anybody else. Whether all went well."""
        try:
            self._writer.step()
            if self._sender is not None:
                self._sender.step()
        except Exception as error:  # noqa: BLE001 - letters must not end the controller, nor end with one failure
            if str(error) != self._trouble:
                log.error("letters", error=f"{type(error).__name__}: {error}")
            self._trouble = str(error)
            return False
        self._trouble = ""
        return True
