"""Requests that come through a proxy of this machine, which speaks TLS in the gateway's place.

Guarantees: with a proxy in the settings, a request counts only if its connection comes from one of the proxy's
addresses and it says, once, that the browser came over https; the browser's address is the last one that the proxy
added. Without a proxy in the settings nothing that a request says about a proxy is believed.

Does not guarantee: that it is the proxy and not another program of this machine; who else may run programs here is the
operator's to see to. Such a program could claim any address of a browser, and nothing else.

Threat: a way around the proxy, in plain HTTP; an address that a browser invented, to get past limits by address.
"""

from __future__ import annotations

from ipaddress import ip_address

from aiohttp.web import BaseRequest

from tre.domain.errors import Reason
from tre.gateway.refusals import RefusedError
from tre.system.tls_settings import ProxySettings


def as_the_browser_sent_it(request: BaseRequest, proxy: ProxySettings | None) -> BaseRequest:
    """The request with the browser's scheme and address. Raises `RefusedError` where it is not the proxy's."""
    if proxy is None:
        return request
    if request.remote not in proxy.addresses:
        raise _refused("This address is reached through a proxy only.")
    if request.headers.getall("X-Forwarded-Proto", []) != ["https"]:
        raise _refused("Browsers come here over https only; the proxy in front says so in X-Forwarded-Proto.")
    return request.clone(scheme="https", remote=_browser(request.headers.getall("X-Forwarded-For", [])))


def _browser(said: list[str]) -> str:
    last = ",".join(said).rpartition(",")[2].strip()
    try:
        return str(ip_address(last))
    except ValueError:
        raise _refused("The proxy in front says no address of the browser in X-Forwarded-For.") from None


def _refused(text: str) -> RefusedError:
    return RefusedError(403, Reason.NotPermitted, text, close=True)
