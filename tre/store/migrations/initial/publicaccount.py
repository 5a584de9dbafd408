"""The tables of `publicaccount` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def account_items() -> None:
    """Create `account_items`."""
    op.create_table(
        "account_items",
        sa.Column("id", words(20), nullable=False),
        sa.Column("kind", words(20), nullable=False),
        sa.Column("state", words(20), nullable=False),
        sa.Column("about", words(100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", words(80), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("acknowledged_at", MOMENT, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("refusal", words(20), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_items")),
    )
    op.create_index("ix_account_items_about", "account_items", ["about"], unique=False)
    op.create_index("ix_account_items_kind_state", "account_items", ["kind", "state"], unique=False)


def account_published() -> None:
    """Create `account_published`."""
    op.create_table(
        "account_published",
        sa.Column("item", words(20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", words(20), nullable=False),
        sa.Column("about", words(100), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["item"], ["account_items.id"], name=op.f("fk_account_published_item_account_items")),
        sa.PrimaryKeyConstraint("item", "number", name=op.f("pk_account_published")),
    )
    op.create_index("ix_account_published_kind_at", "account_published", ["kind", "at"], unique=False)
