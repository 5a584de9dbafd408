"""`tre backup`, `tre restore`, `tre reopen`: what survives the loss of a machine, and how it comes back.

Guarantees: a passphrase is read from a file or a pipe, never from an argument or the environment, which other programs
of the machine can see.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tre.audit.checkpoint import parse
from tre.backup import reopening
from tre.backup.drill import DRILLED, try_backup
from tre.backup.gather import LEFT_OUT
from tre.backup.make import BACKED_UP, Made, Source, make_backup
from tre.backup.restore import Terms, Verified, check_root, verify_backup
from tre.backup.restore import restore as lay_down
from tre.backup.seal import read_passphrase
from tre.backup.sets import Manifest, Place
from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command, operator, reading
from tre.cli.installing import complete
from tre.domain.errors import Reason, TREError
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.settings import root_from

PlaceArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The directory of backups.")]
PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File with the passphrase that seals the keys; - reads standard input."),
]


@command
def backup(
    directory: PlaceArgument,
    passphrase_file: PassphraseOption = None,
    listing: Annotated[bool, typer.Option("--list", help="List the backups there, and make none.")] = False,
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, metavar="N", help="Let older backups go until N are left.")
    ] = None,
    drill: Annotated[
        bool, typer.Option("--drill", help="Make none: restore the newest beside them, look at it, remove it.")
    ] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up the record, the vault, policies, settings and, sealed, the keys, while everything runs.

    Not in it: data sets, slices and homes, which the storage's own backup keeps. Later backups to the same directory
    add only what is new.
    """
    place = Place(directory)
    if listing:
        _list(place, as_json=as_json)
        return
    passphrase = _passphrase(passphrase_file)
    here = Installation.open(root)
    if drill:
        _drill(here, place, passphrase, as_json=as_json)
        return
    made = make_backup(Source(here.layout, here.settings, here.clock.now()), place, passphrase, most=keep)
    manifest = made.manifest
    detail = {"record": manifest.record.sha256, "events": manifest.record.events, "files": len(manifest.files)}
    with here.database.change(here.event(BACKED_UP, f"backup/{manifest.name}", **detail)):
        pass
    if as_json:
        common.print_json(
            _plain(manifest) | {"added": made.added, "addedBytes": made.added_bytes, "gone": list(made.gone)}
        )
    else:
        _say_made(made)
    if manifest.missing:
        raise typer.Exit(1)


def _drill(here: Installation, place: Place, passphrase: bytes, *, as_json: bool) -> None:
    terms = Terms((), 0, operator(), here.clock.now())
    found = try_backup(place, passphrase, terms, place.directory)
    with here.database.change(here.event(DRILLED, f"backup/{found.name}", files=found.files, events=found.events)):
        pass
    if as_json:
        common.print_json({"name": found.name, "files": found.files, "events": found.events})
    else:
        size = f"{found.events} events, {found.files} files"
        common.out.print(f"{found.name} can be restored: {size} came back, and were removed again.", highlight=False)


def _list(place: Place, *, as_json: bool) -> None:
    found = [place.read(name).manifest for name in place.names()]
    if as_json:
        common.print_json([_plain(one) for one in found])
        return
    rows = [(one.name, one.base, one.record.events, len(one.files), len(one.missing)) for one in found]
    common.print_table("", ("backup", "of", "events", "files", "missing"), rows)


def _plain(manifest: Manifest) -> dict[str, Any]:
    facts = manifest.record
    return {
        "name": manifest.name,
        "at": manifest.at.isoformat(),
        "base": manifest.base,
        "events": facts.events,
        "revision": facts.revision,
        "denySets": facts.deny_versions,
        "files": len(manifest.files),
        "bytes": facts.size + sum(entry.size for entry in manifest.files),
        "missing": list(manifest.missing),
        "leftOut": list(manifest.left_out),
    }


def _say_made(made: Made) -> None:
    manifest = made.manifest
    size = f"{manifest.record.events} events, {len(manifest.files)} files"
    common.out.print(f"{manifest.name}: {size}; {made.added} new, {made.added_bytes:,} bytes.", highlight=False)
    if made.gone:
        common.out.print(f"Gone: {', '.join(made.gone)}.", highlight=False)
    common.out.print("Not in it:", highlight=False)
    for path, why in LEFT_OUT.items():
        if path in {"data", "work"}:
            common.out.print(f"  {path}/  {why}", highlight=False)
    for path in manifest.left_out:
        common.out.print(f"  {path}  no plain file", markup=False, highlight=False)
    for path in manifest.missing:
        common.out.print(f"missing: the record names {path}, and it is not there", markup=False, style="red")


@command
def restore(
    directory: PlaceArgument,
    passphrase_file: PassphraseOption = None,
    name: Annotated[str | None, typer.Option("--backup", help="Which one [the newest].")] = None,
    seen: Annotated[
        list[Path] | None,
        typer.Option("--seen", help="A checkpoint of the log kept elsewhere; repeatable. The newest one you can find."),
    ] = None,
    no_witness: Annotated[
        bool, typer.Option("--no-witness", help="No checkpoint was kept elsewhere: nobody can say what is lost.")
    ] = False,
    accept_loss: Annotated[
        int, typer.Option("--accept-loss", min=0, metavar="EVENTS", help="The number of events known to be lost.")
    ] = 0,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="An empty database of a PostgreSQL server, for the record.")
    ] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a backup and put it back into a new root, closed until `tre reopen`."""
    if bool(seen) == no_witness:
        raise typer.BadParameter("name a checkpoint kept elsewhere with --seen, or say --no-witness")
    passphrase = _passphrase(passphrase_file)
    layout, place = Layout(root_from(root)), Place(directory)
    check_root(layout.root)
    terms = Terms(tuple(_note(path) for path in seen or ()), accept_loss, operator(), SystemClock().now(), database_url)
    verified = verify_backup(place, place.read(name), passphrase, terms)
    lay_down(place, verified, layout.root, terms)
    complete(layout)
    if as_json:
        common.print_json(_plain(verified.manifest) | {"root": str(layout.root), "lost": verified.lost})
    else:
        _say_restored(layout.root, verified)


def _say_restored(root: Path, verified: Verified) -> None:
    manifest = verified.manifest
    common.out.print(
        f"{manifest.name} is back in {root}, as of {common.when(manifest.at)}; {verified.lost} signed events are lost.",
        highlight=False,
    )
    versions = manifest.record.deny_versions
    common.print_table("opt-outs known", ("data set", "deny set at version"), versions.items())
    common.out.print(
        "It is closed. Next: put data/ and work/ back from the storage's backup; revoke again what was revoked since; "
        "ask each custodian for the lists since that moment and apply them with `tre withdraw`; then "
        f"`tre reopen {' '.join(f'{key}=VERSION' for key in versions)}` and `tre up`.",
        markup=False,
        highlight=False,
    )


@command
def reopen(
    told: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DATASET=VERSION]…", help="Every data set with its deny set's version."),
    ] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """After a restore, when every later list of opt-outs was applied: let the services start."""
    here = Installation.open(root)
    versions = dict(_version(text) for text in told or ())
    event = here.event("record.reopened", "record/opt-outs", denySets=versions)
    reopening.reopen(here.database, event, versions)
    if as_json:
        common.print_json({"denySets": versions})
    else:
        common.out.print(f"Open. Next: [bold]tre up --root {here.layout.root}[/]", highlight=False)


def _version(text: str) -> tuple[str, int]:
    name, separator, number = text.partition("=")
    if not separator or not number.isascii() or not number.isdecimal() or len(number) > 9:
        raise TREError(
            Reason.BadInput,
            f"{text!r} names no data set with a version.",
            why="What is due is DATASET=VERSION, for example nccid=4.",
            remedy="`tre dataset list` shows the data sets.",
        )
    return name, int(number)


def _note(path: Path) -> str:
    with reading(path, "a signed checkpoint of the log"):
        try:
            note = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "It is not text in UTF-8"
            raise TREError(Reason.BadInput, f"{path} cannot be read.", why=f"{why}.") from error
        parse(note)
        return note


def _passphrase(path: Path | None) -> bytes:
    if path is None:
        raise TREError(
            Reason.BadInput,
            "The passphrase is missing.",
            why="Keys leave this machine sealed only.",
            remedy="Name the file that holds it with --passphrase-file; - reads standard input.",
        )
    return read_passphrase(path)
