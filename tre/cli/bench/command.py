"""The command `tre bench`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from tre.cli import common
from tre.cli.bench import revoke, start
from tre.cli.bench.figures import Figure, machine
from tre.cli.common import JsonOption, command
from tre.domain.errors import Reason, TREError

BENCHES: dict[str, tuple[str, Callable[[], list[Figure]]]] = {
    "start": ("click to a kernel that answers, beside plain jupyter lab", start.bench),
    "revoke": ("revocation to death, seen by an observer that shares no code", revoke.bench),
}


@command
def bench(
    name: Annotated[str | None, typer.Argument(help="Which; without a name, the list.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a published number again, with its peer in the same run."""
    if name is None:
        common.print_table("", ("name", "what it measures"), [(key, what) for key, (what, _) in BENCHES.items()])
        return
    if name not in BENCHES:
        raise TREError(Reason.BadInput, f"There is no benchmark {name!r}.", remedy="`tre bench` lists them.")
    figures = BENCHES[name][1]()
    if as_json:
        common.print_json(
            {"name": name, "machine": machine(), "figures": [item.model_dump(by_alias=True) for item in figures]}
        )
        return
    common.print_table(
        name, ("what", "ours", "unit", "peer", "ratio", "target", "met"), [_row(item) for item in figures]
    )


def _row(item: Figure) -> tuple[object, ...]:
    peer = "" if item.peer is None else f"{item.peer.value} ({item.peer.name})"
    met = {True: "yes", False: "NO", None: ""}[item.met]
    return item.what, item.ours, item.unit, peer, "" if item.ratio is None else item.ratio, item.target or "", met
