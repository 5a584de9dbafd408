"""A real release to test with: a request that lived, a vault that holds its bytes, a log, a key."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.unit.domain.exports.world import CHECKERS, World, file, finding
from tre.airlock.bundle import build_bundle
from tre.airlock.release import EVENT_KIND, ReleaseDocument, Statement, make_document, make_statement
from tre.airlock.vault import Vault
from tre.audit.checkpoint import Checkpoint, sign
from tre.audit.keys import Signer, generate
from tre.audit.merkle import hash_children, hash_leaf
from tre.audit.proof import InclusionProof
from tre.domain.events import Event, program
from tre.domain.exports import reviewing
from tre.domain.exports.models import RequestFile
from tre.domain.exports.severity import Severity
from tre.store.database import new_id

CONTENTS = {"a.csv": b"sex,mean_age\nF,44.5\nM,45.1\n", "figures/é b.csv": b"x,mean\n1,2.5\n"}
ORIGIN = "tre.example.org/audit"


def request_file(path: str) -> RequestFile:
    """The file of a request that holds these contents."""
    data = CONTENTS[path]
    return file(path, sha256=hashlib.sha256(data).hexdigest(), size=len(data))


@dataclass
class Releases:
    """Everything that a release needs, in one directory."""

    root: Path
    signer: Signer = field(default_factory=lambda: generate(ORIGIN))
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.vault = Vault(self.root / "vault")
        for data in CONTENTS.values():
            source = self.root / "source"
            source.write_bytes(data)
            with source.open("rb") as opened:
                self.vault.take_in(opened.fileno(), 2**20)
        files = [request_file(path) for path in CONTENTS]
        exception = finding(Severity.E).model_copy(update={"sha256": files[0].sha256})
        self.world.with_files(*files).checked(exception).submit()
        for checker in CHECKERS[:2]:
            answers = self.world.answers(exception)
            ballots = [self.world.ballot(f.path, dispositions=answers) for f in files]
            self.world.vote(checker, *ballots).hand_in(checker)
        world = self.world
        world.request = reviewing.approve(world.request, CHECKERS[0], "2", world.situation)
        world.tick(seconds=5)

    def statement(self) -> Statement:
        """The statement of the release that may happen now."""
        return make_statement(self.world.request, self.world.situation)

    def proof(self, statement: Statement, **changes: Any) -> InclusionProof:
        """The proof of the release's event in a log of two."""
        values = {
            "id": new_id(),
            "at": self.world.now,
            "actor": program("controller"),
            "kind": EVENT_KIND,
            "object": f"export/{statement.request}",
            "detail": {"statement": statement.digest()},
        }
        event = Event.model_validate(values | changes)
        other = hash_leaf(b"other")
        root = hash_children(other, hash_leaf(event.leaf()))
        note = sign(Checkpoint(self.signer.name, 2, root, self.world.now), self.signer).note()
        path = (base64.b64encode(other).decode(),)
        return InclusionProof(event=event, position=1, path=path, checkpoint=note)

    def document(self) -> ReleaseDocument:
        """The signed document."""
        statement = self.statement()
        return make_document(statement, self.proof(statement), self.signer)

    def bundle(self, document: ReleaseDocument | None = None, name: str = "release.zip") -> Path:
        """The bundle as the checker writes it."""
        target = self.root / name
        build_bundle(document or self.document(), self.vault, target)
        return target
