"""Refusals on public pages, in the language of the page: those that were worded elsewhere.

Guarantees: a refusal that is listed here is told in the language of now, its numbers included; any other stands as it
was worded.

Does not guarantee: that every refusal is listed: what only a program that sends nonsense can meet is not.
"""

from __future__ import annotations

import re

from tre.domain.errors import Reason, TREError
from tre.portal.words import WORDS
from tre.system.languages import gettext

ELSEWHERE: tuple[str, ...] = (
    "There is no such page.",
    "The address may be mistyped, or what it named is gone.",
    "This page cannot be asked in this way.",
    "This is more than may be sent here.",
    "Something went wrong that should not have.",
    "Try again. If it stays, tell an operator the number %(number)s.",
    "Nothing was typed.",
    "Write your question.",
    "This is longer than %(most)s characters.",
    "It has %(count)s.",
    "Make it shorter, or send two.",
    "Too much was sent in a short time.",
    "We take so much within a quarter of an hour, so that people can read it all.",
    "Wait %(minutes)s minutes, then send it again.",
    "We cannot take more questions at the moment.",
    "Too many wait for an answer.",
    "Try again in some days.",
    "The time for comments is over.",
    "Ask us a question instead.",
    "Your text could not be kept.",
    "A part of this service does not answer.",
    "Keep your text, and send it again later.",
    *(WORDS[reason].advice for reason in (Reason.BadInput, Reason.ServiceUnavailable)),
)
"""Texts that another program, or code without a language, puts into a refusal that a public page shows."""


def _pattern(message: str) -> re.Pattern[str]:
    parts = re.split(r"%\((\w+)\)s", message)
    return re.compile("".join(f"(?P<{part}>[0-9a-f,]+)" if i % 2 else re.escape(part) for i, part in enumerate(parts)))


_PATTERNS = [(message, _pattern(message)) for message in ELSEWHERE]


def retold(error: TREError) -> TREError:
    """The same refusal in the language of now."""
    return TREError(error.reason, _told(error.what), why=_told(error.why), remedy=_told(error.remedy))


def _told(text: str) -> str:
    for message, pattern in _PATTERNS:
        if (found := pattern.fullmatch(text)) is not None:
            return gettext(message, **found.groupdict())
    return text
