"""The command `tre bench`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tre.cli import common
from tre.cli.bench import (
    airlock,
    audit,
    backup,
    cluster,
    controller,
    gate,
    gateway,
    halt,
    ingest,
    plan,
    portal,
    register,
    revoke,
    slices,
    sources,
    start,
    withdraw,
    workspaces,
)
from tre.cli.bench.figures import Figure, described, machine, rows
from tre.cli.common import JsonOption, command
from tre.demodata.releases import ReleaseSpec
from tre.domain.errors import Reason, TREError

BENCHES: dict[str, tuple[str, Callable[[], list[Figure]]]] = {
    "backup": ("a backup of a million events while others write, beside sqlite3 .backup", backup.bench),
    "audit": ("the signed log: written in batches beside plain inserts, proofs, verifying a million", audit.bench),
    "start": ("click to a kernel that answers, beside plain jupyter lab", start.bench),
    "gate": ("headers judged, beside a loop over pydicom's headers; verdicts of known files", gate.bench),
    "gateway": ("what the only door costs, beside configurable-http-proxy", gateway.bench),
    "halt": ("the kill switch with thirty live workspaces, to the proof of their death", halt.bench),
    "ingest": ("a delivery taken in, beside a loop over pydicom's headers", ingest.bench),
    "plan": ("a slice's plan as a release grows, beside DuckDB's own scan", plan.bench),
    "portal": ("from the last vote to a project that opens; the desk with 10,000 members", portal.bench),
    "register": ("the public pages of 10,000 projects: lists, one page, all files", register.bench),
    "revoke": ("revocation to death, seen by an observer that shares no code", revoke.bench),
    "sources": ("a revocation told by REMS to access ended, through every service", sources.bench),
    "workspaces": (
        "how many a machine holds, their memory, and ten starts at once beside ten jupyter labs",
        workspaces.bench,
    ),
    "withdraw": ("one patient out of twenty live slices, beside plain unlinking", withdraw.bench),
    "slices": ("building a slice in its three layouts, beside cp -al and rsync --link-dest", slices.bench),
}

SITES: dict[str, tuple[str, Callable[[Path], list[Figure]]]] = {
    "airlock": ("the output checks on a corpus: false alarms, what is found, time (needs --site)", airlock.bench),
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
        Path | None,
        typer.Option(
            help="What `airlock`, `cluster`, `controller` have to know: a file or directory (docs/benchmarks.md)."
        ),
    ] = None,
    sizes: Annotated[
        list[int] | None,
        typer.Option("--size", help="How many images the releases of `plan` list; can be given several times."),
    ] = None,
    up_to: Annotated[
        int | None, typer.Option(min=1, max=workspaces.MOST, help="How many workspaces `workspaces` and `halt` start.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a published number again, with its peer in the same run."""
    if name is None:
        listed = {key: what for key, (what, _) in (BENCHES | SITES).items()}
        common.print_table("", ("name", "what it measures"), listed.items())
        return
    run = _counted(name, up_to) if up_to is not None else _sized(name, sizes) if sizes else _chosen(name, site)
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
                f"The benchmark {name!r} has to know which.",
                remedy="Name it with --site; docs/benchmarks.md says what it holds.",
            )
        return partial(SITES[name][1], site)
    if name not in BENCHES:
        raise TREError(Reason.BadInput, f"There is no benchmark {name!r}.", remedy="`tre bench` lists them.")
    return BENCHES[name][1]


def _sized(name: str, sizes: list[int]) -> Callable[[], list[Figure]]:
    """The benchmark that takes sizes, ready to run. Raises `TREError(BadInput)`."""
    if name != "plan":
        raise TREError(Reason.BadInput, f"The benchmark {name!r} takes no --size.", remedy="Only `plan` does.")
    return partial(plan.bench, [ReleaseSpec(size).images for size in sizes])


def _counted(name: str, up_to: int) -> Callable[[], list[Figure]]:
    """The benchmark that starts so many workspaces, ready to run. Raises `TREError(BadInput)`."""
    counted = {"workspaces": workspaces.bench, "halt": halt.bench}
    if name not in counted:
        raise TREError(
            Reason.BadInput, f"The benchmark {name!r} takes no --up-to.", remedy="Only `workspaces` and `halt` do."
        )
    return partial(counted[name], up_to)
