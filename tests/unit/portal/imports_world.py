"""The way in behind the portal: the controller's own reconciler, and programs that answer at once."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx

from tests.support.factories import START
from tests.support.memory_runtime import MemoryRuntime
from tests.unit.portal.exports_world import CHECKER_PEOPLE, OTHER, PROJECT, member, sha
from tests.unit.portal.world import CHEAP, PASSWORD, Browser, World
from tre.airlock.jobs import Answer, CheckAnswer, HandOverAnswer, IntakeAnswer, NotTakenIn, TakenIn
from tre.controller.context import Context
from tre.controller.imports import ImportReconciler
from tre.domain.clock import Clock
from tre.domain.exports.models import CheckedFile, CheckRun, Finding, PolicyRef
from tre.domain.imports.models import ImportRequest
from tre.domain.imports.states import ImportState
from tre.store import imports, jobs, people
from tre.store.people import Account

WHEEL = "lungs-1.2.0-py3-none-any.whl"
PURPOSE = "A package that segments lungs on chest films, from our own group."
FILES = {WHEEL: b"PK wheel", "lookup.csv": b"code,name\n1,one\n"}
MEMBERS = ("alice", "bob", "arthur")
TYPES = {"whl": "wheel", "csv": "csv", "py": "code", "txt": "text", "md": "markdown"}


@dataclass
class Gate:
    """What stands behind the portal's pages of the way in. Arthur is a checker, and in the project."""

    world: World
    findings: list[Finding] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    incomplete: list[str] = field(default_factory=list)
    clock: Clock | None = None

    def __post_init__(self) -> None:
        self.context = Context(
            database=self.world.database,
            layout=self.world.layout,
            settings=self.world.settings,
            clock=self.clock or self.world.clock,
            runtime=MemoryRuntime(self.world.clock),
            publish=lambda _: None,
            own_users=True,
        )
        self.reconciler = ImportReconciler(self.context)
        self.world.layout.uploads.mkdir(parents=True, exist_ok=True)

    def furnish(self) -> Gate:
        """Checkers, one project with three members, and another with Eve in it."""
        hashed = CHEAP.hash(PASSWORD)
        for name, (shown, roles) in CHECKER_PEOPLE.items():
            new = Account(name=name, display_name=shown, roles=frozenset(roles), created_at=START)
            with self.world.database.change(self.world.event()) as change:
                people.add_account(change, new, hashed)
        begins, ends = self.now() - timedelta(days=20), self.now() + timedelta(days=200)
        dates = {"notBefore": begins.isoformat(), "expires": ends.isoformat()}
        self.world.add_grant(PROJECT, active=True, members=[member(name) for name in MEMBERS], **dates)
        self.world.add_grant(OTHER, active=True, members=[member("eve")], **dates)
        return self

    def now(self) -> datetime:
        return self.context.clock.now()

    # The other programs.

    def answer(self) -> None:
        """Answer every open job, and those that follow from the answers."""
        for _ in range(6):
            waiting = [*self._waiting("checker"), *self._waiting("storekeeper")]
            for job in waiting:
                self._answer(job)

    def _waiting(self, program: str) -> list[jobs.Job]:
        with self.world.database.read() as connection:
            return list(jobs.waiting(connection, program, self.now()))

    def _answer(self, job: jobs.Job) -> None:
        now = self.now()
        made = self._made(job) if job.program == "checker" else None
        result = {"incomplete": self.incomplete} if made is None else made.as_plain()
        with self.world.database.change(self.world.event("job.done", job.subject)) as change:
            jobs.take(change, job.id, now)
            jobs.finish(change, job.id, result, now)
            if made is not None and job.kind in self.reconciler.appliers:
                self.reconciler.appliers[job.kind](change, job, made)
        if self.clock is None:
            self.world.clock.advance(1)

    def _made(self, job: jobs.Job) -> Answer:
        if job.kind == "receive":
            place = self.world.layout.uploads / job.payload["upload"]
            files = {path: (place / path).read_bytes() for path in job.payload["paths"] if path not in self.refuse}
            shutil.rmtree(place)
            taken = [
                TakenIn(path=path, sha256=sha(data), size=len(data), type=TYPES[path.rpartition(".")[2]])
                for path, data in files.items()
            ]
            refused = [
                NotTakenIn(path=path, check="F02", message=message, suggestion="Send the source instead.")
                for path, message in self.refuse.items()
            ]
            return IntakeAnswer(files=tuple(taken), refused=tuple(refused))
        if job.kind in {"hand-over", "take-back"}:
            return HandOverAnswer(present=1)
        seen = tuple(CheckedFile(path=item["path"], sha256=item["sha256"]) for item in job.payload["files"])
        found = tuple(item for item in self.findings if item.sha256 in {file.sha256 for file in seen})
        policy = PolicyRef.model_validate(job.payload["policy"])
        now = self.now()
        return CheckAnswer(run=CheckRun(policy=policy, tools={"tre": "1"}, at=now, files=seen, findings=found))

    def control(self, rounds: int = 6) -> None:
        """The controller over what moves, with programs that answer at once."""
        for _ in range(rounds):
            with self.world.database.read() as connection:
                found = imports.by_state(connection, ImportState)
            for request in found:
                self.reconciler.reconcile(request.id)
            self.answer()

    # Requests.

    def request(self, name: str) -> ImportRequest:
        with self.world.database.read() as connection:
            return imports.require(connection, name)

    async def begin(self, who: str = "alice", grant: str = PROJECT) -> str:
        response = await self.world.browser(who).post("/imports", {"grant": grant})
        assert response.status_code == 303, response.text
        return response.headers["location"].removeprefix("/imports/")

    async def send(
        self, browser: Browser, name: str, files: dict[str, bytes] | None = None, **fields: str
    ) -> httpx.Response:
        """What a browser sends for a form with files: the token first, then the other fields, then the files."""
        token = {} if "csrf" in fields else {"csrf": await browser.token()}
        chosen = [("file", (path, data)) for path, data in (FILES if files is None else files).items()]
        return await browser.send(
            "POST", f"/imports/{name}/files", "desk", data=token | fields, files=chosen, headers=browser.same_origin()
        )

    async def draft(self, who: str = "alice", files: dict[str, bytes] | None = None) -> str:
        """A request with checked files."""
        name = await self.begin(who)
        response = await self.send(self.world.browser(who), name, files)
        assert response.status_code == 303, response.text
        self.answer()
        return name

    async def submitted(self, who: str = "alice") -> str:
        name = await self.draft(who)
        response = await self.world.browser(who).post(f"/imports/{name}/submit", {"purpose": PURPOSE})
        assert response.status_code == 303, response.text
        return name

    async def decide(self, who: str, name: str, choice: str = "yes", **fields: str) -> httpx.Response:
        values = {"choice": choice, "manifest": self.request(name).manifest, "comment": ""}
        return await self.world.browser(who).post(f"/imports/{name}/decide", values | fields)

    async def placed(self) -> str:
        name = await self.submitted()
        response = await self.decide("chris", name)
        assert response.status_code == 303, response.text
        self.control()
        assert self.request(name).state is ImportState.Placed
        return name
