"""The tables of `grants` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def grants() -> None:
    """Create `grants`."""
    op.create_table(
        "grants",
        sa.Column("name", words(63), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("source", words(40), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("phase", words(20), nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("evidence_verified", sa.Boolean(), nullable=False),
        sa.Column("activated_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("revoked_reason", words(500), nullable=False),
        sa.Column("confirmed_until", MOMENT, nullable=True),
        sa.Column("warned_minutes", sa.Integer(), nullable=True),
        sa.Column("applied_at", MOMENT, nullable=False),
        sa.Column("close_asked_at", MOMENT, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_grants")),
    )


def grant_slices() -> None:
    """Create `grant_slices`."""
    op.create_table(
        "grant_slices",
        sa.Column("grant", words(63), nullable=False),
        sa.Column("name", words(63), nullable=False),
        sa.Column("slice_id", words(20), nullable=False),
        sa.Column("dataset", words(63), nullable=False),
        sa.Column("release", words(64), nullable=False),
        sa.Column("state", words(20), nullable=False),
        sa.Column("reason", words(40), nullable=False),
        sa.Column("message", words(500), nullable=False),
        sa.Column("plan_digest", words(80), nullable=True),
        sa.Column("content_digest", words(80), nullable=True),
        sa.Column("manifest_version", sa.Integer(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("data_group", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["grant"], ["grants.name"], name=op.f("fk_grant_slices_grant_grants")),
        sa.PrimaryKeyConstraint("grant", "name", name=op.f("pk_grant_slices")),
        sa.UniqueConstraint("slice_id", name=op.f("uq_grant_slices_slice_id")),
    )


def suspensions() -> None:
    """Create `suspensions`."""
    op.create_table(
        "suspensions",
        sa.Column("id", words(32), nullable=False),
        sa.Column("grant", words(63), nullable=True),
        sa.Column("scope", words(20), nullable=False),
        sa.Column("ref", words(600), nullable=False),
        sa.Column("reason", words(500), nullable=False),
        sa.Column("by_issuer", words(255), nullable=False),
        sa.Column("by_id", words(255), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["grant"], ["grants.name"], name=op.f("fk_suspensions_grant_grants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suspensions")),
    )
    op.create_index("ix_suspensions_grant", "suspensions", ["grant"], unique=False)
    op.create_index("ix_suspensions_scope_ref", "suspensions", ["scope", "ref"], unique=False)
