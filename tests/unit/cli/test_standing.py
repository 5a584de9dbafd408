"""`tre person`, `tre standing` and `tre user disable` as people type them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.cli.conftest import PASSWORD, Here
from tre.cli import common

NEXT = (datetime.now(UTC) + timedelta(days=300)).date().isoformat()


def listed(here: Here, *words: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(here.done("standing", "list", "--json", *words).out)
    return found


def test_what_is_held_is_recorded_shown_and_ended(here: Here) -> None:
    words = ("standing", "add", "training", "safe-researcher", "--until", NEXT)
    done = here.done(*words, "--person", "local:alice", "--reference", "ONS 1234")
    assert "training safe-researcher until" in done.shown
    assert "did not sign in here yet" not in done.shown
    here.done("standing", "add", "agreement", "data-use", "--until", NEXT, "--organisation", "org-1")
    assert "did not sign in here yet" in here.done(*words, "--person", "https://idp.example:8443/x:zoe").shown
    assert len(listed(here)) == 3
    [training] = listed(here, "--person", "local:alice")
    assert training["reference"] == "ONS 1234"
    assert str(training["until"]).startswith((datetime.fromisoformat(NEXT) + timedelta(days=1)).date().isoformat())
    assert len(listed(here, "--organisation", "org-1")) == 1
    shown = here.done("person", "show", "local:alice").shown
    assert "training safe-researcher" in shown
    assert "nothing that is required" in shown
    assert "1234" in here.done("standing", "list").shown
    identifier = str(training["id"])
    assert "ended" in here.done("standing", "end", identifier, "--reason", "withdrawn by the course").shown
    assert "is over already" in here.refused("standing", "end", identifier, "--reason", "again").shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("training", "x", "--until", NEXT), "one person, or one organisation"),
        (("training", "x", "--until", NEXT, "--person", "local:a", "--organisation", "o"), "one person, or one"),
        (("training", "X y", "--until", NEXT, "--person", "local:a"), "name"),
        (("training", "x", "--until", "30.6.2027", "--person", "local:a"), "2027-06-30"),
        (("training", "x", "--until", "1700000000", "--person", "local:a"), "2027-06-30"),
        (("training", "x", "--until", "2027-02-30", "--person", "local:a"), "until"),
        (("training", "x", "--until", "2020-01-01", "--person", "local:a"), "before it begins"),
        (("training", "x", "--until", "2020-02-01", "--since", "2020-01-01", "--person", "local:a"), "over already"),
        (("training", "x", "--until", "2999-12-31", "--person", "local:a"), "twenty years"),
        (("training", "x", "--until", NEXT, "--person", "a"), "names nobody"),
        (("training", "x", "--until", NEXT, "--organisation", "a\nb"), "organisation"),
        (("training", "x", "--until", NEXT, "--organisation", "o", "--reference", "a\tb"), "reference"),
    ],
)
def test_mistakes_change_nothing(shared: Here, words: tuple[str, ...], told: str) -> None:
    found = shared.tre("standing", "add", *words)
    assert (found.code, found.crash) == (1, None), found
    assert told in found.shown
    assert listed(shared) == []


def test_unknown_people_and_standings(shared: Here) -> None:
    assert "Nobody here is called local:zoe" in shared.refused("person", "show", "local:zoe").shown
    assert "no such standing" in shared.refused("standing", "end", "nothing", "--reason", "x").shown
    assert "is not disabled" in shared.refused("user", "enable", "alice").shown
    assert "no account 'zoe'" in shared.refused("user", "enable", "zoe").shown


def test_nobody_records_their_own(shared: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    me = f"machine:{common.operator().id}"
    words = ("standing", "add", "training", "x", "--until", NEXT, "--person", me)
    assert "You cannot record this about yourself" in shared.refused(*words).shown


def test_a_disabled_account_is_kept_out_and_can_be_let_in(here: Here) -> None:
    here.done("user", "disable", "alice")
    assert "AccountDisabled" in here.done("person", "list").shown
    person = json.loads(here.done("person", "show", "local:alice", "--json").out)
    assert (person["keptOut"], person["barred"]) == ("AccountDisabled", "AccountDisabled")
    here.done("user", "passwd", "alice", "--password-stdin", typed=PASSWORD + "\n")
    assert "AccountDisabled" in here.done("person", "list").shown  # a new password lets nobody in
    here.done("user", "enable", "alice")
    assert "AccountDisabled" not in here.done("person", "list", "--json").out
    assert here.done("standing", "required").code == 0
    assert json.loads(here.done("standing", "required", "--json").out) == {"organisations": [], "people": []}
