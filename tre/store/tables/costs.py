"""Tables of what projects use: meters of runs and places, what they added up to by month, and budgets."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table

from tre.store.tables.base import Moment, metadata, words

cost_runs = Table(
    "cost_runs",
    metadata,
    Column("workspace", words(20), primary_key=True),
    Column("instance", Integer, primary_key=True, autoincrement=False),
    Column("grant", words(63), ForeignKey("grants.name"), nullable=False),
    Column("cpu_millis", Integer, nullable=False),
    Column("memory_mib", BigInteger, nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("counted_to", Moment, nullable=False),
    Column("known_to", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("last_cpu_us", BigInteger, nullable=False),
    Column("peak_bytes", BigInteger),
    Column("restarts", Integer, nullable=False),
    Index("ix_cost_runs_grant", "grant"),
    Index("ix_cost_runs_ended_at", "ended_at"),
)
"""One run: what was reserved for it, and the last reading of its counters."""

cost_months = Table(
    "cost_months",
    metadata,
    Column("workspace", words(20), primary_key=True),
    Column("instance", Integer, primary_key=True, autoincrement=False),
    Column("month", words(7), primary_key=True),
    Column("life_ms", BigInteger, nullable=False),
    Column("known_ms", BigInteger, nullable=False),
    Column("cpu_us", BigInteger, nullable=False),
)
"""What a run added to a month, written in the transaction that moves its meter on."""

cost_places = Table(
    "cost_places",
    metadata,
    Column("grant", words(63), ForeignKey("grants.name"), primary_key=True),
    Column("place", words(20), primary_key=True),
    Column("kib", BigInteger, nullable=False),
    Column("counted_to", Moment, nullable=False),
)
"""What a project keeps where, as it was measured last."""

cost_place_months = Table(
    "cost_place_months",
    metadata,
    Column("grant", words(63), ForeignKey("grants.name"), primary_key=True),
    Column("place", words(20), primary_key=True),
    Column("month", words(7), primary_key=True),
    Column("kib_s", BigInteger, nullable=False),
)

cost_budgets = Table(
    "cost_budgets",
    metadata,
    Column("grant", words(63), ForeignKey("grants.name"), primary_key=True),
    Column("measure", words(20), primary_key=True),
    Column("limit", words(40), nullable=False),
    Column("by_issuer", words(255), nullable=False),
    Column("by_id", words(255), nullable=False),
    Column("at", Moment, nullable=False),
    Column("reason", words(500), nullable=False),
    Column("told", Integer, nullable=False),
)
"""`limit` is a decimal in words, as it was written. `told` is the last percentage that people were written to about."""
