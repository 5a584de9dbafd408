"""`python -m tre.hub --root ROOT`: runs the Hub until it is told to end.

Guarantees: nothing of the environment configures JupyterHub or oauthenticator, no secret stands on the command
line, files that the Hub makes are readable by its user alone, and a wrong setting ends the program with status 1
and words that say what to do.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tre.domain.errors import TREError
from tre.system.files import make_private_directory
from tre.system.interpreter import loading
from tre.system.layout import Layout
from tre.system.settings import load_settings, root_from

READ_BY_JUPYTERHUB = ("JUPYTERHUB_", "JPY_", "CONFIGPROXY_", "OAUTH", "LOGIN_SERVICE")


def main() -> int:
    """Run; the status is 1 where the Hub cannot start."""
    parser = argparse.ArgumentParser(prog="python -m tre.hub", description="Run the launcher's JupyterHub.")
    parser.add_argument("--root", type=Path, help="root directory of the launcher; TRE_ROOT by default")
    root = root_from(parser.parse_args().root)
    scrub_environment()
    try:
        run(root)
    except TREError as error:
        sys.stderr.write("\n".join(error.lines()) + "\n")
        return 1
    return 0


def scrub_environment() -> None:
    """Take away every variable from which JupyterHub or oauthenticator would configure themselves."""
    for name in [name for name in os.environ if name.startswith(READ_BY_JUPYTERHUB)]:
        del os.environ[name]


def run(root: Path) -> None:
    """Run the Hub of a root until it is told to end. Raises `TREError` where it cannot start."""
    os.umask(0o077)
    with loading():
        # Imported late: JupyterHub and oauthenticator read the environment while they are imported.
        from tre.hub.app import TreHub  # noqa: PLC0415
        from tre.hub.config import hub_config  # noqa: PLC0415

    layout = Layout(root)
    config = hub_config(load_settings(root), layout)
    make_private_directory(layout.root / "hub")
    layout.socket("hub").parent.mkdir(parents=True, exist_ok=True)
    os.chdir(layout.root / "hub")
    TreHub.instance(config=config)
    TreHub.launch_instance(argv=[])


if __name__ == "__main__":
    sys.exit(main())
