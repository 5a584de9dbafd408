"""Everything about one grant in one file, for an inspection: verifiable offline, without this service.

Guarantees: the file holds the approval with its evidence, what was planned, every event about the grant, its
workspaces, slices, requests to leave and to come in, each with the proof of its place in the signed log, and the
certificate of destruction once there is one. A statement lists every file by its SHA-256; making the dossier is itself
an event that holds the statement's digest, and its proof is enclosed. So a file that was changed, left out or added
after that is found by whoever has the log's public key from elsewhere. Made and read in bounded memory for the size of
one grant.

Does not guarantee: that an event's words are true, that nothing happened after it was made, or that whoever
made it put everything in: that shows beside the whole log only (`tre audit export`). The signature of the
approval's own evidence is for whoever has its signer's key (`tre.sources.signed`). It holds no file that left,
no comment and no finding: those may quote data.

Threat: a story that is made kinder between whoever wrote it down and the inspector.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from tre.audit.certificate import as_html
from tre.audit.keys import PublicKey
from tre.audit.proof import InclusionProof, prove_event, prove_object, verify_proof
from tre.domain.canonical import canonical_bytes, digest, digest_of_bytes
from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import ExportRequest, Review
from tre.domain.grants.destruction import certificate
from tre.domain.grants.models import API_VERSION, GrantRecord
from tre.domain.grants.policies import effective_end
from tre.domain.grants.states import GrantPhase
from tre.domain.imports.models import ImportRequest
from tre.store import datasets, events, exports, grant_slices, grants, imports, workspaces

FORMAT = "tre-dossier/1"
MADE = "grant.dossier-made"
STATEMENT, PROOF = "statement.json", "statement-proof.json"
EVENTS, GRANT, CERTIFICATE, CERTIFICATE_PAGE = "events.jsonl", "grant.json", "certificate.json", "certificate.html"
MOST_FILES, MOST_BYTES = 1_000, 2**30
"""What is read of a file that somebody hands over: more is no dossier."""

README = """This file holds what one data access project did, for an inspection.

  grant.json            the approval with its evidence, and where it stands
  plans/                what was approved, slice by slice: counts, rejections, figures on privacy
  workspaces.json       who worked, when last
  exports.json          what was asked to leave, who decided, what left (by SHA-256)
  imports.json          what was let in
  events.jsonl          everything that happened, each line with the proof of its place in the signed log
  certificate.*         what was destroyed after the end, once it is
  statement.json        the SHA-256 of each of these files
  statement-proof.json  the proof that the signed log holds the digest of statement.json

Check it with the public key of the log, which you should have from elsewhere than this file:

  tre audit verify FILE.zip --key log.pub
"""


@dataclass(frozen=True)
class Verified:
    """A dossier that holds: which grant, when it was made, how many events it proves and which files it has."""

    grant: str
    made_at: datetime
    events: int
    files: tuple[str, ...]

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        made = self.made_at.isoformat()
        return {"ok": True, "grant": self.grant, "madeAt": made, "events": self.events, "files": list(self.files)}


# Making one.


def contents(connection: Connection, name: str) -> dict[str, bytes]:
    """Every file of a grant's dossier but the statement and its proof.

    Raises `TREError(GrantNotFound)`, `TREError(ServiceUnavailable)` while an event waits for its place in the log.
    """
    grant = grants.require(connection, name)
    slices = grant_slices.of_grant(connection, name)
    present = workspaces.of_grant(connection, name)
    asked, let_in = exports.of_grant(connection, name), imports.of_grant(connection, name)
    objects = [
        f"grant/{name}",
        f"organisation/{grant.spec.project.organisation.id}",
        *(f"slice/{item.slice_id}" for item in slices),
        *(f"workspace/{item.name}" for item in present),
        *(f"export/{item.id}" for item in asked),
        *(f"import/{item.id}" for item in let_in),
    ]
    files: dict[str, Any] = {
        GRANT: _grant(connection, grant, slices),
        "workspaces.json": [item.as_plain() for item in present],
        "exports.json": [_export(item) for item in asked],
        "imports.json": [_import(item) for item in let_in],
    }
    for item in slices:
        plan = datasets.get_plan(connection, item.plan_digest or grant.spec.signed_plan_digest(item.name))
        if plan is not None:
            files[f"plans/{item.name}.json"] = plan.as_plain()
    if grant.phase is GrantPhase.Closed:
        course = [stored.event for stored in events.of_object(connection, f"grant/{name}")]
        files[CERTIFICATE] = certificate(grant, course)
    made = {path: _json(value) for path, value in files.items()}
    if CERTIFICATE in files:
        made[CERTIFICATE_PAGE] = as_html(files[CERTIFICATE]).encode()
    return made | {EVENTS: _proofs(connection, objects), "README.txt": README.encode()}


def proof_of(connection: Connection, event: str) -> InclusionProof:
    """The proof that the log holds an event. Raises `TREError(ServiceUnavailable)` while it waits for its place."""
    proof = prove_event(connection, event)
    if proof is None:
        raise _waits()
    return proof


def _waits() -> TREError:
    return TREError(
        Reason.ServiceUnavailable,
        "An event of this project has no place in the signed log yet; no file was written.",
        why="The controller gives each event its place within a second, and it does not seem to run.",
        remedy="Start the services (`tre up`), then try again.",
    )


def statement_of(name: str, files: dict[str, bytes]) -> dict[str, Any]:
    """What the log is to vouch for: every file by its SHA-256."""
    digests = {path: digest_of_bytes(data) for path, data in sorted(files.items())}
    return {"format": FORMAT, "grant": name, "files": digests}


def write(path: Path, files: dict[str, bytes], statement: dict[str, Any], proof: InclusionProof) -> None:
    """Write the file; it must not exist yet. Raises `TREError(AlreadyExists)`."""
    whole = files | {STATEMENT: canonical_bytes(statement), PROOF: _json(proof.as_plain())}
    try:
        with path.open("xb") as opened, zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in sorted(whole.items()):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    except FileExistsError as error:
        raise TREError(
            Reason.AlreadyExists, f"{path} exists.", why="Nothing is overwritten.", remedy="Name another file."
        ) from error


def _grant(connection: Connection, grant: GrantRecord, slices: Sequence[grant_slices.StoredSlice]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "AccessGrant",
        "metadata": {"name": grant.name},
        "spec": grant.spec.as_plain(),
        "status": {
            "phase": grant.phase,
            "generation": grant.generation,
            "evidenceVerified": grant.evidence_verified,
            "effectiveEnd": effective_end(grant.spec).at.isoformat(),
            "suspensions": [item.as_plain() for item in grants.stored_suspensions(connection, grant)],
            "slices": [item.as_plain() for item in slices],
        },
    }


def _export(item: ExportRequest) -> dict[str, Any]:
    """A request without what people wrote and without findings."""
    return {
        "id": item.id,
        "state": item.state,
        "author": str(item.author),
        "policy": item.policy,
        "files": [
            {"path": file.path, "sha256": file.sha256, "size": file.size, "kind": file.kind} for file in item.files
        ],
        "reviews": [_review(one) for one in item.reviews if one.submitted_at is not None],
        "confirmation": None if item.confirmation is None else item.confirmation.as_plain(),
        "release": None if item.release is None else item.release.as_plain(),
    }


def _review(review: Review) -> dict[str, Any]:
    """A submitted review: one that was not is blind to everybody but its checker."""
    votes = [
        {"path": vote.path, "sha256": vote.sha256, "choice": vote.choice, "at": vote.at.isoformat()}
        for vote in review.votes
    ]
    return {"checker": str(review.checker), "turn": review.turn, "void": review.void, "votes": votes}


def _import(item: ImportRequest) -> dict[str, Any]:
    return {"id": item.id, "state": item.state, "manifest": item.manifest, "files": len(item.files)}


def _proofs(connection: Connection, objects: Sequence[str]) -> bytes:
    if any(stored.position is None for one in objects for stored in events.of_object(connection, one)):
        raise _waits()
    found = {proof.position: proof for one in objects for proof in prove_object(connection, one)}
    return b"".join(_json(found[position].as_plain()) for position in sorted(found))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str).encode() + b"\n"


# Checking one.

_NO_ARCHIVE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What the library raises for a file that cannot be read, was cut or changed, is encrypted, or packed in a way that is
unknown to it."""


def is_dossier(path: Path) -> bool:
    """Whether a file looks like one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return STATEMENT in archive.namelist()
    except _NO_ARCHIVE:
        return False


def verify(path: Path, keys: Sequence[PublicKey]) -> Verified:
    """Check every file, every proof and the statement's own.

    Raises `TREError(AuditBroken)` for what does not fit, `TREError(SignatureInvalid)` where no trusted key signed,
    `TREError(BadInput)` for what is no dossier.
    """
    files = _read(path)
    try:
        statement = json.loads(files.pop(STATEMENT))
        proof = InclusionProof.model_validate_json(files.pop(PROOF))
        proofs = [InclusionProof.model_validate_json(line) for line in files[EVENTS].splitlines()]
        claimed: dict[str, str] = dict(statement["files"])
        name = str(statement["grant"])
        fits = statement["format"] == FORMAT
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise _not_one(path) from error
    if not fits:
        raise _not_one(path)
    verify_proof(proof, keys)
    event = proof.event
    if (event.kind, event.object, event.detail.get("statement")) != (MADE, f"grant/{name}", digest(statement)):
        raise _broken("The log does not vouch for this statement.", "It was changed, or belongs to another dossier.")
    for wrong in sorted(files.keys() ^ claimed.keys()):
        raise _broken(f"{wrong!r} was {'added' if wrong in files else 'left out'}.", "The statement says otherwise.")
    for one, data in files.items():
        if digest_of_bytes(data) != claimed[one]:
            raise _broken(f"{one!r} was changed.", "It has another SHA-256 than the statement says.")
    for inner in proofs:
        verify_proof(inner, keys)
    return Verified(name, event.at, len(proofs), tuple(sorted(files)))


def _read(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            listed = archive.infolist()
            names = [item.filename for item in listed]
            if len(names) > MOST_FILES or sum(item.file_size for item in listed) > MOST_BYTES:
                raise _not_one(path)
            if len(set(names)) != len(names):
                raise _broken("It holds two files of one name.", "Which of them counts cannot be said.")
            return {item.filename: archive.read(item) for item in listed}
    except _NO_ARCHIVE as error:
        raise _not_one(path) from error


def _not_one(path: Path) -> TREError:
    return TREError(
        Reason.BadInput, f"{path} is no dossier.", why="Its form is another.", remedy="Make one: `tre audit dossier`."
    )


def _broken(what: str, why: str) -> TREError:
    return TREError(Reason.AuditBroken, what, why=why, remedy="Ask for the file again, from the source.")
