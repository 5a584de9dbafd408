"""From a file's name to the one strict parser that judges its bytes. Standard library only.

Guarantees: the type is what the ending claims, and the parser of that type must account for every byte, or the file
is refused. Nothing is let in by a guess from content: guessers of file types contradict one another and are wrong
somewhere. An own table of signatures is a second opinion, which can only refuse and explain (`formats.signatures`).
Parsers are loaded by name, before the walls stand, and only the one that the type needs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from tre.airlock.formats.signatures import contradiction, explained
from tre.airlock.parsed import MAX_OBSERVATIONS, Bounds, FileRefusedError, Observation, ParsedFile

Parse = Callable[[str, bytes, Bounds], ParsedFile]


@dataclass(frozen=True)
class Format:
    """A type of file: its endings, compared without case, and the module whose `parse` judges it.

    `libraries`: the module loads more than the standard library.
    """

    endings: tuple[str, ...]
    module: str
    libraries: bool = False

    def load(self) -> Parse:
        """The module's function, asked together with the second opinion.

        Its arguments: the type, the bytes, the bounds.
        """
        parse: Parse = importlib.import_module(f"tre.airlock.formats.{self.module}").parse
        return _with_second_opinion(parse)


def _with_second_opinion(parse: Parse) -> Parse:
    def judge(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
        try:
            parsed = parse(kind, data, bounds)
        except FileRefusedError as refusal:
            raise FileRefusedError(explained(refusal.observation, kind, data), refusal.also) from refusal
        if other := contradiction(kind, data):
            raise FileRefusedError(other, parsed.remarks[:MAX_OBSERVATIONS])
        return parsed

    return judge


FORMATS = {
    "csv": Format((".csv",), "delimited"),
    "tsv": Format((".tsv",), "delimited"),
    "text": Format((".txt",), "text"),
    "log": Format((".log",), "text"),
    "markdown": Format((".md",), "text"),
    "json": Format((".json",), "jsontext"),
    "png": Format((".png",), "png", libraries=True),
    "jpeg": Format((".jpg", ".jpeg"), "jpeg", libraries=True),
    "svg": Format((".svg",), "svg", libraries=True),
    "pdf": Format((".pdf",), "pdf", libraries=True),
    "code": Format((".py", ".r", ".do", ".sas", ".sql", ".jl", ".sh", ".rmd", ".qmd"), "code"),
    "xlsx": Format((".xlsx",), "xlsx", libraries=True),
    "html": Format((".html", ".htm"), "html", libraries=True),
    "notebook": Format((".ipynb",), "notebook", libraries=True),
    "safetensors": Format((".safetensors",), "safetensors"),
    "onnx": Format((".onnx",), "onnx"),
    "wheel": Format((".whl",), "wheel"),
}
"""The types that have a strict parser. A policy chooses among them; `wheel` may come in and never leaves."""

ENDINGS = {ending: kind for kind, form in FORMATS.items() for ending in form.endings}

UNKNOWN = "unknown"
FORMATS[UNKNOWN] = Format((), "unknown")
"""No type: its parser refuses everything and says why."""


def type_of(name: str) -> str:
    """The type that a name claims, or `unknown`."""
    last = name.rsplit("/", 1)[-1]
    dot = last.rfind(".")
    return ENDINGS.get(last[dot:].lower(), UNKNOWN) if dot > 0 else UNKNOWN


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """Judge bytes by the parser of a type. Raises `FileRefusedError`."""
    if kind not in FORMATS:
        raise FileRefusedError(Observation("F02", "No strict parser is known for this type of file."))
    return FORMATS[kind].load()(kind, data, bounds)
