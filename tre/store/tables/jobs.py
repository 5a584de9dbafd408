"""Tables of work that one program asks of another, and of who has the turn or the lead."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, Table

from tre.store.tables.base import Moment, metadata, words

jobs = Table(
    "jobs",
    metadata,
    Column("id", words(32), primary_key=True),
    Column("program", words(20), nullable=False),
    Column("kind", words(40), nullable=False),
    Column("subject", words(200), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", words(20), nullable=False),
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
    Column("key", words(100), primary_key=True),
    Column("value", JSON, nullable=False),
)
"""Small facts that must survive a restart, such as the latest time seen."""

writing_turn = Table("writing_turn", metadata, Column("id", Integer, primary_key=True, autoincrement=False))
"""Always empty: on PostgreSQL, whoever writes holds this table's lock (see `tre.store.postgres`)."""

leases = Table(
    "leases",
    metadata,
    Column("name", words(40), primary_key=True),
    Column("holder", words(100), nullable=False),
    Column("token", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column("beats", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
)
"""Who leads. `token` grows with each change of leader, `beats` with each sign of life."""
