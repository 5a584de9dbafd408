"""A door from its start to its end.

Guarantees: the workspace's first process can report only once, before it has started anything of the researcher's;
what the door finds is printed as JSON lines, which the controller reads through the API server, and again every
half a minute that isolation still holds; a door that breaks relays nothing, and one that was started a second time in
a pod never relays anything, since by then the researcher's programs run and could report in the first process' place.

Does not guarantee: that the run ends when isolation is lost. It is cut off at once; ending it is the controller's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tre.runtimes.door import health
from tre.runtimes.door.instruction import Instruction, InstructionError, read
from tre.runtimes.door.isolation import Answers, Isolation, own_control, try_network
from tre.runtimes.door.relay import Relay, Upstream, server_context
from tre.system.sockets import listen, peer_uid

LONGEST_REPORT = 2**20
LOOK_EVERY = 0.1
AGAIN_EVERY = 30.0
"""Seconds after which a proof is said again: the controller holds it against its own attempt of the same minute."""

AWAIT_SECONDS = 20.0


def say(event: str, **details: Any) -> None:
    """One line for the controller."""
    sys.stdout.write(json.dumps({"event": event, "at": time.time(), **details}) + "\n")
    sys.stdout.flush()


class Door:
    """One run's door."""

    def __init__(self, told: Instruction, control: Answers) -> None:
        self._told, self._control = told, control
        self.isolation = Isolation(told)
        self.upstream = Upstream(Path(told.socket), told.uid)
        self.relay = Relay(self.upstream, lambda: self.isolation.proven)
        self.answered = False

    def is_ready(self) -> bool:
        """Whether a person may be let in."""
        return self.isolation.proven and self.answered

    async def watch_network(self) -> None:
        """Try the cluster's addresses now and every few seconds; cut everything the moment one answers."""
        said_at = 0.0
        while not self.isolation.lost:
            tried_at = time.time()
            found = self.isolation.take_network(await asyncio.to_thread(try_network, self._told))
            if not self.isolation.proven:
                self.relay.cut()
            if found.is_news or time.monotonic() > said_at + AGAIN_EVERY:
                said_at = time.monotonic()
                say("isolation", triedAt=tried_at, **found.said)
            await asyncio.sleep(self._told.every)

    async def hear(self, listening: socket.socket) -> None:
        """Take in what the first process reports, from the first caller that is the workspace's user."""
        loop = asyncio.get_running_loop()
        try:
            connection, _ = await loop.sock_accept(listening)
        finally:
            listening.close()
            Path(self._told.report).unlink(missing_ok=True)
        if peer_uid(connection) != self._told.uid:
            connection.close()
            say("isolation", **self.isolation.refuse_sealed("somebody else reported in the first process' place"))
            return
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=LONGEST_REPORT)
        try:
            while line := await reader.readline():
                self._take(line)
        except (OSError, ValueError) as error:
            say("report-broken", error=str(error)[:200])
        finally:
            writer.close()

    def _take(self, line: bytes) -> None:
        event = json.loads(line)
        if event.get("event") != "probe":
            say("first-process", said=str(event.get("event"))[:40], why=str(event.get("why", ""))[:200])
        elif event.get("error"):
            say("isolation", **self.isolation.refuse_sealed(str(event["error"])[:200]))
        else:
            say("isolation", **self.isolation.take_sealed(event.get("results", []), self._control))

    async def await_server(self) -> None:
        """Ask until the workspace's server has answered once."""
        while not await health.answers(self.upstream):
            await asyncio.sleep(LOOK_EVERY)
        self.answered = True
        say("server-answers")

    async def run(self, listening: Listening) -> None:
        """Serve until told to end, and leave at once."""
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        probed = await asyncio.start_server(health.handler(self.is_ready), sock=listening.health)
        relaying = await self.relay.serve(listening.door, listening.context)
        try:
            async with asyncio.TaskGroup() as group:  # whatever breaks ends the door, and with it every connection
                work = [
                    group.create_task(one)
                    for one in (self.watch_network(), self.hear(listening.report), self.await_server())
                ]
                await ended.wait()
                for task in work:
                    task.cancel()
        finally:
            self.relay.cut()
            relaying.close()
            probed.close()
        sys.stdout.flush()
        os._exit(0)  # an attempt that waits for an answer would hold the end up for a second


@dataclass(frozen=True)
class Listening:
    """What a door listens on, before anybody is served."""

    context: ssl.SSLContext
    door: socket.socket
    health: socket.socket
    report: socket.socket


def serve(told: Instruction, keys: Path) -> int:
    """Listen first, so that the control has something to reach and the workspace something to report to."""
    context = server_context(keys)
    door, probed = _on_every_address(told.port), _on_every_address(told.health)
    started = Path(told.own) / "started"
    again = started.exists()
    started.touch()
    control = own_control(told)
    reported = _listen_for_reports(Path(told.report))
    found = Door(told, control)
    say("serving", workspace=told.workspace)
    if again:
        say("isolation", **found.isolation.refuse_sealed("the door was started a second time"))
    asyncio.run(found.run(Listening(context, door, probed, reported)))
    return 0


def _on_every_address(port: int) -> socket.socket:
    try:
        found = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except OSError:  # a node without IPv6
        found = socket.create_server(("", port))
    found.setblocking(False)
    return found


def _listen_for_reports(path: Path) -> socket.socket:
    """The workspace is started when this socket is there, so it listens before it has its name.

    Its group is the door's, which is the workspace's.
    """
    early = path.with_suffix(".early")
    found = listen(early, mode=0o660)
    early.rename(path)
    found.setblocking(False)
    return found


def await_door(told: Instruction) -> int:
    """Return 0 as soon as a door listens for the first process' reports."""
    until = time.monotonic() + AWAIT_SECONDS
    while time.monotonic() < until:
        if Path(told.report).is_socket():
            return 0
        time.sleep(0.01)
    sys.stderr.write(f"the door did not listen within {AWAIT_SECONDS:g} s\n")
    return 1


def main(arguments: list[str]) -> int:
    """Run; 2 for a wrong call, 1 where the door cannot be what it should be."""
    parser = argparse.ArgumentParser(prog="tre.runtimes.door")
    parser.add_argument("act", choices=["serve", "await"])
    parser.add_argument("--instruction", type=Path, required=True)
    parser.add_argument("--keys", type=Path, default=None)
    given = parser.parse_args(arguments)
    try:
        told = read(given.instruction)
        if given.act == "await":
            return await_door(told)
        if given.keys is None:
            parser.error("--keys is needed to serve")
        return serve(told, given.keys)
    except (InstructionError, OSError) as error:
        sys.stderr.write(f"door: {error}\n")
        return 1
