"""Tables of letters: how people are reached, what is still to be sent and what was, and how far the log was read."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, UniqueConstraint

from tre.store.tables.base import Moment, metadata, words

correspondents = Table(
    "correspondents",
    metadata,
    Column("issuer", words(255), primary_key=True),
    Column("subject", words(255), primary_key=True),
    Column("address", words(254)),
    Column("pace", words(20), nullable=False),
    Column("changed_at", Moment, nullable=False),
)
"""Somebody's e-mail address, where one is known, and how they want letters."""

letters = Table(
    "letters",
    metadata,
    Column("id", words(32), primary_key=True),
    Column("event", words(32), nullable=False),
    Column("issuer", words(255), nullable=False),
    Column("recipient", words(255), nullable=False),
    Column("subject", words(150), nullable=False),
    Column("text", words(600), nullable=False),
    Column("page", words(200), nullable=False),
    Column("at", Moment, nullable=False),
    Column("together", Boolean, nullable=False),
    Column("state", words(20), nullable=False),
    Column("reason", words(40), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("refusals", Integer, nullable=False, default=0),
    Column("next_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    UniqueConstraint("event", "issuer", "recipient"),
    Index("ix_letters_state_next_at", "state", "next_at"),
    Index("ix_letters_recipient", "issuer", "recipient"),
)
"""One row for an event and a recipient; who is written to is looked up when it is sent, so no address stands here."""

letter_reading = Table(
    "letter_reading",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
)
"""One row: the number of the last event for which every letter is written. None while no mail is sent."""
