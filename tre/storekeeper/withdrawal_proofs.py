"""The end of an opt-out: proof that nothing links people's files any more, and their erasure to the last copy.

Guarantees: `prove_unlinked` returns only when no file of these people has a second name in any tier or in quarantine,
and when every slice that holds copies, of which names say nothing, was read path by path and holds nothing but what
its plan lists, which is nothing of them. What is erased: their files in every tier, those that wait in quarantine with
their rows in the record, perceptual hashes of their images, their places in kept plans and kept lists, and whatever an
interruption left half-done. Each part leaves in one step, after the proof, and all is done again after an interruption.

Does not guarantee: that bytes cannot be recovered from the disk; encrypt the volume. Published indexes are not
rewritten: digests that people signed speak of them, and samples are drawn from them. The storekeeper alone reads them.

Threat: a copy that nobody thought of, in a tier, in quarantine, in a list of a cohort tool or in a half-finished
addition, found again after the receipt was written.
"""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Any

from tre.domain.errors import Reason, TREError
from tre.slices import withdraw
from tre.slices.build import sweep
from tre.slices.copies import copies_of
from tre.slices.erasing import erase_from_lists, erase_from_plans
from tre.slices.files import Ownership, Removed, discard, empty, locked, make_private, storage_error
from tre.slices.ingest import sweep_staging
from tre.slices.places import DatasetPlaces, patient_directory
from tre.slices.watch import SILENT, Watcher
from tre.store import datasets as data
from tre.store import quarantine
from tre.storekeeper.indexing import forget_pictures
from tre.storekeeper.office import PATIENCE, Office
from tre.storekeeper.withdrawal_files import concerned


def prove_unlinked(office: Office, dataset: str, people: Set[str], watcher: Watcher = SILENT) -> dict[str, Any]:
    """The kernel's word that nothing links these people's files; of slices that hold copies, what lies in them.

    What interrupted builds and additions left is swept first. Raises `TREError(Conflict)` while something is left.
    """
    watcher.step("prove")
    with locked(office.slices.lock, office.owner(), PATIENCE):
        sweep(office.slices)
        places = office.dataset(dataset)
        proof = withdraw.prove(places, people)
        if proof.linked:
            proof = _proven_again(office, places, people)
        copies = _prove_copies(office, dataset, people)
    if proof.linked:
        raise TREError(
            Reason.Conflict,
            f"{proof.linked} files of people who opted out still have a second name.",
            why="Something outside the record links into the store.",
            remedy="Find it (`find DIRECTORY -samefile FILE`), remove it; the proof is tried again by itself.",
        )
    return proof.as_plain() | {"copies": copies}


def _proven_again(office: Office, places: DatasetPlaces, people: Set[str]) -> withdraw.Proof:
    """The proof once the second names are gone that an addition left when it was cut off."""
    with locked(places.lock, office.owner()):
        sweep_staging(places)
        return withdraw.prove(places, people)


def _prove_copies(office: Office, dataset: str, people: Set[str]) -> dict[str, int]:
    """How many slices hold copies, and how many files were looked at in them. Raises `TREError(Conflict)`."""
    with office.database.read() as connection:
        known = {one.slice_id: one for one in data.all_slices(connection)}
        layouts = data.layouts_of(connection, {one.plan_digest for one in known.values()})
    found = {"slices": 0, "files": 0}
    for here in _with_copies(office.slices.root):
        if here.name not in known:
            raise _left_over(here.name, "It holds copies, and the record knows no such slice.")
        built = known[here.name]
        if built.dataset != dataset:
            continue
        holding = withdraw.inside(here, office.dataset(dataset).plan(built.plan_digest), layouts[built.plan_digest])
        if holding.beyond:
            raise _left_over(here.name, f"{holding.beyond} files in it are not in its plan.")
        found["slices"] += 1
        found["files"] += holding.files
    if found["slices"] and concerned(office, dataset, people).slices:
        raise _left_over("some", "Plans of slices that stand name people who opted out.")
    return found


def _with_copies(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if not path.name.startswith(".") and copies_of(path).paths)


def _left_over(slice_id: str, why: str) -> TREError:
    return TREError(
        Reason.Conflict,
        f"It cannot be proven that people who opted out have left the slice {slice_id}.",
        why=why,
        remedy="Look with `tre slice verify`, build the slice again or remove it; the proof is tried again by itself.",
    )


def erase(office: Office, dataset: str, people: Set[str], watcher: Watcher = SILENT) -> dict[str, Any]:
    """Erase these people from everything that is kept of the dataset, after the proof; what was there.

    Raises `TREError(Conflict)` as `prove_unlinked`, or while something is added to the dataset.
    """
    if not people:
        return Removed().as_plain()
    prove_unlinked(office, dataset, people, watcher)
    places = office.dataset(dataset)
    try:
        kept = _erase_beside(office, places, people, watcher)
        removed, waited = _erase_store(office, dataset, people, watcher)
    except OSError as error:
        raise storage_error(error, f"Erasing files of {dataset}") from error
    left = withdraw.prove(places, people)
    assert not left.files, "what was renamed away is not found again"
    return removed.as_plain() | kept | {"quarantined": waited}


def _erase_beside(office: Office, places: DatasetPlaces, people: Set[str], watcher: Watcher) -> dict[str, int]:
    """What is kept beside the store: hashes of pictures (known by the files, so before these), plans and lists."""
    keeper = Ownership(office.owner().uid, -1)
    with locked(office.slices.lock, office.owner(), PATIENCE):
        watcher.step("forget")
        forget_pictures(office, places.root.name, sorted(withdraw.contents_of(places, people)))
        watcher.step("erase-plans")
        plans = erase_from_plans(places, people, keeper)
        watcher.step("erase-lists")
        return {"plans": plans, "lists": erase_from_lists(places, people, keeper)}


def _erase_store(office: Office, dataset: str, people: Set[str], watcher: Watcher) -> tuple[Removed, int]:
    """The files, and the rows of those that waited; nothing is added meanwhile."""
    places, keeper = office.dataset(dataset), Ownership(office.owner().uid, -1)
    total = Removed()
    with locked(places.lock, office.owner(), PATIENCE):
        watcher.step("erase")
        make_private(places.trash, keeper)
        sweep_staging(places)
        for tier in withdraw.tiers(places):
            for name in sorted(people):
                if (path := tier / patient_directory(name)).is_dir():
                    _add(total, discard(path, places.trash))
        watcher.step("erased")
        waited = _forget_waiting(office, dataset, people)
        empty(places.trash)
    return total, waited


def _add(total: Removed, gone: Removed) -> None:
    total.files += gone.files
    total.directories += gone.directories
    total.bytes += gone.bytes


def _forget_waiting(office: Office, dataset: str, people: Set[str]) -> int:
    """Remove the rows of files that waited for a decision: they name the person."""
    with office.database.read() as connection:
        known = quarantine.count_of_people(connection, dataset, people)
    if not known:
        return 0
    event = office.event("quarantine.forgotten", f"dataset/{dataset}", files=known)
    with office.database.change(event) as change:
        return quarantine.forget(change, dataset, people)
