"""The tables of `people` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def accounts() -> None:
    """Create `accounts`."""
    op.create_table(
        "accounts",
        sa.Column("name", words(255), nullable=False),
        sa.Column("display_name", words(300), nullable=False),
        sa.Column("password_hash", words(300), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_accounts")),
    )


def login_failures() -> None:
    """Create `login_failures`."""
    op.create_table(
        "login_failures",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("key", words(300), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_failures")),
    )
    op.create_index("ix_login_failures_key_at", "login_failures", ["key", "at"], unique=False)


def people() -> None:
    """Create `people`."""
    op.create_table(
        "people",
        sa.Column("issuer", words(255), nullable=False),
        sa.Column("subject", words(255), nullable=False),
        sa.Column("display_name", words(300), nullable=False),
        sa.Column("hub_name", words(40), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=True),
        sa.Column("barred", words(40), nullable=True),
        sa.Column("fresh_until", MOMENT, nullable=True),
        sa.Column("confirmed_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_people")),
        sa.UniqueConstraint("hub_name", name=op.f("uq_people_hub_name")),
    )


def sessions() -> None:
    """Create `sessions`."""
    op.create_table(
        "sessions",
        sa.Column("id", words(64), nullable=False),
        sa.Column("issuer", words(255), nullable=False),
        sa.Column("subject", words(255), nullable=False),
        sa.Column("display_name", words(300), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_subject", "sessions", ["issuer", "subject"], unique=False)


def tickets() -> None:
    """Create `tickets`."""
    op.create_table(
        "tickets",
        sa.Column("id", words(64), nullable=False),
        sa.Column("session", words(64), nullable=False),
        sa.Column("host", words(300), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
    )
