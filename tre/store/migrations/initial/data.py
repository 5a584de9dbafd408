"""The tables of `data` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def datasets() -> None:
    """Create `datasets`."""
    op.create_table(
        "datasets",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("data_group", sa.Integer(), nullable=False),
        sa.Column("deny_version", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_datasets")),
        sa.UniqueConstraint("data_group", name=op.f("uq_datasets_data_group")),
    )


def plans() -> None:
    """Create `plans`."""
    op.create_table(
        "plans",
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("dataset", sa.String(length=63), nullable=False),
        sa.Column("release", sa.String(length=64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_plans")),
    )


def slices() -> None:
    """Create `slices`."""
    op.create_table(
        "slices",
        sa.Column("slice_id", sa.String(length=20), nullable=False),
        sa.Column("dataset", sa.String(length=63), nullable=False),
        sa.Column("release", sa.String(length=64), nullable=False),
        sa.Column("plan_digest", sa.String(length=80), nullable=False),
        sa.Column("content_digest", sa.String(length=80), nullable=False),
        sa.Column("manifest_version", sa.Integer(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("data_group", sa.Integer(), nullable=False),
        sa.Column("built_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("slice_id", name=op.f("pk_slices")),
    )
    op.create_index("ix_slices_dataset", "slices", ["dataset"], unique=False)


def releases() -> None:
    """Create `releases`."""
    op.create_table(
        "releases",
        sa.Column("dataset", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("index_digest", sa.String(length=80), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_releases_dataset_datasets")),
        sa.PrimaryKeyConstraint("dataset", "name", name=op.f("pk_releases")),
    )


def withdrawals() -> None:
    """Create `withdrawals`."""
    op.create_table(
        "withdrawals",
        sa.Column("dataset", sa.String(length=63), nullable=False),
        sa.Column("pseudonym", sa.String(length=64), nullable=False),
        sa.Column("level", sa.String(length=10), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("deny_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_withdrawals_dataset_datasets")),
        sa.PrimaryKeyConstraint("dataset", "pseudonym", name=op.f("pk_withdrawals")),
    )
