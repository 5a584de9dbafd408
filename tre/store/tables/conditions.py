"""Table of conditions in words, each from one decision, until the committee rules on it."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, Table

from tre.store.tables.base import Moment, metadata, words

committee_conditions = Table(
    "committee_conditions",
    metadata,
    Column("id", words(20), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("grant", words(63), nullable=False),
    Column("application", words(20), ForeignKey("applications.id"), nullable=False),
    Column("state", words(20), nullable=False),
    Column("due", Moment),
    Column("document", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_committee_conditions_grant", "grant"),
    Index("ix_committee_conditions_application", "application"),
    Index("ix_committee_conditions_state", "state", "due"),
)
"""`document` is the whole record. A condition is kept in the transaction that decides, before its grant is."""
