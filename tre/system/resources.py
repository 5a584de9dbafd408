"""Records that people write as YAML files: settings, grants, specifications, policies.

Guarantees: a file gives its records whole, or one error that names file, line and key of everything that is wrong
with it and what was expected there; a file is read once, whatever is wrong with it, and at most `MOST_SHOWN` problems
are listed. Whoever finds something wrong later (a data set that nobody knows) can name the same places.

Threat: a file made to keep its reader busy with its own mistakes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from pydantic import ValidationError

import tre
from tre.domain.errors import Reason, TREError
from tre.domain.model import Record, all_keys, own_errors, problems_of
from tre.system.yamlfile import YamlFile, load_yaml, only_document, parse_yaml

T = TypeVar("T", bound=Record)

MOST_SHOWN = 20
"""Problems listed of one file: whoever has corrected so many runs the command again in any case."""

NOTHING_DONE = "Correct it and try again; nothing was changed."
STRICT = "Files are read strictly, so that none means something else than it shows."


@dataclass(frozen=True)
class Located(Generic[T]):
    """A record, and where it stands."""

    record: T
    file: YamlFile
    document: int = 0

    def place(self, *location: str | int) -> str:
        """File, line and key path: `grant.yaml:12: spec.slices[0].dataset`."""
        return self.file.place(location, self.document)

    def problem(self, location: tuple[str | int, ...], expected: str) -> str:
        """One problem as it is listed."""
        return f"{self.place(*location)}: {expected}"


def policy_file(root: Path, name: Path) -> Path | None:
    """Where a policy stands: the site's own under its root, else the one that comes with the launcher."""
    package = Path(tre.__file__).parent
    return next((found for place in (root, package, package.parent) if (found := place / name).is_file()), None)


def own_or_shipped(root: Path, name: Path) -> Path:
    """The same where there must be one. Raises `TREError(PolicyMissing)` where there is none."""
    found = policy_file(root, name)
    if found is None:
        raise TREError(Reason.PolicyMissing, f"There is no {name}.", remedy=f"Write it to {root / name}.")
    return found


def read_record(kind: type[T], path: Path, *, default: T | None = None) -> T:
    """The one record that a file holds; an empty file is the default, where there is one.

    Raises `TREError(BadInput)`.
    """
    file = load_yaml(path)
    if only_document(file) is None:
        if default is None:
            raise TREError(Reason.BadInput, f"{path} is empty.", why=f"{kind.__name__} is due.", remedy=NOTHING_DONE)
        return default
    return _record(kind, file, 0)


_SETTLED_AFTER_NS = 2_000_000_000
"""Two writings of a file within its system's tick may leave the same marks: what is this young is read each time."""

_Mark = tuple[int, int, int]
_settled: dict[tuple[type[Record], Path], tuple[_Mark, Record]] = {}


def read_settled(kind: type[T], path: Path) -> T:
    """The one record of a file that is asked for again and again, such as a policy: read when it is another file.

    May be asked by several threads. Raises `TREError(BadInput)`.
    """
    mark = _mark_of(path)
    known = _settled.get((kind, path))
    if mark is not None and known is not None and known[0] == mark:
        return cast("T", known[1])
    record = read_record(kind, path)
    if mark is not None and time.time_ns() - mark[0] > _SETTLED_AFTER_NS:
        _settled[kind, path] = mark, record
    return record


def _mark_of(path: Path) -> _Mark | None:
    try:
        found = path.stat()
    except OSError:
        return None  # whoever reads it says what is wrong
    return found.st_mtime_ns, found.st_size, found.st_ino


def read_located(kind: type[T], path: Path) -> Located[T]:
    """The one record that a file holds, with its place. Raises `TREError(BadInput)`."""
    return _located(kind, load_yaml(path))


def read_text(kind: type[T], text: str) -> Located[T]:
    """The one record that a text holds which somebody typed; its places are lines. Raises `TREError(BadInput)`."""
    return _located(kind, parse_yaml(text.encode(errors="replace"), ""))


def _located(kind: type[T], file: YamlFile) -> Located[T]:
    if only_document(file) is None:
        what = f"{file.source or 'The text'} is empty."
        raise TREError(Reason.BadInput, what, why=f"{kind.__name__} is due.", remedy=NOTHING_DONE)
    return Located(_record(kind, file, 0), file)


@contextmanager
def telling_where(found: Located[Any]) -> Iterator[None]:
    """Name file and line in an error that begins with a key of the record: `tier: the release has no such tier`."""
    try:
        yield
    except TREError as error:
        key, colon, rest = error.what.partition(": ")
        parts = key.split(".")
        if error.reason is not Reason.BadInput or not colon or not all(part.isidentifier() for part in parts):
            raise
        what = found.problem(tuple(parts), rest)
        raise TREError(error.reason, what, why=error.why, remedy=error.remedy) from error


def read_records(kind: type[T], path: Path) -> list[Located[T]]:
    """Every record of a file, with its place. Raises `TREError(BadInput)` where one is wrong or none is there."""
    file = load_yaml(path)
    if not file.values:
        raise TREError(
            Reason.BadInput,
            f"{path} holds no {kind.__name__}.",
            why="It is empty, or holds nothing but comments.",
            remedy=NOTHING_DONE,
        )
    return [Located(_record(kind, file, number), file, number) for number in range(len(file.values))]


def _record(kind: type[T], file: YamlFile, document: int) -> T:
    try:
        return kind.model_validate(file.values[document])
    except ValidationError as error:
        values, items = file.values[document], own_errors(error)
        places = [file.place(_location(item, values), document) for item in items[:MOST_SHOWN]]
        found = problems_of(error, all_keys(kind), MOST_SHOWN)
        listed = [f"{place}: {problem.expected}" for place, problem in zip(places, found, strict=True)]
        raise refusal(listed, unlisted=len(items) - len(listed)) from error


def _location(item: dict[str, Any], values: object) -> tuple[str | int, ...]:
    """Where a problem lies: one of a whole mapping begins with the key it is about (`expires must lie after …`)."""
    place = tuple(item["loc"])
    inside = values
    for part in place:
        inside = _child(inside, part)
    words = str(item["msg"]).removeprefix("Value error, ").split(" ", 1)[0].rstrip(":").split(".")
    for number, word in enumerate(words):
        inside = _child(inside, word)
        if inside is None:
            return place if number == 0 else (*place, *words[:number])
    return (*place, *words)


def _child(inside: object, part: str | int) -> object:
    if isinstance(inside, dict):
        return inside.get(part)
    return inside[part] if isinstance(inside, list) and isinstance(part, int) and part < len(inside) else None


def refusal(
    problems: Iterable[str], reason: Reason = Reason.BadInput, *, why: str = STRICT, unlisted: int = 0
) -> TREError:
    """One error for everything that is wrong, a line each; `unlisted` counts what nobody put into words."""
    listed = list(problems)
    more = max(len(listed) - MOST_SHOWN, 0) + unlisted
    shown = listed[:MOST_SHOWN] + ([f"and {more} more"] if more > 0 else [])
    return TREError(reason, "\n".join(shown), why=why, remedy=NOTHING_DONE)
