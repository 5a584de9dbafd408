"""From what the engine knows to the text of one nftables table: pure functions.

Guarantees: a pod that a policy isolates in a direction reaches (is reached by) just what some policy allows; node
and pod may always talk where the API says so (node to pod). Answers follow their question. In mode `closed` a pod
that is not known yet reaches nothing and is reached by no other pod; in mode `open`, as in several engines of
production, it is let through, which is the window that tests want to show.

Does not guarantee: anything for pods on the node's own network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from tests.cluster.policyengine.model import Object, Pod, World, of_family, peers_of, policies_for

TABLE = "inet tre_policy"
PAIRS = '"veth*"'  # the node's ends of the pods' pairs
NEIGHBOURS = "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept"
REPLIES = "ct direction reply ct state established,related accept"
OPEN_CONNECTIONS = "ct state established,related accept"
FAMILIES = {4: "ip", 6: "ip6"}


class Mode(StrEnum):
    """What happens to pods that the engine does not know yet, or to everything."""

    closed = "closed"
    open = "open"
    off = "off"


class Established(StrEnum):
    """Whether a connection that was allowed once is judged again (`cut`) or lives on (`keep`)."""

    cut = "cut"
    keep = "keep"


def render(world: World, mode: Mode, established: Established) -> str:
    """A script for `nft -f` that replaces the whole table in one step."""
    script = [f"add table {TABLE}", f"delete table {TABLE}"]
    if mode is Mode.off:
        return "\n".join([*script, ""])
    chains: list[str] = []
    for direction in ("Egress", "Ingress"):
        chains += _direction(world, direction)
    known = _known(world) if mode is Mode.closed else []
    answers = REPLIES if established is Established.cut else OPEN_CONNECTIONS
    forward = [
        answers,
        *([f"iifname {PAIRS} jump from_strangers", f"oifname {PAIRS} jump to_strangers"] if known else []),
    ]
    arriving = [NEIGHBOURS, answers, *([f"iifname {PAIRS} jump from_strangers"] if known else [])]
    body = [
        *known,
        *chains,
        *_hook("forward", [*forward, "jump egress", "jump ingress"]),
        *_hook("input", [*arriving, "jump egress"]),
    ]
    return "\n".join([*script, f"table {TABLE} {{", *(f"\t{line}" for line in body), "}", ""])


def _hook(name: str, lines: Iterable[str]) -> list[str]:
    return [f"chain {name} {{", f"\ttype filter hook {name} priority 0; policy accept;", *_indented(lines), "}"]


def _chain(name: str, lines: Iterable[str]) -> list[str]:
    return [f"chain {name} {{", *_indented(lines), "}"]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"\t{line}" for line in lines]


def _known(world: World) -> list[str]:
    """Sets of the known addresses, and what is done with others; link-local ones are no pod's, so they are others."""
    lines: list[str] = []
    every = [address for pod in world.pods for address in pod.addresses]
    for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
        addresses = of_family(every, version)
        elements = [f"\telements = {{ {', '.join(addresses)} }}"] if addresses else []
        lines += [f"set known{version} {{", f"\ttype {kind};", *elements, "}"]
    for chain, side in (("from_strangers", "saddr"), ("to_strangers", "daddr")):
        lines += _chain(chain, [f"{word} {side} != @known{v} drop" for v, word in FAMILIES.items()])
    return lines


def _direction(world: World, direction: str) -> list[str]:
    """The chains of every pod that is isolated in a direction, and the chain that leads to them."""
    short = direction.lower()
    own, side = ("saddr", "iifname") if direction == "Egress" else ("daddr", "oifname")
    lines: list[str] = []
    entries: dict[int, list[str]] = {4: [], 6: []}
    links: list[str] = []
    for number, pod in enumerate(world.pods):
        policies = policies_for(world, pod, direction)
        if not policies:
            continue
        name = f"{short}_{number}"
        allowed = [rule for policy in policies for rule in _policy(world, pod, policy, direction)]
        lines += _chain(name, [*(f"{rule} return".strip() for rule in allowed), "drop"])
        for version in FAMILIES:
            entries[version] += [f"{address} : jump {name}" for address in of_family(pod.addresses, version)]
        if interface := world.interfaces.get(pod.ipv4):
            links.append(f'"{interface}" : jump {name}')
    jumps = [f"{FAMILIES[v]} {own} vmap {{ {', '.join(found)} }}" for v, found in entries.items() if found]
    if links:
        # Link-local addresses belong to interfaces: without this a pod under a policy speaks by them as it likes.
        jumps.append(f"ip6 {own} fe80::/10 {side} vmap {{ {', '.join(links)} }}")
    return [*lines, *_chain(short, jumps)]


def _policy(world: World, pod: Pod, policy: Object, direction: str) -> Iterator[str]:
    """What one policy allows a pod, as conditions of nft."""
    word, other = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    for rule in policy["spec"].get(word) or []:
        peers = rule.get(other) or []
        for port in rule.get("ports") or [None]:
            if not peers:
                yield from _towards_anything(world, pod, port, direction)
            for peer in peers:
                yield from _towards(world, pod, peer, port, direction)


def _towards_anything(world: World, pod: Pod, port: Object | None, direction: str) -> Iterator[str]:
    if not _is_named(port):
        yield _port(port)
    elif direction == "Ingress":
        yield from _named_port(pod, port)
    else:
        yield from _named_ports_of(world.pods, port)


def _towards(world: World, pod: Pod, peer: Object, port: Object | None, direction: str) -> Iterator[str]:
    side = "daddr" if direction == "Egress" else "saddr"
    if "ipBlock" in peer:
        if not _is_named(port):
            yield f"{_block(peer['ipBlock'], side)} {_port(port)}".strip()
        return
    pods = list(peers_of(world, peer, pod.namespace))
    if direction == "Egress" and _is_named(port):
        yield from _named_ports_of(pods, port)
        return
    ports = list(_named_port(pod, port)) if _is_named(port) else [_port(port)]
    for condition in ports:
        yield from (f"{who} {condition}".strip() for who in _addresses(pods, side))


def _addresses(pods: Iterable[Pod], side: str) -> Iterator[str]:
    every = [address for pod in pods for address in pod.addresses]
    for version, word in FAMILIES.items():
        if found := of_family(every, version):
            yield f"{word} {side} {{ {', '.join(found)} }}"


def _block(block: Object, side: str) -> str:
    word = FAMILIES[4 if of_family([block["cidr"]], 4) else 6]
    spared = block.get("except") or []
    but = f" {word} {side} != {{ {', '.join(sorted(spared))} }}" if spared else ""
    return f"{word} {side} {block['cidr']}{but}"


def _is_named(port: Object | None) -> bool:
    return port is not None and isinstance(port.get("port"), str)


def _port(port: Object | None) -> str:
    if port is None:
        return ""
    protocol, number = port.get("protocol", "TCP").lower(), port.get("port")
    if number is None:
        return f"meta l4proto {protocol}"
    last = f"-{port['endPort']}" if "endPort" in port else ""
    return f"{protocol} dport {number}{last}"


def _named_port(pod: Pod, port: Object | None) -> Iterator[str]:
    """A named port means what the pod that is reached calls so; a pod without it is not reached."""
    assert port is not None
    protocol = port.get("protocol", "TCP")
    if (number := pod.ports.get((port["port"], protocol))) is not None:
        yield f"{protocol.lower()} dport {number}"


def _named_ports_of(pods: Iterable[Pod], port: Object | None) -> Iterator[str]:
    for pod in pods:
        for condition in _named_port(pod, port):
            yield from (f"{who} {condition}" for who in _addresses([pod], "daddr"))
