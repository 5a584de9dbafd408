"""The tables of `sources` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def source_grants() -> None:
    """Create `source_grants`."""
    op.create_table(
        "source_grants",
        sa.Column("source", words(60), nullable=False),
        sa.Column("key", words(300), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("grant", words(63), nullable=False),
        sa.Column("begun_at", MOMENT, nullable=True),
        sa.Column("missing_since", MOMENT, nullable=True),
        sa.Column("told_over", sa.Boolean(), nullable=False),
        sa.Column("reason", words(40), nullable=False),
        sa.Column("message", words(500), nullable=False),
        sa.PrimaryKeyConstraint("source", "key", name=op.f("pk_source_grants")),
    )


def source_messages() -> None:
    """Create `source_messages`."""
    op.create_table(
        "source_messages",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source", words(60), nullable=False),
        sa.Column("channel", words(20), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("digest", words(80), nullable=False),
        sa.Column("state", words(20), nullable=False),
        sa.Column("identity", words(120), nullable=True),
        sa.Column("kind", words(80), nullable=False),
        sa.Column("reason", words(40), nullable=False),
        sa.Column("message", words(500), nullable=False),
        sa.Column("taken_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_source_messages")),
    )
    op.create_index("ix_source_messages_source_identity", "source_messages", ["source", "identity"], unique=False)
    op.create_index("ix_source_messages_source_state", "source_messages", ["source", "state"], unique=False)


def sources() -> None:
    """Create `sources`."""
    op.create_table(
        "sources",
        sa.Column("id", words(60), nullable=False),
        sa.Column("truth", sa.JSON(), nullable=False),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.Column("heard_at", MOMENT, nullable=True),
        sa.Column("reason", words(40), nullable=False),
        sa.Column("message", words(500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
    )
