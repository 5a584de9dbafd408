"""Registering datasets and adding deliveries to them.

Guarantees: a release is in the record only when its index stands complete on the disk; adding the same delivery under
the same name again changes nothing; opt-outs that are on record keep their people out of every later delivery. Files
that the header gate wants a person to look at are on record, whether or not anything else could be taken.

Does not guarantee: that everything in a delivery is taken. What stayed out is in the report, file by file with the
rule, and counted in the event.
"""

from __future__ import annotations

import os
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from tre.domain.datasets import Dataset, Release
from tre.domain.errors import Reason, TREError
from tre.domain.names import check_release_name
from tre.domain.practice import check_not_practice
from tre.domain.retirement import check_offered
from tre.slices.files import locked, storage_error
from tre.slices.garbage import Leftover, index_files, leftover, leftover_plans
from tre.slices.gate.rules import gate_digest
from tre.slices.ingest import Ingested, IngestOrder, NothingTakenError, ingest
from tre.slices.partition import NO_DRAW, Draw, draw_key
from tre.slices.release import tiers
from tre.slices.walk import Found, Kind, walk
from tre.slices.watch import SILENT, Watcher
from tre.store import datasets as store
from tre.store import quarantine as waiting_room
from tre.store import retirements
from tre.storekeeper import manifests, quarantine
from tre.storekeeper.office import Office

SHOWN_REFUSALS = 100
"""Refusals that a result carries; the report beside the index has them all."""


@dataclass(frozen=True)
class Delivery:
    """A directory that is added to a dataset. Without a release's name, today's date is taken."""

    dataset: str
    path: Path
    release: str = ""
    title: str = ""
    manifest: Path | None = None
    """A signed tag manifest, from here on the dataset's."""

    onto: str = ""
    """The release that it adds to; without one, it is all of the new release."""

    validation_permille: int = 0
    """For a dataset that is new: about so many of a thousand patients are kept apart for validation."""

    words: tuple[str, ...] = ()
    """Of what was generated: the words that its specification asks for, which nobody can be named by."""


@dataclass(frozen=True)
class Added:
    """The release that was published, and what became of the delivery."""

    release: Release
    taken: Ingested

    def as_plain(self) -> dict[str, object]:
        """The result of a job, and what `--json` prints."""
        taken = self.taken
        return {
            "dataset": self.release.dataset,
            "release": self.release.name,
            "indexDigest": self.release.index_digest,
            **self.release.counts.as_plain(),
            "refused": taken.refused,
            "quarantined": taken.quarantined,
            "refusals": [one.as_plain() for one in taken.refusals[:SHOWN_REFUSALS]],
            "conversions": taken.cleaning.as_plain(),
            "valuesNotUnderstood": dict(sorted(taken.cleaning.not_understood.items())),
        }


def add(office: Office, delivery: Delivery, watcher: Watcher = SILENT, *, generated: bool = False) -> Added:
    """Add a delivery and publish a release. `generated` is said by `tre.storekeeper.practice` alone, of what it made.

    Raises as `tre.slices.ingest.ingest`; `TREError(Conflict)` while something else is added to the dataset,
    `TREError(NotPermitted)` for a name of practice data, `TREError(DatasetRetired)` for a retired dataset,
    `TREError(ReleaseNotFound)` for an unknown one to add to.
    """
    if not generated:
        check_not_practice(delivery.dataset)
    if not delivery.path.is_dir():
        raise TREError(
            Reason.BadInput,
            f"{delivery.path} is not a directory.",
            why="A delivery is a directory of files; "
            + ("this is a file." if delivery.path.exists() else "there is none."),
            remedy="Name the directory that holds the images and the clinical records.",
        )
    name = check_release_name(delivery.release or f"{office.clock.now():%Y-%m-%d}")
    places = office.dataset(delivery.dataset)
    _asked_for(office, delivery)  # what is typed wrongly is refused before a directory is walked
    _refuse_barren(delivery)
    with office.database.read() as connection:
        check_offered(retirements.of_dataset(connection, delivery.dataset), None)
        if delivery.onto:
            retirements.require_offered(connection, delivery.dataset, delivery.onto)
    declared = manifests.read_signed(office, delivery.manifest, delivery.dataset) if delivery.manifest else None
    dataset = _registered(office, delivery)
    owner = office.owner(dataset.data_group)
    with locked(places.lock, owner):
        with office.database.read() as connection:
            denied = store.deny_set(connection, dataset.name)
            known = store.release(connection, dataset.name, name)
            decided = waiting_room.decided(connection, dataset.name)
        if declared is not None:
            dataset = manifests.declare(office, dataset, declared)
        rules = manifests.rules_of(office, dataset)
        if generated:
            rules = rules.model_copy(update={"words": (*rules.words, *delivery.words)})
        order = IngestOrder(
            places=places,
            release=name,
            delivery=delivery.path,
            owner=owner,
            denied=denied.pseudonyms,
            workers=os.cpu_count() or 1,
            rules=rules,
            decided=decided,
            onto=delivery.onto or None,
            draw=_draw_of(office, dataset),
        )
        try:
            taken = ingest(order, known.index_digest if known else None, watcher)
        except NothingTakenError as error:
            quarantine.keep(office, dataset.name, error.waiting)
            raise
        quarantine.keep(office, dataset.name, taken.waiting)
        return Added(known or _published(office, dataset, _Named(name, delivery.onto or None), taken), taken)


def _refuse_barren(delivery: Delivery) -> None:
    """Raise `TREError(BadInput)` before a dataset is registered for a directory that is none of one.

    A dataset that is registered stays so, whatever becomes of its first delivery: its group is never given twice.
    """
    path, enough = delivery.path, 1 if delivery.onto else 0
    missing = {Kind.image, Kind.clinical}
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for found in walk(descriptor):
            missing -= {found.kind} if isinstance(found, Found) else set()
            if len(missing) <= enough:
                return
    finally:
        os.close(descriptor)
    raise TREError(
        Reason.BadInput,
        f"Nothing in {path} can be taken.",
        why=f"There is no {' and no '.join(sorted(_WORDS[kind] for kind in missing))} in it.",
        remedy="The delivery needs images and, for each patient, a clinical record.",
    )


_WORDS = {Kind.image: "image", Kind.clinical: "clinical record (data_DATE.json or status_DATE.json)"}


def _draw_of(office: Office, dataset: Dataset) -> Draw:
    permille = dataset.validation_permille
    return Draw(draw_key(office.secret(), dataset.name), permille) if permille else NO_DRAW


def _asked_for(office: Office, delivery: Delivery) -> tuple[Dataset, bool]:
    """The dataset, and whether it is new. Raises `TREError(BadInput)` for a title that is none, and
    `TREError(Conflict)` where the dataset keeps another part for validation."""
    with office.database.read() as connection:
        known = store.get(connection, delivery.dataset)
        groups = office.settings.data_groups
        group = known.data_group if known else store.free_group(connection, groups.first, groups.last)
    if known is not None:
        asked, kept = delivery.validation_permille, known.validation_permille
        if asked not in {0, kept}:
            raise TREError(
                Reason.Conflict,
                f"{known.name!r} keeps {kept} of a thousand patients for validation, not {asked}.",
                why="Who is kept apart is settled when a dataset is registered: otherwise people would change sides.",
                remedy="Leave --validation-permille out.",
            )
        return known, False
    new = Dataset(
        name=delivery.dataset,
        title=delivery.title or delivery.dataset,
        data_group=group,
        created_at=office.clock.now(),
        validation_permille=delivery.validation_permille,
    )
    return new, True


def _registered(office: Office, delivery: Delivery) -> Dataset:
    """The dataset, registered if it is new. Raises as `_asked_for`."""
    dataset, is_new = _asked_for(office, delivery)
    if is_new:
        event = office.event(
            "dataset.registered", f"dataset/{dataset.name}", title=dataset.title, group=dataset.data_group
        )
        with office.database.change(event) as change:
            store.register(change, dataset)
    return dataset


@dataclass(frozen=True)
class _Named:
    """A new release's name, and that of the release it adds to."""

    name: str
    onto: str | None


def _published(office: Office, dataset: Dataset, named: _Named, taken: Ingested) -> Release:
    release = Release(
        dataset=dataset.name,
        name=named.name,
        index_digest=taken.index_digest,
        counts=taken.counts,
        created_at=office.clock.now(),
        gate=gate_digest(dataset.tag_manifest),
        onto=named.onto,
    )
    event = office.event(
        "release.published",
        f"dataset/{dataset.name}",
        release=named.name,
        indexDigest=taken.index_digest,
        counts=taken.counts.as_plain(),
        refused=taken.refused,
        quarantined=taken.quarantined,
        gate=release.gate,
        tiers=list(tiers(office.dataset(dataset.name).release(named.name))),
        **({"onto": named.onto} if named.onto else {}),
    )
    with office.database.change(event) as change:
        store.publish(change, release)
    return release


def sweep(office: Office, name: str, forgotten: Set[str] = frozenset(), *, delete: bool = False) -> Leftover:
    """Look for files of a dataset's store that belong to nothing, and for the contents of plans that are forgotten.

    Both are deleted if told to. Which plans are forgotten says who may read all grants (`tre.store.plans`).

    Retired releases that nobody can ask for any more count as nothing.

    Raises `TREError(DatasetNotFound)`; `TREError(ContentChanged)` where an index on record is not there, since what it
    names would look like nobody's; `TREError(Conflict)` while something is added.
    """
    with office.database.read() as connection:
        dataset = store.require(connection, name)
    places = office.dataset(name)
    with locked(places.lock, office.owner(dataset.data_group)):
        with office.database.read() as connection:
            abandoned = retirements.abandoned(connection, name)
            counting = [one.name for one in store.releases_of(connection, name) if one.name not in abandoned]
        missing = [one for one in counting if not all(path.is_file() for path in index_files(places, one))]
        if missing:
            raise TREError(
                Reason.ContentChanged,
                f"Releases of {name!r} are on record and their indexes are not there: {', '.join(missing)}.",
                why="What they name would look as if it belonged to nothing.",
                remedy="Restore the indexes, or add the deliveries again; then sweep.",
            )
        try:
            found = leftover(places, abandoned, delete=delete)
            leftover_plans(places, forgotten, office.owner(), found, delete=delete)
        except OSError as error:
            raise storage_error(error, f"Sweeping the store of {name}") from error
        if found.deleted or found.plans_deleted:
            with office.database.change(office.event("dataset.swept", f"dataset/{name}", **found.as_plain())):
                pass
    return found
