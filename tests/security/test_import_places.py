"""Who reaches what of the places on the way in: the real services' users, without any capability."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tre.system.installation import arrange, initialise, make_secrets
from tre.system.layout import Layout
from tre.system.paths import CHECKOUT
from tre.system.settings import load_settings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming the services' users needs root")

UPLOAD, DATA = "0123456789abcdef" * 2, b"a,b\n1,2\n"
SHA256 = hashlib.sha256(DATA).hexdigest()
HEAD = """
import os, sys
from pathlib import Path
from tre.airlock.handover import Handover
from tre.airlock.uploads import Uploads
from tre.airlock.vault import Vault
from tre.domain.exports.rules import FileLimits
from tre.system.layout import Layout
layout = Layout(Path(sys.argv[1]))
uploads, handover, vault = Uploads(layout.uploads), Handover(layout.handover), Vault(layout.vault)
papers = Handover(layout.papers)
"""
SEND = f"""
(layout.uploads / "{UPLOAD}" / "d").mkdir(parents=True)
(layout.uploads / "{UPLOAD}" / "d" / "a.csv").write_bytes({DATA!r})
"""
RECEIVE = f"""
(taken,) = uploads.receive("{UPLOAD}", ("d/a.csv",), vault, FileLimits()).files
uploads.remove("{UPLOAD}")
handover.put(taken.sha256, vault)
print(taken.sha256)
"""
LOOK = """
for act in (layout.{0}.iterdir, lambda: (layout.{0} / "x").touch()):
    try:
        print("possible", list(act() or []))
    except PermissionError:
        print("refused")
"""

As = Callable[..., list[str]]


@pytest.fixture(scope="module")
def act() -> Iterator[As]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        Path(made).chmod(0o711)
        layout = Layout(Path(made) / "root")
        initialise(layout, "tre.localhost", 8000)
        make_secrets(layout)
        settings = load_settings(layout.root)
        arrange(layout, settings)

        def run(service: str, code: str, umask: int = 0o022) -> list[str]:
            uid = getattr(settings.services, service)
            done = subprocess.run(
                [sys.executable, "-c", HEAD + code, str(layout.root)],
                user=uid, group=uid, extra_groups=(), umask=umask, cwd=CHECKOUT,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout.split("\n")[:-1]

        yield run


def test_an_upload_goes_from_the_portal_through_the_checker_to_the_storekeeper(act: As) -> None:
    act("portal", SEND, umask=0o007)  # the group must be able to remove what it copied
    assert act("checker", RECEIVE) == [SHA256]
    assert act("portal", "print(os.listdir(layout.uploads))") == ["[]"]
    assert act("storekeeper", f"print((layout.handover / '{SHA256}').read_bytes())") == [repr(DATA)]
    change = f"""
for act in (lambda p: p.open("ab"), lambda p: p.unlink(), lambda p: p.chmod(0o777)):
    try:
        act(layout.handover / "{SHA256}")
        print("possible")
    except PermissionError:
        print("refused")
"""
    assert act("storekeeper", change) == ["refused"] * 3


@pytest.mark.parametrize(
    ("service", "place"),
    [("portal", "handover"), ("storekeeper", "uploads"), ("portal", "vault"), ("storekeeper", "vault"),
     *((service, "papers") for service in ("storekeeper", "gateway", "hub", "public", "controller")),
     *((service, place) for service in ("gateway", "hub", "controller") for place in ("uploads", "handover"))],
)  # fmt: skip
def test_nobody_else_reaches_a_place(act: As, service: str, place: str) -> None:
    assert act(service, LOOK.format(place)) == ["refused", "refused"]


def test_the_storekeeper_reads_and_writes_nothing(act: As) -> None:
    assert act("storekeeper", LOOK.format("handover"))[1] == "refused"


def test_a_paper_goes_from_the_portal_through_the_checker_back_to_the_portal(act: As) -> None:
    act("portal", SEND, umask=0o007)
    keep = f"""
with uploads.opened("{UPLOAD}", "d/a.csv") as source:
    papers.take("{SHA256}", source)
uploads.remove("{UPLOAD}")
"""
    act("checker", keep)
    assert act("portal", f"print((layout.papers / '{SHA256}').read_bytes())") == [repr(DATA)]
    change = f"""
for act in (lambda p: p.open("ab"), lambda p: p.unlink(), lambda p: p.chmod(0o777)):
    try:
        act(layout.papers / "{SHA256}")
        print("possible")
    except PermissionError:
        print("refused")
"""
    assert act("portal", change) == ["refused"] * 3
