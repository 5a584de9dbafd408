"""`tre bench`: what is worked out from measurements, how it is shown, and how the clients count."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as some
from typer.testing import CliRunner

from tre.cli.bench import cluster, gateway, load, memory, peer, revoke, start, upstream
from tre.cli.bench import command as bench_command
from tre.cli.bench.figures import Figure, Peer, described, figure, machine, median, percentile, rows
from tre.cli.bench.memory import Memory
from tre.cli.bench.ways import Way, added, in_turn, time_gets
from tre.cli.trial.cluster_site import is_dead
from tre.domain.errors import Reason, TREError

APP = typer.Typer()
APP.command("bench")(bench_command.bench)


def test_a_percentile_is_one_of_the_values_by_nearest_rank() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.0, 0.01, 0.07, 0.5, 0.99, 1.0)] == [1, 1, 7, 50, 99, 100]
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2
    assert percentile([2.0, 1.0], 0.5) == 1
    assert percentile([5.0], 0.99) == 5


@given(some.lists(some.floats(0, 1e6), min_size=1, max_size=60), some.integers(1, 100))
def test_at_least_the_share_lies_at_or_below_a_percentile_and_less_below(values: list[float], percent: int) -> None:
    found = percentile(values, percent / 100)
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_a_figure_has_its_ratio_and_four_digits() -> None:
    beside = figure("answers", "1/s", 1234.567, peer=Peer(name="other", value=2000.049), target=("≥ 1", True))
    assert (beside.ours, beside.ratio, beside.target, beside.met) == (1235, 0.617, "≥ 1", True)
    assert beside.peer == Peer(name="other", value=2000)
    alone = figure("pairs", "", 0.000123456)
    assert (alone.ours, alone.peer, alone.ratio, alone.target, alone.met) == (0.0001235, None, None, None, None)
    assert figure("nothing", "s", 1, peer=Peer(name="other", value=0)).ratio is None


def test_a_table_names_the_peer_once_and_says_what_was_not_reached() -> None:
    columns, cells = rows(
        [
            figure("a", "s", 1.5, peer=Peer(name="other", value=3), target=("≤ 1 s", False)),
            figure("b", "", 2, target=("≥ 1", True)),
            figure("c", "", 2),
        ]
    )
    assert columns == ("what", "ours", "unit", "other", "ratio", "target", "met")
    assert cells[0] == ("a", "1.5", "s", "3", "0.5", "≤ 1 s", "NO")
    assert cells[1] == ("b", "2", "", "", "", "≥ 1", "yes")
    assert cells[2] == ("c", "2", "", "", "", "", "")
    assert rows([])[0][3] == "peer"


def test_the_machine_is_described_in_one_line() -> None:
    line = described(machine())
    assert "cores" in line
    assert "load before" in line
    assert "\n" not in line


def test_without_a_name_the_list_is_printed() -> None:
    done = CliRunner().invoke(APP, [])
    assert done.exit_code == 0
    assert all(name in done.output for name in ("start", "gateway", "revoke"))


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(APP, ["speed"])
    assert done.exit_code == 1
    assert "There is no benchmark 'speed'." in done.output + capsys.readouterr().err


def test_a_benchmark_is_printed_for_people_and_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [figure("a", "s", 1.5, peer=Peer(name="other", value=3), target=("≤ 1 s", False))]
    monkeypatch.setitem(bench_command.BENCHES, "a", ("a letter", lambda: found))
    text = CliRunner().invoke(APP, ["a"]).output
    assert "other" in text
    assert "NO" in text
    told = json.loads(CliRunner().invoke(APP, ["a", "--json"]).output)
    assert told["name"] == "a"
    assert told["machine"].keys() >= {"cores", "memoryGiB", "load"}
    assert told["figures"] == [
        {
            "what": "a",
            "unit": "s",
            "ours": 1.5,
            "peer": {"name": "other", "value": 3},
            "ratio": 0.5,
            "target": "≤ 1 s",
            "met": False,
        }
    ]


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    return {item.what: item for item in figures}


def test_starts_are_judged_pair_by_pair() -> None:
    found = by_name(start.figures([(2.0, 2.0)] * 10 + [(8.8, 8.0)] * 11))
    assert found["ratio pair by pair, median"].ours == 1.1
    assert found["ratio pair by pair, median"].met is True
    assert (found["ratio of the best pair"].ours, found["ratio of the worst pair"].ours) == (1, 1.1)
    assert found["click to a kernel that answers, median"].peer == Peer(name=start.PEER, value=8)
    assert found["pairs"].met is True
    slow = by_name(start.figures([(2.4, 2.0)]))
    assert (slow["ratio pair by pair, median"].met, slow["pairs"].met) == (False, False)


def test_revocations_are_judged_by_their_slowest() -> None:
    quick = [revoke.Run(answered=0.02, cut=0.01, dead=0.2)] * 49
    found = by_name(revoke.figures([*quick, revoke.Run(answered=0.02, cut=0.2, dead=1.5)]))
    assert found["revoke to death observed, p50"].ours == 0.2
    assert found["revoke to death observed, p99"].met is False
    assert found["acceptance to websocket cut, p50"].ours == 0
    assert found["acceptance to websocket cut, p99"].ours == 0.18
    assert found["acceptance to websocket cut, p99"].met is False
    assert found["runs"].met is True
    kept = by_name(revoke.figures(quick))
    assert (kept["revoke to death observed, p99"].met, kept["acceptance to websocket cut, p99"].met) == (True, True)
    assert kept["runs"].met is False


def test_what_a_proxy_adds_is_the_difference_to_the_straight_neighbour() -> None:
    straight, ours, theirs = [1.0, 3.0] * 50, [2.5, 4.5] * 49 + [9.0, 11.0], [1.5, 3.5] * 49 + [4.0, 6.0]
    first, last = gateway.added_figures("GET", [straight, ours, theirs])
    assert (first.what, first.ours, first.ratio, first.met) == ("GET: added, p50", 1.5, 3, True)
    assert (last.ours, last.ratio, last.met) == (8, 2.667, None)
    assert gateway.added_figures("GET", [[1.0], [3.1], [1.5]])[0].met is False
    assert added([1.0], [2.0], 0.5) == 0.001  # noise, of which no ratio should be made


def test_memory_is_flat_where_neither_messages_nor_a_second_thousand_grow_it() -> None:
    flat = Memory(idle=50 * 2**20, held=100 * 2**20, used=105 * 2**20, closed=80 * 2**20, again=106 * 2**20)
    leaking = Memory(idle=50 * 2**20, held=60 * 2**20, used=90 * 2**20, closed=90 * 2**20, again=120 * 2**20)
    found = by_name(gateway.memory_figures(flat, leaking))
    assert found["memory for each idle websocket"].ours == 51.2
    assert found["memory, 1000 websockets that were used"].peer == Peer(name=peer.NAME, value=90)
    assert [item.met for item in found.values()][-3:] == [None, True, True]
    assert [item.met for item in gateway.memory_figures(leaking, flat)][-2:] == [False, False]


def test_ways_take_turns_and_each_begins_as_often() -> None:
    assert list(in_turn(3, 4)) == [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]


def test_a_missing_peer_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peer.shutil, "which", lambda _name: "/usr/bin/node")
    (tmp_path / "there").touch()
    monkeypatch.setattr(peer, "PROGRAM", tmp_path / "there")
    assert peer.find() == ["/usr/bin/node", str(tmp_path / "there")]
    monkeypatch.setattr(peer, "PROGRAM", tmp_path / "not-there")
    with pytest.raises(TREError, match="not installed") as caught:
        peer.find()
    assert caught.value.reason is Reason.SetupIncomplete
    assert "make setup" in caught.value.remedy
    monkeypatch.setattr(peer, "PROGRAM", tmp_path / "there")
    monkeypatch.setattr(peer.shutil, "which", lambda _name: None)
    with pytest.raises(TREError, match="not installed"):
        peer.find()


def test_too_few_open_files_are_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: asked.append(limits))
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 2499))
    with pytest.raises(TREError) as caught:
        memory.allow_descriptors()
    assert caught.value.reason is Reason.SetupIncomplete
    assert asked == []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 2500))
    memory.allow_descriptors()
    assert asked == [(2500, 2500)]


def test_resident_memory_and_descriptors_are_those_of_the_process() -> None:
    before = memory.descriptors(os.getpid())
    with Path("/dev/null").open("rb"):
        assert memory.descriptors(os.getpid()) == before + 1
    assert memory.resident(os.getpid()) > 2**22


@asynccontextmanager
async def serving(path: Path, answer: Callable[[web.BaseRequest], Any] = upstream.answer) -> AsyncIterator[int]:
    """A server on a unix socket and on a port, which is given."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[-1][1]
    finally:
        await runner.cleanup()


async def test_gets_are_timed_each_way(tmp_path: Path) -> None:
    seen: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers["Host"])
        return web.Response(status=200 if request.path == "/good" else 403)

    async with serving(tmp_path / "s", answer) as port:
        ways = (Way("straight", socket=tmp_path / "s"), Way("by port", port=port, headers={"Host": "a.localhost"}))
        taken = await asyncio.to_thread(time_gets, ways, "/good", 5, 2)
        assert [len(milliseconds) for milliseconds in taken] == [5, 5]
        assert min(*taken[0], *taken[1]) > 0
        assert seen[:4] == ["localhost", "a.localhost", "a.localhost", "localhost"]
        with pytest.raises(TREError, match="was refused straight"):
            await asyncio.to_thread(time_gets, ways, "/bad", 1, 0)


@pytest.mark.parametrize(("with_cookie", "without", "fit"), [(200, 403, True), (200, 200, False), (403, 403, False)])
async def test_only_a_gateway_that_asks_for_the_cookie_is_measured(
    tmp_path: Path, with_cookie: int, without: int, fit: bool
) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=with_cookie if "Cookie" in request.headers else without)

    async with serving(tmp_path / "s", answer) as port:
        way = Way("ours", port=port, headers={"Host": "a.localhost", "Cookie": "a=b"})
        if fit:
            await asyncio.to_thread(gateway.check_guarded, way)
        else:
            with pytest.raises(TREError, match="nothing to measure"):
                await asyncio.to_thread(gateway.check_guarded, way)


async def test_answers_and_bytes_are_counted(tmp_path: Path) -> None:
    async with serving(tmp_path / "s") as port:
        for way in (Way("straight", socket=tmp_path / "s"), Way("by port", port=port)):
            answers, size = await load.measure(way, "/api/me", connections=3, times=4)
            assert size / answers == pytest.approx(len(upstream.SMALL))
        answers, size = await load.measure(way, "/api/contents/a", connections=1, times=2)
        assert size / answers == pytest.approx(len(upstream.LARGE))


@pytest.mark.parametrize(
    ("pieces", "wrong"),
    [
        ([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"], "refused"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], "refused"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nno"], "ended early"),
        ([b"HTTP/1.1 200 OK\r\nconte", b"nt-length: 5\r\n\r", b"\nhel", b"lo"], ""),
    ],
)
async def test_a_caller_reads_pieces_and_refuses_what_is_no_answer(pieces: list[bytes], wrong: str) -> None:
    caller = load.Caller(b"GET", 1)
    for piece in pieces:
        caller.data_received(piece)
    caller.connection_lost(None)
    if wrong:
        with pytest.raises(TREError, match=wrong):
            await caller.done
    else:
        await caller.done
        assert caller.bytes == 5


async def test_memory_is_measured_at_five_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SOCKETS", 5)
    monkeypatch.setattr(memory, "ROUNDS", 2)
    monkeypatch.setattr(memory, "_SETTLE_SECONDS", 0)
    sizes = iter([10, 20, 30, 40, 50])
    monkeypatch.setattr(memory, "resident", lambda _pid: next(sizes))
    async with serving(tmp_path / "s") as port:
        found = await memory.measure(os.getpid(), Way("by port", port=port), "/channels")
    assert found == Memory(idle=10, held=20, used=30, closed=40, again=50)
    assert found.growth == 2


async def test_websockets_that_never_arrive_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SECONDS", 0)
    monkeypatch.setattr(memory, "descriptors", lambda _pid: 0)
    async with serving(tmp_path / "s") as port:
        with pytest.raises(TREError, match="did not arrive"):
            await memory.measure(1, Way("by port", port=port), "/channels")


def test_the_median_is_the_middle() -> None:
    assert median([3.0, 1.0, 2.0]) == 2


def test_a_cluster_is_judged_by_its_slowest_runs_and_its_pairs() -> None:
    quick = cluster.Run(applied=0.5, started=2.4, plain=2.0, accepted=0.01, cut=0.02, dead=0.6)
    found = by_name(cluster.figures([quick] * 20 + [quick._replace(plain=None)] * 30))
    assert all(one.met is not False for one in found.values())
    assert (found["pairs"].ours, found["runs"].ours, found["ratio pair by pair, median"].ours) == (20, 50, 1.2)
    slow = quick._replace(applied=2.1, started=2.6, cut=0.2, dead=2.1)
    assert [one.what for one in cluster.figures([slow] * 50) if one.met is False] == [
        "applied to objects in place, p99",
        "ratio pair by pair, median",
        "revoke to death observed, p99",
        "acceptance to websocket cut, p99",
    ]


@pytest.mark.parametrize(
    ("line", "dead"),
    [
        ("MODIFIED [2026-11-28T07:00:00Z] [2026-11-28T07:00:01Z]\n", True),
        ("MODIFIED [2026-11-28T07:00:00Z] []\n", False),
        ("ADDED\n", False),
        ("DELETED []\n", True),
    ],
)
def test_a_pod_is_dead_when_no_container_lives(line: str, dead: bool) -> None:
    assert is_dead(line) is dead


def test_the_benchmark_of_a_cluster_asks_which() -> None:
    done = CliRunner().invoke(APP, ["cluster"])
    assert done.exit_code == 1
    assert "--site" in done.output


def test_sizes_are_those_of_plan_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []
    monkeypatch.setattr(bench_command.plan, "bench", lambda sizes: asked.append(sizes) or [])
    done = CliRunner().invoke(APP, ["plan", "--size", "1000", "--size", "20", "--json"])
    assert done.exit_code == 0
    assert asked == [[1000, 20]]
    for wrong in (["gate", "--size", "1000"], ["plan", "--size", "0"]):
        assert CliRunner().invoke(APP, wrong).exit_code == 1
    assert len(asked) == 1
