"""`tre slice`: planning, building, looking at and verifying slices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.cli.dataset import office_of
from tre.cli.progress import watched
from tre.domain.datasets import BuiltSlice
from tre.domain.errors import TREError
from tre.domain.names import check_resource_name, slice_id
from tre.domain.quantities import format_bytes
from tre.domain.slices.plan import CellReport, Dimension, SlicePlan
from tre.domain.slices.spec import SliceSpec
from tre.slices.build import check_buildable
from tre.store import datasets as store
from tre.storekeeper import slices
from tre.storekeeper.slices import BuildRequest
from tre.system.resources import read_record

app = typer.Typer(help="Slices: plan, build, look at, verify.", no_args_is_help=True)

SpecFile = Annotated[Path, typer.Argument(metavar="SPEC", help="A slice specification in YAML.")]
LOCAL_GRANT = "local"
"""Stands for the grant in the identifier of a slice that an operator builds by hand."""


def read_spec(path: Path) -> SliceSpec:
    """A specification from a YAML file. Raises `TREError(BadInput)` naming every key that is wrong."""
    return read_record(SliceSpec, path)


@app.command("plan")
@command
def plan(file: SpecFile, root: RootOption = None, as_json: JsonOption = False) -> None:
    """Say what a specification would give: counts, rejections by reason, k-report, who is represented."""
    here = Installation.open(root)
    with watched() as watcher:
        planned = slices.make_plan(office_of(here), read_spec(file), watcher)
    if as_json:
        common.print_json(plan_as_json(planned))
    else:
        _show_plan(planned)
    if planned.k_report is not None and planned.k_report.refuses:
        try:
            check_buildable(planned)
        except TREError as error:
            common.complain(error)
            raise typer.Exit(1) from error


def plan_as_json(planned: SlicePlan) -> dict[str, Any]:
    """A plan as `--json` prints it: the design's keys at the top."""
    plain = planned.model_dump(mode="json", by_alias=True)
    identity = plain.pop("identity")
    counts = plain.pop("counts")
    kept = ("indexDigest", "filesRoot", "denyVersion", "tables")
    plain |= counts | {key: identity[key] for key in kept} | {"spec": planned.spec.as_plain()}
    return plain


def _show_plan(planned: SlicePlan) -> None:
    counts = planned.counts
    common.out.print(f"plan digest  {planned.plan_digest}", highlight=False)
    common.out.print(
        f"{counts.patients} patients, {counts.studies} studies, {counts.series} series, {counts.instances} images, "
        f"{counts.files} files, {format_bytes(counts.bytes)} bytes",
        highlight=False,
    )
    if planned.extended:
        unit = planned.spec.keep_whole.value
        text = f"{planned.extended} of these images came in only because a {unit} is never split"
        common.out.print(text, highlight=False)
    common.print_table("Left out", ("reason", "images"), list(planned.rejected.items()))
    if planned.k_report is not None:
        report = planned.k_report
        found = [report.asked, report.coarser, report.with_study_dates]
        rows = [_cell_row(one) for one in found if one is not None]
        title = f"Patients in cells smaller than k = {report.k}"
        common.print_table(title, ("by", "cells", "smallest", "unique", "below k"), rows)
    for dimension in planned.representativeness:
        _show_dimension(dimension)


def _cell_row(cells: CellReport) -> tuple[object, ...]:
    numbers = (cells.cells, cells.smallest_cell, cells.patients_unique, cells.patients_below_k)
    return (", ".join(cells.over), *numbers)


def _show_dimension(dimension: Dimension) -> None:
    title = f"{dimension.name}: distance {dimension.distance_permille} ‰ (shares in ‰, * is 1 to 7 patients)"
    rows = [
        (share.category, _shown(share.slice_permille), _shown(share.dataset_permille)) for share in dimension.shares
    ]
    common.print_table(title, ("", "slice", "dataset"), rows)


def _shown(permille: int | None) -> str:
    return "*" if permille is None else str(permille)


@app.command("build")
@command
def build(
    file: SpecFile,
    grant: Annotated[str, typer.Option(help="The grant that the slice belongs to.")] = LOCAL_GRANT,
    name: Annotated[str, typer.Option(help="The slice's name in that grant [the file's name].")] = "",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build a slice as a folder of hard links into the store."""
    here = Installation.open(root)
    check_resource_name(grant)
    named = check_resource_name(name) if name else file.stem
    request = BuildRequest(slice_id=slice_id(grant, named), spec=read_spec(file))
    with watched() as watcher:
        built = slices.build_slice(office_of(here), request, watcher)
    path = here.layout.slices / built.slice_id
    if as_json:
        common.print_json(built.as_plain() | {"path": str(path)})
        return
    common.out.print(f"{built.slice_id}: {built.files} files in {path}", markup=False, highlight=False)
    common.out.print(built.content_digest, highlight=False)


@app.command("show")
@command
def show(
    identifier: Annotated[str, typer.Argument(metavar="[SLICEID]", help="One slice; without it, all.")] = "",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """What is built, and from which plan."""
    here = Installation.open(root)
    with here.database.read() as connection:
        if identifier:
            built = store.require_slice(connection, identifier)
            planned = store.get_plan(connection, built.plan_digest)
        else:
            everything = store.all_slices(connection)
    if not identifier:
        _show_all(everything, as_json=as_json)
        return
    assert planned is not None, "a slice is recorded after its plan"
    if as_json:
        common.print_json(built.as_plain() | {"plan": plan_as_json(planned)})
        return
    common.print_table("", ("key", "value"), list(built.as_plain().items()))
    _show_plan(planned)


def _show_all(everything: list[BuiltSlice], *, as_json: bool) -> None:
    if as_json:
        common.print_json([one.as_plain() for one in everything])
        return
    rows = [
        (one.slice_id, one.dataset, one.release, one.files, common.when(one.built_at), one.content_digest)
        for one in everything
    ]
    common.print_table("", ("slice", "dataset", "release", "files", "built", "content digest"), rows)


@app.command("verify")
@command
def verify(
    identifiers: Annotated[
        list[str] | None, typer.Argument(metavar="SLICEID…", help="Slices; without any, all.")
    ] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare slices with store and record, file by file; exit 1 if anything differs."""
    here = Installation.open(root)
    office = office_of(here)
    with here.database.read() as connection:
        names = identifiers or [one.slice_id for one in store.all_slices(connection)]
    results = {name: slices.verify_slice(office, name) for name in names}
    if as_json:
        common.print_json(
            [
                {"sliceId": name, "files": one.files, "differences": [item.as_plain() for item in one.differences]}
                for name, one in results.items()
            ]
        )
    else:
        for name, one in results.items():
            verdict = f"{len(one.differences)} differences" if one.differences else "as built"
            common.out.print(f"{name}: {one.files} files, {verdict}", markup=False, highlight=False)
            for item in one.differences:
                common.out.print(f"  {item.fault.value}: {item.path!r}", markup=False, highlight=False)
    if any(one.differences for one in results.values()):
        raise typer.Exit(1)
