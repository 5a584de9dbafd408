"""The list of what a workspace must not be able to do, for the probe and for its control.

Guarantees: the two get the same list. Items that every Linux offers to an unsealed process are required: a
control that finds them closed leaves the isolation unproven. Items that a kernel may lack (most socket families,
32-bit calls, io_uring, user namespaces) are optional. Asking an unsealed kernel for a rare family or protocol
makes it load a driver, which would widen what the machine can be attacked by: those items are tried inside, where
the seal answers first, and left alone by the control (`for_control`).

Does not guarantee: that the addresses given are the ones that matter; the runtime names its own.

The addresses come from ranges that nobody routes: 192.0.2.0/24 (RFC 5737) and 2001:db8::/32 (RFC 3849) stand
for the internet, 169.254.169.254 is where clouds answer with credentials, 192.0.2.53 is the resolver.
"""

from __future__ import annotations

from dataclasses import dataclass

from .attempts import Target

INTERNET_4 = "192.0.2.1"
INTERNET_6 = "2001:db8::1"
METADATA = "169.254.169.254"
RESOLVER = "192.0.2.53"

# The name must exist in the world, so that any resolver that can be reached answers (RFC 2606).
_RESOLVED_NAME = "example.org"

_FAMILIES = {"inet": 2, "inet6": 10}
# Types with the protocols that every kernel with the family has built in: TCP, UDP, ICMP, raw, and 0 for "any".
_BUILT_IN = {"stream": (1, (0, 6)), "datagram": (2, (0, 17, 1, 58)), "raw": (3, (1, 255))}
# SCTP, DCCP, UDP-Lite, MPTCP, as (type, protocol).
_LOADED_ON_DEMAND = {
    "sctp": (1, 132),
    "sctp sequenced": (5, 132),
    "dccp": (6, 33),
    "udplite": (2, 136),
    "mptcp": (1, 262),
}

# linux/socket.h. Families that containers meet in practice come with a control.
_COMMON_FAMILIES = {"packet": 17, "vsock": 40, "alg": 38, "xdp": 44}
_RARE_FAMILIES = {
    "ax25": 3, "ipx": 4, "appletalk": 5, "netrom": 6, "bridge": 7, "atmpvc": 8, "x25": 9, "rose": 11,
    "decnet": 12, "netbeui": 13, "security": 14, "key": 15, "ash": 18, "econet": 19, "atmsvc": 20, "rds": 21,
    "sna": 22, "irda": 23, "pppox": 24, "wanpipe": 25, "llc": 26, "infiniband": 27, "mpls": 28, "can": 29,
    "tipc": 30, "bluetooth": 31, "iucv": 32, "rxrpc": 33, "isdn": 34, "phonet": 35, "ieee802154": 36,
    "caif": 37, "nfc": 39, "kcm": 41, "qipcrtr": 42, "smc": 43, "mctp": 45,
}  # fmt: skip
_NETLINK = 16
# Socket diagnostics, kernel events and generic netlink are part of every kernel with networking.
_NETLINK_BUILT_IN = (4, 15, 16)
_NETLINK_OTHERS = tuple(number for number in range(1, 32) if number not in _NETLINK_BUILT_IN)

_CALLS = ("clone", "foreign-32-bit", "foreign-x32", "io_uring", "memory", "ptrace", "unshare")
_REQUIRED_SOCKETS = {"socket inet stream", "socket inet datagram", "socketpair inet"}
_FILE_KINDS = ("create", "unlink", "chmod", "append")


@dataclass(frozen=True)
class Surroundings:
    """What a particular workspace must not reach or change.

    `loopback` are ports of the host, `read_only` directories inside the workspace, `absent` paths of the host,
    `unix` sockets of others (a leading @ for an abstract one), `x86` whether the processor has 32-bit calls.
    """

    loopback: tuple[int, ...] = ()
    read_only: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unix: tuple[str, ...] = ()
    x86: bool = True


def targets(surroundings: Surroundings) -> list[Target]:
    """Every target for a workspace with these surroundings; item names are unique."""
    return [
        *_network(surroundings.loopback),
        *_sockets(),
        *_calls(surroundings.x86),
        *_files(surroundings),
    ]


def for_control(all_targets: list[Target]) -> list[Target]:
    """Those that an unsealed process may try without loading a driver into the kernel."""
    return [target for target in all_targets if target.get("controlled", True)]


def _network(loopback: tuple[int, ...]) -> list[Target]:
    found: list[Target] = []
    for name, address, port in (
        ("internet", INTERNET_4, 443),
        ("metadata", METADATA, 80),
        *((f"host port {port}", "127.0.0.1", port) for port in loopback),
    ):
        found.append(_target(f"tcp {name}", "tcp", address=address, port=port))
    for name, address, port in (
        ("internet", INTERNET_6, 443),
        *((f"host port {port}", "::1", port) for port in loopback),
    ):
        found.append(_target(f"tcp6 {name}", "tcp", True, address=address, port=port))
    found += [
        _target("udp internet", "udp", address=INTERNET_4, port=443),
        _target("udp6 internet", "udp", True, address=INTERNET_6, port=443),
        _target("dns", "dns", address=RESOLVER, port=53, name=_RESOLVED_NAME),
        _target("resolve a name", "resolve", name=_RESOLVED_NAME),
    ]
    return found


def _sockets() -> list[Target]:
    found: list[Target] = []
    for family, number in _FAMILIES.items():
        for name, (kind, protocols) in _BUILT_IN.items():
            found.append(_socket(f"{family} {name}", number, kind, protocols))
        for name, (kind, protocol) in _LOADED_ON_DEMAND.items():
            found.append(_socket(f"{family} {name}", number, kind, (protocol,), controlled=False))
        found.append(_target(f"socketpair {family}", "socketpair", True, family=number))
    for target in found:
        target["optional"] = target["item"] not in _REQUIRED_SOCKETS
    for name, number in _COMMON_FAMILIES.items():
        found.append(_socket(name, number, None, (0,)))
    for name, number in _RARE_FAMILIES.items():
        found.append(_socket(name, number, None, tuple(range(8)), controlled=False))
    found.append(_socket("netlink", _NETLINK, 3, _NETLINK_BUILT_IN))
    found.append(_socket("netlink others", _NETLINK, 3, _NETLINK_OTHERS, controlled=False))
    return found


def _socket(name: str, family: int, kind: int | None, protocols: tuple[int, ...], *, controlled: bool = True) -> Target:
    """A target for one family; without a type, for all types."""
    target = _target(f"socket {name}", "socket", True, family=family, protocols=list(protocols))
    if kind is not None:
        target["types"] = [kind]
    return target if controlled else target | {"controlled": False}


def _calls(x86: bool) -> list[Target]:
    kinds = [kind for kind in _CALLS if x86 or not kind.startswith("foreign")]
    return [
        *(_target(kind, kind, True) for kind in kinds),
        _target("mount", "mount", True, path="/tmp"),  # noqa: S108
    ]


def _files(surroundings: Surroundings) -> list[Target]:
    found: list[Target] = []
    for path in surroundings.read_only:
        found += [_target(f"{kind} {path}", kind, path=path) for kind in _FILE_KINDS]
        found.append(_target(f"remount {path}", "remount", True, path=path))
    found += [_target(f"absent {path}", "absent", path=path) for path in surroundings.absent]
    found += [_target(f"unix {path}", "unix", path=path) for path in surroundings.unix]
    return found


def _target(item: str, kind: str, optional: bool = False, **arguments: object) -> Target:
    return {"item": item, "kind": kind, "optional": optional, **arguments}
