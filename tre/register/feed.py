"""What is new in the register, for programs that follow it (RSS 2.0).

Guarantees: everything that people wrote is escaped, and characters that XML has no place for are left out; the same
projects give the same bytes; an item's identity is the project's address.

Source: RSS 2.0.11 (RSS Advisory Board).
"""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import format_datetime
from html import escape

from tre.register.texts import for_xml
from tre.store.register import ListedProject

NEWEST = 50
"""Projects in the feed."""


def feed(projects: Sequence[ListedProject], origin: str) -> bytes:
    """The newest projects; `origin` is where the public pages are, without a slash at its end."""
    items = "".join(_item(one, origin) for one in projects)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0"><channel>\n'
        "<title>Projects that use the data</title>\n"
        f"<link>{_text(origin)}/projects</link>\n"
        "<description>Each project from the day it gets access to data in this research environment.</description>\n"
        f"<language>en-gb</language>\n{items}</channel></rss>\n"
    ).encode()


def _item(project: ListedProject, origin: str) -> str:
    address = f"{_text(origin)}/projects/{_text(project.name)}"
    return (
        f"<item><title>{_text(project.title)}</title><link>{address}</link>"
        f'<guid isPermaLink="true">{address}</guid>'
        f"<pubDate>{format_datetime(project.told_at)}</pubDate>"
        f"<description>{_text(f'{project.organisation}: {project.summary}')}</description></item>\n"
    )


def _text(text: str) -> str:
    return escape(for_xml(text))
