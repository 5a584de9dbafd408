"""`python -m tre.controller --root ROOT`: the program that acts.

Guarantees: one controller for a root (a second one refuses to start); it may be killed at any line and goes on from
the record when it is started again; a log that is not what was signed stops it from granting anything new, while
endings go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
from typing import Any

import structlog
from prometheus_client import REGISTRY
from sqlalchemy.exc import SQLAlchemyError

from tre.airlock.spool import Spool
from tre.audit.intake import SpoolReader
from tre.audit.keys import PRIVATE_KEY_FILE, load_private
from tre.audit.lease import Lease
from tre.audit.lock import FileLock, lock_path
from tre.audit.sequencer import Sequencer, Terms
from tre.audit.witness import FileWitness, witness_path
from tre.controller.api import ControllerApi
from tre.controller.checker_relay import CheckerRelay
from tre.controller.context import Context
from tre.controller.exports import ExportReconciler
from tre.controller.greeting import Greeting
from tre.controller.hub_mirror import HubMirror
from tre.controller.metrics import RecordNumbers
from tre.controller.mirror import keep_mirror
from tre.controller.publisher import Publisher
from tre.controller.reconciler import Reconciler
from tre.domain.errors import TREError
from tre.runtimes.bubblewrap.runtime import BubblewrapRuntime
from tre.store.database import Database
from tre.store.migrate import require_current
from tre.store.roles import Role
from tre.system.clock import SystemClock
from tre.system.files import sweep_unfinished
from tre.system.hub_keys import CONTROLLER_TOKEN, read_key
from tre.system.layout import Layout
from tre.system.nudge import nudge_path
from tre.system.service import arguments, health_routes, serve_unix, until_told
from tre.system.settings import Settings

log = structlog.get_logger()

NOT_LEADING = "This controller does not lead: another one sequences the log, or will."


class Controller:
    """Everything of one controller, put together."""

    def __init__(self, layout: Layout, settings: Settings) -> None:
        self.layout, self.settings = layout, settings
        self.database = Database.open(layout, settings, Role.controller)
        require_current(self.database)
        self.log_trouble: str | None = NOT_LEADING if self.database.is_postgres else None
        self.publisher = Publisher(self.keeps_up)
        self.tapped, self.stop = threading.Event(), threading.Event()
        self.changed = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.context = Context(
            database=self.database,
            layout=layout,
            settings=settings,
            clock=SystemClock(),
            runtime=BubblewrapRuntime(layout),
            publish=self.publish,
            own_users=settings.services.controller == os.geteuid(),
            log_trouble=lambda: self.log_trouble,
        )
        signer = load_private(layout.keys / PRIVATE_KEY_FILE)
        self.lease = Lease(self.database, self.context.clock) if self.database.is_postgres else None
        terms = Terms(witness=FileWitness(witness_path(layout.root)), lease=self.lease)
        self.sequencer = Sequencer(self.database, signer, self.context.clock, terms)
        self.mended = False
        self.endings = SpoolReader(layout.endings, self.database, self.context.clock)
        spool = Spool(layout.checker_spool)
        spool.sweep_jobs()
        sweep_unfinished(witness_path(layout.root).parent)
        self.relay = CheckerRelay(self.context, spool)
        exports = ExportReconciler(self.context, signer)
        self.relay.appliers |= exports.appliers
        self.reconciler = Reconciler(self.context, self.tapped)
        self.reconciler.handlers["export"] = exports.reconcile
        self.reconciler.background += [self.take_in_endings, self.relay.step, self.sequence]
        self.greeting = Greeting(self.context, self.publisher)
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        """Let the gateways listen first, then bring everything where it belongs."""
        self.greeting.say()
        self.reconciler.run(self.stop)

    def publish(self, message: dict[str, Any]) -> None:
        """Tell the gateways (and wait until they closed their doors on an ending), and have the Hub's mirror look."""
        if message["type"] == "ending":
            self.publisher.announce(message)
        else:
            self.publisher.publish(message)
        if self.loop is not None and message["type"] in {"route", "route-gone"}:
            self.loop.call_soon_threadsafe(self.changed.set)

    def keeps_up(self) -> bool:
        """Whether what the gateways are told is still the truth."""
        return self.thread.is_alive() and (self.reconciler.keeps_up() or self.greeting.is_fresh())

    def take_in_endings(self) -> bool:
        """Put what supervisors and gateways wrote down into the record."""
        self.endings.take_in()
        return False

    def sequence(self) -> bool:
        """Give every event its place in the signed log."""
        try:
            if self.lease is not None and not self.lease.keep():
                self.mended, self.log_trouble = False, NOT_LEADING
                return False
            if not self.mended:
                self.sequencer.mend_queue()
                self.mended = True
            self.sequencer.catch_up()
            self.log_trouble = None
        except TREError as error:
            if self.log_trouble is None:
                log.error("audit-log", reason=error.reason, error=str(error))
            self.log_trouble = str(error)
        return False

    def let_go(self) -> None:
        """Let another controller lead at once; where the record cannot be reached it waits for the lease's end."""
        if self.lease is None or self.thread.is_alive():
            return
        try:
            self.lease.release()
        except (TREError, SQLAlchemyError) as error:
            log.warning("lease-not-released", error=str(error))

    def checks(self) -> dict[str, Any]:
        """What `/healthz` asks."""
        return {
            "loop": lambda: self.reconciler.trouble if self.keeps_up() else "the record is not kept up with",
            "log": lambda: self.log_trouble,
        }

    async def serve(self) -> None:
        """Run until told to end."""
        self.loop = asyncio.get_running_loop()
        uids = self.settings.services
        own = {0, os.geteuid()}
        callers = {"gateway": frozenset({uids.gateway, *own}), "hub": frozenset({uids.hub, *own})}
        app = ControllerApi(self.context, self.publisher, callers).app()
        app.add_routes(health_routes(self.checks()))
        REGISTRY.register(RecordNumbers(self.database))
        tap = _listen_for_taps(self.layout, self.loop, self.tapped)
        self.thread.start()
        runner = await serve_unix(app, self.layout.socket("controller"), mode=0o666)
        mirror = HubMirror(self.layout.socket("hub"), read_key(self.layout, CONTROLLER_TOKEN))
        mirroring = asyncio.create_task(keep_mirror(self.context, mirror, self.changed))
        await until_told()
        self.stop.set()
        self.tapped.set()
        mirroring.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await mirroring
        await runner.cleanup()
        tap.close()
        self.thread.join(5.0)
        self.let_go()
        self.database.close()


def _listen_for_taps(layout: Layout, loop: asyncio.AbstractEventLoop, tapped: threading.Event) -> socket.socket:
    path = nudge_path(layout.run)
    path.unlink(missing_ok=True)
    tap = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    tap.bind(os.fspath(path))
    path.chmod(0o666)  # a tap says nothing and asks for nothing but a look

    def heard() -> None:
        with contextlib.suppress(BlockingIOError):
            while tap.recv(16):
                tapped.set()

    loop.add_reader(tap.fileno(), heard)
    return tap


def main() -> int:
    """Run; the status is 1 where it cannot start."""
    layout, settings = arguments("controller")
    os.umask(0o002)  # the record's files are shared with the group of its writers
    try:
        with FileLock(lock_path(layout.run)).hold():
            asyncio.run(Controller(layout, settings).serve())
    except TREError as error:
        sys.stderr.write("\n".join(error.lines()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
