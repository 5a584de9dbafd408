"""Tables of local accounts, roles, sessions and one-time tickets."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Integer, Table

from tre.store.tables.base import Moment, metadata, words

accounts = Table(
    "accounts",
    metadata,
    Column("name", words(255), primary_key=True),
    Column("display_name", words(300), nullable=False),
    Column("password_hash", words(300), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
)
"""Local accounts of one machine; `password_hash` is argon2id in its PHC text form."""

people = Table(
    "people",
    metadata,
    Column("issuer", words(255), primary_key=True),
    Column("subject", words(255), primary_key=True),
    Column("display_name", words(300), nullable=False),
    Column("hub_name", words(40), nullable=False, unique=True),
    Column("roles", JSON, nullable=False),
    Column("seen_at", Moment),
    Column("barred", words(40)),
    Column("fresh_until", Moment),
    Column("confirmed_until", Moment),
)
"""Everybody who may meet the Hub: who they are there, the roles that their account or their provider last gave them,
why they are kept out (a reason), and how long the provider's last word counts."""

sessions = Table(
    "sessions",
    metadata,
    Column("id", words(64), primary_key=True),
    Column("issuer", words(255), nullable=False),
    Column("subject", words(255), nullable=False),
    Column("display_name", words(300), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Index("ix_sessions_subject", "issuer", "subject"),
)
"""`id` is the SHA-256 of the secret in the cookie: reading this table opens no session."""

tickets = Table(
    "tickets",
    metadata,
    Column("id", words(64), primary_key=True),
    Column("session", words(64), nullable=False),
    Column("host", words(300), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)
"""One-time tickets, by the SHA-256 of their secret; bound to a session and a host, good for 60 seconds."""

login_failures = Table(
    "login_failures",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", words(300), nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_login_failures_key_at", "key", "at"),
)
