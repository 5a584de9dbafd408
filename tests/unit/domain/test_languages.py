"""Which language a reader gets, and which translations are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.domain.errors import Reason, TREError
from tre.domain.languages import check_translation, direction, places_in, preferred, split_at_tags, tags_in

KNOWN = ("en", "cy", "pt-br")


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", "en"),
        ("cy", "cy"),
        ("CY-GB", "cy"),
        ("fr, cy;q=0.5, en;q=0.7", "en"),
        ("fr;q=1.0,cy;q=0.8,*;q=0.1", "cy"),
        ("fr, *;q=0.5", "en"),
        ("cy;q=0, fr", "en"),
        ("cy;q=0", "en"),
        ("pt-BR-x-private", "pt-br"),
        ("pt", "en"),
        ("en;q=0.4, cy;q=0.4", "en"),
        ("cy;q=2, ,;;,=", "en"),
        ("cy;q=0.1234", "en"),
        ("-", "en"),
        ("de," * 20 + "cy", "en"),
        ("x" * 100_000, "en"),
    ],
)
def test_what_a_browser_likes_best(accepted: str, expected: str) -> None:
    assert preferred(accepted, KNOWN) == expected


@given(st.text(max_size=200))
def test_whatever_a_browser_says_one_is_chosen(accepted: str) -> None:
    assert preferred(accepted, KNOWN) in KNOWN


def test_direction() -> None:
    assert [direction(code) for code in ("en", "ur", "ar-eg")] == ["ltr", "rtl", "rtl"]


def test_parts() -> None:
    assert split_at_tags('a <b class="x">c</b> d < e') == ["a ", '<b class="x">', "c", "</b>", " d < e"]
    assert tags_in("1 < 2, <i>x</i> <script") == ["<i>", "</i>", "<script"]
    assert places_in("%(a)s of %(b)s, 5 %%") == {"a", "b"}


LINK = '<a href="%(page)s">here</a> %(n)s'


@pytest.mark.parametrize(
    ("sources", "translated"),
    [
        (["All"], ["Alle"]),
        (["%(a)s of %(b)s"], ["von %(b)s %(a)s, 5 %%"]),
        ([LINK], ['%(n)s <a href="%(page)s">da</a>']),
        (["One day", "%(n)s days"], ["Ein Tag", "%(n)s Tage", "%(n)s"]),
        (["One day", "%(n)s days"], ["%(n)s Tag"]),
        (["A & B < C"], ['"A" & <']),
        (["<b>a</b> <i>b</i>"], ["<i>b</i> <b>a</b>"]),
    ],
)
def test_a_translation_that_fits(sources: list[str], translated: list[str]) -> None:
    check_translation(sources, translated)


@pytest.mark.parametrize(
    ("sources", "translated", "why"),
    [
        (["%(a)s of %(b)s"], ["von %(b)s"], "lacks %(a)s"),
        (["All"], ["Alle %(c)s"], "no value for %(c)s"),
        (["All"], ["100 %"], "percent sign"),
        (["All"], ["%s"], "percent sign"),
        (["All %(n)s"], ["%(n)d"], "percent sign"),
        (["All %(n)s"], ["%(n"], "percent sign"),
        (["All"], ["<b>Alle</b>"], "markup"),
        (["All"], ["<script>alert(1)</script>"], "markup"),
        (["All"], ["<img src=x onerror=alert(1)"], "markup"),
        ([LINK], ['<a href="https://evil.example/%(page)s">da</a> %(n)s'], "markup"),
        ([LINK], ['<a href="%(page)s">da %(n)s'], "markup"),
        ([LINK], ['</a>da<a href="%(page)s"> %(n)s'], "markup"),
        (["<b>a</b> <i>b</i>"], ["<b><i>a</b></i>"], "markup"),
        (["One", "%(n)s days"], ["Ein", "%(m)s Tage"], "no value for %(m)s"),
    ],
)
def test_a_translation_that_would_break_a_page_is_refused(sources: list[str], translated: list[str], why: str) -> None:
    with pytest.raises(TREError) as caught:
        check_translation(sources, translated)
    assert caught.value.reason is Reason.BadInput
    assert why in caught.value.why


@given(st.text(max_size=60))
def test_a_translation_is_fit_or_refused_and_nothing_else(text: str) -> None:
    try:
        check_translation(["All %(n)s"], [text])
    except TREError:
        return
    assert "%(n)s" in text
    assert text % {"n": 5}
    assert tags_in(text) == []
