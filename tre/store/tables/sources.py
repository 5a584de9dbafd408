"""Tables of sources elsewhere: what each said last, what it told in between, and the grants that came of it."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, Table, Text

from tre.store.tables.base import Moment, metadata, words

sources = Table(
    "sources",
    metadata,
    Column("id", words(60), primary_key=True),
    Column("truth", JSON, nullable=False),
    Column("tried_at", Moment),
    Column("heard_at", Moment),
    Column("reason", words(40), nullable=False),
    Column("message", words(500), nullable=False, default=""),
)
"""`heard_at` is when the last whole answer was asked for; `reason` is how the last try went."""

source_messages = Table(
    "source_messages",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("source", words(60), nullable=False),
    Column("channel", words(20), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("body", Text),
    Column("digest", words(80), nullable=False),
    Column("state", words(20), nullable=False),
    Column("identity", words(120)),
    Column("kind", words(80), nullable=False, default=""),
    Column("reason", words(40), nullable=False),
    Column("message", words(500), nullable=False, default=""),
    Column("taken_at", Moment),
    Index("ix_source_messages_source_state", "source", "state"),
    Index("ix_source_messages_source_identity", "source", "identity"),
)
"""`body` is what came, as it came, until it was taken in; it may name people, so its digest alone is kept then."""

source_grants = Table(
    "source_grants",
    metadata,
    Column("source", words(60), primary_key=True),
    Column("key", words(300), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("grant", words(63), nullable=False),
    Column("begun_at", Moment),
    Column("missing_since", Moment),
    Column("told_over", Boolean, nullable=False),
    Column("reason", words(40), nullable=False),
    Column("message", words(500), nullable=False, default=""),
)
"""`key` is what the source calls it; `told_over` says that the source told its end, which is more than its absence."""
