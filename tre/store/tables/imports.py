"""Tables of the way in: import requests and the files that they name (bytes live in the vault)."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, Table

from tre.store.tables.base import Moment, metadata, words

import_requests = Table(
    "import_requests",
    metadata,
    Column("id", words(20), primary_key=True),
    Column("grant", words(63), ForeignKey("grants.name"), nullable=False),
    Column("author_issuer", words(255), nullable=False),
    Column("author_id", words(255), nullable=False),
    Column("state", words(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("deadline", Moment),
    Index("ix_import_requests_state", "state", "deadline"),
    Index("ix_import_requests_grant", "grant"),
)
"""`version` grows with every change: one made from an older version is refused. `document` is the whole request."""

import_files = Table(
    "import_files",
    metadata,
    Column("request", words(20), ForeignKey("import_requests.id"), primary_key=True),
    Column("path", words(1024), primary_key=True),
    Column("sha256", words(64), nullable=False),
    Index("ix_import_files_sha256", "sha256"),
)
"""Which bytes a request names: they must stay in the vault."""
