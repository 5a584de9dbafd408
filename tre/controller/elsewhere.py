"""Sources elsewhere as the controller works with them: the same checks as for a file, the same keys, its own lead."""

from __future__ import annotations

from collections.abc import Callable

from tre.controller.cluster import checks_of
from tre.controller.context import Context
from tre.sources.keeper import KeeperTerms
from tre.sources.service import Sources
from tre.sources.signed import GRANT_SIGNERS, load_signers


def sources_of(context: Context, check_leading: Callable[[], None]) -> Sources:
    """The sources of the policy in the root."""
    terms = KeeperTerms(
        database=context.database,
        clock=context.clock,
        signers=lambda: load_signers(context.layout.keys / GRANT_SIGNERS),
        checks=checks_of(context),
        check_granting=context.check_granting,
        check_leading=check_leading,
        verified=context.verified,
    )
    return Sources(context.layout, terms)
