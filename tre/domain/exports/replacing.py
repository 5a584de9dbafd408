"""A file that gives way to others that were made of it.

Guarantees: the author alone does it, in the author's phase; the old file must still hold the bytes that the new ones
were made of; it stays in the request, taken back or shown beside, and never leaves by this act; the new files stand in
the same group and are what the old one was (an output stays an output); no other file of the request is replaced.

Threat: a "fix" that slips other bytes under a name somebody has looked at.
"""

from __future__ import annotations

from tre.domain.errors import Reason, TREError
from tre.domain.exports.authoring import add_files, set_kind
from tre.domain.exports.fixes import Made
from tre.domain.exports.models import ExportRequest, FileKind, FilePath, RequestFile, Sha256
from tre.domain.exports.moves import check_phase
from tre.domain.exports.permissions import check_edit
from tre.domain.exports.situation import Situation
from tre.domain.exports.states import BlindPhase
from tre.domain.model import Record
from tre.domain.people import Person

AFTERWARDS = (FileKind.withdrawn, FileKind.supporting)
"""What the old file can be afterwards: taken back, or shown to the checkers only."""

_MOST_TRIES = 1000


class Replacement(Record):
    """Which file, with which bytes, gives way to what, and what it is afterwards."""

    path: FilePath
    sha256: Sha256
    made: tuple[Made, ...]
    afterwards: FileKind = FileKind.withdrawn


def check_replaceable(
    request: ExportRequest, person: Person, path: str, sha256: str, situation: Situation
) -> RequestFile:
    """The file of the request that may give way now. Raises `TREError`."""
    check_edit(person, request, situation.grant)
    check_phase(request, BlindPhase.AUTHOR)
    found = next((file for file in request.shown if file.path == path), None)
    if found is None:
        raise TREError(Reason.BadInput, "There is no such file in this request.")
    if found.sha256 != sha256:
        raise TREError(
            Reason.ContentChanged,
            "The file holds other bytes now.",
            why="It was replaced since these were looked at.",
            remedy="Look at the file again, then decide.",
        )
    return found


def replace_by(request: ExportRequest, person: Person, replacement: Replacement, situation: Situation) -> ExportRequest:
    """Put the new files into the old one's group, and say what the old one is now. Raises `TREError`."""
    old = check_replaceable(request, person, replacement.path, replacement.sha256, situation)
    if replacement.afterwards not in AFTERWARDS or not replacement.made:
        raise TREError(Reason.BadInput, "The old file is taken back or shown beside; there must be a new one.")
    group = next(group.name for group in request.groups if old in group.files)
    taken = {file.path.casefold(): file.sha256 for file in request.files}
    new = []
    for file in replacement.made:
        path = _free(file, taken)
        taken[path.casefold()] = file.sha256
        new.append(RequestFile(path=path, sha256=file.sha256, size=file.size, type=file.type, kind=old.kind))
    aside = set_kind(request, person, old.path, replacement.afterwards, situation)
    return add_files(aside, person, group, tuple(new), situation)


def _free(file: Made, taken: dict[str, str]) -> str:
    """The file's name, with a number where another file of the request has it."""
    stem, dot, ending = file.path.rpartition(".")
    for number in range(1, _MOST_TRIES):
        path = file.path if number == 1 else f"{stem}-{number}{dot}{ending}"
        if taken.get(path.casefold(), file.sha256) == file.sha256:
            return path
    raise TREError(Reason.BadInput, "Too many files of this request have such a name.", remedy="Withdraw some.")
