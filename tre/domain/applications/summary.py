"""The lay summary: what everybody will read. Length, reading age, hard words with plain ones, no markup.

Guarantees: a text with markup, links or hidden characters is refused, as is one beyond 250 words; everything else is
advice, the same for the same text everywhere.

Does not guarantee: that a short sentence of short words is understood, or true. Patients in the committee judge that.

Sources: the reading age is that of `tre.domain.readability`. The NHS content guide asks for 9 to 11; `AIM` lies above,
so that a summary may name what it is about. Plain words: NHS content guide's A to Z, and the words that make up
research with images.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from tre.domain.grants.models import LAY_SUMMARY_WORDS
from tre.domain.model import Record, is_hidden
from tre.domain.readability import reading_age

AIM = 14
"""Years: a summary above this reading age is pointed out."""

LONG_SENTENCE = 25
"""Words: a sentence beyond this is pointed out (our choice; the GOV.UK guide splits sentences from 25 on)."""

FEWEST_WORDS, YOUNGEST = 30, 5
"""Below so many words a formula says nothing of a text; nobody reads before so many years."""

_TAG = re.compile(r"<\s*[A-Za-z!/?]|&(?:[a-z]+|#\d+);", re.IGNORECASE)
_LINK = re.compile(r"https?://|www\.|\]\(|[\w.]+@[\w.]+", re.IGNORECASE)
_MARKDOWN = re.compile(r"(?:^|\n)\s{0,3}(?:#{1,6}\s|[*+]\s|>|\|)|\*\*|__|`|~~")
_SENTENCE = re.compile(r"[.!?]+(?=\s|$)|\n{2,}")
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")

PLAIN = {
    "algorithm": "a set of rules that a computer follows",
    "anonymised": "with names and numbers removed",
    "artificial intelligence": "computer programs that learn from examples",
    "biomarker": "a sign that can be measured",
    "cohort": "group of people",
    "comorbidity": "other illness that somebody has at the same time",
    "convolutional": "leave this out, or say what it does",
    "covariate": "something else that may play a part",
    "deep learning": "teaching a computer with many examples",
    "demographic": "about age, sex and background",
    "efficacy": "how well it works",
    "epidemiology": "who gets ill, where and why",
    "etiology": "cause",
    "heterogeneity": "differences",
    "hyperparameter": "leave this out",
    "imaging modality": "kind of scan",
    "inference": "working out an answer",
    "longitudinal": "over time",
    "machine learning": "teaching a computer with many examples",
    "methodology": "how we do it",
    "modality": "kind of scan",
    "morbidity": "illness",
    "mortality": "deaths",
    "neural network": "a computer program that learns from examples",
    "opacity": "cloudy patch",
    "paediatric": "of children",
    "pathology": "disease",
    "prognosis": "how an illness is likely to go",
    "pseudonymised": "with names replaced by codes",
    "radiograph": "X-ray picture",
    "radiological": "seen on scans",
    "retrospective": "looking back at",
    "segmentation": "drawing around parts of a picture",
    "sensitivity": "how many of those who have it are found",
    "specificity": "how many of those who do not have it are left alone",
    "stratify": "sort into groups",
    "subsequently": "later",
    "thoracic": "of the chest",
    "triage": "deciding who is seen first",
    "utilise": "use",
    "validate": "test",
}
"""Hard words and what can stand in their place."""


class HardWord(Record):
    """A word of the text that many do not know, and a plain one."""

    word: str
    plain: str


class SummaryReport(Record):
    """What can be said of a lay summary without understanding it. `reading_age` is `None` for a very short one."""

    words: Annotated[int, Field(ge=0)]
    most_words: int = LAY_SUMMARY_WORDS
    reading_age: int | None = None
    aim: int = AIM
    long_sentences: tuple[str, ...] = ()
    hard_words: tuple[HardWord, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether nothing was found."""
        hard = self.reading_age is not None and self.reading_age > self.aim
        return not (self.problems or self.hard_words or self.long_sentences or hard)


def plain_text(text: str) -> str:
    """The text; raises `ValueError` for markup and for characters that nobody sees."""
    if any(is_hidden(character) and character != "\n" for character in text):
        msg = "control characters are not allowed here"
        raise ValueError(msg)
    if not text.strip():
        msg = "words are due here"
        raise ValueError(msg)
    if _TAG.search(text):
        msg = "markup is not allowed here: write plain text"
        raise ValueError(msg)
    return text


def within_length(text: str) -> str:
    """The text; raises `ValueError` with everything that a lay summary may not be."""
    if found := _problems(text):
        raise ValueError("; ".join(found))
    return text


def _problems(text: str) -> tuple[str, ...]:
    found = []
    if (count := len(text.split())) > LAY_SUMMARY_WORDS:
        found.append(f"at most {LAY_SUMMARY_WORDS} words, these are {count}")
    if _LINK.search(text):
        found.append("no links and addresses: the text is read without them")
    if _MARKDOWN.search(text) or _TAG.search(text):
        found.append("no markup: paragraphs of plain sentences")
    return tuple(found)


def report(text: str) -> SummaryReport:
    """Everything that is worth saying about a lay summary, whatever its state."""
    sentences = [part for part in _SENTENCE.split(text) if _WORD.search(part)]
    words = len(text.split())
    return SummaryReport(
        words=words,
        reading_age=_reading_age(text, words),
        long_sentences=tuple(" ".join(one.split())[:200] for one in sentences if len(one.split()) > LONG_SENTENCE),
        hard_words=tuple(_hard(text)),
        problems=_problems(text),
    )


def _reading_age(text: str, words: int) -> int | None:
    return None if words < FEWEST_WORDS else max(YOUNGEST, round(reading_age(text)))


def _hard(text: str) -> list[HardWord]:
    folded = " ".join(text.lower().split())
    found = {word: plain for word, plain in PLAIN.items() if re.search(rf"\b{re.escape(word)}(?:s|es|d)?\b", folded)}
    longer = [word for word in found if " " in word]
    return [
        HardWord(word=word, plain=plain)
        for word, plain in found.items()
        if not any(word != other and word in other.split() for other in longer)
    ]
