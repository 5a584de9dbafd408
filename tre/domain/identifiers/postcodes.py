"""British unit postcodes: of a valid form, in an area that exists, written as postcodes are.

Guarantees: `find` gives whole unit postcodes (`SW1A 1AA`), never outward codes alone; the form is that of Royal Mail's
programmers' guide, the letters of the inward part exclude C, I, K, M, O and V. Standard library only.

Does not guarantee: that a postcode is in use.
"""

from __future__ import annotations

import re

_AREAS = """
    AB AL B BA BB BD BH BL BN BR BS BT CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT DY E EC EH EN EX FK FY G
    GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR NW
    OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC WD
    WF WN WR WS WV YO ZE
"""
AREAS = frozenset(_AREAS.split())
"""Every area: the letters that a postcode begins with."""

_UNIT = re.compile(r"(?<![\w.\-/])([A-Za-z]{1,2})(\d[\dA-Za-z]?)([ \u00a0]?)(\d[A-Za-z]{2})(?![\w\-/]|\.\w)", re.ASCII)
_INWARD = re.compile(r"\d[ABD-HJLNP-UW-Z]{2}")


def find(text: str, *, spaced: bool) -> list[re.Match[str]]:
    """The unit postcodes of a text, where they stand. Without a blank in the middle only where `spaced` is not asked.

    A postcode is written in capitals, or wholly in small letters with its blank.
    """
    return [
        found
        for found in _UNIT.finditer(text)
        if found[1].upper() in AREAS
        and (found[3] or not spaced)
        and _INWARD.fullmatch(found[4].upper())
        and (found[0].isupper() or (found[3] and found[0].islower()))
    ]
