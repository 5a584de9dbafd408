"""Tables of workspaces and of the numeric user identities they hold."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from tre.store.tables.base import Moment, metadata

workspaces = Table(
    "workspaces",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("grant", String(63), ForeignKey("grants.name"), nullable=False),
    Column("issuer", String(255), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("wanted", String(20), nullable=False),
    Column("phase", String(20), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("message", String(500), nullable=False, default=""),
    Column("instance", Integer, nullable=False),
    Column("uid", Integer),
    Column("plan", JSON),
    Column("progress", JSON, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("ready_at", Moment),
    Column("stopped_at", Moment),
    UniqueConstraint("grant", "issuer", "subject"),
    Index("ix_workspaces_phase", "phase"),
)

workspace_uids = Table(
    "workspace_uids",
    metadata,
    Column("uid", Integer, primary_key=True),
    Column("workspace", String(20), nullable=False, unique=True),
    Column("allocated_at", Moment, nullable=False),
    Column("certified_at", Moment),
)
"""Who holds which numeric user identity; a row whose certificate is missing is never given to another."""
