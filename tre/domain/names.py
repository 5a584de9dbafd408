"""Names derived from people's text: the only place where that happens.

Guarantees: for any text at all, a derived name is valid where it is used (host label, directory, JupyterHub server
name), differs for different inputs up to a collision of 60 bits of SHA-256, and never carries an identity used
for authorisation. The hash suffix is always there: joining or stripping text alone lets `a-b`+`c` meet `a`+`b-c`.

Does not guarantee: that a name can be turned back into what it was derived from. Keep both.
"""

from __future__ import annotations

import base64
import hashlib
import re

from tre.domain.errors import Reason, TREError

RESOURCE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""Names that people choose for grants, datasets and slices: one DNS label (RFC 1123)."""

RELEASE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
"""Names of releases: a label that may hold dots, underscores and capitals, such as `2026-10-01` or `v1.2`."""

_SUFFIX_LENGTH = 12
_READABLE = 30
"""Characters of a title that a grant's name keeps at most."""


def is_resource_name(text: str) -> bool:
    """Whether a text may name a grant, dataset or slice."""
    return RESOURCE_NAME.fullmatch(text) is not None


def check_resource_name(text: str) -> str:
    """Return the text; raise `TREError(BadInput)` unless it may name a grant, dataset or slice."""
    if not is_resource_name(text):
        raise TREError(
            Reason.BadInput,
            f"{text!r} cannot be a name.",
            why="It becomes part of directories and hosts.",
            remedy="Use 1 to 63 lower-case letters, digits and hyphens, starting and ending with a letter or digit.",
        )
    return text


def check_release_name(text: str) -> str:
    """Return the text; raise `TREError(BadInput)` unless it may name a release."""
    if RELEASE_NAME.fullmatch(text) is None or ".." in text:
        raise TREError(
            Reason.BadInput,
            f"{text!r} cannot name a release.",
            why="It becomes a directory.",
            remedy="Use 1 to 64 letters, digits, dots, underscores and hyphens, for example 2026-10-01.",
        )
    return text


def short_hash(*parts: str) -> str:
    """60 bits of SHA-256 over the parts, as 12 lower-case base-32 characters.

    Each part is preceded by its length, so that no two lists of parts give the same bytes.
    """
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hasher.update(len(data).to_bytes(8, "big") + data)
    return base64.b32encode(hasher.digest()).decode().lower()[:_SUFFIX_LENGTH]


def slug(text: str, *, room: int = 20) -> str:
    """A readable host-label beginning of a text, followed by the hash of the whole text.

    At most `room` characters of the text survive; the result is at most `room` + 13 characters long.
    """
    readable = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:room].strip("-")
    readable = readable if readable[:1].isalpha() else f"x{readable}"[:room].strip("-")
    return f"{readable}-{short_hash(text)}"


def workspace_name(grant: str, issuer: str, subject: str) -> str:
    """The name of the one workspace of a grant and a member: host label, home directory, JupyterHub server.

    14 characters: JupyterHub allows 30, starting with a letter (`^[a-z]([a-z0-9-]*[a-z0-9])?$`).
    """
    return f"w-{short_hash('workspace', grant, issuer, subject)}"


def run_identity(workspace: str, instance: int) -> str:
    """The name of one run of a workspace, in directories, logs and proofs: `w-…-3`."""
    return f"{workspace}-{instance}"


def hub_user_name(issuer: str, subject: str) -> str:
    """The JupyterHub name of a person: readable where the identifier is, unique by hash always."""
    return f"{slug(subject, room=20).rsplit('-', 1)[0]}-{short_hash('person', issuer, subject)}"


def slice_id(grant: str, slice_name: str) -> str:
    """The fixed identifier of a grant's slice: it names the directory and never changes with the content."""
    return f"s-{short_hash('slice', grant, slice_name)}"


GRANT_NAMESPACE_PREFIX = "tre-grant-"
"""What the Kubernetes namespace of every grant begins with, and no other namespace."""


def grant_namespace(grant: str) -> str:
    """The Kubernetes namespace of a grant: at most 63 characters, as a DNS label wants it."""
    return f"{GRANT_NAMESPACE_PREFIX}{slug(grant, room=40)}"


def grant_name(title: str, application: str) -> str:
    """The name of the grant that an application becomes: readable where its title is, unique by the application.

    None begins with `practice-`, which is kept for practice data.
    """
    whole = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    words = whole if len(whole) <= _READABLE else whole[: _READABLE + 1].rpartition("-")[0]  # no half words
    readable = (words or whole[:_READABLE]).strip("-")
    plain = readable[:1].isalpha() and not readable.startswith("practice")
    return f"{readable if plain else f'project-{readable}'.strip('-')}-{short_hash('grant', application)}"


def volume_name(kind: str, name: str = "") -> str:
    """A volume of a pod: its kind, for slices followed by a readable and unique form of the slice's name."""
    return f"{kind}-{slug(name, room=20)}" if name else kind


def event_id(*parts: str) -> str:
    """An event identifier that is the same however often the same ending is written down: 128 bits of SHA-256."""
    hasher = hashlib.sha256()
    for part in ("event", *parts):
        data = part.encode("utf-8", "surrogatepass")
        hasher.update(len(data).to_bytes(8, "big") + data)
    return hasher.hexdigest()[:32]
