"""The tables of `data` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def datasets() -> None:
    """Create `datasets`."""
    op.create_table(
        "datasets",
        sa.Column("name", words(63), nullable=False),
        sa.Column("title", words(300), nullable=False),
        sa.Column("data_group", sa.Integer(), nullable=False),
        sa.Column("deny_version", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("tag_manifest", words(80), nullable=True),
        sa.Column("validation_permille", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_datasets")),
        sa.UniqueConstraint("data_group", name=op.f("uq_datasets_data_group")),
    )


def plans() -> None:
    """Create `plans`."""
    op.create_table(
        "plans",
        sa.Column("digest", words(80), nullable=False),
        sa.Column("dataset", words(63), nullable=False),
        sa.Column("release", words(64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_plans")),
    )


def slices() -> None:
    """Create `slices`."""
    op.create_table(
        "slices",
        sa.Column("slice_id", words(20), nullable=False),
        sa.Column("dataset", words(63), nullable=False),
        sa.Column("release", words(64), nullable=False),
        sa.Column("plan_digest", words(80), nullable=False),
        sa.Column("content_digest", words(80), nullable=False),
        sa.Column("manifest_version", sa.Integer(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("data_group", sa.Integer(), nullable=False),
        sa.Column("built_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("slice_id", name=op.f("pk_slices")),
    )
    op.create_index("ix_slices_dataset", "slices", ["dataset"], unique=False)


def quarantine() -> None:
    """Create `quarantine`."""
    op.create_table(
        "quarantine",
        sa.Column("dataset", words(63), nullable=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("pseudonym", words(64), nullable=False),
        sa.Column("path", words(4000), nullable=False),
        sa.Column("kind", words(10), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("rule", words(40), nullable=False),
        sa.Column("attribute", words(400), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.Column("state", words(10), nullable=False),
        sa.Column("decided_by_issuer", words(300), nullable=True),
        sa.Column("decided_by_id", words(300), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("reason", words(1000), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_quarantine_dataset_datasets")),
        sa.PrimaryKeyConstraint("dataset", "sha256", name=op.f("pk_quarantine")),
    )
    op.create_index("ix_quarantine_dataset_state", "quarantine", ["dataset", "state"], unique=False)


def releases() -> None:
    """Create `releases`."""
    op.create_table(
        "releases",
        sa.Column("dataset", words(63), nullable=False),
        sa.Column("name", words(64), nullable=False),
        sa.Column("index_digest", words(80), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("gate", words(80), nullable=True),
        sa.Column("onto", words(64), nullable=True),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_releases_dataset_datasets")),
        sa.PrimaryKeyConstraint("dataset", "name", name=op.f("pk_releases")),
    )


def retirements() -> None:
    """Create `retirements`."""
    op.create_table(
        "retirements",
        sa.Column("dataset", words(63), nullable=False),
        sa.Column("release", words(64), nullable=False),
        sa.Column("reason", words(1000), nullable=False),
        sa.Column("by_issuer", words(300), nullable=False),
        sa.Column("by_id", words(300), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_retirements_dataset_datasets")),
        sa.PrimaryKeyConstraint("dataset", "release", name=op.f("pk_retirements")),
    )


def withdrawals() -> None:
    """Create `withdrawals`."""
    op.create_table(
        "withdrawals",
        sa.Column("dataset", words(63), nullable=False),
        sa.Column("pseudonym", words(64), nullable=False),
        sa.Column("level", words(10), nullable=False),
        sa.Column("source", words(200), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("deny_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_withdrawals_dataset_datasets")),
        sa.PrimaryKeyConstraint("dataset", "pseudonym", name=op.f("pk_withdrawals")),
    )
