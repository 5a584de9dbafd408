"""Tables of datasets, releases, plans, built slices and opt-outs (the files themselves are the storekeeper's)."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, Table

from tre.store.tables.base import Moment, metadata, words

datasets = Table(
    "datasets",
    metadata,
    Column("name", words(63), primary_key=True),
    Column("title", words(300), nullable=False),
    Column("data_group", Integer, nullable=False, unique=True),
    Column("deny_version", Integer, nullable=False, default=0),
    Column("created_at", Moment, nullable=False),
    Column("tag_manifest", words(80)),
    Column("validation_permille", Integer, nullable=False, default=0),
)

releases = Table(
    "releases",
    metadata,
    Column("dataset", words(63), ForeignKey("datasets.name"), primary_key=True),
    Column("name", words(64), primary_key=True),
    Column("index_digest", words(80), nullable=False),
    Column("counts", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("gate", words(80)),
    Column("onto", words(64)),
)

plans = Table(
    "plans",
    metadata,
    Column("digest", words(80), primary_key=True),
    Column("dataset", words(63), nullable=False),
    Column("release", words(64), nullable=False),
    Column("body", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
)

slices = Table(
    "slices",
    metadata,
    Column("slice_id", words(20), primary_key=True),
    Column("dataset", words(63), nullable=False),
    Column("release", words(64), nullable=False),
    Column("plan_digest", words(80), nullable=False),
    Column("content_digest", words(80), nullable=False),
    Column("manifest_version", Integer, nullable=False),
    Column("files", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("data_group", Integer, nullable=False),
    Column("built_at", Moment, nullable=False),
    Index("ix_slices_dataset", "dataset"),
)
"""Slices that stand in the file system; the row goes when the directory does."""

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("dataset", words(63), ForeignKey("datasets.name"), primary_key=True),
    Column("pseudonym", words(64), primary_key=True),
    Column("level", words(10), nullable=False),
    Column("source", words(200), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("deny_version", Integer, nullable=False),
)
"""Who opted out; `deny_version` is the version of the deny set that first held the person."""

retirements = Table(
    "retirements",
    metadata,
    Column("dataset", words(63), ForeignKey("datasets.name"), primary_key=True),
    Column("release", words(64), primary_key=True),
    Column("reason", words(1000), nullable=False),
    Column("by_issuer", words(300), nullable=False),
    Column("by_id", words(300), nullable=False),
    Column("at", Moment, nullable=False),
)
"""What nothing new is given from; without a release's name, the whole dataset."""

quarantine = Table(
    "quarantine",
    metadata,
    Column("dataset", words(63), ForeignKey("datasets.name"), primary_key=True),
    Column("sha256", words(64), primary_key=True),
    Column("pseudonym", words(64), nullable=False),
    Column("path", words(4000), nullable=False),
    Column("kind", words(10), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("rule", words(40), nullable=False),
    Column("attribute", words(400), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("found_at", Moment, nullable=False),
    Column("state", words(10), nullable=False),
    Column("decided_by_issuer", words(300)),
    Column("decided_by_id", words(300)),
    Column("decided_at", Moment),
    Column("reason", words(1000), nullable=False, default=""),
    Index("ix_quarantine_dataset_state", "dataset", "state"),
)
"""Files that wait for a person, by content; `rule` and `attribute` are those of the first reason."""
