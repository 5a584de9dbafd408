"""Tables of datasets, releases, plans, built slices and opt-outs (the files themselves are the storekeeper's)."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table

from tre.store.tables.base import Moment, metadata

datasets = Table(
    "datasets",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("title", String(300), nullable=False),
    Column("data_group", Integer, nullable=False, unique=True),
    Column("deny_version", Integer, nullable=False, default=0),
    Column("created_at", Moment, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("dataset", String(63), ForeignKey("datasets.name"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("index_digest", String(80), nullable=False),
    Column("counts", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
)

plans = Table(
    "plans",
    metadata,
    Column("digest", String(80), primary_key=True),
    Column("dataset", String(63), nullable=False),
    Column("release", String(64), nullable=False),
    Column("body", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
)

slices = Table(
    "slices",
    metadata,
    Column("slice_id", String(20), primary_key=True),
    Column("dataset", String(63), nullable=False),
    Column("release", String(64), nullable=False),
    Column("plan_digest", String(80), nullable=False),
    Column("content_digest", String(80), nullable=False),
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
    Column("dataset", String(63), ForeignKey("datasets.name"), primary_key=True),
    Column("pseudonym", String(64), primary_key=True),
    Column("level", String(10), nullable=False),
    Column("source", String(200), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("deny_version", Integer, nullable=False),
)
"""Who opted out; `deny_version` is the version of the deny set that first held the person."""
