"""Times in the database: aware in, aware out, and in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from tre.store.tables.base import Moment

AWARE = st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.timezones())  # noqa: DTZ001
TABLE = Table("t", MetaData(), Column("n", Integer, primary_key=True), Column("at", Moment))


@given(AWARE)
def test_a_moment_comes_back(at: datetime) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        TABLE.create(connection)
        connection.execute(insert(TABLE).values(n=1, at=at))
        connection.execute(insert(TABLE).values(n=2, at=None))
        found = connection.execute(select(TABLE.c.at).order_by(TABLE.c.n)).scalars().all()
    engine.dispose()
    assert found == [at.astimezone(UTC), None]
    assert found[0].tzinfo is UTC


@given(AWARE, AWARE)
def test_text_sorts_as_time_does(one: datetime, other: datetime) -> None:
    texts = [Moment().process_bind_param(item, sqlite.dialect()) for item in (one, other)]
    assert (texts[0] < texts[1]) == (one.astimezone(UTC) < other.astimezone(UTC))
    assert {len(text) for text in texts} == {27}


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        Moment().process_bind_param(datetime(2026, 1, 1), sqlite.dialect())  # noqa: DTZ001


def test_postgresql_keeps_times_as_times() -> None:
    dialect = postgresql.dialect()
    at = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    bound = Moment().process_bind_param(at, dialect)
    assert (bound, bound.tzinfo) == (at, UTC)
    assert Moment().process_result_value(at, dialect) == at
    assert Moment().process_bind_param(None, dialect) is None
    assert Moment().process_result_value(None, dialect) is None
    assert Moment().load_dialect_impl(dialect).timezone is True
