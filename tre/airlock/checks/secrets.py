"""P05: passwords, keys and tokens; home directories, machines and addresses of a network.

Guarantees: private keys, tokens that carry their maker's prefix, passwords in assignments and in addresses, home
directories of either kind of system, internal host names and addresses; one finding for each kind in a place, with
how many; a secret is never repeated. Standard library only.

Does not guarantee: secrets without a mark. Long random texts are no finding by themselves: hashes of commits, UUIDs
and checksums look the same and stand in every honest log.

Threat: a token in a notebook or a log that goes public and opens a door; a map of the inside of a secure environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tre.airlock.checks.pieces import Piece, pieces
from tre.airlock.parsed import Observation, ParsedFile, Surroundings, bounded, quoted

_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d")
_TOKEN = re.compile(
    r"(?<![\w\-])(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"
    r"|glpat-[\w\-]{20,64}|xox[abposr]-[A-Za-z0-9\-]{10,255}|sk-(?:proj-|ant-)?[A-Za-z0-9_\-]{32,255}"
    r"|[sr]k_live_[A-Za-z0-9]{16,255}|hf_[A-Za-z]{34}|pypi-AgE[\w\-]{50,255}|npm_[A-Za-z0-9]{36}|AIza[\w\-]{35}"
    r"|SG\.[\w\-]{16,32}\.[\w\-]{16,64}|eyJ[\w\-]{10,2000}\.eyJ[\w\-]{10,4000}\.[\w\-]{10,2000})(?![\w\-])",
    re.ASCII,
)
_ASSIGNED = re.compile(
    r"(?<![A-Za-z])(pass(?:word|wd|phrase)|pwd|secret(?:[_-]?(?:key|access[_-]?key))?|api[_-]?key|access[_-]?key"
    r"|(?:auth|access|api|bearer)[_-]?token|credentials?)[\"']?[ \t]{0,8}(?:=|:|=>)[ \t]{0,8}"
    r"([\"']?)([^\s\"',;]{6,200}+)",
    re.IGNORECASE,
)
_ADDRESS_WITH_PASSWORD = re.compile(
    r"(?<![\w+.\-])[a-z][a-z0-9+.\-]{1,20}://[^\s:/@\"']{1,64}:([^\s:/@\"']{1,128})@[^\s/]"
)
_HOME = re.compile(
    r"(?<![\w.\-])/(?:home|Users)/(?!shared\b|Shared\b)[A-Za-z_][\w.\-]{0,63}(?![\w.\-])"
    r"|(?<![A-Za-z])[A-Za-z]:\\{1,2}(?:Users|Documents and Settings)\\{1,2}(?!Public\b|Default\b)[\w.\- ]{1,64}"
)
_HOST = re.compile(
    r"(?<![\w.\-])(?=[\w\-]{0,63}[\d\-])[A-Za-z0-9][\w\-]{0,62}(?:\.[A-Za-z0-9][\w\-]{0,62}){0,4}"
    r"\.(?:local|internal|intranet|corp|lan|localdomain)(?![\w\-])"
    r"|(?<=://)[A-Za-z0-9][\w\-]{0,62}(?:\.[A-Za-z0-9][\w\-]{0,62}){0,4}\.(?:local|internal|intranet|corp|lan|svc)(?![\w\-])"
    r"|(?<![\\\w])\\\\[A-Za-z][\w.\-]{1,62}\\[\w$.\-]{1,63}",
    re.ASCII,
)
_ADDRESS = re.compile(r"(?<![\w.\-])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(:\d{2,5})?(?![\w\-]|\.\d)", re.ASCII)
_WORD_FOR_ADDRESS = re.compile(
    r"(?:\b(?:host|ip|server|address|addr|node|gateway|ssh|remote)\b|//|@)[^\d]{0,12}$", re.IGNORECASE
)
_PLACEHOLDER = re.compile(
    r"(?:none|null|true|false|changeme|example|your|my|xxx+|\*+|\.\.\.|•|redacted|hidden|placeholder|password|secret|token)",
    re.IGNORECASE,
)
_NEAR = 30
_MOST_OCTET = 255


@dataclass(frozen=True)
class _Kind:
    """A kind of find: what it is called, what to do, what it never does without (in small letters), how it is found."""

    words: str
    advice: str
    hints: tuple[str, ...]
    find: Callable[[str], Iterator[re.Match[str]]]
    shown: bool = False


def _assigned(text: str) -> Iterator[re.Match[str]]:
    """Literals, not variables, calls or place-holders."""
    for found in _ASSIGNED.finditer(text):
        value = found[3]
        literal = bool(found[2]) or (any(s.isdigit() for s in value) and any(s.isalpha() for s in value))
        if literal and not _PLACEHOLDER.match(value) and not set(value) & set("(){}<>$[]%"):
            yield found


def _addressed(text: str) -> Iterator[re.Match[str]]:
    for found in _ADDRESS_WITH_PASSWORD.finditer(text):
        if not _PLACEHOLDER.match(found[1]) and not set(found[1]) & set("{}<>$*[]"):
            yield found


def _network(text: str) -> Iterator[re.Match[str]]:
    """Addresses of private networks, and others where a word or a port says that they are addresses, not versions."""
    for found in _ADDRESS.finditer(text):
        one, two, three, four = (int(part) for part in found.groups()[:4])
        if max(one, two, three, four) > _MOST_OCTET or one in {0, 127, 255}:
            continue
        before = text[max(0, found.start() - _NEAR) : found.start()].rpartition("\n")[2]
        private = (one, two) == (192, 168) or (one == 10 and three + four > 10) or (one == 172 and 16 <= two < 32)
        if private or found[5] or _WORD_FOR_ADDRESS.search(before):
            yield found


_FRESH = "Take it out, and make a new one: this one is known now."
_KINDS = (
    _Kind("a private key", _FRESH, ("private key", "putty"), _PRIVATE_KEY.finditer),
    _Kind(
        "an access token",
        _FRESH,
        ("akia", "asia", "gh", "glpat", "xox", "sk-", "k_live_", "hf_", "pypi-", "npm_", "aiza", "sg.", "eyj"),
        _TOKEN.finditer,
    ),
    _Kind(
        "a password or key in an assignment", _FRESH, ("pass", "pwd", "secret", "key", "token", "credential"), _assigned
    ),
    _Kind("a password in an address", _FRESH, ("://",), _addressed),
    _Kind(
        "a home directory",
        "Write paths relative to the project.",
        ("/home/", "users", "settings"),
        _HOME.finditer,
        shown=True,
    ),
    _Kind(
        "the name of a machine",
        "Take it out.",
        (".local", ".internal", ".intranet", ".corp", ".lan", ".svc", "\\\\"),
        _HOST.finditer,
        shown=True,
    ),
    _Kind("an address of a network", "Take it out.", (".",), _network, shown=True),
)


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:  # noqa: ARG001 - one shape for all checks
    """Secrets and places in a file."""
    told: set[str] = set()
    found = [item for piece in pieces(file) for item in _in(piece, told)]
    return bounded(found, "kinds of secrets")


def _in(piece: Piece, told: set[str]) -> Iterator[Observation]:
    """What stands in a piece and was not told before: a printed table is text and columns."""
    small = piece.text.lower()
    for kind in _KINDS:
        if any(hint in small for hint in kind.hints):
            matches = list(kind.find(piece.text))
            texts = {f"{kind.words} {match[0]}" for match in matches}
            if not texts <= told:
                yield _said(kind, piece, matches)
            told |= texts


def _said(kind: _Kind, piece: Piece, matches: list[re.Match[str]]) -> Observation:
    first = matches[0]
    shown = f": {quoted(first[0])}" if kind.shown else ""
    times = f", {len(matches)} times in all" if len(matches) > 1 else ""
    message = f"In {piece.where} stands what looks like {kind.words}{shown}{times}."
    return Observation("P05", message, kind.advice, piece.at(first.start()))
