"""Comments: who may write, who reads what when, and that blind votes stay blind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.domain.exports.world import AUTHOR, CHECKERS, COLLEAGUE, OPERATOR, START, World, person
from tre.domain.errors import Reason, TREError
from tre.domain.exports import comments, reviewing
from tre.domain.exports.comments import can_comment
from tre.domain.exports.models import Comment, Readers
from tre.domain.exports.visibility import seen_by, visible_comments
from tre.domain.people import Person, Role

CAROL, DAVE, ERIN = CHECKERS
PRIVATE, PUBLIC = Readers.private, Readers.public
COUNT = iter(range(10_000))


def words(text: str = "Why is 12 there?", readers: Readers = PRIVATE, **more: Any) -> Comment:
    number = next(COUNT)
    name = "".join("abcdefghijklmnop"[int(digit)] for digit in f"{number:012d}")
    values = {"id": name, "by": OPERATOR.subject, "turn": 9, "group": "tables", "readers": readers, "text": text}
    return Comment(**(values | {"at": START} | more))


def submitted() -> World:
    return World().with_files().checked().submit()


def say(world: World, who: Person, *said: Comment) -> World:
    for item in said:
        world.request = comments.comment(world.request, who, item, world.situation)
    return world


def reads(world: World, who: Person) -> list[str]:
    return [item.text for item in visible_comments(world.request, who, world.grant)]


def refused(act: Any, *arguments: Any) -> Reason:
    with pytest.raises(TREError) as error:
        act(*arguments)
    return error.value.reason


def test_a_comment_is_stamped_here_whatever_it_claimed() -> None:
    world = say(submitted().tick(hours=1), CAROL, words(path="a.csv", void=True))
    (kept,) = world.request.comments
    assert (kept.by, kept.turn, kept.at, kept.void) == (CAROL.subject, 1, world.now, False)


def test_while_votes_are_cast_apart_each_reads_the_own_only() -> None:
    world = say(say(submitted(), CAROL, words("one"), words("two", PUBLIC)), DAVE, words("three"))
    assert reads(world, CAROL) == ["one", "two"]
    assert reads(world, DAVE) == ["three"]
    for nobody in (ERIN, AUTHOR, COLLEAGUE, OPERATOR):
        assert reads(world, nobody) == []


def test_once_the_reviews_are_in_reviewers_read_one_another_and_the_author_nothing() -> None:
    world = say(submitted(), CAROL, words("one"), words("two", PUBLIC)).reviewed(CAROL, DAVE)
    assert reads(world, DAVE) == reads(world, CAROL) == ["one", "two"]
    assert reads(world, ERIN) == reads(world, AUTHOR) == []


def test_when_the_turn_is_over_the_public_ones_reach_the_project() -> None:
    world = say(submitted(), CAROL, words("one"), words("two", PUBLIC)).reviewed(CAROL, DAVE)
    world.request = reviewing.return_to_author(world.request, CAROL, "words", world.situation)
    assert reads(world, AUTHOR) == reads(world, COLLEAGUE) == ["two"]
    assert reads(world, ERIN) == ["one", "two"]
    assert reads(world, person("zoe", Role.researcher)) == reads(world, OPERATOR) == []
    assert [item.text for item in seen_by(world.request, AUTHOR, world.grant).comments] == ["two"]
    assert len(seen_by(world.request, ERIN, world.grant).comments) == 2


def test_the_author_answers_in_the_author_s_turn_and_everybody_concerned_reads_it() -> None:
    world = submitted().reviewed(CAROL, DAVE)
    assert refused(comments.comment, world.request, AUTHOR, words(), world.situation) is Reason.StateForbids
    world.request = reviewing.return_to_author(world.request, CAROL, "words", world.situation)
    assert refused(comments.comment, world.request, CAROL, words(), world.situation) is Reason.StateForbids
    say(world, AUTHOR, words("because", PRIVATE))
    assert world.request.comments[0].readers is PUBLIC
    world.submit()
    for who in (AUTHOR, COLLEAGUE, CAROL, ERIN):
        assert reads(world, who) == ["because"]
    assert reads(world, person("zoe", Role.researcher)) == reads(world, OPERATOR) == []


def test_before_the_first_submission_there_is_nobody_to_answer() -> None:
    world = World().with_files()
    assert refused(comments.comment, world.request, AUTHOR, words(), world.situation) is Reason.StateForbids
    assert not can_comment(AUTHOR, world.request, world.situation)


def test_a_turn_cut_short_takes_its_private_comments_along() -> None:
    world = say(submitted(), CAROL, words("one"), words("two", PUBLIC))
    world.request = reviewing.return_to_author(world.request, DAVE, "early", world.situation)
    assert reads(world, CAROL) == ["one", "two"]
    assert reads(world, DAVE) == reads(world, AUTHOR) == ["two"]
    world.submit()
    assert reads(world, DAVE) == ["two"]


@pytest.mark.parametrize("who", [COLLEAGUE, OPERATOR], ids=lambda who: who.subject.id)
def test_nobody_else_writes(who: Person) -> None:
    world = submitted()
    assert refused(comments.comment, world.request, who, words(), world.situation) is Reason.NotPermitted
    assert can_comment(CAROL, world.request, world.situation)


def test_an_author_who_left_the_project_writes_no_more() -> None:
    world = submitted().reviewed()
    world.request = reviewing.return_to_author(world.request, CAROL, "words", world.situation)
    world.members = (COLLEAGUE.subject,)
    assert refused(comments.comment, world.request, AUTHOR, words(), world.situation) is Reason.NotPermitted


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"group": "none"}, Reason.BadInput),
        ({"path": "none.csv"}, Reason.BadInput),
        ({"text": "  "}, Reason.ContextMissing),
    ],
)
def test_a_comment_is_about_something_and_says_something(wrong: dict[str, Any], reason: Reason) -> None:
    world = submitted()
    assert refused(comments.comment, world.request, CAROL, words(**wrong), world.situation) is reason


def test_there_is_an_end_to_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    world = say(submitted(), CAROL, words())
    monkeypatch.setattr(comments, "MOST", 1)
    assert refused(comments.comment, world.request, CAROL, words(), world.situation) is Reason.RateLimited


def test_one_makes_public_what_one_wrote_oneself_in_this_turn() -> None:
    mine, open_ = words("mine"), words("open", PUBLIC)
    world = say(submitted(), CAROL, mine, open_)
    for who, which in ((DAVE, mine.id), (CAROL, open_.id), (CAROL, "aaaaaaaaaaaz")):
        assert refused(comments.publish, world.request, who, which, world.situation) is Reason.BadInput
    assert refused(comments.publish, world.request, AUTHOR, mine.id, world.situation) is Reason.NotPermitted
    world.request = comments.publish(world.request, CAROL, mine.id, world.situation)
    assert {item.readers for item in world.request.comments} == {PUBLIC}
    later = say(submitted(), CAROL, words("old")).reviewed(CAROL, DAVE)
    later.request = reviewing.return_to_author(later.request, CAROL, "words", later.situation)
    later.submit()
    old = later.request.comments[0].id
    assert refused(comments.publish, later.request, CAROL, old, later.situation) is Reason.BadInput
