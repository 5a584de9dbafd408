"""One REMS at work: messages are taken in at once, the source is asked when it is time, its truth is brought about.

Guarantees: a step never waits for the network; what a message takes away is taken away in the step that sees it,
whatever the source answers meanwhile. A message is taken in once, with its outcome; one that says nothing new, or
nothing that can be read, changes nothing and is told. A source that does not answer is asked again, later each time.

Does not guarantee: that a removal is true. Who knows the secret can withhold access until the next answer.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from tre.domain.errors import Reason, TREError
from tre.domain.model import as_line
from tre.domain.sources.messages import Message, read_event, read_push
from tre.domain.sources.policy import RemsSource
from tre.domain.sources.truth import Truth, allowed, learned, told
from tre.sources.keeper import Keeper
from tre.sources.rems.asking import Asked, Asker
from tre.sources.rems.grants import RemsGrants, key_of, text_of
from tre.store import sources as store
from tre.store.sources import Channel, MessageState, Outcome, StoredGrant, StoredMessage, StoredSource
from tre.system.layout import Layout

log = structlog.get_logger()

GAP = timedelta(seconds=2)
"""How long a source rests between two questions, however much it tells."""

FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=10), timedelta(minutes=15)
FULL_LOOK = timedelta(minutes=1)
PART = 20
"""How many applications are looked at, at least, before it is seen whether something was told meanwhile."""

Beside = Callable[[Callable[[], Asked]], "Future[Asked]"]
"""Has something done while the caller goes on."""


def in_a_thread(work: Callable[[], Asked]) -> Future[Asked]:
    """Do it in a thread that keeps no program from ending."""
    future: Future[Asked] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result is told
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="ask").start()
    return future


class Rems:
    """One REMS."""

    def __init__(self, layout: Layout, source: RemsSource, keeper: Keeper, beside: Beside) -> None:
        self.source, self._keeper, self._beside = source, keeper, beside
        self._asker = Asker(layout, source)
        self._grants = RemsGrants(layout.root, source, keeper, lambda: load_source_key(layout.source_key))
        self._asking: Future[Asked] | None = None
        self._failures = 0
        self._todo: list[int] = []
        self._touched: set[int] = set()
        self._wanted = False  # whatever is under way: what was told meanwhile is asked for again
        now = keeper.terms.clock.now()
        self._ask_at, self._asked_at, self._look_at = now, now - GAP, now

    def step(self) -> bool:
        """Everything that is due now, of a look over everything the next part; whether more of it is left."""
        now = self._keeper.terms.clock.now()
        self._touched |= self._take_in()
        if self._touched:
            self._grants.apply(frozenset(self._touched))
            self._touched.clear()  # not before: where it could not be done, the next step makes up for it
        if self._asking is not None and self._asking.done():
            heard, self._asking = self._asking, None
            self._ask_at = min(self._ask_at, now + FIRST_RETRY)  # until it is written down it was not heard
            self._hear(heard)
            self._look_at = now
        if now >= self._look_at:
            self._look_at = now + FULL_LOOK
            self._todo = self._grants.applications()
        if self._todo:
            count = max(PART, len(self._todo) // PART)
            part, self._todo = self._todo[:count], self._todo[count:]
            self._grants.apply(frozenset(part))
        if self._asking is None and (self._wanted or now >= self._ask_at) and now - self._asked_at >= GAP:
            self._ask(now)
        return bool(self._todo)

    def _ask(self, now: datetime) -> None:
        with self._keeper.terms.database.read() as connection:
            after = store.newest_number(connection)
        self._ask_at, self._asked_at, self._wanted = now + timedelta(minutes=self.source.poll_minutes), now, False
        self._asking = self._beside(lambda: self._asker.ask(now, after))

    def _hear(self, asking: Future[Asked]) -> None:
        try:
            asked = asking.result()
        except TREError as error:
            self._failed(error)
            return
        except Exception as error:
            log.error("source-answer", source=self.source.id, error=str(error), exc_info=True)
            self._failed(
                TREError(Reason.ServiceUnavailable, "The source's answer cannot be read.", why=type(error).__name__)
            )
            return
        with self._keeper.terms.database.read() as connection:
            before = store.get(connection, self.source.id)
        truth = learned(before.truth, asked.answer)
        asked_at = asked.answer.asked_at
        message = f"{len(asked.refused)} left out: {asked.refused[0]}" if asked.refused else ""
        stands = StoredSource(
            id=self.source.id,
            truth=truth,
            tried_at=asked_at,
            heard_at=None if truth.answer is None else truth.answer.asked_at,
            reason=Reason.BadInput if asked.refused else Reason.Entitled,
            message=as_line(message),
        )
        some = [as_line(text) for text in asked.refused[:5]]
        detail = {"entitlements": len(asked.answer.entitlements), "leftOut": len(asked.refused), "some": some}
        event = self._keeper.event("source.heard", f"source/{self.source.id}", **detail)
        self._keeper.write(event, lambda change: store.keep(change, stands))
        self._failures = 0
        self._ask_at = asked_at + timedelta(minutes=self.source.poll_minutes)

    def _failed(self, error: TREError) -> None:
        now = self._keeper.terms.clock.now()
        self._failures += 1
        pause = min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(self._failures - 1, 10))
        self._ask_at = now + pause * random.uniform(0.8, 1.2)  # noqa: S311  # nosec B311
        with self._keeper.terms.database.read() as connection:
            before = store.get(connection, self.source.id)
        said = as_line(str(error))
        if (before.reason, before.message) == (error.reason, said):
            return
        stands = before.model_copy(update={"tried_at": now, "reason": error.reason, "message": said})
        event = self._keeper.event("source.failed", f"source/{self.source.id}", reason=error.reason.value, why=said)
        self._keeper.write(event, lambda change: store.keep(change, stands))

    def _take_in(self) -> set[int]:
        """Take messages in, in one transaction; return the applications that something is over of."""
        now = self._keeper.terms.clock.now()
        with self._keeper.terms.database.read() as connection:
            waiting = store.waiting(connection, self.source.id)
            if not waiting:
                return set()
            before = store.get(connection, self.source.id)
            items = store.grants_of(connection, self.source.id)
            judged = self._judge(connection, waiting, now)
        truth = before.truth
        over = [one for _, outcome, message in judged if outcome.state is MessageState.taken for one in message.over]
        for one in over:
            truth = told(truth, one)
        ended = self._ended(truth, {one.application for one in over}, items, now)
        counts = {state.value: sum(o.state is state for _, o, _ in judged) for state in MessageState}
        refusals = [
            self._keeper.event(
                "source.message-refused",
                f"source/{self.source.id}",
                number=stored.number,
                reason=outcome.reason.value,
                why=outcome.message,
                digest=stored.digest,
            )
            for stored, outcome, _ in judged
            if outcome.state is MessageState.refused
        ]
        first = self._keeper.event("source.messages-taken", f"source/{self.source.id}", **counts)
        self._keeper.terms.check_leading()
        with self._keeper.terms.database.change(first, *refusals) as change:
            for stored, outcome, _ in judged:
                store.settle(change, stored.number, outcome, now)
            if truth != before.truth:
                store.keep(change, before.model_copy(update={"truth": truth}))
            store.keep_grants(change, ended)
        if any(outcome.state is not MessageState.refused for _, outcome, _ in judged):
            self._wanted = True
        return {one.application for one in over}

    def _judge(
        self, connection: Connection, waiting: list[StoredMessage], now: datetime
    ) -> list[tuple[StoredMessage, Outcome, Message]]:
        found = []
        seen: set[str] = set()
        for stored in waiting:
            try:
                message = read_message(stored, now)
            except TREError as error:
                outcome = Outcome(state=MessageState.refused, reason=error.reason, message=as_line(str(error)))
                found.append((stored, outcome, Message(None, "")))
                continue
            identity = message.identity
            again = identity is not None and (identity in seen or store.was_taken(connection, self.source.id, identity))
            seen |= {identity} if identity is not None else set()
            state = MessageState.repeated if again else MessageState.taken
            found.append((stored, Outcome(state=state, identity=identity, kind=message.kind), message))
        return found

    def _ended(
        self, truth: Truth, applications: set[int], items: dict[str, StoredGrant], now: datetime
    ) -> list[StoredGrant]:
        """Approvals of which nothing is left by what was told: where the next answer misses them, they ended."""
        left = {text_of(one.key) for one in allowed(truth, now)}
        return [
            item.model_copy(update={"told_over": True})
            for text, item in items.items()
            if key_of(text)[0] in applications and text not in left
        ]


def read_message(stored: StoredMessage, now: datetime) -> Message:
    """What a message says. Raises `TREError(BadInput)`."""
    if stored.channel is Channel.asked:
        return Message(None, "asked")
    try:
        value = json.loads(stored.body or "")
    except (ValueError, RecursionError) as error:
        raise TREError(Reason.BadInput, "The message is no JSON.", why=f"{type(error).__name__}.") from error
    try:
        if stored.channel is Channel.event:
            return read_event(value, stored.number)
        return read_push(value, stored.number, now, removed=stored.channel is Channel.remove)
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:  # it must not stop those behind it
        raise TREError(Reason.BadInput, "The message cannot be read.", why=f"{type(error).__name__}.") from error


def load_source_key(path: Path) -> Ed25519PrivateKey:
    """The key that what sources state is signed with. Raises `TREError(SetupIncomplete)`."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else "It holds no private key in PEM form without a password"
        raise _no_key(path, f"{why}.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "It holds a key of another kind than Ed25519.")
    return key


def _no_key(path: Path, why: str) -> TREError:
    return TREError(
        Reason.SetupIncomplete,
        f"What sources state cannot be signed with {path}.",
        why=why,
        remedy="Run `tre init` for this root again: it makes the key.",
    )
