"""Every service of one installation in this process, over its real files: the clock is ours, the runs are in memory."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from argon2 import PasswordHasher
from sqlalchemy import select
from typer.testing import CliRunner

from tests.support.memory_runtime import MemoryRuntime
from tre.airlock.spool import Spool
from tre.audit.keys import PRIVATE_KEY_FILE, PUBLIC_KEY_FILE, load_private, load_public
from tre.audit.sequencer import Sequencer
from tre.audit.verify import verify_log
from tre.checker.handlers import Workbench
from tre.checker.service import CheckerService
from tre.cli.main import app
from tre.controller.checker_relay import CheckerRelay
from tre.controller.context import Context
from tre.controller.decisions import ApplicationReconciler
from tre.controller.exports import ExportReconciler
from tre.controller.reconciler import Reconciler
from tre.domain.events import program
from tre.portal.context import Desk
from tre.portal.passwords import PasswordChecker
from tre.portal.roles import load_roles
from tre.portal.seals import Sealer
from tre.runtimes.protocol import RunPhase
from tre.store import datasets
from tre.store import exports as export_store
from tre.store.database import Database
from tre.store.tables.audit import audit_events
from tre.store.tables.base import metadata
from tre.storekeeper import slices
from tre.storekeeper.office import Office
from tre.storekeeper.service import LANES, Service
from tre.system.layout import Layout
from tre.system.settings import load_settings

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
PATIENCE = 31.0
"""Seconds to let pass where nothing happens: more than the storekeeper's patience with itself."""


class ShiftedClock:
    """The machine's clock, ahead (or behind) by what a test let pass."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        """Wall-clock time."""
        return datetime.now(tz=UTC) + self.ahead

    def boottime(self) -> float:
        """Boot-time clock."""
        return time.monotonic() + self.ahead.total_seconds()

    def set_back(self, moment: datetime) -> None:
        """Let it be a moment that has passed."""
        self.ahead = moment - datetime.now(tz=UTC)


class Site:
    """One installation and everything that works on it; `open` is a start of its services, `close` their end."""

    def __init__(self, root: Path) -> None:
        self.root, self.layout = root, Layout(root)
        self.clock = ShiftedClock()
        self.runtime = MemoryRuntime(self.clock)
        self._open = False

    def tre(self, *words: str, typed: str = "") -> Any:
        """Type a command."""
        return CliRunner().invoke(app, [*words], input=typed, env={"TRE_ROOT": str(self.root)})

    def open(self) -> None:
        """Start every service anew: nothing is remembered but what is on the disk, and the runs."""
        settings, layout = load_settings(self.root), self.layout
        self.database = Database.sqlite(layout.database)
        self.context = Context(
            database=self.database,
            layout=layout,
            settings=settings,
            clock=self.clock,
            runtime=self.runtime,
            publish=lambda _: None,
            own_users=os.geteuid() == 0,
        )
        private = layout.keys / PRIVATE_KEY_FILE
        with mock.patch.object(os, "geteuid", return_value=private.stat().st_uid):  # it is the controller's own
            signer = load_private(private)
        self.sequencer = Sequencer(self.database, signer, self.clock)
        self.sequencer.mend_queue()
        spool = Spool(layout.checker_spool)
        spool.sweep_jobs()
        exports = ExportReconciler(self.context, signer)
        relay = CheckerRelay(self.context, spool)
        relay.appliers |= exports.appliers
        self.reconciler = Reconciler(self.context, threading.Event())
        self.reconciler.handlers["export"] = exports.reconcile
        self.reconciler.handlers["application"] = ApplicationReconciler(self.context).reconcile
        self.reconciler.background += [relay.step, self._sequence]
        self.checker = CheckerService(Workbench(layout, self.clock), spool)
        self.checker.prepare()
        self.office = Office(layout, settings, self.database, self.clock, program("storekeeper"))
        self.storekeeper = Service(self.office)
        self.desk = Desk(
            settings=settings,
            layout=layout,
            database=self.database,
            clock=self.clock,
            sealer=Sealer(b"k" * 32),
            passwords=PasswordChecker(CHEAP),
            roles=load_roles(self.root),
            hub_secret="0" * 64,
        )
        self._open = True

    def close(self) -> None:
        """End every service; runs live on."""
        if self._open:
            self.reconciler._feed.close()
            self.database.close()
            self._open = False

    def remove(self) -> None:
        """Leave nothing outside of the root either."""
        self.close()
        shutil.rmtree(self.layout.run, ignore_errors=True)

    def _sequence(self) -> bool:
        self.sequencer.catch_up()
        return False

    def settle(self, quiet_rounds: int = 2) -> None:
        """Let every service work, and time pass, until nothing more happens."""
        quiet = 0
        for _ in range(200):
            before = self._events()
            self.reconciler.step()
            self._store()
            self.checker.work_once()
            self._run()
            if self._events() != before:
                quiet = 0
                continue
            quiet += 1
            if quiet >= quiet_rounds:
                return
            self.clock.ahead += timedelta(seconds=PATIENCE)
        raise AssertionError("it does not come to rest")

    def _events(self) -> tuple[int, tuple[tuple[str, RunPhase], ...]]:
        with self.database.read() as connection:
            number = connection.execute(select(audit_events.c.number)).scalars().all()
        return len(number), tuple((name, run.phase) for name, run in self.runtime.runs.items())

    def _store(self) -> None:
        for lane in LANES:
            while (job := self.storekeeper._next(lane)) is not None:
                self.storekeeper.do(job, LANES[lane][job.kind])

    def _run(self) -> None:
        following = {RunPhase.Starting: RunPhase.Proven, RunPhase.Proven: RunPhase.Ready}
        for name, run in list(self.runtime.runs.items()):
            if run.phase in following:
                self.runtime.becomes(name, following[run.phase])

    # What is compared.

    def state(self) -> dict[str, Any]:
        """Everything that must be the same, however often the power was cut on the way."""
        return {**self._record(), "files": self._files(), "runs": self._runs(), "faults": self._faults()}

    def _record(self) -> dict[str, Any]:
        with self.database.read() as connection:
            rows = {
                table.name: [dict(row._mapping) for row in connection.execute(select(table))]
                for table in metadata.sorted_tables
            }
            found = [export_store.require(connection, row["id"]) for row in rows["export_requests"]]
        conditions = {
            row["name"]: [(c["type"], c["status"], c["reason"]) for c in row["conditions"]] for row in rows["grants"]
        }
        return {
            "grants": _only(rows["grants"], "name", "phase", "generation", "evidence_verified", "revoked_reason"),
            "conditions": conditions,
            "slices": _only(rows["grant_slices"], "name", "state", "reason", "files", "plan_digest", "message"),
            "workspaces": _only(rows["workspaces"], "name", "phase", "wanted", "reason", "instance", "uid", "message"),
            "identities": [(r["workspace"], r["uid"], r["certified_at"] is None) for r in rows["workspace_uids"]],
            "datasets": _only(rows["datasets"], "name", "title", "data_group", "deny_version"),
            "releases": _only(rows["releases"], "dataset", "name", "index_digest"),
            "built": _only(rows["slices"], "slice_id", "plan_digest", "files", "data_group"),
            "people": _only(rows["accounts"], "name", "display_name", "roles"),
            "open jobs": _only([row for row in rows["jobs"] if row["state"] in {"open", "taken"}], "kind", "subject"),
            "exports": [
                (r.state.value, [(g.name, [(f.path, f.sha256) for f in g.files]) for g in r.groups], len(r.reviews))
                for r in found
            ],
        }

    def _files(self) -> list[tuple[str, str, int]]:
        ignored = {"heartbeat", ".lock", "witness", "tre.yaml"}
        places = [self.root / name for name in ("data", "work", "vault", "keys", "spool")]
        with self.database.read() as connection:
            names = [request.id for request in export_store.by_state(connection, list(export_store.ExportState))]
        found = []
        for place in places:
            for path in place.rglob("*"):
                text = str(path.relative_to(self.root))
                if path.name in ignored or "/plans/" in text:
                    continue  # a plan is kept for good, also one that nobody asked for twice
                for name in names:
                    text = text.replace(name, "EXPORT")
                text = re.sub(r"\.[0-9a-f]{8,}\.key$", ".KEY.key", text)  # an index's key is named by itself
                mode = path.lstat().st_mode
                found.append((text, oct(mode), path.lstat().st_uid))
        return sorted(found)

    def _runs(self) -> dict[str, str]:
        return {name: run.phase.value for name, run in self.runtime.runs.items()}

    def _faults(self) -> list[str]:
        """What must never be, whatever happened: a broken log, a slice that differs, an event without its place."""
        self.sequencer.catch_up()
        report = verify_log(self.database, load_public(self.layout.keys / PUBLIC_KEY_FILE))
        faults = [fault.message for fault in report.faults]
        faults += [f"{report.waiting} events wait"] if report.waiting else []
        with self.database.read() as connection:
            built = [item.slice_id for item in datasets.all_slices(connection)]
        for name in built:
            faults += [f"{name}: {item.fault.value}" for item in slices.verify_slice(self.office, name).differences]
        return faults


def _only(rows: Iterable[dict[str, Any]], *keys: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(str(row[key]) for key in keys) for row in rows), key=repr)
