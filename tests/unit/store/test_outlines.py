"""An outline says what the records say, as far as it says anything."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from tests.support.factories import ALICE, BOB, LEGAL_END, spec_plain
from tests.unit.store.conftest import NOW, an_event
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.policies import effective_end
from tre.domain.grants.states import GrantPhase
from tre.domain.workspaces.models import Workspace, WorkspacePlan
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.store import grant_slices, grants, outlines, overview, workspaces
from tre.store.database import Database
from tre.store.outlines import WorkspaceOutline
from tre.store.tables.grants import grants as table

NAMES = [f"grant-{number}" for number in range(4)]
RUNS = Workspace.name_for(NAMES[1], ALICE)


def filled(database: Database) -> Database:
    """Grants of several kinds, one of them with a run."""
    law = {"legalBasis": {"name": "COPI", "ends": LEGAL_END.isoformat()}}
    plan = WorkspacePlan(
        workspace=RUNS,
        instance=1,
        grant=NAMES[1],
        subject=ALICE,
        uid=70000,
        mounts=(),
        end=NOW + timedelta(hours=8, microseconds=5),
        cap_seconds=3600,
    )
    with database.change(an_event()) as change:
        for number, name in enumerate(NAMES):
            spec = AccessGrantSpec.model_validate(spec_plain(**(law if number == 2 else {})))
            grants.apply(change, name, spec, "file", NOW)
            for subject in (ALICE, BOB):
                workspaces.ensure(change, name, subject, NOW)
        workspaces.want(change, RUNS, Wanted.Running)
        workspaces.begin_start(change, plan, NOW)
        workspaces.set_phase(change, RUNS, WorkspacePhase.Running, effective_end(spec).reason, NOW, message="it runs")
        grants.set_evidence(change, NAMES[1], verified=True)
        grants.set_phase(change, NAMES[3], GrantPhase.Revoked, NOW)
        grants.set_phase(change, NAMES[3], GrantPhase.Closed, NOW)
        row = table.c.name == NAMES[2]
        change.connection.execute(update(table).where(row).values(confirmed_until=NOW, conditions=[{"type": "Kept"}]))
    return database


def said_of(one: Workspace) -> WorkspaceOutline:
    return WorkspaceOutline(
        name=one.name,
        grant=one.grant,
        issuer=one.subject.issuer,
        subject=one.subject.id,
        wanted=one.wanted,
        phase=one.phase,
        reason=one.reason,
        message=one.message,
        instance=one.instance,
        ready_at=one.ready_at,
        ends=None if one.plan is None else one.plan.end,
    )


def test_it_says_what_the_records_say(database: Database) -> None:
    filled(database)
    with database.read() as connection:
        found = outlines.part(connection)
        records = overview.part(connection, open_only=False).found
        assert [one.name for one in found] == NAMES == [one.grant.name for one in records]
        for outline, record in zip(found, records, strict=True):
            grant = record.grant
            assert (outline.source, outline.conditions) == (record.source, record.conditions)
            assert (outline.phase, outline.generation) == (grant.phase, grant.generation)
            assert (outline.evidence_verified, outline.confirmed_until) == (
                grant.evidence_verified,
                grant.confirmed_until,
            )
            assert outline.spec == grant.spec.as_plain()
            assert outline.end == effective_end(grant.spec)
            assert [
                one._asdict().items() <= kept.model_dump().items()
                for one, kept in zip(outline.slices, grant_slices.of_grant(connection, outline.name), strict=True)
            ] == [True]
            assert list(outline.workspaces) == [said_of(one) for one in record.workspaces]
            assert outlines.get(connection, outline.name) == outline
        assert [one.running for one in found] == [0, 1, 0, 0]
        assert outlines.workspace(connection, RUNS) == said_of(workspaces.require(connection, RUNS))
        assert outlines.get(connection, "nobody") is None
        assert outlines.workspace(connection, "nobody") is None


def test_parts_follow_each_other(database: Database) -> None:
    filled(database)
    with database.read() as connection:
        first = outlines.part(connection, size=3)
        second = outlines.part(connection, first[-1].name, 3)
        assert [one.name for one in [*first, *second]] == NAMES
        assert outlines.part(connection, second[-1].name, 3) == []
