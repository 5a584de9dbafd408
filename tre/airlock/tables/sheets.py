"""Every table of a file, read once: the ones its parser found, and those that a JSON value amounts to.

Guarantees: all checks see the same reading of a file; a table is read once for all of them. Values of a JSON text
that form no table (a list of records, columns of values, rows of columns) come as one table of keys and values whose
rows carry the roles; a key that says nothing takes the role of the key above it.

Does not guarantee: that two checks in different processes share a reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tre.airlock.across.acro import is_settings, read_session
from tre.airlock.parsed import ParsedFile, Surroundings, Table
from tre.airlock.tables.lexicon import Role, named, roles_in
from tre.airlock.tables.model import Column, Sheet
from tre.airlock.tables.numbers import read_column
from tre.airlock.tables.roles import read_columns

_KEPT: list[tuple[ParsedFile, dict[str, str], list[Sheet]]] = []
_NAMING = frozenset({Role.unknown, Role.label, Role.date, Role.organisation})
_FEWEST_RECORDS = 2


def sheets_of(file: ParsedFile, around: Surroundings) -> list[Sheet]:
    """The tables of a file, read."""
    for known, labels, sheets in _KEPT:
        if known is file and labels == around.labels:
            return sheets
    sheets = [sheet_of(table, around.labels) for table in file.tables]
    sheets += _of_value(file.value, around.labels) if file.value is not None else []
    _KEPT[:] = [(file, dict(around.labels), sheets)]
    return sheets


def roles_in_tables(file: ParsedFile, around: Surroundings) -> tuple[tuple[str, ...], ...]:
    """One word for each column of each table that the parser found: what an extract keeps."""
    tables = sheets_of(file, around)[: len(file.tables)]
    return tuple(tuple(str(column.role) for column in sheet.columns) for sheet in tables)


def sheet_of(table: Table, labels: dict[str, str]) -> Sheet:
    """One table, read."""
    columns, rows = read_columns(table, labels)
    return Sheet(table, columns, rows)


def _of_value(value: object, labels: dict[str, str]) -> list[Sheet]:
    if read_session(value) is not None or is_settings(value):
        return []  # what ACRO writes about its own checks counts checks, not people
    sheets: list[Sheet] = []
    leaves: list[tuple[str, str, tuple[Role, ...]]] = []
    _walk(value, "", (Role.unknown,), leaves, sheets, labels)
    if leaves:
        table = Table(("key", "value"), [(pointer.rsplit("/", 1)[-1], text) for pointer, text, _ in leaves])
        column = Column(1, "value", Role.unknown, (Role.unknown,), read_column([t for _, t, _ in leaves]), False)
        keys = Column(0, "key", Role.label, (Role.label,), read_column([row[0] for row in table.rows]))
        rows = tuple(_given(pointer, roles, labels) for pointer, _, roles in leaves)
        sheets.append(Sheet(table, (keys, column), rows, [(pointer, pointer) for pointer, _, _ in leaves]))
    return sheets


def _given(pointer: str, roles: tuple[Role, ...], labels: dict[str, str]) -> tuple[Role, ...]:
    given = labels.get(pointer.rsplit("/", 1)[-1], "")
    return (Role(given),) if given in Role.__members__.values() else roles


def _text_of(value: object) -> str | None:
    """A leaf as a cell; `None` for what is no leaf."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return repr(value)
    return value if isinstance(value, str) else None


def _step(key: object) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")


def _walk(
    value: object,
    pointer: str,
    above: tuple[Role, ...],
    leaves: list[tuple[str, str, tuple[Role, ...]]],
    sheets: list[Sheet],
    labels: dict[str, str],
) -> None:
    text = _text_of(value)
    if text is not None:
        leaves.append((pointer, text, above))
        return
    made = _records(value, pointer) or _split(value, pointer) or _listed(value, pointer)
    if made is not None:
        _keep(sheets, *made, labels)
        return
    if isinstance(value, dict):
        alike = _alike(value)
        if alike:
            _keep(sheets, *_indexed(alike, pointer), labels)
        for key, inner in value.items():
            if key in alike:
                continue
            said = roles_in(str(key))
            roles = above if set(said) & _NAMING or not named(str(key)).sure else said
            _walk(inner, f"{pointer}/{_step(key)}", roles, leaves, sheets, labels)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _walk(inner, f"{pointer}/{number}", above, leaves, sheets, labels)


def _keep(sheets: list[Sheet], table: Table, pointers: Sequence[Sequence[str]], labels: dict[str, str]) -> None:
    columns, rows = read_columns(table, labels)
    sheets.append(Sheet(table, columns, rows, pointers))


def _alike(value: dict[str, object]) -> dict[str, dict[str, object]]:
    """The objects in an object that hold leaves under the same keys: the rows (or columns) of a table."""
    objects = {
        k: v for k, v in value.items() if isinstance(v, dict) and v and all(_text_of(x) is not None for x in v.values())
    }
    kinds = {frozenset(v) for v in objects.values()}
    return objects if len(objects) > 1 and len(kinds) == 1 else {}


def _indexed(alike: dict[str, dict[str, object]], pointer: str) -> Made:
    keys = list(next(iter(alike.values())))
    rows = [[name, *(_text_of(inner[key]) or "" for key in keys)] for name, inner in alike.items()]
    pointers = [[f"{pointer}/{_step(n)}", *(f"{pointer}/{_step(n)}/{_step(key)}" for key in keys)] for n in alike]
    return Table(["", *keys], rows), pointers


Made = tuple[Table, Sequence[Sequence[str]]]


def _records(value: object, pointer: str) -> Made | None:
    """A list of objects with leaves only, and with common keys: one row each."""
    if not isinstance(value, list) or len(value) < _FEWEST_RECORDS or not all(isinstance(v, dict) for v in value):
        return None
    keys = list(dict.fromkeys(key for record in value for key in record))
    if not keys or sum(map(len, value)) < 0.5 * len(keys) * len(value):
        return None
    rows = [[_text_of(record.get(key)) for key in keys] for record in value]
    filled = [[cell for cell in row if cell is not None] for row in rows]
    if any(len(row) != len(keys) for row in filled):
        return None
    pointers = [[f"{pointer}/{number}/{_step(key)}" for key in keys] for number in range(len(rows))]
    return Table(keys, filled), pointers


def _split(value: object, pointer: str) -> Made | None:
    """`{"columns": [...], "data": [[...], ...]}`, as pandas writes it."""
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("columns"), list)
        or not isinstance(value.get("data"), list)
    ):
        return None
    header, data = [str(title) for title in value["columns"]], value["data"]
    rows = [list(_leaves(row)) for row in data if isinstance(row, list)]
    if not header or len(rows) != len(data) or not rows or any(len(row) != len(header) for row in rows):
        return None
    pointers = [[f"{pointer}/data/{r}/{c}" for c in range(len(header))] for r in range(len(rows))]
    return Table(header, rows), pointers


def _listed(value: object, pointer: str) -> Made | None:
    """A list of equally long lists of leaves whose first row is titles only."""
    if not isinstance(value, list) or len(value) < _FEWEST_RECORDS or not all(isinstance(v, list) for v in value):
        return None
    rows = [list(_leaves(row)) for row in value]
    width = len(rows[0])
    if width < 2 or any(len(row) != width for row in rows) or any(len(v) != width for v in value):
        return None
    if not all(isinstance(title, str) for title in value[0]):
        return None
    pointers = [[f"{pointer}/{r}/{c}" for c in range(width)] for r in range(1, len(rows))]
    return Table(rows[0], rows[1:]), pointers


def _leaves(row: Sequence[object]) -> Iterator[str]:
    for cell in row:
        text = _text_of(cell)
        if text is not None:
            yield text
