"""`tre application attach|papers`: documents of an application, on the machine itself.

Guarantees: the same functions as behind the portal's pages, with the acting person named by `--as`; whoever can run
this reads the vault anyway, so it is for the operator's machine only. Saving one stands in the log as a reading of the
person who is named, and needs what that person's page needs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tre.cli.arguments import AsOption, person_of
from tre.cli.common import Installation, JsonOption, RootOption, command, out, print_json, print_table
from tre.domain.applications import papers as rules
from tre.domain.errors import Reason, TREError
from tre.domain.people import Role
from tre.portal.applying import papers as do
from tre.portal.applying.papers import Receiver
from tre.portal.context import Portal
from tre.portal.uploads import Uploads
from tre.store import applications, papers
from tre.system.files import write_atomically

PIECE = 2**20
Name = Annotated[str, typer.Argument(metavar="APPLICATION", help="The application's identifier.")]


def _portal(here: Installation) -> Portal:
    return Portal(settings=here.settings, layout=here.layout, database=here.database, clock=here.clock)


@command
def attach(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)],
    person: AsOption,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Attach a document to a draft, for its author."""
    here = Installation.open(root)
    portal, who = _portal(here), person_of(person, here.settings)
    terms = do.terms_of(portal)
    with here.database.read() as connection:
        version = applications.require(connection, name).version
    rules.check_size(file.stat().st_size, terms)
    os.umask(0o002)  # the checker, by its group, takes the directory away again
    arriving = Uploads(here.layout.uploads).begin(file.stat().st_size)
    try:
        receiver = Receiver(arriving, terms)
        receiver.begin(file.name)
        with file.open("rb") as opened:
            while piece := opened.read(PIECE):
                receiver.write(piece)
        receiver.finish()
        paper = receiver.attachment()
        arriving.seal()
        do.attach(portal, who, (name, version), paper, arriving.name)
    except BaseException:
        arriving.discard()
        raise
    if as_json:
        print_json({"application": name} | paper.as_plain())
        return
    out.print(f"{name}: {escape(paper.name)} is attached, {paper.digest}", highlight=False)


@command
def list_papers(
    name: Name,
    save: Annotated[str, typer.Option("--save", metavar="SHA256", help="Save this paper (with --to and --as).")] = "",
    to: Annotated[Path | None, typer.Option("--to", help="The file to write.")] = None,
    person: AsOption = "",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """The documents of an application, and where their bytes are; --save writes one."""
    here = Installation.open(root)
    if save:
        _save(here, name, save, to, person)
        return
    with here.database.read() as connection:
        found = applications.require(connection, name)
        states = {row.digest: row.state.value for row in papers.of_application(connection, name)}
    named = rules.drafted(found) or rules.handed_in(found)
    lines: list[dict[str, Any]] = [one.as_plain() | {"state": states.get(one.digest, "named")} for one in named]
    if as_json:
        print_json(lines)
        return
    rows = [(escape(one["name"]), one["bytes"], one["state"], one["digest"]) for one in lines]
    print_table("", ("paper", "bytes", "state", "digest"), rows)


def _save(here: Installation, name: str, digest: str, to: Path | None, person: str) -> None:
    if to is None or not person:
        raise TREError(Reason.BadInput, "Where to, and for whom?", remedy="Add --to FILE and --as ISSUER:ID.")
    who = person_of(person, here.settings).model_copy(update={"roles": frozenset({Role.committee})})
    paper, opened = do.hand_out(_portal(here), who, name, f"sha256:{digest.removeprefix('sha256:')}")
    with opened:
        write_atomically(to, opened.read(), mode=0o600)
    out.print(f"{to}: {paper.bytes} bytes", markup=False, highlight=False)
