"""The checks that look into one parsed file: small modules behind one registry. Standard library only, unless said.

Guarantees: every check that is for a type runs on every file of that type; each has an entry in the domain's catalogue,
with the version that is recorded with its findings. A check that fails makes the whole file fail (F05): a missing
answer is never taken for a clean one. Modules are loaded before the walls stand, and only those that the type needs.

A new check is a module with `observe(file, around)`, a line in `CHECKS`, and its entry in the catalogue.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tre.airlock.identify import UNKNOWN
from tre.airlock.parsed import Observation, ParsedFile, Surroundings

Observe = Callable[[ParsedFile, Surroundings], Iterable[Observation]]


@dataclass(frozen=True)
class Check:
    """One module of checks: which entries of the catalogue it speaks for, and for which types (none: for all).

    `libraries`: it loads more than the standard library.
    """

    module: str
    speaks_for: tuple[str, ...]
    types: frozenset[str] = frozenset()
    libraries: bool = False

    def is_for(self, kind: str) -> bool:
        """Whether files of this type are looked at."""
        return not self.types or kind in self.types

    def load(self) -> Observe:
        """The module's function."""
        observe: Observe = importlib.import_module(f"tre.airlock.checks.{self.module}").observe
        return observe


CARRIERS = frozenset({"F01", "F02", "F03", "F04", "F05", "F06", "P05"})
"""What counts in a file that comes in: it is judged by what it carries and does, and by the secrets that somebody is
about to share with a whole project. It discloses nothing about the people in the data, whom its author has not seen
from there; and what a notebook hides (F07) or shows (F09) is no danger on the way in."""

CHECKS = (
    Check("metadata", ("F06", "F07", "F08", "F09")),
    Check("wheel_name", ("F02", "F06"), frozenset({"wheel"})),
    Check("formula_cells", ("F10",), frozenset({"csv", "tsv"})),
    Check("small_counts", ("S01",)),
    Check("lookalike", ("P03",), frozenset({"png", "jpeg", "svg", "pdf"}), libraries=True),
    Check("figure_marks", ("S09",), frozenset({"svg", "pdf"})),
    Check("slice_identifiers", ("P01",)),
    Check("slice_records", ("P02",)),
    Check("slice_images", ("P03",), frozenset({"png", "jpeg", "svg", "pdf", "notebook", "html"}), libraries=True),
    Check("identifiers", ("P04",)),
    Check("secrets", ("P05",)),
    Check("model_content", ("M02",), frozenset({"safetensors", "onnx"})),
    Check("rounding", ("S02",)),
    Check("class_disclosure", ("S05",)),
    Check("extremes", ("S06",)),
    Check("models", ("S07",)),
    Check("dominance", ("S08",)),
    Check("organisations", ("S10",)),
    Check("precision", ("S11",)),
    Check("unknown_columns", ("S12",)),
    Check("row_dump", ("P06",)),
)


def checks_for(kind: str, *, inward: bool = False) -> tuple[Check, ...]:
    """The checks of files of this type; none where there is no type, since such a file is refused.

    `inward`: the file comes in, and only checks that speak of carriers look at it.
    """
    if kind == UNKNOWN:
        return ()
    return tuple(check for check in CHECKS if check.is_for(kind) and (not inward or CARRIERS & {*check.speaks_for}))


def run_all(file: ParsedFile, around: Surroundings, loaded: Sequence[Observe] | None = None) -> list[Observation]:
    """What every check of its type says of a file."""
    observers = [check.load() for check in checks_for(file.type)] if loaded is None else loaded
    return [observation for observe in observers for observation in observe(file, around)]
