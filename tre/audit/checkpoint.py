"""Checkpoints: what the log was at one moment, signed.

Guarantees: a checkpoint is the text that C2SP tlog-checkpoint defines (origin, size, base64 root, one extension line
with the time), signed as C2SP signed-note defines with Ed25519, so that existing witnesses and tools read it.
Reading is strict: any other spelling of the same checkpoint is refused, which leaves one text for one fact.

Does not guarantee: that the log really was so. `tre.audit.verify` recomputes it.

Threat: a log shown with a root that its operator never signed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tre.audit.keys import PublicKey, Signer
from tre.audit.merkle import Head
from tre.domain.errors import Reason, TREError

DASH = "\N{EM DASH} "
"""What a signature line of a note starts with."""

TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
"""How a time is spelled in what is signed."""

_AT = "at "


@dataclass(frozen=True)
class Checkpoint:
    """A log's origin, its size, the root over that many leaves, and when this was said."""

    origin: str
    size: int
    root: bytes
    at: datetime

    @property
    def head(self) -> Head:
        """Size and root."""
        return Head(self.size, self.root)

    def text(self) -> str:
        """What is signed."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\n{_AT}{self.at.astimezone(UTC).strftime(TIME)}\n"


@dataclass(frozen=True)
class Signature:
    """One signature line of a note: the name and id of the key it claims, and the signature."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True)
class SignedCheckpoint:
    """A checkpoint with the signatures under it."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]

    def note(self) -> str:
        """The whole text: checkpoint, empty line, signature lines."""
        lines = "".join(
            f"{DASH}{item.name} {base64.b64encode(item.key_id + item.value).decode()}\n" for item in self.signatures
        )
        return f"{self.checkpoint.text()}\n{lines}"


class ForeignSignatureError(Exception):
    """No signature of a note claims a key that is trusted here."""


class WrongSignatureError(Exception):
    """A signature claims a trusted key, and that key did not make it over this text."""


def sign(checkpoint: Checkpoint, signer: Signer) -> SignedCheckpoint:
    """Sign a checkpoint with the log's key."""
    signature = signer.sign(checkpoint.text().encode())
    return SignedCheckpoint(checkpoint, (Signature(signer.name, signer.public.key_id, signature),))


def parse(note: str) -> SignedCheckpoint:
    """Read a signed note that holds a checkpoint, without trusting it.

    Raises `TREError(BadInput)` for anything but the one spelling.
    """
    try:
        text, lines = _split(note)
        found = SignedCheckpoint(_parse_text(text), tuple(parse_signature(line) for line in lines))
    except (ValueError, binascii.Error) as error:
        raise TREError(Reason.BadInput, "This is not a signed checkpoint.", why=f"{error}.") from error
    if found.note() != note:
        raise TREError(Reason.BadInput, "This is not a signed checkpoint.", why="It is not spelled as one.")
    return found


def check(signed: SignedCheckpoint, keys: Sequence[PublicKey]) -> PublicKey:
    """The trusted key that signed.

    Raises `ForeignSignatureError` where no signature names one of the keys, `WrongSignatureError` where one that
    does is false. Signatures by others (witnesses) are ignored, as C2SP signed-note demands.
    """
    data = signed.checkpoint.text().encode()
    by_name = {(key.name, key.key_id): key for key in keys if key.name == signed.checkpoint.origin}
    verified: PublicKey | None = None
    for signature in signed.signatures:
        if (key := by_name.get((signature.name, signature.key_id))) is None:
            continue
        if not key.verifies(data, signature.value):
            raise WrongSignatureError
        verified = key
    if verified is None:
        raise ForeignSignatureError
    return verified


def open_note(note: str, keys: Sequence[PublicKey]) -> Checkpoint:
    """The checkpoint that a note holds, if a trusted key signed it.

    Raises `TREError(BadInput)` for a text that is none, `TREError(SignatureInvalid)` for a signature that is false.
    """
    signed = parse(note)
    try:
        check(signed, keys)
    except (ForeignSignatureError, WrongSignatureError) as error:
        raise TREError(
            Reason.SignatureInvalid,
            f"No trusted key signed this checkpoint of {signed.checkpoint.origin}.",
            remedy="Compare the public key with the one that the operator published.",
        ) from error
    return signed.checkpoint


def _split(note: str) -> tuple[str, list[str]]:
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        msg = "the empty line before the signatures, or the line break after them, is missing"
        raise ValueError(msg)
    return text + "\n", lines[:-1].split("\n")


def _parse_text(text: str) -> Checkpoint:
    origin, size, root, at = text.removesuffix("\n").split("\n")
    if not origin or not size.isascii() or not size.isdecimal() or len(size) > 19:
        msg = "origin or size is not one"
        raise ValueError(msg)
    if not at.startswith(_AT):
        msg = "the time is missing"
        raise ValueError(msg)
    moment = datetime.strptime(at.removeprefix(_AT), TIME).replace(tzinfo=UTC)
    decoded = base64.b64decode(root, validate=True)
    if len(decoded) != 32:
        msg = "the root is not 32 bytes"
        raise ValueError(msg)
    return Checkpoint(origin, int(size), decoded, moment)


def parse_signature(line: str) -> Signature:
    """One signature line of a note, not trusted. Raises `ValueError` for anything else."""
    if not line.startswith(DASH):
        msg = "a signature line starts with a dash"
        raise ValueError(msg)
    name, _, encoded = line.removeprefix(DASH).partition(" ")
    data = base64.b64decode(encoded, validate=True)
    if not name or len(data) <= 4:
        msg = "a signature line holds a name, a key id and a signature"
        raise ValueError(msg)
    return Signature(name, data[:4], data[4:])
