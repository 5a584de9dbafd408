"""Who reads findings: the author's side learns no place, message, count or digest of what is for checkers."""

from __future__ import annotations

import json

from tests.unit.domain.exports.world import AUTHOR, CHECKERS, COLLEAGUE, World, finding
from tre.domain.errors import TREError
from tre.domain.exports import reviewing
from tre.domain.exports.audience import audience_of, is_told, name_of, told
from tre.domain.exports.catalogue import CATALOGUE, Audience
from tre.domain.exports.models import ExportRequest, Finding, Locator
from tre.domain.exports.policies import check_checked
from tre.domain.exports.severity import Severity
from tre.domain.exports.visibility import seen_by
from tre.domain.people import Person

CAROL, DAVE, _ = CHECKERS
PLAIN = finding(Severity.E)


def secret(row: int, check: str = "P01", case: str = "", severity: Severity = Severity.E) -> Finding:
    values = {"check": check, "case": case, "locator": Locator(row=row), "message": f"pseudonym X{row} in row {row}"}
    return PLAIN.model_copy(update=values | {"id": f"aaaaaaaaaa{'abcdefgh'[row]}a", "severity": severity})


SIBLING = secret(7, "S04", "sibling")
FOUND = (PLAIN, secret(1), secret(2), SIBLING)


def shown(world: World, who: Person) -> ExportRequest:
    return seen_by(world.request, who, world.grant)


def test_a_check_that_the_catalogue_does_not_know_is_for_checkers() -> None:
    assert audience_of(secret(1, "Z99")) is Audience.checkers
    assert [is_told(item) for item in FOUND] == [True, True, True, False]


def test_the_project_reads_an_outline_once_and_checkers_everything() -> None:
    world = World().with_files().checked(*FOUND)
    for who in (AUTHOR, COLLEAGUE):
        run = shown(world, who).check_run
        assert run is not None
        assert [item.check for item in run.findings] == ["S01", "P01"]
        outline = run.findings[1]
        assert outline.message == CATALOGUE["P01"].statement
        assert (outline.locator, outline.severity) == (Locator(), Severity.E)
    world.submit()
    seen = shown(world, CAROL).check_run
    assert seen is not None
    assert seen.findings == FOUND


def test_nothing_that_the_project_sees_changes_with_how_much_was_found() -> None:
    """Else a guess at the findings could be tested against a digest."""
    pages = set()
    for found in ((PLAIN, secret(1)), (PLAIN, secret(2), secret(3)), (PLAIN, secret(4), SIBLING)):
        world = World().with_files().checked(*found).submit()
        for checker in (CAROL, DAVE):
            world.vote(checker, world.ballot(dispositions=world.answers(*found, why="seen"))).hand_in(checker)
        world.request = reviewing.return_to_author(world.request, CAROL, "words", world.situation)
        pages.add(json.dumps(shown(world, AUTHOR).as_plain(), sort_keys=True))
    assert len(pages) == 1
    assert "X1" not in pages.pop()


def test_a_blocked_verdict_stays_and_says_no_more_than_it_may() -> None:
    world = World().with_files().checked(secret(1, severity=Severity.B), secret(2, severity=Severity.B))
    run = shown(world, AUTHOR).check_run
    assert run is not None
    assert [item.severity for item in run.findings] == [Severity.B]
    messages = []
    for found in (
        (secret(1, severity=Severity.B),),
        (secret(1, severity=Severity.B), secret(2, severity=Severity.B)),
        (secret(7, "S04", "sibling", Severity.B),),
    ):
        world.checked(*found)
        try:
            check_checked(world.request, world.rules)
        except TREError as error:
            messages.append(str(error))
    assert messages[0] == messages[1]
    assert "P01" in messages[0]
    assert "S04" not in messages[2]


def test_a_vote_about_an_older_run_has_no_name_of_it() -> None:
    run = World().with_files().run(*FOUND)
    assert name_of(run, told(run), run.id) == told(run).id != run.id
    assert name_of(run, told(run), "an older one") == name_of(None, None, "x") == name_of(run, None, run.id)
