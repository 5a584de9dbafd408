"""Sockets of the portal where root starts it: each program reaches its own door and no other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tre.system.installation import Owners, _arrange_run
from tre.system.layout import Layout
from tre.system.settings import ServiceUids
from tre.system.sockets import listen

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
UIDS = ServiceUids()
PROGRAM = """
import os, socket, sys
uid, groups, path = int(sys.argv[1]), [int(one) for one in sys.argv[2].split(",") if one], sys.argv[3]
os.setgroups(groups)
os.setgid(uid)
os.setuid(uid)
try:
    socket.socket(socket.AF_UNIX).connect(path)
    print("reached")
except PermissionError:
    print("refused")
"""


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    made = Layout(tmp_path / "root")
    made.root.mkdir()
    _arrange_run(made, Owners(UIDS, as_root=True))
    yield made
    shutil.rmtree(made.run)


def reaches(who: tuple[int, tuple[int, ...]], path: Path) -> bool:
    uid, groups = who
    words = [str(uid), ",".join(map(str, groups)), str(path)]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True)
    return done.stdout == "reached\n"


def test_the_public_process_reaches_the_intake_and_nobody_else_does(layout: Layout) -> None:
    doors = {name: listen(layout.socket(name), mode=0o660) for name in ("portal-intake", "portal-internal")}
    public, hub = (UIDS.public, (UIDS.record_readers,)), (UIDS.hub, (UIDS.inner_circle,))
    found = {
        (who, name): reaches(given, layout.socket(name))
        for who, given in (("public", public), ("hub", hub), ("nobody", (65534, ())))
        for name in doors
    }
    assert {pair for pair, reached in found.items() if reached} == {
        ("public", "portal-intake"),
        ("hub", "portal-internal"),
    }
    for door in doors.values():
        door.close()
