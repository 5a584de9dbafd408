"""The words of a message: one letter, or a day's letters together.

Guarantees: subject and body are made of the letter's own lines, the time, and links to the desk; lines are short enough
for any mail server (RFC 5322: 998) and nothing in them comes from people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tre.domain.canonical import digest
from tre.domain.letters.models import Letter
from tre.domain.names import short_hash

_LENGTH = 32


@dataclass(frozen=True)
class Message:
    """What is sent: `identity` is the same for the same letters, so that a second copy can be told as one."""

    identity: str
    subject: str
    body: str


def letter_id(event: str, issuer: str, subject: str) -> str:
    """The identifier of the one letter of an event and a recipient."""
    return digest(["letter", event, issuer, subject]).removeprefix("sha256:")[:_LENGTH]


def message_of(letters: Sequence[Letter], base: str, origin: str) -> Message:
    """The message that holds these letters of one person; `origin` is the desk's address."""
    if len(letters) == 1:
        only = letters[0]
        return Message(only.id, f"[{base}] {only.subject}", _told(only, origin) + _foot(base, origin))
    identity = short_hash("digest", *sorted(letter.id for letter in letters))
    parts = [f"{letter.subject}\n{_told(letter, origin)}" for letter in sorted(letters, key=_when)]
    return Message(identity, f"[{base}] Your letters of the day", "\n\n".join(parts) + _foot(base, origin))


def _when(letter: Letter) -> tuple[str, str]:
    return (letter.at.isoformat(), letter.id)


def _told(letter: Letter, origin: str) -> str:
    return f"{letter.text}\n{letter.at:%Y-%m-%d %H:%M} UTC\n{origin}{letter.page}"


def _foot(base: str, origin: str) -> str:
    return (
        f"\n\n-- \nSent by {base} because you have a part in this."
        "\nNobody reads what is answered to this address."
        f"\nHow often letters come is set at {origin}/account\n"
    )
