"""`tre grant archive`: what may be kept of a project for good, as one bag (RFC 8493) that needs no launcher to read.

Guarantees: it holds what people released, byte for byte as on record and verified, and what was approved; nothing that
lay in a home, and nothing that was recalled. Handing it out is an event. A bundle that does not hold its bytes any more
stops everything: an archive that silently lacks something would be found out years later.

Does not guarantee: that code is in it. What a project wants to keep of its code, it has released before the end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tre.airlock.archive import write_archive
from tre.airlock.bundle import verify_bundle
from tre.airlock.crate import bag
from tre.audit.keys import PUBLIC_KEY_FILE, PublicKey, load_public
from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import ExportRequest
from tre.domain.exports.states import ExportState
from tre.domain.grants.destruction import certificate
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.states import GrantPhase
from tre.store import events, exports, grants

MADE = "grant.archived"
LEFT = frozenset({ExportState.Released, ExportState.Recalled})

Entry = tuple[str, bytes]


@command
def write_kept(
    name: Annotated[str, typer.Argument(metavar="GRANT", help="The grant's name.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="Is written; it must not exist yet.")],
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what may be kept of a project into a bag: its approval, and everything that was released."""
    if file.exists():
        raise TREError(Reason.AlreadyExists, f"{file} exists.", why="Nothing is overwritten.", remedy="Name another.")
    here = Installation.open(root)
    with here.database.read() as connection:
        grant = grants.require(connection, name)
        left = [one for one in exports.of_grant(connection, name) if one.state in LEFT]
        course = [stored.event for stored in events.of_object(connection, f"grant/{name}")]
    released = [one for one in left if one.state is ExportState.Released]
    recalled = [one.id for one in left if one.state is ExportState.Recalled]
    entries = [("README.md", _readme(grant, released, recalled).encode()), ("project.json", _plain(_project(grant)))]
    if grant.phase is GrantPhase.Closed:
        entries.append(("certificate.json", _plain(certificate(grant, course))))
    entries += _bundles(here, released)
    digest = _write(file, entries)
    with here.database.change(here.event(MADE, f"grant/{name}", sha256=digest, releases=len(released))):
        pass  # the event is all there is to keep
    if as_json:
        said = {"file": str(file), "sha256": digest, "releases": [one.id for one in released], "recalled": recalled}
        common.print_json({"grant": name, **said})
        return
    common.out.print(f"{len(released)} releases of {name} written to {file} (SHA-256 {digest}).", highlight=False)


def _bundles(here: Installation, released: Sequence[ExportRequest]) -> Iterator[Entry]:
    """Every bundle after both looks at it: its digest on record, and what a recipient verifies."""
    keys: tuple[PublicKey, ...] = load_public(here.layout.keys / PUBLIC_KEY_FILE) if released else ()
    for one in released:
        path = here.layout.releases / f"{one.id}.zip"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _lost(one, f"{path}: {error.strerror}.") from error
        if one.release is None or hashlib.sha256(data).hexdigest() != one.release.bundle_sha256:
            raise _lost(one, f"The bytes of {path} are not those on record.")
        verify_bundle(path, keys)
        yield f"releases/{one.id}.zip", data


def _lost(request: ExportRequest, why: str) -> TREError:
    what = f"The release {request.id} cannot be archived."
    return TREError(Reason.ContentChanged, what, why=why, remedy="Bring it back from the backup; nothing was written.")


def _write(file: Path, entries: Sequence[Entry]) -> str:
    """Write the bag, whole or not at all; its SHA-256."""
    made = file.with_name(f".{file.name}.unfinished")
    try:
        with made.open("wb") as written:
            write_archive(written, bag(entries))
        with made.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        made.rename(file)
    finally:
        made.unlink(missing_ok=True)
    return digest


def _project(grant: GrantRecord) -> dict[str, Any]:
    return {"grant": grant.name, "phase": grant.phase.value, "approval": grant.spec.as_plain()}


def _plain(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"


def _readme(grant: GrantRecord, released: Sequence[ExportRequest], recalled: Sequence[str]) -> str:
    lines = [f"# {grant.spec.project.title}", "", f"Project {grant.name}, {grant.spec.approval.reference}.", ""]
    lines += [
        "`project.json` is what was approved. Each file below `releases/` is what two people let out at one time, with",
        "who decided and the proof of it; `tre bundle verify FILE.zip --key KEY` checks one anywhere.",
        "",
        *(f"* `releases/{one.id}.zip`: {len(one.outputs)} files" for one in released),
    ]
    if recalled:
        lines += ["", f"Recalled, and not to be used any more: {', '.join(recalled)}."]
    return "\n".join(lines) + "\n"
