"""How browsers reach the gateway: whether it may listen as it is set, and by which TLS.

Guarantees: where a page lives at a name that other machines can know, nothing starts without TLS, spoken by the gateway
itself or by a proxy on this machine that the settings name. TLS is 1.2 or 1.3, with forward secrecy and authenticated
encryption only, without compression and renegotiation.

Does not guarantee: anything about a proxy's own TLS, its certificate and its ciphers.

Threat: passwords, cookies and pages read on the way; a launcher that was tried out on plain HTTP and then put to use.
"""

from __future__ import annotations

import ssl

from tre.domain.errors import Reason, TREError
from tre.system.certificates import load_pair, pair_for_gateway
from tre.system.layout import Layout
from tre.system.settings import Settings

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all of this kind (RFC 9325, 4.2)."""


def is_local_name(base: str) -> bool:
    """Whether a domain is one that browsers resolve to their own machine (RFC 6761, 6.3)."""
    return base == "localhost" or base.endswith(".localhost")


def check_transport(settings: Settings) -> None:
    """What browsers send is encrypted, or never leaves the machine. Raises `TREError(SetupIncomplete)`."""
    if settings.tls.in_force or is_local_name(settings.base):
        return
    raise TREError(
        Reason.SetupIncomplete,
        f"The pages are at {settings.origin()}/, and nothing there speaks TLS.",
        why="Passwords and pages would cross a network in plain, and browsers would not even keep the cookies.",
        remedy="Set tls.certificate and tls.key in tre.yaml; or tls.terminatedByProxy, where a proxy on this machine "
        "speaks TLS (docs/hardening.md).",
    )


def server_context() -> ssl.SSLContext:
    """How the gateway speaks TLS, still without a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    return context


def tls_context(settings: Settings, layout: Layout) -> ssl.SSLContext | None:
    """TLS as configured; `None` for plain HTTP. Raises `TREError(SetupIncomplete)` for files that are no pair."""
    if settings.tls.certificate is None:
        return None
    context = server_context()
    load_pair(context, *pair_for_gateway(layout, settings))
    return context
