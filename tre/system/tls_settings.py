"""The settings of the way between browsers and the gateway.

Guarantees: TLS is spoken by the gateway or by a proxy on the same machine, never by both; certificate and key come
together; whoever stands in front is named by an address of this machine.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from tre.domain.model import Line, Record

YEAR_SECONDS = 365 * 86400
"""What RFC 6797 suggests as a long time for `Strict-Transport-Security`."""

Port = Annotated[int, Field(ge=1, le=65535)]


def _of_this_machine(text: str) -> str:
    try:
        found = ip_address(text)
    except ValueError as error:
        msg = "this is no address such as 127.0.0.1"
        raise ValueError(msg) from error
    if not found.is_loopback:
        msg = "the proxy stands on this machine, at 127.0.0.1 or ::1: what comes from another can be read on its way"
        raise ValueError(msg)
    return str(found)


LoopbackAddress = Annotated[Line, AfterValidator(_of_this_machine)]


class ProxySettings(Record):
    """A proxy on this machine that speaks TLS to browsers and plain HTTP to the gateway, over loopback.

    It must pass the `Host` header on as the browser sent it, set `X-Forwarded-Proto` to `https` and add the browser's
    address to `X-Forwarded-For`, in place of whatever the browser sent under these names. A request that comes from
    another address, or without them, is refused.
    """

    addresses: Annotated[tuple[LoopbackAddress, ...], Field(min_length=1, max_length=8)] = ("127.0.0.1", "::1")
    """Where its connections come from: addresses of this machine only."""

    port: Port = 443
    """The port that browsers use; it stands in every address unless it is 443."""


class HstsSettings(Record):
    """`Strict-Transport-Security`: browsers that came once over TLS come over TLS alone."""

    max_age_seconds: Annotated[int, Field(ge=0, le=10 * YEAR_SECONDS)] = YEAR_SECONDS
    """How long browsers remember it; 0 lets them forget."""

    include_subdomains: bool = True
    """Whether it holds for every host below the one that says so. All of them are the launcher's."""


class TlsSettings(Record):
    """Certificate and key of the gateway, as files in PEM form; both or neither. Relative paths begin at the root."""

    certificate: Path | None = None
    """The certificate and its chain, for `<base>`, `*.<base>`, `*.open.<base>` and `*.lab.<base>`. A new
    one in its place is taken up within a minute, without a restart."""

    key: Path | None = None
    """Its private key. It may be root's alone: where root starts the launcher, the gateway gets a copy of its own."""

    terminated_by_proxy: ProxySettings | None = None
    """A proxy on this machine that speaks TLS in the gateway's place; without a certificate here."""

    redirect_port: Port | None = None
    """A port (80) on which plain HTTP is answered with the address of the same page over TLS, and with nothing else."""

    hsts: HstsSettings = HstsSettings()
    """What browsers remember about it."""

    @model_validator(mode="after")
    def _both(self) -> TlsSettings:
        if (self.certificate is None) != (self.key is None):
            msg = "certificate and key belong together"
            raise ValueError(msg)
        if self.certificate is not None and self.terminated_by_proxy is not None:
            msg = "a certificate and terminatedByProxy are two ways: the gateway speaks TLS, or the proxy does"
            raise ValueError(msg)
        if self.redirect_port is not None and self.certificate is None:
            msg = "redirectPort leads to TLS that the gateway speaks itself: it needs a certificate"
            raise ValueError(msg)
        return self

    @property
    def in_force(self) -> bool:
        """Whether browsers speak TLS, with the gateway or with a proxy in front of it."""
        return self.certificate is not None or self.terminated_by_proxy is not None
