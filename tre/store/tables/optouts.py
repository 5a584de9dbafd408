"""Tables of lists of opt-outs: the work on each, and whom it concerns. Why anybody opted out has no column."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, Table

from tre.store.tables.base import Moment, metadata, words

withdrawal_batches = Table(
    "withdrawal_batches",
    metadata,
    Column("id", words(32), primary_key=True),
    Column("dataset", words(63), ForeignKey("datasets.name"), nullable=False),
    Column("state", words(20), nullable=False),
    Column("kind", words(10), nullable=False),
    Column("level", words(10), nullable=False),
    Column("source", words(200), nullable=False),
    Column("list_digest", words(80), nullable=False),
    Column("counted", JSON),
    Column("people", Integer, nullable=False, default=0),
    Column("proposed_issuer", words(255), nullable=False),
    Column("proposed_id", words(255), nullable=False),
    Column("proposed_at", Moment, nullable=False),
    Column("confirmed_issuer", words(255)),
    Column("confirmed_id", words(255)),
    Column("second_issuer", words(255)),
    Column("second_id", words(255)),
    Column("accepted_at", Moment),
    Column("deny_version", Integer, nullable=False, default=0),
    Column("hold_until", Moment),
    Column("changed_at", Moment, nullable=False),
    Column("reason", words(40), nullable=False),
    Column("message", words(500), nullable=False, default=""),
    Column("report", JSON, nullable=False),
    Index("ix_withdrawal_batches_dataset_state", "dataset", "state"),
)
"""`report` is what the steps so far did, in the form of the receipt; it names nobody."""

withdrawal_people = Table(
    "withdrawal_people",
    metadata,
    Column("batch", words(32), ForeignKey("withdrawal_batches.id"), primary_key=True),
    Column("part", words(10), primary_key=True),
    Column("pseudonym", words(64), primary_key=True),
    Column("level", words(10), nullable=False),
    Index("ix_withdrawal_people_pseudonym", "pseudonym"),
)
"""`part` is `listed` (as the custodian sent it; removed once it was applied) or `withdrawn` (whom it withdrew)."""
