"""`tre dataset`: registering datasets, adding deliveries, looking at releases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command, operator
from tre.cli.progress import watched
from tre.domain.datasets import Dataset, Release
from tre.domain.quantities import format_bytes
from tre.slices.ingest import REPORT
from tre.store import datasets as store
from tre.storekeeper import deliveries
from tre.storekeeper.deliveries import Added, Delivery
from tre.storekeeper.office import Office

app = typer.Typer(help="Datasets: add deliveries, look at releases.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The dataset's name.")]
Where = Annotated[Path, typer.Argument(metavar="PATH", help="Directory of images and clinical records.")]
ReleaseOption = Annotated[str, typer.Option("--release", help="The release's name [today's date].")]


def office_of(here: Installation) -> Office:
    """The storekeeper's office, with the person at the keyboard at work in it."""
    return Office(here.layout, here.settings, here.database, here.clock, operator())


@app.command("add")
@command
def add(
    name: Name,
    path: Where,
    release: ReleaseOption = "",
    title: Annotated[str, typer.Option(help="What people call it.")] = "",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a delivery to a dataset, which is registered if it is new, and publish it as a release."""
    here = Installation.open(root)
    _show_added(_added(here, Delivery(name, path.absolute(), release, title)), as_json=as_json)


@app.command("release")
@command
def release_again(
    name: Name,
    path: Where,
    release: ReleaseOption = "",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish a further release of a dataset that is registered already."""
    here = Installation.open(root)
    with here.database.read() as connection:
        store.require(connection, name)
    _show_added(_added(here, Delivery(name, path.absolute(), release)), as_json=as_json)


def _added(here: Installation, delivery: Delivery) -> Added:
    with watched() as watcher:
        return deliveries.add(office_of(here), delivery, watcher)


def _show_added(added: Added, *, as_json: bool) -> None:
    if as_json:
        common.print_json(added.as_plain())
        return
    counts = added.release.counts
    common.out.print(
        f"{added.release.dataset} {added.release.name}: {counts.patients} patients, {counts.studies} studies, "
        f"{counts.series} series, {counts.instances} images, {format_bytes(counts.bytes)} bytes",
        highlight=False,
    )
    common.out.print(added.release.index_digest, highlight=False)
    for rule, count in added.taken.refused.items():
        common.err.print(f"left out by {rule}: {count}", highlight=False)
    for refusal in added.taken.refusals[: deliveries.SHOWN_REFUSALS]:
        common.err.print(f"  {refusal.line()}", markup=False, highlight=False)
    for key, count in added.taken.values_not_understood.items():
        common.err.print(f"not understood, now missing: {key}: {count}", markup=False, highlight=False)


@app.command("list")
@command
def list_datasets(root: RootOption = None, as_json: JsonOption = False) -> None:
    """Every dataset and its releases."""
    here = Installation.open(root)
    with here.database.read() as connection:
        found = [(one, store.releases_of(connection, one.name)) for one in store.all_datasets(connection)]
    if as_json:
        common.print_json([_plain(dataset, releases) for dataset, releases in found])
        return
    rows = [
        (one.name, one.title, ", ".join(item.name for item in releases), one.deny_version) for one, releases in found
    ]
    common.print_table("", ("dataset", "title", "releases", "deny set"), rows)


def _plain(dataset: Dataset, releases: list[Release]) -> dict[str, Any]:
    return dataset.as_plain() | {"releases": [item.as_plain() for item in releases]}


@app.command("show")
@command
def show(
    name: Name,
    release: Annotated[str, typer.Option("--release", help="Also list what this release left out.")] = "",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """One dataset: its releases, its group, its opt-outs; with --release, what stayed out of one of them."""
    here = Installation.open(root)
    with here.database.read() as connection:
        dataset = store.require(connection, name)
        releases = store.releases_of(connection, name)
        denied = store.deny_set(connection, name)
        left_out = _left_out(here, store.require_release(connection, name, release)) if release else None
    plain = _plain(dataset, releases) | {"withdrawn": len(denied.pseudonyms)}
    if left_out is not None:
        plain["leftOut"] = left_out
    if as_json:
        common.print_json(plain)
        return
    text = f"{dataset.name}: {dataset.title}; group {dataset.data_group}; {len(denied.pseudonyms)} people withdrawn"
    common.out.print(text, markup=False, highlight=False)
    rows = [
        (item.name, item.counts.patients, item.counts.studies, item.counts.instances, item.index_digest)
        for item in releases
    ]
    common.print_table("", ("release", "patients", "studies", "images", "index digest"), rows)
    if left_out is not None:
        common.print_table("Left out", ("file", "rule", "why"), [tuple(one.values()) for one in left_out])


def _left_out(here: Installation, release: Release) -> list[dict[str, str]]:
    path = office_of(here).dataset(release.dataset).release(release.name) / REPORT
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
