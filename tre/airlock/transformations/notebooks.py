"""A notebook as its cells alone.

Guarantees: what stays of a notebook is, for each cell, whether it is code, text or raw, and its source, unchanged; the
language's name, where it is a plain word; and nothing else: no outputs, counters, attachments, identifiers, widgets,
or metadata. The same notebook always gives the same bytes, and doing it twice changes nothing.

Does not guarantee: that the sources are free of data: an author can paste a result, or a picture as text, into a cell.
The checks and the checkers look at what stays.

Source: the notebook format 4 (nbformat documentation); 4.4 is written, the last version whose cells carry no
identifiers, which are free text.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tre.airlock.formats import jsontext
from tre.airlock.parsed import FileRefusedError, Observation
from tre.airlock.transformations import Outcome, Product, Source, UnfitError

_KINDS = frozenset({"code", "markdown", "raw"})
_LANGUAGE = re.compile(r"[A-Za-z][A-Za-z0-9+#.-]{0,19}")


def code_only(source: Source) -> Outcome:
    """A notebook without outputs. Raises `FileRefusedError` or `UnfitError`."""
    notebook = jsontext.read_value(source.data, source.bounds)
    if not isinstance(notebook, dict) or notebook.get("nbformat") != 4 or not isinstance(notebook.get("cells"), list):
        raise _refused("The file is no notebook of format 4.")
    cells = [_cell(cell) for cell in notebook["cells"]]
    plain = {"cells": cells, "metadata": _metadata(notebook), "nbformat": 4, "nbformat_minor": 4}
    data = (json.dumps(plain, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()
    if data == source.data:
        raise UnfitError("The notebook holds nothing but its cells already.")
    outputs = sum(len(cell.get("outputs") or ()) for cell in notebook["cells"])
    note = f"{len(cells)} cells were kept; {outputs} outputs and all metadata were left out."
    return Outcome((Product(source.named("code", ".ipynb"), data),), (note,))


def _refused(message: str) -> FileRefusedError:
    return FileRefusedError(Observation("F02", message, "Save it with JupyterLab."))


def _cell(cell: Any) -> dict[str, Any]:
    kind = cell.get("cell_type") if isinstance(cell, dict) else None
    if kind not in _KINDS:
        raise _refused("A cell of the notebook is neither code nor text.")
    plain: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": _lines(cell.get("source", ""))}
    if kind == "code":
        if not isinstance(cell.get("outputs", []), list):
            raise _refused("The outputs of a cell are no list.")
        plain |= {"execution_count": None, "outputs": []}
    return plain


def _lines(text: Any) -> list[str]:
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        text = "".join(text)
    if not isinstance(text, str):
        raise _refused("The source of a cell is no text.")
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _metadata(notebook: dict[str, Any]) -> dict[str, Any]:
    found = notebook.get("metadata")
    language = found.get("language_info") if isinstance(found, dict) else None
    name = language.get("name") if isinstance(language, dict) else None
    fits = isinstance(name, str) and _LANGUAGE.fullmatch(name)
    return {"language_info": {"name": name}} if fits else {}
