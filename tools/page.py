"""What every generated page is put together from. It is Markdown, and says at its top where it comes from."""

from __future__ import annotations

from collections.abc import Sequence

NOTICE = "<!-- Made by tools/generate_docs.py from the code; `make docs` makes it anew. Do not edit. -->"


def page(title: str, *parts: str) -> str:
    """A whole page: its title, where it comes from, its parts."""
    return "\n\n".join((f"# {title}", NOTICE, *(part.strip("\n") for part in parts))) + "\n"


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table; cells may hold anything but line breaks."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: object) -> str:
    """A word of the machine's."""
    return f"`{text}`"
