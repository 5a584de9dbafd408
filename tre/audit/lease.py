"""One sequencer among several machines: a lease in the record.

Guarantees: of any number of controllers one leads. Whoever leads gives a sign of life (`beats`) at least every third
of the lease; whoever waits takes over once it has seen none for the whole lease by its own clock, so that no two
clocks need agree, and at once where the leader went in order. Each change of leader raises `token`, and every batch of
the sequencer confirms its token in its own transaction: a leader that was stopped, cut off or put to sleep and wakes
later finds another token and writes nothing.

Every change of the leader's own may be fenced in the same way (`verify`): writers queue, so whoever has the turn and
still finds its token there is the leader until it commits.

Does not guarantee: that somebody leads. Right after a leader was killed nobody does, for the length of the lease.

Threat: two sequencers, one of them from the past; a clock that runs ahead.
"""

from __future__ import annotations

import os
import socket

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.store.database import Database, new_id
from tre.store.tables.jobs import leases

SEQUENCER = "sequencer"
LEASE_SECONDS = 5.0
"""How long a silent leader is waited for: longer than a busy machine keeps a program from running, short enough that
a release waiting for its proof hardly notices."""

_Seen = tuple[int, int]


class Lease:
    """One program's claim to lead. `keep` it, more often than every third of its length; ask for nothing else."""

    def __init__(
        self, database: Database, clock: Clock, *, seconds: float = LEASE_SECONDS, name: str = SEQUENCER
    ) -> None:
        self._database = database
        self._clock = clock
        self._seconds = seconds
        self._name = name
        self.holder = f"{socket.gethostname()[:40]}/{os.getpid()}/{new_id()[:8]}"
        self._token: int | None = None
        self._beat_at = 0.0
        self._seen: _Seen | None = None
        self._seen_at = 0.0

    @property
    def token(self) -> int | None:
        """Which change of leader made this program lead; `None` where it does not."""
        return self._token

    def observe(self) -> None:
        """Look who leads without wanting to: so the time in which nobody gave a sign of life counts already."""
        with self._database.read() as connection:
            row = self._row(connection)
        if row is not None:
            self._is_silent((row.token, row.beats), self._clock.boottime())

    def verify(self, connection: Connection) -> None:
        """Look within a writing transaction whether this program still leads.

        Raises `TREError(LeadershipLost)` where it does not; the transaction must not be committed then.
        """
        row, token = self._row(connection), self._token
        if row is None or token is None or (row.token, row.holder) != (token, self.holder):
            raise TREError(
                Reason.LeadershipLost,
                "This controller does not lead, so it changes nothing.",
                why="Another one leads, or will.",
                remedy="Nothing needs to be done: another one takes over.",
            )

    def keep(self) -> bool:
        """Lead on, or take over where that is due; whether this program leads now."""
        now = self._clock.boottime()
        if self._token is not None:
            if now - self._beat_at >= self._seconds / 3:
                self._renew(now)
            return self._token is not None
        with self._database.read() as connection:
            row = self._row(connection)
        if row is not None and row.holder and not self._is_silent((row.token, row.beats), now):
            return False
        self._take(None if row is None else (row.token, row.beats), now)
        return self._token is not None

    def confirm(self, connection: Connection) -> None:
        """Give a sign of life within a writing transaction.

        Raises `TREError(Conflict)` where another program leads; the transaction must not be committed then.
        """
        mine = (leases.c.name == self._name, leases.c.token == self._token, leases.c.holder == self.holder)
        done = connection.execute(update(leases).where(*mine).values(beats=leases.c.beats + 1))
        if done.rowcount != 1:
            self._token = None
            raise TREError(
                Reason.Conflict,
                "Another controller leads and sequences the audit log.",
                why="This one gave no sign of life for too long, or never led.",
                remedy="Nothing: it takes over when the other ends.",
            )

    def release(self) -> None:
        """Let another lead at once; where this program does not lead any more, nothing."""
        if self._token is None:
            return
        mine = (leases.c.name == self._name, leases.c.token == self._token)
        self._token = None
        with self._database.extend_log() as connection:
            connection.execute(update(leases).where(*mine).values(holder="", beats=leases.c.beats + 1))

    def _row(self, connection: Connection) -> Row[*tuple[object, ...]] | None:
        return connection.execute(select(leases).where(leases.c.name == self._name)).one_or_none()

    def _is_silent(self, found: _Seen, now: float) -> bool:
        if found != self._seen:
            self._seen, self._seen_at = found, now
        return now - self._seen_at >= self._seconds

    def _renew(self, now: float) -> None:
        try:
            with self._database.extend_log() as connection:
                self.confirm(connection)
        except TREError as error:
            if error.reason is not Reason.Conflict or self._token is not None:
                raise
        else:
            self._beat_at = now

    def _take(self, found: _Seen | None, now: float) -> None:
        """Become the leader, unless somebody else was faster."""
        token = 1 if found is None else found[0] + 1
        try:
            with self._database.extend_log() as connection:
                if found is None:
                    values = {"name": self._name, "holder": self.holder, "token": token, "beats": 0}
                    connection.execute(insert(leases).values(values))
                    taken = True
                else:
                    same = (leases.c.name == self._name, leases.c.token == found[0], leases.c.beats == found[1])
                    done = connection.execute(update(leases).where(*same).values(holder=self.holder, token=token))
                    taken = done.rowcount == 1
        except IntegrityError:
            return
        if taken:
            self._token, self._beat_at = token, now
