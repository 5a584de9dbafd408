"""Tables of workspaces and of the numeric user identities they hold."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, Table, UniqueConstraint

from tre.store.tables.base import Moment, metadata, words

workspaces = Table(
    "workspaces",
    metadata,
    Column("name", words(20), primary_key=True),
    Column("grant", words(63), ForeignKey("grants.name"), nullable=False),
    Column("issuer", words(255), nullable=False),
    Column("subject", words(255), nullable=False),
    Column("wanted", words(20), nullable=False),
    Column("phase", words(20), nullable=False),
    Column("reason", words(40), nullable=False),
    Column("message", words(500), nullable=False, default=""),
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

batch_jobs = Table(
    "batch_jobs",
    metadata,
    Column("workspace", words(20), ForeignKey("workspaces.name"), primary_key=True),
    Column("id", words(16), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("instance", Integer, nullable=False),
    Column("state", words(20), nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Index("ix_batch_jobs_state", "state"),
)
"""Jobs that run without a browser, as they were seen from outside; no name of a file, no word of theirs."""

workspace_uids = Table(
    "workspace_uids",
    metadata,
    Column("uid", Integer, primary_key=True),
    Column("workspace", words(20), nullable=False, unique=True),
    Column("allocated_at", Moment, nullable=False),
    Column("certified_at", Moment),
)
"""Who holds which numeric user identity; a row whose certificate is missing is never given to another."""
