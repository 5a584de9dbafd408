"""The outputs of a notebook's cells, each named and shown: texts, tables, pages, pictures.

Guarantees: every representation of an output is named with its size and SHA-256 and looked at, also the ones that a
notebook would not show because another one stands beside it; control sequences of terminals are taken out of texts
before they are shown, and told where they hide something.

Does not guarantee: that interactive outputs are understood: they are named, their texts are searched, they are not
shown.

Threats: rows of people in the text beside a harmless figure; charts that carry all their data.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import Any

from tre.airlock.formats import embedded, html
from tre.airlock.formats.jsontext import strings_of
from tre.airlock.formats.text import invisible_in, passages_of, tables_in
from tre.airlock.parsed import (
    INVISIBLE,
    Bounds,
    Card,
    FileRefusedError,
    Observation,
    ParsedFile,
    Passage,
    Place,
    Table,
    quoted,
)

_KEYS = {
    "stream": {"output_type", "name", "text"},
    "error": {"output_type", "ename", "evalue", "traceback"},
    "display_data": {"output_type", "data", "metadata", "transient"},
    "execute_result": {"output_type", "data", "metadata", "execution_count"},
}
_TEXTS = frozenset({"text/plain", "text/latex", "text/markdown"})
_SCRIPTS = frozenset({"application/javascript", "text/javascript", "application/x-javascript"})
_PICTURE = re.compile(r"image/(?!svg)[a-z0-9.+-]+")
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[@-~]")
_COMMANDS = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")
_CONCEALS = re.compile(r"\x1b\[(?:[0-9]+;)*8m")
_REMEDY = "Submit the notebook as code only, and each result as a file by itself."
_HIGHEST_COUNTER = 100_000
_LARGEST_METADATA = 500
_LISTED = 4
_LONGEST_TYPE = 40


def joined(value: Any) -> str | None:
    """A text, also where it is written as a list of lines; `None` where it is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return None


def is_counter(value: Any) -> bool:
    """Whether a value is a count of runs or a version, or none."""
    return value is None or (type(value) is int and 0 <= value <= _HIGHEST_COUNTER)


class Writer:
    """Adds what a notebook holds to what is shown and looked at."""

    def __init__(self, parsed: ParsedFile, bounds: Bounds) -> None:
        self.parsed, self.bounds = parsed, bounds

    def remark(self, check: str, message: str, place: Place) -> None:
        """Put something into words."""
        self.parsed.remarks.append(Observation(check, message, _REMEDY, place))

    def text(self, text: str, card: str, passage: str, place: Place, title: str = "") -> str:
        """Show a text; returns it as it is shown."""
        shown = self._seen(text, place)
        if shown.count("\n") > self.bounds.rows * 4:
            message = f"A text has more than the {self.bounds.rows * 4} lines allowed."
            raise FileRefusedError(Observation("F05", message, "Ask for less.", place))
        self.parsed.cards.append(Card(card, title, shown, place=place))
        self.parsed.passages += passages_of(shown, passage, place)
        return shown

    def _seen(self, text: str, place: Place) -> str:
        """A text without a terminal's control sequences, what was written over on lines of its own."""
        if "\x1b" in text:
            if _CONCEALS.search(text):
                self.remark("F07", "A control sequence hides text where a terminal shows it.", place)
            if found := _COMMANDS.search(text):
                self.remark("F07", f"A control sequence carries {quoted(found.group())}.", place)
            text = _COLOURS.sub("", _COMMANDS.sub("", text))
        text = re.sub(r"\x08+|\r(?!\n)", "\n", text)
        if unseen := invisible_in(text, place):
            self.parsed.remarks.append(unseen)
            text = INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text)
        return text

    def output(self, output: Any, place: Place) -> None:
        """One output of a cell. Raises `FileRefusedError`."""
        kind = output.get("output_type") if isinstance(output, dict) else None
        if not isinstance(kind, str) or kind not in _KEYS:
            raise _refused("An output of the notebook is of no known type.", place)
        for key in sorted(output.keys() - _KEYS[kind]):
            self.remark("F07", f"An output holds {quoted(key)}, which is not of its format.", place)
            self._strings(output[key], place)
        if kind == "stream":
            name = output.get("name")
            if not isinstance(name, str) or name not in {"stdout", "stderr"}:
                raise _refused("An output of the notebook goes to no known stream.", place)
            contents = {f"text on {name}": output.get("text")}
        elif kind == "error":
            contents = {"an error's trace": self._trace(output, place)}
        else:
            contents = output.get("data")
            self._beside(output, place)
        if not isinstance(contents, dict):
            raise _refused("An output of the notebook holds nothing known.", place)
        self._name(contents, place)
        self._bundle(contents, place)

    def _beside(self, output: dict[str, Any], place: Place) -> None:
        """What stands beside the contents: sizes of pictures, and counters."""
        beside = {key: output[key] for key in ("metadata", "transient") if output.get(key)}
        self._strings(list(beside.values()), place)
        if len(json.dumps(beside)) > _LARGEST_METADATA or not is_counter(output.get("execution_count")):
            shown = quoted(json.dumps(beside or output.get("execution_count")))
            self.remark("F07", f"An output carries data beside what it shows: {shown}.", place)

    def _trace(self, output: dict[str, Any], place: Place) -> str:
        lines = output.get("traceback")
        head = [output.get("ename"), output.get("evalue")]
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in [*lines, *head]):
            raise _refused("An error in the notebook is written in an unknown way.", place)
        return "\n".join([f"{head[0]}: {head[1]}", *lines])

    def _name(self, contents: dict[str, Any], place: Place) -> None:
        first = list(contents.items())[:_LISTED]
        listed = ", ".join(f"{quoted(mime)[1:-1][:_LONGEST_TYPE]} ({_fingerprint(value)})" for mime, value in first)
        more = f" and {len(contents) - _LISTED} more" if len(contents) > _LISTED else ""
        message = f"Cell {place.cell} shows output {place.output}: {listed}{more}."
        self.remark("F09", message, place)

    def _bundle(self, contents: dict[str, Any], place: Place) -> None:
        shown = [table for mime in ("text/html",) if mime in contents for table in self._page(contents[mime], place)]
        for mime, value in contents.items():
            if mime != "text/html":
                self._content(mime, value, place, shown)

    def _content(self, mime: str, value: Any, place: Place, shown: list[Table]) -> None:
        text = joined(value)
        if mime in _SCRIPTS:
            self.remark("F06", "An output is a script.", place)
        if text is not None and (mime in _TEXTS or "/" not in mime or mime in _SCRIPTS):
            card = "code" if mime in _SCRIPTS else "text"
            self._tables(
                self.text(text, card, "output", place, f"Cell {place.cell}, output {place.output}"), place, shown
            )
        elif text is not None and mime == "image/svg+xml":
            embedded.take_bytes(self.parsed, mime, text.encode("utf-8", "surrogatepass"), self.bounds, place)
        elif text is not None and _PICTURE.fullmatch(mime):
            self._picture(mime, text, place)
        elif mime == "application/json":
            self.text(json.dumps(value, ensure_ascii=False, indent=2), "text", "output", place)
        else:
            message = f"An output of type {quoted(mime)} carries data that are not shown here."
            self.remark("F07", message, place)
            self._strings(value, place)
            embedded.not_shown(self.parsed, mime[:80], json.dumps(value).encode(), place)

    def _page(self, value: Any, place: Place) -> list[Table]:
        text, first = joined(value), len(self.parsed.tables)
        if text is None:
            raise _refused("An output of the notebook is no text.", place)
        if text.strip():
            try:
                html.take_page(self.parsed, text, self.bounds, place)
            except FileRefusedError as refused:
                said = replace(refused.observation, place=place)
                self.parsed.remarks.append(said)
                self.text(text, "code", "output", place)
        return self.parsed.tables[first:]

    def _picture(self, mime: str, text: str, place: Place) -> None:
        data = embedded.decoded(text)
        if data is None:
            self.remark("F02", f"An output of type {quoted(mime)} is not Base64.", place)
        else:
            embedded.take_bytes(self.parsed, mime, data, self.bounds, place)

    def _tables(self, text: str, place: Place, shown: list[Table]) -> None:
        """Tables printed in a text, unless all of it stands in the page that was shown already."""
        seen = {word for table in shown for row in (table.header, *table.rows) for cell in row for word in cell.split()}
        if shown and not set(text.split()) - seen:
            return
        self.parsed.tables += [replace(table, within=place) for table in tables_in(text.splitlines())]

    def _strings(self, value: Any, place: Place) -> None:
        for _, text, _ in strings_of(value):
            if text.strip():
                self.parsed.passages.append(Passage(text, place, "metadata"))


def _fingerprint(value: Any) -> str:
    text = joined(value)
    data = (text if text is not None else json.dumps(value)).encode("utf-8", "surrogatepass")
    return f"{len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()[:12]}…"


def _refused(message: str, place: Place) -> FileRefusedError:
    return FileRefusedError(Observation("F02", message, "Save the notebook with Jupyter.", place))
