"""`tre metrics`: the few figures that matter, and all of them for a collector on this machine."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated

import typer

from tre.cli import common
from tre.cli.common import JsonOption, RootOption, command
from tre.cli.services import MODULES
from tre.domain.errors import Reason, TREError
from tre.link.collect import check_local, serve_numbers
from tre.system.figures import figures_of
from tre.system.layout import Layout
from tre.system.logs import configure_log
from tre.system.service import until_told
from tre.system.settings import load_settings, root_from

app = typer.Typer(help="The figures of the services: a few to read, all for Prometheus.", no_args_is_help=True)

_ADDRESS = re.compile(r"\[?([0-9a-fA-F.:]+?)\]?:(\d{1,5})")
_SERVICES = tuple(name for name in MODULES if name != "checker")
"""Who has a socket. How the checker is stands among the controller's figures."""


@app.command("show")
@command
def show(root: RootOption = None, as_json: JsonOption = False) -> None:
    """Show the figures that an alert rests on; exit 1 where a service does not answer."""
    layout = Layout(root_from(root))
    load_settings(layout.root)
    found, silent = asyncio.run(figures_of({name: layout.socket(name) for name in _SERVICES}))
    if as_json:
        common.print_json({"figures": [figure.as_plain() for figure in found], "silent": silent})
    else:
        common.print_table("", ("service", "figure", ""), [(item.service, item.words, item.shown) for item in found])
        for name in silent:
            common.out.print(f"{name} does not answer.")
    if silent:
        raise typer.Exit(1)


@app.command("serve")
@command
def serve(
    root: RootOption = None,
    listen: Annotated[str, typer.Option(metavar="ADDRESS:PORT", help="An address of this machine alone.")] = (
        "127.0.0.1:9464"
    ),
) -> None:
    """Answer `/SERVICE/metrics` for a collector on this machine, until Ctrl-C."""
    layout = Layout(root_from(root))
    load_settings(layout.root)
    found = _ADDRESS.fullmatch(listen)
    if found is None or not 0 < int(found[2]) < 2**16:
        raise TREError(Reason.BadInput, f"{listen} is no address and port.", remedy="Type --listen 127.0.0.1:9464.")
    check_local(found[1])
    configure_log("metrics")
    asyncio.run(_serve(layout, found[1], int(found[2])))


async def _serve(layout: Layout, address: str, port: int) -> None:
    server = await serve_numbers({name: layout.socket(name) for name in _SERVICES}, address, port)
    common.out.print(f"http://{address}:{port}/SERVICE/metrics for {', '.join(_SERVICES)}", highlight=False)
    try:
        await until_told()
    finally:
        server.close()
