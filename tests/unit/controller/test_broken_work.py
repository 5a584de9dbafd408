"""A controller that answers and does nothing would be taken for a good one: it ends, and is started again."""

from __future__ import annotations

import dataclasses
import os
import threading
from pathlib import Path

from tests.support.machine import wait_for
from tests.support.whole_site import Site
from tre.audit.keys import PRIVATE_KEY_FILE
from tre.audit.witness import witness_path
from tre.cli.services import services
from tre.system.processes import Keeper
from tre.system.settings import load_settings


def test_a_controller_whose_work_cannot_begin_ends_and_is_started_again_until_it_can(tmp_path: Path) -> None:
    site = Site(tmp_path / "root")
    assert site.tre("init").exit_code == 0
    os.chown(site.layout.keys / PRIVATE_KEY_FILE, os.geteuid(), -1)
    spec = next(one for one in services(site.layout, load_settings(site.root)) if one.name == "controller")
    keeper = Keeper([dataclasses.replace(spec, uid=os.geteuid(), groups=())], site.layout.logs)
    in_the_way = witness_path(site.root).with_name(".last-checkpoint.0badf00d")
    in_the_way.mkdir(parents=True)  # what is swept at the start, and cannot be
    keeping = threading.Thread(target=keeper.run)
    keeping.start()
    try:
        wait_for(lambda: keeper.failures["controller"] > 0, 45)
        assert "work-ended" in (site.layout.logs / "controller.log").read_text()
        in_the_way.rmdir()
        words = ("user", "add", "alice", "--role", "researcher", "--password-stdin")
        assert site.tre(*words, typed="correct horse battery\n").exit_code == 0
        wait_for(witness_path(site.root).exists, 45)  # it works: the log is signed
    finally:
        keeper.stop()
        keeping.join()
        site.remove()
