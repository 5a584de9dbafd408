"""Files by name and text, as the comparisons see them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from tests.assets.airlock.comparisons import EARLIER, SIBLING
from tre.airlock.across import Member, compare_all
from tre.airlock.extract import decode, encode, extract_of
from tre.airlock.identify import parse, type_of
from tre.airlock.parsed import Bounds, Card, Observation, Rules, Surroundings


def member(name: str, data: str | bytes, kind: str = "output", group: str = "") -> Member:
    """One file, parsed, encoded and read again."""
    raw = data.encode() if isinstance(data, str) else data
    origin = next((o for o, start in (("earlier", EARLIER), ("sibling", SIBLING)) if name.startswith(start)), "request")
    path = name.removeprefix(EARLIER).removeprefix(SIBLING)
    parsed = parse(type_of(path), raw, Bounds())
    if parsed.type == "text" and not parsed.cards:
        parsed.cards.append(Card("text", text=raw.decode()))
    extract = decode(encode(extract_of(parsed, tuple(("",) * len(table.header) for table in parsed.tables))))
    label = "" if origin == "request" else "e-abcdefghijkl of 2026-11-01"
    return Member(path, hashlib.sha256(raw).hexdigest(), extract, origin, label, kind, group)


def members(files: Mapping[str, str | bytes], kind: str = "output", group: str = "") -> list[Member]:
    """Many files."""
    return [member(name, data, kind, group) for name, data in files.items()]


def compared(
    files: Mapping[str, str | bytes], rules: Rules | None = None, kind: str = "output", group: str = ""
) -> list[tuple[str, Observation]]:
    """What every comparison says, by path."""
    seen = members(files, kind, group)
    remarks = compare_all(seen, Surroundings(rules or Rules()))
    assert all(seen[remark.member].origin == "request" for remark in remarks)
    return [(seen[remark.member].path, remark.observation) for remark in remarks]
