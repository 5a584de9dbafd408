"""F02, F06: whether the name of a Python package says what is in it.

Guarantees: a file whose name is none that a package has, or that names another project or version than its METADATA,
is refused: an installer chooses by the name. Tags that differ from those inside are told.

Does not guarantee: that the project of that name is the one that people know.

Threat: a package that is installed as another one than a reviewer saw.
"""

from __future__ import annotations

from collections.abc import Iterator

from tre.airlock.formats.wheelwords import read_name
from tre.airlock.parsed import Observation, ParsedFile, Surroundings, quoted

_REMEDY = "Give it the name with which it was built: NAME-VERSION-PYTHON-ABI-PLATFORM.whl."


def observe(file: ParsedFile, around: Surroundings) -> Iterator[Observation]:
    """Findings about the name."""
    words = file.package
    if words is None or not around.name:
        return
    name = read_name(around.name)
    if name is None:
        yield Observation("F02", "The name of the file is none that a package has.", _REMEDY)
        return
    if (name.project, name.version) != (words.project, words.version):
        inside = quoted(f"{words.project} {words.version}")
        yield Observation("F02", f"By its name this is another package than the one inside, {inside}.", _REMEDY)
    if name.tags != set(words.tags):
        inside = quoted(", ".join(words.tags[:3]))
        message = f"By its name the package is for something else than it says inside: {inside}."
        yield Observation("F06", message, "Ask who changed its name, and why.", case="package")
