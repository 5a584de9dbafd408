"""Grants in the record, by intent.

Guarantees: a grant's phase moves along its table only; what was applied twice unchanged changes nothing; suspensions
are added and lifted, never overwritten; an organisation's suspension touches each of its grants, also future ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection, bindparam, insert, or_, select, update

from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrantSpec, GrantRecord, GrantSlice, Suspension, SuspensionScope
from tre.domain.grants.states import ENDED_PHASES, GRANT_TRANSITIONS, GrantPhase
from tre.domain.model import Line, Record, parse_record
from tre.domain.names import slice_id
from tre.domain.people import Subject
from tre.store import register
from tre.store.database import Change, new_id
from tre.store.members import with_members
from tre.store.spans import Span
from tre.store.tables.grants import grant_slices, grants, suspensions

_NAMED = select(grants).where(grants.c.name == bindparam("name"))
_CONCERNED = (
    select(suspensions)
    .where(
        or_(
            suspensions.c.grant == bindparam("grant"),
            (suspensions.c.scope == SuspensionScope.organisation) & (suspensions.c.ref == bindparam("organisation")),
        )
    )
    .order_by(suspensions.c.since)
)
"""Put together once: the controller asks them of every grant, and making a statement costs as much as its answer."""


class StoredSuspension(Suspension):
    """A suspension with the identifier by which it is lifted."""

    id: str


class Revocation(Record):
    """Why an approval was withdrawn: people read it, so it is due, as one line."""

    reason: Annotated[Line, Field(min_length=1, max_length=500)]


def get(connection: Connection, name: str) -> GrantRecord | None:
    """One grant with every suspension that touches it."""
    row = connection.execute(_NAMED, {"name": name}).one_or_none()
    return None if row is None else _record(connection, row._mapping)


def require(connection: Connection, name: str) -> GrantRecord:
    """One grant; raises `TREError(GrantNotFound)`."""
    if (found := get(connection, name)) is None:
        raise TREError(
            Reason.GrantNotFound,
            f"There is no grant {name!r}.",
            why="The record knows none of that name.",
            remedy="See `tre grant list`.",
        )
    return found


def all_names(connection: Connection, *, open_only: bool = False) -> list[str]:
    """Names of all grants, or of those that are not closed."""
    query = select(grants.c.name).order_by(grants.c.name)
    if open_only:
        query = query.where(grants.c.phase != GrantPhase.Closed)
    return list(connection.execute(query).scalars())


def ever_active(connection: Connection, name: str | None = None) -> list[GrantRecord]:
    """Every grant (or the one of a name) that was ever in force, by name, with what the public may know only.

    Suspensions are left out, and with them their reasons: whether a person may be inside is nothing to ask of these.
    """
    query = select(*(grants.c[column] for column in _PUBLIC)).where(grants.c.activated_at.is_not(None))
    if name is not None:
        query = query.where(grants.c.name == name)
    rows = connection.execute(query.order_by(grants.c.name))
    return [GrantRecord.model_validate(dict(row._mapping)) for row in rows]


def told_among(connection: Connection, names: Sequence[str]) -> list[GrantRecord]:
    """Those of these grants that were ever in force, as `ever_active` gives them, by name."""
    query = select(*(grants.c[column] for column in _PUBLIC)).where(grants.c.activated_at.is_not(None))
    rows = connection.execute(query.where(grants.c.name.in_(list(names))).order_by(grants.c.name))
    return [GrantRecord.model_validate(dict(row._mapping)) for row in rows]


_PUBLIC = ("name", "generation", "spec", "phase", "evidence_verified", "activated_at", "revoked_at")


def phase_of(connection: Connection, name: str) -> GrantPhase | None:
    """A grant's phase and nothing else; `None` for an unknown name."""
    found = connection.execute(select(grants.c.phase).where(grants.c.name == name)).scalar()
    return None if found is None else GrantPhase(found)


def conditions(connection: Connection, name: str) -> list[dict[str, Any]]:
    """The grant's status conditions, as last written by the controller."""
    return list(connection.execute(select(grants.c.conditions).where(grants.c.name == name)).scalar_one())


def conditions_of(connection: Connection, names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The status conditions of each of these grants."""
    rows = connection.execute(select(grants.c.name, grants.c.conditions).where(grants.c.name.in_(names)))
    return {row.name: list(row.conditions) for row in rows}


def apply(change: Change, name: str, spec: AccessGrantSpec, source: str, now: datetime) -> int:
    """Put a grant into the record, or replace a running one's content; return its generation.

    The evidence of the new content is unverified until `set_evidence` says otherwise. Raises `TREError(StateForbids)`
    for a grant that has ended, `TREError(Conflict)` if another source owns the name.
    """
    row = change.connection.execute(select(grants).where(grants.c.name == name)).one_or_none()
    plain = spec.as_plain()
    if row is None:
        values = {
            "name": name,
            "generation": 1,
            "source": source,
            "spec": plain,
            "phase": GrantPhase.Pending,
        }
        defaults = {
            "conditions": [],
            "evidence_verified": False,
            "revoked_reason": "",
            "applied_at": now,
        }
        change.connection.execute(insert(grants).values(**values, **defaults))
        _write_slices(change, name, spec, {})
        return 1
    if row.source != source:
        raise TREError(
            Reason.Conflict,
            f"The grant {name!r} belongs to the source {row.source}.",
            why="One grant has one source: two could say different things of it.",
            remedy="Change it where it came from, or give the new one another name.",
        )
    if GrantPhase(row.phase) in ENDED_PHASES:
        raise TREError(
            Reason.StateForbids,
            f"The grant {name!r} has ended.",
            why="What has ended stays ended.",
            remedy="A new approval needs a grant of a new name.",
        )
    if row.spec == plain:
        return int(row.generation)
    change.connection.execute(
        update(grants)
        .where(grants.c.name == name)
        .values(spec=plain, generation=row.generation + 1, evidence_verified=False, applied_at=now, warned_minutes=None)
    )  # a new end is announced anew
    _write_slices(change, name, spec, {item["name"]: item for item in row.spec["slices"]})
    register.change_spec(change, name, spec)
    return int(row.generation) + 1


def _write_slices(change: Change, name: str, spec: AccessGrantSpec, before: dict[str, dict[str, Any]]) -> None:
    """Keep one row for each slice; one whose content changed has to be built anew before it is mounted again."""
    known = set(change.connection.execute(select(grant_slices.c.name).where(grant_slices.c.grant == name)).scalars())
    for item in spec.slices:
        if item.name in known:
            if before.get(item.name) != item.as_plain():
                _rebuild(change, name, item)
            continue
        change.connection.execute(
            insert(grant_slices).values(
                grant=name,
                name=item.name,
                slice_id=slice_id(name, item.name),
                dataset=item.dataset,
                release=item.release,
                state="Pending",
                reason=Reason.GrantPending,
                message="",
                manifest_version=0,
                files=0,
            )
        )


def _rebuild(change: Change, name: str, item: GrantSlice) -> None:
    change.connection.execute(
        update(grant_slices)
        .where(grant_slices.c.grant == name, grant_slices.c.name == item.name)
        .values(
            dataset=item.dataset, release=item.release, state="Pending", reason=Reason.GrantPending, plan_digest=None
        )
    )


def set_evidence(change: Change, name: str, *, verified: bool) -> None:
    """Keep whether the evidence of the grant's present content was verified."""
    change.connection.execute(update(grants).where(grants.c.name == name).values(evidence_verified=verified))


def set_phase(change: Change, name: str, target: GrantPhase, now: datetime) -> None:
    """Move a grant along its table. Raises `TREError(StateForbids)`, `TREError(GrantNotFound)`."""
    found = require(change.connection, name)
    source = found.phase
    GRANT_TRANSITIONS.check(source, target)
    values: dict[str, Any] = {"phase": target}
    if target is GrantPhase.Active and source is GrantPhase.Pending:
        values["activated_at"] = now
    if target is GrantPhase.Closed:
        values["closed_at"] = now
    change.connection.execute(update(grants).where(grants.c.name == name).values(**values))
    if "activated_at" in values:
        register.tell(change, name, found.spec, now)
    else:
        register.change_phase(change, name, target, now)


def set_conditions(change: Change, name: str, found: list[dict[str, Any]]) -> None:
    """Replace the grant's status conditions."""
    change.connection.execute(update(grants).where(grants.c.name == name).values(conditions=found))


def revoke(change: Change, name: str, reason: str, now: datetime) -> None:
    """Withdraw the approval for good.

    Raises `TREError(StateForbids)` once it has ended, `TREError(BadInput)` without a reason of one line.
    """
    said = parse_record(Revocation, {"reason": reason}, source="the revocation")
    set_phase(change, name, GrantPhase.Revoked, now)
    values = {"revoked_at": now, "revoked_reason": said.reason}
    change.connection.execute(update(grants).where(grants.c.name == name).values(**values))


def suspend(change: Change, grant: str | None, suspension: Suspension) -> str:
    """Add a suspension to a grant, or (with no grant) to an organisation; return its identifier."""
    if (grant is None) != (suspension.scope is SuspensionScope.organisation):
        raise TREError(Reason.BadInput, "A suspension names a grant, or an organisation and no grant.")
    identifier = new_id()
    change.connection.execute(
        insert(suspensions).values(
            id=identifier,
            grant=grant,
            scope=suspension.scope,
            ref=suspension.ref,
            reason=suspension.reason,
            by_issuer=suspension.by.issuer,
            by_id=suspension.by.id,
            since=suspension.since,
            until=suspension.until,
        )
    )
    return identifier


def resume(change: Change, identifiers: Iterable[str], now: datetime) -> int:
    """Lift suspensions: their end becomes now. Return how many were in force or still to come."""
    lifted = change.connection.execute(
        update(suspensions)
        .where(suspensions.c.id.in_(list(identifiers)))
        .where(or_(suspensions.c.until.is_(None), suspensions.c.until > now))
        .values(until=now)
    )
    return lifted.rowcount


def stored_suspensions(connection: Connection, grant: GrantRecord) -> list[StoredSuspension]:
    """Every recorded suspension of a grant and of its organisation; those written in the grant itself not."""
    concerned = {"grant": grant.name, "organisation": grant.spec.project.organisation.id}
    rows = connection.execute(_CONCERNED, concerned)
    return [_suspension(row._mapping) for row in rows]


def suspensions_among(connection: Connection, span: Span) -> list[tuple[str | None, StoredSuspension]]:
    """Every recorded suspension of grants in a span of names (each with its grant) and of organisations (without)."""
    concerned = or_(span.holds(suspensions.c.grant), suspensions.c.scope == SuspensionScope.organisation)
    rows = connection.execute(select(suspensions).where(concerned).order_by(suspensions.c.since))
    return [(row.grant, _suspension(row._mapping)) for row in rows]


def of_organisation(connection: Connection, organisation: str) -> list[str]:
    """Names of the grants of an organisation, in order."""
    same = grants.c.spec["project"]["organisation"]["id"].as_string() == organisation
    return list(connection.execute(select(grants.c.name).where(same).order_by(grants.c.name)).scalars())


def organisations(connection: Connection) -> dict[str, str]:
    """Every organisation that a grant names, by identifier, with what it was called last."""
    named = grants.c.spec["project"]["organisation"]
    query = select(named["id"].as_string(), named["name"].as_string()).order_by(grants.c.applied_at)
    found = {str(row[0]): str(row[1]) for row in connection.execute(query)}
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def _suspension(row: Any) -> StoredSuspension:
    return StoredSuspension(
        id=row["id"],
        scope=row["scope"],
        ref=row["ref"],
        reason=row["reason"],
        by=Subject(issuer=row["by_issuer"], id=row["by_id"]),
        since=row["since"],
        until=row["until"],
    )


def _record(connection: Connection, row: Any) -> GrantRecord:
    bare = bare_record(row)
    return with_members(connection, [with_suspensions(bare, stored_suspensions(connection, bare))])[0]


def bare_record(row: Any) -> GrantRecord:
    """A row of grants as it is, without what stands elsewhere: nobody's entitlement may be asked of it.

    Raises `ValueError` for a row that nobody understands.
    """
    return GrantRecord(
        name=row["name"],
        generation=row["generation"],
        spec=AccessGrantSpec.model_validate(row["spec"]),
        phase=row["phase"],
        evidence_verified=row["evidence_verified"],
        activated_at=row["activated_at"],
        revoked_at=row["revoked_at"],
        revoked_reason=row["revoked_reason"],
        confirmed_until=row["confirmed_until"],
    )


def with_suspensions(bare: GrantRecord, stored: Iterable[StoredSuspension]) -> GrantRecord:
    """The record with every suspension: those written in the grant itself, then those recorded since."""
    found = (*bare.spec.suspensions, *(Suspension.model_validate(s.model_dump(exclude={"id"})) for s in stored))
    return bare.model_copy(update={"suspensions": found}) if found else bare


def warned_minutes(connection: Connection, name: str) -> int | None:
    """How many minutes before the end the last warning was given, `None` before the first."""
    found = connection.execute(select(grants.c.warned_minutes).where(grants.c.name == name)).scalar_one()
    return None if found is None else int(found)


def set_warned(change: Change, name: str, minutes: int) -> None:
    """Keep that the warning of so many minutes before the end was given."""
    change.connection.execute(update(grants).where(grants.c.name == name).values(warned_minutes=minutes))


def ask_close(change: Change, name: str, now: datetime) -> None:
    """Keep that an ended grant's homes shall go now. Raises `TREError(StateForbids)` while it has not ended."""
    phase = require(change.connection, name).phase
    if phase not in {GrantPhase.Expired, GrantPhase.Revoked}:
        raise TREError(
            Reason.StateForbids,
            f"The grant {name!r} is {phase}; only an ended grant can be closed.",
            why="Closing destroys the homes of its members.",
            remedy="Revoke it first with `tre grant revoke`.",
        )
    change.connection.execute(update(grants).where(grants.c.name == name).values(close_asked_at=now))


def close_asked(connection: Connection, name: str) -> bool:
    """Whether somebody asked to close the grant before its retention time is over."""
    asked = connection.execute(select(grants.c.close_asked_at).where(grants.c.name == name)).scalar_one()
    return asked is not None


def find_suspensions(connection: Connection, identifier: str) -> list[tuple[str, str]]:
    """Suspensions by their own identifier, or all of a grant by its name: identifier and object of each."""
    rows = connection.execute(
        select(suspensions).where(or_(suspensions.c.id == identifier, suspensions.c.grant == identifier))
    )
    return [(row.id, f"grant/{row.grant}" if row.grant else f"organisation/{row.ref}") for row in rows]
