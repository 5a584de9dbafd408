"""Tables of grants, their suspensions and their slices."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table

from tre.store.tables.base import Moment, metadata

grants = Table(
    "grants",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("source", String(40), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("phase", String(20), nullable=False),
    Column("conditions", JSON, nullable=False),
    Column("evidence_verified", Boolean, nullable=False),
    Column("activated_at", Moment),
    Column("revoked_at", Moment),
    Column("revoked_reason", String(500), nullable=False, default=""),
    Column("confirmed_until", Moment),
    Column("warned_minutes", Integer),
    Column("applied_at", Moment, nullable=False),
    Column("close_asked_at", Moment),
    Column("closed_at", Moment),
)

suspensions = Table(
    "suspensions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("grant", String(63), ForeignKey("grants.name"), nullable=True),
    Column("scope", String(20), nullable=False),
    Column("ref", String(600), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("by_issuer", String(255), nullable=False),
    Column("by_id", String(255), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment),
    Index("ix_suspensions_grant", "grant"),
    Index("ix_suspensions_scope_ref", "scope", "ref"),
)

grant_slices = Table(
    "grant_slices",
    metadata,
    Column("grant", String(63), ForeignKey("grants.name"), primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("slice_id", String(20), nullable=False, unique=True),
    Column("dataset", String(63), nullable=False),
    Column("release", String(64), nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("message", String(500), nullable=False, default=""),
    Column("plan_digest", String(80)),
    Column("content_digest", String(80)),
    Column("manifest_version", Integer, nullable=False, default=0),
    Column("files", Integer, nullable=False, default=0),
    Column("data_group", Integer),
)
