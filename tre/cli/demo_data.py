"""`tre demo-data`: make-believe and freely distributed data to try everything on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from tre.cli import common
from tre.cli.common import JsonOption, command
from tre.demodata import NccidSpec, generate_nccid, poisoned_twins, pydicom_dataset
from tre.demodata.releases import ReleaseSpec, write_release
from tre.demodata.twins import TABLE
from tre.slices.index import SCHEMAS

app = typer.Typer(help="Data to try everything on: no real patient in it.", no_args_is_help=True)

Target = Annotated[Path, typer.Argument(help="An empty or new directory.")]
SeedOption = Annotated[int, typer.Option(help="The same seed gives the same bytes.")]


@app.command("nccid")
@command
def nccid(
    target: Target,
    patients: Annotated[int, typer.Option(help="How many patients.")] = 300,
    seed: SeedOption = 2020,
    mammography: Annotated[int, typer.Option(help="Of a thousand women, so many have mammograms.")] = 0,
    ultrasound: Annotated[int, typer.Option(help="Of a thousand patients, so many have ultrasound.")] = 0,
    more_dirt: Annotated[int, typer.Option(help="So many of a thousand records are dirtier than the real ones.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """A make-believe NCCID, in the real layout and with the real dirt in its records."""
    with Progress(console=common.err, disable=as_json) as progress:
        task = progress.add_task("making patients", total=patients)
        spec = NccidSpec(
            seed=seed,
            patients=patients,
            mg_permille=mammography,
            us_permille=ultrasound,
            more_dirt_permille=more_dirt,
        )
        summary = generate_nccid(target, spec, lambda done, total: progress.update(task, completed=done, total=total))
    _say(summary.as_dict(), as_json)


@app.command("scanner")
@command
def scanner(target: Target, as_json: JsonOption = False) -> None:
    """Real scanner files that pydicom distributes with its tests, arranged alike."""
    _say(pydicom_dataset(target).as_dict(), as_json)


@app.command("twins")
@command
def twins(target: Target, seed: SeedOption = 2020, as_json: JsonOption = False) -> None:
    """Pairs of small data sets that differ in one fault each, and the verdict that a header gate owes each of them."""
    found = poisoned_twins(target, seed)
    if as_json:
        common.print_json([{name: str(value) for name, value in asdict(one).items()} for one in found])
        return
    rows = [(one.fault, one.expected_verdict, one.rule) for one in found]
    common.print_table("", ("fault", "verdict", "rule"), rows)
    common.out.print(f"{target / TABLE}", markup=False, highlight=False)


@app.command("index")
@command
def index_only(
    target: Target,
    images: Annotated[int, typer.Option(help="How many images are listed.")] = 100_000,
    seed: SeedOption = 2020,
    as_json: JsonOption = False,
) -> None:
    """A release that is an index only, of any size and without a file behind it: to measure plans."""
    _say(write_release(target, ReleaseSpec(images, seed), SCHEMAS).as_dict(), as_json)


def _say(summary: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        common.print_json(summary)
    else:
        common.print_table("", ("what", "how many"), summary.items())
