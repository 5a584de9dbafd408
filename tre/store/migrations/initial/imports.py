"""The tables of `imports` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def import_requests() -> None:
    """Create `import_requests`."""
    op.create_table(
        "import_requests",
        sa.Column("id", words(20), nullable=False),
        sa.Column("grant", words(63), nullable=False),
        sa.Column("author_issuer", words(255), nullable=False),
        sa.Column("author_id", words(255), nullable=False),
        sa.Column("state", words(20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("deadline", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["grant"], ["grants.name"], name=op.f("fk_import_requests_grant_grants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_requests")),
    )
    op.create_index("ix_import_requests_grant", "import_requests", ["grant"], unique=False)
    op.create_index("ix_import_requests_state", "import_requests", ["state", "deadline"], unique=False)


def import_files() -> None:
    """Create `import_files`."""
    op.create_table(
        "import_files",
        sa.Column("request", words(20), nullable=False),
        sa.Column("path", words(1024), nullable=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"], ["import_requests.id"], name=op.f("fk_import_files_request_import_requests")
        ),
        sa.PrimaryKeyConstraint("request", "path", name=op.f("pk_import_files")),
    )
    op.create_index("ix_import_files_sha256", "import_files", ["sha256"], unique=False)
