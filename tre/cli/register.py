"""`tre register`: the public account of data uses as files, to be published anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tre.cli.common import Installation, JsonOption, RootOption, command, out, print_json
from tre.domain.errors import Reason, TREError
from tre.portal.context import Portal
from tre.portal.register_site import build

app = typer.Typer(help="The public account of data uses.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The public account of data uses."""


@app.command("build")
@command
def build_site(
    directory: Annotated[Path, typer.Argument(help="Where the files go; replaced as a whole, in one step.")],
    address: Annotated[
        str | None, typer.Option("--address", help="Where the files will be published [the service's own address].")
    ] = None,
    as_json: JsonOption = False,
    root: RootOption = None,
) -> None:
    """Write the public pages, the register's workbook, CSV, JSON and feed as files that need no service."""
    here = Installation.open(root)
    origin = _origin(address) if address is not None else here.settings.origin()
    portal = Portal(settings=here.settings, layout=here.layout, database=here.database, clock=here.clock)
    built = build(portal, origin, directory.absolute())
    if as_json:
        print_json(built.as_plain())
        return
    out.print(
        f"Projects: {built.projects:,}. Datasets: {built.datasets:,}. {built.files:,} files, {built.bytes:,} bytes in "
        f"{directory}.",
        markup=False,
        highlight=False,
    )


def _origin(address: str) -> str:
    origin = address.rstrip("/")
    if not origin.startswith(("https://", "http://")) or not origin.isascii() or set(origin) & set(" \"'<>?#\\"):
        raise TREError(
            Reason.BadInput,
            f"{address!r} is not the address of a site.",
            why="It stands in the feed and on every page.",
            remedy="Give it as https://register.example.org",
        )
    if "/" in origin.partition("://")[2]:
        raise TREError(
            Reason.BadInput,
            f"{address!r} names a path below a host.",
            why="The pages link to each other from the root of their host.",
            remedy="Publish them under a host name of their own.",
        )
    return origin
