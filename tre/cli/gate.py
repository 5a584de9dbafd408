"""`tre dataset gate | quarantine | decide | sign-manifest`: judging headers, and what becomes of files that wait.

Guarantees: `gate` needs no installation and changes nothing; exit 1 if any file is refused. No command shows the value
that a rule was broken with.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.markup import escape

from tre.cli import common
from tre.cli.arguments import check_reason
from tre.cli.common import Installation, JsonOption, RootOption, command, operator
from tre.cli.signing import KeyOption, OutputOption, load_key
from tre.domain.errors import Reason, TREError
from tre.domain.gate import Verdict, verdict_of
from tre.domain.quarantine import QuarantineState
from tre.slices.gate.manifest import NO_RULES, reading_all_pixels, sign_manifest
from tre.slices.gate.run import FileVerdict, gate_paths
from tre.sources.signed import key_id
from tre.store import datasets
from tre.store import quarantine as store
from tre.store.quarantine import QuarantineSearch
from tre.storekeeper import quarantine
from tre.storekeeper.manifests import read_manifest
from tre.storekeeper.office import Office
from tre.system.files import write_atomically
from tre.system.layout import Layout
from tre.system.settings import root_from

_COLOURS = {Verdict.refuse: "red", Verdict.quarantine: "yellow", Verdict.passed: "green"}

_SHORTEST = 6
"""Signs of a digest that name a file."""

Name = Annotated[str, typer.Argument(help="The dataset's name.")]
RuleOption = Annotated[str, typer.Option("--rule", help="Only files that wait for this rule first.")]


def register(app: typer.Typer) -> None:
    """Add these commands to `tre dataset`."""
    app.command("gate")(gate)
    app.command("quarantine")(show_quarantine)
    app.command("decide")(decide)
    app.command("sign-manifest")(sign)


@command
def gate(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files or directories.")],
    manifest: Annotated[Path | None, typer.Option(help="A tag manifest: what is safe in these headers.")] = None,
    ocr: Annotated[bool, typer.Option("--ocr", help="Read the pixels of every image for text (tesseract).")] = False,
    as_json: JsonOption = False,
) -> None:
    """Judge headers, sidecars and clinical records: one verdict for each file; exit 1 if any is refused."""
    declared = read_manifest(manifest) if manifest else None
    found: Counter[Verdict] = Counter()
    rules = declared.spec if declared else NO_RULES
    told = _counted(gate_paths(paths, reading_all_pixels(rules) if ocr else rules), found)
    if as_json:
        _stream(told)
    else:
        for one in told:
            _tell(one)
        common.out.print(", ".join(f"{found[verdict]} {verdict.value}" for verdict in Verdict), highlight=False)
    if declared is not None and declared.signed is None:
        common.err.print("The tag manifest is not signed: no addition would use it.", highlight=False)
    if found[Verdict.refuse]:
        raise typer.Exit(1)


def _counted(verdicts: Iterator[FileVerdict], found: Counter[Verdict]) -> Iterator[FileVerdict]:
    for one in verdicts:
        found[verdict_of(one.reasons)] += 1
        yield one


def _stream(verdicts: Iterator[FileVerdict]) -> None:
    """One JSON document, written as it comes: there may be millions of files."""
    sys.stdout.write('{"files": [')
    for number, one in enumerate(verdicts):
        sys.stdout.write((",\n" if number else "\n") + json.dumps(one.as_plain(), sort_keys=True))
    sys.stdout.write("\n]}\n")


def _tell(one: FileVerdict) -> None:
    verdict = verdict_of(one.reasons)
    common.out.print(f"[{_COLOURS[verdict]}]{verdict.value}[/] {escape(one.path)}", highlight=False)
    for reason in one.reasons:
        where = f" {reason.attribute}:" if reason.attribute else ""
        common.out.print(f"  {reason.rule}:{where} {reason.message}", markup=False, highlight=False)


@command
def show_quarantine(
    name: Name,
    rule: RuleOption = "",
    state: Annotated[QuarantineState, typer.Option(help="Files in this state.")] = QuarantineState.waiting,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Files that wait for a person, and why."""
    here = Installation.open(root)
    with here.database.read() as connection:
        datasets.require(connection, name)
        found = store.files_of(connection, QuarantineSearch(name, state, rule))
    if as_json:
        common.print_json({"files": [one.as_plain() for one in found]})
        return
    rows = [
        (one.sha256[:12], one.path, "; ".join(f"{item.rule} {item.attribute}".strip() for item in one.reasons))
        for one in found
    ]
    common.print_table(f"{name}: {len(found)} {state.value}", ("file", "path", "reasons"), rows)


@command
def decide(
    name: Name,
    files: Annotated[list[str] | None, typer.Argument(help="Beginnings of the files' digests.")] = None,
    release: Annotated[bool, typer.Option("--release/--reject", help="Let them in, or keep them out.")] = False,
    rule: RuleOption = "",
    reason: Annotated[str, typer.Option(help="Why; it is kept with the decision.")] = "",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide about files in quarantine, by name or all that wait for one rule; the next addition goes by it."""
    here = Installation.open(root)
    why = check_reason(reason)
    with here.database.read() as connection:
        datasets.require(connection, name)
        search = QuarantineSearch(name, QuarantineState.waiting, rule)
        waiting = [one.sha256 for one in store.files_of(connection, search)]
    chosen = _chosen(waiting, files or []) if files or rule else []
    office = Office(here.layout, here.settings, here.database, here.clock, operator())
    state = QuarantineState.released if release else QuarantineState.rejected
    done = quarantine.decide(office, name, chosen, state, why)
    if as_json:
        common.print_json({"dataset": name, "state": state.value, "files": [one.sha256 for one in done]})
    else:
        common.out.print(f"{name}: {len(done)} {state.value}", highlight=False)


def _chosen(waiting: list[str], beginnings: list[str]) -> list[str]:
    """The files that beginnings of digests name, one each; all that wait where none is given."""
    if not beginnings:
        return waiting
    chosen = []
    for beginning in beginnings:
        named = [one for one in waiting if one.startswith(beginning.lower())]
        if len(named) != 1 or len(beginning) < _SHORTEST:
            raise TREError(
                Reason.ObjectNotFound,
                f"{beginning!r} names no single file that waits.",
                why="It is too short." if len(beginning) < _SHORTEST else f"{len(named)} begin like this.",
                remedy="Name each by six or more signs of its digest: `tre dataset quarantine NAME`.",
            )
        chosen += named
    return chosen


@command
def sign(
    file: Annotated[Path, typer.Argument(help="A tag manifest.")],
    root: RootOption = None,
    key: KeyOption = None,
    output: OutputOption = None,
) -> None:
    """Sign a tag manifest with the data manager's key."""
    private = load_key(key or Layout(root_from(root)).grant_key)
    signed = sign_manifest(read_manifest(file), private, key_id(private.public_key()))
    text = yaml.safe_dump(signed.as_plain(), sort_keys=False, allow_unicode=True)
    write_atomically(output or file, text.encode(), mode=0o644)
    common.out.print(f"signed {signed.metadata.name} → {output or file}", highlight=False)
