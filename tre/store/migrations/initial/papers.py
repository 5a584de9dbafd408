"""The tables of `papers` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def application_papers() -> None:
    """Create `application_papers`."""
    op.create_table(
        "application_papers",
        sa.Column("application", words(20), nullable=False),
        sa.Column("digest", words(80), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("state", words(20), nullable=False),
        sa.Column("upload", words(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["application"], ["applications.id"], name=op.f("fk_application_papers_application_applications")
        ),
        sa.PrimaryKeyConstraint("application", "digest", name=op.f("pk_application_papers")),
    )
    op.create_index("ix_application_papers_digest", "application_papers", ["digest"], unique=False)
    op.create_index("ix_application_papers_state", "application_papers", ["state"], unique=False)
