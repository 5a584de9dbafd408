"""Lets the workspace environment's Python find what its user installed into the home: `pip install` just works.

Guarantees: packages of the home come behind those of the environment, so that they replace none of it; JupyterLab's
own server is started without them, so that no package keeps it from starting, and without a Node.js. Python imports
this module by its name when it starts (`PYTHONPATH` leads here); isolated programs (`-I`), as those that seal a
workspace are, do not.

Does not guarantee: that a package which was installed works with those of a later environment.
"""

import importlib
import os
import site
import sys

ENVIRONMENT = "/opt/tre/workspace"
SERVER = ["-m", "jupyterlab"]


def use_home() -> None:
    """Add the packages of the home; installers choose them where `site` says so."""
    site.ENABLE_USER_SITE = True
    site.addsitedir(site.getusersitepackages())


def load_server() -> None:
    """Load JupyterLab where it finds no Node.js: of one that the machine has it asks, each time that it is loaded, how
    to build what is never built here, and that takes it as long as all the rest."""
    path = os.environ.get("PATH", "")
    os.environ["PATH"] = f"{ENVIRONMENT}/bin"
    try:
        importlib.import_module("jupyterlab.labapp")
    finally:
        os.environ["PATH"] = path


if sys.prefix == ENVIRONMENT:
    if sys.orig_argv[1:3] == SERVER:
        load_server()
    elif not sys.flags.no_user_site:
        use_home()
