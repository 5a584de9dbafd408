"""The list of targets: complete, unambiguous, and gentle to an unsealed kernel."""

from __future__ import annotations

import json

from tre.runtimes.init.attempts import Target
from tre.runtimes.init.probe import ATTEMPTS, WAITING
from tre.runtimes.init.targets import Surroundings, for_control, targets

FULL = Surroundings(
    loopback=(8081, 5432),
    read_only=("/data/slice", "/usr"),
    absent=("/srv/tre",),
    unix=("/run/other.sock", "@other"),
)


def test_names_are_unique_and_kinds_exist() -> None:
    found = targets(FULL)
    assert len({target["item"] for target in found}) == len(found)
    assert {target["kind"] for target in found} == ATTEMPTS.keys() | WAITING.keys()
    json.dumps(found)


def test_every_family_but_unix_is_tried() -> None:
    families = {target["family"] for target in targets(FULL) if target["kind"] == "socket"}
    assert families == set(range(2, 46))


def test_every_netlink_protocol_but_routing_is_tried() -> None:
    tried = [p for target in targets(FULL) if target.get("family") == 16 for p in target["protocols"]]
    assert sorted(tried) == list(range(1, 32))


def test_what_every_linux_offers_is_required() -> None:
    required = {target["item"] for target in targets(FULL) if not target["optional"]}
    assert {"tcp internet", "tcp metadata", "udp internet", "dns", "resolve a name"} <= required
    assert {"socket inet stream", "socket inet datagram", "create /data/slice", "unlink /usr"} <= required
    assert {"absent /srv/tre", "unix /run/other.sock", "unix @other", "tcp host port 5432"} <= required


def test_the_control_leaves_drivers_alone() -> None:
    def rare(target: Target) -> bool:
        return target["kind"] == "socket" and target["family"] not in {2, 10, 16, 17, 38, 40, 44}

    everything = targets(FULL)
    assert any(rare(target) for target in everything)
    assert not any(rare(target) for target in for_control(everything))
    left_out = [target for target in everything if target not in for_control(everything)]
    assert all(target["optional"] for target in left_out)


def test_processors_without_32_bit_calls_are_not_asked_for_them() -> None:
    kinds = {target["kind"] for target in targets(Surroundings(x86=False))}
    assert not kinds & {"foreign-32-bit", "foreign-x32"}
