"""How often a sign-in may be tried: of a name from one address, of a name at all, from an address at all.

Guarantees: whoever is over a limit waits until the oldest attempt that counts is a window old; the limits are those
of this module and nothing a request says changes them. Somebody who guesses from one address locks out nobody who
comes from another: of one name, an address is stopped long before the name is.

Does not guarantee: that a name is safe from somebody who guesses from many addresses, or from the person's own: it is
locked for a window at most.

Sources: NIST SP 800-63B section 5.2.2 allows at most 100 failed attempts in a row; ten in a quarter of an hour is
well below it and above what a person needs who has to think.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Sequence
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=15)
BY_NAME_AND_ADDRESS = 10
BY_NAME = 50
"""Of one name, wherever the attempts come from: five addresses have to join before its owner has to wait."""

BY_ADDRESS = 60
"""An address may stand for a whole department behind one router."""


UNKNOWN_ADDRESS = "unknown"


def forwarded_address(forwarded: str) -> str:
    """Where a request came from, in the gateway's words: the last entry of `X-Forwarded-For`.

    Only the gateway reaches the sockets behind it and it adds its entry last, so whatever a client wrote comes before.
    """
    try:
        return str(ipaddress.ip_address(forwarded.rpartition(",")[2].strip()))
    except ValueError:
        return UNKNOWN_ADDRESS


def name_key(name: str) -> str:
    """What attempts on a name are counted under: a hash, since people type passwords into the wrong field."""
    return f"name/{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def address_key(address: str) -> str:
    """What attempts from an address are counted under: of IPv6 the network of 64 bits, which one household has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "address/unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        return f"address/{ipaddress.ip_network((parsed, 64), strict=False)}"
    return f"address/{parsed}"


def pair_key(name: str, address: str) -> str:
    """What attempts on a name from an address are counted under."""
    return f"pair/{hashlib.sha256(f'{name_key(name)} {address_key(address)}'.encode()).hexdigest()}"


def retry_after(attempts: Sequence[datetime], most: int, now: datetime) -> int | None:
    """Seconds until the next attempt is looked at; `None` where it is looked at now. `attempts`: oldest first."""
    counted = [at for at in attempts if at > now - WINDOW]
    if len(counted) < most:
        return None
    return max(1, math.ceil((counted[-most] + WINDOW - now).total_seconds()))
