"""P03: pictures that have the continuous tone of a radiograph, in whatever type of file they stand.

Guarantees: every picture that a parser decoded is judged, those cut out of figures included; see `images.tone` for
the rule and how it was measured. Matching against mounted images is a check of its own and independent of this one.

Does not guarantee: telling a patient's image from another photograph; whoever lets one out says which it is.
"""

from __future__ import annotations

from tre.airlock.images.tone import looks_like_radiograph
from tre.airlock.parsed import Observation, ParsedFile, Surroundings, bounded


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Every picture that may show a patient."""
    levels = around.rules.image_grey_levels
    found = [
        Observation(
            "P03",
            f"A picture of {picture.full[0]} x {picture.full[1]} pixels has the continuous tone of a radiograph, "
            f"with more than {levels} grey levels.",
            "An image of a patient is individual-level data: leave it out, or draw what it shows. "
            "If it shows no patient, say what it is.",
            picture.place,
            "lookalike",
        )
        for picture in file.pictures
        if looks_like_radiograph(picture, levels)
    ]
    return bounded(found, "such pictures")
