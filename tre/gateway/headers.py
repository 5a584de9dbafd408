"""What the browser is told about the two pages of a workspace, and which headers pass in either direction.

Guarantees: every response of a Lab host carries exactly these headers, whatever the workspace sent; of the
workspace's own only the entity tag and the date of change pass. A page in the Lab can reach its own origin and
nothing else: not by fetching, not by images, fonts, workers, forms or frames (Content-Security-Policy and sandbox),
not by navigating (the shell's `frame-src` and sandbox), and, in browsers that know `Connection-Allowlist`, not by
DNS prefetching, connecting ahead or speculative loading either.

Does not guarantee: that WebRTC is wholly closed. No policy of a page stops it; Chromium 156 with `Connection-Allowlist`
looks no name up for it and reaches no relay, but packets to a numeric address still leave. The browser's own setting
closes that (managed policy `WebRtcIPHandling`); `tests/security/test_gateway_ways_out.py` shows both. Nothing is
guaranteed in a browser that ignores these headers. No header stops a person from reading, copying or photographing
the screen.

Each relaxation is the smallest one with which JupyterLab 4.6 works: `unsafe-eval` compiles its setting schemas,
`blob:` scripts carry widgets, inline styles lay out its editor. `unsafe-inline` for scripts is not needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from multidict import CIMultiDict, CIMultiDictProxy

from tre.system.tls_settings import TlsSettings

_FEATURES_REFUSED = (
    "accelerometer", "autoplay", "camera", "clipboard-read", "clipboard-write", "display-capture", "encrypted-media",
    "fullscreen", "gamepad", "geolocation", "gyroscope", "hid", "idle-detection", "local-fonts", "magnetometer",
    "microphone", "midi", "otp-credentials", "payment", "picture-in-picture", "publickey-credentials-create",
    "publickey-credentials-get", "screen-wake-lock", "serial", "storage-access", "usb", "window-management",
    "xr-spatial-tracking",
)  # fmt: skip
PERMISSIONS_POLICY = ", ".join(f"{feature}=()" for feature in _FEATURES_REFUSED)

_LAB_POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'none'",
    "frame-src": "blob:",
    "media-src": "'self' data: blob:",
    "object-src": "'none'",
    "manifest-src": "'none'",
    "form-action": "'none'",
    "base-uri": "'none'",
}
_SHELL_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self'",
    "form-action": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
}

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade"}
)  # fmt: skip
"""Headers that end at each machine on the way: RFC 9110 section 7.6.1."""

_CLAIMS_OF_A_PROXY = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "x-original-url", "x-rewrite-url"})


def _policy(directives: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def transport_headers(tls: TlsSettings) -> dict[str, str]:
    """The headers of every response of every host: no word of what answers, and over TLS nothing but TLS."""
    below = "; includeSubDomains" if tls.hsts.include_subdomains else ""
    strict = {"Strict-Transport-Security": f"max-age={tls.hsts.max_age_seconds}{below}"} if tls.in_force else {}
    return {"Server": "tre", **strict}


def lab_headers(lab_origin: str, shell_origin: str, always: Mapping[str, str]) -> dict[str, str]:
    """The headers of every response of a Lab host, to be framed by this shell alone; `always` are every host's."""
    return {
        **always,
        "Content-Security-Policy": _policy({**_LAB_POLICY, "frame-ancestors": shell_origin})
        + "; sandbox allow-scripts allow-same-origin",
        "Connection-Allowlist": f'("{lab_origin}/*" "{lab_origin.replace("http", "ws", 1)}/*")',
        "Permissions-Policy": PERMISSIONS_POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-site",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Origin-Agent-Cluster": "?1",
        "X-DNS-Prefetch-Control": "off",
    }


def shell_headers(lab_origin: str, always: Mapping[str, str]) -> dict[str, str]:
    """The headers of the shell page, which frames this Lab and nothing else; `always` are every host's."""
    return {
        **always,
        "Content-Security-Policy": _policy({**_SHELL_POLICY, "frame-src": lab_origin}),
        "Permissions-Policy": PERMISSIONS_POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Origin-Agent-Cluster": "?1",
        "X-DNS-Prefetch-Control": "off",
        "Cache-Control": "no-store",
    }


def connection_named(headers: CIMultiDictProxy[str]) -> frozenset[str]:
    """Lower-case names of the headers that a `Connection` header marks as ending here."""
    named = ",".join(headers.getall("Connection", [])).split(",")
    return frozenset(name.strip().lower() for name in named if name.strip())


def passed_on(headers: CIMultiDictProxy[str], *, without: Iterable[str] = ()) -> CIMultiDict[str]:
    """The headers that travel on to one of our own services, or back from it.

    Dropped are hop-by-hop headers, whatever claims to come from a proxy before us, and names with an underscore,
    which some servers read as a hyphen.
    """
    refused = HOP_BY_HOP | _CLAIMS_OF_A_PROXY | connection_named(headers) | {name.lower() for name in without}
    kept = CIMultiDict[str]()
    for name, value in headers.items():
        lower = name.lower()
        if lower not in refused and not lower.startswith("x-forwarded-") and "_" not in lower:
            kept.add(name, value)
    return kept
