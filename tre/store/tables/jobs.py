"""The table of work that one program asks of another."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Integer, String, Table

from tre.store.tables.base import Moment, metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("program", String(20), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("result", JSON),
    Column("error", JSON),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("deadline", Moment, nullable=False),
    Column("finished_at", Moment),
    Index("ix_jobs_program_state", "program", "state", "created_at"),
    Index("ix_jobs_subject", "subject"),
)

settings = Table(
    "settings",
    metadata,
    Column("key", String(100), primary_key=True),
    Column("value", JSON, nullable=False),
)
"""Small facts that must survive a restart, such as the latest time seen."""
