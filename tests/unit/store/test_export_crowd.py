"""A crowd at one database: a thousand acts by everybody at once on the same requests, and the promise afterwards.

Who acts looks first, thinks, and then acts on what was seen. Beside the record stands a ledger of what succeeded, in
the words of the acts; the promise is tested against the ledger.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from tests.support.factories import access_grant
from tests.unit.domain.exports.world import AUTHOR, CHECKERS, COLLEAGUE, START, World, file, finding
from tre.domain.errors import Reason, TREError
from tre.domain.exports import authoring, claims, comments, releasing, reviewing
from tre.domain.exports.models import Choice, Comment, ExportRequest, Readers
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import BlindPhase, ExportState
from tre.domain.names import short_hash
from tre.domain.people import Person
from tre.store import exports, grants
from tre.store.database import Database, new_id
from tre.store.migrate import migrate

ACTS, THREADS, REQUESTS = 1000, 8, 12
S = ExportState
OUTSIDE = {checker.subject.id for checker in CHECKERS}


class Line(NamedTuple):
    """One act that succeeded: on which version it made, by whom, what, and the request before and after."""

    request: str
    version: int
    who: str
    act: str
    before: ExportRequest
    after: ExportRequest


@dataclass
class Crowd:
    """The database, its requests, the time that passes, and the ledger."""

    database: Database
    ids: list[str]
    lines: list[Line] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    ticks: itertools.count[int] = field(default_factory=itertools.count)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> datetime:
        return START + timedelta(seconds=10 * next(self.ticks))

    def read(self, name: str) -> ExportRequest:
        with self.database.read() as connection:
            return exports.require(connection, name)

    def act(self, chance: random.Random) -> None:
        seen = self.read(chance.choice(self.ids))
        world = World(now=self.now())
        world.request = seen
        who = chance.choice((AUTHOR, COLLEAGUE, *CHECKERS, *CHECKERS, *CHECKERS))
        act = chance.choice(disturbances(seen)) if chance.random() < 0.12 else next_step(seen)
        try:
            act(world, who, chance)
            with self.database.change(exports.event_of("acted", seen, who.subject, world.now)) as change:
                saved = exports.save(change, seen, world.request)
        except TREError as error:
            with self.lock:
                self.outcomes[error.reason.value] += 1
            return
        with self.lock:
            self.outcomes["done"] += 1
            if saved.version != seen.version:
                self.lines.append(Line(seen.id, saved.version, who.subject.id, act.__name__, seen, saved))


Act = Callable[[World, Person, random.Random], object]


def next_step(request: ExportRequest) -> Act:
    """What brings a request on."""
    if request.phase is BlindPhase.AUTHOR:
        return submit
    if request.state in {S.Submitted, S.PartiallyReviewed}:
        return review
    return {S.Reviewed: approve, S.Approved: begin_release, S.Releasing: release}.get(request.state, talk)


def disturbances(request: ExportRequest) -> tuple[Act, ...]:
    """What comes between."""
    return (swap, other_run, give_back_to_author, vote_no, talk, take_seat)


def submit(world: World, who: Person, chance: random.Random) -> None:
    if not world.request.files:
        world.with_files(file("a.csv", "1"), file("b.csv", "2"))
    world.checked()
    world.request = authoring.submit(world.request, AUTHOR, world.situation)


def review(world: World, who: Person, chance: random.Random) -> None:
    own = world.request.review_of(who.subject)
    if own is not None and any(vote.kept for vote in own.votes):
        world.request = reviewing.confirm_kept(world.request, who, world.situation)
    answers = world.answers(*(world.request.check_run.findings if world.request.check_run else ()))
    for output in world.request.outputs:
        world.vote(who, world.ballot(output.path, dispositions=answers))
    world.hand_in(who)


def vote_no(world: World, who: Person, chance: random.Random) -> None:
    if world.request.outputs:
        world.vote(who, world.ballot(chance.choice(world.request.outputs).path, Choice.ChangesRequested))


def approve(world: World, who: Person, chance: random.Random) -> None:
    world.request = reviewing.approve(world.request, who, world.request.code, world.situation)


def begin_release(world: World, who: Person, chance: random.Random) -> None:
    world.request = releasing.begin_release(world.request, world.situation)


def release(world: World, who: Person, chance: random.Random) -> None:
    world.request = releasing.released(world.request, world.bundle(), world.situation)


def swap(world: World, who: Person, chance: random.Random) -> None:
    """The author exchanges a file, or somebody tries to."""
    changed = (file("b.csv", str(chance.randrange(4))),)
    world.request = authoring.add_files(world.request, who, "tables", changed, world.situation)


def other_run(world: World, who: Person, chance: random.Random) -> None:
    world.checked(finding(Severity.A, str(chance.randrange(4))))


def give_back_to_author(world: World, who: Person, chance: random.Random) -> None:
    world.request = reviewing.return_to_author(world.request, who, "words", world.situation)


def take_seat(world: World, who: Person, chance: random.Random) -> None:
    world.request = claims.claim(world.request, who, world.situation)


def talk(world: World, who: Person, chance: random.Random) -> None:
    words = Comment(
        id=short_hash("comment", new_id()),
        by=who.subject,
        turn=1,
        group="tables",
        readers=chance.choice(list(Readers)),
        text="?",
        at=world.now,
    )
    world.request = comments.comment(world.request, who, words, world.situation)


def crowd_at(path: Path) -> Crowd:
    migrate(made := Database.sqlite(path))
    begun = World().request
    ids = []
    with made.change(exports.event_of("prepared", begun, AUTHOR.subject, START)) as change:
        grants.apply(change, "g", access_grant("g").spec, "test", START)
        for _ in range(REQUESTS):
            draft = authoring.Draft(
                id=exports.new_export_id(), grant="g", workspace="w-aaaaaaaaaaaa", author=AUTHOR.subject
            )
            ids.append(exports.create_request(change, draft, World().situation).id)
    return Crowd(made, ids)


def check_no_update_was_lost(crowd: Crowd) -> None:
    by_request = defaultdict(list)
    for line in crowd.lines:
        by_request[line.request].append(line)
    for name, lines in by_request.items():
        lines.sort(key=lambda line: line.version)
        assert [line.version for line in lines] == list(range(1, len(lines) + 1)), "two made one version"
        for earlier, later in itertools.pairwise(lines):
            assert earlier.after == later.before, "an act was made from what was no longer so"
        final = crowd.read(name)
        assert final == lines[-1].after
        assert len(final.comments) == sum(line.act == "talk" for line in lines)


def check_released(release: Line, lines: list[Line]) -> None:
    """Every released byte had the yes of two from outside, who handed it in in this turn, under this run."""
    left, turn = release.after, release.after.turn
    assert left.check_run is not None
    assert left.outputs
    for output in left.outputs:
        yes = set()
        for line in lines:
            mine = line.version <= release.version and line.before.turn == turn and line.act in {"review", "vote_no"}
            if not mine or line.who not in OUTSIDE:
                continue
            said = next((r for r in line.after.reviews if (r.checker.id, r.turn) == (line.who, turn)), None)
            vote = said.vote_on(output.path) if said else None
            if vote is None or vote.kept:
                continue
            good = (vote.choice, vote.sha256, vote.run) == (Choice.Approved, output.sha256, left.check_run.id)
            (yes.add if good and said is not None and said.submitted_at else yes.discard)(line.who)
        assert len(yes) >= 2, (output.path, yes)


def test_a_thousand_acts_at_once_keep_the_promise(tmp_path: Path) -> None:
    crowd = crowd_at(tmp_path / "tre.sqlite")

    def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(ACTS // THREADS):
            crowd.act(chance)

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(work, number) for number in range(THREADS)]:
            done.result()
    assert crowd.outcomes.total() == ACTS
    assert crowd.outcomes[Reason.Conflict.value] > 10, f"nobody met anybody: {crowd.outcomes}"
    check_no_update_was_lost(crowd)
    releases = [line for line in crowd.lines if line.act == "release"]
    assert releases, f"nothing was released: {crowd.outcomes}"
    for line in releases:
        check_released(line, [other for other in crowd.lines if other.request == line.request])


def test_the_promise_s_judge_knows_a_broken_one(tmp_path: Path) -> None:
    """The judge itself: a release with one yes too few is found."""
    world = World().with_files(file("a.csv", "1")).checked().submit()
    lines, before = [], world.request
    for number, checker in enumerate(CHECKERS[:2], start=1):
        world.vote(checker).hand_in(checker)
        lines.append(Line("r", number, checker.subject.id, "review", before, world.request))
        before = world.request
    release = Line("r", 3, "carol", "release", before, before)
    check_released(release, lines)
    try:
        check_released(release, lines[:1])
    except AssertionError:
        return
    raise AssertionError("one yes was enough")
