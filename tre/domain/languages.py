"""Languages of the public pages: which one a reader gets, and what a translation may change.

Guarantees: whatever a browser says of itself, one of the known languages is chosen; a translation that lacks a value,
names one that its source does not give, or holds other markup than its source is refused, so that no page breaks over
it and no translation brings a link or a script of its own.

Does not guarantee: that a translation says what its source says. People check that.

Threat: markup in a catalogue that came from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tre.domain.errors import Reason, TREError

SOURCE = "en"
"""What the pages are written in: it needs no catalogue."""

CODE = r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,2}"
"""A language as addresses and settings name it (RFC 5646, in small letters): `cy`, `pt-br`."""

RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
_MOST_RANGES = 20
_RANGE = re.compile(r"\s*([a-z0-9-]{1,35}|\*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?")
_PLACE = re.compile(r"%(?:\((\w+)\)s|%)")
_TAG = re.compile(r"</?[A-Za-z!?][^<>]*>?")


def preferred(accepted: str, known: Sequence[str]) -> str:
    """The known language that a browser's `Accept-Language` likes best (RFC 9110, RFC 4647), else the first."""
    liked = sorted(_ranges(accepted), key=lambda one: -one[1])
    for wanted, weight in liked:
        found = known[0] if wanted == "*" else _look_up(wanted, known)
        if weight > 0 and found is not None:
            return found
    return known[0]


def _ranges(accepted: str) -> Iterator[tuple[str, float]]:
    for text in accepted.lower().split(",")[:_MOST_RANGES]:
        if (found := _RANGE.fullmatch(text)) is not None:
            yield found[1], float(found[2] or 1)


def _look_up(wanted: str, known: Sequence[str]) -> str | None:
    """The known language that is what is wanted, or what it is a kind of."""
    while wanted and wanted not in known:
        wanted = wanted.rpartition("-")[0]
    return wanted or None


def direction(code: str) -> str:
    """Which way a language is written: `ltr` or `rtl`."""
    return "rtl" if code.partition("-")[0] in RIGHT_TO_LEFT else "ltr"


def tags_in(message: str) -> list[str]:
    """The tags in a message, in their order."""
    return _TAG.findall(message)


def split_at_tags(message: str) -> list[str]:
    """The parts of a message: text, tag, text, tag, …, text."""
    return re.split(f"({_TAG.pattern})", message)


def places_in(message: str) -> set[str]:
    """The values that a message takes. Raises `TREError(BadInput)` where a percent sign is no placeholder."""
    if "%" in _PLACE.sub("", message):
        raise _refusal(message, "A percent sign in it is neither %(name)s nor %%.")
    return {name for name in _PLACE.findall(message) if name}


def check_translation(sources: Sequence[str], translated: Sequence[str]) -> None:
    """Raise `TREError(BadInput)` unless every form of a translation fits its source.

    `sources` are the message, or its forms for one and for many. A value that all of them give must stand in each form
    of the translation; no other may. The tags must be those of one of the sources, opened and closed in order.
    """
    given = [places_in(source) for source in sources]
    allowed, demanded = set.union(*given), set.intersection(*given)
    markup = [sorted(tags_in(source)) for source in sources]
    for text in translated:
        places = places_in(text)
        if places - allowed:
            raise _refusal(text, f"Its source gives no value for {_named(places - allowed)}.")
        if demanded - places:
            raise _refusal(text, f"It lacks {_named(demanded - places)}.")
        if sorted(tags_in(text)) not in markup or not _nested(tags_in(text)):
            raise _refusal(text, "Its markup is not the one of its source.")


def _nested(tags: Sequence[str]) -> bool:
    """Whether each tag that is opened is closed, the last one first."""
    opened: list[str] = []
    for tag in tags:
        name = tag.strip("</>").split()[0]
        if not tag.startswith("</"):
            opened.append(name)
        elif not opened or opened.pop() != name:
            return False
    return not opened


def _named(places: set[str]) -> str:
    return ", ".join(f"%({name})s" for name in sorted(places))


def _refusal(text: str, why: str) -> TREError:
    return TREError(
        Reason.BadInput,
        f"The translation “{text[:200]}” cannot be used.",
        why=why,
        remedy="Correct it in the catalogue, and compile it again.",
    )
