"""The words of column headers: which say "people were counted here", and which say that they were not.

Guarantees: a header is cut into words at case changes, digits and punctuation, and judged by its words only. A word
of another measure (per cent, mean, id, level, …) outweighs a word of counting.
"""

from __future__ import annotations

import re
from enum import IntEnum


class Claim(IntEnum):
    """What a header says: nothing of counts, perhaps counts, counts."""

    none = 0
    weak = 1
    strong = 2


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COUNTING = _words(
    """
    n ns nobs count counts counted freq frequency frequencies tally cnt patients patient people persons person
    participants participant subjects individuals respondents cases controls events deaths died survivors admissions
    admitted discharges births episodes visits encounters attendances observations obs records population denominator
    numerator headcount exposed unexposed vaccinated cohort atrisk
    """
)
"""Words that stand for a number of people or of things that happened to people."""

PERHAPS = _words("number num no total totals size sum all group")
"""Words that count something, not always people; a column numbered 1, 2, 3, … is then no count."""

OTHER = _words(
    """
    id ids identifier code codes level levels rank order index idx row rownum key name label age ages year years month
    months week weeks day days date time hour hours duration percent percentage pct perc per rate rates ratio ratios
    proportion prop share fraction mean average avg median mode sd std stdev stderr se var variance iqr quantile
    quartile percentile pvalue pval p value values score scores coef coefficient beta estimate est or hr rr irr ci
    lower upper low high lcl ucl lci uci min minimum max maximum weight weights odds hazard risk probability prob
    statistic stat stats t z f chi2 df dof auc accuracy sensitivity specificity precision recall loss epoch epochs
    fold seed batch version type class category threshold parameter parameters feature features decile quintile
    """
)
"""Words of other measures, identifiers, times and models."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words_of(header: str) -> list[str]:
    """The words of a header, in lower case: `nPatients_total (2020)` gives n, patients, total, 2020."""
    return [word.lower() for word in _WORDS.findall(header)]


def claim_of(header: str) -> Claim:
    """What a header says about counting."""
    words = set(words_of(header))
    if "%" in header or words & OTHER:
        return Claim.none
    if words & COUNTING:
        return Claim.strong
    return Claim.weak if words & PERHAPS or header.strip() == "#" else Claim.none
