"""`tre keys`: which keys and secrets there are, who reads each, and another one in its place.

Guarantees: no command shows a secret. Replacing one is an event of the log. A signing key's public half stays among
those that count, so what it signed stays valid; cut off anywhere, either pair signs and both verify.

Does not guarantee: that what a thief signed with the old key is refused. Where a key was stolen, remove its public half
from its directory of signers: what it signed counts no more, and is signed again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives import serialization

from tre.audit.keys import PRIVATE_KEY_FILE
from tre.cli import common
from tre.cli.common import Installation, JsonOption, RootOption, command
from tre.cli.installing import complete
from tre.domain.errors import Reason, TREError
from tre.sources.signed import COMMITTEE, ELSEWHERE, KINDS, PRACTICE, SOURCE, key_id
from tre.sources.signing_keys import OWN_SIGNER, new_pair, read_private
from tre.system.files import write_atomically
from tre.system.hub_keys import KEY_READERS, MADE_HERE
from tre.system.installation import SECRETS
from tre.system.layout import Layout

app = typer.Typer(help="Keys and secrets of this installation: list them, replace one.", no_args_is_help=True)

_SIGNERS = {
    "grant-signing.key": SOURCE,
    "practice-signing.key": PRACTICE,
    "committee-signing.key": COMMITTEE,
    "source-signing.key": ELSEWHERE,
}
"""Private keys that sign evidence, by the kind of evidence."""

_SIGNED_BY = {SOURCE: "people", PRACTICE: "people", COMMITTEE: "controller", ELSEWHERE: "controller"}
_KEPT = {
    PRIVATE_KEY_FILE: "The log's own key: checkpoints that others keep are verified with it.",
    "dataset-salt.key": "Slices and their indexes are made with it: another one would take them for others.",
}
"""What this command does not replace, and why."""


@dataclass(frozen=True)
class Key:
    """One file below `keys/`: who reads it, and what happens when it is replaced (empty: it is not)."""

    name: str
    readers: tuple[str, ...]
    effect: str


def known_keys() -> list[Key]:
    """Every key that an installation makes by itself."""
    again = "people sign in again"
    found = [Key(name, (service,), "" if name in _KEPT else again) for name, service in SECRETS.items()]
    found += [Key(name, tuple(sorted(KEY_READERS[name])), again) for name in MADE_HERE]
    signed = "what was signed stays valid"
    found += [Key(name, (_SIGNED_BY[kind],), signed) for name, kind in _SIGNERS.items()]
    return sorted([*found, Key(PRIVATE_KEY_FILE, ("controller",), "")], key=lambda key: key.name)


@app.command("list")
@command
def list_keys(root: RootOption = None, as_json: JsonOption = False) -> None:
    """Every key and secret that this installation made: since when, who reads it, whether it can be replaced."""
    here = Installation.open(root)
    rows = [(key, _since(here.layout.keys / key.name)) for key in known_keys()]
    if as_json:
        common.print_json(
            [
                {
                    "name": key.name,
                    "since": since and since.isoformat(),
                    "readers": list(key.readers),
                    "rotate": bool(key.effect),
                }
                for key, since in rows
            ]
        )
        return
    shown = [
        (key.name, common.when(since) if since else "not here", ", ".join(key.readers), key.effect or _KEPT[key.name])
        for key, since in rows
    ]
    common.print_table("", ("key", "since", "read by", "when it is replaced"), shown)


def _since(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


@app.command("rotate")
@command
def rotate(
    name: Annotated[str, typer.Argument(help="The key, as `tre keys list` names it.")],
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a new key in a key's place; the services that read it take it at their next start."""
    here = Installation.open(root)
    key = _chosen(here.layout, name)
    detail = {}
    if name in _SIGNERS:
        detail["before"] = key_id(read_private(here.layout.keys / name).public_key())
    replace: Callable[[Layout, str], None] = _replace_pair if name in _SIGNERS else _replace_secret
    with here.database.change(here.event("key.rotated", f"key/{name}", **detail)):
        replace(here.layout, name)
    complete(here.layout)
    if as_json:
        common.print_json({"name": name, "readers": list(key.readers), "effect": key.effect})
    else:
        common.out.print(f"{name} is replaced: {key.effect}.", highlight=False)
        if key.readers != ("people",):
            common.out.print("End `tre up` and start it again; workspaces go on meanwhile.", highlight=False)


def _chosen(layout: Layout, name: str) -> Key:
    found = next((key for key in known_keys() if key.name == name), None)
    if found is None or not (layout.keys / name).is_file():
        raise TREError(
            Reason.BadInput,
            f"There is no key {name!r} here.",
            why="Keys that somebody else made, such as a certificate's, are replaced by them.",
            remedy="`tre keys list` lists those that this installation made.",
        )
    if not found.effect:
        raise TREError(
            Reason.StateForbids,
            f"{name} is not replaced by this command.",
            why=_KEPT[name],
            remedy="If somebody else has seen it, tell whoever relies on it, and see docs/backup.md.",
        )
    return found


def _replace_secret(layout: Layout, name: str) -> None:
    text = secrets.token_hex(32).encode() + b"\n" if name in MADE_HERE else secrets.token_bytes(32)
    write_atomically(layout.keys / name, text, mode=0o600)


def _replace_pair(layout: Layout, name: str) -> None:
    """First the old public half under a name of its own, then the new one, then what signs."""
    signers = layout.keys / KINDS[_SIGNERS[name]].directory
    old = read_private(layout.keys / name).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    write_atomically(signers / f"before-{key_id(old)}.pub", old.public_bytes(serialization.Encoding.PEM, form))
    private, public = new_pair()
    write_atomically(signers / OWN_SIGNER, public)
    write_atomically(layout.keys / name, private, mode=0o600)
