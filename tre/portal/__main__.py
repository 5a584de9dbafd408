"""`python -m tre.portal --root ROOT [--public]`: the portal as one of two programs.

Guarantees: with `--public` no page of the desk, of the sign-in or of the API is loaded. See `tre.portal.desk_program`
and `tre.portal.public_program`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from tre.domain.errors import TREError
from tre.system.interpreter import loading
from tre.system.layout import Layout
from tre.system.logs import configure_log
from tre.system.settings import load_settings


def main() -> int:
    """Run; the status is 1 where it cannot start."""
    parser = argparse.ArgumentParser(prog="tre.portal", description="The pages of the launcher.")
    parser.add_argument("--root", type=Path, required=True, help="the launcher's root directory")
    parser.add_argument("--public", action="store_true", help="serve the public pages, from a read-only record")
    given = parser.parse_args()
    configure_log("public" if given.public else "portal")
    os.umask(0o002)  # the record's files are shared with the group of its writers
    layout = Layout(given.root.absolute())
    with loading():  # one of the two
        if given.public:
            from tre.portal.public_program import run  # noqa: PLC0415
        else:
            from tre.portal.desk_program import run  # noqa: PLC0415
    try:
        asyncio.run(run(layout, load_settings(layout.root)))
    except TREError as error:
        sys.stderr.write("\n".join(error.lines()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
