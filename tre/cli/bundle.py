"""`tre bundle`: for whoever receives a release. Needs the file and the operator's public key.

Guarantees: nothing else is read but a list of recalls where one is given, nothing is asked of anybody, nothing is
unpacked. Exit 0 only where every check holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape

from tre.airlock.bundle import BundleReport, verify_bundle, write_bag
from tre.airlock.recalls import RecallList, check_not_recalled
from tre.audit.keys import PUBLIC_KEY_FILE, PublicKey, load_public
from tre.cli.common import JsonOption, command, out, print_json, reading
from tre.domain.errors import Reason, TREError
from tre.domain.quantities import format_bytes
from tre.system.layout import Layout
from tre.system.settings import root_from

KeyOption = Annotated[Path | None, typer.Option(help="the operator's public key file")]
RootOfKey = Annotated[Path | None, typer.Option(help="the launcher's root directory, whose key is the default")]

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Release bundles, for their recipients.")


@app.callback()
def bundles() -> None:
    """Release bundles, for their recipients."""


@app.command("verify")
@command
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE.zip")],
    key: KeyOption = None,
    recalls: Annotated[Path | None, typer.Option(help="a list of recalls, from the operator")] = None,
    as_json: JsonOption = False,
    root: RootOfKey = None,
) -> None:
    """Verify a release bundle: its form, its files, its signature, its place in the audit log."""
    keys = _keys(key, root)
    with reading(file, "a release bundle"):
        report = verify_bundle(file, keys)
    listed = None if recalls is None else _recalls(recalls)
    if listed is not None:
        check_not_recalled(report.request, listed, keys)
    if as_json:
        until = {} if listed is None else {"notRecalledUntil": listed.at.isoformat()}
        print_json({"verified": True, **until, **report.as_plain()})
    else:
        _print(report, listed)


@app.command("bag")
@command
def write(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE.zip")],
    target: Annotated[Path, typer.Argument(metavar="TARGET.zip", help="is written; must not exist yet")],
    key: KeyOption = None,
    root: RootOfKey = None,
) -> None:
    """Verify a bundle and write it as a BagIt bag that holds a Five Safes RO-Crate."""
    if target.exists():
        raise TREError(Reason.BadInput, f"{target} exists already.", remedy="Name a file that does not.")
    with reading(file, "a release bundle"):
        report = write_bag(file, _keys(key, root), target)
    out.print(f"{target}: release {report.request} as a bag", highlight=False)


def _keys(key: Path | None, root: Path | None) -> tuple[PublicKey, ...]:
    public = key or Layout(root_from(root)).keys / PUBLIC_KEY_FILE
    with reading(public, "the operator's public key, one line of text"):
        return load_public(public)


def _recalls(path: Path) -> RecallList:
    with reading(path, "a list of recalls, as `tre export recalls` writes it"):
        try:
            return RecallList.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise TREError(
                Reason.BadInput, f"{path} is no list of recalls.", remedy="Ask the operator for it again."
            ) from error


def _print(report: BundleReport, listed: RecallList | None) -> None:
    total = sum(file.size for file in report.files)
    people = ", ".join(str(person) for person in report.checkers)
    lines = [
        f"[green]verified[/] release {report.request} of {escape(report.grant)}",
        f"  files       {len(report.files)} ({format_bytes(total)} bytes in all), each as approved",
        f"  decided by  {escape(people)}; approved {report.approved_at:%Y-%m-%d %H:%M:%S} UTC",
        f"  project     {escape(report.project)} ({escape(report.reference)})",
        f"  policy      {escape(report.policy)} {report.policy_sha256}",
        f"  exceptions  {report.exceptions}",
        f"  logged by   {report.logged_by:%Y-%m-%d %H:%M:%S} UTC, key {escape(report.key)}",
    ]
    if listed is not None:
        lines.append(f"  recalled    no, as of {listed.at:%Y-%m-%d %H:%M:%S} UTC")
    for line in lines:
        out.print(line, highlight=False)
