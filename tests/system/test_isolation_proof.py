"""What the isolation probe found stands in the signed log, where somebody with nothing but the public key finds it."""

from __future__ import annotations

from datetime import datetime

from tests.system.waiting import until
from tre.audit.keys import PUBLIC_KEY_FILE, load_public
from tre.audit.proof import InclusionProof, prove_object, verify_proof
from tre.cli.trial.lab import Lab
from tre.cli.trial.world import World


def proofs(world: World, name: str) -> list[InclusionProof]:
    with world.here.database.read() as connection:
        found = prove_object(connection, f"workspace/{name}")
    return [proof for proof in found if "isolation" in proof.event.detail]


async def test_each_run_has_its_isolation_in_the_signed_log(world: World, grant: str, lab: Lab) -> None:
    name = world.run_of(grant)[1]["plan"]["workspace"]
    await until(lambda: len(proofs(world, name)) == 1)
    proof = proofs(world, name)[0]
    verify_proof(proof, load_public(world.here.layout.keys / PUBLIC_KEY_FILE))
    found = proof.event.detail["isolation"]
    assert found["proven"] is True
    assert found["failed"] == found["unproven"] == []
    assert {"socket inet stream", "io_uring", "foreign-32-bit", "mount"} <= set(found["provenItems"]), found
    apart = datetime.fromisoformat(found["controlledAt"]) - datetime.fromisoformat(found["probedAt"])
    assert abs(apart.total_seconds()) < 60
