"""Tables of the public account: what waits and its clocks, and, apart, what anybody may read.

The public process reads clocks of the first and all of the second: what is not published it cannot show.
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, Table

from tre.store.tables.base import Moment, metadata, words

account_items = Table(
    "account_items",
    metadata,
    Column("id", words(20), primary_key=True),
    Column("kind", words(20), nullable=False),
    Column("state", words(20), nullable=False),
    Column("about", words(100), nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", words(80), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("acknowledged_at", Moment),
    Column("closed_at", Moment),
    Column("due_at", Moment),
    Column("refusal", words(20), nullable=False),
    Column("body", JSON, nullable=False),
    Index("ix_account_items_kind_state", "kind", "state"),
    Index("ix_account_items_about", "about"),
)

account_published = Table(
    "account_published",
    metadata,
    Column("item", words(20), ForeignKey("account_items.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", words(20), nullable=False),
    Column("about", words(100), nullable=False),
    Column("at", Moment, nullable=False),
    Column("body", JSON, nullable=False),
    Index("ix_account_published_kind_at", "kind", "at"),
)
"""Each wording that was published, from number 1; a correction is a further number. What is taken down leaves."""
