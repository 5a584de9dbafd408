"""What is asked of the generator and what it says it made.

Guarantees: an `NccidSpec` that was constructed is one that can be made (bounds checked, in
words); a `Summary` counts what was written, not what was meant to be written.

Does not guarantee: that the proportions asked for are met exactly by small data sets. Only the
share of positives, of patients without images and of patients with MR is a quota; all else is
drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tre.domain.errors import Reason, TREError

MOST_PATIENTS = 900_000
"""Pseudonyms have at most six digits and must not collide."""


def _check(name: str, value: int, low: int, high: int) -> None:
    """Raise `TREError(BadInput)` unless the value lies between the bounds, both included."""
    if not low <= value <= high:
        raise TREError(
            Reason.BadInput,
            f"{name} is {value}.",
            why=f"It must lie between {low:,} and {high:,}.",
            remedy="Choose another value.",
        )


@dataclass(frozen=True)
class NccidSpec:
    """What the make-believe NCCID shall hold. Shares are in thousandths; sizes in pixels a side.

    The defaults follow the proportions of the real training set of September 2023 (34 % positive,
    X-ray to CT about 4.5 to 1) with images small enough that a demonstration takes seconds; mammography and
    ultrasound, which its successor adds, and further kinds of dirt come in only where they are asked for. Raises
    `TREError(BadInput)` on a value out of bounds.
    """

    seed: int = 2020
    patients: int = 300
    xray_pixels: tuple[int, ...] = (128, 192, 256)
    ct_pixels: tuple[int, ...] = (64, 96, 128)
    ct_slices: tuple[int, int] = (4, 10)
    positive_permille: int = 340
    ct_permille: int = 300
    mr_permille: int = 10
    without_images_permille: int = 20
    mg_permille: int = 0
    us_permille: int = 0
    more_dirt_permille: int = 0

    def __post_init__(self) -> None:
        """Check every bound."""
        _check("patients", self.patients, 1, MOST_PATIENTS)
        for name in ("positive", "ct", "mr", "without_images", "mg", "us", "more_dirt"):
            _check(f"{name}_permille", getattr(self, f"{name}_permille"), 0, 1000)
        _check("The number of X-ray sizes", len(self.xray_pixels), 1, 100)
        _check("The number of CT sizes", len(self.ct_pixels), 1, 100)
        for size in (*self.xray_pixels, *self.ct_pixels):
            _check("An image size", size, 16, 4096)
        _check("The least number of CT slices", self.ct_slices[0], 1, 1000)
        _check("The greatest number of CT slices", self.ct_slices[1], self.ct_slices[0], 1000)


@dataclass(frozen=True)
class Summary:
    """What was written. `bytes` and `files` count every file, sidecars and clinical JSON included.

    `by_modality` counts images; `studies_by_group` counts studies by folder (`ct`, `mri`, …);
    `by_covid_status` counts patients (any `data_` file makes a patient positive); `left_out` counts
    source files that were not taken, by reason, where there was a source.
    """

    patients: int
    studies: int
    series: int
    instances: int
    files: int
    bytes: int
    by_modality: Mapping[str, int]
    studies_by_group: Mapping[str, int]
    by_covid_status: Mapping[str, int]
    left_out: Mapping[str, int]

    def as_dict(self) -> dict[str, int | dict[str, int]]:
        """The summary as `--json` prints it."""
        names = self.__dataclass_fields__
        values = ((name, getattr(self, name)) for name in names)
        return {name: dict(v) if isinstance(v, Mapping) else v for name, v in values}


@dataclass
class Tally:
    """Counts while files are written; `summary()` freezes them."""

    patients: int = 0
    studies: int = 0
    series: int = 0
    instances: int = 0
    files: int = 0
    bytes: int = 0
    by_modality: Counter[str] = field(default_factory=Counter)
    studies_by_group: Counter[str] = field(default_factory=Counter)
    by_covid_status: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def summary(self) -> Summary:
        """The counts so far, keys in alphabetical order."""
        counters = {n: v for n, v in vars(self).items() if isinstance(v, Counter)}
        frozen = {n: MappingProxyType(dict(sorted(v.items()))) for n, v in counters.items()}
        return Summary(**{**vars(self), **frozen})
