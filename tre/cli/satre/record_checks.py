"""Checks of the log and of runs.

Does not guarantee: that an event tells the truth; that nobody rewrote the log is what its verification says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, or_, select

from tre.audit.keys import PUBLIC_KEY_FILE, load_public
from tre.audit.places import read_notes
from tre.audit.verify import Expectations, verify_log
from tre.audit.witness import FileWitness, witness_path
from tre.cli.satre.place import Check, Found, Place, broken, held, judged, nothing
from tre.domain.events import SYSTEM_ISSUER
from tre.domain.grants.states import GrantPhase
from tre.domain.workspaces.states import StartStep, WorkspacePhase
from tre.store.tables.audit import audit_events
from tre.store.tables.data import releases
from tre.store.tables.grants import grants
from tre.store.tables.workspaces import workspaces

BACKUP_DAYS = 35
"""How old the newest backup may be: a month, and a few days to notice."""


def _log_verifies(place: Place) -> Found:
    kept = [found for found in [FileWitness(witness_path(place.layout.root)).last()] if found is not None]
    for one in place.settings.witnesses:
        if one.file is not None and (path := place.layout.root / one.file).is_file():
            kept += read_notes(path.read_text(encoding="utf-8"))
    keys = load_public(place.layout.keys / PUBLIC_KEY_FILE)
    report = verify_log(place.database, keys, Expectations(tuple(one.checkpoint for one in kept)))
    if report.first is not None:
        return broken(f"{report.first.looks_like} at {report.first.position}: {report.first.message}")
    if not report.checkpoints:
        return nothing("Nothing is in the signed log yet.")
    return held(f"All {report.size} events were recomputed and held against {report.checkpoints} signed checkpoints.")


def _actors_named(place: Place) -> Found:
    def count(connection: Connection) -> Found:
        nobody = or_(audit_events.c.actor_id == "", audit_events.c.actor_issuer == "")
        if without := connection.execute(select(func.count()).select_from(audit_events).where(nobody)).scalar_one():
            return broken(f"{without} events name nobody.")
        people = audit_events.c.actor_issuer != SYSTEM_ISSUER
        by_people = connection.execute(select(func.count()).select_from(audit_events).where(people)).scalar_one()
        if not by_people:
            return nothing("Nobody has done anything yet.")
        return held(f"Each of {by_people} acts of people names the one who did it.")

    return place.asked(count)


def _events(connection: Connection, kind: str) -> Iterator[Any]:
    query = select(audit_events.c.object, audit_events.c.detail).where(audit_events.c.kind == kind)
    return iter(connection.execute(query))


def _isolation_proven(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        proofs = [
            (row.object, found)
            for row in _events(connection, "workspace.progressed")
            if (found := row.detail.get("isolation")) is not None
        ]
        wrong = [f"{name} was let on without a proof" for name, found in proofs if not _proves(found)]
        query = select(workspaces.c.name, workspaces.c.progress).where(workspaces.c.phase == WorkspacePhase.Running)
        for row in connection.execute(query):
            if not any(step.get("step") == StartStep.IsolationProven for step in row.progress):
                wrong.append(f"{row.name} runs without a proof")
        if not proofs and not wrong:
            return nothing("No workspace has run yet.")
        return judged(wrong, f"{len(proofs)} starts proved every way out closed, each open to a control outside.")

    return place.asked(look)


def _proves(found: dict[str, Any]) -> bool:
    """Whether something was tried, all of it was closed, and each of it was open to the control."""
    left_open = found.get("failed") or found.get("unproven")
    return found.get("proven") is True and bool(found.get("provenItems")) and not left_open


def _deaths_proven(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        ends = [(row.object, row.detail.get("proof")) for row in _events(connection, "workspace.stopped")]
        stated = [row.object for row in _events(connection, "workspace.stopped-by-statement")]
        wrong = [f"{name} left something behind" for name, proof in ends if not _dead(proof)]
        wrong += [f"of {name} a person said so" for name in stated]
        if not ends and not wrong:
            return nothing("No workspace has ended yet.")
        return judged(wrong, f"After each of {len(ends)} ends nothing of the run was found alive.")

    return place.asked(look)


def _dead(proof: Any) -> bool:
    alive = ("processes", "mounts", "answers", "unproven")
    return isinstance(proof, dict) and not any(proof.get(name) for name in alive)


def _none_overstays(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        joined = workspaces.join(grants, grants.c.name == workspaces.c.grant)
        query = select(workspaces.c.name, grants.c.phase).select_from(joined)
        inside = connection.execute(query.where(workspaces.c.phase == WorkspacePhase.Running)).all()
        wrong = [f"{row.name} runs on a grant that is {row.phase}" for row in inside if row.phase != GrantPhase.Active]
        if not connection.execute(select(func.count()).select_from(grants)).scalar_one():
            return nothing("There is no grant yet.")
        return judged(wrong, "Nobody is inside without a grant in force.")

    return place.asked(look)


def _use_recorded(place: Place) -> Found:
    return place.asked(
        lambda connection: _counted(
            connection, ("workspace.running", "workspace.progressed", "workspace.stopped"), "steps of runs"
        )
    )


def _entries_recorded(place: Place) -> Found:
    return place.asked(
        lambda connection: _counted(connection, ("workspace.entered",), "entries by a browser, each with its person")
    )


def _counted(connection: Connection, kinds: tuple[str, ...], what: str) -> Found:
    query = select(func.count()).select_from(audit_events).where(audit_events.c.kind.in_(kinds))
    count = connection.execute(query).scalar_one()
    return held(f"The log has {count} {what}.") if count else nothing("Nobody has been inside yet.")


def _releases_logged(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        known = connection.execute(select(releases.c.dataset, releases.c.name)).all()
        told = sum(1 for _ in _events(connection, "release.published"))
        if not known:
            return nothing("There is no release of data yet.")
        if told < len(known):
            return broken(f"{len(known)} releases, of which the log has {told}.")
        return held(f"The log says who took in each of {len(known)} releases, and when; none is changed afterwards.")

    return place.asked(look)


def _backed_up(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        query = select(func.max(audit_events.c.at)).where(audit_events.c.kind == "record.backed-up")
        newest = connection.execute(query).scalar_one()
        if newest is None:
            return broken("The log has no backup.")
        if place.now - newest > timedelta(days=BACKUP_DAYS):
            return broken(f"The newest backup is of {newest:%Y-%m-%d}, more than {BACKUP_DAYS} days ago.")
        return held(f"The newest backup is of {newest:%Y-%m-%d}.")

    return place.asked(look)


CHECKS: dict[str, Check] = {
    "log-verifies": Check("the whole log is recomputed and held against every checkpoint at hand", _log_verifies),
    "actors-named": Check("every event names who did it", _actors_named),
    "isolation-proven": Check(
        "every run that was let on has a proof of isolation, with its control", _isolation_proven
    ),
    "deaths-proven": Check("after every end an independent look found nothing alive", _deaths_proven),
    "none-overstays": Check("nobody is inside without a grant in force", _none_overstays),
    "use-recorded": Check("the log has runs and their ends", _use_recorded),
    "entries-recorded": Check("the log has who entered which workspace, and when", _entries_recorded),
    "releases-logged": Check("the log has every release of data", _releases_logged),
    "backed-up": Check(f"the log has a backup of the last {BACKUP_DAYS} days", _backed_up),
}
"""What is looked at, by name."""
