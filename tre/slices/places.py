"""Where a dataset's files, releases and plans lie, and where slices do.

Guarantees: a name in the store follows from the patient and the content alone, so each file is there once, a second
delivery of the same bytes costs no space, and all of a patient's files lie in one directory of few entries. Pseudonyms
and digests are checked before they get here (`tre.domain.withdrawals`, SHA-256), so no name leads elsewhere.

Does not guarantee: that any of these directories exists.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from tre.domain.datasets import SLICE_ID_PATTERN
from tre.domain.errors import Reason, TREError

IMAGE_SUFFIX, SIDECAR_SUFFIX = ".dcm", ".json"
CLINICAL_TIER = "clinical"
"""Where clinical records lie as they came in; nothing links to them."""


COARSE_CLINICAL_TIER = "clinical-coarse"
"""The same with months and years for dates."""


def patient_directory(pseudonym: str) -> str:
    """A patient's directory inside a tier: 256 directories above keep each of them small."""
    return f"{hashlib.sha256(pseudonym.encode()).hexdigest()[:2]}/{pseudonym}"


def group_directory(group: str, pseudonym: str, study: str, series: str) -> str:
    """A series' directory as paths in an index have it: NCCID's layout without its first part."""
    return f"{group}/{pseudonym}/{study}/{series}"


@dataclass(frozen=True)
class DatasetPlaces:
    """One dataset's directories."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held while something is added."""
        return self.root / ".lock"

    @property
    def plan_lock(self) -> Path:
        """Held while a plan's content is kept."""
        return self.root / ".plan-lock"

    @property
    def staging(self) -> Path:
        """What is not finished yet; emptied before each addition."""
        return self.root / ".staging"

    @property
    def trash(self) -> Path:
        """What is about to be deleted."""
        return self.root / ".trash"

    def tier(self, name: str) -> Path:
        """A tier of the store."""
        return self.root / "store" / name

    @property
    def quarantine(self) -> Path:
        """Files that wait for a person, by patient like a tier; no index speaks of them."""
        return self.root / "quarantine"

    @property
    def tag_manifest(self) -> Path:
        """What the data manager declared safe in headers, as it was signed."""
        return self.root / "tag-manifest.json"

    def release(self, name: str) -> Path:
        """A release's index."""
        return self.root / "releases" / name

    @property
    def plans(self) -> Path:
        """Contents of plans."""
        return self.root / "plans"

    @property
    def plan_staging(self) -> Path:
        """The content that is being written."""
        return self.root / ".plan"

    @property
    def lists(self) -> Path:
        """Lists of patients."""
        return self.root / "lists"

    def plan(self, digest: str) -> Path:
        """A plan's content: its file list and row identifiers."""
        return self.plans / digest.removeprefix("sha256:")

    def patient_list(self, digest: str) -> Path:
        """A list of patients that slices were planned with."""
        return self.lists / f"{digest.removeprefix('sha256:')}.txt"


@dataclass(frozen=True)
class SlicePlaces:
    """The directory of slices."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held while a slice is built or removed."""
        return self.root / ".lock"

    @property
    def staging(self) -> Path:
        """Slices that are not finished yet."""
        return self.root / ".staging"

    @property
    def trash(self) -> Path:
        """Slices that are about to be deleted."""
        return self.root / ".trash"

    def slice(self, slice_id: str) -> Path:
        """One slice. Raises `TREError(BadInput)` for what cannot be a slice's identifier."""
        if re.fullmatch(SLICE_ID_PATTERN, slice_id) is None:
            raise TREError(
                Reason.BadInput, f"{slice_id!r} is no identifier of a slice.", remedy="See `tre slice show`."
            )
        return self.root / slice_id
