"""Papers as PDF: the pages that the launcher writes for people who read without it.

Guarantees: text is searchable, fonts are inside, the parts of a page are named for readers of screens; no script, no
attachment, no link. The same page at the same moment gives the same bytes.
"""

from tre.pdf.file import Paper, make_pdf

__all__ = ["Paper", "make_pdf"]
