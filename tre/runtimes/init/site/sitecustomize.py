"""Lets the workspace environment's Python find what its user installed into the home: `pip install` just works.

Guarantees: packages of the home come behind those of the environment, so that they replace none of it; JupyterLab's
own server is started without them, so that no package keeps it from starting. Python imports this module by its name
when it starts (`PYTHONPATH` leads here); isolated programs (`-I`), as those that seal a workspace are, do not.

Does not guarantee: that a package which was installed works with those of a later environment.
"""

import site
import sys

ENVIRONMENT = "/opt/tre/workspace"
SERVER = ["-m", "jupyterlab"]


def use_home() -> bool:
    """Whether this process was given the packages of the home; installers choose them where this says so."""
    if sys.prefix != ENVIRONMENT or sys.orig_argv[1:3] == SERVER or sys.flags.no_user_site:
        return False
    site.ENABLE_USER_SITE = True
    site.addsitedir(site.getusersitepackages())
    return True


use_home()
