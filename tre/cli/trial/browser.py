"""A browser without a screen: what the demo and the benchmarks use, so that they see what people see.

Guarantees: it speaks to public addresses only, sends what a browser sends (`Origin`, `Sec-Fetch-*`, cookies of exactly
one host), follows redirects between the launcher's hosts, and keeps no secret longer than it lives.

Does not guarantee: anything about scripts. Pages are read, not run.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from asyncio.trsock import TransportSocket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from tre.domain.errors import Reason, TREError

_MOST_REDIRECTS = 12
SCRIPT_HEADERS = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
"""What a browser says by itself of a request that a page's script makes to its own host."""


class _Loopback(AbstractResolver):
    """Every host of ours is this machine: browsers know that of `*.localhost`, Python does not."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The loopback address."""
        del family
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class Page:
    """What came back in the end: its address, status and text."""

    url: str
    status: int
    text: str

    def forms(self) -> list[Form]:
        """The forms on it."""
        reader = _FormReader()
        reader.feed(self.text)
        return reader.found

    def form(self, action_part: str) -> Form:
        """The form whose address holds this text. Raises `TREError` where there is none."""
        for form in self.forms():
            if action_part in (form.action or self.url):
                return form
        raise TREError(
            Reason.RuntimeFailed, f"The page {self.url} has no form for {action_part!r}.", why=f"Status {self.status}."
        )

    def json(self) -> Any:
        """The text as JSON."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Form:
    """A form's address and the values it would send untouched."""

    action: str
    values: dict[str, str]


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(given.get("action", ""), {}))
        elif tag in {"input", "textarea", "button"} and self.found and given.get("name"):
            unchosen = given.get("type") in {"checkbox", "radio"} and "checked" not in given
            if tag != "button" and not unchosen:
                self.found[-1].values[given["name"]] = given.get("value", "")


class Browser:
    """One person's browser. Use as an asynchronous context manager.

    `trust` holds the certificates that it believes; without it, those that the machine believes.
    """

    def __init__(self, trust: ssl.SSLContext | None = None) -> None:
        self._cookies: dict[str, dict[str, str]] = {}
        self._trust = trust

    async def __aenter__(self) -> Browser:
        connector = aiohttp.TCPConnector(resolver=_Loopback(), limit=20, ssl=self._trust or True)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, url: str) -> Page:
        """Open a page and follow where it leads."""
        return await self._navigate("GET", url, None, None)

    async def submit(self, page: Page, form: Form, **values: str | list[str]) -> Page:
        """Send a form from its page, with some values filled in, and follow where it leads."""
        body = urlencode(form.values | values, doseq=True)
        return await self._navigate("POST", urljoin(page.url, form.action), body, page.url)

    async def call(
        self, method: str, url: str, *, origin: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Page:
        """What a page's script does: a request to its own host, answered as it is; bytes are sent as they are."""
        sent = SCRIPT_HEADERS | {"Origin": origin} | (headers or {})
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        if data is not None:
            sent["Content-Type"] = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        return await self._send(method, url, sent, data)

    async def download(self, url: str) -> bytes:
        """The bytes of a file that a person clicks on. Raises `TREError` where there are none."""
        headers = _navigation_headers("GET", url, url) | self.cookie_header(url)
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                raise TREError(Reason.RuntimeFailed, f"{url} cannot be downloaded.", why=f"Status {response.status}.")
            return await response.read()

    @asynccontextmanager
    async def websocket(self, url: str, *, origin: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A websocket of a page of ours."""
        headers = {"Origin": origin, **self.cookie_header(url)}
        async with self._session.ws_connect(url, headers=headers, max_msg_size=2**26) as connection:
            held = connection.get_extra_info("socket")
            try:
                yield connection
            finally:
                await connection.close()
                await _let_go(held)

    async def frame(self, url: str, *, source: str) -> Page:
        """Open an address in a frame of a page, and follow where it leads."""
        headers = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
        page = await self._send("GET", url, headers | {"Referer": source}, None)
        while page.status in {301, 302, 303, 307, 308}:
            url = urljoin(url, page.text)
            page = await self._send("GET", url, headers, None)
        return page

    async def _navigate(self, method: str, url: str, body: str | None, source: str | None) -> Page:
        for _ in range(_MOST_REDIRECTS):
            headers = _navigation_headers(method, url, source)
            page = await self._send(method, url, headers, body)
            if page.status not in {301, 302, 303, 307, 308}:
                return page
            source, url, method, body = url, urljoin(url, page.text), "GET", None
        raise TREError(Reason.RuntimeFailed, f"Too many redirects at {url}.")

    async def _send(self, method: str, url: str, headers: dict[str, str], body: str | bytes | None) -> Page:
        sent = headers | self.cookie_header(url)
        async with self._session.request(method, url, headers=sent, data=body, allow_redirects=False) as response:
            self._keep_cookies(url, response)
            body = (await response.read()).decode(errors="replace")  # unread, the connection could not serve again
            return Page(url, response.status, response.headers.get("Location", body))

    def cookie_header(self, url: str) -> dict[str, str]:
        """The `Cookie` header that goes to an address, or none."""
        kept = self._cookies.get(urlsplit(url).netloc, {})
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())} if kept else {}

    def _keep_cookies(self, url: str, response: aiohttp.ClientResponse) -> None:
        """Ours are cookies of one host each; an empty or expired one is dropped."""
        kept = self._cookies.setdefault(urlsplit(url).netloc, {})
        for line in response.headers.getall("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                if not morsel.value or morsel["max-age"] == "0":
                    kept.pop(name, None)
                else:
                    kept[name] = morsel.value


async def _let_go(held: TransportSocket) -> None:
    """Close a connection whose last word was said: TLS would wait for the other side's, longer than we may live."""
    if held.fileno() >= 0:
        held.shutdown(socket.SHUT_RDWR)
    while held.fileno() >= 0:
        await asyncio.sleep(0)


def _navigation_headers(method: str, url: str, source: str | None) -> dict[str, str]:
    site = "none" if source is None else ("same-origin" if origin_of(source) == origin_of(url) else "same-site")
    headers = {
        "Sec-Fetch-Site": site,
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
        "Accept": "text/html",
    }
    if method == "POST" and source is not None:
        headers |= {"Origin": origin_of(source), "Content-Type": "application/x-www-form-urlencoded"}
    return headers


def origin_of(url: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def sign_in(browser: Browser, desk: str, name: str, password: str) -> Page:
    """From the desk to the sign-in form and back. Raises `TREError(LoginFailed)`."""
    page = await browser.get(desk)
    if origin_of(page.url) == origin_of(desk):
        return page
    form = page.form("login")
    page = await browser.submit(page, form, username=name, password=password)
    if origin_of(page.url) != origin_of(desk):
        raise TREError(Reason.LoginFailed, f"{name} could not sign in.", why=f"It ended at {page.url}.")
    return page
