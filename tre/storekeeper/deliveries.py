"""Registering datasets and adding deliveries to them.

Guarantees: a release is in the record only when its index stands complete on the disk; adding the same delivery under
the same name again changes nothing; opt-outs that are on record keep their people out of every later delivery.

Does not guarantee: that everything in a delivery is taken. What stayed out is in the report, file by file with the
rule, and counted in the event.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tre.domain.datasets import Dataset, Release
from tre.domain.errors import Reason, TREError
from tre.domain.names import check_release_name
from tre.slices.files import locked
from tre.slices.ingest import Ingested, IngestOrder, ingest
from tre.slices.walk import Found, Kind, walk
from tre.slices.watch import SILENT, Watcher
from tre.store import datasets as store
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
            "refusals": [one.as_plain() for one in taken.refusals[:SHOWN_REFUSALS]],
            "valuesNotUnderstood": taken.values_not_understood,
        }


def add(office: Office, delivery: Delivery, watcher: Watcher = SILENT) -> Added:
    """Add a delivery and publish a release.

    Raises as `tre.slices.ingest.ingest`; `TREError(Conflict)` while something else is added to the dataset.
    """
    if not delivery.path.is_dir():
        raise TREError(
            Reason.BadInput,
            f"{delivery.path} is not a directory.",
            why="A delivery is a directory of files; "
            + ("this is a file." if delivery.path.exists() else "there is none."),
            remedy="Name the directory that holds the images and the clinical records.",
        )
    name = check_release_name(delivery.release or f"{office.clock.now():%Y-%m-%d}")
    _refuse_barren(delivery.path)
    places = office.dataset(delivery.dataset)
    dataset = _registered(office, delivery)
    owner = office.owner(dataset.data_group)
    with locked(places.lock, owner):
        with office.database.read() as connection:
            denied = store.deny_set(connection, dataset.name)
            known = store.release(connection, dataset.name, name)
        order = IngestOrder(
            places=places,
            release=name,
            delivery=delivery.path,
            owner=owner,
            denied=denied.pseudonyms,
            workers=os.cpu_count() or 1,
        )
        taken = ingest(order, known.index_digest if known else None, watcher)
        return Added(known or _published(office, dataset, name, taken), taken)


def _refuse_barren(path: Path) -> None:
    """Raise `TREError(BadInput)` before a dataset is registered for a directory that is none of one.

    A dataset that is registered stays so, whatever becomes of its first delivery: its group is never given twice.
    """
    missing = {Kind.image, Kind.clinical}
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for found in walk(descriptor):
            missing -= {found.kind} if isinstance(found, Found) else set()
            if not missing:
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


def _registered(office: Office, delivery: Delivery) -> Dataset:
    with office.database.read() as connection:
        known = store.get(connection, delivery.dataset)
        groups = office.settings.data_groups
        group = known.data_group if known else store.free_group(connection, groups.first, groups.last)
    if known is not None:
        return known
    dataset = Dataset(
        name=delivery.dataset,
        title=delivery.title or delivery.dataset,
        data_group=group,
        created_at=office.clock.now(),
    )
    event = office.event("dataset.registered", f"dataset/{dataset.name}", title=dataset.title, group=group)
    with office.database.change(event) as change:
        store.register(change, dataset)
    return dataset


def _published(office: Office, dataset: Dataset, name: str, taken: Ingested) -> Release:
    release = Release(
        dataset=dataset.name,
        name=name,
        index_digest=taken.index_digest,
        counts=taken.counts,
        created_at=office.clock.now(),
    )
    event = office.event(
        "release.published",
        f"dataset/{dataset.name}",
        release=name,
        indexDigest=taken.index_digest,
        counts=taken.counts.as_plain(),
        refused=taken.refused,
    )
    with office.database.change(event) as change:
        store.publish(change, release)
    return release
