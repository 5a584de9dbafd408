"""A crowd: everybody votes at once, while applications change; and lists of many applications that stay quick."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest

from tests.support.applications import AUTHOR, SEATS, TERMS, WAY, act, content_plain, plans_for, text
from tests.support.databases import Backend
from tests.support.factories import NOON
from tests.unit.store.test_committee import event
from tre.domain.applications import acts
from tre.domain.applications.models import Application
from tre.domain.errors import TREError
from tre.domain.people import Person, Role, Subject
from tre.store import applications as store
from tre.store import committee
from tre.store.database import Change, Database

PEOPLE = 20


def filed(change: Change, author: Person, number: int, people: int = 2) -> Application:
    named = [
        content_plain()["people"][1] | {"name": f"P {n}", "subject": {"issuer": "local", "id": f"p{number}-{n}"}}
        for n in range(people)
    ]
    first = store.begin(change, author, NOON)
    typed = store.save(change, first, acts.edit(first, author, content_plain(people=named, title=f"No {number}"), NOON))
    handed = store.save(change, typed, acts.submit(typed, author, NOON))
    return store.save(change, handed, acts.taken_up(handed, plans_for(handed), WAY, NOON))


@pytest.fixture
def database(backend: Backend, path: Path) -> Database:
    made = backend.make(path)
    with made.change(event("seat.added")) as change:
        for one in SEATS:
            committee.add_seat(change, one, TERMS)
    return made


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("many", "seconds"), [(250, 0.2), pytest.param(500, 0.3, marks=pytest.mark.soak)])
def test_many_applications_are_listed_quickly(database: Database, many: int, seconds: float) -> None:
    with database.change(event()) as change:
        for number in range(many):
            who = Subject(issuer="local", id=f"author-{number % 50}")
            filed(change, Person(subject=who, display_name="A", roles=frozenset({Role.researcher})), number, PEOPLE)
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        with database.read() as connection:
            found = store.handed_in(connection)
            own = store.of_person(connection, Subject(issuer="local", id="p7-3"))
        times.append(time.perf_counter() - begun)
    assert len(found) == many
    assert [one.title for one in own] == ["No 7"]
    assert min(times) <= seconds, times


def test_all_vote_at_once_and_each_counts_once(database: Database) -> None:
    with database.change(event()) as change:
        found = [filed(change, AUTHOR, number) for number in range(4)]
    names = [one.subject.id for one in SEATS]
    outcomes: Counter[str] = Counter()

    def vote(item: tuple[Application, str, int]) -> str:
        application, name, window = item
        choice = "approve" if window else "decline"
        try:
            with database.change(event("committee.voted", f"application/{application.id}")) as change:
                committee.cast(change, application.id, text(choice), application.matter or "", TERMS, act(name))
        except TREError as error:
            return error.reason.value
        return "voted"

    def withdraw(application: Application) -> str:
        try:
            with database.change(event("application.withdrawn", f"application/{application.id}")) as change:
                store.save(change, application, acts.withdraw(application, AUTHOR, NOON))
        except TREError as error:
            return error.reason.value
        return "withdrawn"

    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(vote, product(found, names, range(3)))
        gone = pool.submit(withdraw, found[0])
        outcomes.update(answers)
    assert gone.result() == "withdrawn"
    with database.read() as connection:
        kept = [committee.votes_on(connection, one.id) for one in found]
    assert [len(votes) for votes in kept[1:]] == [len(SEATS)] * 3
    assert all(len({one.seat for one in votes}) == len(votes) for votes in kept)
    assert outcomes["voted"] == sum(len(votes) for votes in kept)
    assert set(outcomes) <= {"voted", "AlreadyVoted", "VoteClosed"}
