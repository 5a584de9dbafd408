"""Table of the papers of applications: which bytes an application brought, and where they are.

A row says that an application itself brought these bytes: who only knows a digest has none, and reads nothing. The
bytes live in the vault.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table

from tre.store.tables.base import Moment, metadata, words

application_papers = Table(
    "application_papers",
    metadata,
    Column("application", words(20), ForeignKey("applications.id"), primary_key=True),
    Column("digest", words(80), primary_key=True),
    Column("size", Integer, nullable=False),
    Column("state", words(20), nullable=False),
    Column("upload", words(32), nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_application_papers_digest", "digest"),
    Index("ix_application_papers_state", "state"),
)
