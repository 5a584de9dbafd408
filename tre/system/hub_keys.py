"""The Hub's secrets: made once, kept in files, never on a command line and never in the environment.

Guarantees: each secret holds 256 bits of the system's randomness, in a file that from its first moment only its
owner can read; making the keys again changes none that exists. A missing, short or readable-by-others secret stops
the Hub before it listens.

Does not guarantee: rotation. Delete a file, run `tre init` again and restart the services that read it
(`KEY_READERS` names them); nobody's workspace is touched by that, people sign in again.

Threat: a secret seen in `ps`, in `/proc/PID/environ`, or in a file that another service's user can read.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tre.domain.errors import Reason, TREError
from tre.system.files import write_atomically
from tre.system.layout import Layout

CONTROLLER_TOKEN = "hub-controller-token"  # noqa: S105 - a file name
"""The controller's token for the Hub's REST API."""

OAUTH_SECRET = "hub-oauth-secret"  # noqa: S105 - a file name
"""The secret of the OAuth client `service-enter`."""

COOKIE_SECRET = "hub-cookie-secret"  # noqa: S105 - a file name
"""Signs and encrypts the Hub's own cookies."""

TOKENS_KEY = "hub-tokens-key"
"""Encrypts what the Hub keeps of sign-ins at the identity provider."""

OIDC_CLIENT_SECRET = "oidc-client-secret"  # noqa: S105 - a file name
"""What the identity provider gave the operator; this module never makes it."""

KEY_READERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        CONTROLLER_TOKEN: frozenset({"hub", "controller"}),
        OAUTH_SECRET: frozenset({"hub", "portal"}),
        COOKIE_SECRET: frozenset({"hub"}),
        TOKENS_KEY: frozenset({"hub"}),
        OIDC_CLIENT_SECRET: frozenset({"hub"}),
    }
)
"""Which services read which file: what whoever starts them has to see to."""

MADE_HERE = (CONTROLLER_TOKEN, OAUTH_SECRET, COOKIE_SECRET, TOKENS_KEY)
_BYTES = 32
_HEX = re.compile(r"[0-9a-f]{64}")
_READABLE_BY_ALL = 0o007


def make_keys(layout: Layout) -> list[Path]:
    """Make the secrets that are missing; return the files that were made. The directory exists already."""
    made = []
    for name in MADE_HERE:
        path = layout.keys / name
        if not path.exists():
            write_atomically(path, secrets.token_hex(_BYTES).encode() + b"\n", mode=0o600)
            made.append(path)
    return made


def read_key(layout: Layout, name: str) -> str:
    """One of the secrets that `make_keys` made.

    Raises `TREError(SetupIncomplete)` where it is missing, misshapen, or open to every user of the machine.
    """
    text = read_secret(layout.keys / name)
    if _HEX.fullmatch(text) is None:
        raise TREError(
            Reason.SetupIncomplete,
            f"{layout.keys / name} does not hold 64 hexadecimal digits.",
            remedy="Delete the file and run `tre init` again.",
        )
    return text


def read_secret(path: Path) -> str:
    """The one line of a secret file. Raises `TREError(SetupIncomplete)`."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TREError(
            Reason.SetupIncomplete, f"{path} cannot be read.", why=f"{error}.", remedy="Run `tre init`."
        ) from error
    if mode & _READABLE_BY_ALL or not text or "\n" in text:
        raise TREError(
            Reason.SetupIncomplete,
            f"{path} is open to every user of this machine, empty, or longer than one line.",
            remedy=f"Write the secret as one line and run `chmod 600 {path}`.",
        )
    return text
