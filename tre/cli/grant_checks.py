"""Whether what grant files name is there, told with file and line.

Guarantees: every problem of every file is found before anything is changed, each with file, line and key; slices are
planned on the spot. What is asked of a grant is the same for every source (`tre.controller.grant_checks`).
"""

from __future__ import annotations

from sqlalchemy import Connection

from tre.cli.common import Installation
from tre.cli.dataset import office_of
from tre.controller.grant_checks import CheckTerms, problems_of
from tre.domain.datasets import Release
from tre.domain.grants.models import GrantSlice
from tre.domain.slices.plan import check_buildable
from tre.slices.plan import plan
from tre.sources.grantfile import LocatedGrant
from tre.store import datasets
from tre.storekeeper.slices import order_of
from tre.system.resources import refusal


def check_grants(here: Installation, found: list[LocatedGrant]) -> None:
    """Raise one `TREError` that lists everything, with the reason of the first problem."""

    def check_slice(connection: Connection, wanted: GrantSlice, release: Release) -> None:
        denied = datasets.deny_set(connection, wanted.dataset)
        order = order_of(office_of(here), wanted.spec, release, denied)
        check_buildable(plan(order))

    terms = CheckTerms(here.layout, here.settings, here.clock, check_slice)
    with here.database.read() as connection:
        problems = [(item, problem) for item in found for problem in problems_of(terms, connection, item.record)]
    if problems:
        lines = (item.problem(problem.location, problem.expected) for item, problem in problems)
        why = "What a grant names must be there, and its time must not be over, before it counts."
        raise refusal(lines, problems[0][1].reason, why=why)
