"""Reading ACRO's `results.json` and `config.json`, versions 0.4 and 1.0, out of a JSON value that nobody vouches for.

Guarantees: whatever is missing or of another kind becomes an empty value; unknown keys are passed over; nothing is
looked up by version, since the versions differ in names of checks only. The names of checks of 0.4 are told by those of
1.0, which are the statbarns vocabulary's. Standard library only.

What a reader must know: coordinates count from 0 in the body of the table, without header and index columns; a table of
several statistics repeats the mask of one over all of its columns; `MinimumDoFCheck` lists every cell of a table, with
the degrees of freedom as if they were a count, so that only `check_status` says what it found; `fair` is of the last
statistic; an outcome may be empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_MOST_RECORDS = 500
_MOST_CELLS = 20_000
_OLD_NAMES = {
    "threshold": "MinimumThresholdCheck",
    "nk-rule": "NKCheck",
    "p-ratio": "PPercentCheck",
    "all-values-are-same": "RequiredZeroCheck",
}
_STATUSES = frozenset({"pass", "fail", "review"})
_DO_NOT_RELEASE = re.compile(r"do[ _-]?n[o']?t[ _-]release", re.IGNORECASE)
_SEVERAL_LINES = re.compile(r"\(['\"]")

Coordinates = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ClaimedFile:
    """One file of a record, and the cells that each check of ACRO flagged in it."""

    name: str
    flagged: Mapping[str, Coordinates]
    suppressed: bool = False


@dataclass(frozen=True)
class Record:
    """One output, as ACRO describes it."""

    uid: str
    status: str
    kind: str
    method: str
    mitigation: str
    command: str
    summary: str
    exception: str
    statistic: str
    failed: tuple[str, ...]
    files: tuple[ClaimedFile, ...]
    columns: tuple[str, ...]
    rows: int
    outcome: Mapping[str, Coordinates]
    forbidden: bool

    @property
    def levels(self) -> int:
        """How many lines of the table's file name its columns."""
        if not self.columns or not _SEVERAL_LINES.match(self.columns[0]):
            return 1
        return self.columns[0].count(", ") + 1

    @property
    def counts_people(self) -> bool:
        """Whether the table shows numbers of people, and no statistic of theirs."""
        if self.kind != "table" or self.method not in {"crosstab", "pivot_table"}:
            return False
        if self.statistic:
            return self.statistic == "Frequencies" and not re.search(r"\bvalues\s*=", self.command)
        return self.method == "crosstab" and not re.search(r"\b(?:values|aggfunc|normalize)\s*=", self.command)

    @property
    def mitigated(self) -> bool:
        """Whether ACRO says that it hid or rounded what it flagged."""
        return self.mitigation not in {"", "none"} or any(file.suppressed for file in self.files)


@dataclass(frozen=True)
class Session:
    """What one `results.json` says."""

    version: str
    records: tuple[Record, ...]


def read_session(value: object) -> Session | None:
    """The session, where a JSON value is one of ACRO's."""
    if not isinstance(value, dict) or not isinstance(value.get("results"), dict):
        return None
    results = value["results"]
    plain = [(uid, record) for uid, record in results.items() if isinstance(record, dict)]
    if not isinstance(value.get("version"), str) or not all(
        {"files", "status"} <= record.keys() for _, record in plain
    ):
        return None
    return Session(value["version"][:20], tuple(_record(uid, record) for uid, record in plain[:_MOST_RECORDS]))


def _record(uid: str, plain: dict[str, Any]) -> Record:
    properties, outcome, fair = _map(plain.get("properties")), _map(plain.get("outcome")), _map(plain.get("fair"))
    columns = tuple(str(name) for name, cells in outcome.items() if isinstance(cells, dict))
    rows = {str(row) for cells in outcome.values() if isinstance(cells, dict) for row in cells}
    status = _text(plain.get("status"))
    failed = tuple(name for name, said in _map(fair.get("check_status")).items() if said == "fail")
    comments = plain.get("comments") if isinstance(plain.get("comments"), list) else []
    warned = any(_DO_NOT_RELEASE.search(text) for text in (uid, *(c for c in comments or [] if isinstance(c, str))))
    return Record(
        uid=uid[:100],
        status=status if status in _STATUSES else "",
        kind=_text(plain.get("type")),
        method=_text(properties.get("method")),
        mitigation=_text(properties.get("mitigation")),
        command=_text(plain.get("command")),
        summary=_text(plain.get("summary")),
        exception=_text(plain.get("exception")),
        statistic=_text(fair.get("statbarn")),
        failed=failed,
        files=tuple(_files(plain.get("files"))),
        columns=columns,
        rows=len(rows),
        outcome=_outcome(outcome),
        forbidden=warned,
    )


def _outcome(plain: dict[str, Any]) -> dict[str, Coordinates]:
    """The cells of each check in the outcome, which spans the whole table: `Check; Check; `, or `okCheck; `."""
    found: dict[str, list[tuple[int, int]]] = {}
    columns = [cells for cells in plain.values() if isinstance(cells, dict)]
    for column, cells in enumerate(columns):
        for row, said in enumerate(cells.values()):
            for name in _text(said).split(";"):
                check = name.strip().removeprefix("ok")
                if check and len(found) < 20:
                    found.setdefault(_OLD_NAMES.get(check, check), []).append((row, column))
    return {check: tuple(cells[:_MOST_CELLS]) for check, cells in found.items()}


def _files(plain: object) -> Iterator[ClaimedFile]:
    for item in plain if isinstance(plain, list) else []:
        entry = _map(item)
        name = item if isinstance(item, str) else _text(entry.get("name"))
        if not name:
            continue
        sdc = _map(entry.get("sdc"))
        flagged = {_OLD_NAMES.get(str(c), str(c)): _coordinates(f) for c, f in _map(sdc.get("cells")).items()}
        yield ClaimedFile(name, flagged, _map(sdc.get("summary")).get("suppressed") is True)


def _coordinates(plain: object) -> Coordinates:
    found = []
    for item in plain[:_MOST_CELLS] if isinstance(plain, list) else []:
        if isinstance(item, list) and len(item) == 2 and all(type(part) is int and part >= 0 for part in item):
            found.append((item[0], item[1]))
    return tuple(dict.fromkeys(found))


def is_settings(value: object) -> bool:
    """Whether a JSON value is ACRO's `config.json`."""
    return isinstance(value, dict) and "safe_threshold" in value and "safe_dof_threshold" in value


def _map(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value[:1000] if isinstance(value, str) else ""
