"""Opt-outs to the last copy: whatever names somebody or holds their bytes is found, removed and proven gone."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from tests.unit.slices.test_copies import refusing
from tests.unit.slices.test_power_cuts import CUT, cut
from tests.unit.storekeeper.conftest import House
from tests.unit.storekeeper.test_indexing import PEOPLE
from tests.unit.storekeeper.test_withdrawals import (
    ANNA,
    ONE,
    TWO,
    S,
    accepted,
    filled,
    finished,
    proposed,
    report,
)
from tre.domain.errors import Reason, TREError
from tre.domain.optouts.batches import Batch
from tre.domain.optouts.lists import ListKind
from tre.domain.quarantine import QuarantineState
from tre.slices import withdraw
from tre.slices.copies import RECORD, copies_of
from tre.slices.gate.rules import reason
from tre.slices.places import patient_directory
from tre.slices.taking import Waiting
from tre.store import datasets as data
from tre.store import optouts as store
from tre.store import quarantine as waiting_room
from tre.store.quarantine import QuarantineSearch
from tre.store.tables.data import quarantine
from tre.storekeeper import indexing, withdrawals
from tre.storekeeper.quarantine import decide, keep
from tre.storekeeper.slices import BuildRequest, build_slice, make_plan, remove_slice, settle, verify_slice

__all__ = ["filled"]

GONE, STAYS = PEOPLE[0], PEOPLE[1]
FILES_ONLY = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
"""For what has nothing to do with the database: once is enough."""


def named(root: Path, *names: str) -> list[str]:
    """Paths below a directory that hold one of these names: in the path, in the bytes, or in a table's cells."""
    found = []
    for path in root.rglob("*"):
        text = str(path.relative_to(root))
        if path.is_file():
            text += path.read_bytes().decode("latin-1")
            if path.suffix == ".parquet":
                text += str(pq.read_table(path).to_pydict())
        if any(name in text for name in names):
            found.append(str(path.relative_to(root)))
    return sorted(found)


def quarantined(house: House, name: str = GONE, study: str = "1.2.826.0.1.36800431") -> str:
    """Let a delivery bring one more image of somebody, which waits for a person; its digest."""
    house.maker.image(name, study, f"{study}.8", SeriesDescription="seen by Adaeze")
    house.add("r2")
    with house.office.database.read() as connection:
        (one,) = [one for one in waiting_room.files_of(connection, QuarantineSearch("demo")) if one.pseudonym == name]
    return one.sha256


def rows(house: House) -> list[tuple[str, str]]:
    """What the record holds, of people who opted out, too, whom no search finds."""
    with house.office.database.read() as connection:
        found = connection.execute(select(quarantine.c.pseudonym, quarantine.c.state))
        return [(row.pseudonym, row.state) for row in found]


# Erased everywhere


def test_nothing_that_is_kept_of_a_dataset_names_who_was_erased(filled: House, tmp_path: Path) -> None:
    quarantined(filled)
    places = filled.office.dataset("demo")
    (tmp_path / "cohort.csv").write_text(f"pseudonym\n{GONE}\n{STAYS}\n")
    spec = settle(filled.office, filled.spec(patients={"list": {"file": "cohort.csv"}}), tmp_path)
    make_plan(filled.office, spec)
    build_slice(filled.office, BuildRequest(slice_id="s-cccccccccccc", spec=filled.spec(tier="dates-coarse")))
    (image, *_) = (places.tier("dates-full") / patient_directory(GONE)).glob("*.dcm")
    for left in (places.staging / "incoming" / "half", places.trash / "half", places.plan_staging / "half"):
        left.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, left)
    before = {path.split("/")[0] for path in named(places.root, GONE)}
    assert before >= {"store", "quarantine", "lists", "plans", ".staging", ".trash", ".plan", "releases"}
    done = finished(filled, accepted(filled, f"{GONE}\n"))
    assert done.state is S.Receipted
    left_over = [path for path in named(places.root, GONE, "1.2.826.0.1.36800431.") if not path.startswith("releases/")]
    assert left_over == []
    assert named(places.root, STAYS)
    assert named(filled.office.slices.root, GONE, "1.2.826.0.1.36800431.") == []
    erased = report(filled, done)["receipt"]["erased"]
    assert (erased["quarantined"], erased["lists"]) == (1, 1)
    assert erased["plans"] >= 3
    assert report(filled, done)["receipt"]["store"]["files"]["quarantine"] == 1
    assert "quarantine.forgotten" in filled.kinds()
    assert rows(filled) == []
    assert make_plan(filled.office, spec).counts.patients == 1, "the list keeps its digest"


@FILES_ONLY
def test_pictures_are_forgotten_also_where_their_slice_was_removed_before(filled: House) -> None:
    remove_slice(filled.office, ONE)
    remove_slice(filled.office, TWO)
    kept = filled.office.dataset("demo").root / indexing.HASHES
    before = pq.read_table(kept).num_rows
    finished(filled, accepted(filled, f"{GONE}\n"))
    assert pq.read_table(kept).num_rows == before - 2


def test_a_milder_level_keeps_what_waits_and_nobody_lets_it_in(filled: House) -> None:
    digest = quarantined(filled)
    withdrawals.advance(filled.office, accepted(filled, f"{GONE}\n", level="no_use").id)
    assert rows(filled) == [(GONE, "rejected")]
    with pytest.raises(TREError) as caught:
        decide(filled.office, "demo", [digest], QuarantineState.released, "harmless")
    assert caught.value.reason is Reason.DataWithdrawn


def test_who_was_let_in_before_and_comes_again_stays_out(filled: House) -> None:
    digest = quarantined(filled)
    decide(filled.office, "demo", [digest], QuarantineState.released, "harmless")
    withdrawals.advance(filled.office, accepted(filled, f"{GONE}\n", level="no_new").id)
    added = filled.add("r3")
    assert added.release.counts.patients == 5
    rules = {one.rule for one in added.taken.refusals if GONE in one.path and not one.path.endswith(".json")}
    assert rules == {"withdrawn"}
    assert (
        GONE
        not in pq.read_table(filled.office.dataset("demo").release("r3") / "patients.parquet")
        .column("pseudonym")
        .to_pylist()
    )
    plan = make_plan(filled.office, filled.spec(release="r3"))
    assert plan.opt_outs.patients == 0


def test_a_file_that_is_put_on_record_after_the_opt_out_is_not_let_in(filled: House) -> None:
    """An addition that began before the opt-out puts its files on record after it."""
    added = filled.maker.image(GONE, "1.2.826.0.1.36800431", "1.2.826.0.1.36800431.8", SeriesDescription="by Adaeze")
    filled.add("r2")
    with filled.office.database.read() as connection:
        (late,) = waiting_room.files_of(connection, QuarantineSearch("demo"))
    assert added.is_file()
    finished(filled, accepted(filled, f"{GONE}\n"))
    assert rows(filled) == []
    digest = bytes.fromhex(late.sha256)
    keep(filled.office, "demo", [Waiting("p", "image", GONE, digest, 1, (reason("free-text", "SeriesDescription"),))])
    with pytest.raises(TREError) as caught:
        decide(filled.office, "demo", [late.sha256], QuarantineState.released, "harmless")
    assert caught.value.reason is Reason.DataWithdrawn
    (rejected,) = decide(filled.office, "demo", [late.sha256], QuarantineState.rejected, "opted out")
    assert rejected.state is QuarantineState.rejected


# Slices that hold copies


@pytest.fixture
def copied(filled: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """The second slice, built where the file system gives no name at all."""
    remove_slice(filled.office, TWO)
    with monkeypatch.context() as patch:
        refusing(patch, errno.EXDEV, 1000)
        build_slice(filled.office, BuildRequest(slice_id=TWO, spec=filled.spec(headers="sidecar")))
    assert copies_of(filled.office.slices.slice(TWO)).copied == 18
    return filled


def payload(house: House, slice_id: str) -> list[Path]:
    return sorted(path for path in (house.office.slices.slice(slice_id) / "data").rglob("*") if path.is_file())


@FILES_ONLY
def test_copies_are_removed_by_their_paths_and_proven_by_them(copied: House) -> None:
    batch = accepted(copied, f"{GONE}\n")
    assert withdrawals.advance(copied.office, batch.id).state is S.Held
    found = report(copied, batch)
    assert found["slices"][TWO]["copies"] == 4
    assert "copies" not in found["slices"][ONE]
    assert found["store"]["copies"] == {"slices": 1, "files": 14}
    here = copied.office.slices.slice(TWO)
    assert copies_of(here).as_plain() == {"linked": 0, "reflinked": 0, "copied": 14}
    assert verify_slice(copied.office, TWO).differences == ()
    assert named(here, GONE) == []
    again = build_slice(copied.office, BuildRequest(slice_id=TWO, spec=copied.spec(headers="sidecar")))
    assert again.manifest_version == 2, "it stands as it should"


@FILES_ONLY
def test_a_copy_that_nobody_lists_holds_the_proof_up(copied: House) -> None:
    (image, *_) = [path for path in payload(copied, TWO) if GONE in str(path)]
    stray = copied.office.slices.slice(TWO) / "data" / "forgotten.dcm"
    shutil.copyfile(image, stray)
    batch = accepted(copied, f"{GONE}\n")
    with pytest.raises(TREError) as caught:
        withdrawals.advance(copied.office, batch.id)
    assert caught.value.reason is Reason.Conflict
    assert TWO in caught.value.what
    assert GONE not in str(caught.value)
    stray.unlink()
    assert withdrawals.advance(copied.office, batch.id).state is S.Held


@FILES_ONLY
def test_copies_that_the_record_does_not_know_hold_the_proof_up(copied: House) -> None:
    """A build that was cut between its publication and its record leaves a slice that nobody lists."""
    with copied.record.change(copied.office.event("dataset.tested", "dataset/demo")) as change:
        data.forget_slice(change, TWO)
    batch = accepted(copied, f"{GONE}\n")
    with pytest.raises(TREError) as caught:
        withdrawals.advance(copied.office, batch.id)
    assert caught.value.reason is Reason.Conflict
    build_slice(copied.office, BuildRequest(slice_id=TWO, spec=copied.spec(headers="sidecar")))
    assert withdrawals.advance(copied.office, batch.id).state is S.Held


@FILES_ONLY
@pytest.mark.parametrize("of", [GONE, STAYS])
def test_the_record_of_copies_is_written_anew(filled: House, of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file had as many names as it may: of who leaves, no copy is left and the record goes with it."""
    remove_slice(filled.office, TWO)
    real = os.link

    def link(source: str, *args: Any, **kwargs: Any) -> None:
        if source.endswith(".dcm") and of in str(Path(f"/proc/self/fd/{kwargs['src_dir_fd']}").readlink()):
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
        real(source, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr("tre.slices.farm.os.link", link)
        build_slice(filled.office, BuildRequest(slice_id=TWO, spec=filled.spec()))
    here = filled.office.slices.slice(TWO)
    assert of in (here / RECORD).read_text()
    withdrawals.advance(filled.office, accepted(filled, f"{GONE}\n").id)
    assert named(here, GONE) == []
    assert (here / RECORD).exists() == (of == STAYS)
    assert copies_of(here).copied == (2 if of == STAYS else 0)
    assert verify_slice(filled.office, TWO).differences == ()


@FILES_ONLY
def test_what_an_addition_left_when_it_was_cut_does_not_hold_the_proof_up(filled: House) -> None:
    """A file that was on its way in has its temporary name still."""
    places = filled.office.dataset("demo")
    (image, *_) = (places.tier("dates-full") / patient_directory(GONE)).glob("*.dcm")
    half = places.staging / "incoming" / "half"
    half.parent.mkdir(parents=True, exist_ok=True)
    os.link(image, half)
    assert withdrawals.advance(filled.office, accepted(filled, f"{GONE}\n").id).state is S.Held
    assert not half.exists()


@FILES_ONLY
def test_the_documents_follow_the_rule_of_the_dataset(filled: House) -> None:
    """Small numbers are shown after an opt-out as they were before it."""
    policies = filled.layout.root / "policies" / "datasets"
    policies.mkdir(parents=True)
    (policies / "demo.yaml").write_text(
        "apiVersion: tre.research/v1alpha1\nkind: DisclosurePolicy\nmetadata: {name: demo}\n"
        "spec: {smallNumbers: {suppressBelow: 2, roundTo: 1}}\n"
    )
    (filled.office.slices.slice(ONE) / "README.md").unlink()
    build_slice(filled.office, BuildRequest(slice_id=ONE, spec=filled.spec()))
    here = filled.office.slices.slice(ONE)
    before = (here / "REPRESENTATIVENESS.md").read_text()
    assert "\\*" not in before
    withdrawals.advance(filled.office, accepted(filled, f"{GONE}\n").id)
    assert "\\*" not in (here / "REPRESENTATIVENESS.md").read_text()


# Cut off, and in the way


@FILES_ONLY
def test_documents_that_were_half_replaced_are_replaced_by_the_next(
    filled: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power goes after each single document in turn, in the slice whose only copy goes too."""
    remove_slice(filled.office, TWO)
    with monkeypatch.context() as patch:
        refusing(patch, errno.EMLINK, 3)
        build_slice(filled.office, BuildRequest(slice_id=TWO, spec=filled.spec(headers="full")))
    batch = accepted(filled, f"{GONE}\n")
    real, documents = Path.replace, len(list(filled.office.slices.slice(TWO).iterdir()))

    def work(last: int) -> None:
        left = iter(range(last))

        def replace(path: Path, target: Path) -> Path:
            done = real(path, target)
            if "-documents" in str(path) and next(left, None) is None:
                os._exit(CUT)
            return done

        Path.replace = replace  # type: ignore[method-assign,assignment]
        filled.office.database.engine.dispose(close=False)
        withdrawals.advance(filled.office, batch.id)

    for last in range(documents - 2):
        cut(lambda last=last: work(last))  # type: ignore[misc]
    assert withdrawals.advance(filled.office, batch.id).state is S.Held
    for name in (ONE, TWO):
        here = filled.office.slices.slice(name)
        assert named(here, GONE) == []
        assert verify_slice(filled.office, name).differences == ()
        assert (here / "CHANGES.md").read_text().count("- version") == 1


@FILES_ONLY
def test_a_slice_that_cannot_be_changed_keeps_nobody_in_the_others(
    filled: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = withdraw.unlink
    for broken, other in ((ONE, TWO), (TWO, ONE)):
        leaver = PEOPLE[int(broken == TWO)]
        batch = accepted(filled, f"{leaver}\n")

        def unlink(here: Path, files: withdraw.Held, broken: str = broken) -> int:
            if here.name == broken:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            return real(here, files)

        with monkeypatch.context() as patch:
            patch.setattr(withdraw, "unlink", unlink)
            with pytest.raises(TREError) as caught:
                withdrawals.advance(filled.office, batch.id)
        assert caught.value.reason is Reason.StorageFailed
        assert not [path for path in payload(filled, other) if leaver in str(path)]
        assert withdrawals.advance(filled.office, batch.id).state is S.Held


# Two at once, and lists the wrong way round


def test_two_lists_of_one_person_at_once_withdraw_them_once(filled: House) -> None:
    """Both are compared with the record before either is applied: the slower one finds nobody left to withdraw."""
    batches = [accepted(filled, f"{GONE}\n", level="no_use"), accepted(filled, f"{GONE}\n", level="no_use")]
    meeting = threading.Barrier(2, timeout=30)

    class Together:
        met = False

        def step(self, name: str) -> None:
            if name == "deny" and not self.met:
                self.met = True
                meeting.wait()

        def progress(self, done: int, total: int) -> None:
            del done, total

    def work(batch: Batch) -> None:
        watcher = Together()
        try:
            ended.append(withdrawals.advance(filled.office, batch.id, watcher))
        except TREError as error:
            refused.append(error.reason)
            ended.append(withdrawals.advance(filled.office, batch.id, watcher))

    ended: list[Batch] = []
    refused: list[Reason] = []
    threads = [threading.Thread(target=work, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert refused == [Reason.Conflict]
    assert sorted(one.state for one in ended) == [S.Proposed, S.Receipted]
    (again,) = [one for one in ended if one.state is S.Proposed]
    assert again.counted is not None
    assert (again.counted.people, again.counted.already) == (0, 1)
    with filled.office.database.read() as connection:
        assert data.deny_set(connection, "demo").version == 1
        assert list(store.levels_of(connection, "demo")) == [GONE]
    for name in (ONE, TWO):
        assert (filled.office.slices.slice(name) / "CHANGES.md").read_text().count("- version") == 1
        assert verify_slice(filled.office, name).differences == ()


def test_a_keep_list_concerns_those_who_wait_in_quarantine_too(filled: House) -> None:
    filled.maker.record("Covid100009")
    filled.maker.image("Covid100009", "1.2.9", "1.2.9.1", SeriesDescription="seen by Adaeze")
    filled.add("r2")
    everybody = [*PEOPLE, "Covid1", "Covid2", "Covid3"]
    batch = proposed(filled, "\n".join(everybody) + "\n", ListKind.keep)
    assert batch.counted is not None
    assert batch.counted.people == 1
    withdrawals.advance(filled.office, withdrawals.confirm(filled.office, batch.id, 1, ANNA).id)
    assert rows(filled) == [("Covid100009", "rejected")]
    assert filled.add("r3").taken.quarantined == {}


@FILES_ONLY
@pytest.mark.parametrize(("kind", "people"), [(ListKind.keep, 5), (ListKind.withdraw, 5)])
def test_a_list_the_wrong_way_round_withdraws_nobody_by_one_slip(filled: House, kind: ListKind, people: int) -> None:
    """One name taken for the ones who stay, or five who should stay taken for those who go."""
    names = [GONE] if kind is ListKind.keep else [*PEOPLE[1:], "Covid1", "Covid2", "Covid3"]
    batch = proposed(filled, "\n".join(names) + "\n", kind)
    assert batch.counted is not None
    assert batch.counted.people == people
    with pytest.raises(TREError) as caught:
        withdrawals.confirm(filled.office, batch.id, 1, ANNA)
    assert caught.value.reason is Reason.ConfirmationWrong
    once = withdrawals.confirm(filled.office, batch.id, people, ANNA)
    assert withdrawals.waits_for_second(once)
    filled.clock.advance(timedelta(days=1).total_seconds())
    assert withdrawals.Worker(filled.office).run() == 0
    with filled.office.database.read() as connection:
        assert data.deny_set(connection, "demo").version == 0
