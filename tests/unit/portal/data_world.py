"""A dataset with a release, a slice, and files in quarantine, as the storekeeper brings them about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tests.unit.portal.world import World
from tests.unit.slices.conftest import Maker, make_spec
from tre.domain.datasets import Dataset
from tre.domain.events import program
from tre.domain.quarantine import Kept, QuarantinedFile, QuarantineState
from tre.slices.gate.rules import reason
from tre.store import datasets
from tre.store import quarantine as store
from tre.store.quarantine import QuarantineSearch
from tre.storekeeper.deliveries import Delivery, add
from tre.storekeeper.office import Office
from tre.storekeeper.slices import BuildRequest, build_slice

DATASET = "demo"
TITLE = "National COVID-19 Chest Imaging Database"
SLICE = "s-aaaaaaaaaaaa"
PEOPLE = ("Covid200001", "Covid200002", "Covid200003")
SECRET = "Adaeze"
"""Stands in headers that wait, and may stand nowhere else."""

SERIES, STUDY, SORT = (
    ("free-text", "SeriesDescription"),
    ("free-text", "StudyDescription"),
    ("image-type", "ImageType"),
)


class Data:
    """A dataset and the storekeeper's hand; what waits is made up until something is delivered."""

    def __init__(self, world: World, place: Path) -> None:
        self.world = world
        for path in (world.layout.datasets, world.layout.slices, world.layout.homes):
            path.mkdir(parents=True, exist_ok=True)
        self.office = Office(world.layout, world.settings, world.database, world.clock, program("storekeeper"))
        self.maker = Maker(place)

    def register(self) -> None:
        """The dataset, with two files that wait for the same."""
        new = Dataset(name=DATASET, title=TITLE, data_group=60100, created_at=self.world.clock.now())
        with self.world.database.change(self.world.event("dataset.registered", f"dataset/{DATASET}")) as change:
            datasets.register(change, new)
        self.wait(2, SERIES, first=1000)

    def deliver(self) -> None:
        """Three people, one strange image of each of two, one file that is no image; added."""
        for number, name in enumerate(PEOPLE, start=1):
            self.maker.record(name, Sex=1)
            self.maker.image(name, f"1.{number}", f"1.{number}.1")
        for number, name in enumerate(PEOPLE[:2], start=1):
            self.maker.image(name, f"1.{number}", f"1.{number}.2", SeriesDescription=f"seen by {SECRET}")
        self.maker.file("training/xray/notes.txt", b"notes")
        self.add("r1")

    def add(self, release: str) -> None:
        add(self.office, Delivery(DATASET, self.maker.root, release, title=TITLE))

    def build(self) -> None:
        build_slice(self.office, BuildRequest(slice_id=SLICE, spec=make_spec()))

    def wait(
        self, count: int, *keys: tuple[str, str], first: int = 0, at: datetime | None = None
    ) -> list[QuarantinedFile]:
        """Put made-up files into quarantine that wait for these rules at these attributes."""
        found = [
            QuarantinedFile(
                dataset=DATASET,
                sha256=sha(number),
                pseudonym=PEOPLE[0],
                path=f"training/xray/{PEOPLE[0]}/1.1/1.1.1/made-up-{number}.dcm",
                kind="image",
                bytes=1_300_000,
                reasons=tuple(Kept(**reason(*key).as_plain()) for key in keys),
                found_at=at or self.world.clock.now(),
            )
            for number in range(first, first + count)
        ]
        told = self.world.event("dataset.quarantined", f"dataset/{DATASET}")
        with self.world.database.change(told.model_copy(update={"detail": {"files": len(found)}})) as change:
            store.keep(change, found)
        return found

    def files(self, state: QuarantineState | None = QuarantineState.waiting) -> list[QuarantinedFile]:
        with self.world.database.read() as connection:
            return store.files_of(connection, QuarantineSearch(DATASET, state))


def sha(number: int) -> str:
    return hashlib.sha256(f"made-up {number}".encode()).hexdigest()


def ticked(files: Sequence[QuarantinedFile], state: str = "released", reason: str = "harmless") -> dict[str, str]:
    """A form in which these files are ticked."""
    return {f"file-{one.sha256}": one.mark for one in files} | {"state": state, "reason": reason}
