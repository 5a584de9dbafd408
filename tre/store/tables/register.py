"""Tables of the public register: the projects that are told of, and what is told of their slices.

Only what anybody may read stands here. A project has its row from the moment its grant is first in force.
"""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Table, Text

from tre.store.tables.base import Moment, metadata, words

register_projects = Table(
    "register_projects",
    metadata,
    Column("name", words(63), ForeignKey("grants.name"), primary_key=True),
    Column("told_at", Moment, nullable=False),
    Column("running", Boolean, nullable=False),
    Column("starts", Moment, nullable=False),
    Column("ends", Moment, nullable=False),
    Column("phase", words(20), nullable=False),
    Column("title", words(300), nullable=False),
    Column("organisation", words(300), nullable=False),
    Column("sector", words(100), nullable=False),
    Column("commercial", Boolean, nullable=False),
    Column("summary", words(300), nullable=False),
    Column("searched", Text, nullable=False),
    Index("ix_register_projects_running_starts_name", "running", "starts", "name"),
    Index("ix_register_projects_running_commercial", "running", "commercial"),
    Index("ix_register_projects_told_at_name", "told_at", "name"),
    Index("ix_register_projects_sector", "sector"),
)
"""`summary` is the beginning of the lay summary; `searched` all that a search looks at, in small letters."""

register_decisions = Table(
    "register_decisions",
    metadata,
    Column("digest", words(80), primary_key=True),
    Column("outcome", words(20), nullable=False),
    Column("grant", words(63)),
    Column("decided_at", Moment, nullable=False),
    Column("told", JSON, nullable=False),
    Index("ix_register_decisions_outcome_decided_at", "outcome", "decided_at"),
    Index("ix_register_decisions_grant", "grant"),
)
"""What the public reads of a decision that ended an application, in `told`; `digest` is its record's."""

register_slices = Table(
    "register_slices",
    metadata,
    Column("slice_id", words(20), primary_key=True),
    Column("dataset", words(63), nullable=False),
    Column("told", JSON, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_register_slices_dataset_at", "dataset", "at"),
)
"""What the public reads of a slice (`tre.domain.register.slices`); it stays when the slice is gone."""
