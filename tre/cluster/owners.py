"""Who owns which field of an object: server-side apply as the API server in memory does it.

Guarantees: what a manager applied before and no longer applies is gone, unless somebody else owns it; what it applies
is its own from then on; the rest stays. Lists of conditions and of slices are merged by type and by name, finalizers
are a set, every other list is one value.
"""

from __future__ import annotations

from typing import Any

from tre.cluster.protocol import Object

Path = tuple[str, ...]
Owners = dict[str, frozenset[Path]]
"""The leaves that each manager owns."""

_KEYED = {"conditions": "type", "slices": "name"}
_SETS = frozenset({"finalizers"})
_NOT_OWNED = frozenset(
    {("apiVersion",), ("kind",), *(("metadata", name) for name in ("name", "namespace", "uid", "resourceVersion"))}
)


def first(item: Object, manager: str) -> Owners:
    """The owners of an object that a manager just made; an empty name for one who does not apply."""
    return {manager: frozenset(_leaves(_tree(item)))}


def applied(before: Object, wanted: Object, manager: str, owned: Owners) -> tuple[Object, Owners]:
    """The object after a manager applied what it wants, and who owns what of it then."""
    tree, patch = _tree(before), _tree(wanted)
    mine = frozenset(_leaves(patch))
    others = {name: leaves - mine for name, leaves in owned.items() if name != manager}
    dropped = owned.get(manager, frozenset()) - mine - frozenset().union(*others.values())
    for path in dropped:
        _cut(tree, path)
    _merge(tree, patch)
    return _plain(tree), others | {manager: mine}


def _tree(value: Any, name: str = "") -> Any:
    """The same with keyed lists as mappings, so that each entry is a field of its own."""
    if isinstance(value, dict):
        return {key: _tree(item, key) for key, item in value.items()}
    if name in _SETS and isinstance(value, list):
        return _List({str(item): item for item in value})
    key = _KEYED.get(name)
    if key and isinstance(value, list) and all(isinstance(item, dict) and key in item for item in value):
        return _List({item[key]: _tree(item) for item in value})
    return value


class _List(dict[str, Any]):
    """A list whose entries are told apart by a key."""


def _plain(tree: Any) -> Any:
    if isinstance(tree, _List):
        return [_plain(item) for item in tree.values()]
    if isinstance(tree, dict):
        return {key: _plain(item) for key, item in tree.items()}
    return tree


def _leaves(tree: Any, path: Path = ()) -> set[Path]:
    if path in _NOT_OWNED:
        return set()
    if not isinstance(tree, dict) or (not tree and path):
        return {path}
    return set().union(*(_leaves(item, (*path, key)) for key, item in tree.items()))


def _cut(tree: Any, path: Path) -> None:
    """Remove a leaf, and what is empty without it."""
    head, *rest = path
    if not isinstance(tree, dict) or head not in tree:
        return
    if rest:
        _cut(tree[head], tuple(rest))
    if not rest or tree[head] == {}:
        del tree[head]


def _merge(tree: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = value
