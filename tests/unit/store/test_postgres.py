"""What is PostgreSQL's own: turns, lost connections, ends of patience, notices."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.support.databases import Postgres, name_of
from tests.support.machine import wait_for
from tests.support.postgres import PostgresServer
from tests.unit.store.conftest import an_event
from tre.domain.errors import Reason, TREError
from tre.store import postgres as postgres_module
from tre.store.changes import ChangeFeed
from tre.store.database import TRIES, Database
from tre.store.events import after
from tre.store.postgres import password_path, url_for
from tre.store.tables.audit import audit_events
from tre.store.tables.jobs import settings
from tre.system.layout import Layout
from tre.system.settings import Settings


@pytest.fixture
def database(postgres: Postgres, path: Path) -> Database:
    return postgres.make(path)


def kept(database: Database) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(select(settings.c.key).order_by(settings.c.key)).scalars())


def keep(database: Database, key: str) -> None:
    with database.change(an_event()) as change:
        change.connection.execute(insert(settings).values(key=key, value=1))


# Turns


def test_numbers_of_events_are_given_in_the_order_of_commitment(postgres: Postgres, database: Database) -> None:
    """Else a reader that remembers the highest number it saw would miss what commits later with a lower one."""
    highest: list[int] = []
    stop = threading.Event()

    def follow() -> None:
        seen = 0
        while True:
            last_round = stop.is_set()
            with database.read() as connection:
                found = [row.number for row in after(connection, seen)]
            highest.extend(found)
            seen = max([seen, *found])
            if last_round:
                return

    def write(other: Database) -> None:
        for _ in range(30):
            with other.change(an_event(), an_event()):
                pass

    reader = threading.Thread(target=follow)
    writers = [threading.Thread(target=write, args=(postgres.again(database),)) for _ in range(4)]
    reader.start()
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert highest == list(range(1, 241))


def test_without_the_turn_a_change_would_be_missed(postgres: Postgres, database: Database) -> None:
    """The other side of the test above: with exactly that lock away, a lower number appears after a higher one."""
    slow, quick = (postgres.again(database).engine.connect() for _ in range(2))
    with slow, quick:
        for connection in (slow, quick):
            connection.begin()
            connection.exec_driver_sql(
                "INSERT INTO audit_events (id, at, kind, actor_issuer, actor_id, object, detail)"
                " VALUES (md5(random()::text), now(), 'a.b', 'x', 'y', 'z/1', '{}')"
            )
        quick.commit()
        with database.read() as connection:
            assert [row.number for row in after(connection, 0)] == [2]
        slow.commit()
        with database.read() as connection:
            assert [row.number for row in after(connection, 2)] == []


def test_a_writer_sees_what_was_committed_while_it_waited(postgres: Postgres, database: Database) -> None:
    seen: list[list[str]] = []
    other = postgres.again(database)

    def write() -> None:
        with other.change(an_event()) as change:
            seen.append(list(change.connection.execute(select(settings.c.key)).scalars()))

    with database.change(an_event()) as change:
        waiting = threading.Thread(target=write)
        waiting.start()
        name = name_of(database)
        query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock'"
        wait_for(lambda: postgres.server.run(query)[0][0] == 1)
        change.connection.execute(insert(settings).values(key="a", value=1))
    waiting.join()
    assert seen == [["a"]]


def test_whose_turn_never_comes_is_told_so(
    postgres: Postgres, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = postgres_module.TAKE_TURN.replace("SET LOCAL", "SET LOCAL lock_timeout = 50; SET LOCAL", 1)
    other = postgres.again(database)
    with database.change(an_event()):
        monkeypatch.setattr(postgres_module, "TAKE_TURN", short)
        with pytest.raises(TREError, match="held the record for too long") as caught, other.change(an_event()):
            pass
        monkeypatch.undo()
    assert caught.value.reason is Reason.Conflict
    keep(other, "a")


def test_a_program_that_falls_asleep_in_its_turn_loses_it(
    postgres: Postgres, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = postgres_module.TAKE_TURN.replace(str(postgres_module.SLEEPER_TIMEOUT_MS), "100")
    monkeypatch.setattr(postgres_module, "TAKE_TURN", short)
    name = name_of(database)
    with pytest.raises(TREError) as caught, database.change(an_event()) as change:  # noqa: PT012
        change.connection.execute(insert(settings).values(key="asleep", value=1))
        wait_for(lambda: postgres.server.sessions(name) == [])
        change.connection.execute(insert(settings).values(key="awake", value=1))
    assert caught.value.reason is Reason.ServiceUnavailable
    keep(database, "next")
    assert kept(database) == ["next"]


def test_who_waits_behind_one_that_fell_asleep_gets_the_turn(
    postgres: Postgres, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with the real times, at a tenth of them; with the sleeper's time longer, whoever waits would give up."""
    assert postgres_module.SLEEPER_TIMEOUT_MS < postgres_module.TURN_TIMEOUT_MS
    real, other = postgres_module.TAKE_TURN, postgres.again(database)
    asleep = real.replace(str(postgres_module.SLEEPER_TIMEOUT_MS), str(postgres_module.SLEEPER_TIMEOUT_MS // 10))
    monkeypatch.setattr(postgres_module, "TAKE_TURN", asleep)
    with pytest.raises(TREError) as caught, database.change(an_event()) as change:  # noqa: PT012
        waits = f"SET LOCAL lock_timeout = {postgres_module.TURN_TIMEOUT_MS // 10}; {real}"
        monkeypatch.setattr(postgres_module, "TAKE_TURN", waits)
        keep(other, "meanwhile")
        change.connection.execute(insert(settings).values(key="awake", value=1))
    assert caught.value.reason is Reason.ServiceUnavailable
    assert kept(other) == ["meanwhile"]


# Lost connections


def test_a_connection_lost_between_two_uses_is_not_noticed(postgres: Postgres, database: Database) -> None:
    keep(database, "a")
    assert postgres.server.cut(name_of(database)) >= 1
    keep(database, "b")
    assert postgres.server.cut(name_of(database)) >= 1
    assert kept(database) == ["a", "b"]


def test_a_connection_lost_in_the_middle_leaves_nothing_and_the_next_call_works(
    postgres: Postgres, database: Database
) -> None:
    with pytest.raises(TREError, match="nothing of this change was kept") as caught, database.change(an_event()) as c:  # noqa: PT012
        c.connection.execute(insert(settings).values(key="lost", value=1))
        postgres.server.cut(name_of(database))
        c.connection.execute(insert(settings).values(key="more", value=1))
    assert caught.value.reason is Reason.ServiceUnavailable
    keep(database, "next")
    assert kept(database) == ["next"]
    with database.read() as connection:
        assert len(after(connection, 0)) == 1


def test_an_error_of_ones_own_comes_out_although_the_connection_is_gone(postgres: Postgres, database: Database) -> None:
    with pytest.raises((RuntimeError, TREError)), database.change(an_event()):  # noqa: PT012
        postgres.server.cut(name_of(database))
        raise RuntimeError
    assert kept(database) == []


def test_a_connection_lost_while_reading_is_said(postgres: Postgres, database: Database) -> None:
    with pytest.raises(TREError) as caught, database.read() as connection:  # noqa: PT012
        postgres.server.cut(name_of(database))
        connection.execute(select(settings))
    assert caught.value.reason is Reason.ServiceUnavailable
    assert kept(database) == []


@pytest.mark.parametrize("committed", [False, True])
def test_a_connection_lost_at_the_commit_is_settled_by_the_event(
    postgres: Postgres, database: Database, committed: bool
) -> None:
    """The answer was lost: either the commit was (asked for again, it is not there) or only the word of it."""
    name = name_of(database)

    def lose(connection: Any) -> None:
        if committed:
            connection.connection.driver_connection.execute("COMMIT")
        postgres.server.cut(name)

    sqlalchemy_event.listen(database.engine, "commit", lose, once=True)
    if committed:
        keep(database, "a")
    else:
        with pytest.raises(TREError, match="nothing of this change was kept"):
            keep(database, "a")
    assert kept(database) == (["a"] if committed else [])


def test_who_cannot_be_asked_whether_it_was_kept_is_not_told_that_it_was(
    postgres: Postgres, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(_connection: Any) -> None:
        postgres.server.cut(name_of(database))
        monkeypatch.setattr(postgres_module, "TAKE_TURN", "SELECT 1 / 0")

    sqlalchemy_event.listen(database.engine, "commit", lose, once=True)
    with pytest.raises(TREError, match="kept whole or not at all") as caught:
        keep(database, "a")
    assert caught.value.reason is Reason.ServiceUnavailable


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    from tests.support.databases import server_or_skip

    server = server_or_skip()
    yield server
    server.close()


def test_a_server_that_crashes_and_comes_back_is_waited_for(own_server: PostgresServer) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            own_server.start()

    database = Database(own_server.url(own_server.make()), pause=pause)
    feed = ChangeFeed(database)
    keep(database, "a")
    assert feed.wait(5)
    own_server.stop(signal.SIGQUIT)
    assert not feed.changed()  # the line is gone; nobody is disturbed by it
    keep(database, "b")
    assert len(pauses) == 3
    assert all(0.1 * 2**n <= seconds <= 0.2 * 2**n for n, seconds in enumerate(pauses))
    assert kept(database) == ["a", "b"]
    assert feed.wait(5)  # what was missed meanwhile counts as a change
    own_server.stop()
    pauses.clear()
    database._pause = pauses.append
    with pytest.raises(TREError, match="cannot be reached") as caught:
        keep(database, "c")
    assert caught.value.reason is Reason.ServiceUnavailable
    assert len(pauses) == TRIES - 1
    feed.close()
    database.close()


def test_a_listener_that_was_cut_off_looks_again(postgres: Postgres, database: Database) -> None:
    feed = ChangeFeed(database)
    assert not feed.changed()
    postgres.server.cut(name_of(database))
    keep(postgres.again(database), "a")  # nobody hears it
    assert feed.wait(10)
    assert not feed.wait(0.05)
    keep(postgres.again(database), "b")
    assert feed.wait(10)
    feed.close()


def test_a_rolled_back_change_tells_nobody_and_signing_tells(postgres: Postgres, database: Database) -> None:
    feed = ChangeFeed(database)
    with pytest.raises(RuntimeError), database.change(an_event()):
        raise RuntimeError
    assert not feed.wait(0.05)
    with database.extend_log() as connection:
        connection.exec_driver_sql("INSERT INTO audit_checkpoints VALUES (1, '', now(), '')")
    assert feed.wait(10)
    feed.close()


# What readers and writers see


def test_a_reader_has_no_right_to_write(database: Database) -> None:
    with database.read() as connection, pytest.raises(DBAPIError, match="read-only transaction"):
        connection.execute(insert(settings).values(key="a", value=1))
    keep(database, "b")  # the connection is a writer's again
    assert kept(database) == ["b"]


def test_what_would_not_serialise_is_refused_as_a_conflict(postgres: Postgres, database: Database) -> None:
    """Nobody can bring it about who takes the turn; somebody who writes beside it can, and nothing is lost."""
    keep(database, "a")
    with pytest.raises(TREError) as caught, database.change(an_event()) as change:  # noqa: PT012
        change.connection.execute(select(settings)).all()
        postgres.server.run("UPDATE settings SET value = '2'", name_of(database))
        change.connection.execute(settings.update().values(value=3))
    assert caught.value.reason is Reason.Conflict
    with database.read() as connection:
        assert connection.execute(select(settings.c.value)).scalar_one() == 2
        assert len(after(connection, 0)) == 1


def test_every_wait_has_an_end(database: Database) -> None:
    with database.read() as connection:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            assert connection.exec_driver_sql(f"SHOW {name}").scalar_one() not in {"0", ""}
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "repeatable read"
        noticed = "SELECT sum(reset_val::int) FROM pg_settings WHERE starts_with(name, 'tcp_keepalives_')"
        assert connection.exec_driver_sql(noticed).scalar_one() == 30 + 10 + 3  # of a socket in a file nothing is shown
        assert connection.exec_driver_sql("SHOW application_name").scalar_one() == "tre_owner"


@pytest.mark.parametrize("table", ["audit_events", "audit_leaves", "audit_nodes", "audit_checkpoints"])
def test_the_log_can_only_be_added_to(postgres: Postgres, table: str) -> None:
    from tests.unit.audit.conftest import Log

    class Own(Log):
        def __init__(self) -> None:
            super().__init__(postgres, Path())
            self.database = postgres.own()

    log = Own()
    log.grow(8)
    name = name_of(log.database)
    before = postgres.server.run(f"SELECT * FROM {table}", name)
    assert before
    column = "kind" if table == "audit_events" else "size" if table == "audit_checkpoints" else "position"
    statements = (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table}")
    for statement in statements:
        with pytest.raises(IntegrityError, match=f"{table} is append-only"), log.database.extend_log() as connection:
            connection.exec_driver_sql(statement)
    assert postgres.server.run(f"SELECT * FROM {table}", name) == before

    postgres.server.run(f"DROP TRIGGER {table}_refuse ON {table}", name)  # with exactly that guard away it goes through
    for statement in statements[:2]:
        with log.database.extend_log() as connection:
            connection.exec_driver_sql(statement)
    assert postgres.server.run(f"SELECT * FROM {table}", name) == []


# Signing in


def test_each_program_signs_in_as_its_own_role_with_its_own_password(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.keys.mkdir()
    known = Settings(database_url="postgresql://db.example.org/tre?sslmode=verify-full", database_role_prefix="x_")
    url = url_for(layout, known, "portal")
    assert (url.username, url.password, url.host, url.database) == ("x_portal", None, "db.example.org", "tre")
    password_path(layout, "portal").write_text("secret/with:signs@\n")
    url = url_for(layout, known, "portal")
    assert url.password == "secret/with:signs@"
    assert url_for(layout, known, "public").password is None
    database = Database.open(layout, known, "portal")
    assert "secret" not in database.url
    assert database.engine.url.query == {"sslmode": "verify-full"}
    database.close()


def test_a_password_that_cannot_be_read_is_no_empty_password(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    password_path(layout, "portal").mkdir(parents=True)
    with pytest.raises(TREError, match="cannot be read") as caught:
        url_for(layout, Settings(database_url="postgresql:///tre"), "portal")
    assert caught.value.reason is Reason.SetupIncomplete


def test_without_an_address_the_record_is_a_file(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    database = Database.open(layout, Settings(), "portal")
    assert database.url == f"sqlite:///{layout.database}"
    database.close()


def test_events_are_read_back_alike_whatever_the_sessions_time_zone(postgres: Postgres, database: Database) -> None:
    written = an_event()
    with database.change(written):
        pass
    postgres.server.run("ALTER ROLE tre_owner SET timezone = 'Pacific/Chatham'")
    try:
        other = postgres.again(database)
        with other.read() as connection:
            assert connection.exec_driver_sql("SHOW timezone").scalar_one() == "Pacific/Chatham"
            assert [item.event for item in after(connection, 0)] == [written]
            assert connection.execute(select(audit_events.c.at)).scalar_one() == written.at
    finally:
        postgres.server.run("ALTER ROLE tre_owner RESET timezone")
