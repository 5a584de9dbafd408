"""Tables of grants, their suspensions and their slices."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, Table

from tre.store.tables.base import Moment, metadata, words

grants = Table(
    "grants",
    metadata,
    Column("name", words(63), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("source", words(40), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("phase", words(20), nullable=False),
    Column("conditions", JSON, nullable=False),
    Column("evidence_verified", Boolean, nullable=False),
    Column("activated_at", Moment),
    Column("revoked_at", Moment),
    Column("revoked_reason", words(500), nullable=False, default=""),
    Column("confirmed_until", Moment),
    Column("warned_minutes", Integer),
    Column("applied_at", Moment, nullable=False),
    Column("close_asked_at", Moment),
    Column("closed_at", Moment),
)

suspensions = Table(
    "suspensions",
    metadata,
    Column("id", words(32), primary_key=True),
    Column("grant", words(63), ForeignKey("grants.name"), nullable=True),
    Column("scope", words(20), nullable=False),
    Column("ref", words(600), nullable=False),
    Column("reason", words(500), nullable=False),
    Column("by_issuer", words(255), nullable=False),
    Column("by_id", words(255), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment),
    Index("ix_suspensions_grant", "grant"),
    Index("ix_suspensions_scope_ref", "scope", "ref"),
)

grant_slices = Table(
    "grant_slices",
    metadata,
    Column("grant", words(63), ForeignKey("grants.name"), primary_key=True),
    Column("name", words(63), primary_key=True),
    Column("slice_id", words(20), nullable=False, unique=True),
    Column("dataset", words(63), nullable=False),
    Column("release", words(64), nullable=False),
    Column("state", words(20), nullable=False),
    Column("reason", words(40), nullable=False),
    Column("message", words(500), nullable=False, default=""),
    Column("plan_digest", words(80)),
    Column("content_digest", words(80)),
    Column("manifest_version", Integer, nullable=False, default=0),
    Column("files", Integer, nullable=False, default=0),
    Column("data_group", Integer),
)
