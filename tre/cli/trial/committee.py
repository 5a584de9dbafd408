"""A committee to try things on: four members, one for each constituency that the public was promised."""

from __future__ import annotations

from typing import NamedTuple


class TrialMember(NamedTuple):
    """What a seat is made of."""

    constituency: str
    name: str
    organisation: str


PATIENT = "pat"
MEMBERS = {
    "clara": TrialMember("clinician", "Clara Clarke", "A hospital"),
    "adam": TrialMember("academic", "Adam Adeyemi", "Another university"),
    "connie": TrialMember("commissioner", "Connie Cole", "An integrated care board"),
    PATIENT: TrialMember("patient", "Pat Patel", "Patients together"),
}
