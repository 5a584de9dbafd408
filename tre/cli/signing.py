"""Private keys that commands sign with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tre.domain.errors import Reason, TREError

KeyOption = Annotated[Path | None, typer.Option(help="Private key in PEM form [keys/grant-signing.key].")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="Where to write; FILE itself by default.")]


def load_key(path: Path) -> Ed25519PrivateKey:
    """An approving body's private key. Raises `TREError`."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:  # a TypeError asks for a password
        why = error.strerror if isinstance(error, OSError) else "It holds no private key in PEM form without a password"
        raise TREError(
            Reason.SetupIncomplete,
            f"The signing key cannot be read from {path}.",
            why=f"{why}.",
            remedy="Name the approving body's key with --key, or run `tre init` to have one made.",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise TREError(
            Reason.BadInput,
            f"{path} does not hold an Ed25519 key.",
            why="Grants are signed with Ed25519 and nothing else.",
            remedy="Make one with `openssl genpkey -algorithm ed25519`.",
        )
    return key
