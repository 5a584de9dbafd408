"""A release as an RO-Crate of the Five Safes profile: what other research environments read.

Guarantees: the crate is made of the signed document alone, so that the same release always gives the same bytes and
whoever verifies a bundle can make it again and compare; every released file has its entry with size and SHA-256; who
checked, by which policy and when stand as an assessment whose status is machine-readable.

Does not guarantee: proof. The crate says what the signed document says; the document beside it is what is signed.

Sources: RO-Crate 1.1; Five Safes RO-Crate 0.4, phases "sign-off" and "disclosure"; BagIt (RFC 8493).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from tre.airlock.release import ReleasedFile, ReleaseDocument, Statement
from tre.domain.canonical import canonical_bytes
from tre.domain.exports.models import Choice

METADATA_NAME = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/5s-crate/0.4"

_CONTEXT = "https://w3id.org/ro/crate/1.1/context"
_SPECIFICATION = "https://w3id.org/ro/crate/1.1"
_COMPLETED = "http://schema.org/CompletedActionStatus"
_MEDIA_TYPES = {
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "text": "text/plain",
    "log": "text/plain",
    "markdown": "text/markdown",
    "json": "application/json",
    "html": "text/html",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
}

Entity = dict[str, Any]


def _reference(identifier: str) -> Entity:
    return {"@id": identifier}


def metadata(document: ReleaseDocument, folder: str) -> bytes:
    """The crate's metadata; `folder` is where the released files lie, with its slash."""
    statement = document.statement
    files = [_file(file, folder) for file in statement.files]
    actions = [_disclosure_check(statement, folder), _confirmation(statement)]
    graph = [
        {
            "@id": METADATA_NAME,
            "@type": "CreativeWork",
            "about": _reference("./"),
            "conformsTo": _reference(_SPECIFICATION),
        },
        _root(statement, files, actions),
        {"@id": PROFILE, "@type": "Profile", "name": "Five Safes RO-Crate profile"},
        _project(statement),
        _policy(statement),
        {
            "@id": "release.json",
            "@type": "File",
            "name": "The signed statement of this release and its proof",
            "encodingFormat": "application/json",
        },
        *files,
        *actions,
        *_people(statement),
    ]
    return canonical_bytes({"@context": _CONTEXT, "@graph": graph})


def _root(statement: Statement, files: list[Entity], actions: list[Entity]) -> Entity:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Release {statement.request}",
        "description": f"Files of “{statement.project.title}” that left a trusted research environment.",
        "identifier": statement.request,
        "datePublished": statement.confirmation.at.isoformat(),
        "license": "Decided by the project: see its own terms.",
        "conformsTo": _reference(PROFILE),
        "sourceOrganization": _reference("#project"),
        "hasPart": [*(_reference(file["@id"]) for file in files), _reference("release.json")],
        "mentions": [_reference(action["@id"]) for action in actions],
    }


def _project(statement: Statement) -> Entity:
    """The project: by its title, its grant's name, and the reference under which it was approved."""
    return {
        "@id": "#project",
        "@type": "Project",
        "name": statement.project.title,
        "identifier": [statement.grant, statement.project.reference],
    }


def _file(file: ReleasedFile, folder: str) -> Entity:
    return {
        "@id": quote(folder + file.path),
        "@type": "File",
        "name": file.path,
        "contentSize": str(file.size),
        "sha256": file.sha256,
        "encodingFormat": _MEDIA_TYPES.get(file.type, "application/octet-stream"),
    }


def _policy(statement: Statement) -> Entity:
    return {
        "@id": "#policy",
        "@type": "CreativeWork",
        "name": f"Output policy {statement.policy.name}",
        "identifier": f"sha256:{statement.policy.sha256}",
        "description": "Its whole text stands in release.json, under statement.criteria.",
    }


def _disclosure_check(statement: Statement, folder: str) -> Entity:
    approvals = [decision for decision in statement.decisions if decision.choice is Choice.Approved]
    agents = sorted({str(decision.by) for decision in approvals})
    return {
        "@id": "#disclosure",
        "@type": "AssessAction",
        "additionalType": _reference("https://w3id.org/shp#DisclosureCheck"),
        "name": f"Disclosure check by {len(agents)} people: approved",
        "startTime": min(decision.at for decision in approvals).isoformat(),
        "endTime": max(decision.submitted_at for decision in approvals).isoformat(),
        "object": [_reference(quote(folder + file.path)) for file in statement.files],
        "instrument": _reference("#policy"),
        "agent": [_reference(_person_id(agent)) for agent in agents],
        "actionStatus": _COMPLETED,
    }


def _confirmation(statement: Statement) -> Entity:
    return {
        "@id": "#signoff",
        "@type": "AssessAction",
        "additionalType": _reference("https://w3id.org/shp#SignOff"),
        "name": "Release confirmed by hand: approved",
        "endTime": statement.confirmation.at.isoformat(),
        "object": [_reference("./"), _reference("#project")],
        "instrument": _reference("#policy"),
        "agent": _reference(_person_id(str(statement.confirmation.by))),
        "actionStatus": _COMPLETED,
    }


def _people(statement: Statement) -> Iterator[Entity]:
    subjects = {str(decision.by) for decision in statement.decisions}
    for name in sorted(subjects | {str(statement.author), str(statement.confirmation.by)}):
        yield {"@id": _person_id(name), "@type": "Person", "name": name}


def _person_id(name: str) -> str:
    return f"#person-{quote(name, safe='')}"


def bag(entries: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """The same entries as a BagIt bag with SHA-512 manifests, which the Five Safes profile asks for."""
    payload = [(f"data/{name}", data) for name, data in entries]
    tags = [
        ("bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"),
        ("manifest-sha512.txt", _manifest(payload)),
    ]
    yield from tags
    yield "tagmanifest-sha512.txt", _manifest(tags)
    yield from payload


def _manifest(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """Checksums by path; a percent sign is written as `%25` (RFC 8493, 2.1.3: line ends cannot be in a name here)."""
    lines = (f"{hashlib.sha512(data).hexdigest()}  {name.replace('%', '%25')}\n" for name, data in entries)
    return "".join(lines).encode()
