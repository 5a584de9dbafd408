"""`python -m tre.controller --root ROOT`: the program that acts.

Guarantees: one controller for a root (a second one refuses to start); it may be killed at any line and goes on from
the record when it is started again; a log that is not what was signed stops it from granting anything new, while
endings go on. Where several share a record on a server one leads (`tre.controller.leadership`) and the others stand
by: they answer that they are well and nothing else. One that led and lost it ends, with exit code 3.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import sys
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

import structlog
from prometheus_client import REGISTRY

from tre.airlock.spool import Spool
from tre.audit.courier import courier_of
from tre.audit.intake import SpoolReader
from tre.audit.keys import PRIVATE_KEY_FILE, PUBLIC_KEY_FILE, load_private, load_public
from tre.audit.lease import Lease
from tre.audit.lock import FileLock, lock_path
from tre.audit.sequencer import Sequencer, Terms
from tre.audit.witness import FileWitness, witness_path
from tre.controller.account_notices import AccountNotices
from tre.controller.api import ControllerApi
from tre.controller.batches import BatchKeeper
from tre.controller.checker_relay import CheckerRelay
from tre.controller.cluster import open_cluster, source_of
from tre.controller.context import Context
from tre.controller.costs import CostKeeper, CostNumbers
from tre.controller.decisions import ApplicationReconciler
from tre.controller.elsewhere import sources_of
from tre.controller.exports import ExportReconciler
from tre.controller.greeting import Greeting
from tre.controller.hub_mirror import HubMirror
from tre.controller.imports import ImportReconciler
from tre.controller.leadership import Leadership
from tre.controller.letters import Letters
from tre.controller.letters import Terms as LetterTerms
from tre.controller.metrics import RecordNumbers, WitnessNumbers
from tre.controller.mirror import keep_mirror
from tre.controller.notes import NoteKeeper
from tre.controller.papers import PaperKeeper
from tre.controller.preflights import Preflights
from tre.controller.publisher import Publisher
from tre.controller.reconciler import Reconciler, both
from tre.controller.runtimes import RunTerms, runs_of
from tre.controller.standing import StandingKeeper
from tre.controller.tracking import ConditionKeeper
from tre.domain.errors import TREError
from tre.slices.populations import check_policies
from tre.store.database import Database
from tre.store.roles import Role
from tre.store.schema import require_current
from tre.system.clock import SystemClock
from tre.system.files import sweep_unfinished
from tre.system.health import Check, Probes, health_routes
from tre.system.hub_keys import CONTROLLER_TOKEN, read_key
from tre.system.interpreter import take_turns
from tre.system.layout import Layout
from tre.system.nudge import nudge_path
from tre.system.room import room_of
from tre.system.service import arguments, serve_unix, until_told
from tre.system.settings import Settings

log = structlog.get_logger()

NOT_LEADING = "This controller does not lead: another one sequences the log, or will."
SOURCE_SECONDS = 2.0
BROKEN = 1
"""The exit code of a controller whose work came to an end by itself: whoever started it starts it again."""

LOST = 3
"""The exit code of a controller that led and does not any more: whoever started it starts it again, to stand by."""


class Controller:
    """Everything of one controller, put together."""

    def __init__(self, layout: Layout, settings: Settings) -> None:
        self.layout, self.settings = layout, settings
        self.database = Database.open(layout, settings, Role.controller)
        require_current(self.database)
        self.cluster = open_cluster(layout, settings)
        self.leadership = self._stand(SystemClock())
        self.database.fence(self.leadership.fence)
        self.log_trouble: str | None = NOT_LEADING if self.database.is_postgres else None
        self.publisher = Publisher(self.keeps_up)
        terms = RunTerms(layout, settings, self.database, SystemClock(), self.leadership.check)
        self.runs = runs_of(terms, self.cluster)
        self.tapped, self.stop = threading.Event(), threading.Event()
        self.changed, self.leading, self.broken = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.context = Context(
            database=self.database,
            layout=layout,
            settings=settings,
            clock=SystemClock(),
            runtime=self.runs.runtime,
            publish=self.publish,
            own_users=self.cluster is not None or settings.services.controller == os.geteuid(),
            prepare_grant=self.runs.prepare_grant,
            clear_grant=self.runs.clear_grant,
            log_trouble=lambda: self.log_trouble,
            room=room_of(settings),
            environment=self.runs.environment,
        )
        signer = load_private(layout.keys / PRIVATE_KEY_FILE)
        earlier = tuple(key for key in load_public(layout.keys / PUBLIC_KEY_FILE) if key != signer.public)
        witness = FileWitness(witness_path(layout.root))
        sequencing = Terms(witness=witness, earlier_keys=earlier, lease=self.leadership.lease)
        self.sequencer = Sequencer(self.database, signer, self.context.clock, sequencing)
        self.mended = False
        self.endings = SpoolReader(layout.endings, self.database, self.context.clock)
        self.spool = Spool(layout.checker_spool)
        self.relay = CheckerRelay(self.context, self.spool)
        exports = ExportReconciler(self.context, signer)
        self.relay.appliers |= exports.appliers
        self.reconciler = Reconciler(self.context, self.tapped)
        self.reconciler.handlers["export"] = exports.reconcile
        imports = ImportReconciler(self.context)
        self.relay.appliers |= imports.appliers
        self.reconciler.handlers["import"] = imports.reconcile
        papers = PaperKeeper(self.context)
        self.relay.appliers |= papers.appliers
        self.reconciler.handlers["application"] = both(ApplicationReconciler(self.context).reconcile, papers.reconcile)
        self.reconciler.handlers["paper"] = papers.reconcile
        self.reconciler.handlers["condition"] = ConditionKeeper(self.context).reconcile
        self.reconciler.handlers["standing"] = StandingKeeper(self.context).reconcile
        self.reconciler.handlers["public-account"] = AccountNotices(self.context).reconcile
        preflights = Preflights(self.context, self.spool)
        batches, notes = BatchKeeper(self.context, self.spool), NoteKeeper(self.context)
        beside = (self.take_in_endings, self.relay.step, preflights.step, batches.step, notes.step, self.sequence)
        self.reconciler.background += [*beside, CostKeeper(self.context).step]
        self.greeting = Greeting(self.context, self.publisher)
        self.thread = threading.Thread(target=self.work, daemon=True, name="reconciler")

    def _stand(self, clock: SystemClock) -> Leadership:
        """What this controller needs in order to lead."""
        if not self.database.is_postgres:
            return Leadership()
        lease = Lease(self.database, clock)
        return Leadership(lease, None if self.cluster is None else self.cluster.elector(lease.holder, clock))

    def work(self) -> None:
        """`run`, and whatever ends it but being told to is the end of this controller: one that only answers, and does
        nothing, would be taken for a good one."""
        try:
            self.run()
        except Exception:
            log.exception("work-ended")
        if self.loop is not None and not self.stop.is_set():
            self.loop.call_soon_threadsafe(self.broken.set)

    def run(self) -> None:
        """Once this controller leads: let the gateways listen first, then bring everything where it belongs."""
        while not self.leadership.began.wait(0.1):
            if self.stop.is_set():
                return
        # What another controller is just writing looks like what one left unfinished: only the leader sweeps.
        self.spool.sweep_jobs()
        sweep_unfinished(witness_path(self.layout.root).parent)
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.leading.set)
        self._put_up_sign()
        self.runs.watch(self.stop, self.tapped.set)
        Letters(LetterTerms(self.context, self.stop, self.leadership.check)).begin()
        self._show_checkpoints()
        with self._source(), self._elsewhere():
            self.greeting.say()
            self.reconciler.run(self.stop)

    def _put_up_sign(self) -> None:
        """Let the other pods find this one, and go on doing so, beside everything else."""
        if self.cluster is not None:
            sign = self.cluster.sign(self.leadership.check)
            threading.Thread(target=sign.keep_up, args=(self.stop,), daemon=True, name="sign").start()

    def _show_checkpoints(self) -> None:
        """Have places elsewhere keep checkpoints of the log, beside everything else."""
        if self.settings.witnesses:
            work = courier_of(self.layout, self.settings, self.database, self.context.clock).run
            threading.Thread(target=work, args=(self.stop, self.leadership.check), daemon=True, name="courier").start()

    @contextlib.contextmanager
    def _source(self) -> Iterator[None]:
        """The cluster's resources are taken in meanwhile, where there is a cluster."""
        if self.cluster is None or self.leadership.lease is None:
            yield
            return
        source = source_of(self.context, self.cluster, self.leadership.check, self.leadership.lease.holder)
        thread = threading.Thread(target=source.run, args=(self.stop,), daemon=True, name="source")
        thread.start()
        yield
        source.queue.close()
        thread.join(SOURCE_SECONDS)  # what it may do after that is refused by the fence

    @contextlib.contextmanager
    def _elsewhere(self) -> Iterator[None]:
        """Sources elsewhere are asked and taken in meanwhile, as `policies/sources.yaml` says."""
        elsewhere = sources_of(self.context, self.leadership.check)
        thread = threading.Thread(target=elsewhere.run, args=(self.stop,), daemon=True, name="sources")
        thread.start()
        yield
        thread.join(SOURCE_SECONDS)

    def publish(self, message: dict[str, Any]) -> None:
        """Tell the gateways (and wait until they closed their doors on an ending), and have the Hub's mirror look."""
        if message["type"] == "ending":
            self.publisher.announce(message)
        elif not self.publisher.publish(message):
            return
        if self.loop is not None and message["type"] in {"route", "route-gone"} and not self.changed.is_set():
            self.loop.call_soon_threadsafe(self.changed.set)  # whoever was told already reads the record after this

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
            if not self.leadership.leads():
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
        """Let another controller lead at once, unless something of this one may still act: then the lease runs out."""
        if not self.thread.is_alive():
            self.leadership.release()

    def checks(self) -> dict[str, Any]:
        """What `/healthz` asks; who stands by is well as long as it answers."""

        def of_leader(check: Check) -> Check:
            return lambda: check() if self.leadership.began.is_set() else None

        return {
            "loop": of_leader(lambda: self.reconciler.trouble if self.keeps_up() else "the record is not kept up with"),
            "log": of_leader(lambda: self.log_trouble),
        }

    def probes(self) -> Probes:
        """Ready is whoever serves or could at any moment: it says which. What is granted waits for a whole log and a
        clock that agrees with it; endings wait for neither, so this controller stays ready without them."""
        leads = self.leadership.leads

        def granting() -> None:
            if leads():
                self.context.check_granting()

        return Probes(
            self.checks(),
            {"record": functools.partial(require_current, self.database)},
            {"granting": granting, "policies": functools.partial(check_policies, self.layout.root)},
            ready=lambda: "leading" if leads() else "stand-by",
        )

    async def serve(self) -> int:
        """Run until told to end, until another leads in its place or its work broke; return the exit code."""
        self.loop = asyncio.get_running_loop()
        lost = asyncio.Event()
        uids = self.settings.services
        own = {0, os.geteuid()}
        callers = {"gateway": frozenset({uids.gateway, *own}), "hub": frozenset({uids.hub, *own})}
        app = ControllerApi(self.context, self.publisher, callers, self.leadership.leads).app()
        app.add_routes(health_routes(self.probes()))
        REGISTRY.register(RecordNumbers(self.database, self.context.clock, self.layout.checker_spool))
        REGISTRY.register(CostNumbers(self.context))
        if self.settings.witnesses:
            REGISTRY.register(WitnessNumbers(self.layout.root, self.settings, self.context.clock))
        tap = _listen_for_taps(self.layout, self.loop, self.tapped)
        self.leadership.start(functools.partial(_set, self.loop, lost))
        self.thread.start()
        runner = await serve_unix(app, self.layout.socket("controller"), mode=0o666)
        mirror = HubMirror(self.layout.socket("hub"), read_key(self.layout, CONTROLLER_TOKEN))
        mirroring = asyncio.create_task(self._mirror(mirror))
        await _first_of(until_told(), lost.wait(), self.broken.wait())
        ended = BROKEN if self.broken.is_set() else 0
        self.stop.set()
        self.tapped.set()
        self.runs.close()
        await asyncio.to_thread(self.thread.join, 5.0)
        await asyncio.to_thread(self.let_go)  # before anything that takes time: another one waits for it
        mirroring.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await mirroring
        await runner.cleanup()
        tap.close()
        if self.cluster is not None:
            self.cluster.close()
        self.database.close()
        return LOST if lost.is_set() else ended

    async def _mirror(self, mirror: HubMirror) -> None:
        await self.leading.wait()
        await keep_mirror(self.context, mirror, self.changed)


def _set(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.call_soon_threadsafe(event.set)


async def _first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


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
    take_turns()
    try:
        with FileLock(lock_path(layout.run)).hold():
            return asyncio.run(Controller(layout, settings).serve())
    except TREError as error:
        sys.stderr.write("\n".join(error.lines()) + "\n")
        return 1
