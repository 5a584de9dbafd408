"""The policy of the public account, and changes of policies as people read them.

Guarantees: an unreadable policy stops the portal before it serves anybody; a change is worked out from the two files
themselves, and what a key is for is what the file's own remark says.

Does not guarantee: that the new file is the one that is put in force. The decision names it in words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tre.domain.errors import Reason, TREError
from tre.domain.model import as_line
from tre.domain.publicaccount.differences import differences, in_words
from tre.domain.publicaccount.models import MOST_CHANGES, PolicyChange
from tre.domain.publicaccount.policies import AccountPolicy
from tre.system.resources import policy_file, read_settled
from tre.system.yamlfile import YamlFile, only_document, parse_yaml

POLICY_FILE = Path("policies") / "public-account.yaml"
_REMARK = re.compile(r"(?:^|\s)#\s*+(.*)$")


def load_account_policy(root: Path) -> AccountPolicy:
    """The site's policy, else the one that comes with the launcher. Raises `TREError(PolicyMissing | BadInput)`."""
    if (path := policy_file(root, POLICY_FILE)) is None:
        raise TREError(Reason.PolicyMissing, f"There is no {POLICY_FILE}.", remedy=f"Write it to {root / POLICY_FILE}.")
    return read_settled(AccountPolicy, path)


def policy_changes(before: str, after: str) -> tuple[PolicyChange, ...]:
    """What differs between two policy files, with the meaning of each key.

    Raises `TREError(BadInput)` where one is no policy, both say the same, or too much differs.
    """
    old, new = _read(before, "“The file as it is”"), _read(after, "“The file as it would be”")
    texts = {id(old): before.splitlines(), id(new): after.splitlines()}
    found = []
    for key, was, now in differences(only_document(old), only_document(new)):
        file = old if now is None else new
        meaning = _meaning(file, texts[id(file)], tuple(key.split(".")))
        found.append(PolicyChange(key=_line(key, 300), before=_value(was), after=_value(now), meaning=meaning))
    if not found or len(found) > MOST_CHANGES:
        raise TREError(
            Reason.BadInput,
            "The two files say the same." if not found else f"More than {MOST_CHANGES} keys differ.",
            why=f"A change has between 1 and {MOST_CHANGES} keys.",
            remedy="Give the file as it is, and the file as it would be.",
        )
    return tuple(found)


def _read(text: str, called: str) -> YamlFile:
    file = parse_yaml(text.encode(errors="replace"), called)
    if not isinstance(only_document(file), Mapping):
        raise TREError(
            Reason.BadInput,
            f"{called} holds no keys.",
            why="A policy is a mapping.",
            remedy="Give the whole file.",
        )
    return file


def _value(value: Any) -> str:
    return _line(in_words(value), 2000)


def _line(text: str, most: int) -> str:
    return as_line(text, most) or "–"


def _meaning(file: YamlFile, lines: list[str], location: tuple[str, ...]) -> str:
    """The remark on the line of a key, else the remarks right above it."""
    number = file.line_of(location) - 1
    if beside := _REMARK.search(lines[number]):
        return as_line(beside[1], 500)
    above: list[str] = []
    while number > 0 and lines[number - 1].lstrip().startswith("#"):
        number -= 1
        above.insert(0, lines[number].strip().lstrip("#"))
    return as_line(" ".join(above), 500)
