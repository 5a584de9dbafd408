"""The tables of `register` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def register_decisions() -> None:
    """Create `register_decisions`."""
    op.create_table(
        "register_decisions",
        sa.Column("digest", words(80), nullable=False),
        sa.Column("outcome", words(20), nullable=False),
        sa.Column("grant", words(63), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_register_decisions")),
    )
    op.create_index("ix_register_decisions_grant", "register_decisions", ["grant"], unique=False)
    op.create_index(
        "ix_register_decisions_outcome_decided_at", "register_decisions", ["outcome", "decided_at"], unique=False
    )


def register_slices() -> None:
    """Create `register_slices`."""
    op.create_table(
        "register_slices",
        sa.Column("slice_id", words(20), nullable=False),
        sa.Column("dataset", words(63), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("slice_id", name=op.f("pk_register_slices")),
    )
    op.create_index("ix_register_slices_dataset_at", "register_slices", ["dataset", "at"], unique=False)


def register_projects() -> None:
    """Create `register_projects`."""
    op.create_table(
        "register_projects",
        sa.Column("name", words(63), nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.Column("running", sa.Boolean(), nullable=False),
        sa.Column("starts", MOMENT, nullable=False),
        sa.Column("ends", MOMENT, nullable=False),
        sa.Column("phase", words(20), nullable=False),
        sa.Column("title", words(300), nullable=False),
        sa.Column("organisation", words(300), nullable=False),
        sa.Column("sector", words(100), nullable=False),
        sa.Column("commercial", sa.Boolean(), nullable=False),
        sa.Column("summary", words(300), nullable=False),
        sa.Column("searched", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["name"], ["grants.name"], name=op.f("fk_register_projects_name_grants")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_register_projects")),
    )
    op.create_index(
        "ix_register_projects_running_commercial", "register_projects", ["running", "commercial"], unique=False
    )
    op.create_index(
        "ix_register_projects_running_starts_name", "register_projects", ["running", "starts", "name"], unique=False
    )
    op.create_index("ix_register_projects_sector", "register_projects", ["sector"], unique=False)
    op.create_index("ix_register_projects_told_at_name", "register_projects", ["told_at", "name"], unique=False)
