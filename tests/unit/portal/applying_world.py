"""People who apply and who decide: seats in a committee, a dataset to ask of, and forms filled in."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from tests.unit.portal.test_plans import Keeper
from tests.unit.portal.world import CHEAP, PASSWORD, Browser, World, opened, populated, subject
from tre.domain.applications import acts
from tre.domain.applications.models import Application, PlannedSlice
from tre.domain.committee.models import Seat
from tre.domain.committee.policy import CommitteeTerms
from tre.domain.people import Role
from tre.domain.slices.spec import SliceSpec
from tre.portal.applying.fields import InputRows, inputs
from tre.portal.applying.steps import STEPS, UNTYPED
from tre.store import applications, committee, people
from tre.store.people import Account
from tre.storekeeper.slices import make_plan

MEMBERS = {
    "cleo": ("Cleo Clinician", "clinician"),
    "acme": ("Ada Academic", "academic"),
    "comm": ("Connie Commissioner", "commissioner"),
    "pat": ("Pat Patient", "patient"),
}
SUMMARY = (
    "Some people who have COVID-19 get very ill. Their doctors take X-ray pictures of the chest. We want to teach a "
    "computer to say from such a picture who may need more care. That could help doctors to find these people sooner."
)
CONTENT: dict[str, Any] = {
    "title": "Who needs more care",
    "laySummary": SUMMARY,
    "publicBenefit": "People who need intensive care could be found sooner.",
    "purpose": "To score how ill a lung is.",
    "technicalSummary": "A network is trained on X-rays and tested on others.",
    "organisation": {"name": "University", "id": "org-1", "sector": "academic", "commercial": False},
    "people": [
        {
            "name": "Alice Able",
            "jobTitle": "Researcher",
            "organisation": "University",
            "subject": {"issuer": "local", "id": "alice"},
            "role": "lead",
        }
    ],
    "slices": [
        {
            "name": "chest",
            "spec": {"slice": 1, "dataset": "demo", "release": "r1", "images": [{"modality": ["DX"]}]},
            "justifications": {"DX": "The score is read from them."},
            "minimisation": "One view of each person would not do.",
        }
    ],
    "starts": "2026-12-01T00:00:00Z",
    "ends": "2027-11-30T23:59:59Z",
    "legalBasis": {
        "name": "Public task",
        "ends": "2028-01-01T23:59:59Z",
        "article6": "6(1)(e)",
        "article9": "9(2)(j)",
        "confidentiality": "Not confidential: pseudonymised",
    },
    "funders": ["A charity"],
    "outputs": [{"what": "A paper", "due": "2027-10-01"}],
    "ethics": {"reference": "REC 1/23"},
    "research": "disease",
    "category": "other",
    "profile": "small",
}


def words_of(answer: httpx.Response) -> str:
    """What a page says, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


class Committee:
    """A portal with seats taken, a dataset, and the storekeeper's and the controller's hand."""

    def __init__(self, world: World, planned: Mapping[str, str] = MappingProxyType({})) -> None:
        self.world, self._planned = world, planned
        self.keeper = Keeper(world)

    def furnish(self, place: Path) -> None:
        """Take the dataset in, and the members."""
        self.keeper.deliver(place)
        for name, (shown, constituency) in MEMBERS.items():
            self.add_member(name, shown, constituency)

    def add_member(self, name: str, shown: str, constituency: str, **changes: Any) -> Seat:
        now = self.world.clock.now()
        account = Account(name=name, display_name=shown, roles=frozenset({Role.committee}), created_at=now)
        seat = {
            "id": committee.new_seat_id(),
            "subject": subject(name),
            "name": shown,
            "constituency": constituency,
            "organisation": "Elsewhere",
            "chair": name == "cleo",
            "begins": now - timedelta(days=30),
            "ends": now + timedelta(days=300),
        }
        with self.world.database.change(self.world.event()) as change:
            people.add_account(change, account, CHEAP.hash(PASSWORD))
            return committee.add_seat(change, Seat.model_validate(seat | changes), CommitteeTerms())

    def draft(self, name: str = "alice", **changes: Any) -> str:
        """A complete draft of a person."""
        person = self.world.session(name)[1].person
        with self.world.database.change(self.world.event()) as change:
            made = applications.begin(change, person, self.world.clock.now())
            after = acts.edit(made, person, CONTENT | changes, self.world.clock.now())
            return applications.save(change, made, after).id

    def handed_in(self, name: str = "alice", **changes: Any) -> str:
        """An application that was handed in, and not planned yet."""
        identifier = self.draft(name, **changes)
        person = self.world.session(name)[1].person
        self.change(identifier, lambda found: acts.submit(found, person, self.world.clock.now()))
        return identifier

    def in_review(self, name: str = "alice", **changes: Any) -> str:
        """An application that can be voted on: its slices are planned as the storekeeper plans them."""
        identifier = self.handed_in(name, **changes)
        found = self.get(identifier)
        assert found.content is not None
        planned = tuple(PlannedSlice(name=item.name, plan_digest=self.plan(item.spec)) for item in found.content.slices)
        now = self.world.clock.now()
        way = acts.Way(deadline=now + timedelta(days=28))
        self.change(identifier, lambda one: acts.taken_up(one, planned, way, now))
        return identifier

    def plan(self, spec: SliceSpec) -> str:
        """Have a specification planned; the digest of the plan in the record."""
        return self._planned.get(spec.model_dump_json()) or make_plan(self.keeper.office, spec).plan_digest

    def change(self, identifier: str, act: Any) -> None:
        with self.world.database.change(self.world.event()) as change:
            before = applications.require(change.connection, identifier)
            applications.save(change, before, act(before))

    def copy_often(self, identifier: str, times: int) -> None:
        """Further applications like one."""
        found = self.get(identifier)
        person = self.world.session("acme")[1].person
        with self.world.database.change(self.world.event()) as change:
            for number in range(times):
                made = applications.begin(change, person, self.world.clock.now())
                values = {name: getattr(found, name) for name in ("content", "round", "plans", "state", "deadline")}
                copied = made.changed(**values, reason=found.reason, author=subject(f"a{number}"))
                applications.save(change, made, copied)

    def get(self, identifier: str) -> Application:
        with self.world.database.read() as connection:
            return applications.require(connection, identifier)

    def matter(self, identifier: str) -> str:
        found = self.get(identifier).matter
        assert found is not None
        return found


@cache
def _template() -> tuple[Path, Mapping[str, str]]:
    """Everything that such a portal keeps, with the plan of `CONTENT`, and that plan's digest by its specification."""
    place = Path(tempfile.mkdtemp(prefix="tre-committee-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    with populated(place / "root") as world:
        made = Committee(world)
        made.furnish(place / "delivery")
        spec = SliceSpec.model_validate(CONTENT["slices"][0]["spec"])
        return place / "root", {spec.model_dump_json(): made.plan(spec)}


@contextmanager
def committee_in(root: Path) -> Iterator[Committee]:
    """A portal with a committee and a dataset to ask of, copied from one that was made; nothing of it is left."""
    made, planned = _template()
    shutil.copytree(made, root, symlinks=True)
    with opened(root) as world:
        yield Committee(world, planned)


def form_of(step_name: str, content: dict[str, Any] = CONTENT) -> dict[str, str]:
    """What a browser sends for a step in which this content stands."""
    step = next(one for one in STEPS if one.name == step_name)
    assert step not in UNTYPED
    form: dict[str, str] = {}
    for part in inputs(step, content):
        cells = [cell for row in part.entries for cell in row] if isinstance(part, InputRows) else [part]
        for cell in cells:
            form |= {f"{cell.name}-{value}": "yes" for value in cell.ticked} or {cell.name: cell.value}
    return form


async def version(browser: Browser, page: str) -> str:
    """The version that the forms of a page carry."""
    found = re.search(r'name="version" value="(\d+)"', (await browser.get(page)).text)
    assert found is not None
    return found[1]
