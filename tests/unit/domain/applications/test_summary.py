"""The lay summary: length, reading age, hard words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.domain.applications.summary import report, within_length

EASY = "We look at X-rays of the chest. They show how ill the lungs are. A computer learns to see this. " * 3
HARD = (
    "This retrospective multicentre investigation utilises convolutional neural networks to characterise the"
    " heterogeneity of radiological manifestations in hospitalised individuals, subsequently stratifying prognosis"
    " and mortality according to longitudinal comorbidity trajectories across demographic subpopulations."
)


def test_an_easy_text_is_plain() -> None:
    found = report(EASY)
    assert found.is_plain
    assert found.reading_age is not None
    assert found.reading_age <= 11


def test_a_hard_text_is_told_what_is_hard() -> None:
    found = report(HARD)
    assert not found.is_plain
    assert found.reading_age is not None
    assert found.reading_age > 18
    assert found.long_sentences
    words = {word.word for word in found.hard_words}
    assert {"retrospective", "neural network", "mortality", "utilise"} <= words


def test_a_phrase_is_told_once() -> None:
    words = {word.word for word in report("Every imaging modality counts.").hard_words}
    assert words == {"imaging modality"}


def test_few_words_have_no_reading_age() -> None:
    assert report("Short.").reading_age is None
    assert not report("See www.example.org for more.").is_plain


@pytest.mark.parametrize("text", ["# Title", "a [b](c)", "me@example.org", "`code`", "* item", "one\n> quote"])
def test_markup_and_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no "):
        within_length(text)


@given(st.text(max_size=2000))
def test_any_text_has_a_report(text: str) -> None:
    found = report(text)
    assert found.reading_age is None or found.reading_age >= 5
