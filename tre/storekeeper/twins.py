"""What a release of practice data was made from, kept beside it, and looked at before a slice of it is built.

Guarantees: a slice of a practice dataset is built only where it is on file from which specification, how many people
and which seed its release was generated, and only if the release's name follows from exactly these.

Does not guarantee: that the release holds what its name stands for: generating it again shows that
(`tre.storekeeper.practice`), and is done each time somebody asks for the twin.

Threat: a dataset of people that had a name of practice data before such names were kept.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, ValidationError

from tre.domain.errors import Reason, TREError
from tre.domain.model import Record
from tre.domain.practice import is_practice, practice_dataset, practice_release
from tre.domain.slices.spec import SliceSpec
from tre.slices.files import make_private
from tre.storekeeper.office import Office
from tre.system.files import write_atomically

FOLDER = "twins"


class Origin(Record):
    """All that a twin was made from."""

    spec: SliceSpec
    patients: int = Field(ge=1)
    seed: int


def keep_origin(office: Office, asked: SliceSpec, origin: Origin) -> None:
    """Put on file what the release of a twin's specification was made from."""
    path = _place(office, asked)
    owner = office.owner()
    make_private(path.parent, owner)
    write_atomically(path, origin.model_dump_json(by_alias=True).encode(), mode=0o600)
    owner.give(path)


def check_origin(office: Office, spec: SliceSpec) -> None:
    """Raise `TREError(NotPermitted)` for a practice dataset of which nothing shows that it was generated."""
    if not is_practice(spec.dataset):
        return
    origin = _read(_place(office, spec))
    if origin is not None and _names(origin) == (spec.dataset, spec.release):
        return
    raise TREError(
        Reason.NotPermitted,
        f"Nothing shows that the release {spec.release!r} of {spec.dataset!r} was made up.",
        why="Practice data are opened without an approval, so they must have been generated here.",
        remedy="Make them with `tre slice practice SPEC`. If people's data lie there, add them under another name.",
    )


def _names(origin: Origin) -> tuple[str, str]:
    release = practice_release(origin.spec, origin.patients, origin.seed)
    return practice_dataset(origin.spec.dataset), release


def _place(office: Office, spec: SliceSpec) -> Path:
    return office.dataset(spec.dataset).root / FOLDER / f"{spec.release}.json"


def _read(path: Path) -> Origin | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return Origin.model_validate_json(file.read())
    except (OSError, ValidationError):
        return None
