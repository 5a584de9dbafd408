"""Who of several controllers acts.

Guarantees: where the record is on a server one controller leads, by the lease in the record, and on a cluster by a
Lease of the cluster as well: only who holds that one tries for the one in the record, so there is one leader and not
two halves. Who does not lead changes nothing: its changes of the record are refused in their own transaction, its
writes to the cluster before they are sent. Who led and does not any more never leads again: the program ends. Where
the record is a file there is one controller by the file's lock, and it leads.

Does not guarantee: that somebody leads. After a leader was killed nobody does, for the length of a lease; what runs
ends in time without any of us.

Threat: a controller that slept, or was cut off, and undoes what its successor ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tre.audit.lease import Lease
from tre.cluster.lease import Elector
from tre.domain.errors import Reason, TREError

log = structlog.get_logger()

LOOK_SECONDS = 0.25
KEEP_SECONDS = 1.0
JOIN_SECONDS = 5.0


class Leadership:
    """One controller's part in it; without a lease it leads from the start."""

    def __init__(self, lease: Lease | None = None, elector: Elector | None = None) -> None:
        self.lease, self._elector = lease, elector
        self.began = threading.Event()
        self.lost: str | None = None
        self._token: int | None = None
        self._trouble: str | None = None
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._told: Callable[[], None] = lambda: None
        if lease is None and elector is None:
            self.began.set()

    def leads(self) -> bool:
        """Whether this controller may act now."""
        return self.began.is_set() and self.lost is None and (self._elector is None or self._elector.is_leading())

    def check(self) -> None:
        """Raise `TREError(LeadershipLost)` where this controller may not act."""
        if not self.leads():
            raise TREError(
                Reason.LeadershipLost,
                "This controller does not lead, so it changes nothing.",
                why=self.lost or "Another one leads, or will.",
                remedy="Nothing needs to be done: another one takes over.",
            )

    def fence(self, connection: Connection) -> None:
        """The same within a change of the record, by what the record says. Raises `TREError(LeadershipLost)`."""
        self.check()
        if self.lease is not None:
            self.lease.verify(connection)

    def start(self, told: Callable[[], None]) -> None:
        """Try to lead, from now on; `told` is called when it was lost after it was had."""
        self._told = told
        works: list[tuple[str, Callable[[], None]]] = []
        if self._elector is not None:
            works.append(("elector", self._elect))
        if self.lease is not None:
            works.append(("lease", self._keep))
        self._threads = [threading.Thread(target=work, name=name, daemon=True) for name, work in works]
        for thread in self._threads:
            thread.start()

    def step(self) -> None:
        """One look at the record's lease, or one sign of life."""
        if self.lease is None:
            return
        try:
            held = self._try(self.lease)
        except (TREError, SQLAlchemyError) as error:  # the record is away: nobody else can lead by it either
            if str(error) != self._trouble:
                log.warning("lease-not-reached", error=str(error))
            self._trouble = str(error)
            return
        self._trouble = None
        if held and not self.began.is_set():
            self._token = self.lease.token
            self.began.set()
            log.info("leading", holder=self.lease.holder, token=self._token)
        elif self.began.is_set() and (not held or self.lease.token != self._token):
            self._lose("Another controller leads by the record's lease.")

    def release(self) -> None:
        """Let another lead at once; call it when this one acts no more. What cannot be reached runs out by itself."""
        led, self.lost = self.leads(), self.lost or "This controller ends."
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
        if self.lease is None or not led:
            return
        try:
            self.lease.release()
        except (TREError, SQLAlchemyError) as error:
            log.warning("lease-not-released", error=str(error))

    def _try(self, lease: Lease) -> bool:
        if self._elector is None or self._elector.is_leading():
            return lease.keep()
        lease.observe()
        return False

    def _keep(self) -> None:
        while not self._stop.wait(KEEP_SECONDS if self.began.is_set() else LOOK_SECONDS):
            self.step()

    def _elect(self) -> None:
        assert self._elector is not None
        self._elector.run(self._stop, lambda: self._lose("The cluster's lease was not renewed in time, or was taken."))

    def _lose(self, why: str) -> None:
        if self.lost is None:
            self.lost = why
            log.error("leadership-lost", why=why)
            self._told()
