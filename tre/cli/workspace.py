"""`tre workspace`: starting, stopping, and proving that nothing lives that should not."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from tre.cli import common
from tre.cli.arguments import Seconds, check_reason, subject_of
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.cli.services import listens
from tre.controller.statements import CONFIRMED, REFUSED, STOPPED
from tre.domain.entitlement import is_entitled
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.people import Subject
from tre.domain.workspaces.admission import Place, places
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import ALIVE_PHASES, Wanted
from tre.runtimes.bubblewrap.evidence import LivingRun, living_runs
from tre.store import events, grants, queue, workspaces
from tre.system.room import needs_of, room_of

app = typer.Typer(help="Workspaces: list, start, stop, verify.", no_args_is_help=True)

_AT_ONCE = 16

GrantOption = Annotated[str | None, typer.Option("--grant", help="Only workspaces of this grant.")]
NameArgument = Annotated[str, typer.Argument(help="The workspace's name, w-….")]


@app.command("list")
@command
def list_workspaces(grant: GrantOption = None, root: RootOption = None, as_json: JsonOption = False) -> None:
    """Every workspace: whose, in which phase and why, until when."""
    here = Installation.open(root)
    found, waiting = chosen(here, grant), places_now(here)
    if as_json:
        common.print_json([_with_place(item, waiting.get(item.name)) for item in found])
        return
    rows = [
        (w.name, w.grant, w.subject, _phase(w, waiting), w.reason, common.when(w.plan.end if w.plan else None))
        for w in found
    ]
    common.print_table("", ("workspace", "grant", "member", "phase", "reason", "this run ends"), rows)


def places_now(here: Installation) -> dict[str, Place]:
    """Who waits for room, and where in the queue."""
    with here.database.read() as connection:
        if not queue.is_anybody_waiting(connection):
            return {}
        return places(queue.scene(connection, room_of(here.settings), needs_of(here.settings), here.clock.now()))


def _phase(workspace: Workspace, waiting: dict[str, Place]) -> str:
    place = waiting.get(workspace.name)
    return workspace.phase.value if place is None else f"{workspace.phase}, {place.position} of {place.of}"


def _with_place(workspace: Workspace, place: Place | None) -> dict[str, Any]:
    """A workspace as JSON, with its place in the queue where it has one."""
    if place is None:
        return workspace.as_plain()
    shown = {"position": place.position, "of": place.of, "since": place.since.isoformat()}
    known = {} if place.room_by is None else {"roomBy": place.room_by.isoformat()}
    return workspace.as_plain() | {"queue": shown | known}


def chosen(here: Installation, grant: str | None) -> list[Workspace]:
    """The workspaces of a grant, or all. Raises `TREError(GrantNotFound)`."""
    with here.database.read() as connection:
        if grant is None:
            return workspaces.everything(connection)
        grants.require(connection, grant)  # a mistyped name must not read as "nothing lives"
        return workspaces.of_grant(connection, grant)


@app.command("start")
@command
def start(
    grant: Annotated[str, typer.Argument(help="The grant's name.")],
    member: Annotated[str, typer.Argument(help="The member, as ISSUER:ID.")],
    root: RootOption = None,
    wait: Seconds = 60.0,
) -> None:
    """Ask for the workspace of a grant and a member, and wait until it runs."""
    here = Installation.open(root)
    subject = subject_of(member, here.settings)
    with here.database.read() as connection:
        _check_entitled(here, grants.require(connection, grant), subject)
    _check_controller(here)
    name = Workspace.name_for(grant, subject)
    with here.database.change(here.event("workspace.wanted", f"workspace/{name}", grant=grant)) as change:
        workspaces.ensure(change, grant, subject, here.clock.now())
        workspaces.want(change, name, Wanted.Running)
    await_phase(here, name, {"Running"}, wait)


def _check_entitled(here: Installation, grant: GrantRecord, subject: Subject) -> None:
    verdict = is_entitled(grant, subject, here.clock.now())
    if not verdict:
        raise TREError(
            verdict.reason,
            f"{subject} may not be in a workspace of {grant.name} now; nothing was started.",
            why=f"The answer of the rules is {verdict.reason}; the grant is {grant.phase}.",
            remedy=f"See `tre grant show {grant.name}`.",
        )


def _check_controller(here: Installation) -> None:
    """A start that nobody hears now would happen later, when nobody expects it."""
    if not listens(here.layout.socket("controller")):
        raise TREError(
            Reason.ServiceUnavailable,
            "The controller does not answer; nothing was started.",
            why="Workspaces are started by the services, and they do not run.",
            remedy=f"Run `tre up --root {here.layout.root}`, then try again.",
        )


@app.command("stop")
@command
def stop(
    name: NameArgument,
    root: RootOption = None,
    wait: Seconds = 30.0,
) -> None:
    """End a workspace."""
    here = Installation.open(root)
    with here.database.change(here.event("workspace.unwanted", f"workspace/{name}")) as change:
        workspaces.require(change.connection, name)
        workspaces.want(change, name, Wanted.Stopped)
    await_phase(here, name, {"Stopped", "Refused"}, wait)


def await_phase(here: Installation, name: str, phases: set[str], seconds: float) -> None:
    """Come back when it is in one of these phases. Raises `TREError` where it was refused, or is late (seconds)."""
    deadline = time.monotonic() + seconds
    current = _get(here, name)
    while seconds and time.monotonic() < deadline:
        if current.phase in phases:
            common.out.print(f"{name}: {current.phase} ({current.reason})", highlight=False)
            return
        if current.phase == "Refused" and current.wanted is Wanted.Stopped:  # else nobody has looked at it yet
            raise TREError(
                current.reason,
                f"{name} was refused.",
                why=current.message or f"The controller says {current.reason}.",
                remedy=f"See `tre grant show {current.grant}`.",
            )
        time.sleep(0.05)
        current = _get(here, name)
    if seconds and current.phase == "Queued" and "Running" in phases:
        raise _still_waits(name, places_now(here).get(name))
    if seconds:
        raise TREError(
            Reason.StartTimeout,
            f"{name} is still {current.phase} after {seconds:.0f} s.",
            why="The services do not run, or are busy; what was asked stays asked.",
            remedy="See `tre status` and `tre workspace list`.",
        )


def _still_waits(name: str, place: Place | None) -> TREError:
    where = "in the queue" if place is None else f"number {place.position} of {place.of} in the queue"
    return TREError(
        Reason.WaitingForRoom,
        f"{name} is {where}.",
        why="All the room for workspaces is taken.",
        remedy=f"It starts by itself when its turn comes; `tre workspace stop {name}` takes it out of the queue.",
    )


def _get(here: Installation, name: str) -> Workspace:
    with here.database.read() as connection:
        return workspaces.require(connection, name)


@app.command("confirm-dead")
@command
def confirm_dead(
    name: NameArgument,
    reason: Annotated[str, typer.Option("--reason", help="How you know; it stands in the log under your name.")],
    root: RootOption = None,
    wait: Seconds = 30.0,
) -> None:
    """State that nothing of a workspace runs any more, where no node is left that could say so. It counts as your word.

    Refused while its node reports: first see to it that the machine is off, or taken out of the cluster.
    """
    here, said = Installation.open(root), check_reason(reason)
    workspace = _get(here, name)
    _check_waits_for_proof(here, workspace)
    subject = f"workspace/{name}"
    event = here.event(CONFIRMED, subject, instance=workspace.instance, reason=said)
    with here.database.change(event) as change:
        _check_waits_for_proof(here, workspaces.require(change.connection, name))
    _await_statement(here, name, event.id, wait)


def _check_waits_for_proof(here: Installation, workspace: Workspace) -> None:
    if here.settings.runtime != "kubernetes":
        raise TREError(
            Reason.StateForbids,
            "On one machine nobody's word is needed: it sees for itself what lives.",
            remedy="See `tre workspace verify`.",
        )
    if workspace.phase != "Stopping":
        raise TREError(
            Reason.StateForbids,
            f"{workspace.name} does not wait for a proof that it is dead.",
            why=f"It is {workspace.phase}.",
            remedy="See `tre workspace list`; `tre workspace stop` ends one that runs.",
        )


def _await_statement(here: Installation, name: str, statement: str, seconds: float) -> None:
    """Come back with what the controller made of it."""
    deadline = time.monotonic() + seconds
    while True:
        with here.database.read() as connection:
            later = [one.event for one in events.of_object(connection, f"workspace/{name}")]
        answers = {one.detail["statement"]["event"] for one in later if one.kind == STOPPED}
        refusals = {one.detail["statement"]: one for one in later if one.kind == REFUSED}
        if statement in answers:
            common.out.print(f"{name}: Stopped, by your statement.", highlight=False)
            return
        if statement in refusals:
            unproven = refusals[statement].detail["proof"]["unproven"]
            raise TREError(
                Reason.StateForbids,
                f"{name} can still be looked at, so nobody's word stands in for the proof.",
                why="; ".join(unproven),
                remedy="Switch the machine off or take it out of the cluster; when it no longer reports, say it again.",
            )
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    common.out.print(f"{name}: stated; the controller has not acted on it yet.", highlight=False)


@app.command("verify")
@command
def verify(grant: GrantOption = None, root: RootOption = None, as_json: JsonOption = False) -> None:
    """What still lives: processes, mounts, answering servers. Exit 1 if anything lives that should not."""
    here = Installation.open(root)
    _refuse_cluster(here)
    found = chosen(here, grant)
    allowed = {w.plan.identity for w in found if w.plan is not None and w.phase in ALIVE_PHASES}
    living = living_runs(here.layout, here.clock, {w.name for w in found} if grant else None)
    wrong = [run for run in living if run.identity not in allowed]
    if as_json:
        common.print_json({"living": [run.as_plain() for run in living], "wrong": [run.identity for run in wrong]})
    else:
        _print_living(living, {run.identity for run in wrong})
    if wrong:
        raise typer.Exit(1)


def _refuse_cluster(here: Installation) -> None:
    """Nothing seen on this machine must not read as "nothing lives" where workspaces are pods elsewhere."""
    if here.settings.runtime == "kubernetes":
        raise TREError(
            Reason.NotPermitted,
            "What lives in pods cannot be seen from here.",
            why="Workspaces run on the nodes of a cluster, and this command has no credential of it.",
            remedy="Ask the cluster: kubectl get pods --all-namespaces --selector tre.research/workspace",
        )


def _print_living(living: list[LivingRun], wrong: set[str]) -> None:
    if not living:
        common.out.print("Nothing lives: no process, no mount, no answering server.", highlight=False)
        return
    rows = [
        (run.identity, len(run.processes), len(run.mounts), run.answers, "NO" if run.identity in wrong else "yes")
        for run in living
    ]
    common.print_table("", ("run", "processes", "mounts", "answers", "should live"), rows)
