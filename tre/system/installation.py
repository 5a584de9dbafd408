"""Making an installation, and seeing that every directory belongs to whom it should.

Guarantees: making it again changes nothing that exists; every directory and secret has the owner and mode that the
design's table of rights demands, set at each start; where an ordinary user starts the launcher there is one owner.

Threat: a service that was taken over reads another's secret, or writes where only another may.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.domain.model import parse_record
from tre.system.certificates import CopyWatch, hand_over
from tre.system.files import make_directory, make_private_directory, write_atomically
from tre.system.layout import Layout
from tre.system.settings import SETTINGS_FILE, ServiceUids, Settings, load_settings

DEFAULT_SETTINGS = """\
# Settings of this launcher; every key and its default is described in docs/reference/settings.md.
base: {base}
listenPort: {port}
"""
SERVICES = ("controller", "storekeeper", "checker", "portal", "public", "hub", "gateway")
SECRETS = {"gateway-session.key": "gateway", "portal-session.key": "portal", "dataset-salt.key": "storekeeper"}
"""Random keys of 32 bytes, by who reads them."""


@dataclass(frozen=True)
class Owners:
    """Numeric identities as the file system sees them: all -1 ("leave it") for an ordinary user."""

    uids: ServiceUids
    as_root: bool

    @classmethod
    def of(cls, settings: Settings) -> Owners:
        """The owners for whoever runs this."""
        return cls(settings.services, os.geteuid() == 0)

    def uid(self, service: str) -> int:
        """A service's user, which is also its group."""
        return int(getattr(self.uids, service)) if self.as_root else -1

    def group(self, name: str) -> int:
        """A group that several services share."""
        return int(getattr(self.uids, name)) if self.as_root else -1


def initialise(layout: Layout, base: str | None = None, port: int | None = None) -> None:
    """Make root directory and settings file, unless they exist.

    Raises `TREError(BadInput)` for values that are none, `TREError(Conflict)` for a directory of something else, and
    for values that an existing settings file contradicts: nothing is made or changed then.
    """
    given = {key: value for key, value in (("base", base), ("listenPort", port)) if value is not None}
    settings = parse_record(Settings, given, source="what was typed")
    path = layout.root / SETTINGS_FILE
    if path.exists():
        _refuse_other(path, load_settings(layout.root), given)
    else:
        _refuse_foreign(layout.root)
        make_directory(layout.root, 0o711)
        text = DEFAULT_SETTINGS.format(base=settings.base, port=settings.listen_port)
        write_atomically(path, text.encode(), mode=0o644)


def _refuse_other(path: Path, settings: Settings, given: dict[str, str | int]) -> None:
    found = {"base": settings.base, "listenPort": settings.listen_port}
    other = [key for key, value in given.items() if value != found[key]]
    if other:
        raise TREError(
            Reason.Conflict,
            f"{path} exists and says {', '.join(f'{key}: {found[key]}' for key in other)}.",
            why="Settings are changed in their file, where people see what was changed.",
            remedy="Change it there, or leave the option out.",
        )


def _refuse_foreign(root: Path) -> None:
    """Whoever mistypes a root must not find the permissions of their home changed."""
    begun = f".{SETTINGS_FILE}."
    if root.is_dir() and any(not path.name.startswith(begun) for path in root.iterdir()):
        raise TREError(
            Reason.Conflict,
            f"{root} holds other files and no {SETTINGS_FILE}.",
            why="A launcher's root is a directory of its own: modes and owners in it are changed.",
            remedy="Name an empty or a new directory with --root.",
        )


@contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """Wait until nobody else makes the same installation."""
    descriptor = os.open(layout.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_secrets(layout: Layout) -> None:
    """Make the random keys that are missing."""
    make_directory(layout.keys, 0o711)
    make_directory(layout.keys / "grant-signers", 0o755)
    for name in SECRETS:
        path = layout.keys / name
        if not path.exists():
            write_atomically(path, secrets.token_bytes(32), mode=0o600)


def own_secret(path: Path, owner: int, group: int = -1) -> None:
    """Give a secret to its reader; with a group, two services may read it."""
    if owner != -1:
        os.chown(path, owner, group if group != -1 else owner)
    path.chmod(0o640 if group != -1 else 0o600)


def arrange(layout: Layout, settings: Settings) -> None:
    """See to every directory's owner and mode. Raises `TREError(SetupIncomplete)` without an initialised root."""
    if not (layout.root / SETTINGS_FILE).is_file():
        raise TREError(
            Reason.SetupIncomplete,
            f"{layout.root} is not initialised.",
            why=f"There is no {SETTINGS_FILE} in it.",
            remedy="Run `tre init` first.",
        )
    owners = Owners.of(settings)
    make_directory(layout.root, 0o711)
    _arrange_record(layout, owners)
    _arrange_data(layout, owners)
    _arrange_vault(layout, owners)
    _arrange_run(layout, owners)
    hand_over(layout, settings, owners.uid("gateway"))
    for name, service in SECRETS.items():
        own_secret(layout.keys / name, owners.uid(service))
    if settings.mail is not None and (password := layout.root / settings.mail.password_file).is_file():
        own_secret(password, owners.uid("controller"))


def copy_watch(layout: Layout, settings: Settings) -> CopyWatch:
    """What keeps the gateway's copy of its certificate like the operator's."""
    return CopyWatch(layout, settings, Owners.of(settings).uid("gateway"))


def arrange_volumes(layout: Layout, settings: Settings) -> None:
    """See to the owner and mode of what lies on volumes, where these are mounted apart from the rest of the root."""
    owners = Owners.of(settings)
    _arrange_data(layout, owners)
    _arrange_vault(layout, owners)


def _arrange_record(layout: Layout, owners: Owners) -> None:
    outer = layout.database.parent.parent
    make_directory(outer, 0o750, owner=0 if owners.as_root else -1, group=owners.group("record_readers"))
    make_directory(layout.database.parent, 0o2775, owner=owners.uid("controller"), group=owners.group("record_writers"))
    for path in layout.database.parent.glob("tre.sqlite*"):
        if owners.as_root:
            os.chown(path, owners.uid("controller"), owners.group("record_writers"))
        path.chmod(0o664)


def _arrange_data(layout: Layout, owners: Owners) -> None:
    keeper = owners.uid("storekeeper")
    for path in (layout.datasets, layout.slices):
        make_directory(path, 0o711, owner=keeper, group=keeper)
    make_directory(layout.slice_indexes, 0o2750, owner=keeper, group=owners.uid("checker"))
    # What lies below belongs to workspaces, which may open it wide; nobody else on the machine gets as far as that.
    for path in (layout.homes, layout.shared, layout.outboxes, layout.inboxes):
        make_directory(path, 0o700, owner=keeper, group=keeper)
    make_directory(layout.datasets.parent, 0o711, owner=keeper, group=keeper)
    make_directory(layout.homes.parent, 0o711, owner=keeper, group=keeper)


def _arrange_vault(layout: Layout, owners: Owners) -> None:
    checker = owners.uid("checker")
    make_directory(layout.vault.parent, 0o711, owner=checker, group=checker)
    make_directory(layout.vault, 0o700, owner=checker, group=checker)
    make_directory(layout.extracts, 0o2750, owner=checker, group=owners.uid("portal"))
    make_directory(layout.releases, 0o2750, owner=checker, group=owners.uid("portal"))
    make_directory(layout.papers, 0o2750, owner=checker, group=owners.uid("portal"))
    make_directory(layout.uploads, 0o2770, owner=owners.uid("portal"), group=checker)
    make_directory(layout.handover, 0o2750, owner=checker, group=owners.uid("storekeeper"))
    make_directory(layout.checker_spool, 0o711, owner=checker, group=checker)
    controller = owners.uid("controller")
    make_directory(layout.checker_spool / "in", 0o2750, owner=controller, group=checker)
    make_directory(layout.checker_spool / "out", 0o2750, owner=checker, group=controller)
    make_directory(layout.checker_spool / "taken", 0o700, owner=checker, group=checker)
    make_directory(layout.endings.parent, 0o711)
    make_directory(layout.endings, 0o2770, owner=owners.uid("gateway"), group=controller)
    make_directory(layout.root / "audit", 0o755, owner=controller, group=controller)
    make_directory(layout.root / "hub", 0o700, owner=owners.uid("hub"), group=owners.uid("hub"))
    make_directory(layout.logs, 0o700)


def _arrange_run(layout: Layout, owners: Owners) -> None:
    if owners.as_root:
        make_directory(layout.run.parent, 0o711)
        make_directory(layout.run, 0o711)
    else:
        make_private_directory(layout.run)
    make_directory(layout.run / "workspaces", 0o751, group=owners.uid("controller"))
    make_directory(layout.socket("launcher").parent, 0o750, group=owners.uid("controller"))
    callers = {
        "portal": owners.uid("gateway"),
        "public": owners.uid("gateway"),
        "portal-internal": owners.group("inner_circle"),
        "portal-intake": owners.uid("public"),
        "hub": owners.group("hub_callers"),
    }
    for service, group in callers.items():
        owner = owners.uid(service.partition("-")[0])
        make_directory(layout.socket(service).parent, 0o2750, owner=owner, group=group)
    for service in ("controller", "gateway", "storekeeper"):
        make_directory(layout.socket(service).parent, 0o711, owner=owners.uid(service), group=owners.uid(service))
