"""What must hold whatever went wrong, looked at from outside: by the kernel, the files and the record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import select

from tests.faults.site import FaultWorld
from tests.support.machine import processes_of
from tre.audit.keys import PUBLIC_KEY_FILE, load_public
from tre.audit.verify import Expectations, verify_log
from tre.audit.witness import FileWitness, witness_path
from tre.domain.exports.states import ExportState
from tre.domain.people import Subject
from tre.store import exports, grants, workspaces
from tre.store.tables.audit import audit_events

ENOUGH = 2
"""Checkers who must have agreed to a release."""


@dataclass(frozen=True)
class Acknowledged:
    """What the record had said yes to before something went wrong."""

    events: tuple[tuple[int, str, str], ...]
    released: dict[str, str]
    """SHA-256 of each released bundle, by request."""

    @classmethod
    def of(cls, world: FaultWorld) -> Acknowledged:
        """Everything up to now."""
        columns = audit_events.c
        with world.here.database.read() as connection:
            rows = connection.execute(select(columns.number, columns.id, columns.kind).order_by(columns.number)).all()
        return cls(tuple((row.number, row.id, row.kind) for row in rows), bundles(world))


def bundles(world: FaultWorld) -> dict[str, str]:
    """The finished bundles in the vault, and what is in them."""
    found = world.here.layout.releases.glob("*.zip")
    return {path.stem: sha256(path.read_bytes()).hexdigest() for path in found}


def faults(world: FaultWorld, before: Acknowledged) -> list[str]:
    """Everything that should not be; empty when all is well."""
    return [*intruders(world), *unapproved(world), *lost(world, before), *log_faults(world)]


def intruders(world: FaultWorld) -> list[str]:
    """Runs that live without a right to: by the kernel's processes and the record's grants."""
    found = []
    now = world.here.clock.now()
    for path in (world.here.layout.run / "workspaces").glob("*/state.json"):
        plan = json.loads(path.read_bytes())["plan"]
        if not processes_of(plan["uid"]):
            continue
        with world.here.database.read() as connection:
            grant = grants.require(connection, plan["grant"])
            phase = workspaces.require(connection, plan["workspace"]).phase.value
        member = any(one.subject == Subject.model_validate(plan["subject"]) for one in grant.spec.members)
        if grant.phase.value != "Active" or grant.spec.expires <= now or not member or phase == "Stopped":
            found.append(f"{plan['workspace']} of {plan['grant']} runs: {grant.phase.value}, {phase}")
    return found


def unapproved(world: FaultWorld) -> list[str]:
    """Bundles that nobody let out."""
    found = []
    with world.here.database.read() as connection:
        every = {one.id: one for one in exports.by_state(connection, list(ExportState))}
    for name in bundles(world):
        request = every.get(name)
        agreed = {one.checker for one in request.reviews if one.submitted_at and not one.void} if request else set()
        released = request is not None and request.state in {ExportState.Released, ExportState.Releasing}
        if not released or len(agreed) < ENOUGH or (request is not None and request.confirmation is None):
            found.append(f"the bundle {name} lies there without two who agreed")
    for request in every.values():
        if request.state is ExportState.Released and request.id not in bundles(world):
            found.append(f"{request.id} is released, and its bundle is not there")
    return found


def lost(world: FaultWorld, before: Acknowledged) -> list[str]:
    """What had been said yes to and is not there any more, or is another."""
    now = Acknowledged.of(world)
    found = [f"event {number} {kind} is gone" for number, _, kind in sorted(set(before.events) - set(now.events))]
    return found + [
        f"the bundle of {name} is not what it was"
        for name, digest in before.released.items()
        if now.released.get(name) != digest
    ]


def log_faults(world: FaultWorld) -> list[str]:
    """What the verifier says of the whole log, and whether the tip is where the witness saw it."""
    keys = load_public(world.here.layout.keys / PUBLIC_KEY_FILE)
    witnessed = FileWitness(witness_path(world.root)).last()
    seen = () if witnessed is None else (witnessed.checkpoint,)
    report = verify_log(world.here.database, keys, Expectations(seen=seen))
    found = [fault.message for fault in report.faults]
    if witnessed is None:
        found.append("nobody witnessed the log")
    return found
