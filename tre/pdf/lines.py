"""Texts broken into lines that fit a width."""

from __future__ import annotations

from collections.abc import Iterator

from tre.pdf.blocks import NEW_LINE, Run, Text
from tre.pdf.letters import faces

Line = list[Run]
SWATCH = 0.75
"""How wide a field of colour is, in parts of the size."""


def width_of(run: Run, size: float) -> float:
    """How wide a run is, in points."""
    return SWATCH * size * 1.4 if run.swatch else faces()[run.bold].width(run.text, size)


def wrapped(text: Text, width: float, size: float) -> list[Line]:
    """The lines of a text. A word that is wider than a line is broken."""
    lines: list[Line] = []
    line: Line = []
    used = 0.0
    for word in _words(text):
        if word is None:
            lines.append(line)
            line, used = [], 0.0
            continue
        wide = sum(width_of(run, size) for run in word)
        space = width_of(Run(" ", bold=word[0].bold), size) if line else 0.0
        if line and used + space + wide > width:
            lines.append(line)
            line, used, space = [], 0.0, 0.0
        if wide > width:
            *whole, rest = _broken(word, width, size)
            lines += whole
            line, used = rest, sum(width_of(run, size) for run in rest)
            continue
        line += ([Run(" ", bold=word[0].bold)] if space else []) + word
        used += space + wide
    return [*map(_merged, [*lines, line])]


def fitted(text: str, width: float, size: float) -> str:
    """The beginning of a text that fits one line, with a sign that it goes on."""
    face = faces()[0]
    if face.width(text, size) <= width:
        return text
    while text and face.width(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _words(text: Text) -> Iterator[Line | None]:
    """Words, each of one run or more; `None` where a line ends."""
    word: Line = []
    for run in text:
        if run.swatch:
            word.append(run)
            continue
        for number, part in enumerate(run.text.replace(NEW_LINE, f" {NEW_LINE} ").split(" ")):
            if number and word:
                yield word
                word = []
            if part == NEW_LINE:
                yield None
            elif part:
                word.append(Run(part, run.bold))
    if word:
        yield word


def _broken(word: Line, width: float, size: float) -> Iterator[Line]:
    part: Line = []
    used = 0.0
    for run in word:
        for letter in run.text:
            one = Run(letter, run.bold)
            wide = width_of(one, size)
            if part and used + wide > width:
                yield part
                part, used = [], 0.0
            part.append(one)
            used += wide
    yield part


def _merged(line: Line) -> Line:
    made: Line = []
    for run in line:
        if made and not run.swatch and not made[-1].swatch and made[-1].bold == run.bold:
            made[-1] = Run(made[-1].text + run.text, run.bold)
        else:
            made.append(run)
    return made
