"""The labels of rows and columns, so far as comparing tables needs them: one spelling, and which of them mean "all".

Guarantees: two labels that differ in case, punctuation, blanks, or a count in brackets are one (`Aged 40–49`,
`aged_40-49`; `Male (N=520)`, `male`). Standard library only.

Does not guarantee: that labels with one spelling mean one thing. `yes` of two questions is told apart by the title of
its column only.
"""

from __future__ import annotations

import re

_BRACKETED = re.compile(r"[(\[]\s*+n\s*+=?\s*+[\d, ]*+[)\]]|[(\[]\s*+(?:n|%|n,? ?%)?\s*+[)\]]", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_OTHER = re.compile(r"[^\w<>≤≥+%]++|_")
_LONGEST = 80


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


TOTALS = words("all total totals tot overall sum grand everyone everybody margin marginal whole entire gesamt summe σ")
"""Words for "everybody"."""

COUNTED = words("""
    n no num number of the count counts freq frequency patients patient people persons person participants subjects
    individuals cases cohort population denominator sexes ages groups records obs observations row column size
    nobs sample rows columns cells
    """)
"""Words that say that something was counted, and nothing of which group it is."""

PLAIN = words("""
    yes no true false unknown missing other none positive negative y n 0 1 2 3 4 5 low high medium
    present absent not recorded mild moderate severe
    """)
"""Answers that many questions share: they are told apart by the title of their column."""

_SEXES = frozenset({"sexes", "genders"})
_BOTH = frozenset({"both", "genders"})

SUBTOTAL = re.compile(r"\bsub ?totals?\b")


_RANGE = re.compile(r"\b(\d{1,3}) to (\d{1,3})\b")
_FROM = re.compile(r"[≥>]=? ?(\d{1,3})\b")
_AND_MORE = re.compile(r"\b(\d{1,3}) (?:and over|and older|and above|or more|or over|plus)\b")
_SEX = {"f": "female females women woman", "m": "male males men man"}
_SAME = {word: letter for letter, said in _SEX.items() for word in said.split()}
_BESIDE = words("n count counts freq aged years year yrs y old")
"""Words beside a label that do not change the group."""


def spelled(label: str) -> str:
    """A label in one spelling."""
    text = _BRACKETED.sub(" ", label[:_LONGEST])
    text = _CAMEL.sub(" ", text)
    return " ".join(_OTHER.sub(" ", text).lower().split())


def is_total(label: str) -> bool:
    """Whether a label (in one spelling) stands for everybody: `all`, `total patients`, `both sexes`."""
    said = set(label.split())
    return bool(said & TOTALS or said & _SEXES) and not said - TOTALS - COUNTED - _BOTH


def is_plain_count(label: str) -> bool:
    """Whether a label says only that something was counted: `n`, `number of patients`, an empty one."""
    return not set(label.split()) - COUNTED


def identity(title: str, label: str) -> str | None:
    """What a label says of the group; `None` where it is everybody. Answers that many questions share keep theirs."""
    if label in PLAIN and label != "n":
        return f"{title}={label}"
    if is_total(label) or is_plain_count(label):
        return None
    text = _RANGE.sub(r"\1 \2", label)
    text = _AND_MORE.sub(r"\1+", _FROM.sub(r"\1+", text))
    kept = [_SAME.get(word, word) for word in text.split() if word not in _BESIDE]
    return " ".join(kept) or label
