"""What happens in a service's pod before the service begins: its root is laid out, and root is given up.

Guarantees: the service finds settings, policies and keys where it finds them on one machine, each key in a file of
its own user, mode 0600; it runs as the user that the code gives it, with the capabilities of the chart's table and no
way back to root (`no_new_privs` holds from the container's start).

Does not guarantee: that directories on volumes are there. The job `prepare` arranges them; until then services end,
say why, and are started again.

Threat: a key that every process of a pod can read because a kubelet's volume shows it to all.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from tre.audit.keys import PUBLIC_KEY_FILE
from tre.cli.cluster_table import BECOMES, ON_CLUSTER
from tre.cli.services import EXTRA, MODULES
from tre.domain.errors import Reason, TREError
from tre.sources.signed import COMMITTEE_SIGNERS, PRACTICE_SIGNERS, SOURCE_SIGNERS
from tre.sources.signing_keys import COMMITTEE_PUBLIC, OWN_SIGNER, SOURCE_PUBLIC
from tre.system.files import make_directory, write_atomically
from tre.system.layout import Layout
from tre.system.processes import become_with, python
from tre.system.settings import SETTINGS_FILE, Settings, load_settings

DATABASE_HOST = "DATABASE-HOST"
"""Stands in `databaseUrl` for the address of the chart's own small server, which the kubelet tells each pod."""

_POLICIES = {
    "airlock-policies": "airlock",
    "dataset-policies": "datasets",
    "population-policies": "populations",
    "source-templates": "sources",
}
"""Folders of policies as the chart mounts them, and as they are called in a root."""

_SIGNERS = ("grant-signers", "manifest-signers", PRACTICE_SIGNERS)
_OWN_SIGNERS = {COMMITTEE_PUBLIC: COMMITTEE_SIGNERS, SOURCE_PUBLIC: SOURCE_SIGNERS}
"""Public keys of this installation's own, and the directory in which each counts."""

_PUBLIC = frozenset({PUBLIC_KEY_FILE, *_OWN_SIGNERS, "tls.crt", "gateway-door.crt"})


@dataclass(frozen=True)
class Given:
    """Where the kubelet put what the chart gives: `settings/`, `keys/`, `policies/`, one folder for each further kind
    of policy and for the keys of each kind of signer, as there are."""

    directory: Path
    database_host: str | None = None


def lay_out(layout: Layout, given: Given) -> Settings:
    """Make the root. Raises `TREError(SetupIncomplete)` where the settings are missing, `TREError(BadInput)`."""
    text = _settings_text(given)
    write_atomically(layout.root / SETTINGS_FILE, text.encode(), mode=0o644, durable=False)
    for name in ("cluster.yaml", "mail-authorities.pem"):
        if (path := given.directory / "settings" / name).is_file():
            write_atomically(layout.root / name, path.read_bytes(), mode=0o644, durable=False)
    _copy(given.directory / "policies", layout.root / "policies")
    for folder, kind in _POLICIES.items():
        _copy(given.directory / folder, layout.root / "policies" / kind)
    settings = load_settings(layout.root)
    make_directory(layout.keys, 0o711)
    _lay_out_keys(layout, given.directory)
    return settings


def _lay_out_keys(layout: Layout, given: Path) -> None:
    for path in _files(given / "keys"):
        mode = 0o644 if path.name in _PUBLIC else 0o600
        write_atomically(layout.keys / path.name, path.read_bytes(), mode=mode, durable=False)
    for path in _files(given / "keys" / layout.source_secrets.name):
        make_directory(layout.source_secrets, 0o700)
        write_atomically(layout.source_secrets / path.name, path.read_bytes(), mode=0o600, durable=False)
    for folder in _SIGNERS:
        _copy(given / folder, layout.keys / folder)
    for name, folder in _OWN_SIGNERS.items():
        if (public := given / "keys" / name).is_file():  # what is decided here, and stated to here, counts here
            make_directory(layout.keys / folder, 0o755)
            write_atomically(layout.keys / folder / OWN_SIGNER, public.read_bytes(), mode=0o644, durable=False)


def _settings_text(given: Given) -> str:
    path = given.directory / "settings" / SETTINGS_FILE
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise TREError(
            Reason.SetupIncomplete,
            f"{path} cannot be read.",
            why=f"{error.strerror}.",
            remedy="Start services by the chart, which mounts it.",
        ) from error
    if DATABASE_HOST in text and not given.database_host:
        raise TREError(
            Reason.SetupIncomplete,
            "The address of the database is not known.",
            why="The kubelet names it to pods that begin after the Service tre-postgresql was made.",
            remedy="Delete this pod: it is made again.",
        )
    return text.replace(DATABASE_HOST, given.database_host or "")


def _files(directory: Path) -> list[Path]:
    """The files that a kubelet projected; its own links and folders begin with two dots."""
    return sorted(path for path in directory.glob("*") if path.is_file() and not path.name.startswith(".."))


def _copy(source: Path, target: Path) -> None:
    for path in _files(source):
        make_directory(target, 0o755)
        write_atomically(target / path.name, path.read_bytes(), mode=0o644, durable=False)


def hand_over(layout: Layout, name: str, uid: int) -> None:
    """Make the directories that are the service's own, and give it everything where root laid it out."""
    own = [layout.socket(name).parent, layout.root / "hub"] if name == "hub" else [layout.socket(name).parent]
    if name == "portal":
        own += [layout.socket(one).parent for one in ("portal-internal", "portal-intake")]
    for directory in own:
        make_directory(directory, 0o700 if directory.name == "hub" and directory.parent == layout.root else 0o711)
    if os.geteuid() == 0:
        secrets = [path for path in (layout.source_secrets,) if path.is_dir()]
        for path in (*own, layout.keys, *_files(layout.keys), *secrets, *_files(layout.source_secrets)):
            os.chown(path, uid, uid)


def command_of(name: str, layout: Layout) -> list[str]:
    """What the service's process is."""
    return python(MODULES[name], "--root", str(layout.root), *EXTRA.get(name, ()))


def run(name: str, layout: Layout, given: Given) -> None:
    """Become the service; returns only by an error. Raises `TREError`."""
    if name not in ON_CLUSTER:
        raise TREError(
            Reason.BadInput, f"There is no service {name}.", remedy=f"There are {', '.join(sorted(ON_CLUSTER))}."
        )
    settings = lay_out(layout, given)
    uid = int(getattr(settings.services, name))
    hand_over(layout, name, uid)
    os.umask(0o007)
    if os.geteuid() == 0:
        become_with(uid, (), BECOMES.get(name, ()))
    elif os.geteuid() != uid:
        raise TREError(
            Reason.SetupIncomplete,
            f"The service {name} runs as user {os.geteuid()}, and its number is {uid}.",
            why="Services tell each other apart by these numbers.",
            remedy="Leave `services` out of tre.yaml: the chart runs each service under the standard number.",
        )
    environment = {"HOME": str(layout.root / "hub") if name == "hub" else "/nonexistent", "LANG": "C.UTF-8"}
    kept = {key: value for key, value in os.environ.items() if key == "PATH" or key.startswith("KUBERNETES_SERVICE_")}
    os.execve(  # noqa: S606 - no shell: this very process becomes the service
        sys.executable, command_of(name, layout), {**kept, **environment}
    )


def wait_for_commands(layout: Layout, given: Given) -> None:
    """Lay out a root for `tre` commands that an operator types in this pod, and wait until the pod ends."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # one that comes while the root is laid out is not lost
    lay_out(layout, given)
    signal.sigwait(ends)
