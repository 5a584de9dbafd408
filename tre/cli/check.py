"""`tre check PATH…`: the airlock's checks on any files, with no service running.

Guarantees: the same parsers, checks and confinement as the airlock's own, under the same policy file; a file is
looked at from one open descriptor and never changed. Exit 1 where a file is blocked or needs an exception.

Does not guarantee: that the airlock says the same: it also knows what was released before, and, unless `--slice` names
it, what was mounted. A slice's index is for whoever keeps it: root, or the user who runs the launcher.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tre.airlock.examination import (
    NOTHING_KNOWN,
    Candidate,
    FileReport,
    Knowledge,
    Verdict,
    check_files,
    worst,
)
from tre.airlock.identify import type_of
from tre.airlock.intake import NotPlainError, check_plain
from tre.airlock.naming import problem_of
from tre.airlock.parsed import INVISIBLE
from tre.airlock.policy import find_policy
from tre.airlock.sliceindex.body import bundle, decode
from tre.airlock.sliceindex.keeping import IndexStore
from tre.airlock.vault import hash_descriptor
from tre.cli.common import Installation, JsonOption, RootOption, command, out, print_json
from tre.domain.datasets import SLICE_ID_PATTERN
from tre.domain.errors import Reason, TREError
from tre.domain.exports.catalogue import key_of
from tre.domain.exports.models import Finding
from tre.domain.exports.rules import AirlockPolicy
from tre.store import datasets as store
from tre.system.layout import Layout
from tre.system.settings import root_from

app = typer.Typer(add_completion=False)

_COLOURS = {
    Verdict.blocked: "red",
    Verdict.exception: "magenta",
    Verdict.acknowledge: "yellow",
    Verdict.clear: "green",
}


@app.command("check")
@command
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", exists=True, help="files or directories")],
    policy: Annotated[str, typer.Option(help="name of a policy, or a policy file")] = "default",
    slices: Annotated[
        list[str] | None, typer.Option("--slice", metavar="SLICEID|DIGEST", help="compare with what was mounted")
    ] = None,
    as_json: JsonOption = False,
    root: RootOption = None,
) -> None:
    """Check files as the airlock would. Exit 1 if one is blocked or needs an exception."""
    rules = find_policy(policy, root_from(root))
    knowledge = _mounted(slices, root) if slices else NOTHING_KNOWN
    rows = rows_of([file for path in paths for file in files_in(path)], rules, knowledge)
    if as_json:
        ref = {"name": rules.ref.name, "sha256": rules.ref.sha256}
        print_json({"policy": ref, "files": rows})
    else:
        _print(rows, rules)
    if any(row["verdict"] in {Verdict.blocked, Verdict.exception} for row in rows):
        raise typer.Exit(1)


def _mounted(named: list[str], root: Path | None) -> Knowledge:
    """What is known of slices, by identifier or by content digest. Raises `TREError(SliceNotFound)`."""
    if all(re.fullmatch(SLICE_ID_PATTERN, name) for name in named):
        layout, identifiers = Layout(root_from(root)), named
    else:
        here = Installation.open(root)
        with here.database.read() as connection:
            known = {one.content_digest: one.slice_id for one in store.all_slices(connection)}
        layout, identifiers = here.layout, [known.get(_whole(name), name) for name in named]
    try:
        bodies = [IndexStore(layout.slice_indexes).require(slice_id) for slice_id in identifiers]
    except PermissionError as error:
        raise TREError(
            Reason.NotPermitted,
            "The index of the slice may not be read.",
            why=f"{error.filename}: it is for the checker, and tells who is in the data.",
            remedy="Run this as root, or as the user who runs the launcher.",
        ) from error
    return Knowledge(people=sum(decode(body).people for body in bodies), index=bundle(bodies))


def _whole(digest: str) -> str:
    return digest if digest.startswith("sha256:") else f"sha256:{digest}"


def files_in(path: Path) -> Iterator[Path]:
    """The files below a directory in the order of their names, or the one file; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for inner in sorted(path.iterdir()):
        yield from files_in(inner)


def rows_of(paths: list[Path], rules: AirlockPolicy, knowledge: Knowledge = NOTHING_KNOWN) -> list[dict[str, Any]]:
    """What the checks say of each file, as `tre check --json` prints it."""
    outcomes = [_candidate(path, rules) for path in paths]
    reports = iter(check_files([found for found in outcomes if isinstance(found, Candidate)], rules, knowledge))
    return [_row(next(reports)) if isinstance(found, Candidate) else found for found in outcomes]


def _candidate(path: Path, rules: AirlockPolicy) -> Candidate | dict[str, Any]:
    """What is to be looked at, or the row of a file that is not even opened for it."""
    name = str(path)
    problem = problem_of(path.name)
    try:
        with _opened(path) as descriptor:
            check_plain(descriptor)
            sha256 = hash_descriptor(descriptor).sha256
    except NotPlainError as error:
        problem = str(error)
    except OSError as error:
        problem = f"It cannot be opened as a plain file: {error.strerror}."
    if not problem:
        return Candidate(name, sha256, lambda: _opened(path))
    severity = rules.spec.severities["F01"]
    finding: dict[str, Any] = {
        "check": "F01",
        "severity": severity.value,
        "locator": {},
        "message": problem,
        "suggestion": "Copy the content into a plain file with a plain name.",
    }
    return {
        "path": name,
        "sha256": None,
        "type": type_of(name),
        "verdict": worst([severity]).value,
        "findings": [finding],
    }


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _row(report: FileReport) -> dict[str, Any]:
    return {
        "path": report.path,
        "sha256": report.sha256,
        "type": report.type,
        "verdict": report.verdict.value,
        "findings": [_finding(finding) for finding in report.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        **({"case": finding.case} if finding.case else {}),
        "severity": finding.severity.value,
        "locator": finding.locator.as_plain(),
        "message": finding.message,
        "suggestion": finding.suggestion,
    }


def _print(rows: list[dict[str, Any]], rules: AirlockPolicy) -> None:
    table = Table("file", "verdict", "check", "where", "what")
    for row in rows:
        shown = escape(INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", row["path"]))
        verdict = Verdict(row["verdict"])
        coloured = f"[{_COLOURS[verdict]}]{verdict.value}[/]"
        if not row["findings"]:
            table.add_row(shown, coloured, "", "", "")
        for number, finding in enumerate(row["findings"]):
            where = " ".join(f"{key} {value}" for key, value in finding["locator"].items())
            what = escape(f"{finding['message']} {finding['suggestion']}".strip())
            first = (shown, coloured) if number == 0 else ("", "")
            table.add_row(
                *first,
                f"{key_of(finding['check'], finding.get('case', ''))} {finding['severity']}",
                escape(where),
                what,
            )
    out.print(table)
    stopped = sum(Verdict(row["verdict"]) in {Verdict.blocked, Verdict.exception} for row in rows)
    out.print(f"{len(rows)} files, {stopped} would be stopped, policy {rules.ref.name} {rules.ref.sha256[:12]}")
