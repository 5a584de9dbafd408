"""The key that signs checkpoints, and the keys that verify them.

Guarantees: a private key is made with mode 0600 and is refused when anybody but its owner may read it, when it is
a symbolic link, or when it belongs to somebody else. Both files hold one line in the text form that signed notes use
(C2SP signed-note): name, key id and key together, so that a key cannot be taken for another one. A file of public
keys may hold several lines: after a change of keys the old line stays, and old checkpoints remain verifiable.

Does not guarantee: that whoever holds the private key is honest. Witnesses outside do (`tre.audit.witness`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tre.domain.errors import Reason, TREError
from tre.system.files import flush_directory, write_atomically

PRIVATE_KEY_FILE = "audit-signing.key"
"""Under `keys/`; only the controller reads it."""

PUBLIC_KEY_FILE = "audit-signing.pub"
"""Under `keys/`; for everybody, also outside."""

_ED25519 = b"\x01"
_PRIVATE_START = "PRIVATE+KEY+"
_KEY_ID_BYTES = 4


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies checkpoints: whose (the log's origin), and 32 bytes."""

    name: str
    raw: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell which key made a signature (C2SP signed-note)."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:_KEY_ID_BYTES]

    def line(self) -> str:
        """The key as text: `name+id+base64`."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.raw).decode()}"

    def verifies(self, data: bytes, signature: bytes) -> bool:
        """Whether this key made the signature over the data."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """The private key of a log, under the log's origin as name."""

    name: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """What verifies this signer's signatures."""
        return PublicKey(self.name, self.private.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        """The Ed25519 signature over the data (64 bytes)."""
        return self.private.sign(data)

    def line(self) -> str:
        """The private key as text: `PRIVATE+KEY+name+id+base64`. A secret."""
        seed = base64.b64encode(_ED25519 + self.private.private_bytes_raw()).decode()
        return f"{_PRIVATE_START}{self.name}+{self.public.key_id.hex()}+{seed}"


def generate(name: str) -> Signer:
    """A new signer. Raises `TREError(BadInput)` for a name that a signed note cannot carry."""
    return Signer(_check_name(name), Ed25519PrivateKey.generate())


def make_keys(directory: Path, name: str, *, owner: int = -1) -> Signer:
    """Make the key pair of a new log in a directory; `owner` is given the private key where root makes it.

    Raises `TREError(AlreadyExists)` where there is one: a log is never given another key by accident.
    """
    signer = generate(name)
    write_private(directory / PRIVATE_KEY_FILE, signer, owner=owner)
    write_public(directory, [signer.public])
    return signer


def write_private(private_path: Path, signer: Signer, *, owner: int = -1) -> None:
    """Write a private key where there is none, whole from the first moment. Raises `TREError(AlreadyExists)`."""
    written = private_path.with_name(f".{private_path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            if owner != -1:
                os.fchown(file.fileno(), owner, -1)
            file.write(signer.line() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(written, private_path)  # whole from the first moment, and never in place of another
    except FileExistsError as error:
        raise TREError(
            Reason.AlreadyExists,
            f"{private_path} exists already.",
            why="A log is signed by one key at a time.",
            remedy="Keep it: checkpoints signed with it depend on it. `tre audit rotate-key` changes it in order.",
        ) from error
    finally:
        written.unlink(missing_ok=True)
    flush_directory(private_path.parent)


def complete_keys(directory: Path, name: str) -> None:
    """Make the key pair, or the public half that an interruption kept from being written.

    Raises `TREError(SetupIncomplete)` where only the public half is there: a new key would disown the whole log.
    """
    private_path, public_path = directory / PRIVATE_KEY_FILE, directory / PUBLIC_KEY_FILE
    if not private_path.exists():
        if public_path.exists():
            raise TREError(
                Reason.SetupIncomplete,
                f"{private_path} is gone, and {public_path} is there.",
                why="Events were signed with the missing key; another one cannot go on with their log.",
                remedy="Restore the key from the backup; if there is none, `tre audit rotate-key --lost`.",
            )
        make_keys(directory, name)
    elif not public_path.exists():
        write_public(directory, [load_private(private_path).public])


def write_public(directory: Path, keys: Sequence[PublicKey]) -> None:
    """Write the public keys of a log, the one that signs now first."""
    write_atomically(directory / PUBLIC_KEY_FILE, "".join(key.line() + "\n" for key in keys).encode(), mode=0o644)


def load_private(path: Path, owner: int = -1) -> Signer:
    """Read a private key that belongs to whoever runs this, to root, or to `owner`.

    Raises `TREError(SetupIncomplete)` where there is none, `TREError(NotPermitted)` where others may read it,
    `TREError(BadInput)` where the text is damaged.
    """
    line = _read_secret(path, owner).strip()
    name, key_id, seed = _split(line.removeprefix(_PRIVATE_START), path)
    signer = Signer(name, Ed25519PrivateKey.from_private_bytes(seed))
    if not line.startswith(_PRIVATE_START) or signer.public.key_id != key_id:
        raise _damaged(path)
    return signer


def load_public(path: Path) -> tuple[PublicKey, ...]:
    """Read the public keys of a file: one a line; `#` starts a comment line.

    Raises `TREError(SetupIncomplete)` where the file is missing, `TREError(BadInput)` where it is damaged or empty.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path) from error
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise _damaged(path)
    return tuple(parse_public(line, path) for line in lines)


def parse_public(line: str, source: Path | str = "the key") -> PublicKey:
    """A public key from its text; raises `TREError(BadInput)` if name, id and key do not fit together."""
    name, key_id, raw = _split(line, source)
    key = PublicKey(name, raw)
    if key.key_id != key_id:
        raise _damaged(source)
    return key


def _split(line: str, source: Path | str) -> tuple[str, bytes, bytes]:
    name, _, rest = line.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        data = base64.b64decode(encoded, validate=True)
        identifier = bytes.fromhex(key_id)
    except (binascii.Error, ValueError) as error:
        raise _damaged(source) from error
    if len(data) != 33 or data[:1] != _ED25519 or len(identifier) != _KEY_ID_BYTES:
        raise _damaged(source)
    return _check_name(name), identifier, data[1:]


def _check_name(name: str) -> str:
    if not name or "+" in name or any(character.isspace() or not character.isprintable() for character in name):
        raise TREError(
            Reason.BadInput,
            f"{name!r} cannot name a log.",
            remedy="Use a text without blanks and plus signs, for example tre.example.org/audit.",
        )
    return name


def _read_secret(path: Path, owner: int) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(path) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _unreadable(path)
        if found.st_mode & 0o077 or found.st_uid not in {os.geteuid(), 0, owner}:
            raise TREError(
                Reason.NotPermitted,
                f"{path} may be read or was made by others (mode {stat.S_IMODE(found.st_mode):04o}).",
                why="Whoever reads this key can sign a false log.",
                remedy=f"If nobody else had access: chmod 0600 {path}. Else make a new key.",
            )
        return os.read(descriptor, 4096).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def _unreadable(path: Path) -> TREError:
    return TREError(
        Reason.SetupIncomplete,
        f"The key {path} cannot be read.",
        remedy="Run `tre init`, or copy the key from where it is kept.",
    )


def _damaged(source: Path | str) -> TREError:
    return TREError(
        Reason.BadInput, f"{source} does not hold a key in its text form.", remedy="Copy the whole line again."
    )
