"""The tables of `letters` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def correspondents() -> None:
    """Create `correspondents`."""
    op.create_table(
        "correspondents",
        sa.Column("issuer", words(255), nullable=False),
        sa.Column("subject", words(255), nullable=False),
        sa.Column("address", words(254), nullable=True),
        sa.Column("pace", words(20), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_correspondents")),
    )


def letter_reading() -> None:
    """Create `letter_reading`."""
    op.create_table(
        "letter_reading",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter_reading")),
    )


def letters() -> None:
    """Create `letters`."""
    op.create_table(
        "letters",
        sa.Column("id", words(32), nullable=False),
        sa.Column("event", words(32), nullable=False),
        sa.Column("issuer", words(255), nullable=False),
        sa.Column("recipient", words(255), nullable=False),
        sa.Column("subject", words(150), nullable=False),
        sa.Column("text", words(600), nullable=False),
        sa.Column("page", words(200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("together", sa.Boolean(), nullable=False),
        sa.Column("state", words(20), nullable=False),
        sa.Column("reason", words(40), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
        sa.UniqueConstraint("event", "issuer", "recipient", name=op.f("uq_letters_event_issuer_recipient")),
    )
    op.create_index("ix_letters_recipient", "letters", ["issuer", "recipient"], unique=False)
    op.create_index("ix_letters_state_next_at", "letters", ["state", "next_at"], unique=False)
