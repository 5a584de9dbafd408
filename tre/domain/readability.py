"""How hard a text is to read, as the age of a pupil who reads it without help.

Guarantees: a pure function of the words; the same text has the same age.

Does not guarantee: that a text is understood. A formula counts letters and sentences, it does not know the words.
Names of organisations and places count as words like any other.

Source: Automated Readability Index, Senter and Smith 1967 (AMRL-TR-66-220): 4.71 · letters/words + 0.5 ·
words/sentences - 21.43 is a school grade of the United States; a pupil of grade 1 is six years old.
"""

from __future__ import annotations

import re

PUBLIC_AGE = 12.0
"""Pages for everybody must be readable at this age."""

_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)|\n+")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_LETTER = re.compile(r"[^\W_]")
_YEARS_BEFORE_SCHOOL = 5


def reading_age(text: str) -> float:
    """The age at which a text can be read, in years; 0 for a text without words."""
    sentences = [part for part in _SENTENCE_END.split(text) if _WORD.search(part)]
    words = _WORD.findall(text)
    if not words:
        return 0.0
    letters = sum(len(_LETTER.findall(word)) for word in words)
    grade = 4.71 * letters / len(words) + 0.5 * len(words) / len(sentences) - 21.43
    return max(0.0, round(grade + _YEARS_BEFORE_SCHOOL, 1))
