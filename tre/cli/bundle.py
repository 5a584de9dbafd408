"""`tre bundle verify FILE.zip`: for whoever receives a release. Needs the file and the operator's public key.

Guarantees: nothing else is read, nothing is asked of anybody, nothing is unpacked. Exit 0 only where every check holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tre.airlock.bundle import BundleReport, verify_bundle
from tre.audit.keys import PUBLIC_KEY_FILE, load_public
from tre.cli.common import JsonOption, command, out, print_json, reading
from tre.domain.quantities import format_bytes
from tre.system.layout import Layout
from tre.system.settings import root_from

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Release bundles, for their recipients.")


@app.callback()
def bundles() -> None:
    """Release bundles, for their recipients."""


@app.command("verify")
@command
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE.zip")],
    key: Annotated[Path | None, typer.Option(help="the operator's public key file")] = None,
    as_json: JsonOption = False,
    root: Annotated[Path | None, typer.Option(help="the launcher's root directory, whose key is the default")] = None,
) -> None:
    """Verify a release bundle: its form, its files, its signature, its place in the audit log."""
    public = key or Layout(root_from(root)).keys / PUBLIC_KEY_FILE
    with reading(public, "the operator's public key, one line of text"):
        keys = load_public(public)
    with reading(file, "a release bundle"):
        report = verify_bundle(file, keys)
    if as_json:
        print_json({"verified": True, **report.as_plain()})
    else:
        _print(report)


def _print(report: BundleReport) -> None:
    total = sum(file.size for file in report.files)
    people = ", ".join(str(person) for person in report.checkers)
    lines = [
        f"[green]verified[/] release {report.request} of {escape(report.grant)}",
        f"  files       {len(report.files)} ({format_bytes(total)} bytes in all), each as approved",
        f"  decided by  {escape(people)}; approved {report.approved_at:%Y-%m-%d %H:%M:%S} UTC",
        f"  policy      {escape(report.policy)} {report.policy_sha256}",
        f"  exceptions  {report.exceptions}",
        f"  logged by   {report.logged_by:%Y-%m-%d %H:%M:%S} UTC, key {escape(report.key)}",
    ]
    for line in lines:
        out.print(line, highlight=False)
