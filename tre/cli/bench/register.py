"""`tre bench register`: what the public account of many projects costs to show, to publish and to hand out.

Guarantees: the pages are asked of the public process's own application, from the host switch on, over a record in a
file that is opened for reading only. Half of the projects have ended, each has a summary of 150 words, details for the
register, and a slice that is told of. The peer reads every grant and judges it, as a list without its own table would.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tre.cli.bench.asking import asked
from tre.cli.bench.figures import Figure, Peer, figure, median
from tre.domain.canonical import digest
from tre.domain.clock import ManualClock
from tre.domain.datasets import Dataset
from tre.domain.events import Event, program
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.states import GrantPhase
from tre.domain.names import slice_id
from tre.domain.register.slices import PublicDimension, PublicShare, PublicSlice
from tre.portal.context import Portal
from tre.portal.public_applications import public_switch
from tre.portal.register_site import build
from tre.portal.routes import public
from tre.register.reading import entries
from tre.register.tables import csv_bytes, xlsx_bytes
from tre.store import datasets, grants, register
from tre.store.database import Database, new_id
from tre.store.migrate import migrate
from tre.system.layout import Layout
from tre.system.settings import Settings

PROJECTS = 10_000
ROUNDS = 15
PAGE_MS, BUILD_SECONDS = 100.0, 60.0
_AT_ONCE = 500
_NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
_WORDS = [
    "people",
    "hospital",
    "lungs",
    "picture",
    "doctor",
    "computer",
    "care",
    "early",
    "harm",
    "score",
    "heart",
    "scan",
    "treat",
    "year",
    "learn",
    "safe",
    "find",
    "group",
    "better",
    "study",
    "large",
    "small",
    "help",
    "show",
    "blood",
    "brain",
    "cause",
    "child",
    "common",
    "test",
]


def bench(projects: int = PROJECTS, rounds: int = ROUNDS) -> list[Figure]:
    """Measure over so many projects, each page so many times."""
    with tempfile.TemporaryDirectory(prefix="tre-bench-") as place, _portal(Path(place), projects) as portal:
        return list(_figures(portal, projects, rounds))


def _figures(portal: Portal, projects: int, rounds: int) -> Iterator[Figure]:
    yield figure("projects", "", float(projects))
    app, host = public_switch(portal), urlsplit(portal.settings.origin()).netloc
    last = f"/projects?page={-(-projects // register.PAGE)}"
    peer = Peer(name="reading every grant", value=1000 * _timed(lambda: _read_all(portal)))
    for what, path in (
        ("list, first page", "/projects"),
        ("list, last page", last),
        ("list, two words", "/projects?q=hospital+p0001"),
        ("list, filtered", "/projects?state=ended&company=yes&dataset=nccid"),
        ("a project's page", "/projects/p-00000"),
        ("a dataset's page", "/data/nccid"),
    ):
        took = 1000 * median(asked(app, host, path, rounds))
        yield figure(what, "ms", took, peer=peer, target=(f"≤ {PAGE_MS:g} ms", took <= PAGE_MS))
    with portal.database.read() as connection:
        lines = list(entries(connection))
    yield figure("all lines as CSV", "s", _timed(lambda: csv_bytes(lines)))
    yield figure("all lines as a workbook", "s", _timed(lambda: xlsx_bytes(lines)))
    took = _timed(lambda: _build(portal))
    yield figure("static build", "s", took, target=(f"≤ {BUILD_SECONDS:g} s", took <= BUILD_SECONDS))


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _read_all(portal: Portal) -> None:
    with portal.database.read() as connection:
        public.published(connection)


def _build(portal: Portal) -> None:
    build(portal, portal.settings.origin(), portal.layout.root / "site")


# Many projects


@contextmanager
def _portal(root: Path, projects: int) -> Iterator[Portal]:
    layout = Layout(root)
    layout.database.parent.mkdir(parents=True, exist_ok=True)
    writer = Database.sqlite(layout.database)
    migrate(writer)
    portal = Portal(settings=Settings(), layout=layout, database=writer, clock=ManualClock(_NOW))
    fill(portal, projects)
    writer.close()
    reader = Database.sqlite(layout.database, read_only=True)
    try:
        yield replace(portal, database=reader)
    finally:
        reader.close()


def fill(portal: Portal, projects: int) -> None:
    """Put so many projects into an empty record; the same ones each time."""
    chance = random.Random(7)  # noqa: S311  # nosec B311
    told = _slice()
    with portal.database.change(_event("dataset.registered", "dataset/nccid")) as change:
        datasets.register(change, Dataset(name="nccid", title="Chest images", data_group=60100, created_at=_NOW))
    for start in range(0, projects, _AT_ONCE):
        names = [f"p-{number:05}" for number in range(start, min(projects, start + _AT_ONCE))]
        events = [_event("grant.activated", f"grant/{name}") for name in names]
        with portal.database.change(*events) as change:
            for number, name in enumerate(names, start):
                spec = AccessGrantSpec.model_validate(_spec(number, chance))
                grants.apply(change, name, spec, "signed-file", _NOW)
                grants.set_phase(change, name, GrantPhase.Active, _NOW + timedelta(seconds=number))
                register.keep_slice(change, slice_id(name, "cxr"), "nccid", told, _NOW)
                if number % 2:
                    grants.set_phase(change, name, GrantPhase.Expired, _NOW)


def _event(kind: str, about: str) -> Event:
    return Event(id=new_id(), at=_NOW, actor=program("bench"), kind=kind, object=about)


def _spec(number: int, chance: random.Random) -> dict[str, Any]:
    def said(count: int) -> str:
        return " ".join(chance.choices(_WORDS, k=count)).capitalize() + "."

    starts = _NOW - timedelta(days=number % 900)
    firm = number % 5 == 0
    return {
        "project": {
            "title": said(8),
            "laySummary": f"{said(148)} P{number:04}.",
            "publicBenefit": said(40),
            "organisation": {
                "name": f"Place {number % 300}",
                "id": f"org-{number % 300}",
                "sector": "Industry" if firm else "Academic",
                "commercial": firm,
            },
        },
        "approval": {
            "body": "Committee",
            "reference": f"R-{number}",
            "approvedAt": starts.isoformat(),
            "planDigest": digest({"number": number}),
        },
        "members": [{"subject": {"issuer": "local", "id": f"person{number}"}, "role": "lead"}],
        "notBefore": starts.isoformat(),
        "expires": (starts + timedelta(days=1000)).isoformat(),
        "slices": [
            {
                "name": "cxr",
                "dataset": "nccid",
                "release": "r1",
                "spec": {"slice": 1, "dataset": "nccid", "release": "r1", "images": [{"modality": ["DX"]}]},
            }
        ],
        "register": {"applicants": [f"Dr {number}"], "funders": ["A Council"], "technicalSummary": said(120)},
    }


def _slice() -> PublicSlice:
    ages = [PublicShare(category=f"{age}-{age + 9}", here=100, dataset=100, population=100) for age in range(0, 90, 10)]
    sexes = [PublicShare(category=name, here=500, dataset=500, population=500) for name in ("female", "male")]
    kinds = (PublicShare(category="DX", here=1000, dataset=1000),)
    dimensions = {"age_band": tuple(ages), "sex": tuple(sexes), "modality": kinds}
    return PublicSlice(
        people=1000,
        studies=1500,
        images=2000,
        columns=("pseudonym", "sex"),
        opted_out="*",
        population="Everybody, 2021",
        dimensions=tuple(PublicDimension(name=name, shares=shares) for name, shares in dimensions.items()),
        small=8,
    )
