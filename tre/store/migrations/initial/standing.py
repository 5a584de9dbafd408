"""The tables of `standing` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def standing_rules() -> None:
    """Create `standing_rules`."""
    op.create_table(
        "standing_rules",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", words(80), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("taken_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_standing_rules")),
    )


def standings() -> None:
    """Create `standings`."""
    op.create_table(
        "standings",
        sa.Column("id", words(32), nullable=False),
        sa.Column("issuer", words(255), nullable=True),
        sa.Column("subject", words(255), nullable=True),
        sa.Column("organisation", words(200), nullable=True),
        sa.Column("kind", words(20), nullable=False),
        sa.Column("name", words(63), nullable=False),
        sa.Column("reference", words(200), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("warned_days", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standings")),
    )
    op.create_index("ix_standings_organisation", "standings", ["organisation"], unique=False)
    op.create_index("ix_standings_subject", "standings", ["issuer", "subject"], unique=False)
