"""Reading the gateway's own cookies from a request.

Guarantees: a cookie counts only if its name is spelled byte for byte as ours, and if it is there once. Around names
only the blank and the tab of RFC 6265 are taken away.

Threat: a sibling host, where researchers' code runs, sets a cookie for the whole domain whose name begins with some
other blank (U+2003, U+00A0). A browser sees no `__Host-` prefix in it and lets it be set; a parser that strips every
blank reads the prefixed name, and with it a session or a word that somebody else chose.
"""

from __future__ import annotations

from aiohttp.web import BaseRequest


def own_cookie(request: BaseRequest, name: str) -> str | None:
    """The value of the one cookie of this name; `None` where there is none, or more than one."""
    pairs = (
        one.strip(" \t").partition("=") for line in request.headers.getall("Cookie", []) for one in line.split(";")
    )
    found = [value for given, _, value in pairs if given == name]
    return found[0] if len(found) == 1 else None
