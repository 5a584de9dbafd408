"""Programs that pods run to try the network with real packets, and policies to try it under."""

from __future__ import annotations

from typing import Any

from tests.cluster.place import Place, addresses

Object = dict[str, Any]
PORT, OTHER_PORT = 8888, 8889

# Answers on TCP and UDP, IPv4 and IPv6, on two ports.
SERVER = f"""
import selectors, socket
chooser = selectors.DefaultSelector()
for port in ({PORT}, {OTHER_PORT}):
    for family in (socket.AF_INET, socket.AF_INET6):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            listener = socket.socket(family, kind)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(("", port))
            if kind == socket.SOCK_STREAM:
                listener.listen(64)
            chooser.register(listener, selectors.EVENT_READ, kind)
while True:
    for key, _ in chooser.select():
        if key.data == socket.SOCK_STREAM:
            connection, _ = key.fileobj.accept()
            chooser.register(connection, selectors.EVENT_READ, None)
        elif key.data == socket.SOCK_DGRAM:
            data, sender = key.fileobj.recvfrom(100)
            key.fileobj.sendto(data, sender)
        elif data := key.fileobj.recv(100):
            key.fileobj.sendall(data)
        else:
            chooser.unregister(key.fileobj)
            key.fileobj.close()
"""

# Tries `tcp|udp/ADDRESS/PORT` each: open if anything comes back, be it a refusal. Two tries for a lost packet.
PROBE = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def attempt(target):
    kind, address, port = target.split("/")
    stream = kind == "tcp"
    where = socket.getaddrinfo(address, int(port), type=socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)[0]
    for _ in range(2):
        with socket.socket(where[0], where[1]) as connection:
            connection.settimeout(0.7)
            try:
                connection.connect(where[4])
                if not stream:
                    connection.send(b"x")
                    connection.recv(1)
                return "open"
            except ConnectionRefusedError:
                return "open"
            except OSError:
                continue
    return "closed"
with ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(attempt, sys.argv[1:]))))
"""

# Connects again and again from its first instruction on, for a second; prints how often that worked.
EAGER = """
import socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
end, opened = time.monotonic() + 1, 0
while time.monotonic() < end:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as connection:
        connection.settimeout(0.05)
        try:
            connection.connect((address, port))
            opened += 1
        except OSError:
            pass
print(opened)
"""

# Holds one connection open and says each answer that it gets: a line of digits, one for each question answered.
HOLDER = """
import socket, sys, time
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as connection:
    connection.settimeout(1.5)
    while True:
        try:
            connection.sendall(b"x")
            connection.recv(1)
        except OSError:
            print("cut", flush=True)
            break
        print("answered", flush=True)
        time.sleep(0.1)
"""


def policy(name: str, types: list[str], selector: Object | None = None, **rules: Any) -> Object:
    """A network policy."""
    spec = {"podSelector": selector or {}, "policyTypes": types} | rules
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}


def deny_all() -> Object:
    """Nothing in, nothing out, for every pod of the namespace."""
    return policy("deny", ["Ingress", "Egress"])


def allow(client: str, server: str, port: int, protocol: str = "TCP") -> list[Object]:
    """One app may reach one port of another, by a policy on either side."""
    a, b = ({"matchLabels": {"app": name}} for name in (client, server))
    ports = [{"port": port, "protocol": protocol}]
    return [
        policy("allow-out", ["Egress"], a, egress=[{"to": [{"podSelector": b}], "ports": ports}]),
        policy("allow-in", ["Ingress"], b, ingress=[{"from": [{"podSelector": a}], "ports": ports}]),
    ]


def serve(place: Place, name: str) -> list[str]:
    """A pod that answers; returns its addresses, one for each version of IP that the cluster has."""
    return [address for address in addresses(place.run(name, "python3", "-c", SERVER)) if address]


def probe(place: Place, pod: str, *targets: str) -> dict[str, str]:
    """What a pod can reach."""
    return dict(zip(targets, place.python(pod, PROBE, *targets), strict=True))
