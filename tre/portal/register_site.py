"""The public pages as files, for a place where nothing of this service answers.

Guarantees: the same record gives the same bytes, until one of its clocks has run out (a term, a day for comments, an
answer that is due); the pages are the ones that the public process shows, less what asks (the search, the forms for
questions and comments: a line says where to ask). A directory is replaced in one step: whoever reads it sees the old
one or the new. Only an empty directory or one that was made here is ever replaced.

Does not guarantee: that addresses work below a path: the files are to stand at the root of a host; that a page which
says "open" is still right when it is read: build it again.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from tre.audit.records import last_checkpoint
from tre.domain.datasets import Dataset
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.model import Record
from tre.domain.register.entry import RegisterEntry, entry_of
from tre.portal.account_site import write_account
from tre.portal.context import Portal
from tre.portal.pages import STATIC
from tre.portal.register_files import KINDS
from tre.portal.register_views import Known, dataset_page
from tre.portal.routes import public, public_account
from tre.portal.routes import register as pages
from tre.portal.site import site_for
from tre.portal.speaking import languages_of, to
from tre.portal.still import Writer
from tre.register.feed import NEWEST, feed
from tre.register.reading import facts_of, records
from tre.slices.files import exchange, sync_filesystem
from tre.store import datasets, register
from tre.system.languages import spoken

NAVIGATION = (*public.NAVIGATION, *public_account.NAVIGATION)
MARK = ".tre-register"
"""Stands in every directory that was made here."""


class Built(Record):
    """What was written."""

    projects: int
    datasets: int
    files: int
    bytes: int


@dataclass(frozen=True)
class _StillChoice(public.Chosen):
    def address(self, page: int) -> str:
        return to("/projects/" if page == 1 else f"/projects/pages/{page}/")


Watch = Callable[[int], None]


def build(portal: Portal, origin: str, target: Path, watch: Watch = lambda _done: None) -> Built:
    """Write everything beside the target, then put it in the target's place; `origin` is where it will be published.

    `watch` hears after each project how many are done. Raises `TREError(AlreadyExists)` where something else is there,
    `TREError(PolicyMissing | BadInput)` for a policy that is not there or wrong.
    """
    _check_target(target)
    made = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    made.mkdir(parents=True)
    try:
        site = site_for(portal.settings, public_navigation=NAVIGATION).published_at(origin)
        writer = Writer(made, site.speaks(languages_of(portal.layout.root, portal.settings)))
        with portal.database.read() as connection:
            shown = _write(connection, writer, origin, watch)
            write_account(writer, portal, connection)
        sync_filesystem(made)
        _place(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Built(projects=shown[0], datasets=shown[1], files=writer.files, bytes=writer.bytes)


def _check_target(target: Path) -> None:
    if not target.exists() or (target.is_dir() and not target.is_symlink() and _is_ours(target)):
        return
    raise TREError(
        Reason.AlreadyExists,
        f"{target} holds something that was not made here.",
        why="The whole directory is replaced, so it must be a new one, an empty one, or one made by this command.",
        remedy="Name another directory.",
    )


def _is_ours(target: Path) -> bool:
    return (target / MARK).is_file() or not any(target.iterdir())


def _place(made: Path, target: Path) -> None:
    if target.exists():
        exchange(made, target)  # the old one goes with what is cleared away
    else:
        made.rename(target)


def _write(connection: Connection, writer: Writer, origin: str, watch: Watch) -> tuple[int, int]:
    writer.file(MARK, b"Made by `tre register build`, which may replace this directory.\n")
    for path in _assets():
        writer.file(f"static/{path.relative_to(STATIC)}", path.read_bytes())
    writer.page("/", "public_front.html", lambda: public.front_values(connection))
    writer.page("/totals", "public/totals.html", lambda: pages.total_values(connection))
    writer.page("/hospitals", "public/hospitals.html", lambda: pages.hospital_values(connection, ""))
    _write_log(connection, writer)
    known = _write_data(connection, writer)
    _write_list(connection, writer)
    lines = _write_projects(connection, writer, watch)
    writer.file("register.rss", feed(register.newest(connection, NEWEST), origin))
    for name, kind in KINDS.items():
        writer.file(f"register.{name}", kind.write(lines))
    return len(lines), known


def _assets() -> Iterator[Path]:
    """What public pages load, with the licence of what is not ours."""
    for path in sorted(STATIC.rglob("*")):
        if path.is_file() and path.suffix not in {".js", ".md"}:
            yield path


def _write_log(connection: Connection, writer: Writer) -> None:
    checkpoint = last_checkpoint(connection)
    writer.page("/log", "public/log.html", {"checkpoint": checkpoint})
    if checkpoint is not None:
        writer.file("log/checkpoint.txt", checkpoint.note.encode())


def _write_data(connection: Connection, writer: Writer) -> int:
    known = datasets.all_datasets(connection)

    def one(item: Dataset) -> dict[str, Any]:
        return {"page": dataset_page(connection, item)}

    writer.page("/data", "public/datasets.html", lambda: {"datasets": [one(item)["page"] for item in known]})
    for item in known:
        writer.page(f"/data/{item.name}", "public/dataset.html", partial(one, item))
    return len(known)


def _write_list(connection: Connection, writer: Writer) -> None:
    number, chosen = 1, _StillChoice()
    while True:
        values = public.list_values(connection, chosen, str(number))
        writer.page(chosen.address(number), "public_projects.html", values)
        if number >= values["found"].pages:
            return
        number += 1


def _write_projects(connection: Connection, writer: Writer, watch: Watch) -> list[RegisterEntry]:
    """Every project's page; the register's lines, too, so that each approval is read once."""
    known = Known(connection, many=True)
    titles = {name: item.title for name, item in known.datasets.items()}
    lines: list[RegisterEntry] = []
    for grant in records(connection):
        values = public.project_values(connection, grant, known)
        plain = values["project"].as_plain()

        def in_words(grant: GrantRecord = grant, values: dict[str, Any] = values) -> dict[str, Any]:
            return public.project_values(connection, grant, known) if spoken().language.translates else values

        writer.page(f"/projects/{grant.name}", "public_project.html", in_words)
        writer.json(f"projects/{grant.name}.json", plain)
        lines.append(entry_of(facts_of(grant, titles)))
        watch(len(lines))
    return lines
