"""Reading YAML that people write, without its surprises.

Guarantees: only plain values. A number is what looks like one to everybody: `12`, `-3`, `2.5`; what YAML 1.1 reads
differently than it shows (`010`, `1:30`, `1_000`, `0x1F`, `yes`, `off`, bare dates) stays text. A key written twice,
an explicit tag that changes the kind of a value, anchors and aliases are refused, so no bomb can unfold; so is a file
larger than 1 MiB or nested deeper than 50 levels. Errors name file, line and column.

Does not guarantee: speed (what libyaml and Python's reader read differently, and a file with a mistake, is read by the
latter: 1 MiB takes seconds), or a key of more than 1,024 characters, which YAML
does not take before a colon.

Threat: a grant or policy file made to exhaust the reader or to mean something else than it shows.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tre.domain.errors import Reason, TREError
from tre.domain.model import key_path

MAX_BYTES = 2**20
MAX_DEPTH = 50
_TAG = "tag:yaml.org,2002:"
_DIGITS = list("-+0123456789")


class _PlainResolver(yaml.resolver.Resolver):
    """Takes for more than text only what nobody can misread."""

    yaml_implicit_resolvers: dict[str, Any] = {}


_RESOLVERS = (
    ("bool", r"true|false", list("tf")),
    ("int", r"0|[-+]?[1-9][0-9]*", _DIGITS),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?", _DIGITS),
    ("null", r"~|null|", ["~", "n", ""]),
    ("merge", r"<<", ["<"]),
)
for _kind, _pattern, _first in _RESOLVERS:
    _PlainResolver.add_implicit_resolver(_TAG + _kind, re.compile(f"^(?:{_pattern})$"), _first)


@dataclass(frozen=True)
class YamlFile:
    """A file that was read once: the plain value of each of its documents, and where every key of them stands.

    Empty documents are left out and not counted.
    """

    source: str
    values: tuple[Any, ...]
    nodes: tuple[yaml.Node, ...]

    def line_of(self, location: tuple[str | int, ...], document: int = 0) -> int:
        """The line (from 1) on which a key path of a document stands, or the nearest key above it."""
        node: Any = self.nodes[document]
        line = int(node.start_mark.line) + 1
        for part in location:
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return line

    def place(self, location: tuple[str | int, ...], document: int = 0) -> str:
        """File, line and key path as people name them: `grant.yaml:12: spec.slices[0]`; of a text, `line 12: …`."""
        return f"{_at(self.source, self.line_of(location, document))}: {key_path(location) or 'the document'}"


def _at(source: str, line: int) -> str:
    return f"{source}:{line}" if source else f"line {line}"


def _named(source: str) -> str:
    return source or "the text"


def load_yaml(path: Path) -> YamlFile:
    """Read a file. Raises `TREError(BadInput)` with file, line and column."""
    return parse_yaml(_read_bounded(path), str(path))


def read_yaml(path: Path) -> Any:
    """The plain value that one YAML document in a file holds.

    Raises `TREError(BadInput)` with file, line and column.
    """
    return only_document(load_yaml(path))


def only_document(file: YamlFile) -> Any:
    """The value of the one document of a file, `None` where it is empty. Raises `TREError(BadInput)` for several."""
    if len(file.values) > 1:
        raise TREError(
            Reason.BadInput,
            f"{_at(file.source, file.line_of((), 1))}: a second document begins here; one is expected.",
            why=f"{_named(file.source)} holds {len(file.values)} documents.",
            remedy="Put each into a file of its own.",
        )
    return file.values[0] if file.values else None


def parse_yaml(data: bytes, source: str) -> YamlFile:
    """Every document in these bytes; `source` names them in errors: nothing for a text that is no file.

    Raises `TREError(BadInput)`.
    """
    try:
        text = data.decode("utf-8")
        nodes = compose(text)
    except UnicodeDecodeError as error:
        raise TREError(
            Reason.BadInput,
            f"{_at(source, 1 + data[: error.start].count(10))}: this is not UTF-8 text.",
            why=f"The byte at position {error.start} is 0x{data[error.start]:02x}.",
            remedy="Save the file in the encoding UTF-8.",
        ) from error
    except yaml.YAMLError as error:
        raise _not_yaml(source, data, error) from error
    except RecursionError as error:
        raise TREError(
            Reason.BadInput,
            f"{_named(source)} is nested too deeply.",
            why=f"At most {MAX_DEPTH} levels are read.",
            remedy="Write it flatter.",
        ) from error
    found = [(value, node) for node in nodes if (value := _plain(node, source)) is not None]
    return YamlFile(source, tuple(value for value, _ in found), tuple(node for _, node in found))


def _not_yaml(source: str, data: bytes, error: yaml.YAMLError) -> TREError:
    if isinstance(error, yaml.reader.ReaderError):
        before = data.decode("utf-8")[: error.position]
        place, problem = _at(source, 1 + before.count(chr(10))), f"the character #x{int(error.character):04x}"
        return TREError(
            Reason.BadInput,
            f"{place}: this is not YAML that can be read here.",
            why=f"Text never holds {problem}.",
            remedy="Take the character out.",
        )
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return TREError(
        Reason.BadInput,
        f"{_at(source, mark.line + 1) if mark else _named(source)}: this is not YAML that can be read here.",
        why=f"Line {mark.line + 1}, column {mark.column + 1}: {problem}." if mark else f"{problem}.",
        remedy="Correct that place; wrong indentation and missing quotes are the usual causes.",
    )


def _read_bounded(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise TREError(
            Reason.BadInput, f"{path} cannot be read.", why=f"{why}.", remedy="Name a file that you may read."
        ) from error
    if len(data) > MAX_BYTES:
        raise TREError(
            Reason.BadInput,
            f"{path} is larger than 1 MiB, which no file of this kind needs to be.",
            why="A file of any size could keep the program busy for hours.",
            remedy="Is it the right file? Otherwise split it.",
        )
    return data


class _Composer(yaml.composer.Composer):
    """Refuses anchors and aliases while composing, before anything can unfold."""

    depth = 0
    peek_event: Callable[[], Any]

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(None, None, "anchors and aliases are not allowed", event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, "nested too deeply", event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class FastReader(_Composer, _PlainResolver, yaml.CSafeLoader):
    """What libyaml reads: several times as fast."""

    def __init__(self, text: str) -> None:
        yaml.CSafeLoader.__init__(self, text)
        yaml.composer.Composer.__init__(self)


class StrictReader(_Composer, _PlainResolver, yaml.SafeLoader):
    """What Python reads: also characters that JSON escapes in halves, and less that only looks like YAML."""


_READ_DIFFERENTLY = re.compile(r"[^\n -~\xa0-\u2027\u202a-\ufefe\uff00-\U0010ffff]|!|[|>][-+0-9]*#|\?[ \n]")
"""Tabs, marks and breaks that nobody sees, tags, a comment too near, a question: libyaml takes more of these."""

_OPENED = re.compile(r"[\[{]")
"""Behind one of these a question ends a word for the strict reader, and is a letter of it for libyaml."""


def compose(text: str) -> list[yaml.Node]:
    """Every document, read fast where both readers agree; what cannot be read is told in the strict one's words."""
    opened = _OPENED.search(text)
    asked_inside = opened is not None and text.rfind("?") > opened.start()
    if not asked_inside and not _READ_DIFFERENTLY.search(text):
        with contextlib.suppress(yaml.YAMLError):  # whether it is one, and which, the strict one says
            return list(yaml.compose_all(text, Loader=FastReader))
    return list(yaml.compose_all(text, Loader=StrictReader))


def _plain(node: yaml.Node, source: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        _check_tag(node, "map", source)
        return _mapping(node, source)
    if isinstance(node, yaml.SequenceNode):
        _check_tag(node, "seq", source)
        return [_plain(item, source) for item in node.value]
    return _scalar(node, source)


def _refused(node: yaml.Node, source: str, what: str, remedy: str) -> TREError:
    return TREError(
        Reason.BadInput,
        f"{_at(source, node.start_mark.line + 1)}: {what}.",
        why="Files are read strictly, so that none means something else than it shows.",
        remedy=remedy,
    )


def _check_tag(node: yaml.Node, expected: str, source: str) -> None:
    if node.tag != _TAG + expected:
        raise _refused(node, source, f"the tag {node.tag} is not allowed", "Take the tag out.")


def _mapping(node: yaml.MappingNode, source: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _plain(key_node, source)
        if not isinstance(key, str):
            raise _refused(key_node, source, f"the key {key!r} is not a text", "Put quotes around it.")
        if key in result:
            raise _refused(key_node, source, f"the key {key!r} stands twice", "Keep one of them.")
        result[key] = _plain(value_node, source)
    return result


def _scalar(node: yaml.Node, source: str) -> Any:
    maker = _SCALARS.get(node.tag)
    if maker is None:
        raise _refused(node, source, f"{node.tag} is not allowed", "Write the value out.")
    try:
        return maker(node.value)
    except (ValueError, KeyError) as error:
        raise _refused(node, source, f"{node.value[:40]!r} cannot be read", "Write it as plain text.") from error


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


def _child(node: Any, part: str | int) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    return None
