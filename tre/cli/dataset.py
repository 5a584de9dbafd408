"""`tre dataset`: registering datasets, adding deliveries, looking at releases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tre.cli import common, gate
from tre.cli.arguments import check_reason
from tre.cli.common import Installation, JsonOption, RootOption, command, operator
from tre.cli.progress import watched
from tre.domain.datasets import Dataset, Release
from tre.domain.errors import Reason, TREError
from tre.domain.quantities import format_bytes
from tre.slices.ingest import CONVERSIONS, REPORT
from tre.store import datasets as store
from tre.store import plans
from tre.store.retirements import of_dataset as retired_of
from tre.storekeeper import deliveries, retirements
from tre.storekeeper.deliveries import Added, Delivery
from tre.storekeeper.office import Office

app = typer.Typer(help="Datasets: add deliveries, judge their headers, look at releases.", no_args_is_help=True)
gate.register(app)

Name = Annotated[str, typer.Argument(help="The dataset's name.")]
Where = Annotated[Path, typer.Argument(metavar="PATH", help="Directory of images and clinical records.")]
ManifestOption = Annotated[
    Path | None, typer.Option(help="The dataset's tag manifest, signed: what is safe in its headers.")
]
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
    manifest: ManifestOption = None,
    validation_permille: Annotated[
        int, typer.Option(min=0, max=999, help="Of a new dataset: keep so many of a thousand patients for validation.")
    ] = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a delivery to a dataset, which is registered if it is new, and publish it as a release."""
    here = Installation.open(root)
    order = Delivery(name, path.absolute(), release, title, manifest, validation_permille=validation_permille)
    _show_added(_added(here, order), as_json=as_json)


@app.command("release")
@command
def release_again(
    name: Name,
    path: Where,
    release: ReleaseOption = "",
    manifest: ManifestOption = None,
    onto: Annotated[
        str, typer.Option("--onto", metavar="RELEASE", help="Add to what this release holds, as nightly deliveries do.")
    ] = "",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish a further release: of what is delivered, or with --onto of that beside what a release held before."""
    here = Installation.open(root)
    with here.database.read() as connection:
        store.require(connection, name)
    order = Delivery(name, path.absolute(), release, manifest=manifest, onto=onto)
    _show_added(_added(here, order), as_json=as_json)


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
    for rule, count in added.taken.quarantined.items():
        common.err.print(f"waits in quarantine for {rule}: {count}", highlight=False)
    for key, count in sorted(added.taken.cleaning.not_understood.items()):
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
    """One dataset: its releases, its group, its opt-outs; with --release, what stayed out of one of them, and what was
    made of the values of clinical records."""
    here = Installation.open(root)
    with here.database.read() as connection:
        dataset = store.require(connection, name)
        releases = store.releases_of(connection, name)
        denied = store.deny_set(connection, name)
        retired = retired_of(connection, name)
        asked = store.require_release(connection, name, release) if release else None
    plain = _plain(dataset, releases) | {"withdrawn": len(denied.pseudonyms)}
    plain["retired"] = [one.as_plain() for one in retired]
    left_out, conversions = ([], {}) if asked is None else (_left_out(here, asked), _conversions(here, asked))
    if asked is not None:
        plain |= {"leftOut": left_out, "conversions": conversions}
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
    for one in retired:
        text = f"{one.what} was retired on {one.at:%Y-%m-%d}: {one.reason}"
        common.out.print(text, markup=False, highlight=False)
    if asked is not None:
        common.print_table("Left out", ("file", "rule", "why"), [tuple(one.values()) for one in left_out])
        made = [(key, what, count) for key, found in conversions.items() for what, count in found.items()]
        common.print_table("Values of clinical records", ("key", "what became of it", "values"), made)


@app.command("retire")
@command
def retire(
    name: Name,
    reason: Annotated[str, typer.Option("--reason", help="Why; people who plan read it.")],
    release: Annotated[str, typer.Option("--release", help="Only this release [the dataset with all of them].")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for the name again.")] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give nothing new from a dataset or a release, for good. What was approved goes on."""
    office = office_of(Installation.open(root))
    what = f"release {release!r} of {name!r}" if release else f"the dataset {name!r}"
    said = check_reason(reason)
    if not yes and typer.prompt(f"This gives nothing new from {what}, for good. Type the dataset's name") != name:
        raise TREError(
            Reason.ConfirmationWrong,
            "That was not the name; nothing was retired.",
            why="A retirement cannot be taken back.",
            remedy=f"Try again and type {name}.",
        )
    retired = retirements.retire(office, name, release or None, said)
    if as_json:
        common.print_json(retired.as_plain())
        return
    text = f"Retired: {what}. Its files stay until nobody can ask for them; `tre dataset sweep {name}` counts those."
    common.out.print(text, markup=False, highlight=False)


@app.command("sweep")
@command
def sweep(
    name: Name,
    delete: Annotated[bool, typer.Option("--delete", help="Delete them; without it, they are only counted.")] = False,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count files that no release names, left by additions that were cut off, and contents of plans more than a year
    old that nothing refers to; --delete removes them."""
    here = Installation.open(root)
    with here.database.read() as connection:
        forgotten = plans.forgotten(connection, name, here.clock.now())
    found = deliveries.sweep(office_of(here), name, forgotten, delete=delete)
    if as_json:
        common.print_json(found.as_plain())
        return
    text = f"{found.files} files, {found.unnamed} that no release names ({format_bytes(found.bytes)} bytes)"
    common.out.print(f"{text}, {found.held} of them held by a slice, {found.deleted} deleted", highlight=False)
    common.out.print(f"{found.plans} forgotten plans, {found.plans_deleted} deleted", highlight=False)


def _left_out(here: Installation, release: Release) -> list[dict[str, str]]:
    path = office_of(here).dataset(release.dataset).release(release.name) / REPORT
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def _conversions(here: Installation, release: Release) -> dict[str, dict[str, int]]:
    path = office_of(here).dataset(release.dataset).release(release.name) / CONVERSIONS
    found: dict[str, dict[str, int]] = json.loads(path.read_text(encoding="ascii")) if path.is_file() else {}
    return found
