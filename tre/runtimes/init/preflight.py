"""`tre-check`: have files of the outbox checked before they are submitted. Standard library only.

    tre-check [FILE…] [--json] [--wait SECONDS]

It writes an ask into the outbox and reads the answer from the inbox: no network, and no right that a researcher has not
got anyhow. Without names, everything in the outbox is checked. Exit: 0 nothing found that stops, 1 something found or
refused, 2 used wrongly.

Guarantees: nothing but the ask is written, and it is taken away again; a name leads to the outbox or is refused.

Does not guarantee: that it shows everything that the checkers see: what would tell about single people of the data is
told in outline only.

This program belongs to the researcher, like everything in a workspace: it decides nothing. What may be asked, how
often, and what is answered is decided outside.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FORM = "tre-preflight/1"
FOLDER = ".preflight"
STALE_SECONDS = 600
MOST_FILES = 50
POLL_SECONDS = 0.2
LETTERS = {
    "B": "blocks: nobody can release this",
    "E": "needs an exception with a reason from each checker",
    "A": "must be acknowledged by each checker",
    "I": "for information",
}


class UsageError(Exception):
    """What was asked cannot be asked; the text says what to do."""


class NoAnswerError(Exception):
    """Nobody answered in time."""


@dataclass(frozen=True)
class Places:
    """Where the outbox and the inbox are, and how time passes."""

    outbox: Path = Path("/outbox")
    inbox: Path = Path("/inbox")
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


def main(words: Sequence[str] | None = None, places: Places | None = None) -> int:
    """Ask, wait, print; returns the exit code."""
    found = _parser().parse_args(words)
    places = places or Places()
    try:
        answer = ask(names_in(found.files, places), found.wait, places)
    except (UsageError, NoAnswerError, OSError) as error:
        sys.stderr.write(f"tre-check: {error}\n")
        return 2 if isinstance(error, UsageError) else 1
    sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n" if found.json else text_of(answer))
    return 1 if stops(answer) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tre-check", description="Have files of the outbox checked before they are submitted."
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="a file in the outbox; all of it without any name")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument("--wait", type=int, default=300, metavar="SECONDS", help="how long to wait (300)")
    return parser


# Names.


def names_in(files: Sequence[str], places: Places) -> list[str]:
    """The files as paths below the outbox. Raises `UsageError`."""
    names = [_name(file, places) for file in files] if files else sorted(_everything(places.outbox))
    if not names:
        raise UsageError("the outbox is empty. Save a result to /outbox first.")
    if len(names) > MOST_FILES:
        raise UsageError(f"at most {MOST_FILES} files can be checked at once. Name those that matter.")
    return list(dict.fromkeys(names))


def _name(file: str, places: Places) -> str:
    outbox = os.path.realpath(places.outbox)
    for candidate in (Path(file), places.outbox / file):
        folder = os.path.realpath(candidate.parent)  # the file browser shows the outbox behind a link
        path = f"{folder}/{candidate.name}"
        if candidate.name in {"", ".."} or (Path(path).is_dir() and not Path(path).is_symlink()):
            continue
        if path.startswith(outbox + os.sep) and os.path.lexists(path):
            name = os.path.relpath(path, outbox)
            if "\n" in name or "\r" in name:
                raise UsageError("a name with a line break cannot be checked. Rename the file.")
            return name
    raise UsageError(f"{file} is no file in the outbox. Copy it there: cp {file} /outbox/")


def _everything(outbox: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(outbox):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith("."):
                yield os.path.relpath(Path(folder, name), outbox)


# Asking.


def ask(names: Sequence[str], patience: float, places: Places) -> dict[str, Any]:
    """Write the ask, wait for its answer, take the ask away. Raises `NoAnswerError`."""
    identifier = os.urandom(16).hex()
    folder = places.outbox / FOLDER
    folder.mkdir(exist_ok=True)
    folder.chmod(0o750)  # the checker reads it by its group
    _sweep(folder, places.clock())
    asked = folder / f"ask-{identifier}"
    unfinished = folder / f".{identifier}"
    try:
        unfinished.write_text("\n".join([FORM, *names]) + "\n", encoding="utf-8")
        unfinished.chmod(0o640)
        unfinished.rename(asked)
        return _await(identifier, patience, places)
    finally:
        asked.unlink(missing_ok=True)
        unfinished.unlink(missing_ok=True)


def _sweep(folder: Path, now: float) -> None:
    """Asks of programs that were killed."""
    for path in folder.glob("ask-*"):
        if now - path.lstat().st_mtime > STALE_SECONDS:
            path.unlink(missing_ok=True)


def _await(identifier: str, patience: float, places: Places) -> dict[str, Any]:
    answers = places.inbox / FOLDER
    deadline = places.clock() + patience
    while places.clock() < deadline:
        if found := _read(answers / f"answer-{identifier}.json"):
            return found
        wait = _read(answers / "wait.json")
        if wait and _moment(wait.get("until")) > places.clock():
            return wait
        places.sleep(POLL_SECONDS)
    raise NoAnswerError(
        f"no answer came within {patience:g} seconds. Nothing is lost: ask again later, or submit; the checks run then."
    )


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return found if isinstance(found, dict) else None


def _moment(text: object) -> float:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC).timestamp()
    except ValueError:
        return 0.0


# Printing.


def stops(answer: dict[str, Any]) -> bool:
    """Whether something stands in the way of a release."""
    return bool(answer.get("refused")) or any(file.get("worst") in {"B", "E"} for file in answer.get("files", ()))


def text_of(answer: dict[str, Any]) -> str:
    """The answer for a person."""
    if refused := answer.get("refused"):
        return " ".join(filter(None, (refused.get(key, "") for key in ("what", "why", "remedy")))) + "\n"
    lines: list[str] = []
    for file in answer.get("files", ()):
        lines += _file_lines(file)
    remaining = answer.get("remaining", 0)
    lines.append(f"{remaining} more {'check' if remaining == 1 else 'checks'} can be asked for within this hour.")
    return "\n".join(lines) + "\n"


def _file_lines(file: dict[str, Any]) -> Iterator[str]:
    findings = file.get("findings", ())
    yield f"{_shown(file['path'])}: {'nothing found' if not findings else f'{len(findings)} found'}"
    for finding in findings:
        place = _place(finding.get("locator") or {})
        yield f"  {finding['severity']} {finding['check']}{place}: {_shown(finding['message'])}"
        if finding.get("suggestion"):
            yield f"      {_shown(finding['suggestion'])}"
    if file.get("more"):
        yield f"  and {file['more']} more."
    for letter in sorted({finding["severity"] for finding in findings}, key=list(LETTERS).index):
        yield f"  {letter} {LETTERS[letter]}"
    if fixes := file.get("fixes"):
        yield f"  The page of your request can do for you: {'; '.join(fix['title'] for fix in fixes)}."
    yield ""


def _place(locator: dict[str, Any]) -> str:
    parts = [f"{key} {value}" for key, value in locator.items() if value is not None]
    return f" ({', '.join(parts)})" if parts else ""


def _shown(text: str) -> str:
    """Without anything that a terminal would act on."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


if __name__ == "__main__":
    sys.exit(main())
