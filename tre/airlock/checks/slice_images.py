"""P03: pictures that match a mounted frame.

Guarantees: every picture of a file, whole or cut out of a figure by its parser, is compared by its perceptual hash,
in eight orientations and as a negative, with every hashed frame of the slice; at most the policy's `image_distance` of
256 bits apart is a match. Work is bounded (`MOST_COMPARISONS`); pictures beyond it are pointed out as not compared.

Does not guarantee: that a frame is known which is not in the index: of computed tomography the first, the middle and
the last of each series are. What looks like a radiograph is the matter of `lookalike`.

Threat: a patient's picture in a figure. A chest film identifies a person (verification AUC 0.994, Packhäuser 2022).
"""

from __future__ import annotations

from tre.airlock.images.hashes import distance, variants
from tre.airlock.parsed import Observation, ParsedFile, Picture, Surroundings, bounded
from tre.airlock.sliceindex.reading import opened

MOST_COMPARISONS = 20_000_000
_SUGGESTION = "Take the picture out: an image of a patient leaves only by an exception that governance signs."

variants(Picture(32, 32, bytes(range(256)) * 4, (32, 32)))  # loads what libraries load at first use: behind walls none


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Pictures of a file that are mounted frames."""
    frames = sorted({frame for index in opened(around.slice) for frame in index.pictures()}) if file.pictures else []
    if not frames:
        return []
    found: list[Observation] = []
    left = MOST_COMPARISONS
    for picture in file.pictures:
        hashes = variants(picture)
        left -= len(hashes) * len(frames)
        if left < 0:
            message = "The pictures from here on were not compared with the mounted ones."
            found.append(Observation("P03", message, "Ask for fewer pictures at a time.", place=picture.place))
            break
        if hashes and _nearest(hashes, frames) <= around.rules.image_distance:
            found.append(Observation("P03", "A picture matches a mounted one.", _SUGGESTION, place=picture.place))
    return bounded(found, "pictures that match")


def _nearest(hashes: list[int], frames: list[int]) -> int:
    return min(distance(one, frame) for one in hashes for frame in frames)
