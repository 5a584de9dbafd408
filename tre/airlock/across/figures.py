"""S09: a figure without the numbers it is drawn from.

Guarantees: a picture, a drawing, or a document with either is pointed out unless a table comes with it: in its group of
the request, or under its own name (`survival.png` and `survival.csv`, `survival_data.csv`); where files have no group,
beside it in the same directory.

Does not guarantee: that the table is the figure's. People look at both; nothing reads a raster reliably.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from tre.airlock.across import Member, Remark
from tre.airlock.parsed import Observation, Surroundings

FIGURES = frozenset({"png", "jpeg", "jpg", "gif", "webp", "tiff", "svg"})
_DOCUMENTS = frozenset({"pdf"})
_DRAWN = frozenset({"picture", "drawing"})
_SUGGESTION = (
    "Add the table of numbers that the figure shows, in the same group (as an output, or as a supporting file that is "
    "shown and not released), under the figure's name."
)


def observe(members: Sequence[Member], around: Surroundings) -> Iterator[Remark]:  # noqa: ARG001 - one shape for all
    """Figures that come alone."""
    ours = [member for member in members if member.origin == "request"]
    for place, member in enumerate(members):
        if (
            member.origin == "request"
            and member.kind == "output"
            and is_figure(member)
            and not _has_table(member, ours)
        ):
            message = "The numbers behind this figure are not in the request: a checker cannot see how few they show."
            yield Remark(place, Observation("S09", message, _SUGGESTION))


def is_figure(member: Member) -> bool:
    """Whether a file is a picture, or a document that draws one and shows no table."""
    extract = member.extract
    if extract.type in FIGURES:
        return True
    drawn = extract.pictures > 0 or bool(extract.marks) or any(card.kind in _DRAWN for card in extract.cards)
    return extract.type in _DOCUMENTS and drawn and not extract.tables


def _has_table(figure: Member, members: Sequence[Member]) -> bool:
    path = PurePosixPath(figure.path)
    for other in members:
        if other is figure or not any(table.rows for table in other.extract.tables):
            continue
        beside = PurePosixPath(other.path)
        rest = beside.stem.casefold().removeprefix(path.stem.casefold())
        named = len(rest) < len(beside.stem) and rest[:1] in {"", "_", "-", ".", " "}
        grouped = figure.group == other.group and (bool(figure.group) or beside.parent == path.parent)
        if named or grouped:
            return True
    return False
