"""Where the program's own files are: the workspace environment, the policies, the packages."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from tre.domain.errors import Reason, TREError
from tre.system.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]
"""The directory that holds the package `tre`: the checkout, or the site-packages of an installed wheel."""

ENVIRONMENT = ".venv-workspace"


def workspace_environment(settings: Settings) -> Path:
    """The read-only Python environment of workspaces.

    Raises `TREError(SetupIncomplete)` where it was not built.
    """
    path = settings.workspace_environment or CHECKOUT / ENVIRONMENT
    if not (path / "bin" / "python").exists():
        raise TREError(
            Reason.SetupIncomplete, f"There is no workspace environment at {path}.", remedy="Run `make setup`."
        )
    return path


def package_directory(package: ModuleType) -> Path:
    """The directory of one of our packages."""
    return Path(package.__path__[0]).resolve()
