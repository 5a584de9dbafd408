"""`tre check PATH…`: the airlock's checks on any files, with no service running.

Guarantees: the same parsers, checks and confinement as the airlock's own, under the same policy file; a file is
looked at from one open descriptor and never changed. Exit 1 where a file is blocked or needs an exception.

Does not guarantee: that the airlock says the same: it also knows what was mounted and released before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tre.airlock.examination import Candidate, FileReport, Verdict, check_files, worst
from tre.airlock.identify import type_of
from tre.airlock.intake import NotPlainError, check_plain
from tre.airlock.naming import problem_of
from tre.airlock.parsed import INVISIBLE
from tre.airlock.policy import directories, load_policy, read_policy
from tre.airlock.vault import hash_descriptor
from tre.cli.common import JsonOption, RootOption, command, out, print_json
from tre.domain.exports.models import Finding
from tre.domain.exports.rules import AirlockPolicy
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
    as_json: JsonOption = False,
    root: RootOption = None,
) -> None:
    """Check files as the airlock would. Exit 1 if one is blocked or needs an exception."""
    rules = _policy(policy, root)
    rows = _rows([file for path in paths for file in _files_in(path)], rules)
    if as_json:
        ref = {"name": rules.ref.name, "sha256": rules.ref.sha256}
        print_json({"policy": ref, "files": rows})
    else:
        _print(rows, rules)
    if any(row["verdict"] in {Verdict.blocked, Verdict.exception} for row in rows):
        raise typer.Exit(1)


def _policy(named: str, root: Path | None) -> AirlockPolicy:
    if named.endswith((".yaml", ".yml")) or "/" in named:
        return read_policy(Path(named))
    return load_policy(named, directories(root_from(root)))


def _files_in(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for inner in sorted(path.iterdir()):
        yield from _files_in(inner)


def _rows(paths: list[Path], rules: AirlockPolicy) -> list[dict[str, Any]]:
    outcomes = [_candidate(path, rules) for path in paths]
    reports = iter(check_files([found for found in outcomes if isinstance(found, Candidate)], rules))
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
            table.add_row(*first, f"{finding['check']} {finding['severity']}", escape(where), what)
    out.print(table)
    stopped = sum(Verdict(row["verdict"]) in {Verdict.blocked, Verdict.exception} for row in rows)
    out.print(f"{len(rows)} files, {stopped} would be stopped, policy {rules.ref.name} {rules.ref.sha256[:12]}")
