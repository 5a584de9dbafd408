"""The tables of `costs` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def cost_months() -> None:
    """Create `cost_months`."""
    op.create_table(
        "cost_months",
        sa.Column("workspace", words(20), nullable=False),
        sa.Column("instance", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("month", words(7), nullable=False),
        sa.Column("life_ms", sa.BigInteger(), nullable=False),
        sa.Column("known_ms", sa.BigInteger(), nullable=False),
        sa.Column("cpu_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "instance", "month", name=op.f("pk_cost_months")),
    )


def cost_budgets() -> None:
    """Create `cost_budgets`."""
    op.create_table(
        "cost_budgets",
        sa.Column("grant", words(63), nullable=False),
        sa.Column("measure", words(20), nullable=False),
        sa.Column("limit", words(40), nullable=False),
        sa.Column("by_issuer", words(255), nullable=False),
        sa.Column("by_id", words(255), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("reason", words(500), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["grant"], ["grants.name"], name=op.f("fk_cost_budgets_grant_grants")),
        sa.PrimaryKeyConstraint("grant", "measure", name=op.f("pk_cost_budgets")),
    )


def cost_place_months() -> None:
    """Create `cost_place_months`."""
    op.create_table(
        "cost_place_months",
        sa.Column("grant", words(63), nullable=False),
        sa.Column("place", words(20), nullable=False),
        sa.Column("month", words(7), nullable=False),
        sa.Column("kib_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["grant"], ["grants.name"], name=op.f("fk_cost_place_months_grant_grants")),
        sa.PrimaryKeyConstraint("grant", "place", "month", name=op.f("pk_cost_place_months")),
    )


def cost_places() -> None:
    """Create `cost_places`."""
    op.create_table(
        "cost_places",
        sa.Column("grant", words(63), nullable=False),
        sa.Column("place", words(20), nullable=False),
        sa.Column("kib", sa.BigInteger(), nullable=False),
        sa.Column("counted_to", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["grant"], ["grants.name"], name=op.f("fk_cost_places_grant_grants")),
        sa.PrimaryKeyConstraint("grant", "place", name=op.f("pk_cost_places")),
    )


def cost_runs() -> None:
    """Create `cost_runs`."""
    op.create_table(
        "cost_runs",
        sa.Column("workspace", words(20), nullable=False),
        sa.Column("instance", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("grant", words(63), nullable=False),
        sa.Column("cpu_millis", sa.Integer(), nullable=False),
        sa.Column("memory_mib", sa.BigInteger(), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("counted_to", MOMENT, nullable=False),
        sa.Column("known_to", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("last_cpu_us", sa.BigInteger(), nullable=False),
        sa.Column("peak_bytes", sa.BigInteger(), nullable=True),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["grant"], ["grants.name"], name=op.f("fk_cost_runs_grant_grants")),
        sa.PrimaryKeyConstraint("workspace", "instance", name=op.f("pk_cost_runs")),
    )
    op.create_index("ix_cost_runs_ended_at", "cost_runs", ["ended_at"], unique=False)
    op.create_index("ix_cost_runs_grant", "cost_runs", ["grant"], unique=False)
