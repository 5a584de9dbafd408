"""Jupyter notebooks (nbformat 4): every cell and every output a card, nothing rendered, nothing left out.

Guarantees: strict JSON; only the keys of the format, anything beside them is put into words; each output is named with
its types, sizes and SHA-256 (F09) and shown as text, table or decoded picture, or said not to be shown; hidden cells,
attachments, states of widgets and unknown metadata are told; a notebook without outputs passes without a finding.

Does not guarantee: that code and output belong together: nothing is run.

Threats: outputs, above all printed rows of people, that leave with code (near half of the files of one biobank's
takedowns were notebooks); converters that run what they convert (CVE-2026-44727, CVE-2026-39378): none is used.
Source: the nbformat 4 schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tre.airlock.formats import embedded
from tre.airlock.formats.jsontext import read_value, strings_of
from tre.airlock.formats.outputs import Writer, is_counter, joined
from tre.airlock.formats.text import markdown_remarks
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, ParsedFile, Passage, Place, quoted

_TOP = frozenset({"cells", "metadata", "nbformat", "nbformat_minor"})
_CELL = frozenset({"cell_type", "id", "metadata", "source"})
_KEYS = {
    "code": _CELL | {"outputs", "execution_count"},
    "markdown": _CELL | {"attachments"},
    "raw": _CELL | {"attachments"},
}
_CARDS = {"code": ("code", "code"), "markdown": ("markdown", "text"), "raw": ("text", "text")}
"""For each type of cell: the kind of its card and of its passages."""

_HARMLESS = frozenset(
    {
        *("kernelspec", "language_info", "celltoolbar", "hide_input", "orig_nbformat", "toc", "toc-autonumbering"),
        *("toc-showcode", "tags", "collapsed", "scrolled", "slideshow", "trusted", "name", "deletable", "editable"),
        *(
            "jupyter",
            "id",
            "format",
            "vscode",
            "pycharm",
            "nteract",
            "interpreter",
            "rise",
            "livereveal",
            "lines_to_next_cell",
        ),
        *("colab_type", "cellView", "hidePrompt", "jupytext"),
    }
)
_TELLING = frozenset(
    {"authors", "title", "execution", "ExecuteTime", "colab", "papermill", "executionInfo", "outputId"}
)
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Za-z0-9_-]{1,12}")
_LONGEST = 200
_LARGEST = 4000
_REMEDY = "Clear it, or submit the notebook as code only."


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """A notebook. Raises `FileRefusedError`."""
    value = read_value(data, bounds)
    if not isinstance(value, dict) or not isinstance(value.get("cells"), list) or value.get("nbformat") != 4:
        raise _refused("The file is no notebook of version 4.")
    parsed = ParsedFile(kind, len(data))
    writer = Writer(parsed, bounds)
    _unknown_keys(parsed, value, _TOP, Place())
    if not is_counter(value.get("nbformat_minor")):
        raise _refused("The file is no notebook of version 4.")
    _metadata(writer, value.get("metadata", {}), Place())
    for number, cell in enumerate(value["cells"], start=1):
        _cell(writer, cell, number)
    return parsed


def _refused(message: str, place: Place | None = None) -> FileRefusedError:
    return FileRefusedError(Observation("F02", message, "Save the notebook with Jupyter.", place or Place()))


def _cell(writer: Writer, cell: Any, number: int) -> None:
    place = Place(cell=number)
    kind = cell.get("cell_type") if isinstance(cell, dict) else None
    if not isinstance(kind, str) or kind not in _KEYS:
        raise _refused("A cell of the notebook is of no known type.", place)
    _unknown_keys(writer.parsed, cell, _KEYS[kind], place)
    _counters(writer, cell, place)
    source = joined(cell.get("source"))
    if source is None:
        raise _refused("A cell of the notebook holds no text.", place)
    card, passage = _CARDS[kind]
    writer.text(source, card, passage, place, f"Cell {number}")
    if kind == "markdown":
        writer.parsed.remarks += markdown_remarks(source, place)
    _metadata(writer, cell.get("metadata", {}), place)
    for name, bundle in _items(cell.get("attachments", {}), place):
        _attachment(writer, name, bundle, place)
    outputs = cell.get("outputs", [])
    if not isinstance(outputs, list):
        raise _refused("The outputs of a cell are no list.", place)
    for position, output in enumerate(outputs, start=1):
        writer.output(output, Place(cell=number, output=position))


def _counters(writer: Writer, cell: dict[str, Any], place: Place) -> None:
    """The identifier and the counter of a cell are what programs write there, else they carry something."""
    name = cell.get("id", "")
    if name != "" and not (isinstance(name, str) and _IDENTIFIER.fullmatch(name)):
        writer.remark("F07", f"A cell has an unusual identifier: {quoted(json.dumps(name))}.", place)
        writer.parsed.passages.append(Passage(str(name), place, "metadata"))
    if not is_counter(cell.get("execution_count")):
        writer.remark("F07", f"A cell's counter is none: {quoted(json.dumps(cell['execution_count']))}.", place)


def _items(value: Any, place: Place) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise _refused("A part of the notebook is not what the format says.", place)
    yield from value.items()


def _attachment(writer: Writer, name: str, bundle: Any, place: Place) -> None:
    for mime, content in _items(bundle, place):
        text = joined(content)
        if text is None:
            raise _refused("An attachment of the notebook is no text.", place)
        writer.parsed.passages.append(Passage(name, place, "metadata"))
        embedded.take_base64(writer.parsed, mime, text, writer.bounds, place, check="F09")


def _unknown_keys(parsed: ParsedFile, value: dict[str, Any], known: frozenset[str], place: Place) -> None:
    for key, inner in value.items():
        if key not in known:
            message = f"The notebook holds {quoted(key)}, which is not of its format: {_size(inner)}."
            parsed.remarks.append(Observation("F07", message, _REMEDY, place))
            parsed.passages += [Passage(text, place, "metadata") for _, text, _ in strings_of(inner)]


def _size(value: Any) -> str:
    return f"{len(json.dumps(value)):,} bytes"


def _metadata(writer: Writer, metadata: Any, place: Place) -> None:
    for key, value in _items(metadata, place):
        texts = [text for _, text, _ in strings_of(value)]
        writer.parsed.passages += [Passage(text, place, "metadata") for text in texts if text]
        longest = max(texts, key=len, default="")
        if key == "widgets":
            message = f"The notebook holds the state of its widgets: {_size(value)}."
            writer.remark("F09", message, place)
        elif key in _TELLING:
            writer.remark("F08", f"The notebook tells {quoted(key)}: {_size(value)}.", place)
        elif key not in _HARMLESS:
            writer.remark("F07", f"The notebook carries {quoted(key)} in its metadata: {_size(value)}.", place)
        elif len(longest) > _LONGEST or len(json.dumps(value)) > _LARGEST:
            writer.remark("F07", f"The notebook carries a long text in {quoted(key)}: {quoted(longest)}.", place)
    hidden = metadata.get("jupyter")
    if isinstance(hidden, dict) and hidden.get("source_hidden") is True:
        writer.remark("F07", "The source of this cell is hidden.", place)
    if (isinstance(hidden, dict) and hidden.get("outputs_hidden") is True) or metadata.get("collapsed") is True:
        writer.remark("F07", "The outputs of this cell are hidden.", place)
