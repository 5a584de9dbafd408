"""The checks on what the programs themselves write: a grant's whole life, scored on its way and at its end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.whole_site import Site
from tests.unit.cli.satre.world import PROVEN
from tests.unit.controller.test_power_cuts import ACTS, deliver, work, write_grant
from tests.unit.slices.conftest import Maker

INSIDE = {
    "actors-named",
    "approvals-verified",
    "checkers-enough",
    "criteria-kept",
    "datasets-recorded",
    "deliveries-gated",
    "isolation-proven",
    "log-verifies",
    "models-held-back",
    "none-overstays",
    "policies-load",
    "projects-told",
    "releases-logged",
    "releases-reviewed",
    "roles-apart",
    "use-recorded",
}
"""What holds while somebody is inside and a file has left."""

AFTER = INSIDE - {"approvals-verified"} | {"deaths-proven", "destruction-certified", "ends-kept"}
"""What holds when all of it is over."""


class ProvingSite(Site):
    """A site whose runs say of their proof what real ones say."""

    def _run(self) -> None:
        super()._run()
        for name, run in self.runtime.runs.items():
            if run.isolation is not None:
                self.runtime.runs[name] = run.model_copy(update={"isolation": PROVEN})


def outcomes(site: Site) -> dict[str, str]:
    """What came of every check."""
    plain = json.loads(site.tre("satre", "score", "--json").stdout)
    statements: list[dict[str, Any]] = [one for item in plain["capabilities"] for one in item["statements"]]
    return {look["name"]: look["outcome"] for one in statements for look in one["looked"]}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ProvingSite]:
    made = ProvingSite(tmp_path / "root")
    deliver(Maker(tmp_path / "delivery"))
    yield made
    made.remove()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.timeout(120)
def test_a_life_is_scored_by_what_was_done_in_it(site: ProvingSite) -> None:
    found = {}
    for name, act in ACTS.items():
        if name == "grant apply":
            write_grant(site, "first", "nccid", "DX", "CT")
            write_grant(site, "second", "flat", "DX")
        act(site)
        if act is work:
            site.settle()
        if name in {"slices are built", "export is released", "homes are destroyed"}:
            site._sequence()
            found[name] = outcomes(site)
    before, inside, after = found.values()
    assert {before[name] for name in ("isolation-proven", "releases-reviewed", "deaths-proven")} == {"nothing"}
    assert {name for name in INSIDE if inside[name] != "held"} == set()
    assert {name for name in AFTER if after[name] != "held"} == set()
    assert inside["references-given"] == "broken"  # its grant names no ethics approval
