"""`tre withdraw`: opt-outs, from the custodian's list to the receipt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command, operator, reading
from tre.cli.dataset import office_of
from tre.cli.progress import watched
from tre.domain.errors import Reason, TREError
from tre.domain.optouts.batches import Batch, needs_second_person, takes_most
from tre.domain.optouts.lists import MOST_BYTES, ListKind, ReadList, read_list
from tre.domain.optouts.states import AT_WORK, BatchState
from tre.domain.withdrawals import MEANINGS, WithdrawalLevel
from tre.slices.receipts import as_html, receipt_now
from tre.store import datasets
from tre.store import optouts as store
from tre.storekeeper import withdrawals
from tre.storekeeper.office import Office
from tre.system.files import write_atomically

DatasetName = Annotated[str, typer.Argument(metavar="[DATASET]", help="The dataset that the people opted out of.")]
ListFile = Annotated[
    Path | None, typer.Argument(metavar="[FILE.csv]", help="Column `pseudonym`, optionally `level`; no other is read.")
]


@command
def withdraw(
    dataset: DatasetName = "",
    file: ListFile = None,
    keep_list: Annotated[bool, typer.Option("--keep-list", help="Who is NOT on the list is withdrawn.")] = False,
    yes: Annotated[
        int | None, typer.Option("--yes", metavar="COUNT", help="The number of people that the dry run found.")
    ] = None,
    level: Annotated[WithdrawalLevel, typer.Option(help="For people without a level of their own.")] = (
        WithdrawalLevel.no_use
    ),
    source: Annotated[str, typer.Option(help="Who sent the list [its name].")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only, and take the list back.")] = False,
    cancel: Annotated[str, typer.Option(metavar="BATCH", help="Take back a list that waits to be confirmed.")] = "",
    receipt: Annotated[str, typer.Option(metavar="BATCH", help="Show a list's receipt, as far as it has come.")] = "",
    html: Annotated[Path | None, typer.Option(help="Write the receipt as a page here.")] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Withdraw people who opted out: a dry run first, then their number typed, then every step until the hold.

    More than one person and more than one in a hundred patients need a second person, who gives the same list again.
    Without a file: every list and how far it is.
    """
    here = Installation.open(root)
    office = office_of(here)
    if receipt:
        _show_receipt(office, receipt, html, as_json=as_json)
    elif cancel:
        _show(withdrawals.cancel(office, cancel), as_json=as_json)
    elif file is None:
        _show_all(here, dataset, as_json=as_json)
    else:
        kind = ListKind.keep if keep_list else ListKind.withdraw
        listed = _read(file, kind, level)
        batch = _proposed(office, withdrawals.Proposal(
            dataset=dataset, kind=kind, level=level, source=source or file.name[:200]
        ), listed, as_json=as_json)  # fmt: skip
        if dry_run:
            _show(withdrawals.cancel(office, batch.id), as_json=as_json)
            return
        _carry_out(office, batch, yes, as_json=as_json)


def _read(file: Path, kind: ListKind, level: WithdrawalLevel) -> ReadList:
    with reading(file, "a list of pseudonyms in CSV"):
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        return read_list(data, kind, level)


def _proposed(office: Office, proposal: withdrawals.Proposal, listed: ReadList, *, as_json: bool) -> Batch:
    """The dry run of a new list, or the one of the same list that waits for a second person."""
    with office.database.read() as connection:
        datasets.require(connection, proposal.dataset)
    waiting = withdrawals.waiting_for_second(office, proposal.dataset, listed.digest)
    if waiting is not None and (waiting.kind, waiting.level) == (proposal.kind, proposal.level):
        batch = waiting
    else:
        batch = withdrawals.count(office, withdrawals.propose(office, proposal, listed, operator()).id)
    if not as_json:
        _show_dry_run(batch, listed)
    return batch


def _show_dry_run(batch: Batch, listed: ReadList) -> None:
    found = batch.counted
    assert found is not None
    rows = [
        ("people who would be withdrawn", found.people),
        ("patients of the dataset", found.patients),
        ("slices that they would leave now", found.slices),
        ("files in these slices", found.files),
        ("on the list", found.listed),
        ("of these unknown here", found.unknown),
        ("withdrawn as far already", found.already),
        ("lines that repeat somebody", listed.repeated),
        ("columns that were not read", listed.columns_not_read),
    ]
    common.print_table(f"Dry run: {batch.kind} list, level {batch.level}; nothing was changed", ("", ""), rows)
    common.out.print(MEANINGS[batch.level], markup=False, highlight=False)
    if takes_most(found):
        text = "More patients would go than stay: is the list the right way round? See --keep-list."
        common.out.print(text, highlight=False)
    if needs_second_person(found):
        common.out.print("More than one in a hundred patients: a second person must confirm it.", highlight=False)


def _carry_out(office: Office, batch: Batch, yes: int | None, *, as_json: bool) -> None:
    assert batch.counted is not None
    if batch.counted.people == 0:
        withdrawals.cancel(office, batch.id)
        raise TREError(
            Reason.BadInput,
            "This list withdraws nobody.",
            why=f"{batch.counted.already} of its people are withdrawn already.",
        )
    try:
        batch = withdrawals.confirm(office, batch.id, _typed(batch.counted.people, yes), operator())
    except TREError:
        if batch.confirmed_by is None:
            withdrawals.cancel(office, batch.id)  # nobody waits for it; a second person would find the list again
        raise
    if batch.state in AT_WORK:
        batch = _worked(office, batch)
    _show(batch, as_json=as_json)
    if batch.state is BatchState.Proposed:
        raise typer.Exit(1)


def _worked(office: Office, batch: Batch) -> Batch:
    """Take every step that is due. Once nobody is in a slice any more, the storekeeper may be the one who goes on."""
    try:
        with watched() as watcher:
            return withdrawals.advance(office, batch.id, watcher)
    except TREError:
        with office.database.read() as connection:
            now = store.require(connection, batch.id)
        if now.state in withdrawals.URGENT:
            raise
        return now


def _typed(found: int, yes: int | None) -> int:
    if yes is not None:
        return yes
    if not common.err.is_terminal:
        raise TREError(
            Reason.ConfirmationWrong,
            "Nobody confirmed the number of people who would be withdrawn.",
            why="It must be typed.",
            remedy=f"Look at the dry run, then run it again with `--yes {found}`.",
        )
    return int(typer.prompt("Type the number of people to withdraw them", type=int))


def _show(batch: Batch, *, as_json: bool) -> None:
    if as_json:
        common.print_json(batch.as_plain() | {"due": batch.due_at.isoformat() if batch.due_at else None})
        return
    common.out.print(f"{batch.id}: {batch.state}", highlight=False)
    if withdrawals.waits_for_second(batch):
        common.out.print("A second person must give the same list and type the same number.", highlight=False)
    elif batch.state is BatchState.Held:
        text = f"Gone from every slice. The hold ends {common.when(batch.hold_until)}; then the receipt is written."
        common.out.print(text, highlight=False)
    if batch.message:
        common.out.print(batch.message, markup=False, highlight=False)


def _show_all(here: Installation, dataset: str, *, as_json: bool) -> None:
    with here.database.read() as connection:
        if dataset:
            datasets.require(connection, dataset)
        found = store.of_dataset(connection, dataset) if dataset else store.everything(connection)
    if as_json:
        common.print_json([one.as_plain() for one in found])
        return
    now = here.clock.now()
    rows = [
        (
            one.id,
            one.dataset,
            one.kind,
            one.counted.people if one.counted else "",
            one.state,
            common.when(one.due_at),
            "late" if one.is_late(now) else "",
            one.message,
        )
        for one in found
    ]
    common.print_table("", ("list", "dataset", "kind", "people", "state", "due", "", ""), rows)


def _show_receipt(office: Office, identifier: str, html: Path | None, *, as_json: bool) -> None:
    with office.database.read() as connection:
        found = receipt_now(connection, identifier, office.clock.now())
    if html is not None:
        write_atomically(html, as_html(found).encode())
    if as_json:
        common.print_json(found)
        return
    rows: list[tuple[str, Any]] = [
        ("complete", "yes" if found["complete"] else "not yet"),
        ("people", ", ".join(f"{name}: {count}" for name, count in found["people"].items())),
        ("slices", len(found["slices"])),
        ("files removed", found["filesRemoved"]),
        ("first removal", found["firstRemoval"] or ""),
        ("last removal", found["lastRemoval"] or ""),
        ("copies found", found["copies"].get("found", "not yet searched")),
        ("outstanding", found["outstanding"].get("found", "")),
        ("files with a second name", found["store"].get("linked", "not yet proven")),
        ("erased from the store", found["erased"].get("files", "")),
        ("digest", found["digest"]),
    ]
    common.print_table("", ("", ""), rows)
