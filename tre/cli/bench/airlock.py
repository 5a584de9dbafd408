"""`tre bench airlock`: how often the checks raise a false alarm, what they miss, and how long people wait for them.

Guarantees: a corpus is checked as the airlock checks requests, one confined child a file and one for the comparison,
under a policy that comes with the launcher; beside it, in the same run, two rules that are used elsewhere are applied
to the very same files: any whole number below ten, and the smallest number of every numeric column.

Does not guarantee: that the figures hold for a site's own outputs. A corpus is what its generator writes; a site
measures its own with the same manifest.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from tre.airlock.examination import Candidate, FileReport, Knowledge, Verdict, check_files
from tre.airlock.policy import load_policy, shipped_directory
from tre.airlock.sliceindex.body import bundle
from tre.airlock.sliceindex.making import Material, make
from tre.airlock.vault import hash_descriptor
from tre.cli.bench.figures import Figure, Peer, figure
from tre.domain.errors import Reason, TREError
from tre.domain.exports.rules import KNOWN_TYPES, AirlockPolicy
from tre.domain.model import Line, Record

RECORDS, PSEUDONYM = "records.csv", "pseudonym"
"""What a corpus' outputs were made from, beside its manifest, and the column that names people."""

TYPICAL = 20
"""Files of a request that is timed as a whole."""

_CELLS = re.compile(r"[\s|;:()\[\]{}]+|,(?!\d{3}(?!\d))")  # a comma before three digits may belong to a number
_READ_BY_PEERS = frozenset({".csv", ".tsv", ".txt", ".log", ".md", ".json"})


class Listed(Record):
    """One request of a corpus; see `tools/corpus`."""

    folder: Annotated[Line, Field(pattern=r"^[0-9A-Za-z_-]+$")]
    about: Line
    writer: Line
    sort: Literal["clean", "planted", "hostile", "near-miss"]
    plants: tuple[Line, ...] = ()
    target: Line


class Manifest(Record):
    """What a corpus says of itself."""

    seed: Line
    people: int
    tools: dict[str, str]
    samples: tuple[Listed, ...]


@dataclass(frozen=True)
class Outcome:
    """What the checks and the two peers said of one request."""

    listed: Listed
    reports: tuple[FileReport, ...]
    any_small: bool
    smallest: bool

    @property
    def stopped(self) -> bool:
        """Whether a file of the request would need an exception, or is blocked."""
        return any(report.verdict in {Verdict.blocked, Verdict.exception} for report in self.reports)

    @property
    def blocked(self) -> bool:
        """Whether a file of it is blocked."""
        return any(report.verdict is Verdict.blocked for report in self.reports)

    @property
    def found(self) -> bool:
        """Whether one of the planted checks found something in the file that it was planted in."""
        target = next(report for report in self.reports if report.path == self.listed.target)
        return any(finding.check in self.listed.plants for finding in target.findings)


def bench(corpus: Path) -> list[Figure]:
    """Measure the checks on a corpus. Raises `TREError(BadInput)` where there is none."""
    manifest = read_manifest(corpus)
    policy = load_policy("default", [shipped_directory()])
    knowledge = Knowledge(people=manifest.people, index=index_of(corpus / RECORDS))
    rules = {"hostile": open_to_all(policy), "near-miss": open_to_all(policy)}
    outcomes = [assess(corpus, listed, rules.get(listed.sort, policy), knowledge) for listed in manifest.samples]
    return [*_time(corpus, manifest, policy), *_alarms(outcomes), *_recall(outcomes), *_carriers(outcomes)]


def open_to_all(policy: AirlockPolicy) -> AirlockPolicy:
    """The policy, letting every type through that has a parser: a hostile file is then stopped by what it holds."""
    spec = policy.spec.model_copy(update={"types": tuple(sorted(KNOWN_TYPES))})
    return policy.model_copy(update={"spec": spec})


def index_of(records: Path) -> bytes:
    """The index of the records that a corpus was made from, as of a mounted slice; empty where it has none."""
    if not records.is_file():
        return b""
    with records.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    names = [row[PSEUDONYM] for row in rows]
    material = Material(identifiers=names, names=names)
    for row in rows:
        material.add(row[PSEUDONYM], {title: value for title, value in row.items() if title != PSEUDONYM})
    return bundle([make(material)])


def read_manifest(corpus: Path) -> Manifest:
    """The corpus' own account of itself. Raises `TREError(BadInput)`."""
    path = corpus / "manifest.json"
    try:
        return Manifest.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise TREError(
            Reason.BadInput, f"{corpus} is no corpus.", why=str(error)[:300], remedy="`make corpus` writes one."
        ) from error


def assess(corpus: Path, listed: Listed, policy: AirlockPolicy, knowledge: Knowledge) -> Outcome:
    """Check one request, by ours and by both peers."""
    paths = files_of(corpus / listed.folder)
    candidates = [_candidate(corpus / listed.folder, path) for path in paths]
    reports = tuple(check_files(candidates, policy, knowledge))
    read = [path for path in paths if path.suffix in _READ_BY_PEERS and listed.sort in {"clean", "planted"}]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in read]
    return Outcome(listed, reports, any(map(any_small, texts)), any(map(smallest_below_ten, texts)))


def files_of(folder: Path) -> list[Path]:
    """The files of a request."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _candidate(folder: Path, path: Path) -> Candidate:
    with opened(path) as descriptor:
        sha256 = hash_descriptor(descriptor).sha256
    return Candidate(str(path.relative_to(folder)), sha256, partial(opened, path))


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A file of the corpus, open for reading."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def any_small(text: str) -> bool:
    """The first peer: a whole number from 1 to 9 anywhere."""
    return any(len(cell) == 1 and cell in "123456789" for cell in _CELLS.split(text))


def smallest_below_ten(text: str) -> bool:
    """The second peer: the smallest number of any numeric column of a delimited table is below ten."""
    rows = list(csv.reader(io.StringIO(text)))
    columns = zip(*(row for row in rows[1:] if len(row) == len(rows[0])), strict=False) if rows else ()
    return any(
        min(numbers) < 10
        for column in columns
        if (numbers := [n for cell in column if (n := _number(cell)) is not None])
    )


def _number(cell: str) -> float | None:
    try:
        return float(cell.replace(",", ""))
    except ValueError:
        return None


def _time(corpus: Path, manifest: Manifest, policy: AirlockPolicy) -> list[Figure]:
    paths = [
        (corpus / listed.folder, path)
        for listed in manifest.samples
        if listed.sort == "clean"
        for path in files_of(corpus / listed.folder)
    ][:TYPICAL]
    candidates = [_candidate(folder, path) for folder, path in paths]
    began = time.monotonic()
    check_files(candidates, policy)
    took = time.monotonic() - began
    return [figure(f"{len(paths)} files fully checked", "s", took, target=("≤ 10 s", took <= 10))]


def share(outcomes: Sequence[Outcome], which: Callable[[Outcome], bool]) -> float:
    """The share, in per cent, of which something holds; 0 of none."""
    return 100 * sum(map(which, outcomes)) / len(outcomes) if outcomes else 0.0


def _alarms(outcomes: Sequence[Outcome]) -> list[Figure]:
    clean = [outcome for outcome in outcomes if outcome.listed.sort == "clean"]
    ours = share(clean, lambda outcome: outcome.stopped)
    first, second = share(clean, lambda o: o.any_small), share(clean, lambda o: o.smallest)
    return [
        figure(f"clean requests ({len(clean)}) that are stopped", "%", ours, target=("< 10 %", ours < 10)),
        figure("the same, beside", "%", ours, peer=Peer(name="any integer under 10", value=first)),
        figure("the same, beside", "%", ours, peer=Peer(name="smallest of each numeric column", value=second)),
        *_by_kind(clean, "clean, stopped", lambda outcome: outcome.stopped),
    ]


def _recall(outcomes: Sequence[Outcome]) -> list[Figure]:
    planted = [outcome for outcome in outcomes if outcome.listed.sort == "planted"]
    counts = [outcome for outcome in planted if "S01" in outcome.listed.plants]
    ours, small = share(planted, lambda o: o.found), share(counts, lambda o: o.found)
    peers = {
        "any integer under 10": share(counts, lambda o: o.any_small),
        "smallest of each numeric column": share(counts, lambda o: o.smallest),
    }
    return [
        figure(f"planted disclosures ({len(planted)}) that are found", "%", ours, target=("> 95 %", ours > 95)),
        *(figure("small counts found, beside", "%", small, peer=Peer(name=n, value=v)) for n, v in peers.items()),
        *_by_kind(planted, "planted, found", lambda outcome: outcome.found),
    ]


def _carriers(outcomes: Sequence[Outcome]) -> list[Figure]:
    hostile = [outcome for outcome in outcomes if outcome.listed.sort == "hostile"]
    near = [outcome for outcome in outcomes if outcome.listed.sort == "near-miss"]
    if not hostile or not near:
        return []
    stopped, passed = share(hostile, lambda o: o.stopped), share(near, lambda o: not o.stopped)
    return [
        figure(f"hostile files ({len(hostile)}) that are stopped", "%", stopped, target=("100 %", stopped == 100)),
        figure("of these, blocked whatever people say", "%", share(hostile, lambda o: o.blocked)),
        *(figure(f"hostile, passed: {o.listed.target}", "file", 1) for o in hostile if not o.stopped),
        figure(f"their near-misses ({len(near)}) that pass", "%", passed, target=("≥ 90 %", passed >= 90)),
        *(figure(f"near-miss, stopped: {o.listed.target}", "file", 1) for o in near if o.stopped),
    ]


def _by_kind(outcomes: Sequence[Outcome], what: str, which: Callable[[Outcome], bool]) -> list[Figure]:
    kinds = dict.fromkeys(outcome.listed.about for outcome in outcomes)
    found = {kind: [o for o in outcomes if o.listed.about == kind] for kind in kinds}
    return [figure(f"{what}: {kind} ({len(some)})", "%", share(some, which)) for kind, some in found.items()]
