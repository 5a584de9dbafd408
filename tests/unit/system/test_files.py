"""Directories that are given away keep what their users rely on, or nobody goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
from pathlib import Path
from tre.domain.errors import TREError
from tre.system.files import make_directory
try:
    print(oct(make_directory(Path(sys.argv[1]), 0o2750, owner=12345, group=12346).stat().st_mode))
except TREError as error:
    print(error.reason, error.what)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")
@pytest.mark.parametrize(
    ("without", "said"), [((), "0o42750"), (("setpriv", "--bounding-set=-fsetid"), "SetupIncomplete")]
)
def test_a_directory_that_loses_its_group_bit_is_noticed(tmp_path: Path, without: tuple[str, ...], said: str) -> None:
    command = [*without, sys.executable, "-c", CODE, str(tmp_path / "made")]
    for _again in range(2):
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith(said)
