"""Opt-outs carried through: from the list to the receipt, cut at every step, with slices, store, index and homes."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.factories import access_grant
from tests.unit.slices.test_power_cuts import CUT, Cut
from tests.unit.storekeeper.conftest import House
from tests.unit.storekeeper.test_indexing import PEOPLE
from tre.airlock.sliceindex.body import bundle
from tre.airlock.sliceindex.keeping import IndexStore
from tre.airlock.sliceindex.normal import identifier_form
from tre.airlock.sliceindex.reading import opened
from tre.domain.canonical import canonical_bytes, digest
from tre.domain.errors import Reason, TREError
from tre.domain.optouts.batches import Batch
from tre.domain.optouts.lists import ListKind, read_list
from tre.domain.optouts.states import BatchState
from tre.domain.people import Subject
from tre.domain.withdrawals import WithdrawalLevel
from tre.slices.changes import tombstone
from tre.slices.receipts import as_html
from tre.slices.watch import Watcher
from tre.store import datasets as data
from tre.store import grants, workspaces
from tre.store import optouts as store
from tre.storekeeper import indexing, withdrawals
from tre.storekeeper.slices import BuildRequest, build_slice, make_plan, verify_slice

ANNA, BEN = Subject(issuer="local", id="anna"), Subject(issuer="local", id="ben")
ONE, TWO = "s-aaaaaaaaaaaa", "s-bbbbbbbbbbbb"
S = BatchState


@pytest.fixture
def filled(house: House) -> House:
    """Six people, two slices of different layouts, and the grant that has one of them."""
    for number, name in enumerate(PEOPLE, start=1):
        house.maker.record(name, Sex=number % 2, Age=40 + number)
        for _ in range(2):
            stem = f"1.2.826.0.1.3680043{number}"
            house.maker.image(name, stem, f"1.2.826.0.1.3680043{number}.7", sidecar=True)
    house.add()
    build_slice(house.office, BuildRequest(slice_id=ONE, spec=house.spec()))
    build_slice(house.office, BuildRequest(slice_id=TWO, spec=house.spec(layout="flat", headers="sidecar")))
    return house


def proposed(house: House, text: str, kind: ListKind = ListKind.withdraw, level: str = "erase") -> Batch:
    listed = read_list(text.encode(), kind, WithdrawalLevel(level))
    proposal = withdrawals.Proposal(dataset="demo", kind=kind.value, level=WithdrawalLevel(level), source="site")
    batch = withdrawals.propose(house.office, proposal, listed, ANNA)
    return withdrawals.count(house.office, batch.id)


def accepted(house: House, text: str, level: str = "erase") -> Batch:
    batch = proposed(house, text, level=level)
    assert batch.counted is not None
    batch = withdrawals.confirm(house.office, batch.id, batch.counted.people, ANNA)
    if batch.state is S.Proposed:
        batch = withdrawals.confirm(house.office, batch.id, batch.counted.people, BEN)  # type: ignore[union-attr]
    assert batch.state is S.Accepted
    return batch


def report(house: House, batch: Batch) -> dict[str, Any]:
    with house.office.database.read() as connection:
        return store.report_of(connection, batch.id)


def finished(house: House, batch: Batch) -> Batch:
    held = withdrawals.advance(house.office, batch.id)
    assert held.state is S.Held
    house.clock.advance(timedelta(days=29).total_seconds())
    return withdrawals.advance(house.office, batch.id)


def everything_of(path: Path) -> bytes:
    names = "\n".join(str(one.relative_to(path)) for one in path.rglob("*")).encode()
    return names + b"".join(one.read_bytes() for one in path.rglob("*") if one.is_file() and one.suffix != ".dcm")


def test_a_dry_run_changes_nothing(filled: House) -> None:
    before = everything_of(filled.office.slices.root)
    batch = proposed(filled, f"{PEOPLE[0]}\nStranger1\n")
    assert batch.state is S.Proposed
    assert batch.counted is not None
    counted = batch.counted
    assert (counted.people, counted.patients, counted.unknown, counted.already) == (2, 6, 1, 0)
    assert (counted.slices, counted.files) == (2, 2 + 4)
    assert everything_of(filled.office.slices.root) == before
    with filled.office.database.read() as connection:
        assert data.deny_set(connection, "demo").version == 0


def test_many_need_two_people_and_a_list_taken_back_leaves_nothing(filled: House) -> None:
    batch = proposed(filled, f"{PEOPLE[0]}\n", ListKind.keep)
    assert batch.counted is not None
    assert batch.counted.people == 5
    once = withdrawals.confirm(filled.office, batch.id, 5, ANNA)
    assert (once.state, withdrawals.waits_for_second(once)) == (S.Proposed, True)
    with pytest.raises(TREError):
        withdrawals.confirm(filled.office, batch.id, 5, ANNA)
    assert withdrawals.Worker(filled.office).run() == 0
    assert withdrawals.cancel(filled.office, batch.id).state is S.Cancelled
    with filled.office.database.read() as connection:
        assert store.people_of(connection, batch.id, store.Part.listed) == {}
        assert data.deny_set(connection, "demo").version == 0


def test_a_keep_list_of_another_dataset_is_cancelled(filled: House) -> None:
    with pytest.raises(TREError) as caught:
        proposed(filled, "Stranger1\n", ListKind.keep)
    assert caught.value.reason is Reason.BadInput
    with filled.office.database.read() as connection:
        assert [one.state for one in store.everything(connection)] == [S.Cancelled]


def test_a_count_that_changed_meanwhile_does_not_hold(filled: House) -> None:
    batch = accepted(filled, f"{PEOPLE[0]}\n")
    filled.withdraw(PEOPLE[0])
    other = accepted(filled, f"{PEOPLE[0]}\n{PEOPLE[1]}\n")
    withdrawals.advance(filled.office, other.id)
    again = withdrawals.advance(filled.office, batch.id)
    assert (again.state, again.confirmed_by) == (S.Proposed, None)
    assert again.counted is not None
    assert again.counted.people == 0


def test_an_opt_out_from_the_list_to_the_receipt(filled: House) -> None:
    batch = accepted(filled, f"reason,pseudonym\nSecretIllness,{PEOPLE[0]}\n")
    signed = filled.spec()
    held = withdrawals.advance(filled.office, batch.id)
    assert held.state is S.Held
    assert held.due_at == filled.clock.now() + timedelta(days=28)
    for name in (ONE, TWO):
        here = filled.office.slices.slice(name)
        assert PEOPLE[0].encode() not in everything_of(here)
        assert PEOPLE[1].encode() in everything_of(here)
        assert verify_slice(filled.office, name).differences == ()
        assert tombstone(name, PEOPLE[0]) in (here / "tombstones.csv").read_text()
        assert "version 2" in (here / "CHANGES.md").read_text()
        assert PEOPLE[0] not in pq.read_table(here / "clinical.parquet").column("pseudonym").to_pylist()
    assert make_plan(filled.office, signed).counts.patients == 5
    stored = list(filled.office.dataset("demo").root.rglob(f"store/*/*/{PEOPLE[0]}/*"))
    assert len(stored) == 10, "five files, each in two tiers"
    done = finished(filled, batch)
    assert done.state is S.Receipted
    assert not list(filled.office.dataset("demo").root.rglob(f"store/*/*/{PEOPLE[0]}"))
    receipt = report(filled, batch)["receipt"]
    assert (receipt["filesRemoved"], receipt["erased"]["files"], receipt["store"]["linked"]) == (6, 10, 0)
    assert receipt["people"] == {"erase": 1}
    assert receipt["complete"] is True
    assert digest({key: value for key, value in receipt.items() if key != "digest"}) == receipt["digest"]
    assert PEOPLE[0] not in as_html(receipt)
    assert "Every step was taken" in as_html(receipt)


def test_the_reason_and_the_name_are_nowhere_in_the_log(filled: House) -> None:
    finished(filled, accepted(filled, f"reason,pseudonym\nSecretIllness,{PEOPLE[0]}\n"))
    found = everything_of(filled.layout.database.parent) if not filled.record.is_postgres else b""
    assert b"SecretIllness" not in found
    with filled.record.read() as connection:
        from tre.store.tables.audit import audit_events

        said = json.dumps([list(row) for row in connection.execute(audit_events.select())], default=str)
    assert PEOPLE[0] not in said
    assert "withdrawal.receipted" in said


def test_a_milder_level_keeps_the_store_and_is_over_at_once(filled: House) -> None:
    batch = accepted(filled, f"{PEOPLE[0]}\n", level="no_use")
    assert withdrawals.advance(filled.office, batch.id).state is S.Receipted
    assert len(list(filled.office.dataset("demo").root.rglob(f"store/*/*/{PEOPLE[0]}/*"))) == 10
    assert PEOPLE[0].encode() not in everything_of(filled.office.slices.slice(ONE))


def test_the_mildest_level_leaves_what_stands(filled: House) -> None:
    batch = accepted(filled, f"{PEOPLE[0]}\n", level="no_new")
    assert withdrawals.advance(filled.office, batch.id).state is S.Receipted
    assert PEOPLE[0].encode() in everything_of(filled.office.slices.slice(ONE))
    assert make_plan(filled.office, filled.spec()).counts.patients == 5
    deeper = accepted(filled, f"{PEOPLE[0]}\n", level="no_use")
    withdrawals.advance(filled.office, deeper.id)
    assert PEOPLE[0].encode() not in everything_of(filled.office.slices.slice(ONE))


def test_the_airlock_knows_who_has_opted_out(filled: House) -> None:
    def known(name: str) -> tuple[int, int]:
        (index,) = opened(bundle([IndexStore(filled.layout.slice_indexes).require(ONE)]))
        form = identifier_form(name)
        return index.identifies(form), index.withdrawn(form)

    assert known(PEOPLE[0]) == (2, 0)
    batch = accepted(filled, f"{PEOPLE[0]}\n")

    class AtDeny:
        def step(self, name: str) -> None:
            if name == "deny":  # before anything is in the record
                assert known(PEOPLE[0]) == (2, 2)
                seen.append(name)

        def progress(self, done: int, total: int) -> None:
            del done, total

    seen: list[str] = []
    withdrawals.advance(filled.office, batch.id, AtDeny())
    assert seen == ["deny"]
    assert known(PEOPLE[0]) == (0, 2)
    assert known("1.2.826.0.1.36800431.7") == (0, 2)
    assert known(PEOPLE[1]) == (2, 0)
    finished_again = build_slice(filled.office, BuildRequest(slice_id=ONE, spec=filled.spec()))
    assert finished_again.manifest_version == 2
    assert known(PEOPLE[0]) == (0, 2)


def test_changes_are_carried_into_the_next_building(filled: House) -> None:
    withdrawals.advance(filled.office, accepted(filled, f"{PEOPLE[0]}\n").id)
    (filled.office.slices.slice(ONE) / "README.md").unlink()
    assert build_slice(filled.office, BuildRequest(slice_id=ONE, spec=filled.spec())).manifest_version == 3
    withdrawals.advance(filled.office, accepted(filled, f"{PEOPLE[1]}\n").id)
    text = (filled.office.slices.slice(ONE) / "CHANGES.md").read_text()
    assert [f"version {n}" in text for n in (2, 3, 4)] == [True, False, True]
    rows = (filled.office.slices.slice(ONE) / "tombstones.csv").read_text().splitlines()
    assert len(rows) == 3
    assert verify_slice(filled.office, ONE).differences == ()


def test_a_name_outside_the_record_holds_the_proof_up(filled: House) -> None:
    batch = accepted(filled, f"{PEOPLE[0]}\n")
    (stored, *_) = filled.office.dataset("demo").root.rglob(f"store/dates-full/*/{PEOPLE[0]}/*.dcm")
    hidden = filled.layout.root / "hidden.dcm"
    os.link(stored, hidden)
    with pytest.raises(TREError) as caught:
        withdrawals.advance(filled.office, batch.id)
    assert caught.value.reason is Reason.Conflict
    with filled.office.database.read() as connection:
        stuck = store.require(connection, batch.id)
    assert (stuck.state, stuck.reason) == (S.Swept, Reason.Conflict)
    worker = withdrawals.Worker(filled.office)
    events = len(filled.kinds())
    assert worker.run() == 0
    assert len(filled.kinds()) == events  # said once
    hidden.unlink()
    assert worker.run() == 0  # it rests
    filled.clock.advance(61)
    assert worker.run() == 1


def test_a_list_that_nobody_confirms_is_taken_back(filled: House) -> None:
    batch = proposed(filled, f"{PEOPLE[0]}\n")
    assert withdrawals.expire(filled.office) == 0
    filled.clock.advance(timedelta(days=8).total_seconds())
    assert withdrawals.expire(filled.office) == 1
    with filled.office.database.read() as connection:
        assert store.require(connection, batch.id).state is S.Cancelled


def test_urgent_steps_do_not_wait_for_slow_ones(filled: House) -> None:
    batch = accepted(filled, f"{PEOPLE[0]}\n")
    assert withdrawals.Worker(filled.office, withdrawals.URGENT).run() == 1
    with filled.office.database.read() as connection:
        assert store.require(connection, batch.id).state is S.Unmounted


def test_a_slice_that_nobody_understands_keeps_nobody_in_the_others(filled: House) -> None:
    batch = accepted(filled, f"{PEOPLE[0]}\n")
    with filled.office.database.read() as connection:
        broken = data.require_slice(connection, TWO)
    plan = filled.office.dataset("demo").plan(broken.plan_digest)
    listed = (plan / "files.parquet").read_bytes()
    for spoilt in (b"", b"PAR1" + bytes(100) + b"PAR1", listed[: len(listed) // 2], None):
        (plan / "files.parquet").unlink()
        if spoilt is not None:
            (plan / "files.parquet").write_bytes(spoilt)
        with pytest.raises(TREError) as caught:
            withdrawals.advance(filled.office, batch.id)
        assert caught.value.reason is Reason.ContentChanged
        assert PEOPLE[0].encode() not in everything_of(filled.office.slices.slice(ONE))
    (plan / "files.parquet").write_bytes(listed)
    assert withdrawals.advance(filled.office, batch.id).state is S.Held
    assert PEOPLE[0].encode() not in everything_of(filled.office.slices.slice(TWO))


def test_pictures_of_who_has_opted_out_are_forgotten(filled: House) -> None:
    kept = filled.office.dataset("demo").root / indexing.HASHES
    before = pq.read_table(kept).num_rows
    withdrawals.advance(filled.office, accepted(filled, f"{PEOPLE[0]}\n").id)
    assert pq.read_table(kept).num_rows == before - 2


def test_whoever_has_a_folder_is_told_in_it(filled: House) -> None:
    grant = access_grant("study")
    with filled.record.change(filled.office.event("dataset.tested", "dataset/demo")) as change:
        grants.apply(change, "study", grant.spec, "signed", filled.clock.now())
        for item in grant.spec.slices[:1]:
            from sqlalchemy import update

            from tre.store.tables.grants import grant_slices

            change.connection.execute(
                update(grant_slices).where(grant_slices.c.name == item.name).values(slice_id=ONE, dataset="demo")
            )
        name = workspaces.ensure(change, "study", ANNA, filled.clock.now())
    home, inbox = filled.layout.homes / name, filled.layout.inboxes / name
    for path in (home, inbox, filled.layout.shared / "study"):
        path.mkdir(parents=True)
    (image, *_) = filled.office.slices.slice(ONE).rglob(f"*{PEOPLE[0]}*/**/*.dcm")
    (home / "kept.dcm").write_bytes(image.read_bytes())
    (home / "other.csv").write_text(f"{PEOPLE[1]},1\n")
    (filled.layout.shared / "study" / "cohort.csv").write_text(f"{PEOPLE[0]},1\n")
    batch = accepted(filled, f"{PEOPLE[0]}\n", level="no_use")
    held = withdrawals.advance(filled.office, batch.id)
    assert held.state is S.Held  # the grace runs, though nothing is to be erased
    found = report(filled, batch)["derived"]
    assert (found["found"], found["told"]) == (2, 1)
    assert "kept.dcm" not in json.dumps(found)
    (told,) = inbox.iterdir()
    assert "/home/researcher/kept.dcm` (copy)" in told.read_text()
    assert "/shared/cohort.csv` (mention)" in told.read_text()
    assert "other.csv" not in told.read_text()
    (home / "kept.dcm").unlink()
    filled.clock.advance(timedelta(days=29).total_seconds())
    assert withdrawals.advance(filled.office, batch.id).state is S.Receipted
    receipt = report(filled, batch)["receipt"]
    assert (receipt["copies"]["found"], receipt["outstanding"]["found"]) == (2, 1)
    assert receipt["slices"][0]["grant"] == "study"


STEPS = [
    "withdrawal-accepted", "recognise", "deny", "withdrawal-denied", "unlink", "unlinked", "rewrite",
    "rewrite-documents", "rewrite-index", "index", "rewrite-record", "withdrawal-unmounted", "search", "tell",
    "withdrawal-swept", "prove", "withdrawal-held", "search-again", "forget", "erase-plans", "erase-lists", "erase",
    "erased", "withdrawal-destroyed", "receipt",
]  # fmt: skip


def test_what_was_cut_off_goes_on_where_it_was(filled: House) -> None:
    """The power goes at every step in turn, each time one step further; nothing is done twice or forgotten."""
    batch = accepted(filled, f"{PEOPLE[0]}\n")
    for step in STEPS:
        _cut(filled, batch, step)
    if withdrawals.advance(filled.office, batch.id).state is S.Held:
        filled.clock.advance(timedelta(days=29).total_seconds())
    assert withdrawals.advance(filled.office, batch.id).state is S.Receipted
    receipt = report(filled, batch)["receipt"]
    assert (receipt["filesRemoved"], receipt["store"]["linked"], len(receipt["slices"])) == (6, 0, 2)
    assert [one["version"] for one in receipt["slices"]] == [2, 2]
    for name in (ONE, TWO):
        assert verify_slice(filled.office, name).differences == ()
        text = (filled.office.slices.slice(name) / "CHANGES.md").read_text()
        assert text.count("- version") == 1
        assert "3 files" in text or "2 files" in text or "4 files" in text
    assert not list(filled.office.slices.staging.iterdir())
    assert not list(filled.office.dataset("demo").root.rglob(f"store/*/*/{PEOPLE[0]}"))
    canonical_bytes(receipt)


def _cut(house: House, batch: Batch, step: str) -> None:
    """Run a child until it reaches a step, and end it there at once; where that comes after the hold, time passes."""
    child = os.fork()
    if child == 0:
        try:
            house.office.database.engine.dispose(close=False)
            watcher: Watcher = Cut(step)
            if withdrawals.advance(house.office, batch.id, watcher).state is not S.Held:
                os._exit(1)
            house.clock.advance(timedelta(days=29).total_seconds())
            withdrawals.advance(house.office, batch.id, watcher)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == CUT
