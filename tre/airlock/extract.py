"""What is kept of a file for people and for later comparison: its tables, what is shown of it, its JSON value.

Guarantees: `decode(encode(file))` gives back what was encoded; decoding takes bytes of a child that may have been
taken over, checks the kind of every field, and builds nothing but texts, numbers and bytes. Standard library only.

Does not guarantee: that an extract is true to its file. It is a claim of the child about that one file, like its
findings, and names the file by nothing: whoever keeps it knows which bytes it was made of.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from tre.airlock.parsed import Card, ParsedFile, Place, Table

LONGEST_EXTRACT = 64 << 20
FORMAT = 1
CARD_KINDS = frozenset({"text", "code", "markdown", "table", "picture", "drawing", "note"})

T = TypeVar("T")


class ExtractInvalidError(ValueError):
    """The bytes are no extract."""


@dataclass(frozen=True)
class Extract:
    """What was kept of one file; `roles` holds one word for each column of each table (see `tre.airlock.tables`)."""

    type: str
    size: int
    tables: tuple[Table, ...] = ()
    roles: tuple[tuple[str, ...], ...] = ()
    cards: tuple[Card, ...] = ()
    marks: tuple[tuple[str, int], ...] = ()
    pictures: int = 0
    lossy: str = ""
    value: Any = None


def extract_of(file: ParsedFile, roles: tuple[tuple[str, ...], ...]) -> Extract:
    """What is kept of a parsed file."""
    return Extract(
        type=file.type,
        size=file.size,
        tables=tuple(file.tables),
        roles=roles,
        cards=tuple(file.cards),
        marks=tuple(sorted(file.marks.items())),
        pictures=len(file.pictures),
        lossy=file.lossy,
        value=file.value,
    )


def encode(extract: Extract) -> bytes:
    """An extract as JSON in one line."""
    plain = {
        "format": FORMAT,
        "type": extract.type,
        "size": extract.size,
        "tables": [_plain_table(table) for table in extract.tables],
        "roles": extract.roles,
        "cards": [_plain_card(card) for card in extract.cards],
        "marks": extract.marks,
        "pictures": extract.pictures,
        "lossy": extract.lossy,
        "value": extract.value,
    }
    return json.dumps(plain, separators=(",", ":")).encode()


def _plain_place(place: Place) -> dict[str, Any]:
    return {name: value for name, value in asdict(place).items() if value is not None}


def _plain_table(table: Table) -> dict[str, Any]:
    return {
        "header": list(table.header),
        "rows": [list(row) for row in table.rows],
        "firstRow": table.first_row,
        "title": table.title,
        "within": _plain_place(table.within),
        "firstColumn": table.first_column,
        **({"lines": list(table.lines)} if table.lines else {}),
    }


def _plain_card(card: Card) -> dict[str, Any]:
    plain: dict[str, Any] = {"kind": card.kind, "title": card.title, "place": _plain_place(card.place)}
    if card.text:
        plain["text"] = card.text
    if card.table is not None:
        plain["table"] = card.table
    if card.data:
        plain["data"] = base64.b64encode(card.data).decode()
    return plain


def decode(raw: bytes) -> Extract:
    """The extract of these bytes. Raises `ExtractInvalidError`."""
    if len(raw) > LONGEST_EXTRACT:
        raise ExtractInvalidError("too long")
    try:
        plain = json.loads(raw)
        if not isinstance(plain, dict) or plain.get("format") != FORMAT:
            raise ExtractInvalidError("no extract of this format")
        return _read(plain)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ExtractInvalidError(f"not an extract: {type(error).__name__}") from error


def _read(plain: dict[str, Any]) -> Extract:
    tables = _all(plain["tables"], _table)
    roles = _all(plain["roles"], lambda row: _all(row, _text))
    cards = _all(plain["cards"], _card)
    if len(roles) != len(tables) or any(len(r) != len(t.header) for r, t in zip(roles, tables, strict=True)):
        raise ExtractInvalidError("roles do not fit the tables")
    if any(card.table is not None and not 0 <= card.table < len(tables) for card in cards):
        raise ExtractInvalidError("a card shows a table that is not there")
    return Extract(
        type=_text(plain["type"]),
        size=_number(plain["size"]),
        tables=tables,
        roles=roles,
        cards=cards,
        marks=_all(plain["marks"], lambda pair: (_text(pair[0]), _number(pair[1]))),
        pictures=_number(plain["pictures"]),
        lossy=_text(plain["lossy"]),
        value=plain["value"],
    )


def _all(value: Any, read: Callable[[Any], T]) -> tuple[T, ...]:
    if not isinstance(value, list):
        raise ExtractInvalidError("a list is due")
    return tuple(read(item) for item in value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ExtractInvalidError("a text is due")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ExtractInvalidError("a whole number is due")
    return value


_PLACE_KINDS: dict[str, Callable[[Any], Any]] = {
    field.name: _text if field.name in {"sheet", "pointer"} else _number for field in fields(Place)
}


def _place(plain: Any) -> Place:
    if not isinstance(plain, dict):
        raise ExtractInvalidError("a place is due")
    return Place(**{name: _PLACE_KINDS[name](value) for name, value in plain.items()})


def _table(plain: Any) -> Table:
    header = _all(plain["header"], _text)
    rows = _all(plain["rows"], lambda row: _all(row, _text))
    if any(len(row) != len(header) for row in rows):
        raise ExtractInvalidError("a row does not fit its header")
    place = _place(plain["within"])
    lines = _all(plain.get("lines", []), _number)
    if lines and len(lines) != len(rows):
        raise ExtractInvalidError("a row has no place")
    first = _number(plain["firstColumn"])
    return Table(header, rows, _number(plain["firstRow"]), _text(plain["title"]), place, first, lines)


def _card(plain: Any) -> Card:
    kind = _text(plain["kind"])
    if kind not in CARD_KINDS:
        raise ExtractInvalidError("an unknown kind of card")
    table = plain.get("table")
    try:
        data = base64.b64decode(_text(plain.get("data", "")), validate=True)
    except binascii.Error as error:
        raise ExtractInvalidError("not Base64") from error
    return Card(
        kind=kind,
        title=_text(plain["title"]),
        text=_text(plain.get("text", "")),
        table=None if table is None else _number(table),
        data=data,
        place=_place(plain["place"]),
    )
