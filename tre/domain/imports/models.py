"""An import request: which bytes are to come in, for what, what the checks found, and who said yes.

Guarantees: every file is named by the SHA-256 of its bytes; a vote names the digest of all of them, so that a yes to
other files is recognisably that.

Does not guarantee: that what comes in does what it says. It runs where there is no network, beside nothing that its
user could not have typed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, model_validator

from tre.domain.canonical import digest
from tre.domain.errors import Reason
from tre.domain.exports.models import CheckRun, FilePath, Finding, Sha256
from tre.domain.exports.severity import Severity
from tre.domain.imports.states import ImportState
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject

ImportId = Annotated[str, Field(pattern=r"^i-[a-z2-7]{12}$")]


def clashing(paths: Iterable[str]) -> str:
    """Why files of these names cannot stand beside each other, in words; empty where they can."""
    names = [path.casefold() for path in paths]
    if len(set(names)) != len(names):
        return "Two files have one name."
    folders = {name[:place] for name in names for place, letter in enumerate(name) if letter == "/"}
    return "A file has the name of a folder." if folders & set(names) else ""


class ImportFile(Record):
    """One file of a request, already copied into the vault."""

    path: FilePath
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    type: Line


class ImportVote(Record):
    """One checker's word on all files of a request; `manifest` is what the checker had on the screen."""

    by: Subject
    approves: bool
    comment: Annotated[str, Field(max_length=4000)] = ""
    manifest: Line
    at: UtcTime


class ImportRequest(Record):
    """A request to bring files in. `version` grows with every stored change."""

    id: ImportId
    grant: Line
    author: Subject
    purpose: Annotated[str, Field(max_length=4000)] = ""
    files: tuple[ImportFile, ...] = ()
    check_run: CheckRun | None = None
    votes: tuple[ImportVote, ...] = ()
    state: ImportState = ImportState.Pending
    reason: Reason = Reason.AwaitingAuthor
    message: Annotated[str, Field(max_length=4000)] = ""
    version: Annotated[int, Field(ge=0)] = 0
    created_at: UtcTime
    changed_at: UtcTime
    deadline: UtcTime | None = None

    @model_validator(mode="after")
    def _paths_differ(self) -> ImportRequest:
        if clash := clashing(file.path for file in self.files):
            raise ValueError(clash)
        return self

    @cached_property
    def manifest(self) -> str:
        """The digest of all files, by path and bytes."""
        return digest(sorted([file.path, file.sha256] for file in self.files))

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """Findings that let nothing in."""
        found = self.check_run.findings if self.check_run else ()
        held = {file.sha256 for file in self.files}
        return tuple(item for item in found if item.severity is Severity.B and item.sha256 in held)

    @property
    def is_checked(self) -> bool:
        """Whether the last run looked at every file as it is now."""
        run = self.check_run
        seen = {(file.path, file.sha256) for file in run.files} if run else set()
        return all((file.path, file.sha256) in seen for file in self.files)

    def changed(self, **changes: Any) -> ImportRequest:
        """This request with other values, validated as a whole."""
        values = {name: getattr(self, name) for name in ImportRequest.model_fields}
        return ImportRequest.model_validate(values | changes)
