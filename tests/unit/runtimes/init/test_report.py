"""Reports: one line an event, and no reader can hold the first process up."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import termios
import time

from tre.runtimes.init.report import Ending, ExitCode, Report


def test_one_line_an_event_with_both_clocks() -> None:
    reader, writer = os.pipe()
    Report(writer).send("sealed", workspace="w")
    line = json.loads(os.read(reader, 4096))
    assert line["event"] == "sealed"
    assert line["workspace"] == "w"
    assert abs(line["at"] - time.time()) < 5
    assert line["boottime"] > 0
    assert not os.get_inheritable(writer)
    os.close(reader)
    os.close(writer)


def test_an_ending_keeps_the_time_it_was_noticed() -> None:
    reader, writer = os.pipe()
    ending = Ending("deadline", ExitCode.DEADLINE, clock="wall")
    ending.details["at"] = 5.0
    Report(writer).send(ending.event, **ending.details)
    assert json.loads(os.read(reader, 4096))["at"] == 5.0
    os.close(reader)
    os.close(writer)


def test_a_reader_that_does_not_read_delays_little_and_loses_lines() -> None:
    reader, writer = os.pipe()
    report = Report(writer)
    started = time.monotonic()
    report.send("probe", results="x" * (1 << 20))
    assert time.monotonic() - started < 1
    assert report.lost == 1
    unread = struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, bytes(4)))[0]
    assert unread > 0
    while unread:
        unread -= len(os.read(reader, unread))
    report.send("ended")
    *_, line = os.read(reader, 4096).splitlines()
    assert json.loads(line)["lost"] == 1
    os.close(reader)
    os.close(writer)


def test_a_reader_that_is_gone_is_survived() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    report = Report(writer)
    report.send("started")
    report.send("ended")
    assert report.lost == 2
    os.close(writer)


def test_an_earlier_end_is_heard_and_nothing_else_is() -> None:
    inside, outside = socket.socketpair()
    report = Report(inside.detach())
    assert report.orders() == []
    senseless = (b"x", b"{}", b"[]", b'{"end": "soon", "within": 1}', b'{"end": NaN, "within": 1}', b'{"end": 1}')
    outside.sendall(b"\n".join(senseless) + b'\n{"end": 12.5, "within": 3}\n{"end": 11')
    assert report.orders() == [(12.5, 3.0)]
    outside.sendall(b', "within": 2}\n')
    assert report.orders() == [(11.0, 2.0)]
    outside.close()
    assert report.orders() == []
    os.close(report.descriptor)


def test_a_descriptor_for_writing_only_hears_nothing() -> None:
    reader, writer = os.pipe()
    assert Report(writer).orders() == []
    os.close(reader)
    os.close(writer)
