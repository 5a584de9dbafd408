"""New files out of old ones: small functions behind one registry. Standard library only, unless said.

Guarantees: a transformation takes bytes and numbers and gives bytes, the same for the same; it changes nothing in
place; a file that its strict reader refuses is refused here as well. Modules are loaded before the walls stand, and
only the one that is asked for (see `tre.airlock.child`).

Does not guarantee: that the result may leave. It is checked as any other file.

A new transformation is a function, a line in `TRANSFORMATIONS`, and its entry in `tre.domain.exports.fixes`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field

from tre.airlock.parsed import Bounds, Rules

LONGEST_RESULT = 48 << 20
"""All files that one transformation may make, in bytes together."""

MOST_PRODUCTS = 200


@dataclass(frozen=True)
class Source:
    """A file to be transformed: its name and bytes, the bounds, the numbers it is told, and what is known of it.

    `columns` are places, from 0, of columns that findings point at; they count as columns of counts.
    """

    path: str
    data: bytes
    bounds: Bounds = field(default_factory=Bounds)
    rules: Rules = field(default_factory=Rules)
    parameters: dict[str, int] = field(default_factory=dict)
    columns: tuple[int, ...] = ()

    def named(self, addition: str, ending: str) -> str:
        """The source's name with something added before its ending, and another ending: `a/b.csv` → `a/b_c.csv`."""
        folder, slash, last = self.path.rpartition("/")
        stem = last.rpartition(".")[0] or last
        return f"{folder}{slash}{stem}_{addition}{ending}"

    @property
    def ending(self) -> str:
        """The name's ending, in lower case."""
        return "." + self.path.rpartition(".")[2].lower()


@dataclass(frozen=True)
class Product:
    """A new file: its name beside the old one, and its bytes."""

    path: str
    data: bytes


@dataclass(frozen=True)
class Outcome:
    """What a transformation made, and what a person should know of it."""

    products: tuple[Product, ...]
    notes: tuple[str, ...] = ()


class UnfitError(Exception):
    """The file is not one that this transformation can do anything for; the text says why, for its author."""


Transform = Callable[[Source], Outcome]


@dataclass(frozen=True)
class Transformation:
    """Where a transformation stands. `libraries`: it loads more than the standard library."""

    module: str
    function: str
    libraries: bool = False

    def load(self) -> Transform:
        """The function."""
        module = importlib.import_module(f"tre.airlock.transformations.{self.module}")
        function: Transform = getattr(module, self.function)
        return function


TRANSFORMATIONS = {
    "round-counts": Transformation("rounding", "round_to_nearest"),
    "midpoint-counts": Transformation("rounding", "round_to_midpoint"),
    "suppress-counts": Transformation("suppression", "suppress", libraries=True),
    "strip-metadata": Transformation("pictures", "strip_metadata", libraries=True),
    "code-only": Transformation("notebooks", "code_only"),
    "sheets-to-csv": Transformation("workbooks", "sheets_to_csv", libraries=True),
    "svg-to-pixels": Transformation("drawings", "drawing_as_picture", libraries=True),
    "pdf-to-pixels": Transformation("documents", "pages_as_pictures", libraries=True),
}
"""By the id of their entry in `tre.domain.exports.fixes`."""
