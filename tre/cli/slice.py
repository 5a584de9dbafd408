"""`tre slice`: planning, building, looking at and verifying slices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.cli.dataset import office_of
from tre.cli.plan_text import print_plan
from tre.cli.practice import practice
from tre.cli.progress import watched
from tre.domain.datasets import BuiltSlice
from tre.domain.errors import Reason, TREError
from tre.domain.names import check_resource_name, slice_id
from tre.domain.slices.plan import SlicePlan, check_buildable
from tre.domain.slices.shown import as_shown
from tre.domain.slices.spec import SliceSpec
from tre.slices.copies import copies_of
from tre.slices.planpage import plan_page
from tre.slices.populations import disclosure_of
from tre.store import datasets as store
from tre.storekeeper import slices
from tre.storekeeper.slices import BuildRequest
from tre.system.resources import read_located, telling_where

app = typer.Typer(help="Slices: plan, build, look at, verify, practise.", no_args_is_help=True)
app.command("practice")(practice)

SpecFile = Annotated[Path, typer.Argument(metavar="SPEC", help="A slice specification in YAML.")]
LOCAL_GRANT = "local"
"""Stands for the grant in the identifier of a slice that an operator builds by hand."""


@contextmanager
def settled_spec(here: Installation, file: Path) -> Iterator[SliceSpec]:
    """A specification whose list of patients, if it names one by file, is kept.

    What is found wrong with it while it is in use, is told with file and line. Raises `TREError(BadInput)`.
    """
    found = read_located(SliceSpec, file)
    with telling_where(found):
        yield slices.settle(office_of(here), found.record, file.resolve().parent)


@app.command("plan")
@command
def plan(
    file: SpecFile,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the plan as a page for people, too.")
    ] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a specification would give: counts, rejections by reason, k-report, who is represented.

    Small numbers are hidden and others rounded, by the dataset's disclosure policy.
    """
    here = Installation.open(root)
    with settled_spec(here, file) as spec, watched() as watcher:
        planned = slices.make_plan(office_of(here), spec, watcher)
    shown = shown_plan(here, planned)
    if html is not None:
        write_page(shown, html)
    if as_json:
        common.print_json(shown)
    else:
        print_plan(shown)
    if planned.k_report is not None and planned.k_report.refuses:
        try:
            check_buildable(planned)
        except TREError as error:
            common.complain(error)
            raise typer.Exit(1) from error


def shown_plan(here: Installation, planned: SlicePlan) -> dict[str, Any]:
    """A plan as people see it: as JSON, and what texts and pages are made from."""
    return as_shown(planned, disclosure_of(planned.spec.dataset, here.layout.root).small_numbers)


def write_page(shown: dict[str, Any], target: Path) -> None:
    """Write the page. Raises `TREError(BadInput)` where that cannot be done."""
    try:
        target.write_text(plan_page(shown), encoding="utf-8")
    except OSError as error:
        raise TREError(
            Reason.BadInput, f"{target} cannot be written.", why=f"{error.strerror}.", remedy="Name another file."
        ) from error


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
    with settled_spec(here, file) as spec, watched() as watcher:
        request = BuildRequest(slice_id=slice_id(grant, named), spec=spec)
        built = slices.build_slice(office_of(here), request, watcher)
    path = here.layout.slices / built.slice_id
    if as_json:
        placed = copies_of(path).as_plain() if copies_of(path).paths else {"linked": built.files}
        common.print_json(built.as_plain() | {"path": str(path), "placed": placed})
        return
    common.out.print(f"{built.slice_id}: {built.files} files in {path}", markup=False, highlight=False)
    common.out.print(built.content_digest, highlight=False)
    copied = copies_of(path)
    if copied.paths:
        text = f"{copied.reflinked + copied.copied} files are copies, not links: the file system gave no further name"
        common.err.print(f"{text} (COPIES.txt)", markup=False, highlight=False)


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
        common.print_json(built.as_plain() | {"plan": shown_plan(here, planned)})
        return
    common.print_table("", ("key", "value"), list(built.as_plain().items()))
    print_plan(shown_plan(here, planned))


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
