"""A launcher's root with a record, and a delivery to add to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.support.databases import Backend
from tests.unit.slices.conftest import Maker, make_spec
from tre.domain.clock import ManualClock
from tre.domain.events import program
from tre.domain.slices.spec import SliceSpec
from tre.domain.withdrawals import Withdrawal, WithdrawalLevel
from tre.slices.walk import Refusal
from tre.store import datasets as store
from tre.store.database import Database
from tre.store.tables.audit import audit_events
from tre.storekeeper.deliveries import Added, Delivery, add
from tre.storekeeper.office import Office
from tre.system.layout import Layout
from tre.system.settings import Settings

START = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)
SLICE = "s-aaaaaaaaaaaa"
TABLE = {"clinical": {"columns": ["pseudonym", "sex"]}}


@dataclass
class House:
    """An office, its clock, and a delivery at the door."""

    office: Office
    clock: ManualClock
    maker: Maker
    record: Database

    @property
    def layout(self) -> Layout:
        return self.office.layout

    def add(self, release: str = "r1", **changes: Any) -> Added:
        values = {"dataset": "demo", "path": self.maker.root, "release": release}
        return add(self.office, Delivery(**(values | changes)))

    def withdraw(self, *people: str) -> None:
        found = [
            Withdrawal(pseudonym=one, level=WithdrawalLevel.no_use, source="site", received_at=START) for one in people
        ]
        with self.record.change(self.office.event("dataset.tested", "dataset/demo")) as change:
            store.withdraw(change, "demo", found)

    def kinds(self) -> list[str]:
        with self.record.read() as connection:
            return list(connection.execute(select(audit_events.c.kind).order_by(audit_events.c.number)).scalars())

    def spec(self, **changes: Any) -> SliceSpec:
        return make_spec(**({"tables": TABLE} | changes))


def lines(refusals: tuple[Refusal, ...]) -> list[str]:
    return [refusal.line() for refusal in refusals]


@pytest.fixture
def house(backend: Backend, tmp_path: Path) -> House:
    root = tmp_path / "root"
    layout = Layout(root)
    for path in (layout.database.parent, layout.datasets, layout.slices, layout.homes):
        path.mkdir(parents=True)
    record = backend.make(layout.database)
    database = backend.as_role(record, "storekeeper")
    clock = ManualClock(START)
    maker = Maker(tmp_path / "delivery")
    for number in (1, 2, 3):
        maker.record(f"Covid{number}", Sex=number % 2, Age=40 + number)
        maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1", sidecar=True)
    return House(Office(layout, Settings(), database, clock, program("storekeeper")), clock, maker, record)
