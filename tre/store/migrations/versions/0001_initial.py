"""The first schema. Made by `python -m tre.store.migrations.regenerate`."""

from __future__ import annotations

from tre.store.migrations.initial import airlock, audit, data, grants, imports, jobs, optouts, people, workspaces

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table, those that others refer to first."""
    people.accounts()
    audit.audit_checkpoints()
    audit.audit_events()
    audit.audit_leaves()
    audit.audit_nodes()
    audit.audit_waiting()
    airlock.checker_absences()
    data.datasets()
    grants.grants()
    jobs.jobs()
    jobs.leases()
    people.login_failures()
    people.people()
    data.plans()
    people.sessions()
    jobs.settings()
    data.slices()
    people.tickets()
    workspaces.workspace_uids()
    jobs.writing_turn()
    airlock.column_labels()
    airlock.export_requests()
    grants.grant_slices()
    imports.import_requests()
    data.quarantine()
    data.releases()
    data.retirements()
    grants.suspensions()
    optouts.withdrawal_batches()
    data.withdrawals()
    workspaces.workspaces()
    airlock.export_attempts()
    airlock.export_claims()
    airlock.export_comments()
    airlock.export_consents()
    airlock.export_files()
    airlock.export_findings()
    airlock.export_groups()
    airlock.export_links()
    airlock.export_reviews()
    airlock.export_votes()
    imports.import_files()
    optouts.withdrawal_people()
