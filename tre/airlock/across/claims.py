"""C01: what ACRO and SACRO-ML say of the files, held against the files themselves and against this policy.

Guarantees: what a tool says against its own user is believed (a check of ACRO's that failed becomes a finding of ours
at its cell: dominance, counts behind a mean, degrees of freedom); what it says in favour is not (a pass hides no
finding of ours, and where the table contradicts it that is said). Files, checksums, shapes and coordinates that do not
agree, and settings laxer than the policy, are pointed out. What ACRO writes for the checker only does not leave.

Does not guarantee: that the claims were made by the tool. They come from the workspace, like the files.

Threat: a `results.json` that was edited, belongs to other files, or was made with a threshold of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from tre.airlock.across import Member, Remark
from tre.airlock.across.acro import ClaimedFile, Record, Session, is_settings, read_session
from tre.airlock.across.sacroml import read_report
from tre.airlock.across.settings import laxer
from tre.airlock.parsed import Observation, Rules, Surroundings, Table, quoted
from tre.airlock.tables.shown import whole

_OWN = re.compile(r"(?:results|outputs|config|evidence|session_summary)\.(?:json|csv)", re.IGNORECASE)
_FORBIDDEN_NAME = re.compile(r"do_?n[o']?t_?release", re.IGNORECASE)
_DIGEST = re.compile(r"\b[0-9a-fA-F]{64}\b")
_FLAGS = {
    "MinimumThresholdCheck": ("S01", "ACRO counted too few people behind this cell."),
    "NKCheck": ("S08", "ACRO found that one or two contributors make up most of this cell (the (n, k) rule)."),
    "PPercentCheck": ("S08", "ACRO found that one contributor can be estimated from this cell (the p-ratio)."),
    "RequiredZeroCheck": ("S05", "ACRO found that everybody behind this cell has one value."),
}
_ADVICE = "Suppress the cell, or merge groups, and let ACRO look again."


def observe(members: Sequence[Member], around: Surroundings) -> Iterator[Remark]:
    """What the claims of the request say, and where they are wrong."""
    ours = {member.path: place for place, member in enumerate(members) if member.origin == "request"}
    known: set[int] = set()
    for place in ours.values():
        member = members[place]
        if (session := read_session(member.extract.value)) is not None:
            known |= set(_listed(session, member, ours))
            yield from _session(place, session, members, ours, around.rules)
        if (evidence := read_report(member.extract.value)) is not None:
            said = "; ".join(
                f"{title}: {', '.join(found[:3])}{' …' if len(found) > 3 else ''}"
                for title, found in (
                    ("rejects at once", evidence.immediate_rejection),
                    ("against release", evidence.support_rejection),
                    ("for release", evidence.support_release),
                )
                if found
            )
            message = f"SACRO-ML's report claims, {said or 'nothing that its rules weigh'}"[:480]
            advice = "It is a claim from the workspace: weigh it against the model and what it was trained on."
            yield Remark(place, Observation("C01", f"{message}.", advice))
    for path, place in ours.items():
        if place not in known and _FORBIDDEN_NAME.search(path):
            yield from _forbidden(place, members[place])


def _session(
    place: int, session: Session, members: Sequence[Member], ours: dict[str, int], rules: Rules
) -> Iterator[Remark]:
    member = members[place]
    listed = _listed(session, member, ours)
    found = [*_files(session, member, ours, set(listed)), *_settings(member, members, ours, rules)]
    for observation in found:
        yield Remark(place, observation)
    for number, (record, file) in listed.items():
        if record.forbidden:
            yield from _forbidden(number, members[number])
        yield from (Remark(number, item) for item in _record(record, file, members[number], rules))
    yield from _checksums(member, members, ours)


def _listed(session: Session, member: Member, ours: dict[str, int]) -> dict[int, tuple[Record, ClaimedFile]]:
    folder = PurePosixPath(member.path).parent
    pairs = ((str(folder / file.name), record, file) for record in session.records for file in record.files)
    return {ours[path]: (record, file) for path, record, file in pairs if path in ours}


def _forbidden(place: int, member: Member) -> Iterator[Remark]:
    if member.kind == "output":
        message = "ACRO wrote this file for the checker only: DO NOT RELEASE."
        advice = "Make it a supporting file, which is shown to the checkers and stays inside."
        yield Remark(place, Observation("C01", message, advice, case="do-not-release"))


def _files(session: Session, member: Member, ours: dict[str, int], listed: set[int]) -> Iterator[Observation]:
    folder = PurePosixPath(member.path).parent
    names = dict.fromkeys(file.name for record in session.records for file in record.files)
    missing = [name for name in names if str(folder / name) not in ours]
    if missing:
        message = f"ACRO's results speak of files that are not in the request: {_some(missing)}."
        yield Observation("C01", message, "Add them as they are, or run ACRO again for what is asked.")
    beside = [
        path
        for path, place in ours.items()
        if place not in listed and PurePosixPath(path).parent == folder and not _OWN.fullmatch(PurePosixPath(path).name)
    ]
    if beside:
        message = f"ACRO's results do not speak of files that lie beside them: {_some(beside)}."
        yield Observation("C01", message, "Check them without its help, or add them to the ACRO session.")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(quoted(name) for name in names[:3]) + more


def _settings(member: Member, members: Sequence[Member], ours: dict[str, int], rules: Rules) -> Iterator[Observation]:
    place = ours.get(str(PurePosixPath(member.path).parent / "config.json"))
    value = members[place].extract.value if place is not None else None
    if not is_settings(value):
        message = "ACRO's settings (config.json) do not come with its results: its thresholds are not known."
        yield Observation("C01", message, "Add config.json from the same folder as a supporting file.")
        return
    found = laxer(value, rules)
    if found:
        message = f"ACRO ran with laxer settings than this policy: {'; '.join(found)}."
        yield Observation("C01", message[:480], "Run ACRO again with this policy's settings.")


def _checksums(member: Member, members: Sequence[Member], ours: dict[str, int]) -> Iterator[Remark]:
    """`checksums/NAME.txt` holds the bare SHA-256 of NAME."""
    folder = PurePosixPath(member.path).parent
    for path, place in ours.items():
        own = PurePosixPath(path)
        about = ours.get(str(folder / own.name.removesuffix(".txt")))
        if own.parent != folder / "checksums" or about is None:
            continue
        texts = [card.text for card in members[place].extract.cards]
        digests = {found.lower() for text in texts for found in _DIGEST.findall(text[:4096])}
        if digests and members[about].sha256 not in digests:
            message = "The file is not the one that ACRO wrote: its SHA-256 differs from ACRO's own."
            yield Remark(
                about, Observation("C01", message, "Export the session again and leave its files as they are.")
            )


def _record(record: Record, file: ClaimedFile, member: Member, rules: Rules) -> list[Observation]:
    """What a record says of one file, and where the file says otherwise."""
    found: list[Observation] = []
    tables = member.extract.tables
    table = tables[0] if len(tables) == 1 else None
    flagged = _all_flags(record, file)
    if record.status == "pass" and flagged and not record.mitigated:
        found.append(Observation("C01", "ACRO's record says pass, though it lists cells that failed."))
    if record.status == "fail" and record.exception:
        message = f"ACRO's checks failed; the author's reason: {quoted(record.exception)}"
        found.append(Observation("C01", message, "Judge the reason together with the table."))
    if "MinimumDoFCheck" in record.failed and not record.mitigated:
        message = f"ACRO found fewer than {rules.residual_degrees} residual degrees of freedom."
        found.append(Observation("S07", message, "Use a simpler model or more people.", case="low"))
    if table is None or record.kind not in {"table", ""}:
        return found
    body = _body(record, table)
    if body is None:
        if record.columns:
            shape = f"{len(table.rows)} rows and {len(table.header)} columns"
            message = (
                f"The table has {shape}, ACRO's record {record.rows} and {len(record.columns)}: not the same table."
            )
            found.append(Observation("C01", message, "Export the session again and leave its files as they are."))
        return found
    found += _flagged(record, flagged, table, body, rules)
    if record.counts_people and record.mitigation != "round":
        found += _unflagged(record, file, table, body, rules)
    return found


def _all_flags(record: Record, file: ClaimedFile) -> dict[str, tuple[tuple[int, int], ...]]:
    """What the mask of the file says, and the outcome, which also covers the columns that the mask is repeated over."""
    own = {check: file.flagged.get(check, ()) + record.outcome.get(check, ()) for check in _FLAGS}
    return {check: tuple(dict.fromkeys(cells)) for check, cells in own.items() if cells}


Body = tuple[int, int, int, int]
"""First row and first column of a table's body, and how many rows and columns it has."""


def _body(record: Record, table: Table) -> Body | None:
    """Where the cells of the record's outcome stand in the file; `None` where the two have different shapes."""
    if not record.columns:
        return None
    left = len(table.header) - len(record.columns)
    above = len(table.rows) - record.rows
    if left < 1 or not 0 <= above <= record.levels:
        return None
    return above, left, record.rows, len(record.columns)


def _flagged(
    record: Record, flagged: dict[str, tuple[tuple[int, int], ...]], table: Table, body: Body, rules: Rules
) -> Iterator[Observation]:
    above, left, rows, columns = body
    outside = sum(not (r < rows and c < columns) for cells in flagged.values() for r, c in cells)
    if outside:
        message = f"ACRO's record flags {outside} cells that the table does not have."
        yield Observation("C01", message, "Export the session again and leave its files as they are.")
    if record.mitigated:
        return
    small: list[tuple[int, int]] = []
    for check, cells in flagged.items():
        ours, message = _FLAGS[check]
        for r, c in _spread(cells, rows, columns):
            text = table.rows[above + r][left + c]
            number = whole(text)
            if text.strip().lower() in {"", "nan"}:
                continue
            if ours == "S01" and record.counts_people and number is not None and number < rules.threshold:
                small.append((above + r, left + c))  # the count itself is shown: one finding for all of them
                continue
            yield Observation(ours, message, _ADVICE, table.at(above + r, left + c))
    shown = [cell for cell in small if whole(table.rows[cell[0]][cell[1]]) or rules.zeros_disclosive]
    if shown:
        message = f"ACRO counts this table as one of people; {len(shown)} of its cells are below {rules.threshold}."
        yield Observation("S01", message, _ADVICE, table.at(*shown[0]))


def _spread(cells: Iterable[tuple[int, int]], rows: int, columns: int) -> list[tuple[int, int]]:
    """The cells of a mask that exist."""
    return [(r, c) for r, c in cells if r < rows and c < columns]


def _unflagged(record: Record, file: ClaimedFile, table: Table, body: Body, rules: Rules) -> Iterator[Observation]:
    """Small counts that the record does not flag."""
    above, left, rows, columns = body
    flagged = set(_all_flags(record, file).get("MinimumThresholdCheck", ()))
    for r in range(rows):
        for c in range(columns):
            number = whole(table.rows[above + r][left + c])
            if number is not None and 0 < number < rules.threshold and (r, c) not in flagged:
                message = f"ACRO's record passes this cell, though it shows {number}, below {rules.threshold}."
                yield Observation("C01", message, "Do not rely on the record.", table.at(above + r, left + c))
