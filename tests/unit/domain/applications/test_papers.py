"""Papers of an application: their names, bounds, who needs them, and that another paper is another matter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.applications import AUTHOR, OTHER_PLAN, PLAN, WAY, content_plain, plans_for
from tests.support.factories import BOB, NOON
from tre.domain.applications import acts, papers
from tre.domain.applications.models import Application, Attachment
from tre.domain.applications.papers import Paper, PaperState, PaperTerms
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Role

TERMS = PaperTerms()
PROTOCOL = Attachment(name="protocol.pdf", digest=PLAN, bytes=4)
LETTER = Attachment(name="letter.pdf", digest=OTHER_PLAN, bytes=5)


def application(**changes: Any) -> Application:
    first = acts.begin("a-abcdefghijkl", AUTHOR, NOON)
    return acts.edit(first, AUTHOR, content_plain(**changes), NOON)


def refused(act: Any) -> Reason:
    with pytest.raises(TREError) as caught:
        act()
    return caught.value.reason


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("protocol.pdf", "protocol.pdf"),
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\fakepath\\letter.docx", "letter.docx"),
        ("a\u202eb\r\n.pdf", "a b .pdf"),
    ],
)
def test_a_name_is_the_last_part_in_one_line(given: str, name: str) -> None:
    assert papers.name_of(given) == name


@pytest.mark.parametrize("given", ["", "..", "a/", "\u202e", "x" * 201 + ".pdf"])
def test_a_name_that_is_none_is_refused(given: str) -> None:
    assert refused(lambda: papers.name_of(given)) is Reason.FileRefused


@pytest.mark.parametrize("name", ["run.exe", "pdf", ".pdf", "page.pdf.html", "x."])
def test_a_kind_that_the_policy_does_not_name_is_refused(name: str) -> None:
    assert refused(lambda: papers.check_name(name, TERMS)) is Reason.FileRefused
    papers.check_name("Protocol.PDF", TERMS)


def test_a_size_is_bounded_from_both_sides() -> None:
    papers.check_size(1, TERMS)
    papers.check_size(TERMS.most_bytes, TERMS)
    assert refused(lambda: papers.check_size(0, TERMS)) is Reason.FileRefused
    assert refused(lambda: papers.check_size(TERMS.most_bytes + 1, TERMS)) is Reason.FileRefused


@pytest.mark.parametrize("amount", ["0", "48Mi", "1G"])
def test_a_policy_that_allows_more_than_is_ever_read_is_refused(amount: str) -> None:
    with pytest.raises(ValidationError):
        PaperTerms.model_validate({"fileBytes": amount})


def test_a_paper_of_the_same_name_makes_room() -> None:
    found = papers.attach(application(), AUTHOR, PROTOCOL, TERMS, NOON)
    found = papers.attach(found, AUTHOR, LETTER, TERMS, NOON)
    newer = PROTOCOL.model_copy(update={"digest": "sha256:" + "ef" * 32})
    found = papers.attach(found, AUTHOR, newer, TERMS, NOON)
    assert papers.drafted(found) == [LETTER, newer]


def test_there_are_only_so_many_papers() -> None:
    few = PaperTerms(files=1)
    found = papers.attach(application(), AUTHOR, PROTOCOL, few, NOON)
    assert refused(lambda: papers.attach(found, AUTHOR, LETTER, few, NOON)) is Reason.FileRefused
    papers.attach(found, AUTHOR, PROTOCOL, few, NOON)


def test_a_paper_is_taken_out_by_its_name_once() -> None:
    found = papers.attach(application(), AUTHOR, PROTOCOL, TERMS, NOON)
    found = papers.attach(found, AUTHOR, LETTER, TERMS, NOON)
    found = papers.detach(found, AUTHOR, "letter.pdf", NOON)
    assert papers.drafted(found) == [PROTOCOL]
    assert refused(lambda: papers.detach(found, AUTHOR, "letter.pdf", NOON)) is Reason.ObjectNotFound
    last = papers.detach(found, AUTHOR, "protocol.pdf", NOON)
    assert papers.drafted(last) == []
    assert "attachments" not in last.draft


def test_nobody_else_attaches_or_takes_out() -> None:
    bob = Person(subject=BOB, display_name="Bob", roles=frozenset({Role.researcher}))
    found = papers.attach(application(), AUTHOR, PROTOCOL, TERMS, NOON)
    assert refused(lambda: papers.attach(found, bob, LETTER, TERMS, NOON)) is Reason.ApplicationNotFound
    assert refused(lambda: papers.detach(found, bob, "protocol.pdf", NOON)) is Reason.ApplicationNotFound


@pytest.mark.parametrize("typed", ["x", [1], [{"name": "a"}], None])
def test_what_is_no_paper_in_a_draft_is_left_out(typed: Any) -> None:
    assert papers.drafted(application(attachments=typed)) == []


def test_another_paper_is_another_matter_and_voids_the_votes() -> None:
    def reviewed(*names: Attachment) -> Application:
        found = application()
        for one in names:
            found = papers.attach(found, AUTHOR, one, TERMS, NOON)
        handed = acts.submit(found, AUTHOR, NOON)
        return acts.taken_up(handed, plans_for(handed), WAY, NOON)

    changed = PROTOCOL.model_copy(update={"digest": OTHER_PLAN})
    matters = {reviewed().matter, reviewed(PROTOCOL).matter, reviewed(changed).matter}
    assert len(matters) == 3
    assert reviewed(PROTOCOL).matter == reviewed(PROTOCOL).matter


def test_what_goes_on_needs_its_papers_and_what_ended_for_a_while() -> None:
    found = papers.attach(application(), AUTHOR, PROTOCOL, TERMS, NOON)
    late = NOON + timedelta(days=1000)
    assert papers.needed(found, TERMS, late) == {PLAN}
    handed = acts.submit(found, AUTHOR, NOON)
    assert papers.kept_until(handed, TERMS) is None
    back = acts.deferred(handed, ["Why?"], NOON, Reason.ChangesRequested)
    swapped = papers.attach(papers.detach(back, AUTHOR, "protocol.pdf", NOON), AUTHOR, LETTER, TERMS, NOON)
    assert papers.needed(swapped, TERMS, late) == {PLAN, OTHER_PLAN}
    ended = acts.withdraw(handed, AUTHOR, NOON)
    over = NOON + timedelta(days=TERMS.keep_days)
    assert papers.kept_until(ended, TERMS) == over
    assert papers.needed(ended, TERMS, over - timedelta(seconds=1)) == {PLAN}
    assert papers.needed(ended, TERMS, over) == frozenset()


@pytest.mark.parametrize(
    ("state", "arrived"),
    [(PaperState.kept, True), (PaperState.arriving, False), (PaperState.lost, False), (PaperState.removed, False)],
)
def test_what_has_not_arrived_is_not_handed_in(state: PaperState, arrived: bool) -> None:
    found = papers.attach(application(), AUTHOR, PROTOCOL, TERMS, NOON)
    row = Paper(application=found.id, digest=PLAN, size=4, state=state, upload="0" * 32, at=NOON)
    papers.check_arrived(found, [])  # a paper that was only named
    if arrived:
        papers.check_arrived(found, [row])
    else:
        assert refused(lambda: papers.check_arrived(found, [row])) is Reason.ApplicationIncomplete


def test_the_bounds_are_told_in_a_sentence() -> None:
    assert PaperTerms(files=2, kinds=("pdf", "md")).says() == "At most 2 files of 20MiB each; names end in .pdf, .md."
