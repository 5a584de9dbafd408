"""Tables of what people and organisations hold, and of what is required of them."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Integer, Table

from tre.store.tables.base import Moment, metadata, words

standings = Table(
    "standings",
    metadata,
    Column("id", words(32), primary_key=True),
    Column("issuer", words(255)),
    Column("subject", words(255)),
    Column("organisation", words(200)),
    Column("kind", words(20), nullable=False),
    Column("name", words(63), nullable=False),
    Column("reference", words(200), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("warned_days", Integer),
    Index("ix_standings_subject", "issuer", "subject"),
    Index("ix_standings_organisation", "organisation"),
)
"""Training, accreditation, agreements. Ended early: `until` is the moment of it; the log has what it was before."""

standing_rules = Table(
    "standing_rules",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("digest", words(80), nullable=False),
    Column("rules", JSON, nullable=False),
    Column("taken_at", Moment, nullable=False),
)
"""What is required, as the controller last read it from `policies/standing.yaml`: one row, its number 1."""
