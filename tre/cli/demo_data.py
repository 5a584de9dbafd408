"""`tre demo-data`: make-believe and freely distributed data to try everything on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from tre.cli import common
from tre.cli.common import JsonOption, command
from tre.demodata import NccidSpec, generate_nccid, pydicom_dataset

app = typer.Typer(help="Data to try everything on: no real patient in it.", no_args_is_help=True)

Target = Annotated[Path, typer.Argument(help="An empty or new directory.")]


@app.command("nccid")
@command
def nccid(
    target: Target,
    patients: Annotated[int, typer.Option(help="How many patients.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 2020,
    as_json: JsonOption = False,
) -> None:
    """A make-believe NCCID, in the real layout and with the real dirt in its records."""
    with Progress(console=common.err, disable=as_json) as progress:
        task = progress.add_task("making patients", total=patients)
        spec = NccidSpec(seed=seed, patients=patients)
        summary = generate_nccid(target, spec, lambda done, total: progress.update(task, completed=done, total=total))
    _say(summary.as_dict(), as_json)


@app.command("scanner")
@command
def scanner(target: Target, as_json: JsonOption = False) -> None:
    """Real scanner files that pydicom distributes with its tests, arranged alike."""
    _say(pydicom_dataset(target).as_dict(), as_json)


def _say(summary: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        common.print_json(summary)
    else:
        common.print_table("", ("what", "how many"), summary.items())
