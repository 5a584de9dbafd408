"""Papers behind the portal: the controller's own keeper, and the checker's own hands, over the jobs of the record."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import httpx
from pydantic import TypeAdapter

from tests.support.memory_runtime import MemoryRuntime
from tests.unit.portal.applying_world import Committee, version
from tests.unit.portal.world import Browser
from tre.airlock.jobs import FailedAnswer
from tre.airlock.jobs import Job as CheckerJob
from tre.checker.handlers import Workbench, afterwards, handle
from tre.controller.context import Context
from tre.controller.papers import PaperKeeper
from tre.domain.applications.papers import Paper
from tre.domain.errors import TREError
from tre.store import jobs
from tre.store import papers as store

PROTOCOL = b"%PDF-1.7 a protocol"
_JOB: TypeAdapter[CheckerJob] = TypeAdapter(CheckerJob)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def address_of(name: str, data: bytes = PROTOCOL) -> str:
    return f"/applications/{name}/papers/{hashlib.sha256(data).hexdigest()}"


@dataclass
class Papers:
    """A committee's portal, with what happens to papers behind it."""

    desk: Committee

    def __post_init__(self) -> None:
        self.world = self.desk.world
        for place in (self.world.layout.uploads, self.world.layout.papers):
            place.mkdir(parents=True, exist_ok=True)
        self.bench = Workbench(self.world.layout, self.world.clock)
        self.context = Context(
            database=self.world.database,
            layout=self.world.layout,
            settings=self.world.settings,
            clock=self.world.clock,
            runtime=MemoryRuntime(self.world.clock),
            publish=lambda _: None,
            own_users=True,
        )
        self.keeper = PaperKeeper(self.context)

    def work(self) -> int:
        """The checker does what waits; how much that was."""
        with self.world.database.read() as connection:
            waiting = list(jobs.waiting(connection, "checker", self.world.clock.now()))
        for job in waiting:
            self._do(job)
        return len(waiting)

    def _do(self, job: jobs.Job) -> None:
        now = self.world.clock.now()
        asked = _JOB.validate_python(job.payload | {"kind": job.kind})
        try:
            answer = handle(asked, self.bench)
        except TREError as error:
            with self.world.database.change(self.world.event("job.failed", job.subject)) as change:
                jobs.take(change, job.id, now)
                jobs.fail(change, job.id, error, now)
            return
        assert not isinstance(answer, FailedAnswer)
        with self.world.database.change(self.world.event("job.done", job.subject)) as change:
            jobs.take(change, job.id, now)
            jobs.finish(change, job.id, answer.as_plain(), now)
            if job.kind in self.keeper.appliers:
                self.keeper.appliers[job.kind](change, job, answer)
        afterwards(asked, answer, self.bench)

    def settle(self, name: str) -> None:
        """Everything that goes on by itself."""
        while self.work():
            self.keeper.reconcile(name)
        self.keeper.reconcile(name)
        self.work()

    def rows(self, name: str) -> list[Paper]:
        with self.world.database.read() as connection:
            return store.of_application(connection, name)

    def states(self, name: str) -> dict[str, str]:
        return {row.digest: row.state.value for row in self.rows(name)}

    def stored(self) -> list[str]:
        return sorted(path.name for path in self.world.layout.papers.iterdir())

    async def send(
        self, browser: Browser, name: str, files: dict[str, bytes] | None = None, **fields: str
    ) -> httpx.Response:
        """What a browser sends for the form: the token, the version, the file."""
        first = {"csrf": await browser.token()} if "csrf" not in fields else {}
        if "version" not in fields:
            first["version"] = await version(browser, f"/applications/{name}/edit/papers")
        chosen = [("file", (path, data)) for path, data in (files or {}).items()]
        return await browser.send(
            "POST",
            f"/applications/{name}/papers",
            "desk",
            data=first | fields,
            files=chosen or [("file", ("", b""))],
            headers=browser.same_origin(),
        )

    async def attached(self, name: str, files: dict[str, bytes] | None = None, who: str = "alice") -> None:
        """Papers in a draft, and kept."""
        for path, data in (files or {"protocol.pdf": PROTOCOL}).items():
            answer = await self.send(self.world.browser(who), name, {path: data})
            assert answer.status_code == 303, answer.text
        self.settle(name)
