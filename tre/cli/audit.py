"""`tre audit`: read the log, verify it, prove what is in it, take it away.

`verify` needs the public key and either the database or an exported file; with `--key` and a file it needs no
installation, so that anybody outside can run it. Exit code 1 means that something does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.table import Table
from rich.text import Text

from tre.audit import dossier as dossiers
from tre.audit import proof as proofs
from tre.audit.checkpoint import Checkpoint, SignedCheckpoint, open_note
from tre.audit.export import FORMAT as EXPORT_FORMAT
from tre.audit.export import export_log, verify_export
from tre.audit.keys import PUBLIC_KEY_FILE, PublicKey, load_public, parse_public
from tre.audit.lock import FileLock, lock_path
from tre.audit.places import read_notes
from tre.audit.replay import VerifyReport
from tre.audit.verify import OVERDUE, Expectations, verify_log
from tre.audit.witness import FileWitness, witness_path
from tre.cli.audit_feed import feed
from tre.cli.audit_keys import rotate_key
from tre.cli.common import Installation, JsonOption, RootOption, command, out, print_json, reading, when
from tre.cli.dossier import dossier
from tre.domain.errors import Reason, TREError
from tre.domain.model import parse_record
from tre.store.changes import ChangeFeed
from tre.store.events import EventSearch, StoredEvent, after, by_id, last_number, search
from tre.system.layout import Layout
from tre.system.settings import root_from

app = typer.Typer(help="The signed log of everything that happened.", no_args_is_help=True)

KeyOption = Annotated[Path | None, typer.Option("--key", help="Public key of the log [the installation's].")]
SeenOption = Annotated[
    list[Path] | None, typer.Option("--seen", help="A checkpoint kept elsewhere; the log must go on from it.")
]


@app.command()
@command
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An exported log, a proof or a dossier; without it, the database.")
    ] = None,
    root: RootOption = None,
    key: KeyOption = None,
    seen: SeenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute the whole log and compare it with what was signed."""
    keys = _public_keys(root, key)
    kept = [found for path in seen or [] for found in _checkpoints_in(path)]
    if file is None:
        report = _verify_database(Installation.open(root), keys, kept)
    elif dossiers.is_dossier(file):
        _verify_dossier(file, keys, as_json=as_json)
        return
    elif (claimed := _proofs_in(file)) is not None:
        with reading(file, "proofs that `tre audit prove` printed"):
            _verify_proofs(claimed, keys, as_json=as_json)
        return
    else:
        with _opened(file) as opened, reading(file, "an audit log that `tre audit export` wrote"):
            report = verify_export(opened, keys, [found.checkpoint for found in kept])
    if not (report.breaks and report.faults):  # else it is told below whose checkpoints do not count, and why
        for found in kept:
            open_note(found.note(), [parse_public(line) for line in report.keys])
    _show(report, as_json=as_json)
    if not report.ok:
        raise typer.Exit(1)


@app.command()
@command
def tail(
    root: RootOption = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=1000, help="How many events to begin with.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events happen.")] = False,
    about: Annotated[str | None, typer.Option("--object", help="Only this object, such as grant/NAME.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Only this kind, such as grant.revoked.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest events; with --follow, the coming ones too (with --json, one JSON document a line)."""
    installation = Installation.open(root)
    values = {"object": about, "kind": kind, "limit": lines}
    wanted = parse_record(EventSearch, values, source="what was typed")
    feed = ChangeFeed(installation.database)
    with installation.database.read() as connection:
        found = search(connection, wanted)[::-1]
        last = last_number(connection)
    _print_events(found, as_json=as_json, lines=follow)
    while follow:
        feed.wait(1.0)
        with installation.database.read() as connection:
            coming = after(connection, last)
        last = coming[-1].number if coming else last
        _print_events([item for item in coming if _fits(item, wanted)], as_json=as_json, lines=True)


@app.command()
@command
def prove(
    what: Annotated[str | None, typer.Argument(help="An event's id, or an object such as grant/NAME.")] = None,
    root: RootOption = None,
    since: Annotated[Path | None, typer.Option("--since", help="Prove growth since this checkpoint instead.")] = None,
) -> None:
    """Print the proof that an event is in the log, or that the log only grew, as JSON for `tre audit verify FILE`."""
    if (what is None) == (since is None):
        raise typer.BadParameter("name an event or an object, or a checkpoint with --since")
    installation = Installation.open(root)
    with installation.database.read() as connection:
        if since is not None:
            note = _text(since)
            earlier = _checkpoint_in(since, _public_keys(root, None))
            print_json(proofs.prove_growth(connection, earlier, note).as_plain())
            return
        about = str(what)
        if "/" in about:
            found = proofs.prove_object(connection, about)
            if not found:
                raise _no_event(f"There is no event about {about!r} in the signed log.")
            print_json([item.as_plain() for item in found])
            return
        if by_id(connection, about) is None:
            raise _no_event(f"There is no event {about!r}.")
        proof = proofs.prove_event(connection, about)
    if proof is None:
        raise TREError(
            Reason.ServiceUnavailable,
            f"Event {about} waits for its place in the log.",
            why="The controller gives each event its place, a second after it happened.",
            remedy="Try again in a second; `tre status` says whether the controller runs.",
        )
    print_json(proof.as_plain())


@app.command()
@command
def export(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")],
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the whole signed log to a file that `tre audit verify FILE --key KEY` checks anywhere."""
    installation = Installation.open(root)
    try:
        with file.open("xb") as opened:
            size = export_log(installation.database, opened)
    except FileExistsError as error:
        raise TREError(
            Reason.AlreadyExists,
            f"{file} exists.",
            why="An export never overwrites anything.",
            remedy="Name another file.",
        ) from error
    if as_json:
        print_json({"file": str(file), "events": size})
    else:
        out.print(f"{size} events written to {file}.", highlight=False)


app.command()(dossier)
app.command()(rotate_key)
app.command()(feed)


def _public_keys(root: Path | None, key: Path | None) -> tuple[PublicKey, ...]:
    path = key or Layout(root_from(root)).keys / PUBLIC_KEY_FILE
    with reading(path, "the public key of the log, one line of text"):
        return load_public(path)


def _checkpoint_in(path: Path, keys: tuple[PublicKey, ...]) -> Checkpoint:
    with reading(path, "a signed checkpoint of the log"):
        return open_note(_text(path), keys)


def _checkpoints_in(path: Path) -> list[SignedCheckpoint]:
    """Those of a file that holds one, or a line for each; whether they are signed shows when the log was read."""
    with reading(path, "a signed checkpoint of the log, or lines with one each"):
        return read_notes(_text(path))


def _no_event(what: str) -> TREError:
    return TREError(
        Reason.BadInput,
        what,
        why="An event is named by its id, an object as KIND/NAME.",
        remedy="See `tre audit tail`.",
    )


def _verify_database(
    installation: Installation, keys: tuple[PublicKey, ...], kept: list[SignedCheckpoint]
) -> VerifyReport:
    """Verify the database with everything that was kept; what is kept by this launcher itself is added to `kept`."""
    witnessed = FileWitness(witness_path(installation.layout.root)).last()
    if witnessed is not None:
        kept.append(witnessed)
    for one in installation.settings.witnesses:
        if one.file is not None and (path := installation.layout.root / one.file).is_file():
            kept += _checkpoints_in(path)
    runs = FileLock(lock_path(installation.layout.run)).is_held()
    overdue = installation.clock.now() - OVERDUE if runs else None
    seen = tuple(found.checkpoint for found in kept)
    return verify_log(installation.database, keys, Expectations(seen, overdue))


def _show(report: VerifyReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report.as_plain())
        return
    signed = f"{report.checkpoints} checkpoints, the last of {when(report.signed_at)}" if report.signed_at else "none"
    out.print(f"Events: {report.size}. Checkpoints: {signed}. Waiting: {report.waiting}.", highlight=False)
    for item in report.breaks:
        out.print(f"[yellow]A break[/] at {item.position}. {item.message}", highlight=False)
    if report.ok:
        out.print(f"[green]Everything fits.[/] Root {report.root}", highlight=False)
        return
    table = Table(title=f"{len(report.faults)} things do not fit", title_justify="left")
    for column in ("position", "looks like", "what was found"):
        table.add_column(column, overflow="fold")
    for fault in report.faults[:100]:
        table.add_row(str(fault.position), fault.looks_like, fault.message)
    out.print(table)


def _proofs_in(file: Path) -> list[proofs.InclusionProof | proofs.ConsistencyProof] | None:
    """The proofs that a file holds; `None` where it holds something else."""
    with _opened(file) as opened:
        if EXPORT_FORMAT.encode() in opened.read(200):
            return None  # it may be long, and is read line by line
    try:
        value = json.loads(_text(file))
    except (ValueError, RecursionError):
        return None
    claimed: list[Any] = value if isinstance(value, list) else [value]
    if not claimed or not all(isinstance(item, dict) and item.get("format") in _PROOFS for item in claimed):
        return None
    return [parse_record(_PROOFS[item["format"]], item, source=str(file)) for item in claimed]


_PROOFS: dict[str, type[proofs.InclusionProof | proofs.ConsistencyProof]] = {
    "tre-audit-inclusion/1": proofs.InclusionProof,
    "tre-audit-consistency/1": proofs.ConsistencyProof,
}


def _verify_proofs(
    claimed: list[proofs.InclusionProof | proofs.ConsistencyProof], keys: tuple[PublicKey, ...], *, as_json: bool
) -> None:
    found: list[Checkpoint] = []
    for item in claimed:
        if isinstance(item, proofs.InclusionProof):
            found.append(proofs.verify_proof(item, keys))
        else:
            found.append(proofs.verify_growth(item, keys))
    size, at = found[-1].size, found[-1].at
    if as_json:
        print_json({"ok": True, "proofs": len(claimed), "size": size, "signedAt": at.isoformat()})
    else:
        out.print(f"[green]{len(claimed)} proven[/] in the log of {size} events, signed {when(at)}.", highlight=False)


def _verify_dossier(file: Path, keys: tuple[PublicKey, ...], *, as_json: bool) -> None:
    with reading(file, "a dossier that `tre audit dossier` wrote"):
        found = dossiers.verify(file, keys)
    if as_json:
        print_json(found.as_plain())
        return
    proven = f"{len(found.files)} files and {found.events} events about {found.grant}"
    out.print(f"[green]verified[/] {proven}, as of {when(found.made_at)}.", highlight=False)


def _print_events(found: Iterable[StoredEvent], *, as_json: bool, lines: bool) -> None:
    if as_json and not lines:
        print_json([item.as_plain() for item in found])
        return
    table = Table(show_header=not lines, box=None)
    for column in ("number", "position", "when", "kind", "object", "who", "detail"):
        table.add_column(column, overflow="fold")
    for item in found:
        if as_json:
            typer.echo(json.dumps(item.as_plain(), sort_keys=True))
            continue
        event = item.event
        position = "waits" if item.position is None else str(item.position)
        detail = json.dumps(event.detail, ensure_ascii=False, sort_keys=True)
        cells = (str(item.number), position, when(event.at), event.kind, event.object, str(event.actor), detail)
        table.add_row(*(Text(_harmless(cell)) for cell in cells))
    if table.row_count:
        out.print(table)


def _fits(item: StoredEvent, wanted: EventSearch) -> bool:
    return wanted.object in (None, item.event.object) and wanted.kind in (None, item.event.kind)


def _harmless(text: str) -> str:
    """Text that cannot steer the terminal it is shown on."""
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise TREError(
            Reason.BadInput,
            f"{path} cannot be read.",
            why=f"{error.strerror}.",
            remedy="Name a file that you may read.",
        ) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "It is not text in UTF-8"
        raise TREError(
            Reason.BadInput,
            f"{path} cannot be read as text.",
            why=f"{why}.",
            remedy="Name a text file that you may read.",
        ) from error
