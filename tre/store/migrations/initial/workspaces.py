"""The tables of `workspaces` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def workspace_uids() -> None:
    """Create `workspace_uids`."""
    op.create_table(
        "workspace_uids",
        sa.Column("uid", sa.Integer(), nullable=False),
        sa.Column("workspace", words(20), nullable=False),
        sa.Column("allocated_at", MOMENT, nullable=False),
        sa.Column("certified_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_workspace_uids")),
        sa.UniqueConstraint("workspace", name=op.f("uq_workspace_uids_workspace")),
    )


def workspaces() -> None:
    """Create `workspaces`."""
    op.create_table(
        "workspaces",
        sa.Column("name", words(20), nullable=False),
        sa.Column("grant", words(63), nullable=False),
        sa.Column("issuer", words(255), nullable=False),
        sa.Column("subject", words(255), nullable=False),
        sa.Column("wanted", words(20), nullable=False),
        sa.Column("phase", words(20), nullable=False),
        sa.Column("reason", words(40), nullable=False),
        sa.Column("message", words(500), nullable=False),
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("uid", sa.Integer(), nullable=True),
        sa.Column("plan", sa.JSON(), nullable=True),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("ready_at", MOMENT, nullable=True),
        sa.Column("stopped_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["grant"], ["grants.name"], name=op.f("fk_workspaces_grant_grants")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workspaces")),
        sa.UniqueConstraint("grant", "issuer", "subject", name=op.f("uq_workspaces_grant_issuer_subject")),
    )
    op.create_index("ix_workspaces_phase", "workspaces", ["phase"], unique=False)


def batch_jobs() -> None:
    """Create `batch_jobs`."""
    op.create_table(
        "batch_jobs",
        sa.Column("workspace", words(20), nullable=False),
        sa.Column("id", words(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("state", words(20), nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.name"], name=op.f("fk_batch_jobs_workspace_workspaces")),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_batch_jobs")),
    )
    op.create_index("ix_batch_jobs_state", "batch_jobs", ["state"], unique=False)
