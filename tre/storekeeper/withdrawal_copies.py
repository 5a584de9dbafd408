"""Looking for what researchers made of people who opted out: copies and mentions in homes, shared folders, outboxes.

Guarantees: every folder of every member of a grant whose slice held one of them is searched, behind walls; each member
whose folder holds something is told in their inbox which of their own files it is and until when; the record and the
receipt hold counts only. After the grace the same is looked for again, and what is left is outstanding.

Does not guarantee: that what was changed beyond recognition is found (pixels in arrays, trained weights), nor that a
folder which this machine does not hold was searched: it is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from tre.airlock.sliceindex.normal import identifier_form, strength
from tre.domain.optouts.batches import Batch
from tre.runtimes.bubblewrap.staging import HOME_IMAGE
from tre.slices import withdraw
from tre.slices.watch import SILENT, Watcher
from tre.store import datasets as data
from tre.store import optouts as store
from tre.store import workspaces
from tre.storekeeper.indexing import withdrawn_identifiers
from tre.storekeeper.office import Office
from tre.storekeeper.searching.parent import Copies, Sought, search
from tre.system.files import write_atomically

log = structlog.get_logger()

MOST_NAMED = 200
"""So many files a note names; the rest it counts."""

_MODE = 0o640
_SURE = 2


@dataclass(frozen=True)
class Folder:
    """One folder that may hold copies: whose it is, and which workspaces see it."""

    kind: str
    path: Path
    grant: str
    seen_by: tuple[str, ...]


def folders(office: Office, grants: Iterable[str]) -> list[Folder]:
    """Homes, outboxes and shared folders of these grants."""
    found = []
    layout = office.layout
    for grant in sorted(grants):
        with office.database.read() as connection:
            names = workspaces.names_of_grant(connection, grant)
        for name in names:
            found.append(Folder("home", layout.homes / name, grant, (name,)))
            found.append(Folder("outbox", layout.outboxes / name, grant, (name,)))
        found.append(Folder("shared", layout.shared / grant, grant, tuple(names)))
    return found


def sought(office: Office, dataset: str, people: Set[str]) -> Sought:
    """By what copies of these people's files and mentions of them are told."""
    places = office.dataset(dataset)
    with office.database.read() as connection:
        releases = data.releases_of(connection, dataset)
    names = set(people)
    for release in releases:
        others = withdrawn_identifiers(places.release(release.name), people)
        names.update(one for one in others if strength(identifier_form(one)) == _SURE)
    return Sought(names, withdraw.sizes(places, people))


def sweep(office: Office, batch: Batch, people: Set[str], watcher: Watcher = SILENT) -> dict[str, Any]:
    """Search, and tell whom it concerns; counts by grant and kind of folder."""
    watcher.step("search")
    looked = _look(office, batch, people)
    watcher.step("tell")
    until = office.clock.now() + timedelta(days=office.settings.withdrawals.grace_days)
    told = _tell(office, batch, looked, f"{until:%d %B %Y}")
    report = _counts(looked) | {"told": told}
    return report | ({"graceUntil": until.isoformat()} if report["found"] else {})


def look_again(office: Office, batch: Batch, people: Set[str], watcher: Watcher = SILENT) -> dict[str, Any]:
    """What is still there; searched only where something was found."""
    watcher.step("search-again")
    with office.database.read() as connection:
        before = store.report_of(connection, batch.id).get("derived", {})
    return _counts(_look(office, batch, people)) if before.get("found") else {"found": 0}


def _look(office: Office, batch: Batch, people: Set[str]) -> list[tuple[Folder, Copies]]:
    with office.database.read() as connection:
        entries = store.report_of(connection, batch.id).get("slices", {}).values()
    grants = {entry["grant"] for entry in entries if entry.get("grant")}
    if not grants or not people:
        return []
    wanted = sought(office, batch.dataset, people)
    return [(folder, search(folder.path, wanted)) for folder in folders(office, grants)]


def _counts(looked: list[tuple[Folder, Copies]]) -> dict[str, Any]:
    listed = [
        {"grant": folder.grant, "folder": folder.kind} | copies.as_plain()
        for folder, copies in looked
        if copies.exact or copies.mentions or copies.unsearched
    ]
    return {
        "found": sum(len(copies.exact) + len(copies.mentions) for _, copies in looked),
        "searched": sum(copies.searched for _, copies in looked),
        "unsearched": sum(copies.unsearched for _, copies in looked),
        "folders": listed,
    }


def _tell(office: Office, batch: Batch, looked: list[tuple[Folder, Copies]], until: str) -> int:
    """Put a note into the inbox of everybody who sees one of the slices; how many notes were written."""
    concerned: dict[str, list[tuple[Folder, Copies]]] = {}
    for folder, copies in looked:
        for name in folder.seen_by:
            concerned.setdefault(name, []).append((folder, copies))
    written = 0
    for name, mine in sorted(concerned.items()):
        inbox = office.layout.inboxes / name
        if inbox.is_symlink() or not inbox.is_dir():
            continue  # it was never opened, or is gone: nobody is there to be told
        text = note(batch, mine, until)
        try:
            write_atomically(inbox / f"WITHDRAWAL-{batch.id[:8]}.md", text.encode(), mode=_MODE, durable=False)
            written += 1
        except OSError as error:
            log.warning("note-not-written", workspace=name, error=str(error))
    return written


_PLACES = {"home": "/home/researcher", "outbox": "/outbox", "shared": "/shared"}


def note(batch: Batch, mine: list[tuple[Folder, Copies]], until: str) -> str:
    """What somebody is told whose project's data has changed."""
    lines = [
        "# People have opted out",
        "",
        f"Patients of the dataset {batch.dataset} have opted out. Their files are gone from `/data`; see `CHANGES.md`",
        "beside your data. Nothing that names them can leave any more. If a program of yours held one of their files",
        "open, your workspace was started again.",
        "",
    ]
    paths = [
        (f"{_PLACES[folder.kind]}/{path}", what)
        for folder, copies in mine
        for what, found in (("copy", copies.exact), ("mention", copies.mentions))
        for path in found
    ]
    if not paths:
        return "\n".join([*lines, "No copy of their data was found among your files.", ""])
    lines += [f"Please delete these files, or take these people out of them, by **{until}**:", ""]
    lines += [_line(path, what) for path, what in paths[:MOST_NAMED]]
    if len(paths) > MOST_NAMED:
        lines.append(f"- and {len(paths) - MOST_NAMED} more")
    return "\n".join([*lines, "", "Then it is looked again; what is left is reported to the data's custodian.", ""])


def _line(path: str, what: str) -> str:
    if path == f"{_PLACES['home']}/{HOME_IMAGE}":
        return f"- somewhere in `{_PLACES['home']}`: look for their pseudonyms and images yourself"
    return f"- `{_plain(path)}` ({what})"


def _plain(path: str) -> str:
    """A name of a file in one line, without what would end the code span."""
    return "".join(sign if sign.isprintable() and sign != "`" else "?" for sign in path)
