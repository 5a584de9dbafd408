"""What every table is made of: one metadata object, and times that come back as they went in.

Guarantees: a time is stored aware and read aware, in UTC; SQLite keeps it as ISO 8601 text of fixed width (which
sorts as time does), PostgreSQL as `timestamptz`. Text has no limit on either (`words`): SQLite never enforces one, and
on PostgreSQL a message that is too long would be an error in the middle of an ending.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, MetaData, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def words(length: int) -> String:
    """Text of so many characters or less, which the domain's models see to; `text` on PostgreSQL."""
    return String(length).with_variant(Text(), "postgresql")


class Moment(TypeDecorator[datetime]):
    """An aware UTC time, to the microsecond."""

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, `timestamptz` on PostgreSQL."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive times; write UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "a naive time cannot be stored"
            raise ValueError(msg)
        moment = value.astimezone(UTC)
        if dialect.name == "postgresql":
            return moment
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read it back aware."""
        del dialect  # both dialects are told apart by what they return
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
