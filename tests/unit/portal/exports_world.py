"""The airlock behind the portal: people who check, outboxes, and two checkers to choose from.

`Airlock.answer` answers the portal's job rows as the checker would, at once and without files, through the
controller's own appliers. `Airlock.settle` runs the real thing: relay, spool, checker, log and reconciler.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from tests.support.factories import START
from tests.support.indexes import keep_indexes
from tests.support.memory_runtime import MemoryRuntime
from tests.unit.portal.world import CHEAP, PASSWORD, Browser, World
from tre.airlock.jobs import (
    Answer,
    CheckAnswer,
    IntakeAnswer,
    ListAnswer,
    NotTakenIn,
    OutboxFile,
    ReleaseAnswer,
    TakenIn,
)
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.spool import Spool
from tre.audit.keys import PUBLIC_KEY_FILE, generate
from tre.audit.sequencer import Sequencer
from tre.checker.handlers import Workbench
from tre.checker.service import CheckerService
from tre.controller.checker_relay import CheckerRelay
from tre.controller.context import Context
from tre.controller.exports import ExportReconciler
from tre.domain.clock import Clock
from tre.domain.exports.models import CheckedFile, CheckRun, ExportRequest, Finding, Locator, PolicyRef, finding_id
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState
from tre.domain.people import Role
from tre.store import exports, jobs, people
from tre.store.people import Account

PROJECT = "lungs-0007"
OTHER = "hearts-0001"
CHECKER_PEOPLE = {
    "chloe": ("Chloe Checker", [Role.checker]),
    "chad": ("Chad Checker", [Role.checker]),
    "arthur": ("Arthur Author", [Role.researcher, Role.checker]),
    "molly": ("Molly Member", [Role.researcher, Role.checker]),
}
"""Chloe and Chad stand outside; Arthur and Molly are checkers too, but in the project."""

MEMBERS = ("alice", "bob", "arthur", "molly")
WORDS = "Mean ages of 2,500 people by sex, from the whole slice"
TABLE = b"sex,n_patients\nF,3\nM,400\n"
CLEAN = b"sex,mean_age\nF,44.5\nM,45.1\n"
SIGNED_BY = "tre.example.org/audit"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def finding(severity: Severity, data: bytes = TABLE, check: str = "S01", row: int = 2) -> Finding:
    place, message = Locator(row=row, column=2), f"'n_patients' shows {row}, below 10."
    return Finding(
        id=finding_id(check, 1, sha(data), place, message),
        check=check,
        check_version=1,
        severity=severity,
        sha256=sha(data),
        locator=place,
        message=message,
        suggestion="Suppress or round the count.",
    )


@dataclass
class Airlock:
    """What stands behind the portal's airlock pages."""

    world: World
    outbox: dict[str, bytes] = field(default_factory=lambda: {"table.csv": TABLE, "ages.csv": CLEAN})
    findings: list[Finding] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    clock: Clock | None = None
    """The controller's and the checker's; the world's own where none is given."""

    def __post_init__(self) -> None:
        self.signer = generate(SIGNED_BY)
        self.world.layout.keys.mkdir(exist_ok=True)
        (self.world.layout.keys / PUBLIC_KEY_FILE).write_text(self.signer.public.line() + "\n")
        self.context = Context(
            database=self.world.database,
            layout=self.world.layout,
            settings=self.world.settings,
            clock=self.clock or self.world.clock,
            runtime=MemoryRuntime(self.world.clock),
            publish=lambda _: None,
            own_users=True,
        )
        self.reconciler = ExportReconciler(self.context, self.signer)
        self.sequencer = Sequencer(self.world.database, self.signer, self.context.clock)
        self.spool = Spool(self.world.layout.checker_spool)
        self.relay = CheckerRelay(self.context, self.spool)
        self.relay.appliers |= self.reconciler.appliers
        self.policy = load_policy("default", [shipped_directory()])

    # People and projects.

    def furnish(self) -> Airlock:
        """Checkers, one project with four members, and another with Eve in it."""
        hashed = CHEAP.hash(PASSWORD)
        for name, (shown, roles) in CHECKER_PEOPLE.items():
            new = Account(name=name, display_name=shown, roles=frozenset(roles), created_at=START)
            with self.world.database.change(self.world.event()) as change:
                people.add_account(change, new, hashed)
        self.world.add_grant(PROJECT, members=[member(name) for name in MEMBERS], **self.dates())
        self.world.add_grant(OTHER, members=[member("eve")], **self.dates())
        return self

    def dates(self) -> dict[str, str]:
        now = self.world.clock.now()
        begins, ends = now - timedelta(days=20), now + timedelta(days=200)
        return {"notBefore": begins.isoformat(), "expires": ends.isoformat()}

    # The checker, at once.

    def answer(self) -> None:
        """Answer every open job, and those that follow from the answers."""
        while waiting := self._waiting():
            for job in waiting:
                self._answer(job)

    def _waiting(self) -> list[jobs.Job]:
        with self.world.database.read() as connection:
            return list(jobs.waiting(connection, "checker", self.world.clock.now()))

    def _answer(self, job: jobs.Job) -> None:
        now, made = self.world.clock.now(), self._made(job)
        with self.world.database.change(self.world.event("job.done", job.subject)) as change:
            jobs.take(change, job.id, now)
            jobs.finish(change, job.id, made.as_plain(), now)
            if job.kind in self.reconciler.appliers:
                self.reconciler.appliers[job.kind](change, job, made)
        self.world.clock.advance(1)

    def _made(self, job: jobs.Job) -> Answer:
        now = self.world.clock.now()
        if job.kind == "list":
            files = [
                OutboxFile(path=path, size=len(data), modified_at=now, problem=self.refuse.get(path, ""))
                for path, data in self.outbox.items()
            ]
            return ListAnswer(files=tuple(files), complete=True)
        if job.kind == "intake":
            taken = [path for path in job.payload["paths"] if path not in self.refuse]
            return IntakeAnswer(
                files=tuple(self._taken(path) for path in taken),
                refused=tuple(
                    NotTakenIn(path=path, check="F01", message=self.refuse[path], suggestion="Make a plain file.")
                    for path in job.payload["paths"]
                    if path in self.refuse
                ),
            )
        if job.kind == "release":
            return ReleaseAnswer(bundle_sha256=sha(b"bundle"), bundle_size=6)
        seen = tuple(CheckedFile(path=item["path"], sha256=item["sha256"]) for item in job.payload["files"])
        found = tuple(item for item in self.findings if item.sha256 in {file.sha256 for file in seen})
        policy = PolicyRef.model_validate(job.payload["policy"])
        return CheckAnswer(run=CheckRun(policy=policy, tools={"tre": "1"}, at=now, files=seen, findings=found))

    def _taken(self, path: str) -> TakenIn:
        data = self.outbox[path]
        return TakenIn(path=path, sha256=sha(data), size=len(data), type="csv")

    # The checker and the controller, as they are.

    def fill_outbox(self, name: str, grant: str = PROJECT) -> None:
        place = self.world.layout.outboxes / self.world.workspace(name, grant).name
        place.mkdir(parents=True, exist_ok=True)
        for path, data in self.outbox.items():
            (place / path).write_bytes(data)

    def checker(self) -> CheckerService:
        self.spool.make()
        keep_indexes(self.world.layout, self.world.database, PROJECT)
        return CheckerService(Workbench(self.world.layout, self.world.clock), self.spool)

    def control(self) -> None:
        """One round of the controller over what is about to leave, and of the log."""
        with self.world.database.read() as connection:
            moving = exports.by_state(connection, [ExportState.Approved, ExportState.Releasing])
        for request in moving:
            self.reconciler.reconcile(request.id)
        self.sequencer.step()

    def settle(self, rounds: int = 8) -> None:
        """Let the real checker and the controller work until nothing more happens."""
        service = self.checker()
        for _ in range(rounds):
            self.relay.step()
            self.control()
            service.work_once()
        self.relay.step()

    def release_due(self) -> None:
        """Bring out what is due, with the checker that answers at once."""
        for _ in range(4):
            self.control()
            self.answer()

    # Requests.

    def request(self, export: str) -> ExportRequest:
        with self.world.database.read() as connection:
            return exports.require(connection, export)

    async def begin(self, who: str = "alice", grant: str = PROJECT) -> str:
        response = await self.world.browser(who).post("/exports", {"grant": grant})
        assert response.status_code == 303, response.text
        self.answer()
        return response.headers["location"].removeprefix("/exports/")

    async def draft(self, who: str = "alice", *paths: str, **words: str) -> str:
        """A request with checked files."""
        export = await self.begin(who)
        await self.add(self.world.browser(who), export, *(paths or tuple(self.outbox)), **words)
        self.answer()
        return export

    async def add(self, browser: Browser, export: str, *paths: str, **words: str) -> httpx.Response:
        background = {"relation": "Nothing left before.", "people": "2500"}
        fields: dict[str, Any] = {"group": "Table 1", "context": WORDS, "controls": WORDS} | background | words
        return await browser.post(f"/exports/{export}/files", fields | {"path": list(paths)})

    async def submitted(self, who: str = "alice", *paths: str) -> str:
        export = await self.draft(who, *paths)
        response = await self.world.browser(who).post(f"/exports/{export}/submit")
        assert response.status_code == 303, response.text
        return export

    async def vote(self, who: str, export: str, *, choice: str = "Approved", **fields: str) -> list[httpx.Response]:
        """The same vote on every output, as the pages send it."""
        browser, request = self.world.browser(who), self.request(export)
        answers = {f"why-{item.id}": "agreed with the data steward" for item in self.findings}
        assert request.check_run is not None
        done = []
        for output in request.outputs:
            from tre.portal.export_views import file_key

            values = {"sha256": output.sha256, "run": request.check_run.id, "choice": choice, "comment": ""}
            values |= {"unseen": "yes"}  # there are no extracts here: it is left to the checks
            path = f"/reviews/{export}/files/{file_key(output.path)}"
            done.append(await browser.post(path, values | answers | fields))
        return done

    def seen(self, export: str) -> str:
        from tre.portal.review_actions import seen_mark

        return seen_mark(self.request(export))

    async def review(self, who: str, export: str, **fields: str) -> httpx.Response:
        """Votes on everything, handed in."""
        for response in await self.vote(who, export, **fields):
            assert response.status_code == 303, response.text
        return await self.world.browser(who).post(f"/reviews/{export}/submit", {"seen": self.seen(export)})

    async def reviewed(self, *checkers: str, paths: tuple[str, ...] = ()) -> str:
        export = await self.submitted("alice", *paths)
        for who in checkers or ("chris", "chloe"):
            response = await self.review(who, export)
            assert response.status_code == 303, response.text
        return export

    async def approved(self, **more: Any) -> str:
        export = await self.reviewed(**more)
        fields = {"seen": self.seen(export), "confirm": str(len(self.request(export).outputs))}
        response = await self.world.browser("chris").post(f"/reviews/{export}/approve", fields)
        assert response.status_code == 303, response.text
        return export


def member(name: str) -> dict[str, Any]:
    return {"subject": {"issuer": "local", "id": name}, "role": "researcher"}
