"""Health and numbers of a service that speaks JSON lines, asked in HTTP."""

from __future__ import annotations

import json

import pytest

from tre.domain.errors import Reason, TREError
from tre.system.health import Check, Probes, health_answer, readiness

WELL: dict[str, Check] = {"one": lambda: None}
ILL: dict[str, Check] = {"one": lambda: None, "two": lambda: "the disk is full"}


def parts(answer: bytes | None) -> tuple[str, dict[str, str], bytes]:
    assert answer is not None
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), body


def test_it_is_well_or_says_what_is_not() -> None:
    status, head, body = parts(health_answer(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", WELL))
    assert (status, json.loads(body)) == ("HTTP/1.1 200 OK", {"status": "ok"})
    assert head == {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    status, _, body = parts(health_answer(b"GET /healthz HTTP/1.1\r\n\r\n", ILL))
    assert status == "HTTP/1.1 503 Service Unavailable"
    assert json.loads(body) == {"status": "failing", "checks": {"two": "the disk is full"}}


def test_numbers() -> None:
    status, head, body = parts(health_answer(b"GET /metrics HTTP/1.0\n", WELL))
    assert status == "HTTP/1.1 200 OK"
    assert head["Content-Type"].startswith("text/plain")
    assert b"process_cpu_seconds_total" in body


@pytest.mark.parametrize("line", [b"GET /\n", b"GET /healthz/x HTTP/1.1\r\n\r\n", b"GET /../healthz x\n", b"GET / /\n"])
def test_nothing_else_is_there(line: bytes) -> None:
    status, _, body = parts(health_answer(line, WELL))
    assert (status, body) == ("HTTP/1.1 404 Not Found", b"")


@pytest.mark.parametrize("line", [b'{"ask": "means"}\n', b"POST /healthz HTTP/1.1\r\n\r\n", b"GET healthz\n", b"\n"])
def test_what_is_no_such_question_is_left_to_the_service(line: bytes) -> None:
    assert health_answer(line, WELL) is None


def test_ready_or_the_reason() -> None:
    status, _, body = parts(health_answer(b"GET /readyz HTTP/1.1\r\n\r\n", WELL))
    assert (status, json.loads(body)) == ("HTTP/1.1 200 OK", {"status": "ready"})
    status, _, body = parts(health_answer(b"GET /readyz HTTP/1.1\r\n\r\n", ILL))
    assert status == "HTTP/1.1 503 Service Unavailable"
    said = {"two": {"reason": "SetupIncomplete", "what": "the disk is full"}}
    assert json.loads(body) == {"status": "not-ready", "checks": said}


def fails() -> None:
    raise TREError(Reason.AuditBroken, "The log is not whole.")


def breaks() -> None:
    raise ZeroDivisionError


def test_a_condition_that_breaks_is_not_met() -> None:
    status, body = readiness(Probes({}, {"one": lambda: None, "two": breaks}))
    assert status == 503
    assert body["checks"] == {
        "two": {"reason": "ServiceUnavailable", "what": "It cannot be looked at: ZeroDivisionError."}
    }


def test_what_holds_back_a_part_is_named_and_the_rest_goes_on() -> None:
    status, body = readiness(Probes({}, {"one": lambda: None}, {"granting": fails}, ready=lambda: "leading"))
    held = {"granting": {"reason": "AuditBroken", "what": "The log is not whole."}}
    assert (status, body) == (200, {"status": "leading", "heldBack": held})


def test_the_numbers_say_the_same() -> None:
    text = Probes(ILL, {"record": fails, "policies": lambda: None}, more_numbers=lambda: b"more 1\n").numbers()
    lines = text.decode().splitlines()
    for expected in (
        'tre_check_failing{check="one"} 0.0',
        'tre_check_failing{check="two"} 1.0',
        'tre_not_ready{check="record"} 1.0',
        'tre_not_ready{check="policies"} 0.0',
        "more 1",
    ):
        assert expected in lines
