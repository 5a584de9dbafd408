"""Who may do what: every act for every kind of person."""

from __future__ import annotations

import pytest

from tests.unit.domain.exports.world import AUTHOR, CHECKERS, COLLEAGUE, OPERATOR, World, person
from tre.domain.errors import Reason, TREError
from tre.domain.events import program
from tre.domain.exports import permissions
from tre.domain.exports.permissions import is_independent
from tre.domain.people import Person, Role

PEOPLE = {
    "author": AUTHOR,
    "author who is a checker": AUTHOR.model_copy(update={"roles": frozenset(Role)}),
    "member who is a checker": COLLEAGUE,
    "member": person("frank", Role.researcher),
    "checker": CHECKERS[0],
    "operator and all else but checker": OPERATOR,
    "stranger": person("zoe", Role.researcher),
    "author's name at another issuer": Person.model_validate(
        {"subject": {"issuer": "other", "id": "alice"}, "displayName": "alice", "roles": []}
    ),
    "a program with every role": Person(subject=program("checker"), display_name="checker", roles=frozenset(Role)),
}

ALLOWED = {
    "view": {
        "author",
        "author who is a checker",
        "member",
        "member who is a checker",
        "checker",
        "a program with every role",
    },
    "edit": {"author", "author who is a checker"},
    "review": {"checker"},
    "download": {"author", "author who is a checker", "member", "member who is a checker"},
    "recall": {
        "author who is a checker",
        "member who is a checker",
        "checker",
        "operator and all else but checker",
        "a program with every role",
    },
}


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("act", ALLOWED)
def test_who_may(act: str, who: str) -> None:
    world = World().released()
    world.members = (*world.members, PEOPLE["member"].subject)
    can, check = getattr(permissions, f"can_{act}"), getattr(permissions, f"check_{act}")
    assert can(PEOPLE[who], world.request, world.grant) == (who in ALLOWED[act])
    if who in ALLOWED[act]:
        check(PEOPLE[who], world.request, world.grant)
    else:
        with pytest.raises(TREError) as refused:
            check(PEOPLE[who], world.request, world.grant)
        assert refused.value.reason is Reason.NotPermitted


def test_an_author_who_left_the_project_changes_nothing_more() -> None:
    world = World()
    assert permissions.can_edit(AUTHOR, world.request, world.grant)
    world.members = (COLLEAGUE.subject,)
    assert not permissions.can_edit(AUTHOR, world.request, world.grant)
    assert permissions.can_view(AUTHOR, world.request, world.grant)
    assert not is_independent(AUTHOR.subject, world.request, world.grant)


def test_a_checker_who_joined_the_project_reviews_no_more() -> None:
    world = World()
    assert permissions.can_review(CHECKERS[0], world.request, world.grant)
    world.members = (*world.members, CHECKERS[0].subject)
    assert not permissions.can_review(CHECKERS[0], world.request, world.grant)


def test_nothing_is_downloaded_before_the_release_or_after_a_recall() -> None:
    world = World().approved()
    with pytest.raises(TREError) as refused:
        permissions.check_download(AUTHOR, world.request, world.grant)
    assert refused.value.reason is Reason.StateForbids
