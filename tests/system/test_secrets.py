"""Secrets travel by file and descriptor: none stands on a command line, in an environment or in a log. And the switch
that ends everything: how long it took, and that the doors were shut when it came back.

One workspace serves for both, since starting one is what takes time.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tre.cli.keys import known_keys
from tre.cli.trial.lab import Lab
from tre.cli.trial.world import World

_PEM_LINE = re.compile(rb"^[A-Za-z0-9+/=]{40,}$", re.MULTILINE)
_WORD = re.compile(rb"[A-Za-z0-9+/=_-]+")
_LEAST = 16


def spellings(content: bytes) -> set[bytes]:
    """A secret as it could be written: as it is, in hexadecimal, in base64 of either alphabet; of PEM each line."""
    if b"-----BEGIN" in content:
        return set(_PEM_LINE.findall(content))
    whole = {content, content.strip()}
    written = {one.hex().encode() for one in whole} | {base64.b64encode(one).rstrip(b"=") for one in whole}
    written |= {base64.urlsafe_b64encode(one).rstrip(b"=") for one in whole}
    return {one for one in whole | written if len(one) >= _LEAST}


def secrets_of(world: World) -> dict[str, set[bytes]]:
    """Every key of the installation that is there, and the passwords of people."""
    keys = world.here.layout.keys
    found = {key.name: spellings((keys / key.name).read_bytes()) for key in known_keys() if (keys / key.name).is_file()}
    return found | {"a password": {world.password.encode()}}


def shown_by_processes() -> Iterator[tuple[str, bytes]]:
    """Command line and environment of everything that runs on this machine and that we may read."""
    for directory in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                yield f"{directory.name}/{name}", (directory / name).read_bytes()
            except OSError:  # it ended meanwhile, or is somebody else's
                continue


def logs_of(world: World) -> Iterator[tuple[str, bytes]]:
    for path in [*(world.root / "log").rglob("*"), world.home / "up.log"]:
        if path.is_file():
            yield path.name, path.read_bytes()


def told(world: World) -> list[tuple[str, str]]:
    """Which secret stands where."""
    secrets = secrets_of(world)
    places = [*shown_by_processes(), *logs_of(world)]
    assert len(secrets) > 8
    assert len(places) > 20
    return [
        (name, place) for name, wanted in secrets.items() for place, text in places if any(w in text for w in wanted)
    ]


def check_the_control(world: World) -> None:
    """One secret of each kind, given away on purpose, is found."""
    secrets = secrets_of(world)
    for name in ("portal-session.key", "hub-oauth-secret", "audit-signing.key"):
        word = max(filter(_WORD.fullmatch, secrets[name]), key=len).decode()
        for argument, environment in ((word, {}), ("", {"GIVEN": word})):
            command = [sys.executable, "-c", "import sys; sys.stdin.read()", argument]
            with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as giving:
                found = told(world)
                giving.communicate()
            kind = "cmdline" if argument else "environ"
            assert (name, f"{giving.pid}/{kind}") in found


async def test_no_secret_is_told_and_the_switch_shuts_every_door(world: World, lab: Lab, grant: str) -> None:
    assert await lab.run(["print(6 * 7)"]) == ["42\n"]
    assert told(world) == []
    check_the_control(world)
    run, state = world.run_of(grant)
    workspace = state["plan"]["workspace"]
    assert (await lab.call("GET", "/api/contents/")).status == 200
    command = [sys.executable, "-m", "tre", "halt", "--all", "--reason", "a drill", "--root", str(world.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"})
    answer = await lab.call("GET", "/api/contents/")
    assert (answer.status, answer.json()["reason"]) == (403, "Requested")
    assert done.returncode == 0, done.stderr
    dead = re.search(r"nothing lives any more, proven after ([0-9.]+) s", done.stdout)
    shut = re.search(r"leads to none of them, asked after ([0-9.]+) s", done.stdout)
    assert dead is not None
    assert shut is not None
    assert 0 < float(dead[1]) <= float(shut[1]) < 30
    assert not (run / "sock").exists()
    assert not Path(f"/proc/{state['supervisor']['pid']}").exists(), workspace
