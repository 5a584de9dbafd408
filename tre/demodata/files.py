"""Writing into a fresh directory, and nowhere else.

Guarantees: a generator starts only in a directory that is missing or empty, so that it can never
mix its output with somebody's data; a file is created, never overwritten; JSON has one byte form
(UTF-8, keys in the order given, one newline at the end).

Does not guarantee: that a generation that was interrupted leaves nothing behind. The next one
then refuses the directory and says what to do.

Answers the mistake of pointing a generator at a real store.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tre.demodata.spec import Tally
from tre.domain.errors import Reason, TREError

GROUPS = {"CR": "xray", "DX": "xray", "CT": "ct", "MR": "mri"}
"""Which folder holds which modality; every other modality goes to `unknown`, as in the real set."""


def group_of(modality: str) -> str:
    """The folder of a modality."""
    return GROUPS.get(modality, "unknown")


def claim_target(target: Path) -> None:
    """Create the directory; raise `TREError(AlreadyExists)` unless it is missing or empty."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise TREError(
            Reason.AlreadyExists,
            f"{target} is not a directory.",
            remedy="Name a directory that does not exist yet or is empty.",
        )
    if target.is_dir() and any(target.iterdir()):
        raise TREError(
            Reason.AlreadyExists,
            f"{target} is not empty.",
            why="Made-up data is never mixed with what is already there.",
            remedy="Name another directory, or remove this one first.",
        )
    target.mkdir(parents=True, exist_ok=True)


def json_bytes(value: Any) -> bytes:
    """A value as JSON in UTF-8, keys in the order given, ending in a newline."""
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


@dataclass(frozen=True)
class ImagePlace:
    """Where an image belongs: group, patient, study, series, file name without its ending."""

    group: str
    patient: str
    study: str
    series: str
    stem: str

    def image(self, root: Path) -> Path:
        """The path of the DICOM file under a root such as `training`."""
        return root / self.group / self.patient / self.study / self.series / f"{self.stem}.dcm"

    def sidecar(self, root: Path) -> Path:
        """The path of the header in JSON beside it, in the parallel tree."""
        folder = root / f"{self.group}-metadata" / self.patient / self.study / self.series
        return folder / f"{self.stem}.json"


class Writer:
    """Creates files below one root and counts them."""

    def __init__(self, root: Path, tally: Tally) -> None:
        self.root = root
        self.tally = tally
        self._folders: set[Path] = set()

    def write(self, path: Path, data: bytes) -> None:
        """Create one file. Raises `FileExistsError` if it is there already: names never collide."""
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(path.parent)
        with path.open("xb") as file:
            file.write(data)
        self.tally.files += 1
        self.tally.bytes += len(data)

    def image(self, place: ImagePlace, encoded: bytes, sidecar: bytes) -> None:
        """Create an image and its sidecar."""
        self.write(place.image(self.root), encoded)
        self.write(place.sidecar(self.root), sidecar)

    def clinical(self, pseudonym: str, name: str, record: dict[str, Any]) -> None:
        """Create a clinical record, such as `data_2020-05-01.json`, of a patient."""
        self.write(self.root / "data" / pseudonym / name, json_bytes(record))
