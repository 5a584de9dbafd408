"""The tables of `jobs` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def jobs() -> None:
    """Create `jobs`."""
    op.create_table(
        "jobs",
        sa.Column("id", words(32), nullable=False),
        sa.Column("program", words(20), nullable=False),
        sa.Column("kind", words(40), nullable=False),
        sa.Column("subject", words(200), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", words(20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("deadline", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_program_state", "jobs", ["program", "state", "created_at"], unique=False)
    op.create_index("ix_jobs_subject", "jobs", ["subject"], unique=False)


def leases() -> None:
    """Create `leases`."""
    op.create_table(
        "leases",
        sa.Column("name", words(40), nullable=False),
        sa.Column("holder", words(100), nullable=False),
        sa.Column("token", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("beats", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )


def settings() -> None:
    """Create `settings`."""
    op.create_table(
        "settings",
        sa.Column("key", words(100), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_settings")),
    )


def writing_turn() -> None:
    """Create `writing_turn`."""
    op.create_table(
        "writing_turn",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_writing_turn")),
    )
