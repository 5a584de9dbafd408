"""Checks of data that come in and of files that leave."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, select

from tre.cli.satre.place import Check, Found, Place, held, judged, nothing, policies
from tre.domain.exports.severity import Severity
from tre.domain.imports.states import ImportState
from tre.store import imports
from tre.store.tables.airlock import export_requests, export_reviews
from tre.store.tables.data import datasets, releases

REVIEWERS = 2
"""How many people must have looked at a release: no policy can ask for fewer."""

MODELS = frozenset({"safetensors", "onnx"})
"""File types that hold a trained model, which nobody can check by hand."""

TRAINING_DATA = "M02"
"""The check that holds a model's tensors against the slice."""


def _datasets_recorded(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        known = set(connection.execute(select(datasets.c.name)).scalars())
        folder = place.layout.datasets
        stored = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        if not known and not stored:
            return nothing("No data are held yet.")
        wrong = [f"{name} is stored and not in the record" for name in stored if name not in known]
        return judged(wrong, f"{len(known)} data sets, with their releases, are in the record; nothing else is stored.")

    return place.asked(look)


def _deliveries_gated(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        found = connection.execute(select(releases.c.dataset, releases.c.name, releases.c.gate)).all()
        if not found:
            return nothing("There is no release of data yet.")
        wrong = [f"{row.dataset} {row.name} did not pass the header gate" for row in found if not row.gate]
        return judged(wrong, f"Each of {len(found)} releases passed the header gate.")

    return place.asked(look)


def _imports_approved(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        found = imports.by_state(connection, (ImportState.Placed,))
        if not found:
            return nothing("No file came in by request yet.")
        wrong = [
            f"{one.id} came in without a yes from outside"
            for one in found
            if not any(vote.approves and vote.manifest == one.manifest and vote.by != one.author for vote in one.votes)
        ]
        return judged(wrong, f"Each of {len(found)} requests that came in was approved by somebody else.")

    return place.asked(look)


def _releases_reviewed(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        left = connection.execute(select(export_requests).where(export_requests.c.released_at.is_not(None))).all()
        if not left:
            return nothing("Nothing has left yet.")
        query = select(export_reviews).where(export_reviews.c.submitted_at.is_not(None), ~export_reviews.c.void)
        reviews = connection.execute(query).all()
        authors = {row.id: (row.author_issuer, row.author_id) for row in left}
        counts = Counter(
            (row.request, row.turn)
            for row in reviews
            if authors.get(row.request) != (row.checker_issuer, row.checker_id)
        )
        wrong = [
            f"{row.id} left with {counts[row.id, row.turn]} reviews"
            for row in left
            if counts[row.id, row.turn] < REVIEWERS and row.emergency is None
        ]
        return judged(wrong, f"Each of {len(left)} releases was looked at by two people or seconded by an operator.")

    return place.asked(look)


def _criteria_kept(place: Place) -> Found:
    def look(connection: Connection) -> Found:
        wanted = (export_requests.c.id, export_requests.c.run, export_requests.c.bundle_sha256)
        left = connection.execute(select(*wanted).where(export_requests.c.released_at.is_not(None))).all()
        if not left:
            return nothing("Nothing has left yet.")
        wrong = [
            f"{row.id} left without its criteria"
            for row in left
            if not (row.bundle_sha256 and row.run and row.run.get("policy", {}).get("sha256") and row.run.get("tools"))
        ]
        return judged(wrong, f"Each of {len(left)} releases names its policy and tools by digest and version.")

    return place.asked(look)


def _policies_load(place: Place) -> Found:
    found = policies(place)
    return held(f"Every policy that a project names was read: {', '.join(found)}.")


def _models_held_back(place: Place) -> Found:
    found = policies(place)
    lenient = [
        f"policy {name} lets models out that hold training data"
        for name, policy in found.items()
        if MODELS & set(policy.spec.types) and policy.spec.severities[TRAINING_DATA] not in {Severity.B, Severity.E}
    ]
    return judged(lenient, f"No model leaves that holds training data, but by an exception: {', '.join(found)}.")


CHECKS: dict[str, Check] = {
    "datasets-recorded": Check("every data set that is stored is in the record", _datasets_recorded),
    "deliveries-gated": Check("every release of data passed the header gate", _deliveries_gated),
    "imports-approved": Check("every file that came in by request was approved by somebody else", _imports_approved),
    "releases-reviewed": Check(
        "every release was looked at by two people, or seconded by an operator", _releases_reviewed
    ),
    "criteria-kept": Check("every release names its policy by digest, and the tools' versions", _criteria_kept),
    "policies-load": Check("every airlock policy that a project names is read, strictly", _policies_load),
    "models-held-back": Check("no policy in force lets a model out unchecked", _models_held_back),
}
"""What is looked at, by name."""
