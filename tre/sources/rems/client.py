"""Asking a REMS: one GET at a time, with an end to its time and its size.

Guarantees: no redirect is followed, so the key goes to the configured address and nowhere else; TLS is verified;
an answer that is too large, too slow, no JSON or of another status is one `TREError(ServiceUnavailable)`. The key is in
no message and no log.

Threat: a REMS, or somebody in its place, that answers for ever or without end.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tre.domain.errors import Reason, TREError
from tre.domain.model import as_line
from tre.domain.sources.policy import RemsSource

CALL_SECONDS = 10.0
"""How long one call may wait for anything at all."""

ANSWER_SECONDS = 60.0
MAX_ANSWER = 64 * 2**20
MAX_KEYS = 2**18
_CHUNK = 2**16

Fetch = Callable[[str, int], Any]
"""The JSON at an address, at most so many bytes. Raises `TREError(ServiceUnavailable)`."""


@dataclass(frozen=True)
class RemsClient:
    """One REMS with the key that it is asked with."""

    source: RemsSource
    key: str

    def entitlements(self) -> Any:
        """Everybody's entitlements that have not ended."""
        return self._ask(f"/api/entitlements?{urlencode({'expired': 'false'})}")

    def permissions(self, user: str) -> Any:
        """One user's visas."""
        return self._ask(f"/api/permissions/{quote(user, safe='')}?{urlencode({'expired': 'false'})}")

    def _ask(self, path: str) -> Any:
        headers = {"x-rems-api-key": self.key, "x-rems-user-id": self.source.api_user}
        return fetch(self.source.address.rstrip("/") + path, MAX_ANSWER, headers)


def fetch(address: str, most: int = MAX_KEYS, headers: Mapping[str, str] | None = None) -> Any:
    """The JSON at an address. Raises `TREError(ServiceUnavailable)`."""
    parts = urlsplit(address)
    connection = _connection(parts.scheme, str(parts.hostname), parts.port)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("GET", target or "/", headers={"accept": "application/json", **(headers or {})})
        with connection.getresponse() as answer:
            if answer.status != 200:
                raise _silent(address, f"It answered {answer.status}.")
            return json.loads(_whole(answer, most))
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        raise _silent(address, f"{type(error).__name__}: {as_line(str(error), 200)}") from error
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=CALL_SECONDS, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=CALL_SECONDS)


def _whole(answer: http.client.HTTPResponse, most: int) -> bytes:
    data, end = bytearray(), time.monotonic() + ANSWER_SECONDS
    while chunk := answer.read1(_CHUNK):
        data += chunk
        if len(data) > most:
            raise ValueError(f"the answer has more than {most} bytes")
        if time.monotonic() > end:
            raise ValueError(f"the answer took more than {ANSWER_SECONDS:g} seconds")
    if answer.length:
        raise ValueError("the answer ends before its end")
    return bytes(data)


def _silent(address: str, why: str) -> TREError:
    return TREError(
        Reason.ServiceUnavailable,
        f"{address.partition('?')[0]} gives no answer that can be used.",
        why=why,
        remedy="Ask whoever runs it. Nothing new is granted; what runs ends when the last answer is too old.",
    )
