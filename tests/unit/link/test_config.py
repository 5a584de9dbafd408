"""The link's file is read strictly, and the program says what is wrong with it; the table of links is consistent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.link.conftest import write_identity
from tre.domain.errors import TREError
from tre.link.config import parse_config, read_config
from tre.link.table import LINKS, SOCKETS, inward, outward
from tre.system.layout import Layout

GOOD: dict[str, Any] = {
    "identity": {"certificate": "/a/c.pem", "key": "/a/k.pem"},
    "outward": [
        {
            "socket": "/r/hub/sock",
            "users": [19001],
            "host": "tre-hub",
            "variable": "V",
            "port": 9401,
            "certificate": "/h",
        }
    ],
    "inward": [{"port": 9402, "caller": "/x.pem", "socket": "/r/portal/sock"}],
    "health": {"port": 8081, "socket": None},
}


def test_a_whole_file_is_read() -> None:
    config = parse_config(GOOD)
    assert config.outward[0].users == (19001,)
    assert config.inward[0].port == 9402
    assert config.health is not None
    assert config.health.socket is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"more": 1}, "more"),
        ({"identity": None}, "identity"),
        ({"identity": {"certificate": "/a"}}, "key"),
        ({"health": {"port": "8081", "socket": None}}, "no port"),
        ({"health": {"port": True, "socket": None}}, "no port"),
        ({"health": {"port": 70000, "socket": None}}, "no port"),
        ({"inward": [[]]}, "due"),
        ({"outward": [{**GOOD["outward"][0], "users": None}]}, "NoneType"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = tmp_path / "link.json"
    path.write_text(json.dumps(GOOD | change))
    with pytest.raises(TREError, match="does not say what to carry") as raised:
        read_config(path)
    assert said in str(raised.value.why)


def test_ports_are_one_for_each_caller_and_socket_of_a_pod() -> None:
    for service in set(SOCKETS.values()):
        ports = [link.port for link in inward(service)]
        assert ports
        assert len(set(ports)) == len(ports)
    assert {link.socket for link in LINKS} == set(SOCKETS)
    assert {link.owner for link in outward("gateway")} == {"controller", "portal", "public", "hub"}


def test_the_program_carries_until_it_is_told_to_end(tmp_path: Path) -> None:
    identity = write_identity(tmp_path, "hub")
    listening = Layout(tmp_path).root / "run" / "controller" / "sock"
    config = {
        "identity": {"certificate": str(identity.certificate), "key": str(identity.key)},
        "outward": [
            {
                "socket": str(listening),
                "users": [os.geteuid()],
                "host": "127.0.0.1",
                "variable": "V",
                "port": 1,
                "certificate": str(identity.certificate),
            }
        ],
    }
    path = tmp_path / "link.json"
    path.write_text(json.dumps(config))
    command = [sys.executable, "-m", "tre.link", "--config", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "carrying" in process.stderr.readline()
        assert listening.is_socket()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_the_program_says_which_file_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "link.json"
    path.write_text(json.dumps({**GOOD, "health": None}))
    command = [sys.executable, "-m", "tre.link", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "/a/c.pem" in done.stderr
    assert "tre cluster keys" in done.stderr
