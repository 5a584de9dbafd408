"""A public register with something in it: projects, data, opt-outs told of, a checkpoint."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from tests.unit.domain.register.test_entry import FULL
from tests.unit.portal.world import GRANT, World
from tre.domain.datasets import Dataset, Release
from tre.domain.names import slice_id
from tre.domain.register.slices import PublicDimension, PublicShare, PublicSlice
from tre.domain.slices.plan import Counts
from tre.store import datasets, register
from tre.store.tables.audit import audit_checkpoints

TITLE = "Chest images"
PLAIN = (
    "COVID-19 can harm the lungs. Doctors see this on an X-ray. Two doctors may judge one picture in two ways. We "
    "teach a computer to score how bad the harm is. Then we look at whether the score tells who will need more care."
)
NOTE = "tre.example/log\n3\nAAAA\nat 2026-11-24T12:00:00.000000Z\n\n— key AAAA\n"


def share(category: str, here: Any, dataset: Any, population: int | None = None, *, fewer: bool = False) -> PublicShare:
    return PublicShare(category=category, here=here, dataset=dataset, population=population, fewer=fewer)


def a_slice(*, sites: bool = False, **changes: Any) -> PublicSlice:
    dimensions = [
        PublicDimension(name="sex", shares=(share("female", 400, 450, 510, fewer=True), share("male", 600, 550, 490))),
        PublicDimension(
            name="age_band",
            shares=(share("0-9", "*", "*", 113), share("60-69", 300, 280, 107), share("70-79", 700, 720, 86)),
        ),
        PublicDimension(name="ethnicity_group", shares=(share("white", 800, 790, 817), share("unknown", 200, 210))),
        PublicDimension(name="modality", shares=(share("DX", 900, 900), share("CT", "*", 100), share("MR", 0, 0))),
        PublicDimension(name="study_quarter", shares=(share("2020-Q2", 500, 500), share("2021-Q1", 500, 500))),
    ]
    if sites:
        dimensions.append(PublicDimension(name="site", shares=(share("RXX", 600, 600), share("RYY", 0, "*"))))
    values: dict[str, Any] = {
        "people": 1235,
        "studies": 2000,
        "images": 3190,
        "columns": ("pseudonym", "sex"),
        "opted_out": "*",
        "population": "Usual residents of England and Wales, Census 2021, 2021",
        "dimensions": tuple(dimensions),
        "small": 8,
    }
    return PublicSlice.model_validate(values | changes)


def project(title: str = "Scoring of X-rays of the lungs", **changes: Any) -> dict[str, Any]:
    organisation = {"name": "University of Somewhere", "id": "org-1", "sector": "Academic", "commercial": False}
    benefit = "People who will be very ill could be found early. Beds could be planned better."
    return {"title": title, "laySummary": PLAIN, "publicBenefit": benefit, "organisation": organisation} | changes


FIRM = {"name": "Imaging Company Ltd", "id": "org-9", "sector": "Industry", "commercial": True}


def furnish(world: World, *, sites: bool = False, name: str = "told") -> str:
    """A dataset with a release, a project that is told of in full, and the log's checkpoint."""
    now = world.clock.now()
    known = Dataset(name="nccid", title=TITLE, data_group=60100, created_at=now)
    counts = Counts(patients=2003, studies=2500, series=2600, instances=6001, files=6001, bytes=10)
    release = Release(
        dataset="nccid", name="2026-10-01", index_digest="sha256:" + "0" * 64, counts=counts, created_at=now
    )
    with world.database.change(world.event()) as change:
        datasets.register(change, known)
        datasets.publish(change, release)
        change.connection.execute(insert(audit_checkpoints).values(size=3, root=b"\0" * 32, at=now, note=NOTE))
    dates = {"notBefore": (now - timedelta(days=200)).isoformat(), "expires": (now + timedelta(days=200)).isoformat()}
    told = FULL | {
        "criteria": ["The aim serves patients.", "The team can do it."],
        "linkage": "Names of the linkage team",
        "patientView": "We like it. We want to hear what comes of it.",
        "withheld": [{"field": "linkage", "reason": "It would help an attacker."}],
    }
    world.add_grant(name, project=project(), register=told, **dates)
    with world.database.change(world.event()) as change:
        register.keep_slice(change, slice_id(name, "cxr"), "nccid", a_slice(sites=sites), now)
    return name


__all__ = ["FIRM", "GRANT", "NOTE", "PLAIN", "TITLE", "a_slice", "furnish", "project", "share"]
