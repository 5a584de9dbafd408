"""Parts of a PDF that draw one another: how much a page unfolds to, before anything is drawn. Uses pikepdf.

Guarantees: a bound from above for the number of parts that pages draw through forms (ISO 32000-1, 8.10), from the
number of drawing instructions in each and the forms that each may name; forms that draw themselves are refused.

Does not guarantee: a bound for patterns and for letters that are drawings; time and memory of the check bound those.

Threat: ten forms that each draw the next ten times, in a file of a kilobyte.
"""

from __future__ import annotations

import re

import pikepdf

from tre.airlock.parsed import FileRefusedError, Observation

_MOST_DRAWN = 200_000
_DEEPEST = 12
_DO = re.compile(rb"\bDo\b")

Name = tuple[int, int]


class _Forms:
    """What forms unfold to, each worked out once."""

    def __init__(self) -> None:
        self.known: dict[Name, int] = {}
        self.open: list[Name] = []

    def unfolded(self, content: bytes, resources: object) -> int:
        """How many parts these instructions draw at most."""
        times = len(_DO.findall(content))
        forms = _forms_in(resources)
        return times * max((self.of(form) for form in forms), default=1) if times else 0

    def of(self, form: pikepdf.Stream) -> int:
        """How many parts a form draws, itself included. Raises `FileRefusedError`."""
        name = form.objgen
        if name in self.open or len(self.open) >= _DEEPEST:
            raise _refused("The document draws parts of itself in a circle.")
        if name not in self.known:
            self.open.append(name)
            self.known[name] = 1 + self.unfolded(form.read_bytes(), form.get("/Resources"))
            self.open.pop()
        return self.known[name]


def _refused(message: str) -> FileRefusedError:
    return FileRefusedError(Observation("F05", message, "Save the figure as PNG."))


def _forms_in(resources: object) -> list[pikepdf.Stream]:
    parts = resources.get("/XObject") if isinstance(resources, pikepdf.Dictionary) else None
    if not isinstance(parts, pikepdf.Dictionary):
        return []
    found = [part for _, part in parts.items() if isinstance(part, pikepdf.Stream)]
    return [part for part in found if str(part.get("/Subtype", "")) == "/Form"]


def check(document: pikepdf.Pdf) -> None:
    """Add up what all pages draw. Raises `FileRefusedError`."""
    forms, drawn = _Forms(), 0
    for page in document.pages:
        content = page.obj.get("/Contents")
        streams = content.as_list() if isinstance(content, pikepdf.Array) else [content]
        data = b"\n".join(one.read_bytes() for one in streams if isinstance(one, pikepdf.Stream))
        drawn += forms.unfolded(data, page.obj.get("/Resources"))
        if drawn > _MOST_DRAWN:
            raise _refused("The pages unfold to more parts than allowed.")
