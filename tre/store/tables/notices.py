"""Table of what was told about the public account before its time, or when its time was up."""

from __future__ import annotations

from sqlalchemy import Column, Table

from tre.store.tables.base import Moment, metadata, words

account_notices = Table(
    "account_notices",
    metadata,
    Column("object", words(300), primary_key=True),
    Column("kind", words(60), primary_key=True),
    Column("moment", Moment, nullable=False),
)
"""One row for an object and a kind of notice: the moment that was told last."""
