"""Reading YAML that people write, without its surprises.

Guarantees: only plain values. A number is what looks like one to everybody: `12`, `-3`, `2.5`; what YAML 1.1 reads
differently than it shows (`010`, `1:30`, `1_000`, `0x1F`, `yes`, `off`, bare dates) stays text. A key written twice,
an explicit tag that changes the kind of a value, anchors and aliases are refused, so no bomb can unfold; so is a file
larger than 1 MiB or nested deeper than 50 levels. Errors name file, line and column.

Does not guarantee: speed. A file of 1 MiB takes seconds to read.

Threat: a grant or policy file made to exhaust the reader or to mean something else than it shows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tre.domain.errors import Reason, TREError

MAX_BYTES = 2**20
MAX_DEPTH = 50
_TAG = "tag:yaml.org,2002:"
_DIGITS = list("-+0123456789")


class _PlainLoader(yaml.SafeLoader):
    """The safe loader, which takes for more than text only what nobody can misread."""

    yaml_implicit_resolvers: dict[str, Any] = {}


_RESOLVERS = (
    ("bool", r"true|false", list("tf")),
    ("int", r"0|[-+]?[1-9][0-9]*", _DIGITS),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?", _DIGITS),
    ("null", r"~|null|", ["~", "n", ""]),
    ("merge", r"<<", ["<"]),
)
for _kind, _pattern, _first in _RESOLVERS:
    _PlainLoader.add_implicit_resolver(_TAG + _kind, re.compile(f"^(?:{_pattern})$"), _first)


def read_yaml(path: Path) -> Any:
    """The plain value that one YAML document in a file holds.

    Raises `TREError(BadInput)` with file, line and column.
    """
    documents = read_yaml_documents(path)
    if len(documents) > 1:
        raise TREError(Reason.BadInput, f"{path} holds {len(documents)} documents; one is expected.")
    return documents[0] if documents else None


def read_yaml_documents(path: Path) -> list[Any]:
    """Every document of a file, in order; empty documents are left out."""
    data = _read_bounded(path)
    return parse_yaml(data, str(path))


def parse_yaml(data: bytes, source: str) -> list[Any]:
    """Every document in these bytes; `source` names them in errors."""
    try:
        text = data.decode("utf-8")
        nodes = list(yaml.compose_all(text, Loader=_NoAliasLoader))
    except UnicodeDecodeError as error:
        raise TREError(Reason.BadInput, f"{source} is not UTF-8 text.", why=f"At byte {error.start}.") from error
    except yaml.YAMLError as error:
        raise TREError(Reason.BadInput, f"{source} is not YAML that can be read here.", why=_place(error)) from error
    except RecursionError as error:
        raise TREError(Reason.BadInput, f"{source} is nested too deeply.") from error
    values = [_plain(node, source) for node in nodes]
    return [value for value in values if value is not None]


def _read_bounded(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TREError(Reason.BadInput, f"{path} cannot be read.", why=f"{error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise TREError(Reason.BadInput, f"{path} is larger than 1 MiB, which no file of this kind needs to be.")
    return data


class _NoAliasLoader(_PlainLoader):
    """Refuses anchors and aliases while composing, before anything can unfold."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(None, None, "anchors and aliases are not allowed", event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, "nested too deeply", event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    depth = 0


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"Line {mark.line + 1}, column {mark.column + 1}: {problem}." if mark else f"{problem}."


def _plain(node: yaml.Node, source: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        _check_tag(node, "map", source)
        return _mapping(node, source)
    if isinstance(node, yaml.SequenceNode):
        _check_tag(node, "seq", source)
        return [_plain(item, source) for item in node.value]
    return _scalar(node, source)


def _check_tag(node: yaml.Node, expected: str, source: str) -> None:
    if node.tag != _TAG + expected:
        line = node.start_mark.line + 1
        raise TREError(Reason.BadInput, f"{source}, line {line}: the tag {node.tag} is not allowed.")


def _mapping(node: yaml.MappingNode, source: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _plain(key_node, source)
        line = key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise TREError(Reason.BadInput, f"{source}, line {line}: the key {key!r} is not a text.")
        if key in result:
            raise TREError(Reason.BadInput, f"{source}, line {line}: the key {key!r} stands twice.")
        result[key] = _plain(value_node, source)
    return result


def _scalar(node: yaml.Node, source: str) -> Any:
    line = node.start_mark.line + 1
    maker = _SCALARS.get(node.tag)
    if maker is None:
        raise TREError(Reason.BadInput, f"{source}, line {line}: {node.tag} is not allowed.")
    try:
        return maker(node.value)
    except (ValueError, KeyError) as error:
        raise TREError(Reason.BadInput, f"{source}, line {line}: {node.value[:40]!r} cannot be read.") from error


def _text(text: str) -> str:
    """The text, with escaped pairs of surrogates (as JSON writes them) joined; half a pair is a `ValueError`."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


_SCALARS: dict[str, Callable[[str], Any]] = {
    _TAG + "str": _text,
    _TAG + "int": int,
    _TAG + "float": _finite,
    _TAG + "bool": {"true": True, "false": False}.__getitem__,
    _TAG + "null": {"null": None, "~": None, "": None}.__getitem__,
}


def line_of(path: Path, location: tuple[str | int, ...], *, document: int = 0) -> int | None:
    """The line (from 1) on which a key path of a document stands, or the nearest key above it; for error messages.

    Documents are counted as `read_yaml_documents` does. `None` where the file cannot be read.
    """
    try:
        text = _read_bounded(path).decode("utf-8")
        nodes = [node for node in yaml.compose_all(text, Loader=_NoAliasLoader) if node.tag != _TAG + "null"]
        node: Any = nodes[document]
    except (TREError, UnicodeDecodeError, yaml.YAMLError, IndexError):
        return None
    line = int(node.start_mark.line) + 1
    for part in location:
        found = _child(node, part)
        if found is None:
            break
        line, node = found
    return line


def _child(node: Any, part: str | int) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    return None
