"""Release bundles: built from the vault, verified anywhere.

Guarantees: `build_bundle` writes an archive of exactly the files that the signed document names, and only after each
file's bytes, as they are written, have the approved SHA-256. `verify_bundle` needs the file and a public key, no
network, no launcher; it accepts an archive only if every byte of it is accounted for, every file is the approved
one, the signature is by the key, and the audit log's signed checkpoint holds the event.

Does not guarantee: that a release was not recalled since; the register says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import Field, ValidationError

from tre.airlock.archive import Entry, read_archive, read_entry, write_archive
from tre.airlock.crate import METADATA_NAME, bag, metadata
from tre.airlock.release import (
    ReleaseDocument,
    check_criteria,
    check_decisions,
    check_proof_is_about,
    check_signature,
)
from tre.airlock.vault import Stored, Vault, hash_descriptor
from tre.audit.keys import PublicKey
from tre.audit.proof import verify_proof
from tre.domain.canonical import canonical_bytes
from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import ExportId, Sha256
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.system.files import flush_directory

DOCUMENT_NAME = "release.json"
FOLDER = "files/"
LARGEST_DOCUMENT = 64 * 2**20


def build_bundle(document: ReleaseDocument, vault: Vault, target: Path) -> Stored:
    """Write the bundle of a signed document; its SHA-256 and size.

    Raises `TREError(ContentChanged)` where the vault does not hold the approved bytes; nothing is left behind then.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o640), "w+b") as file:
            write_archive(file, _contents(document, vault))
            file.flush()
            os.fsync(file.fileno())
            stored = hash_descriptor(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_directory(target.parent)
    return stored


def sweep_bundles(directory: Path) -> int:
    """Remove bundles that an interruption left half written; how many."""
    left = list(directory.glob(".*.zip.*"))
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _contents(document: ReleaseDocument, vault: Vault) -> Iterator[tuple[str, bytes]]:
    yield DOCUMENT_NAME, canonical_bytes(document.as_plain())
    yield METADATA_NAME, metadata(document, FOLDER)
    for file in document.statement.files:
        with vault.opened(file.sha256) as descriptor:
            data = _read_all(descriptor, file.size)
        if len(data) != file.size or hashlib.sha256(data).hexdigest() != file.sha256:
            raise TREError(
                Reason.ContentChanged,
                "A file in the vault does not hold the bytes that were approved.",
                remedy="Tell the operator: the disk or somebody changed it. Nothing was released.",
            )
        yield FOLDER + file.path, data


def _read_all(descriptor: int, size: int) -> bytes:
    """At most one byte more than announced: enough to see that there is more."""
    pieces: list[bytes] = []
    offset = 0
    while offset <= size and (piece := os.pread(descriptor, size + 1 - offset, offset)):
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces)


class VerifiedFile(Record):
    """A file of a bundle whose bytes are the approved ones."""

    path: Line
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class BundleReport(Record):
    """What a verified bundle says: which request, who decided, when it was logged, by which key."""

    request: ExportId
    grant: Line
    project: Line
    reference: Line
    policy: Line
    policy_sha256: Sha256
    files: tuple[VerifiedFile, ...]
    checkers: tuple[Subject, ...]
    exceptions: int
    approved_at: UtcTime
    logged_by: UtcTime
    key: Line


def verify_bundle(path: Path, keys: tuple[PublicKey, ...]) -> BundleReport:
    """Everything that a recipient can know of a bundle, from the file and the public key alone.

    Raises `TREError` with `BundleInvalid` (form, names, missing or additional files), `ContentChanged` (a file's
    bytes), `SignatureInvalid` (another key), or `AuditBroken` (the proof).
    """
    try:
        with path.open("rb") as source:
            return _verify(source, keys)
    except OSError as error:
        raise TREError(Reason.BadInput, f"{path} cannot be read.", why=f"{error.strerror}.") from error


def _verify(source: BinaryIO, keys: tuple[PublicKey, ...]) -> BundleReport:
    entries = {entry.name: entry for entry in read_archive(source)}
    document = _read_document(source, entries.pop(DOCUMENT_NAME, None))
    statement = document.statement
    key = check_signature(document, keys)
    _check_crate(source, entries.pop(METADATA_NAME, None), document)
    _check_complete(entries, {FOLDER + file.path for file in statement.files})
    for file in statement.files:
        entry = entries[FOLDER + file.path]
        if entry.size != file.size or _sha256_of(source, entry) != file.sha256:
            raise TREError(
                Reason.ContentChanged,
                f"{file.path} does not hold the bytes that were approved.",
                remedy="Do not use it; ask where you got it from.",
            )
    check_criteria(statement)
    check_decisions(statement)
    check_proof_is_about(statement, document.proof)
    checkpoint = verify_proof(document.proof, keys)
    deciders = dict.fromkeys((decision.by.issuer, decision.by.id) for decision in statement.decisions)
    return BundleReport(
        request=statement.request,
        grant=statement.grant,
        project=statement.project.title,
        reference=statement.project.reference,
        policy=statement.policy.name,
        policy_sha256=statement.policy.sha256,
        files=tuple(VerifiedFile(path=f.path, sha256=f.sha256, size=f.size) for f in statement.files),
        checkers=tuple(Subject(issuer=issuer, id=identifier) for issuer, identifier in deciders),
        exceptions=len(statement.exceptions),
        approved_at=statement.confirmation.at,
        logged_by=checkpoint.at,
        key=key.line(),
    )


def _sha256_of(source: BinaryIO, entry: Entry) -> str:
    return hashlib.sha256(_read_checked(source, entry)).hexdigest()


def _read_checked(source: BinaryIO, entry: Entry) -> bytes:
    data = read_entry(source, entry)
    if zlib.crc32(data) != entry.crc and entry.name == DOCUMENT_NAME:
        raise _invalid(f"{DOCUMENT_NAME} was changed: its checksum is wrong.")
    return data


def _read_document(source: BinaryIO, entry: Entry | None) -> ReleaseDocument:
    if entry is None:
        raise _invalid(f"The bundle holds no {DOCUMENT_NAME}.")
    if entry.size > LARGEST_DOCUMENT:
        raise _invalid(f"{DOCUMENT_NAME} is larger than any can be.")
    raw = _read_checked(source, entry)
    try:
        value = json.loads(raw)
        if isinstance(value, dict) and value.get("proof") is None:
            raise TREError(
                Reason.AuditBroken,
                "The bundle holds no audit proof.",
                remedy="A release waits for its proof: this file is not one, or was cut.",
            )
        document = ReleaseDocument.model_validate(value)
    except (ValueError, RecursionError, ValidationError) as error:
        raise _invalid(f"{DOCUMENT_NAME} is not the statement of a release.") from error
    if canonical_bytes(document.as_plain()) != raw:
        raise _invalid(f"{DOCUMENT_NAME} is not spelled in its one canonical form.")
    return document


def _check_crate(source: BinaryIO, entry: Entry | None, document: ReleaseDocument) -> None:
    """The crate's metadata follow from the document: anything else in their place was put there by somebody."""
    due = metadata(document, FOLDER)
    if entry is None:
        raise _invalid(f"The bundle holds no {METADATA_NAME}.")
    if entry.size != len(due) or read_entry(source, entry) != due:
        raise _invalid(f"{METADATA_NAME} says something else than {DOCUMENT_NAME}.")


def write_bag(path: Path, keys: tuple[PublicKey, ...], target: Path) -> BundleReport:
    """Write a verified bundle once more, as a BagIt bag in a zip, for environments that exchange Five Safes crates.

    Raises `TREError`: see `verify_bundle`; nothing is written then.
    """
    with path.open("rb") as source:
        report = _verify(source, keys)
        entries = [(entry.name, read_entry(source, entry)) for entry in read_archive(source)]
    with target.open("xb") as written:
        write_archive(written, bag(entries))
    return report


def _check_complete(entries: dict[str, Entry], due: set[str]) -> None:
    if additional := sorted(set(entries) - due):
        raise _invalid(f"The bundle holds {additional[0]}, which was not released.")
    if missing := sorted(due - set(entries)):
        raise _invalid(f"The bundle lacks {missing[0]}, which was released.")


def _invalid(what: str) -> TREError:
    return TREError(Reason.BundleInvalid, what, remedy="Do not use these files; ask where you got them from.")
