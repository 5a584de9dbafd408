"""The command `tre bench`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from tre.cli import common
from tre.cli.bench import gateway, revoke, start
from tre.cli.bench.figures import Figure, described, machine, rows
from tre.cli.common import JsonOption, command
from tre.domain.errors import Reason, TREError

BENCHES: dict[str, tuple[str, Callable[[], list[Figure]]]] = {
    "start": ("click to a kernel that answers, beside plain jupyter lab", start.bench),
    "gateway": ("what the only door costs, beside configurable-http-proxy", gateway.bench),
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
    where = machine()
    figures = BENCHES[name][1]()
    if as_json:
        plain = [item.model_dump(by_alias=True) for item in figures]
        common.print_json({"name": name, "machine": where, "figures": plain})
        return
    common.print_table(name, *rows(figures))
    common.out.print(described(where), markup=False, highlight=False)
