"""Reading the committee's policy: the site's own file, else the one that comes with the launcher.

Guarantees: a policy that is missing or wrong in any key gives none at all, never a default one.
"""

from __future__ import annotations

from pathlib import Path

from tre.domain.committee.policy import CommitteePolicy
from tre.system.resources import own_or_shipped, read_settled

POLICY_FILE = Path("policies") / "committee.yaml"


def load_committee(root: Path) -> CommitteePolicy:
    """The policy in force.

    Raises `TREError(PolicyMissing)` where there is none, `TREError(BadInput)` for a wrong one.
    """
    return read_settled(CommitteePolicy, own_or_shipped(root, POLICY_FILE))
