"""The tables of `conditions` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def committee_conditions() -> None:
    """Create `committee_conditions`."""
    op.create_table(
        "committee_conditions",
        sa.Column("id", words(20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("grant", words(63), nullable=False),
        sa.Column("application", words(20), nullable=False),
        sa.Column("state", words(20), nullable=False),
        sa.Column("due", MOMENT, nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["application"], ["applications.id"], name=op.f("fk_committee_conditions_application_applications")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_committee_conditions")),
    )
    op.create_index("ix_committee_conditions_application", "committee_conditions", ["application"], unique=False)
    op.create_index("ix_committee_conditions_grant", "committee_conditions", ["grant"], unique=False)
    op.create_index("ix_committee_conditions_state", "committee_conditions", ["state", "due"], unique=False)
