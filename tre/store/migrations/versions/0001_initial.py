"""The first schema. Made by `python -m tre.store.migrations.regenerate`."""

from __future__ import annotations

from tre.store.migrations.initial import (
    airlock,
    audit,
    committee,
    data,
    grants,
    imports,
    jobs,
    letters,
    optouts,
    people,
    publicaccount,
    register,
    sources,
    standing,
    workspaces,
)

revision = "0001"
down_revision = None

TABLES = (
    publicaccount.account_items,
    people.accounts,
    committee.applications,
    audit.audit_checkpoints,
    audit.audit_events,
    audit.audit_leaves,
    audit.audit_nodes,
    audit.audit_waiting,
    airlock.checker_absences,
    committee.committee_seats,
    letters.correspondents,
    data.datasets,
    grants.grants,
    jobs.jobs,
    jobs.leases,
    letters.letter_reading,
    letters.letters,
    people.login_failures,
    people.people,
    data.plans,
    register.register_decisions,
    register.register_slices,
    people.sessions,
    jobs.settings,
    data.slices,
    sources.source_grants,
    sources.source_messages,
    sources.sources,
    standing.standing_rules,
    standing.standings,
    people.tickets,
    workspaces.workspace_uids,
    jobs.writing_turn,
    publicaccount.account_published,
    committee.application_people,
    airlock.column_labels,
    committee.committee_decisions,
    committee.committee_emergencies,
    committee.committee_recusals,
    committee.committee_votes,
    airlock.export_requests,
    grants.grant_slices,
    imports.import_requests,
    data.quarantine,
    register.register_projects,
    data.releases,
    data.retirements,
    grants.suspensions,
    optouts.withdrawal_batches,
    data.withdrawals,
    workspaces.workspaces,
    airlock.export_attempts,
    airlock.export_claims,
    airlock.export_comments,
    airlock.export_consents,
    airlock.export_files,
    airlock.export_findings,
    airlock.export_groups,
    airlock.export_links,
    airlock.export_reviews,
    airlock.export_votes,
    imports.import_files,
    optouts.withdrawal_people,
)
"""Those that others refer to first."""


def upgrade() -> None:
    """Create every table."""
    for create in TABLES:
        create()
