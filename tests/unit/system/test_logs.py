"""What no line of a log holds, whoever wrote it."""

from __future__ import annotations

import errno
import io
import json
import logging
import sys
import threading
from datetime import datetime

import pytest
import structlog

from tre.domain.names import hub_user_name
from tre.system.logs import configure_log, scrubbed

HUB_NAME = hub_user_name("local", "alice")


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("mail to z.march+x@uni.example.org failed", "mail to [address] failed"),
        (f"User logged in: {HUB_NAME}", f"User logged in: user-{HUB_NAME[-12:]}"),
        (f"({HUB_NAME}@127.0.0.1) 60ms", f"(user-{HUB_NAME[-12:]}@127.0.0.1) 60ms"),
        ("w-36lvtxuwxdum was started", "w-36lvtxuwxdum was started"),
        ("client jupyterhub-user-alice-gaxpdwzafcq2-w-36lvtxuwxdum", "client user-gaxpdwzafcq2-w-36lvtxuwxdum"),
        ("jupyterhub-user-quillfeather-gaxpdwzafcq2-w-36lvtxuwxdum", "user-gaxpdwzafcq2-w-36lvtxuwxdum"),
        ("/user/bo-b-gaxpdwzafcq2/w-36lvtxuwxdum/ => x", "/user/user-gaxpdwzafcq2/w-36lvtxuwxdum/ => x"),
        ("run w-36lvtxuwxdum-3 of nccid-00123", "run w-36lvtxuwxdum-3 of nccid-00123"),
        ("gaxpdwzafcq2 service-not-ready", "gaxpdwzafcq2 service-not-ready"),
        (
            "/x?state%3DEKku-x_Y%26code_challenge%3Dsd7%26z",
            "/x?state%3D[secret]%26code_challenge%3D[secret]%26z",
        ),
        ("/cb?code=abc&state=def (x)", "/cb?code=[secret]&state=[secret] (x)"),
        ("/cb?code=[secret]&state=[secret]", "/cb?code=[secret]&state=[secret]"),
        ("status=200 exit code 3", "status=200 exit code 3"),
        (["a@b.example", {"to": "a@b.example", "n": 3}], ["[address]", {"to": "[address]", "n": 3}]),
    ],
)
def test_what_is_taken_out(said: object, written: object) -> None:
    assert scrubbed(said) == written


def test_every_thread_writes_lines_of_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    configure_log("storekeeper")
    try:
        log = structlog.get_logger()
        thread = threading.Thread(target=lambda: log.warning("x", to="a@b.example"))
        thread.start()
        thread.join()
        try:
            secret = "a vote"  # noqa: F841 - a variable that a traceback could show
            raise ValueError("for a@b.example")
        except ValueError as error:
            log.error("y", exc_info=error)
    finally:
        structlog.reset_defaults()
    written = capsys.readouterr().err
    found = [json.loads(line) for line in written.splitlines()]
    assert [(line["service"], line["level"], line["event"]) for line in found] == [
        ("storekeeper", "warning", "x"),
        ("storekeeper", "error", "y"),
    ]
    assert "ValueError" in written
    assert "b.example" not in written
    assert "a vote" not in written


class Disk(io.StringIO):
    """A disk with or without room."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_line_that_the_disk_does_not_take_ends_nothing_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()
    monkeypatch.setattr(sys, "stderr", disk)
    configure_log("controller")
    try:
        log = structlog.get_logger()
        disk.full = True
        log.error("lost")
        disk.full = False
        log.error("kept")
        log.error("kept")
    finally:
        structlog.reset_defaults()
    found = [json.loads(line) for line in disk.getvalue().splitlines()]
    assert [line["event"] for line in found] == ["kept", "log-refused", "kept"]
    assert found[1]["times"] > 0
    assert found[1].keys() >= {"timestamp", "level", "event", "service"}


def test_what_a_library_warns_of_is_a_line_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    for service in ("hub", "controller"):  # the last one counts, once
        configure_log(service)
    try:
        library = logging.getLogger("a.library")
        library.info("nobody asked")
        try:
            raise ValueError("for a@b.example")
        except ValueError:
            library.exception("Error handling request from %s", "c@d.example")
    finally:
        structlog.reset_defaults()
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "Error handling request from [address]"
    assert (line["service"], line["level"], line["logger"]) == ("controller", "error", "a.library")
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert line["exception"][0]["exc_value"] == "for [address]"
