"""The tables of `airlock` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def checker_absences() -> None:
    """Create `checker_absences`."""
    op.create_table(
        "checker_absences",
        sa.Column("checker_issuer", words(255), nullable=False),
        sa.Column("checker_id", words(255), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("checker_issuer", "checker_id", "since", name=op.f("pk_checker_absences")),
    )


def column_labels() -> None:
    """Create `column_labels`."""
    op.create_table(
        "column_labels",
        sa.Column("grant", words(63), nullable=False),
        sa.Column("title", words(200), nullable=False),
        sa.Column("role", words(30), nullable=False),
        sa.Column("by_issuer", words(255), nullable=False),
        sa.Column("by_id", words(255), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by_checker", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["grant"], ["grants.name"], name=op.f("fk_column_labels_grant_grants")),
        sa.PrimaryKeyConstraint("grant", "title", name=op.f("pk_column_labels")),
    )


def export_requests() -> None:
    """Create `export_requests`."""
    op.create_table(
        "export_requests",
        sa.Column("id", words(20), nullable=False),
        sa.Column("grant", words(63), nullable=False),
        sa.Column("workspace", words(20), nullable=False),
        sa.Column("author_issuer", words(255), nullable=False),
        sa.Column("author_id", words(255), nullable=False),
        sa.Column("policy", words(63), nullable=False),
        sa.Column("state", words(20), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", words(40), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("run", sa.JSON(), nullable=True),
        sa.Column("confirmed_issuer", words(255), nullable=True),
        sa.Column("confirmed_id", words(255), nullable=True),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("released_at", MOMENT, nullable=True),
        sa.Column("bundle_sha256", words(64), nullable=True),
        sa.Column("bundle_size", sa.BigInteger(), nullable=True),
        sa.Column("exceptions", sa.Integer(), nullable=True),
        sa.Column("emergency", sa.JSON(), nullable=True),
        sa.Column("ledger", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("deadline", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["grant"], ["grants.name"], name=op.f("fk_export_requests_grant_grants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_requests")),
    )
    op.create_index("ix_export_requests_author", "export_requests", ["author_issuer", "author_id"], unique=False)
    op.create_index("ix_export_requests_grant", "export_requests", ["grant"], unique=False)
    op.create_index("ix_export_requests_state", "export_requests", ["state", "deadline"], unique=False)


def export_attempts() -> None:
    """Create `export_attempts`."""
    op.create_table(
        "export_attempts",
        sa.Column("id", words(32), nullable=False),
        sa.Column("grant", words(63), nullable=False),
        sa.Column("request", words(20), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("met", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["grant"], ["grants.name"], name=op.f("fk_export_attempts_grant_grants")),
        sa.ForeignKeyConstraint(
            ["request"], ["export_requests.id"], name=op.f("fk_export_attempts_request_export_requests")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_attempts")),
    )
    op.create_index("ix_export_attempts_grant", "export_attempts", ["grant", "at"], unique=False)


def export_claims() -> None:
    """Create `export_claims`."""
    op.create_table(
        "export_claims",
        sa.Column("request", words(20), nullable=False),
        sa.Column("checker_issuer", words(255), nullable=False),
        sa.Column("checker_id", words(255), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("by_issuer", words(255), nullable=False),
        sa.Column("by_id", words(255), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"], ["export_requests.id"], name=op.f("fk_export_claims_request_export_requests")
        ),
        sa.PrimaryKeyConstraint("request", "checker_issuer", "checker_id", name=op.f("pk_export_claims")),
    )


def export_comments() -> None:
    """Create `export_comments`."""
    op.create_table(
        "export_comments",
        sa.Column("request", words(20), nullable=False),
        sa.Column("id", words(12), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("by_issuer", words(255), nullable=False),
        sa.Column("by_id", words(255), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("group", words(100), nullable=False),
        sa.Column("path", words(1024), nullable=True),
        sa.Column("readers", words(20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("void", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"], ["export_requests.id"], name=op.f("fk_export_comments_request_export_requests")
        ),
        sa.PrimaryKeyConstraint("request", "id", name=op.f("pk_export_comments")),
    )


def export_consents() -> None:
    """Create `export_consents`."""
    op.create_table(
        "export_consents",
        sa.Column("request", words(20), nullable=False),
        sa.Column("finding", words(12), nullable=False),
        sa.Column("by_issuer", words(255), nullable=False),
        sa.Column("by_id", words(255), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("agrees", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["request"], ["export_requests.id"], name=op.f("fk_export_consents_request_export_requests")
        ),
        sa.PrimaryKeyConstraint("request", "finding", "by_issuer", "by_id", name=op.f("pk_export_consents")),
    )


def export_files() -> None:
    """Create `export_files`."""
    op.create_table(
        "export_files",
        sa.Column("request", words(20), nullable=False),
        sa.Column("path", words(1024), nullable=False),
        sa.Column("group", words(100), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("type", words(40), nullable=False),
        sa.Column("kind", words(20), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"], ["export_requests.id"], name=op.f("fk_export_files_request_export_requests")
        ),
        sa.PrimaryKeyConstraint("request", "path", name=op.f("pk_export_files")),
    )
    op.create_index("ix_export_files_sha256", "export_files", ["sha256"], unique=False)


def export_findings() -> None:
    """Create `export_findings`."""
    op.create_table(
        "export_findings",
        sa.Column("request", words(20), nullable=False),
        sa.Column("id", words(12), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("check", words(3), nullable=False),
        sa.Column("case", words(30), nullable=False),
        sa.Column("check_version", sa.Integer(), nullable=False),
        sa.Column("severity", words(1), nullable=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("locator", sa.JSON(), nullable=False),
        sa.Column("message", words(500), nullable=False),
        sa.Column("suggestion", words(500), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"], ["export_requests.id"], name=op.f("fk_export_findings_request_export_requests")
        ),
        sa.PrimaryKeyConstraint("request", "id", name=op.f("pk_export_findings")),
    )


def export_groups() -> None:
    """Create `export_groups`."""
    op.create_table(
        "export_groups",
        sa.Column("request", words(20), nullable=False),
        sa.Column("name", words(100), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("controls", sa.Text(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["request"], ["export_requests.id"], name=op.f("fk_export_groups_request_export_requests")
        ),
        sa.PrimaryKeyConstraint("request", "name", name=op.f("pk_export_groups")),
    )


def export_links() -> None:
    """Create `export_links`."""
    op.create_table(
        "export_links",
        sa.Column("token", words(64), nullable=False),
        sa.Column("request", words(20), nullable=False),
        sa.Column("by_issuer", words(255), nullable=False),
        sa.Column("by_id", words(255), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["request"], ["export_requests.id"], name=op.f("fk_export_links_request_export_requests")
        ),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_export_links")),
    )
    op.create_index("ix_export_links_request", "export_links", ["request"], unique=False)


def export_reviews() -> None:
    """Create `export_reviews`."""
    op.create_table(
        "export_reviews",
        sa.Column("request", words(20), nullable=False),
        sa.Column("turn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("checker_issuer", words(255), nullable=False),
        sa.Column("checker_id", words(255), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("role", words(20), nullable=True),
        sa.Column("submitted_at", MOMENT, nullable=True),
        sa.Column("void", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"], ["export_requests.id"], name=op.f("fk_export_reviews_request_export_requests")
        ),
        sa.PrimaryKeyConstraint("request", "turn", "checker_issuer", "checker_id", name=op.f("pk_export_reviews")),
    )


def export_votes() -> None:
    """Create `export_votes`."""
    op.create_table(
        "export_votes",
        sa.Column("request", words(20), nullable=False),
        sa.Column("turn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("checker_issuer", words(255), nullable=False),
        sa.Column("checker_id", words(255), nullable=False),
        sa.Column("path", words(1024), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("run", words(80), nullable=False),
        sa.Column("choice", words(20), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("dispositions", sa.JSON(), nullable=False),
        sa.Column("looked", words(10), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("basis", words(80), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"], ["export_requests.id"], name=op.f("fk_export_votes_request_export_requests")
        ),
        sa.PrimaryKeyConstraint(
            "request", "turn", "checker_issuer", "checker_id", "path", name=op.f("pk_export_votes")
        ),
    )
