"""A whole text in one document, for a frame on the preview host.

Guarantees: the document is ours; of the file it holds text alone, escaped, with everything invisible written out. It
has no script, no link, no form, and stands in a sandbox.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tre.portal.preview.texts import Line, visible

_STYLE = Markup(
    "body{margin:0;font:0.875rem/1.5 monospace;color:#212b32;background:#fff}"
    "ol{margin:0;padding:0.5rem 0;list-style:none}"
    "li{display:flex;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}"
    "b{flex:0 0 4.5rem;padding-right:1rem;text-align:right;color:#4c6272;font-weight:400;user-select:none}"
    ".view-hidden{padding:0 0.2em;color:#8a1538;background:#fbeeee}"
)
_PAGE = Markup(
    '<!doctype html><html lang="en-GB"><head><meta charset="utf-8"><title>{title}</title><style>{style}</style></head>'
    '<body><ol role="list">{rows}</ol></body></html>'
)
_ROW = Markup("<li><b>{}</b><span>{}</span></li>")


def document_of(title: str, lines: Sequence[Line]) -> bytes:
    """The document."""
    rows = Markup("\n").join(
        _ROW.format("\N{DOWNWARDS ARROW WITH TIP RIGHTWARDS}" if line.continued else line.number, visible(line.text))
        for line in lines
    )
    return str(_PAGE.format(title=visible(title or "Text"), style=_STYLE, rows=rows)).encode()
