"""How hard a text is to read."""

from __future__ import annotations

from tre.domain.readability import PUBLIC_AGE, reading_age


def test_plain_words_are_for_the_young_and_long_ones_are_not() -> None:
    easy = "The data stay here. Nobody can take them away. You can say no."
    hard = (
        "Pseudonymisation notwithstanding, organisational countermeasures substantially ameliorate residual "
        "re-identification probabilities throughout infrastructural federations of heterogeneous institutions."
    )
    assert reading_age(easy) < PUBLIC_AGE < reading_age(hard)


def test_the_formula_is_the_published_one() -> None:
    text = "The dog ran home. It was late."  # 7 words, 2 sentences, 22 letters
    assert reading_age(text) == max(0.0, round(4.71 * 22 / 7 + 0.5 * 7 / 2 - 21.43 + 5, 1)) == 0.1


def test_lines_end_sentences_and_nothing_is_no_text() -> None:
    assert reading_age("one two\nthree four") == reading_age("one two. three four.")
    assert reading_age("") == reading_age("… !") == 0.0
