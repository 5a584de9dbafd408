"""From the file of an application to a project that runs, typed; and everything that is mistyped on the way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pikepdf
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.applications import KINDS, content_plain, slice_of
from tests.support.whole_site import Site
from tests.unit.cli.conftest import Here
from tre.cli.application import ApplicationFile
from tre.domain.applications.drafts import advice_on
from tre.system.paths import CHECKOUT
from tre.system.resources import read_record

PEOPLE = dict(zip(("clara", "adam", "connie", "pat"), KINDS, strict=True))
SPEC = {"slice": 1, "dataset": "demo", "release": "r1", "images": [{"modality": ["DX"]}]}
LONG = {"ends": "2036-01-01T00:00:00Z"}


class Place(Here):
    """An installation whose services work when told."""

    def __init__(self, here: Here) -> None:
        super().__init__(here.home)
        self.site = Site(self.root)
        self.site.open()

    def json(self, *words: str) -> Any:
        return json.loads(self.done(*words, "--json").out)

    def file(self, name: str = "application", **changes: Any) -> str:
        lead = content_plain()["people"][0] | {"role": "lead"}
        asked = slice_of(spec=SPEC, justifications={"DX": "They show the disease."})
        law = content_plain()["legalBasis"] | LONG
        spec = content_plain(people=[lead], slices=[asked], legalBasis=law, **LONG) | changes
        spec["outputs"] = [{"what": "A paper", "due": "2035-01-01"}]
        answers = spec.pop("answers", [])
        path = self.home / f"{name}.yaml"
        whole = {"apiVersion": "tre.research/v1alpha1", "kind": "Application", "metadata": {"name": name}}
        path.write_text(yaml.safe_dump({**whole, "spec": spec, "answers": answers}))
        return str(path)

    def sit(self) -> dict[str, str]:
        found = {}
        for name, kind in PEOPLE.items():
            words = ["--constituency", kind, "--name", f"Member {name}", "--organisation", f"Trust of {name}"]
            chair = ["--chair"] if name == "clara" else []
            found[name] = self.json(
                "committee", "seat", "add", f"local:{name}", *words, "--until", "2036-01-01", *chair
            )["id"]
        return found

    def submit(self, *words: str, **changes: Any) -> str:
        found = self.json("application", "submit", self.file(**changes), "--as", "local:alice", *words)
        self.site.settle()
        return str(found["id"])

    def vote(self, name: str, who: str, choice: str = "approve", *words: str) -> None:
        said = ["--choice", choice, "--reasons", "It helps.", *words]
        self.done("committee", "vote", name, "--as", f"local:{who}", *said)


@pytest.fixture
def place(here: Here) -> Iterator[Place]:
    found = Place(here)
    yield found
    found.site.close()


def test_from_a_file_to_a_project_that_runs(place: Place) -> None:
    place.sit()
    assert [one["inForce"] for one in place.json("committee", "list")] == [True] * 4
    name = place.submit()
    shown = place.json("application", "show", name)
    assert shown["state"] == "InReview", shown["message"]
    assert shown["votes"]["outcome"] is None
    assert "Patients and the public: 0 of 1 votes." in place.done("application", "show", name).shown
    (item,) = place.json("committee", "agenda")
    assert (item["application"], item["late"], len(item["waiting"])) == (name, False, 4)
    assert "Member pat" in place.done("committee", "agenda").shown
    assert place.json("committee", "minutes", "--since", "2020-01-01") == []
    for who in PEOPLE:
        place.vote(name, who)
    place.site.settle()
    shown = place.json("application", "show", name)
    assert shown["state"] == "Approved", shown
    grant = place.json("grant", "show", shown["grant"])
    assert grant["status"]["phase"] == "Active", grant["status"]
    assert grant["spec"]["approval"]["evidence"]["source"] == "committee"
    assert [one["id"] for one in place.json("application", "list", "--state", "Approved")] == [name]
    assert place.json("committee", "agenda") == []
    (kept,) = place.json("committee", "minutes", "--since", "2020-01-01")
    assert kept["record"]["application"] == name
    assert place.json("committee", "minutes", "--since", "2100-01-01") == []
    assert "4 of 4 approve" in place.done("committee", "minutes", "--since", "2020-01-01").shown
    for view in (("application", "list"), ("application", "show", name), ("committee", "list")):
        place.done(*view)
    assert "approved" in place.done("committee", "decision", "show", shown["grant"]).shown


def test_a_decision_is_verified_by_anybody_who_has_the_key(place: Place, tmp_path: Path) -> None:
    place.sit()
    name = place.submit()
    for who in PEOPLE:
        place.vote(name, who)
    place.site.settle()
    printed = place.done("committee", "decision", "show", name, "--json").out
    kept = tmp_path / "decision.json"
    kept.write_text(printed)
    assert place.json("committee", "verify", str(kept))["outcome"] == "approved"
    public = next((place.layout.keys / "committee-signers").iterdir())
    assert "good" in place.done("committee", "verify", str(kept), "--key", str(public)).shown
    changed = tmp_path / "changed.json"
    changed.write_text(printed.replace('"It helps."', '"It hurts."', 1))
    assert "changed after it was signed" in place.refused("committee", "verify", str(changed)).shown
    stranger = tmp_path / "stranger.pub"
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    stranger.write_bytes(Ed25519PrivateKey.generate().public_key().public_bytes(encoding, form))
    said = place.refused("committee", "verify", str(kept), "--key", str(stranger)).shown
    assert "not configured here" in said
    for wrong in (kept, tmp_path / "none.pub"):
        assert "is no public key" in place.refused("committee", "verify", str(kept), "--key", str(wrong)).shown


def test_words_for_the_public_are_typed_and_shown(place: Place) -> None:
    place.sit()
    name = place.submit()
    said = place.refused(
        *("committee", "vote", name, "--as", "local:pat", "--choice", "decline", "--reasons", "x"),
        *("--for-the-public", "See https://a.example"),
    ).shown
    assert "forThePublic: no links" in said
    for who in PEOPLE:
        place.vote(name, who, "decline", "--for-the-public", f"Too much ({who}).")
    place.site.settle()
    shown = place.done("committee", "decision", "show", name).shown
    assert "for the public: Too much (clara)." in shown
    assert "for the public: patient members: Too much (pat)." in shown
    withheld = ["committee", "decision", "withhold", name, "--reason"]
    assert "control characters" in place.refused(*withheld, "a\nb").shown
    assert "public no more" in place.done(*withheld, "It named a person.").shown
    assert "Too much (pat)." in place.done("committee", "decision", "show", name).shown
    nothing = place.refused("committee", "decision", "withhold", "a-nothing", "--reason", "x")
    assert "There is no decision" in nothing.shown


def test_questions_are_answered_and_a_chair_closes(place: Place) -> None:
    seats = place.sit()
    name = place.submit()
    for who in PEOPLE:
        place.vote(name, who, "defer", "--question", "Why?")
    place.site.settle()
    assert place.json("application", "show", name)["state"] == "Deferred"
    missing = place.refused("application", "submit", place.file(), "--as", "local:alice", "--again", name)
    assert "1 questions, and 0 answers" in missing.shown
    place.submit("--again", name, answers=["Because."])
    more = ["--constituency", "academic", "--name", "Dora", "--organisation", "X", "--until", "2036-01-01"]
    place.done("committee", "seat", "add", "local:dora", *more)
    assert "cannot be closed yet" in place.refused("committee", "close", name, "--as", "local:clara").shown
    for who in PEOPLE:
        place.vote(name, who)
    assert "Only the chair" in place.refused("committee", "close", name, "--as", "local:pat").shown
    place.done("committee", "close", name, "--as", "local:clara")
    place.site.settle()
    found = place.json("application", "show", name)
    assert found["state"] == "Approved"
    assert (
        "suspended" in place.done("committee", "stop", found["grant"], "--as", "local:pat", "--reason", "breach").shown
    )
    place.site.settle()
    assert place.json("grant", "show", found["grant"])["status"]["phase"] == "Suspended"
    place.done("committee", "seat", "end", seats["pat"], "--reason", "moved away")
    again = place.refused("committee", "stop", found["grant"], "--as", "local:pat", "--reason", "again")
    assert "SeatEnded" in again.shown


def test_what_is_mistyped_changes_nothing(place: Place) -> None:
    seats = place.sit()
    name = place.submit()
    place.done("committee", "seat", "declare", seats["connie"], "--interest", "University")
    place.done("committee", "recuse", name, "--as", "local:adam", "--reason", "a friend")
    place.vote(name, "pat")
    person = ["--name", "X", "--organisation", "Y", "--until", "2036-01-01"]
    seat = ["committee", "seat", "add"]
    vote = ["committee", "vote", name, "--reasons", "x", "--choice"]
    bad = place.file("bad", title="", laySummary="<b>Bold</b>")
    for words, said in (
        (["application", "show", "a-nothing"], "ApplicationNotFound"),
        (["application", "submit", bad, "--as", "local:alice"], "spec.title: at least 1"),
        (["application", "submit", bad, "--as", "local:alice"], "markup is not allowed"),
        (["application", "submit", place.file(), "--as", "alice"], "names nobody"),
        (["application", "submit", place.file(), "--as", "local:alice", "--varies", "lungz"], "GrantNotFound"),
        (["application", "submit", place.file(), "--as", "local:alice", "--again", name], "StateForbids"),
        (["application", "submit", place.file(), "--as", "local:eve", "--again", name], "ApplicationNotFound"),
        ([*seat, "local:new", "--constituency", "wizard", *person], "There is no constituency 'wizard'"),
        ([*seat, "local:pat", "--constituency", "academic", *person], "One person has one seat"),
        ([*seat, "local:new", "--constituency", "academic", *person[:4], "--until", "2020-01-01"], "after begins"),
        (["committee", "seat", "end", "s-nothing", "--reason", "x"], "SeatNotFound"),
        (["committee", "seat", "end", seats["pat"], "--reason", "a\nb"], "control characters"),
        (["committee", "seat", "declare", "s-nothing"], "SeatNotFound"),
        ([*vote, "approve", "--as", "local:pat"], "AlreadyVoted"),
        ([*vote, "approve", "--as", "local:eve"], "NotPermitted"),
        ([*vote, "approve", "--as", "local:adam"], "ConflictOfInterest"),
        ([*vote, "approve", "--as", "local:connie"], "has declared an interest: University"),
        ([*vote, "defer", "--as", "local:clara"], "questions to the applicant are due"),
        ([*vote, "approve", "--as", "local:clara", "--criterion", "magic"], "There is no criterion magic"),
        ([*vote, "approve-with-conditions", "--as", "local:clara", "--condition", "DUO:1"], "DUO"),
        (["committee", "recuse", name, "--as", "local:adam", "--reason", "x"], "ConflictOfInterest"),
        (["committee", "stop", "lungz", "--as", "local:pat", "--reason", "x"], "GrantNotFound"),
        (["committee", "decision", "show", name], "There is no decision"),
        (["committee", "verify", place.file()], "BadInput"),
    ):
        found = place.refused(*words)
        assert said in found.shown, found


def test_the_example_is_whole_and_plain() -> None:
    found = read_record(ApplicationFile, CHECKOUT / "examples" / "application.yaml")
    assert advice_on(found.spec.as_plain()) == []


def test_a_pack_is_written_for_one_member_and_recorded(place: Place, tmp_path: Path) -> None:
    place.sit()
    name = place.submit()
    place.done("committee", "recuse", name, "--as", "local:adam", "--reason", "A friend of mine.")
    file = tmp_path / "pack.pdf"
    printed = place.json("committee", "pack", str(file), "--as", "local:pat", "--since", "2026-01-01")
    assert (list(printed["matters"]), printed["leftOut"]) == ([name], [])
    assert printed["sha256"] == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    assert file.stat().st_mode & 0o777 == 0o600
    with pikepdf.open(file) as document:
        assert "pack of" in str(document.docinfo.Title)
        assert len(document.pages) > 2
    left = place.done("committee", "pack", str(tmp_path / "left.pdf"), "--as", "local:adam").shown
    assert "0 applications for Member adam, 1 left out" in left
    logged = [row for row in place.dump()["audit_events"] if "committee.pack-fetched" in row]
    assert len(logged) == 2
    assert [printed["sha256"] in str(row) for row in logged].count(True) == 1


def test_a_pack_that_cannot_be_given_is_not_recorded(place: Place, tmp_path: Path) -> None:
    place.sit()
    place.submit()
    (tmp_path / "there.pdf").write_text("mine")
    (tmp_path / "dangling.pdf").symlink_to(tmp_path / "nowhere")
    pat = ("--as", "local:pat")
    for file in ("there.pdf", "dangling.pdf", "none/such.pdf", "there.pdf/below.pdf"):
        place.refused("committee", "pack", str(tmp_path / file), *pat)
    place.refused("committee", "pack", str(tmp_path / "new.pdf"), "--as", "local:mallory")
    place.refused("committee", "pack", str(tmp_path / "new.pdf"), "--as", "pat")
    assert not (tmp_path / "new.pdf").exists()
    assert (tmp_path / "there.pdf").read_text() == "mine"
