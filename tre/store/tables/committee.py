"""Tables of applications and of the committee that decides on them: seats, votes, recusals, decisions.

`document` is the whole record each time; the columns beside it are what is searched by. Votes, recusals and decisions
are added and never changed: what a vote is about is part of its key, so that nobody votes twice on one matter.
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, Table

from tre.store.tables.base import Moment, metadata, words

applications = Table(
    "applications",
    metadata,
    Column("id", words(20), primary_key=True),
    Column("author_issuer", words(255), nullable=False),
    Column("author_id", words(255), nullable=False),
    Column("state", words(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("title", words(300), nullable=False),
    Column("organisation", words(300), nullable=False),
    Column("lane", words(10), nullable=False),
    Column("varies", words(63)),
    Column("grant", words(63)),
    Column("document", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("submitted_at", Moment),
    Column("deadline", Moment),
    Column("decided_at", Moment),
    Index("ix_applications_state", "state", "deadline"),
    Index("ix_applications_author", "author_issuer", "author_id"),
    Index("ix_applications_grant", "grant"),
)
"""`version` grows with every change: one made from an older version is refused."""

application_people = Table(
    "application_people",
    metadata,
    Column("application", words(20), ForeignKey("applications.id"), primary_key=True),
    Column("issuer", words(255), primary_key=True),
    Column("person", words(255), primary_key=True),
    Index("ix_application_people_person", "issuer", "person"),
)
"""Who is named in what was handed in."""

committee_seats = Table(
    "committee_seats",
    metadata,
    Column("id", words(20), primary_key=True),
    Column("issuer", words(255), nullable=False),
    Column("person", words(255), nullable=False),
    Column("constituency", words(63), nullable=False),
    Column("begins", Moment, nullable=False),
    Column("ends", Moment, nullable=False),
    Column("document", JSON, nullable=False),
    Column("told", JSON, nullable=False),
    Index("ix_committee_seats_person", "issuer", "person"),
)
"""`told` is what anybody may read of the seat; whose account it is stands in `document` alone."""

committee_votes = Table(
    "committee_votes",
    metadata,
    Column("application", words(20), ForeignKey("applications.id"), primary_key=True),
    Column("matter", words(80), primary_key=True),
    Column("seat", words(20), ForeignKey("committee_seats.id"), primary_key=True),
    Column("document", JSON, nullable=False),
    Column("at", Moment, nullable=False),
)

committee_recusals = Table(
    "committee_recusals",
    metadata,
    Column("application", words(20), ForeignKey("applications.id"), primary_key=True),
    Column("issuer", words(255), primary_key=True),
    Column("person", words(255), primary_key=True),
    Column("document", JSON, nullable=False),
    Column("at", Moment, nullable=False),
)

committee_decisions = Table(
    "committee_decisions",
    metadata,
    Column("digest", words(80), primary_key=True),
    Column("application", words(20), ForeignKey("applications.id"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("outcome", words(20), nullable=False),
    Column("grant", words(63)),
    Column("document", JSON, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Index("ix_committee_decisions_application", "application"),
    Index("ix_committee_decisions_grant", "grant"),
)
"""`document` is the signed record: record, key and signature."""

committee_emergencies = Table(
    "committee_emergencies",
    metadata,
    Column("id", words(32), primary_key=True),
    Column("grant", words(63), ForeignKey("grants.name"), nullable=False),
    Column("seat", words(20), ForeignKey("committee_seats.id"), nullable=False),
    Column("suspension", words(32)),
    Column("document", JSON, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_committee_emergencies_grant", "grant"),
)
"""Emergency votes; `suspension` is the one that a vote brought about. When it is lifted, its votes are over."""
