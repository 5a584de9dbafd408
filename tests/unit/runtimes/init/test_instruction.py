"""The instruction: every field refused when it is wrong, and read from a descriptor within bounds."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.runtimes.init import sandbox
from tre.runtimes.init import instruction
from tre.runtimes.init.instruction import InstructionError, parse

GOOD = sandbox.instruction(["/bin/true", "x"], probe={"targets": [{}], "seconds": 1})


def encoded(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def test_a_good_instruction_comes_through_whole() -> None:
    read = parse(encoded(end=2e9, cap=60, rlimits={"NPROC": [100, 200], "AS": [-1, -1]}))
    assert (read.workspace, read.end, read.cap) == ("w-test", 2e9, 60.0)
    assert (read.argv, read.cwd, read.umask) == (["/bin/true", "x"], "/tmp", 0o077)
    assert read.env == GOOD["env"]
    assert read.rlimits == {"NPROC": (100, 200), "AS": (-1, -1)}
    assert read.probe == ([{}], 1.0)
    assert parse(encoded(probe=None)).probe is None


@pytest.mark.parametrize("key", sorted(GOOD))
def test_every_key_is_due(key: str) -> None:
    left = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(InstructionError, match=f"^{key}: missing"):
        parse(json.dumps(left).encode())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2), ("version", True), ("version", "1"),
        ("workspace", ""), ("workspace", "a\nb"), ("workspace", 7), ("workspace", "x" * 254),
        ("end", 0), ("end", -1), ("end", "soon"), ("end", True), ("end", None),
        ("cap", 0), ("cap", 401 * 86400), ("cap", [1]),
        ("argv", []), ("argv", "/bin/true"), ("argv", ["true"]), ("argv", ["/bin/true", 1]), ("argv", ["/a\0b"]),
        ("env", []), ("env", {"A=B": "x"}), ("env", {"": "x"}), ("env", {"A": 1}), ("env", {"A": "\0"}),
        ("cwd", "tmp"), ("cwd", 1),
        ("rlimits", []), ("rlimits", {"RTPRIO": [0, 0]}), ("rlimits", {"CORE": [1]}), ("rlimits", {"CORE": [2, 1]}),
        ("rlimits", {"CORE": [-1, 5]}), ("rlimits", {"CORE": [True, 5]}), ("rlimits", {"CORE": [-2, -1]}),
        ("umask", 512), ("umask", -1), ("umask", True), ("umask", "077"),
        ("probe", {}), ("probe", {"targets": [], "seconds": 1}), ("probe", {"targets": "x", "seconds": 1}),
        ("probe", {"targets": [{}], "seconds": 0}), ("probe", [1]),
    ],
)  # fmt: skip
def test_values_out_of_bounds_are_refused_by_name(key: str, value: Any) -> None:
    parse(encoded())
    with pytest.raises(InstructionError, match=f"^{key}: "):
        parse(encoded(**{key: value}))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_an_end_that_never_comes_is_refused(text: str) -> None:
    with pytest.raises(InstructionError):
        parse(encoded(end=424242).replace(b"424242", text.encode()))


def test_unknown_and_doubled_keys_are_refused() -> None:
    with pytest.raises(InstructionError, match=r"^stop_grace: unknown key"):
        parse(encoded(stop_grace=0))
    with pytest.raises(InstructionError):
        parse(encoded().replace(b'{"version": 1', b'{"cap": 5, "version": 1'))


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data: bytes) -> None:
    with pytest.raises(InstructionError):
        parse(data)


def test_depth_does_not_break_it() -> None:
    with pytest.raises(InstructionError):
        parse(b"[" * 100_000)


def test_reading_a_descriptor_to_its_end_closes_it() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"abc")
    os.close(writer)
    assert instruction.read(reader) == b"abc"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reader)


def test_a_writer_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruction, "_PATIENCE", 0.05)
    reader, writer = os.pipe()
    with pytest.raises(InstructionError, match="in time"):
        instruction.read(reader)
    os.close(writer)


def test_a_flood_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruction, "LARGEST", 1000)
    reader, writer = os.pipe()
    os.write(writer, b" " * 1001)
    with pytest.raises(InstructionError, match="too long"):
        instruction.read(reader)
    os.close(writer)


def test_a_descriptor_that_is_not_there_is_named() -> None:
    with pytest.raises(InstructionError, match="no instruction was passed"):
        instruction.read(987)
