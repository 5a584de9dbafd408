"""Where things are kept: the one place that knows directory names.

Guarantees: what must survive lies under the root; what must not (sockets, staging) lies under the run directory,
whose path is short enough for unix sockets (108 bytes) whatever the root is called.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Every directory and file of one launcher, from its root."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file; its directory holds nothing else."""
        return self.root / "db" / "record" / "tre.sqlite"

    @property
    def keys(self) -> Path:
        """Private keys and secrets, files of mode 0600, one owner each."""
        return self.root / "keys"

    @property
    def grant_key(self) -> Path:
        """The approving body's private key, where it keeps it here: grants are signed with it."""
        return self.keys / "grant-signing.key"

    @property
    def practice_key(self) -> Path:
        """The data managers' private key, where it is kept here: grants of practice data are signed with it."""
        return self.keys / "practice-signing.key"

    @property
    def committee_key(self) -> Path:
        """This service's own private key, the controller's alone: what the committee decided here is signed with it."""
        return self.keys / "committee-signing.key"

    @property
    def source_key(self) -> Path:
        """This service's own private key, the controller's alone: what sources elsewhere state is signed with it."""
        return self.keys / "source-signing.key"

    @property
    def source_secrets(self) -> Path:
        """`NAME.key`: by which the controller asks a source elsewhere."""
        return self.keys / "sources"

    @property
    def door_certificate(self) -> Path:
        """What the gateway shows to the doors of pods, on a cluster; doors believe no other."""
        return self.keys / "gateway-door.crt"

    @property
    def door_key(self) -> Path:
        """Its private key, the gateway's alone."""
        return self.keys / "gateway-door.key"

    @property
    def datasets(self) -> Path:
        """`NAME/store/TIER/…` (each file once) and `NAME/releases/REL/` (indexes only)."""
        return self.root / "data" / "datasets"

    @property
    def slices(self) -> Path:
        """`SLICEID/`: the built, read-only slices. On the same file system as the stores: they are hard links."""
        return self.root / "data" / "slices"

    @property
    def slice_indexes(self) -> Path:
        """What the airlock knows the slices by: written by the storekeeper, read by the checker, shown to nobody."""
        return self.root / "data" / "indexes"

    @property
    def homes(self) -> Path:
        """`WORKSPACE/`: what people keep between runs."""
        return self.root / "work" / "homes"

    @property
    def shared(self) -> Path:
        """`GRANT/`: a folder for the members of one grant."""
        return self.root / "work" / "shared"

    @property
    def outboxes(self) -> Path:
        """`WORKSPACE/`: what somebody wants to take out; the checker's intake reads it."""
        return self.root / "work" / "outbox"

    @property
    def inboxes(self) -> Path:
        """`WORKSPACE/`: what was let in; read-only inside."""
        return self.root / "work" / "inbox"

    @property
    def vault(self) -> Path:
        """The airlock's content-addressed store."""
        return self.root / "vault" / "objects"

    @property
    def extracts(self) -> Path:
        """What the checks kept of files for people to look at."""
        return self.root / "vault" / "extracts"

    @property
    def uploads(self) -> Path:
        """`UPLOAD/`: what people sent to be let in, until the checker has copied it: written by the portal."""
        return self.root / "vault" / "uploads"

    @property
    def handover(self) -> Path:
        """What was let in, by its SHA-256: written by the checker, read by the storekeeper."""
        return self.root / "vault" / "handover"

    @property
    def papers(self) -> Path:
        """Documents that came with applications, by their SHA-256: written by the checker, handed out by the portal."""
        return self.root / "vault" / "papers"

    @property
    def releases(self) -> Path:
        """Release bundles."""
        return self.root / "vault" / "releases"

    @property
    def checker_spool(self) -> Path:
        """The checker's only door: `in/` and `out/`."""
        return self.root / "vault" / "spool"

    @property
    def endings(self) -> Path:
        """Local, fsynced spool of endings, taken into the log later."""
        return self.root / "spool" / "endings"

    @property
    def logs(self) -> Path:
        """One log file for each service and supervisor."""
        return self.root / "log"

    @property
    def run(self) -> Path:
        """Sockets and staging; gone after a restart of the machine."""
        mark = hashlib.sha256(str(self.root).encode()).hexdigest()[:8]
        owner = self._owner()
        if owner == 0:
            return Path("/run/tre") / mark
        session = Path(f"/run/user/{owner}")
        return session / f"tre-{mark}" if session.is_dir() else Path(f"/var/tmp/tre-{owner}-{mark}")  # noqa: S108 - made 0700 and checked by its maker

    def _owner(self) -> int:
        """Whose installation this is, whoever asks: a service has another user than who started it."""
        try:
            return self.root.stat().st_uid
        except FileNotFoundError:
            return os.geteuid()

    def socket(self, service: str) -> Path:
        """The unix socket of a service; each has a directory of its own, so that access is by directory."""
        return self.run / service / "sock"

    def workspace_run(self, identity: str) -> Path:
        """State and sockets of one run of a workspace."""
        return self.run / "workspaces" / identity
