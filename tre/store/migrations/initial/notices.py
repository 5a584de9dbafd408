"""The tables of `notices` as revision 0001 creates them. Made by `tre.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

MOMENT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def words(length: int) -> sa.String:
    """Text without a limit on PostgreSQL."""
    return sa.String(length).with_variant(sa.Text(), "postgresql")


def account_notices() -> None:
    """Create `account_notices`."""
    op.create_table(
        "account_notices",
        sa.Column("object", words(300), nullable=False),
        sa.Column("kind", words(60), nullable=False),
        sa.Column("moment", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("object", "kind", name=op.f("pk_account_notices")),
    )
