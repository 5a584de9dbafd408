"""A refusal on its way to whoever asked: status, reason, one sentence.

Guarantees: a refusal raised anywhere in the gateway becomes one answer with the reason in the launcher's one
vocabulary, as JSON for programs and as a short page for people; it never repeats what was sent beyond the path.
A workspace that ended is answered with 403 and never with 404, since JupyterLab asks thousands of times a minute
for what it believes to have merely lost. The page brings no script; its style is the gateway's own file, the same on
every host, so it can be read while every other service is down.
"""

from __future__ import annotations

import html
import json

from aiohttp import web

from tre.domain.errors import Reason
from tre.gateway.explanations import explain
from tre.gateway.headers import PERMISSIONS_POLICY


class RefusedError(Exception):
    """Not this way: the HTTP status, the reason, and a sentence for the log and the answer.

    `close` ends the connection as well: for requests after which the two sides may disagree where the next begins.
    """

    def __init__(self, status: int, reason: Reason, text: str = "", *, close: bool = False) -> None:
        super().__init__(text or reason.value)
        self.status = status
        self.reason = reason
        self.text = text or explain(reason).text
        self.close = close
        self.headers: dict[str, str] = {}


STYLE = "/.tre/static/shell.css"
"""Where every host of the gateway has the style of its own pages."""

OWN_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": PERMISSIONS_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer that the gateway itself gives on a host of a service, and of a service's where it says nothing."""


def answer(refusal: RefusedError, *, page: bool, home: str) -> web.Response:
    """The refusal as a response: a page where a person will see it, with the way to `home`; JSON elsewhere."""
    explanation = explain(refusal.reason)
    if page:
        body = _PAGE.format(
            heading=html.escape(explanation.heading),
            text=html.escape(refusal.text),
            remedy=html.escape(explanation.remedy),
            reason=html.escape(refusal.reason.value),
            home=html.escape(home),
            style=STYLE,
        )
        response = web.Response(status=refusal.status, text=body, content_type="text/html")
    else:
        body = json.dumps({"reason": refusal.reason.value, "message": refusal.text, "remedy": explanation.remedy})
        response = web.Response(status=refusal.status, text=body, content_type="application/json")
    response.headers.update({**OWN_HEADERS, **refusal.headers})
    if refusal.close:
        response.force_close()
    return response


_PAGE = """<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading} – Trusted research environment</title>
<link rel="stylesheet" href="{style}">
</head>
<body>
<header class="bar"><p class="bar-service">Trusted research environment</p></header>
<main>
<div class="card card--refused">
<h1>{heading}</h1>
<p>{text}</p>
<p class="remedy">{remedy}</p>
<p><a class="button" href="{home}">Go to my projects</a></p>
<p class="reason">If you ask somebody for help, quote <code>{reason}</code>.</p>
</div>
</main>
</body>
</html>
"""
