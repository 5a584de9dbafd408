"""The tables of `optouts` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def withdrawal_batches() -> None:
    """Create `withdrawal_batches`."""
    op.create_table(
        "withdrawal_batches",
        sa.Column("id", words(32), nullable=False),
        sa.Column("dataset", words(63), nullable=False),
        sa.Column("state", words(20), nullable=False),
        sa.Column("kind", words(10), nullable=False),
        sa.Column("level", words(10), nullable=False),
        sa.Column("source", words(200), nullable=False),
        sa.Column("list_digest", words(80), nullable=False),
        sa.Column("counted", sa.JSON(), nullable=True),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("proposed_issuer", words(255), nullable=False),
        sa.Column("proposed_id", words(255), nullable=False),
        sa.Column("proposed_at", MOMENT, nullable=False),
        sa.Column("confirmed_issuer", words(255), nullable=True),
        sa.Column("confirmed_id", words(255), nullable=True),
        sa.Column("second_issuer", words(255), nullable=True),
        sa.Column("second_id", words(255), nullable=True),
        sa.Column("accepted_at", MOMENT, nullable=True),
        sa.Column("deny_version", sa.Integer(), nullable=False),
        sa.Column("hold_until", MOMENT, nullable=True),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("reason", words(40), nullable=False),
        sa.Column("message", words(500), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_withdrawal_batches_dataset_datasets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawal_batches")),
    )
    op.create_index("ix_withdrawal_batches_dataset_state", "withdrawal_batches", ["dataset", "state"], unique=False)


def withdrawal_people() -> None:
    """Create `withdrawal_people`."""
    op.create_table(
        "withdrawal_people",
        sa.Column("batch", words(32), nullable=False),
        sa.Column("part", words(10), nullable=False),
        sa.Column("pseudonym", words(64), nullable=False),
        sa.Column("level", words(10), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch"], ["withdrawal_batches.id"], name=op.f("fk_withdrawal_people_batch_withdrawal_batches")
        ),
        sa.PrimaryKeyConstraint("batch", "part", "pseudonym", name=op.f("pk_withdrawal_people")),
    )
    op.create_index("ix_withdrawal_people_pseudonym", "withdrawal_people", ["pseudonym"], unique=False)
