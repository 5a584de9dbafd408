"""Making an index from what a slice holds; where the material comes from is the caller's matter.

Guarantees: the same material under the same key gives the same bytes; people stand in an order that only the key
knows. A value points to people only where few of them share it: at most `FEW` people and at most one in `SHARE`, at
least `AT_LEAST`; combinations of columns are kept for every value, so that a combination held by one person is found.

Does not guarantee: completeness. What is not in the material (pixels beyond the frames that were hashed, headers in
sidecar files, what a researcher derived) is not recognised.

FEW: 50 in 918 people linked all three planted leaks and none of 31,325 unrelated rows; SHARE scales it down with the
people, since in a slice of forty people every value is shared by fewer than fifty.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from tre.airlock.sliceindex.body import COLUMN_BITS, KEY_BYTES, PICTURE_BYTES, Hasher, decode, encode
from tre.airlock.sliceindex.normal import (
    column_form,
    identifier_form,
    rounded_forms,
    significant,
    strength,
    value_form,
)

FEW = 50
SHARE = 32
AT_LEAST = 2
MOST_POSTINGS = 200
"""A value that stands in so many places says nothing about anybody."""

MOST_VALUES = 2_000
"""Different values of one person in one column that are taken: a CT study has one study date, not thousands."""


@dataclass
class Material:
    """What a slice holds: identifiers, for each person the values of each column, hashes of pictures."""

    identifiers: Iterable[str] = ()
    people: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    pictures: Iterable[int] = ()
    names: Iterable[str] = ()
    """Pseudonyms: their letters tell how long the word before the number is."""

    count: int = 0
    """How many people the slice holds, where that is not the number of `people`."""

    gone_names: Iterable[str] = ()
    """Pseudonyms of people who have opted out of the dataset."""

    gone: Iterable[str] = ()
    """Their other identifiers."""

    def add(self, person: str, values: Mapping[str, object]) -> None:
        """Take a row about a person. Empty values say nothing."""
        columns = self.people.setdefault(person, {})
        for name, value in values.items():
            if value is not None:
                found = columns.setdefault(name, set())
                if len(found) < MOST_VALUES:
                    found.add(str(value))


@dataclass(frozen=True)
class _Entry:
    """A value of one column of one person, in normal form."""

    person: int
    column: int
    title: str
    form: str


def make(material: Material, key: bytes = b"") -> bytes:
    """The index of this material, under a key of its own unless one is given."""
    key = key or secrets.token_bytes(KEY_BYTES)
    hashed = Hasher(key)
    found = _identifiers(material.identifiers, hashed)
    names = list(material.names)
    gone = list(material.gone_names)
    left = _identifiers(chain(gone, material.gone), hashed)
    order = sorted(material.people, key=lambda person: hashed("order", person))
    titles = sorted({title for columns in material.people.values() for title in columns})
    entries = list(_entries(material, order, titles))
    values = _lists(_value_postings(entries, len(order), hashed))
    pairs = _lists(_pair_postings(entries, hashed))
    pictures = b"".join(found.to_bytes(PICTURE_BYTES, "big") for found in sorted(set(material.pictures)))
    about = {
        "people": material.count or len(order),
        "records": len(order),
        "prefixes": sorted({_letters(name) for name in (*names, *gone)} - {0}),
        "lengths": sorted(found.lengths | left.lengths),
        "numbers": found.numbers or left.numbers,
    }
    arrays: dict[str, array[int] | bytes] = {
        "identifiers": _sorted(found.strong),
        "weak": _sorted(found.weak),
        "columns": array("Q", sorted(hashed("column", column_form(title)) for title in titles)),
        "pictures": pictures,
        "gone": _sorted(left.strong),
        "gone_weak": _sorted(left.weak),
    }
    for kind, lists in (("value", values), ("pair", pairs)):
        arrays |= {f"{kind}s": lists[0], f"{kind}_starts": lists[1], f"{kind}_postings": lists[2]}
    return encode(key, about, arrays)


def with_gone(index: bytes, names: Collection[str], others: Iterable[str]) -> bytes:
    """An index to which identifiers of people who have opted out are added, without making anything else anew.

    Raises `IndexInvalidError` for what is no index.
    """
    known = decode(index)
    left = _identifiers(chain(names, others), Hasher(known.key))
    about = {
        "people": known.people,
        "records": known.records,
        "prefixes": sorted({*known.prefixes, *(_letters(name) for name in names)} - {0}),
        "lengths": sorted({*known.lengths, *left.lengths}),
        "numbers": known.numbers or left.numbers,
    }
    arrays: dict[str, array[int] | bytes] = {name: bytes(view) for name, view in known.arrays.items()}
    for name, more in (("gone", left.strong), ("gone_weak", left.weak)):
        arrays[name] = _sorted(array("Q", arrays[name]) + more)
    return encode(known.key, about, arrays)


@dataclass
class _Identifiers:
    """Hashes of identifiers; how long their normal forms are, and whether any is a bare number."""

    strong: array[int] = field(default_factory=lambda: array("Q"))
    weak: array[int] = field(default_factory=lambda: array("Q"))
    lengths: set[int] = field(default_factory=set)
    numbers: bool = False


def _identifiers(texts: Iterable[str], hashed: Hasher) -> _Identifiers:
    found = _Identifiers()
    for text in texts:
        form = identifier_form(text)
        if believed := strength(form):
            (found.strong if believed > 1 else found.weak).append(hashed("identifier", form))
            found.lengths.add(len(form))
            found.numbers = found.numbers or form.isdigit()
    return found


def _sorted(hashes: array[int]) -> bytes:
    """Each once, in order, as bytes: there may be millions."""
    return np.unique(np.frombuffer(hashes, dtype=np.uint64)).tobytes() if hashes else b""


def _letters(name: str) -> int:
    form = identifier_form(name)
    return len(form) - len(form.lstrip("abcdefghijklmnopqrstuvwxyz"))


def _entries(material: Material, order: list[str], titles: list[str]) -> Iterator[_Entry]:
    numbers = {title: number for number, title in enumerate(titles)}
    for place, person in enumerate(order):
        for title, texts in material.people[person].items():
            for text in texts:
                if form := value_form(text):
                    yield _Entry(place, numbers[title], column_form(title), form)


def _value_postings(entries: list[_Entry], people: int, hashed: Hasher) -> dict[int, set[int]]:
    """Values that few people share in a column, and what becomes of them by rounding; each with who has it where."""
    limit = min(FEW, max(AT_LEAST, people // SHARE))
    found: dict[str, dict[int, set[int]]] = {}
    for entry in entries:
        column = entry.column & (1 << COLUMN_BITS) - 1
        for form in (entry.form, *rounded_forms(entry.form)):
            if significant(form):
                found.setdefault(form, {}).setdefault(column, set()).add(entry.person)
    rare: dict[int, set[int]] = {}
    for form, columns in found.items():
        who = {person << COLUMN_BITS | column for column, people_ in columns.items() if len(people_) <= limit
               for person in people_}  # fmt: skip
        if who and len(who) <= MOST_POSTINGS:
            rare[hashed("value", form)] = who
    return rare


def _pair_postings(entries: list[_Entry], hashed: Hasher) -> dict[int, set[int]]:
    found: dict[tuple[str, str], set[int]] = {}
    for entry in entries:
        found.setdefault((entry.title, entry.form), set()).add(entry.person)
    return {hashed("pair", f"{title}\0{form}"): who for (title, form), who in found.items()}


def _lists(found: dict[int, set[int]]) -> tuple[array[int], array[int], array[int]]:
    """Keys in order, where the list of each begins, and all lists one after the other."""
    keys = sorted(found)
    starts, postings = array("I", [0]), array("I")
    for key in keys:
        postings.extend(sorted(found[key]))
        starts.append(len(postings))
    return array("Q", keys), starts, postings
