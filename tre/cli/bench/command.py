"""The command `tre bench`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tre.cli import common
from tre.cli.bench import cluster, controller, gateway, revoke, start
from tre.cli.bench.figures import Figure, described, machine, rows
from tre.cli.common import JsonOption, command
from tre.domain.errors import Reason, TREError

BENCHES: dict[str, tuple[str, Callable[[], list[Figure]]]] = {
    "start": ("click to a kernel that answers, beside plain jupyter lab", start.bench),
    "gateway": ("what the only door costs, beside configurable-http-proxy", gateway.bench),
    "revoke": ("revocation to death, seen by an observer that shares no code", revoke.bench),
}

SITES: dict[str, tuple[str, Callable[[Path], list[Figure]]]] = {
    "cluster": (
        "an installed launcher on its cluster, beside plain jupyter lab in a pod (needs --site)",
        cluster.bench,
    ),
    "controller": ("one controller with many grants, on a cluster to spare (needs --site)", controller.bench),
}
"""Those that have to be told where."""


@command
def bench(
    name: Annotated[str | None, typer.Argument(help="Which; without a name, the list.")] = None,
    site: Annotated[
        Path | None, typer.Option(help="What `cluster` and `controller` have to know: a file (docs/benchmarks.md).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a published number again, with its peer in the same run."""
    if name is None:
        listed = {key: what for key, (what, _) in (BENCHES | SITES).items()}
        common.print_table("", ("name", "what it measures"), listed.items())
        return
    run = _chosen(name, site)
    where = machine()
    figures = run()
    if as_json:
        plain = [item.model_dump(by_alias=True) for item in figures]
        common.print_json({"name": name, "machine": where, "figures": plain})
        return
    common.print_table(name, *rows(figures))
    common.out.print(described(where), markup=False, highlight=False)


def _chosen(name: str, site: Path | None) -> Callable[[], list[Figure]]:
    """The benchmark of a name, ready to run. Raises `TREError(BadInput)`."""
    if name in SITES:
        if site is None:
            raise TREError(
                Reason.BadInput,
                f"The benchmark of a {name} has to know which.",
                remedy="Name a file with --site; docs/benchmarks.md says what it holds.",
            )
        return partial(SITES[name][1], site)
    if name not in BENCHES:
        raise TREError(Reason.BadInput, f"There is no benchmark {name!r}.", remedy="`tre bench` lists them.")
    return BENCHES[name][1]
