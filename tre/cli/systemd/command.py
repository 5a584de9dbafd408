"""`tre install --systemd`: units for the services of an installation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tre.cli import common
from tre.cli.common import RootOption, command, require_record
from tre.cli.systemd import install as units
from tre.cli.systemd.units import TARGET, Nightly, files
from tre.domain.errors import Reason, TREError
from tre.system.layout import Layout
from tre.system.paths import CHECKOUT
from tre.system.settings import Settings, load_settings, root_from
from tre.system.transport import check_transport


@command
def install(
    systemd: Annotated[bool, typer.Option("--systemd", help="As units of systemd; there is no other way yet.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the units of this installation away.")] = False,
    prefix: Annotated[Path, typer.Option(metavar="DIR", help="Directory that stands for /.")] = Path("/"),
    backup: Annotated[Path | None, typer.Option("--backup", metavar="DIR", help="Back up to it every night.")] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", help="File with the passphrase that seals a backup's keys.")
    ] = None,
    root: RootOption = None,
) -> None:
    """Let systemd start the services of an installation, each behind walls of its own. Workspaces outlive them."""
    layout = Layout(root_from(root))
    settings = load_settings(layout.root)
    nightly = _nightly(backup, passphrase_file)
    _check(systemd, layout, settings, prefix)
    wanted = {} if remove else files(layout, settings, nightly)
    if not remove:
        check_transport(settings)
        walked = [layout.root, CHECKOUT, Path(sys.prefix), Path(sys.base_prefix)]
        units.check_places(walked, [] if nightly is None else [nightly.directory])
    changes = units.planned(layout, wanted, prefix)
    for change in changes:
        common.out.print(change.diff(), markup=False, highlight=False, end="")
    if dry_run or not changes:
        common.out.print(f"{len(changes)} files would change." if changes else "Nothing to change.", highlight=False)
        return
    units.carry_out(changes)
    common.out.print(f"{len(changes)} files changed.\nNext: {_next(remove)}", highlight=False)


def _next(remove: bool) -> str:
    if remove:
        return "systemctl daemon-reload. Workspaces that run go on until their end; `tre halt --all` ends them."
    return f"systemd-sysusers && systemctl daemon-reload && systemctl enable --now {TARGET} tre-doctor.timer"


def _nightly(directory: Path | None, passphrase: Path | None) -> Nightly | None:
    if (directory is None) != (passphrase is None):
        raise TREError(
            Reason.BadInput,
            "A nightly backup needs a directory and a passphrase.",
            why="A backup holds keys, and nobody is there at night who could type what seals them.",
            remedy="Give --backup DIR and --passphrase-file FILE, a file that root alone reads; or neither.",
        )
    if directory is None or passphrase is None:
        return None
    if not directory.is_dir() or not passphrase.is_file() or passphrase.stat().st_mode & 0o077:
        raise TREError(
            Reason.BadInput,
            f"{directory} is no directory, or {passphrase} is no file that its owner alone may read.",
            why="The unit would fail at night, or the passphrase would be everybody's.",
            remedy="Make both first; the file with mode 0600.",
        )
    return Nightly(directory.resolve(), passphrase.resolve())


def _check(systemd: bool, layout: Layout, settings: Settings, prefix: Path) -> None:
    if not systemd:
        raise TREError(
            Reason.BadInput,
            "It is not said what to install for.",
            why="Units of systemd are the only way there is.",
            remedy="Say --systemd; or start the services with `tre up`.",
        )
    if settings.runtime != "bubblewrap":
        raise TREError(
            Reason.StateForbids,
            "Units are for one machine, and this installation is on a cluster.",
            why="There the chart starts the services.",
            remedy="See docs/kubernetes.md.",
        )
    units.check_may(prefix)
    require_record(layout, settings)
