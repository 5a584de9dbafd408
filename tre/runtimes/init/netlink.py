"""A loopback device with addresses, in the network namespace of this process, by three netlink messages.

Guarantees: brings `lo` up and gives it addresses; raises `OSError` with the kernel's errno otherwise. Needs the
right to administer the namespace, which whoever made it has.

Does not guarantee: anything outside the namespace; no other device is touched.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

_RTM_NEWLINK = 16
_RTM_NEWADDR = 20
_FLAGS = 1 | 4  # NLM_F_REQUEST, NLM_F_ACK
_CREATE = 0x200 | 0x400  # NLM_F_EXCL, NLM_F_CREATE
_IFF_UP = 1
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_F_NODAD = 2
_LOOPBACK = 1  # the index of lo in every namespace


def loopback_up(addresses: list[str]) -> None:
    """Bring `lo` up and add addresses of either family, each with the mask of one host."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        link = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, _LOOPBACK, _IFF_UP, _IFF_UP)
        _ask(kernel, _RTM_NEWLINK, 0, link)
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            packed = socket.inet_pton(family, address)
            header = struct.pack("=BBBBI", family, 8 * len(packed), _IFA_F_NODAD, 0, _LOOPBACK)
            attributes = _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)
            _ask(kernel, _RTM_NEWADDR, _CREATE, header + attributes)


def _attribute(kind: int, value: bytes) -> bytes:
    """Addresses are 4 or 16 bytes, so no padding is ever due."""
    return struct.pack("=HH", 4 + len(value), kind) + value


def _ask(kernel: socket.socket, kind: int, flags: int, body: bytes) -> None:
    kernel.send(struct.pack("=IHHII", 16 + len(body), kind, _FLAGS | flags, 1, 0) + body)
    answer = kernel.recv(4096)
    code = -struct.unpack_from("=i", answer, 16)[0]
    if code not in {0, errno.EEXIST}:
        raise OSError(code, os.strerror(code))
