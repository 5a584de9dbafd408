"""Entry: `python3 -I -S -B <this file or its directory> [options of main | probe | control]`.

Guarantees: the directory itself is taken off the import path before anything is imported, so that no file in it
can stand in for a module of the standard library; the package is imported from where this file lies, under a
name of its own, whether it runs from a checkout, from an installed package or from a read-only mount.

Does not guarantee: anything about the interpreter; the image that brings it is trusted.
"""

import sys
from importlib import import_module
from types import ModuleType

_PACKAGE = "tre_init"


def _run() -> int:
    """Import the part that was asked for, and only that: the first process should start in milliseconds."""
    here = __file__.rpartition("/")[0] or "."
    sys.path[:] = [entry for entry in sys.path if entry != here]
    package = ModuleType(_PACKAGE)
    package.__path__ = [here]
    sys.modules[_PACKAGE] = package
    arguments = sys.argv[1:]
    part = arguments.pop(0) if arguments[:1] in (["probe"], ["control"]) else "main"
    status: int = import_module(f"{_PACKAGE}.{part}").main(arguments)
    return status


if __name__ == "__main__":
    sys.exit(_run())
