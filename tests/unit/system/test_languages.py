"""Catalogues: read whole or refused with a reason; what they do not translate is told in the source language."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from tests.support.pseudo import compiled
from tre.domain.errors import Reason, TREError
from tre.system.languages import (
    NAME,
    THOUSANDS,
    Language,
    Spoken,
    gettext,
    load_languages,
    month,
    ngettext,
    pgettext,
    read_catalogue,
    separated,
    speaking,
    spoken,
)


def catalogue(locale: str = "cy", **messages: str) -> bytes:
    made = Catalog(locale=locale, fuzzy=False)
    for source, said in messages.items():
        made.add(source, said)
    return compiled(made)


def with_plural(*forms: str, locale: str = "pl") -> bytes:
    made = Catalog(locale=locale, fuzzy=False)
    made.add(("%(n)s day", "%(n)s days"), forms)
    return compiled(made)


def put(place: Path, code: str, data: bytes) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{code}.mo").write_bytes(data)
    return place


def test_a_site_s_own_words_come_first_and_ours_stand_behind(tmp_path: Path) -> None:
    own = put(tmp_path / "own", "cy", catalogue(All="Popeth"))
    shipped = tmp_path / "shipped"
    put(shipped / "cy" / "LC_MESSAGES", "public", catalogue(All="Oll", None_="Dim"))
    (cy,) = load_languages(["cy"], [own, shipped])
    with speaking(Spoken(cy, "/cy")):
        assert [gettext("All"), gettext("None_"), gettext("Else")] == ["Popeth", "Dim", "Else"]
        assert (spoken().prefix, cy.tag, cy.direction) == ("/cy", "cy", "ltr")
    assert gettext("All") == "All"


def test_numbers_months_names_and_plurals(tmp_path: Path) -> None:
    made = Catalog(locale="pl", fuzzy=False)
    made.add(("%(n)s day", "%(n)s days"), ("%(n)s dzień", "%(n)s dni", "%(n)s dnia"))
    made.add("May", "maj", context="month")
    made.add(THOUSANDS[1], ".", context=THOUSANDS[0])
    made.add(NAME[1], "polski", context=NAME[0])
    (polish,) = load_languages(["pl"], [put(tmp_path, "pl", compiled(made))])
    assert (polish.name, Language("en").name, Language("cy").name) == ("polski", "English", "cy")
    with speaking(Spoken(polish)):
        said = [ngettext("%(n)s day", "%(n)s days", count, n=count) for count in (1, 3, 5)]
        assert said == ["1 dzień", "3 dni", "5 dnia"]
        assert [month(5), month(6), pgettext("else", "May")] == ["maj", "June", "May"]
        assert [separated(999), separated(1234567)] == ["999", "1.234.567"]
    assert [month(5), separated(1234567)] == ["May", "1,234,567"]


def test_the_source_needs_no_catalogue_and_may_have_one(tmp_path: Path) -> None:
    assert load_languages(["en"], [tmp_path])[0].tag == "en-GB"
    (english,) = load_languages(["en"], [put(tmp_path, "en", catalogue("en", All="Each"))])
    with speaking(Spoken(english)):
        assert gettext("All") == "Each"


def test_a_language_without_a_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TREError) as caught:
        load_languages(["en", "cy"], [tmp_path])
    assert caught.value.reason is Reason.PolicyMissing
    assert "cy.mo" in caught.value.remedy


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xde\x12\x04\x95",
        b"PK\x03\x04" * 50,
        catalogue(All="Oll")[:-12],
        catalogue(All="Oll").replace(b"Oll", b"\xff\xfel"),
        catalogue(All="Oll").replace(b"charset=utf-8", b"charset=x-none"),
        struct.pack("<7I", 0x950412DE, 0, 2**31, 28, 28, 0, 28),
        struct.pack("<7I", 0x950412DE, 0, 1, 2**31, 28, 0, 28),
        with_plural("a", "b", "c").replace(b"plural=", b"plurel="),
    ],
)
def test_what_is_no_catalogue_is_refused_with_its_name(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(TREError) as caught:
        load_languages(["cy"], [put(tmp_path, "cy", data)])
    assert caught.value.reason is Reason.BadInput
    assert f"{tmp_path / 'cy.mo'}" in caught.value.what


def test_one_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(TREError, match="is no catalogue"):
        load_languages(["cy"], [put(tmp_path, "cy", catalogue(All="Oll") + bytes(5 * 2**20))])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (catalogue(**{"%(a)s of": "%(b)s"}), "no value for %(b)s"),
        (catalogue(**{"%(a)s of": "o"}), "lacks %(a)s"),
        (catalogue(All="<b>Oll</b>"), "markup"),
        (with_plural("%(n)s a", "%(n)s b", "%(m)s c"), "no value for %(m)s"),
        (with_plural("%(n)s a", "%(n)s b", "c"), "lacks %(n)s"),
        (with_plural("%(n)s a", "%(n)s b", locale="cy"), "There are 2"),
    ],
)
def test_a_translation_that_would_break_a_page_stops_the_start(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(TREError) as caught:
        load_languages(["cy"], [put(tmp_path, "cy", data)])
    assert why.lower() in caught.value.why.lower()
    assert str(tmp_path) in caught.value.what


def written_out(rule: str, order: str = "<") -> bytes:
    """A catalogue byte by byte, with any rule for plurals."""
    header = f"Content-Type: text/plain; charset=utf-8\nPlural-Forms: nplurals=2; plural={rule};\n".encode()
    texts = [b"", b"All", b"%(n)s day\0%(n)s days", header, b"Oll", b"%(n)s dydd\0%(n)s diwrnod"]
    start, places = 28 + 6 * 8, b""
    for text in texts:
        places += struct.pack(f"{order}2I", len(text), start)
        start += len(text) + 1
    head = struct.pack(f"{order}7I", 0x950412DE, 0, 3, 28, 28 + 3 * 8, 0, 0)
    return head + places + b"".join(text + b"\0" for text in texts)


@pytest.mark.parametrize("rule", ["n/0", "1/(n-5)", "n+" * 600 + "n", "__import__('os')", "n**n", "(" * 500, "7", "n"])
def test_a_rule_for_plurals_that_is_none_stops_the_start(tmp_path: Path, rule: str) -> None:
    with pytest.raises(TREError):
        load_languages(["cy"], [put(tmp_path, "cy", written_out(rule))])


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_orders_of_bytes_are_read(order: str) -> None:
    found = read_catalogue(written_out("n!=1", order))
    assert [found.gettext("All"), found.ngettext("%(n)s day", "%(n)s days", 2)] == ["Oll", "%(n)s diwrnod"]
