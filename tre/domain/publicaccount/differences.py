"""A change of a policy file as people read it: key by key, what it says and what it would say.

Guarantees: every key whose value differs is listed once, in the order of the old file, new ones last.

Does not guarantee: that a change is understood. The words beside it are a person's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

NOTHING = "(nothing)"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Every key path whose values differ: its path, the old value, the new one; `None` for none."""
    old, new = dict(_flat(before, "")), dict(_flat(after, ""))
    keys = [*old, *(key for key in new if key not in old)]
    return [(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and (value or not path):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def in_words(value: Any) -> str:
    """A value of a policy as it stands in a sentence."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple) and all(not isinstance(one, Mapping | list) for one in value):
        return ", ".join(map(in_words, value)) or NOTHING
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)
