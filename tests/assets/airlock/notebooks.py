"""Hostile notebooks and clean near-misses by name."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from tests.assets.airlock.files import Hostile, png
from tests.assets.airlock.pages import PANDAS

PRINTED = "  sex  n_patients\n0   F         120\n1   M         130"


def code(source: str = "df.describe()", *outputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A cell of code."""
    cell = {"cell_type": "code", "id": "a1", "metadata": {}, "source": source.splitlines(keepends=True)}
    return cell | {"execution_count": None, "outputs": list(outputs)} | more


def words(source: str = "# Results", **more: Any) -> dict[str, Any]:
    """A cell of Markdown."""
    return {"cell_type": "markdown", "id": "a2", "metadata": {}, "source": source} | more


def shows(**data: Any) -> dict[str, Any]:
    """An output with contents by type; `_` stands for `/`, `__` for `.`."""
    named = {key.replace("__", ".").replace("_", "/", 1): value for key, value in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": named}


def prints(text: str) -> dict[str, Any]:
    """Text on standard output."""
    return {"output_type": "stream", "name": "stdout", "text": text}


def notebook(*cells: dict[str, Any], metadata: dict[str, Any] | None = None, **more: Any) -> bytes:
    """A notebook of these cells."""
    about = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "version": "3.11.2", "file_extension": ".py"},
    }
    return json.dumps(
        {"cells": list(cells), "metadata": about | (metadata or {}), "nbformat": 4, "nbformat_minor": 5} | more
    ).encode()


def figure(data: bytes | None = None) -> dict[str, Any]:
    """An output with a picture."""
    return shows(image_png=base64.b64encode(data or png()).decode(), text_plain="<Figure size 640x480>")


PLOTLY = {"data": [{"x": [1, 2], "text": ["patient 17", "patient 18"]}]}

HOSTILE: dict[str, Hostile] = {
    "script-output.ipynb": Hostile(
        "F06", "script", lambda: notebook(code("x", shows(application_javascript="alert(1)")))
    ),
    "script-in-table.ipynb": Hostile(
        "F06", "<script>", lambda: notebook(code("x", shows(text_html=PANDAS + "<script>alert(1)</script>")))
    ),
    "script-in-words.ipynb": Hostile("F06", "<script", lambda: notebook(words("a <script>alert(1)</script>"))),
    "broken-page.ipynb": Hostile("F02", "differently", lambda: notebook(code("x", shows(text_html="<p <b>")))),
    "minor-version.ipynb": Hostile("F02", "version 4", lambda: notebook(code(), nbformat_minor=[17])),
    "odd-stream.ipynb": Hostile(
        "F02", "no known stream", lambda: notebook(code("x", prints("a") | {"name": {"rows": 17}}))
    ),
    "bidi-as-escape.ipynb": Hostile("F03", "U+202E", lambda: notebook(code("x = '\u202e21'"))),
    "picture-with-a-tail.ipynb": Hostile(
        "F03", "follow the end", lambda: notebook(code("x", figure(png(after=b"PK\x03\x04"))))
    ),
    "no-base64.ipynb": Hostile("F02", "Base64", lambda: notebook(code("x", shows(image_png="%%%")))),
    "key-twice.ipynb": Hostile(
        "F02", "twice", lambda: notebook(code()).replace(b'"nbformat": 4,', b'"nbformat": 4, "nbformat": 4,')
    ),
    "version-3.ipynb": Hostile("F02", "version 4", lambda: notebook(code(), nbformat=3)),
    "no-notebook.ipynb": Hostile("F02", "version 4", lambda: b'{"a": 1}'),
    "odd-cell.ipynb": Hostile("F02", "known type", lambda: notebook({"cell_type": "heading", "source": "a"})),
    "odd-output.ipynb": Hostile("F02", "known type", lambda: notebook(code("x", {"output_type": "pyout"}))),
    "source-of-numbers.ipynb": Hostile("F02", "no text", lambda: notebook(code() | {"source": [1, 2]})),
    "deep.ipynb": Hostile("F05", "deeper", lambda: b'{"cells": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"),
    "many-lines.ipynb": Hostile("F05", "lines", lambda: notebook(code("x", prints("a\n" * 30_000)))),
    "many-values.ipynb": Hostile("F05", "larger", lambda: notebook(code(), x=[0] * 300_000)),
}
"""Files that are blocked: the check that stops each, and a piece of the reason in words."""

HIDING: dict[str, Hostile] = {
    "printed.ipynb": Hostile("F09", "text on stdout (", lambda: notebook(code("df", prints(PRINTED)))),
    "table.ipynb": Hostile(
        "F09", "text/html (", lambda: notebook(code("df", shows(text_html=PANDAS, text_plain=PRINTED)))
    ),
    "figure.ipynb": Hostile("F09", "image/png (", lambda: notebook(code("plot()", figure()))),
    "error.ipynb": Hostile(
        "F09",
        "error's trace",
        lambda: notebook(
            code(
                "x",
                {"output_type": "error", "ename": "KeyError", "evalue": "17", "traceback": ["\x1b[31mKeyError\x1b[0m"]},
            )
        ),
    ),
    "attachment.ipynb": Hostile(
        "F09",
        "image/png",
        lambda: notebook(
            words("![a](attachment:a.png)", attachments={"a.png": {"image/png": base64.b64encode(png()).decode()}})
        ),
    ),
    "widgets.ipynb": Hostile("F09", "widgets", lambda: notebook(code(), metadata={"widgets": {"a": {"state": {}}}})),
    "interactive.ipynb": Hostile(
        "F07", "not shown here", lambda: notebook(code("x", shows(**{"application_vnd__plotly__v1+json": PLOTLY})))
    ),
    "hidden-source.ipynb": Hostile(
        "F07", "source of this cell is hidden", lambda: notebook(code(metadata={"jupyter": {"source_hidden": True}}))
    ),
    "hidden-outputs.ipynb": Hostile(
        "F07",
        "outputs of this cell are hidden",
        lambda: notebook(code("x", prints("1"), metadata={"jupyter": {"outputs_hidden": True}})),
    ),
    "folded-picture.ipynb": Hostile(
        "F07", "a file of its own", lambda: notebook(words("![a](data:image/png;base64,iVBORw0KGgo=)"))
    ),
    "own-metadata.ipynb": Hostile("F07", "“rows”", lambda: notebook(code(), metadata={"rows": ["patient 17"]})),
    "own-metadata-of-a-cell.ipynb": Hostile("F07", "“rows”", lambda: notebook(code(metadata={"rows": [17]}))),
    "own-key.ipynb": Hostile("F07", "“rows”", lambda: notebook(code(rows=[17]))),
    "own-key-at-the-top.ipynb": Hostile("F07", "“rows”", lambda: notebook(code(), rows=[17])),
    "own-key-of-an-output.ipynb": Hostile("F07", "“rows”", lambda: notebook(code("x", prints("1") | {"rows": [17]}))),
    "long-kernel.ipynb": Hostile(
        "F07", "long text", lambda: notebook(code(), metadata={"kernelspec": {"name": "x" * 300}})
    ),
    "counter.ipynb": Hostile("F07", "counter is none", lambda: notebook(code(execution_count={"rows": [17]}))),
    "large-counter.ipynb": Hostile("F07", "counter is none", lambda: notebook(code(execution_count=9434765919))),
    "identifier.ipynb": Hostile("F07", "unusual identifier", lambda: notebook(code(id="patient 17, aged 44"))),
    "beside-an-output.ipynb": Hostile(
        "F07",
        "beside what it shows",
        lambda: notebook(code("x", shows(text_plain="a") | {"metadata": {"rows": ["17"] * 200}})),
    ),
    "many-tags.ipynb": Hostile("F07", "long text", lambda: notebook(code(metadata={"tags": ["patient 17"] * 900}))),
    "concealed.ipynb": Hostile("F07", "hides text", lambda: notebook(code("x", prints("a \x1b[8m17\x1b[0m")))),
    "terminal-link.ipynb": Hostile(
        "F07", "carries", lambda: notebook(code("x", prints("\x1b]8;;https://x/17\x07a\x1b]8;;\x07")))
    ),
}
"""Files that carry more than they show: each needs an exception from everybody who checks it."""

TOLD: dict[str, Hostile] = {
    "times.ipynb": Hostile(
        "F08",
        "execution",
        lambda: notebook(code(metadata={"execution": {"iopub.status.busy": "2026-01-01T00:00:00Z"}})),
    ),
    "authors.ipynb": Hostile("F08", "authors", lambda: notebook(code(), metadata={"authors": [{"name": "alice"}]})),
}
"""Files that may leave once each checker has acknowledged what is told of them."""

HONEST: dict[str, Callable[[], bytes]] = {
    "code.ipynb": lambda: notebook(words(), code("import pandas as pd\ndf = pd.read_parquet('a')\n")),
    "run-and-cleared.ipynb": lambda: notebook(code(execution_count=3)),
    "tags.ipynb": lambda: notebook(
        code(metadata={"tags": ["parameters"]}), code(metadata={"jupyter": {"source_hidden": False}})
    ),
    "raw.ipynb": lambda: notebook({"cell_type": "raw", "id": "r", "metadata": {}, "source": "---\ntitle: a\n---"}),
    "code-about-scripts.ipynb": lambda: notebook(
        words("Write `<script>` like this:\n```\n<script>1</script>\n```"), code("s = '<script>'")
    ),
    "empty.ipynb": notebook,
    "identifiers.ipynb": lambda: notebook(code(id="8f1b0c2d"), code(id="0b0e6f0e-5c0a-4b8e-9d3e-0a1b2c3d4e5f")),
    "old-minor.ipynb": lambda: notebook({key: value for key, value in code().items() if key != "id"}, nbformat_minor=2),
    "formulas.ipynb": lambda: notebook(words("$\\frac{a}{b}$ & <br> [link](https://example.org)")),
}
"""Near-misses: notebooks that are as they should be."""
