"""Who the make-believe patients are: pure functions of the specification and the patient's number.

Guarantees: patient n is the same person whatever else is made; pseudonyms are `Covid` and one to
six digits (no fixed width, as in the real set) and never collide; dates of one patient are in a
possible order; the make-up is skewed on purpose (men, older people, one centre, few ethnic
minorities) so that a representativeness report has something to find, and every hundredth patient
is a rare combination so that a k-anonymity report has, too.

Does not guarantee: epidemiology. The shares are chosen to exercise software; nothing may be
concluded from them about any illness or group.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from tre.demodata.randomness import Stream
from tre.demodata.spec import NccidSpec

_PRIME = 999_983  # the largest below a million, so that multiplication modulo it is a bijection

CENTRES = tuple(
    (f"TRUST-{number:02}", weight) for number, weight in enumerate((30, 18, 12, 9, 7, 6, 5, 4, 3, 3, 2, 1), start=1)
)
"""Submitting centres with their shares in percent."""

HOSPITALS = (
    ("Northbrook General Hospital", "NGH"),
    ("Ashmere Royal Infirmary", "ARI"),
    ("Queen Maud Hospital", "QMH"),
    ("Wexcombe District Hospital", "Wexcombe"),
)
"""Invented hospitals: full name and shorthand; each centre has two neighbours of this list."""

ETHNICITIES = (
    *(("A", 640), ("B", 20), ("C", 70), ("D", 8), ("E", 5), ("F", 5), ("G", 8)),
    *(("H", 60), ("J", 45), ("K", 20), ("L", 25), ("M", 25), ("N", 40), ("P", 8), ("R", 8)),
    ("S", 13),
)
"""NHS ethnic category codes with weights, white British patients far in front."""

_WAVES = (
    ((date(2020, 3, 1), date(2020, 5, 31)), 60),
    ((date(2020, 6, 1), date(2020, 9, 30)), 8),
    ((date(2020, 10, 1), date(2021, 3, 31)), 32),
)


@dataclass(frozen=True)
class Patient:
    """One make-believe person. `rank` counts the patients of the same status before this one."""

    number: int
    pseudonym: str
    positive: bool
    rank: int
    centre: str
    second_centre: str | None
    hospital: tuple[str, str]
    age: int
    sex: str
    ethnicity: str
    swab: date
    severity: int
    second_severity: int
    admitted: bool
    intensive_care: bool
    intubated: bool
    died: date | None
    date_shift: timedelta

    @property
    def last_known(self) -> date:
        """The last day on which anything is recorded of the person."""
        return self.died or self.swab + timedelta(days=28)


def quota(number: int, permille: int) -> bool:
    """Whether the n-th of a sequence is among the `permille` thousandths chosen, evenly spread."""
    return number * permille // 1000 > (number - 1) * permille // 1000


def pseudonym(seed: int, number: int) -> str:
    """`Covid` and digits: an affine bijection of the patient's number, so that none collide."""
    stream = Stream(seed, "pseudonyms")
    factor, offset = stream.integer(1, _PRIME - 1), stream.integer(0, _PRIME - 1)
    return f"Covid{(factor * number + offset) % _PRIME}"


def _age(stream: Stream, positive: bool, rare: bool) -> int:
    """Whole years. Positives are older; rare patients stand alone at either end."""
    if rare:
        return stream.pick((13, 14, 101, 102, 103))
    return stream.bell(28, 98) if positive else stream.bell(18, 92)


def _severity(stream: Stream, positive: bool) -> int:
    """0 clear, 1 mild, 2 moderate, 3 severe."""
    shares = ((0, 12), (1, 33), (2, 33), (3, 22)) if positive else ((0, 85), (1, 11), (2, 4))
    return stream.weighted(shares)


def _death(stream: Stream, age: int, severity: int, swab: date) -> date | None:
    """The day of death, for some of the severely ill, more often the older."""
    if severity < 2 or not stream.chance(min(900, age * 4 * (severity - 1))):
        return None
    return swab + timedelta(days=stream.integer(6, 27))


def make_patient(spec: NccidSpec, number: int) -> Patient:
    """The person with this number, counted from 1."""
    stream = Stream(spec.seed, "patient", number)
    positive = quota(number, spec.positive_permille)
    before = (number - 1) * spec.positive_permille // 1000
    rare = number % 100 == 42
    age, severity = _age(stream, positive, rare), _severity(stream, positive)
    centre_number = stream.weighted([(i, w) for i, (_, w) in enumerate(CENTRES)])
    intensive = positive and severity == 3 and stream.chance(600)
    first, last = stream.weighted(_WAVES)
    swab = stream.day(first, last)
    moved = positive and quota(number + 5, 30)
    return Patient(
        number=number,
        pseudonym=pseudonym(spec.seed, number),
        positive=positive,
        rank=before if positive else number - 1 - before,
        centre=CENTRES[centre_number][0],
        second_centre=CENTRES[(centre_number + 1) % len(CENTRES)][0] if moved else None,
        hospital=HOSPITALS[(centre_number + stream.integer(0, 1)) % len(HOSPITALS)],
        age=age,
        sex=stream.weighted((("M", 60), ("F", 40))),
        ethnicity=stream.pick("DEFGP") if rare else stream.weighted(ETHNICITIES),
        swab=swab,
        severity=severity,
        second_severity=max(0, min(3, severity + stream.integer(-1, 1))),
        admitted=positive and (severity > 0 or stream.chance(300)),
        intensive_care=intensive,
        intubated=intensive and stream.chance(700),
        died=_death(stream, age, severity, swab) if positive else None,
        date_shift=timedelta(days=stream.integer(-180, 180)),
    )
