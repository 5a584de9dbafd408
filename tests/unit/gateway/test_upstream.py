"""What leads to a workspace's server, and what is refused in its place: links, strangers, other certificates."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.unit.gateway import world as gateway_world
from tests.unit.gateway.doors import Pair, door_record, make_pair, server_context
from tests.unit.gateway.upstreams import echo
from tests.unit.gateway.world import WORKSPACE, World, free_port, make_world, reason_of, route_message
from tre.domain.errors import Reason, TREError
from tre.gateway.main import door_key
from tre.gateway.upstream import DoorKey
from tre.system.layout import Layout
from tre.system.settings import Settings

ON_A_CLUSTER = Settings(runtime="kubernetes", database_url="postgresql://db/tre")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with make_world(upstream=echo) as made:
        yield made


@pytest.fixture
async def pod(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(gateway_world, "BEHIND", "door")
    async with make_world(upstream=echo) as made:
        yield made


class Listener:
    """A server with a context of the test's choice; counts who got through."""

    def __init__(self, world: World) -> None:
        self.world, self.reached = world, 0

    async def serve(self, context: ssl.SSLContext, address: str = "127.0.0.1") -> int:
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            self.reached += 1
            return web.json_response({"host": request.headers["Host"]})

        port = free_port()
        runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, address, port, ssl_context=context).start()
        self.world.runners.append(runner)
        return port


# ------------------------------------------------------------------ a socket of this machine


async def test_a_link_in_place_of_the_socket_is_not_followed(world: World) -> None:
    assert (await world.get_lab("/api/me"))[0] == 200
    elsewhere = world.lab_socket.with_name("other.sock")
    world.lab_socket.rename(elsewhere)
    world.lab_socket.symlink_to(elsewhere)
    await world.gateway.upstreams.drop(WORKSPACE)
    assert (await world.get_lab("/api/me"))[0] == 502
    world.lab_socket.unlink()
    elsewhere.rename(world.lab_socket)
    assert (await world.get_lab("/api/me"))[0] == 200


async def test_a_socket_of_another_user_is_refused(world: World) -> None:
    mine = os.geteuid()
    for owner, status in ((mine, 200), (mine + 1, 502)):
        await world.news(world.route(uid=owner, instance=owner + 2))
        assert (await world.get_lab("/api/me"))[0] == status


async def test_a_file_in_place_of_the_socket_is_refused(world: World) -> None:
    plain = Path(world.lab_socket.with_name("plain"))
    plain.write_text("no socket")
    await world.news(route_message(socket=str(plain), instance=2))
    assert (await world.get_lab("/api/me"))[0] == 502


# ------------------------------------------------------------------ the door of a pod


def trusting(door: Pair, gateway: Pair, _other: Pair) -> ssl.SSLContext:
    return server_context(door, gateway)


def of_a_stranger(_door: Pair, gateway: Pair, other: Pair) -> ssl.SSLContext:
    return server_context(other, gateway)


def believing_another(door: Pair, _gateway: Pair, other: Pair) -> ssl.SSLContext:
    return server_context(door, other)


def of_an_older_protocol(door: Pair, gateway: Pair, _other: Pair) -> ssl.SSLContext:
    return server_context(door, gateway, ssl.TLSVersion.TLSv1_2)


Making = Callable[[Pair, Pair, Pair], ssl.SSLContext]


@pytest.mark.parametrize(
    ("making", "status"),
    [(trusting, 200), (of_a_stranger, 502), (believing_another, 502), (of_an_older_protocol, 502)],
)
async def test_only_the_very_certificate_of_the_run_is_spoken_with(pod: World, making: Making, status: int) -> None:
    listener = Listener(pod)
    port = await listener.serve(making(*pod.keys, make_pair(pod.root, "other")))
    await pod.news(route_message(door=door_record(port, pod.keys[0].pem), instance=2))
    assert (await pod.get_lab("/api/me"))[0] == status
    assert listener.reached == (1 if status == 200 else 0)


async def test_a_door_on_ipv6_is_reached_and_hears_no_address(pod: World) -> None:
    listener = Listener(pod)
    port = await listener.serve(server_context(*pod.keys), "::1")
    await pod.news(route_message(door=door_record(port, pod.keys[0].pem, "::1"), instance=2))
    status, _, body = await pod.get_lab("/api/me")
    assert (status, body) == (200, b'{"host": "localhost"}')


async def test_a_certificate_that_is_none_is_refused(pod: World) -> None:
    nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    await pod.news(route_message(door=door_record(1, nonsense), instance=2))
    status, _, body = await pod.get_lab("/api/me")
    assert (status, reason_of(body)) == (502, Reason.ServiceUnavailable)


async def test_a_renewed_certificate_of_the_gateway_counts_from_the_next_run_on(pod: World) -> None:
    door, gateway = pod.keys
    renewed = make_pair(pod.root, "renewed")
    listener = Listener(pod)
    port = await listener.serve(server_context(door, renewed))
    gateway.certificate.write_bytes(renewed.certificate.read_bytes())
    gateway.key.write_bytes(renewed.key.read_bytes())
    await pod.news(route_message(door=door_record(port, door.pem), instance=2))
    assert (await pod.get_lab("/api/me"))[0] == 200


async def test_a_gateway_without_a_key_goes_through_no_door(pod: World) -> None:
    pod.gateway.upstreams._key = None
    assert (await pod.get_lab("/api/me"))[0] == 502
    pod.gateway.upstreams._key = pod.keys[1].as_key
    assert (await pod.get_lab("/api/me"))[0] == 200


async def test_connections_are_kept_for_a_run_and_closed_with_it(pod: World) -> None:
    assert (await pod.get_lab("/api/me"))[0] == 200
    upstream = pod.gateway.upstreams._runs[WORKSPACE][1]
    assert (await pod.get_lab("/api/me"))[0] == 200
    assert pod.gateway.upstreams._runs[WORKSPACE][1] is upstream
    await pod.gateway.upstreams.drop(WORKSPACE)
    assert upstream.client.closed


def test_on_a_cluster_the_gateway_starts_only_with_its_pair(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.keys.mkdir()
    assert door_key(Settings(), layout) is None
    with pytest.raises(TREError, match=r"gateway-door\.crt") as caught:
        door_key(ON_A_CLUSTER, layout)
    assert caught.value.reason is Reason.SetupIncomplete
    make_pair(layout.keys, "gateway-door")
    assert door_key(ON_A_CLUSTER, layout) == DoorKey(layout.door_certificate, layout.door_key)
