"""The front page in easy words, and the words that need explaining.

Guarantees: no sentence of either page is longer than a child of twelve reads (a test measures it); each word of the
glossary is used on a public page.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from tre.portal.glossary import WORDS
from tre.portal.pages import render

router = APIRouter()


@router.get("/easy")
def easy(request: Request) -> Response:
    """What this place is, in easy words."""
    return render(request, "account/easy.html")


@router.get("/glossary")
def glossary(request: Request) -> Response:
    """What our words mean."""
    return render(request, "account/glossary.html", entries=WORDS)


@router.get("/glossary.json")
def glossary_json() -> dict[str, str]:
    """The same for machines."""
    return {entry.word: entry.meaning for entry in WORDS}
