"""Datasets, releases, plans, slices and opt-outs in the record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from tests.unit.domain.slices.test_plan import make_plan, sha
from tre.domain.datasets import BuiltSlice, Dataset, Release
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.domain.slices.plan import Counts
from tre.domain.withdrawals import Withdrawal, WithdrawalLevel
from tre.store import datasets as store
from tre.store.database import Change, Database, new_id
from tre.store.tables.data import plans

NOW = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


class Record:
    """A database, and a way to change it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @contextmanager
    def change(self) -> Iterator[Change]:
        event = Event(id=new_id(), at=NOW, actor=program("test"), kind="dataset.tested", object="dataset/demo")
        with self.database.change(event) as change:
            yield change


@pytest.fixture
def record(database: Database) -> Record:
    made = Record(database)
    with made.change() as change:
        store.register(change, dataset("demo", 60100))
    return made


def dataset(name: str, group: int) -> Dataset:
    return Dataset(name=name, title=name.upper(), data_group=group, created_at=NOW)


def release(name: str = "r1", digest: str = "1") -> Release:
    return Release(dataset="demo", name=name, index_digest=sha(digest), counts=Counts(patients=3), created_at=NOW)


def test_what_was_written_is_read(record: Record) -> None:
    with record.change() as change:
        store.publish(change, release())
        store.publish(change, release("r2", "2"))
    with record.database.read() as connection:
        assert store.require(connection, "demo") == dataset("demo", 60100)
        assert store.all_datasets(connection) == [dataset("demo", 60100)]
        assert store.require_release(connection, "demo", "r1") == release()
        assert store.releases_of(connection, "demo") == [release(), release("r2", "2")]
        assert store.get(connection, "other") is None


def test_what_is_not_there_is_said_with_what_there_is(record: Record) -> None:
    with record.change() as change:
        store.publish(change, release())
    with record.database.read() as connection:
        with pytest.raises(TREError) as caught:
            store.require(connection, "other")
        assert caught.value.reason is Reason.DatasetNotFound
        with pytest.raises(TREError) as caught:
            store.require_release(connection, "demo", "r9")
        assert caught.value.reason is Reason.ReleaseNotFound
        assert "r1" in caught.value.why
        with pytest.raises(TREError) as caught:
            store.require_slice(connection, "s-aaaaaaaaaaaa")
        assert caught.value.reason is Reason.SliceNotFound


def test_a_release_never_changes(record: Record) -> None:
    with record.change() as change:
        store.publish(change, release())
        store.publish(change, release())
        with pytest.raises(TREError) as caught:
            store.publish(change, release(digest="2"))
    assert caught.value.reason is Reason.AlreadyExists


def test_each_dataset_has_a_group_of_its_own(record: Record) -> None:
    with record.change() as change:
        store.register(change, dataset("third", 60102))
    with record.database.read() as connection:
        assert store.free_group(connection, 60100, 60200) == 60101
        with pytest.raises(TREError) as caught:
            store.free_group(connection, 60100, 60100)
    assert caught.value.reason is Reason.SetupIncomplete


def test_a_plan_is_read_back_only_if_it_fits_its_digest(record: Record) -> None:
    plan = make_plan()
    with record.change() as change:
        store.keep_plan(change, plan, NOW)
        store.keep_plan(change, plan, NOW)
    with record.database.read() as connection:
        assert store.get_plan(connection, plan.plan_digest) == plan
        assert store.get_plan(connection, sha("0")) is None
    other = make_plan().as_plain()
    other["identity"]["filesRoot"] = sha("9")
    with record.change() as change:
        change.connection.execute(update(plans).values(body=other))
    with record.database.read() as connection, pytest.raises(ValueError, match="does not fit"):
        store.get_plan(connection, plan.plan_digest)
    with record.change() as change:
        change.connection.execute(update(plans).values(body=plan.as_plain(), digest=sha("0")))
    with record.database.read() as connection, pytest.raises(ValueError, match="another plan"):
        store.get_plan(connection, sha("0"))


def withdrawal(pseudonym: str, level: WithdrawalLevel = WithdrawalLevel.no_use) -> Withdrawal:
    return Withdrawal(pseudonym=pseudonym, level=level, source="site", received_at=NOW)


def test_opt_outs_only_grow_and_are_numbered(record: Record) -> None:
    with record.change() as change:
        assert store.withdraw(change, "demo", [withdrawal("Covid1"), withdrawal("Covid1")]).version == 1
        assert store.withdraw(change, "demo", [withdrawal("Covid1", WithdrawalLevel.erase)]).version == 1
        assert store.withdraw(change, "demo", []).version == 1
        assert store.withdraw(change, "demo", [withdrawal("Covid2")]).version == 2
    with record.database.read() as connection:
        found = store.deny_set(connection, "demo")
        assert (found.version, found.pseudonyms) == (2, {"Covid1", "Covid2"})
        assert store.require(connection, "demo").deny_version == 2
        assert store.deny_set(connection, "other").version == 0
    with record.change() as change, pytest.raises(TREError):
        store.withdraw(change, "other", [withdrawal("Covid1")])


def built(**changes: object) -> BuiltSlice:
    values: dict[str, object] = {
        "slice_id": "s-aaaaaaaaaaaa",
        "dataset": "demo",
        "release": "r1",
        "plan_digest": sha("1"),
        "content_digest": sha("2"),
        "manifest_version": 1,
        "files": 5,
        "bytes": 2**40,
        "data_group": 60100,
        "built_at": NOW,
    }
    return BuiltSlice.model_validate(values | changes)


def test_slices_come_and_go(record: Record) -> None:
    with record.change() as change:
        store.keep_slice(change, built())
        store.keep_slice(change, built(manifest_version=2))
    with record.database.read() as connection:
        assert store.require_slice(connection, "s-aaaaaaaaaaaa") == built(manifest_version=2)
        assert store.all_slices(connection) == [built(manifest_version=2)]
    with record.change() as change:
        store.forget_slice(change, "s-aaaaaaaaaaaa")
    with record.database.read() as connection:
        assert store.all_slices(connection) == []
