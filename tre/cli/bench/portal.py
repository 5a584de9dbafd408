"""`tre bench portal`: from the last vote to a project that opens, and what pages cost with a great many people.

Two parts. First, real services: applications are handed in and voted on at the desk of an installation; what is
measured is from the moment the last vote is sent to the moment the record lets the applicant in, less what building
the slice took. Then the services are ended, and the same record is filled with ten thousand members and half a
thousand applications: each page is asked of the portal's own application, by somebody who may read it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import select

from tre.cli.application import ApplicationFile
from tre.cli.bench import desk_crowd
from tre.cli.bench.asking import Headers, asked
from tre.cli.bench.figures import Figure, figure, median, percentile
from tre.cli.trial.committee import MEMBERS, PATIENT
from tre.cli.trial.desk import Desk as Client
from tre.cli.trial.world import PEOPLE, World, running_world
from tre.controller.receipts import BUILD
from tre.domain.committee.models import Seat
from tre.domain.entitlement import is_entitled
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.domain.names import hub_user_name, slice_id
from tre.domain.people import LOCAL_ISSUER, Subject
from tre.portal.applications import portal_switch
from tre.portal.context import Desk
from tre.portal.desk_program import make_desk
from tre.portal.live import Live
from tre.portal.passwords import hash_password
from tre.portal.sessions import DESK_COOKIE
from tre.portal.signing_in import open_session
from tre.sources.committee_policy import load_committee
from tre.sources.signing_keys import read_private
from tre.store import applications, committee, grants
from tre.store.database import new_id
from tre.store.tables.jobs import jobs
from tre.system.paths import CHECKOUT
from tre.system.resources import read_record

RUNS = 15
MEMBERS_MANY, APPLICATIONS_MANY, ROUNDS = 10_000, 500, 7
OPEN_SECONDS, PAGE_MS = 2.0, 300.0
APPLICANT, OPERATOR, CHECKER, MANAGER = "alice", "olga", "carol", "dora"
_PATIENCE, _LOOK = 60.0, 0.005


class CommitteeWorld(World):
    """An installation with a committee, and a data manager."""

    accounts = PEOPLE | dict.fromkeys(MEMBERS, "committee") | {MANAGER: "data-manager"}

    def make(self) -> None:
        """As any, with every seat taken."""
        super().make()
        now, terms = self.here.clock.now(), load_committee(self.root).spec
        for name, about in MEMBERS.items():
            typed = {
                "id": committee.new_seat_id(),
                "subject": {"issuer": LOCAL_ISSUER, "id": name},
                "begins": now,
                "ends": now + timedelta(days=900),
            }
            event = Event(id=new_id(), at=now, actor=program("bench"), kind="seat.added", object=f"seat/{name}")
            with self.here.database.change(event) as change:
                committee.add_seat(change, Seat.model_validate(typed | about._asdict()), terms)


class Opened(NamedTuple):
    """Seconds from the last vote: to the record that lets the applicant in, and how many of them the slice took."""

    opened: float
    built: float


def bench(
    runs: int = RUNS, members: int = MEMBERS_MANY, asked_for: int = APPLICATIONS_MANY, rounds: int = ROUNDS
) -> list[Figure]:
    """Have so many projects decided, then fill the record and ask each page so many times."""
    with running_world(CommitteeWorld) as world:
        found, model = asyncio.run(_decided(world, runs))
        world.kill_services()
        return [*opening(found), *_pages(world, model, (members, asked_for), rounds)]


def opening(found: list[Opened]) -> list[Figure]:
    """From runs: how long after the committee's last vote people can open what it approved."""
    beyond = [run.opened - run.built for run in found]
    late = max(beyond)
    return [
        figure("last vote to a project that opens, p50", "s", percentile([run.opened for run in found], 0.5)),
        figure("of it, building the slice, p50", "s", percentile([run.built for run in found], 0.5)),
        figure("beyond building the slice, p50", "s", percentile(beyond, 0.5)),
        figure("beyond building the slice, longest", "s", late, target=(f"≤ {OPEN_SECONDS:g} s", late <= OPEN_SECONDS)),
        figure("projects decided", "", float(len(found))),
    ]


# Deciding, through the desk


async def _decided(world: World, runs: int) -> tuple[list[Opened], str]:
    """Each run's times, and the last application."""
    content = read_record(ApplicationFile, CHECKOUT / "examples" / "application.yaml").spec.as_plain()
    async with AsyncExitStack() as stack:
        people = {}
        for name in (APPLICANT, *MEMBERS):
            browser, _ = await stack.enter_async_context(world.signed_in(name))
            people[name] = Client(browser, world.desk)
        found = []
        for number in range(runs):
            name = await _handed_in(people[APPLICANT], content | {"title": f"{content['title']} ({number})"})
            shown = await people[PATIENT].until(f"/committee/{name}", lambda one: _state(one) == "InReview")
            for member in [one for one in MEMBERS if one != PATIENT]:
                await _vote(people[member], name, shown)
            found.append(await _opened(world, people[PATIENT], name, shown))
    return found, name


async def _handed_in(applicant: Client, content: dict[str, Any]) -> str:
    begun = await applicant.call("POST", "/applications", {})
    name = str(begun["id"])
    kept = await applicant.call("PUT", f"/applications/{name}/draft", {"version": begun["version"], "draft": content})
    await applicant.call("POST", f"/applications/{name}/submit", {"version": kept["version"]})
    return name


def _state(answer: dict[str, Any]) -> str:
    return str(answer["application"]["state"])


async def _vote(member: Client, name: str, shown: dict[str, Any]) -> None:
    said = {"choice": "approve", "reasons": "It helps patients.", "matter": shown["application"]["matter"]}
    await member.call("POST", f"/committee/{name}/votes", said)


async def _opened(world: World, last: Client, name: str, shown: dict[str, Any]) -> Opened:
    """Cast the last vote and wait until the applicant could start. Raises `TREError(RuntimeFailed)`."""
    begun = time.monotonic()
    voting = asyncio.create_task(_vote(last, name, shown))
    while (grant := _lets_in(world, name)) is None:
        if time.monotonic() - begun > _PATIENCE:
            raise TREError(Reason.RuntimeFailed, f"What was approved did not open within {_PATIENCE:g} s.")
        await asyncio.sleep(_LOOK)
    took = time.monotonic() - begun
    await voting
    return Opened(took, _building(world, grant))


def _lets_in(world: World, application: str) -> str | None:
    """The grant that an application led to, once it lets the applicant in."""
    here = world.here
    with here.database.read() as connection:
        name = applications.require(connection, application).grant
        grant = None if name is None else grants.get(connection, name)
    subject = Subject(issuer=LOCAL_ISSUER, id=APPLICANT)
    return name if grant is not None and is_entitled(grant, subject, here.clock.now()) else None


def _building(world: World, grant: str) -> float:
    """Seconds that the storekeeper was at work on a grant's slices."""
    with world.here.database.read() as connection:
        names = [item.name for item in grants.require(connection, grant).spec.slices]
        wanted = [f"slice/{slice_id(grant, name)}" for name in names]
        query = select(jobs.c.started_at, jobs.c.finished_at).where(jobs.c.kind == BUILD, jobs.c.subject.in_(wanted))
        rows = connection.execute(query).all()
    return float(sum((row.finished_at - row.started_at).total_seconds() for row in rows))


# Pages, in this process


def _pages(world: World, name: str, many: tuple[int, int], rounds: int) -> Iterator[Figure]:
    database, now = world.here.database, world.here.clock.now()
    with database.read() as connection:
        model = applications.require(connection, name)
        spec = grants.require(connection, str(model.grant)).spec
    desk_crowd.fill(database, desk_crowd.Crowd(*many, model, spec, hash_password(world.password)), now)
    key = read_private(world.here.layout.committee_key)
    votes = desk_crowd.decide(database, load_committee(world.root), key, now)
    desk, live = make_desk(world.here.layout, world.settings), Live(database)
    try:
        yield figure("members", "", float(many[0]))
        yield figure("applications", "", float(many[1]))
        yield figure("votes on them", "", float(votes))
        yield from _measured(desk, live, name, rounds)
    finally:
        live.close()
        desk.database.close()


def _measured(desk: Desk, live: Live, decided: str, rounds: int) -> Iterator[Figure]:
    app, host = portal_switch(desk, live), urlsplit(desk.settings.origin("desk")).netloc
    with desk.database.read() as connection:
        waiting = applications.handed_in(connection, limit=1)[0].id
    slowest = 0.0
    for who, what, path in pages(waiting, decided):
        took = 1000 * median(asked(app, host, path, rounds, _signed_in(desk, who)))
        slowest = max(slowest, took)
        yield figure(what, "ms", took, target=(f"≤ {PAGE_MS:g} ms", took <= PAGE_MS))
    yield figure("slowest page", "ms", slowest, target=(f"≤ {PAGE_MS:g} ms", slowest <= PAGE_MS))


def pages(waiting: str, decided: str) -> list[tuple[str, str, str]]:
    """Who asks, what it is, and where: pages whose cost could grow with people, projects or applications."""
    member, grant = desk_crowd.person_named(1).subject.id, desk_crowd.grant_named(0)
    return [
        (member, "my projects", "/"),
        (member, "one of my projects", f"/projects/{grant}"),
        (member, "my applications", "/applications"),
        (member, "my results out", "/exports"),
        (PATIENT, "committee, what waits", "/committee"),
        (PATIENT, "committee, what waits for me", "/committee?show=mine"),
        (PATIENT, "committee, what is over", "/committee?show=over&page=4"),
        (PATIENT, "committee, search", "/committee?q=chest+17"),
        (PATIENT, "committee, agenda", "/committee/agenda"),
        (PATIENT, "committee, members", "/committee/members"),
        (PATIENT, "an application that waits", f"/committee/{waiting}"),
        (PATIENT, "one that was decided", f"/committee/{decided}"),
        (PATIENT, "its plan", f"/committee/{waiting}/plans/chest-xray"),
        (PATIENT, "all that was handed in, for programs", "/api/v1/committee"),
        (OPERATOR, "all projects", "/grants"),
        (OPERATOR, "a project, for operators", f"/grants/{grant}"),
        (OPERATOR, "workspaces", "/operate/workspaces"),
        (OPERATOR, "proofs", "/operate/proofs"),
        (OPERATOR, "log", "/operate/audit"),
        (OPERATOR, "log of a project", f"/operate/audit?object=grant/{grant}"),
        (OPERATOR, "people", "/operate/people"),
        (OPERATOR, "a person", f"/operate/people/{hub_user_name(LOCAL_ISSUER, member)}"),
        (CHECKER, "what waits for checks", "/reviews"),
        (MANAGER, "data", "/datasets"),
        (MANAGER, "opt-outs", "/optouts"),
    ]


def _signed_in(desk: Desk, who: str) -> Headers:
    """The cookie of a session of somebody."""
    _, session = open_session(desk, hub_user_name(LOCAL_ISSUER, who))
    sealed = desk.sealer.seal("desk", {"session": session.id})
    return [(b"cookie", f"{DESK_COOKIE}={sealed}".encode())]
