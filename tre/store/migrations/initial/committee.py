"""The tables of `committee` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def applications() -> None:
    """Create `applications`."""
    op.create_table(
        "applications",
        sa.Column("id", words(20), nullable=False),
        sa.Column("author_issuer", words(255), nullable=False),
        sa.Column("author_id", words(255), nullable=False),
        sa.Column("state", words(20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("title", words(300), nullable=False),
        sa.Column("organisation", words(300), nullable=False),
        sa.Column("lane", words(10), nullable=False),
        sa.Column("varies", words(63), nullable=True),
        sa.Column("grant", words(63), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("submitted_at", MOMENT, nullable=True),
        sa.Column("deadline", MOMENT, nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_applications")),
    )
    op.create_index("ix_applications_author", "applications", ["author_issuer", "author_id"], unique=False)
    op.create_index("ix_applications_grant", "applications", ["grant"], unique=False)
    op.create_index("ix_applications_state", "applications", ["state", "deadline"], unique=False)


def committee_seats() -> None:
    """Create `committee_seats`."""
    op.create_table(
        "committee_seats",
        sa.Column("id", words(20), nullable=False),
        sa.Column("issuer", words(255), nullable=False),
        sa.Column("person", words(255), nullable=False),
        sa.Column("constituency", words(63), nullable=False),
        sa.Column("begins", MOMENT, nullable=False),
        sa.Column("ends", MOMENT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_committee_seats")),
    )
    op.create_index("ix_committee_seats_person", "committee_seats", ["issuer", "person"], unique=False)


def application_people() -> None:
    """Create `application_people`."""
    op.create_table(
        "application_people",
        sa.Column("application", words(20), nullable=False),
        sa.Column("issuer", words(255), nullable=False),
        sa.Column("person", words(255), nullable=False),
        sa.ForeignKeyConstraint(
            ["application"], ["applications.id"], name=op.f("fk_application_people_application_applications")
        ),
        sa.PrimaryKeyConstraint("application", "issuer", "person", name=op.f("pk_application_people")),
    )
    op.create_index("ix_application_people_person", "application_people", ["issuer", "person"], unique=False)


def committee_decisions() -> None:
    """Create `committee_decisions`."""
    op.create_table(
        "committee_decisions",
        sa.Column("digest", words(80), nullable=False),
        sa.Column("application", words(20), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("outcome", words(20), nullable=False),
        sa.Column("grant", words(63), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["application"], ["applications.id"], name=op.f("fk_committee_decisions_application_applications")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_committee_decisions")),
    )
    op.create_index("ix_committee_decisions_application", "committee_decisions", ["application"], unique=False)
    op.create_index("ix_committee_decisions_grant", "committee_decisions", ["grant"], unique=False)


def committee_emergencies() -> None:
    """Create `committee_emergencies`."""
    op.create_table(
        "committee_emergencies",
        sa.Column("id", words(32), nullable=False),
        sa.Column("grant", words(63), nullable=False),
        sa.Column("seat", words(20), nullable=False),
        sa.Column("suspension", words(32), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["grant"], ["grants.name"], name=op.f("fk_committee_emergencies_grant_grants")),
        sa.ForeignKeyConstraint(
            ["seat"], ["committee_seats.id"], name=op.f("fk_committee_emergencies_seat_committee_seats")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_committee_emergencies")),
    )
    op.create_index("ix_committee_emergencies_grant", "committee_emergencies", ["grant"], unique=False)


def committee_recusals() -> None:
    """Create `committee_recusals`."""
    op.create_table(
        "committee_recusals",
        sa.Column("application", words(20), nullable=False),
        sa.Column("issuer", words(255), nullable=False),
        sa.Column("person", words(255), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["application"], ["applications.id"], name=op.f("fk_committee_recusals_application_applications")
        ),
        sa.PrimaryKeyConstraint("application", "issuer", "person", name=op.f("pk_committee_recusals")),
    )


def committee_votes() -> None:
    """Create `committee_votes`."""
    op.create_table(
        "committee_votes",
        sa.Column("application", words(20), nullable=False),
        sa.Column("matter", words(80), nullable=False),
        sa.Column("seat", words(20), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["application"], ["applications.id"], name=op.f("fk_committee_votes_application_applications")
        ),
        sa.ForeignKeyConstraint(["seat"], ["committee_seats.id"], name=op.f("fk_committee_votes_seat_committee_seats")),
        sa.PrimaryKeyConstraint("application", "matter", "seat", name=op.f("pk_committee_votes")),
    )
